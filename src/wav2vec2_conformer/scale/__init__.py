"""Many recordings on many machines, with Ray: batch transcription, and replicas of the server."""
