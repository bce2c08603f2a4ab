"""The model behind HTTP: OpenAI's transcription API, live sockets, and a web page."""
