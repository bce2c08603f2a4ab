"""The web page at `/`, its files, and the transcription that it asks for."""

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from wav2vec2_conformer.formats import FormatOptions, format_transcript
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.inference.speaker_words import find_speaker
from wav2vec2_conformer.inference.transcript import Transcript
from wav2vec2_conformer.server.api_error import ApiError
from wav2vec2_conformer.server.event_stream import EventStream, Tell
from wav2vec2_conformer.server.service import Received, Service
from wav2vec2_conformer.server.transcript_bodies import word_body
from wav2vec2_conformer.server.transcription import Job, TextSoFar, measure_peaks, transcribe
from wav2vec2_conformer.server.transcription_fields import (
    choose_decoder,
    read_flag,
    read_text,
)
from wav2vec2_conformer.server.whole_recordings import diarize

_FOLDER = Path(__file__).parent / "page"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_NUM_PEAKS = 1000
_DOWNLOADS = ("txt", "srt", "vtt", "json")
# The page records; nothing else of the browser's is its business.
_PERMISSIONS = "microphone=(self), camera=(), geolocation=()"


def page_routes(service: Service) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter()
    files = {path.name: path for path in sorted(_FOLDER.iterdir())}

    def send_file(name: str) -> Response:
        if name not in files:
            raise ApiError(404, "there is no such file.", code="not_found")
        path = files[name]
        headers = {"permissions-policy": _PERMISSIONS}
        return FileResponse(path, media_type=_MEDIA_TYPES[path.suffix], headers=headers)

    @router.get("/")
    async def show_page() -> Response:
        return send_file("index.html")

    @router.get("/page/{name}")
    async def show_file(name: str) -> Response:
        return send_file(name)

    @router.post("/page/transcriptions")
    async def transcribe_for_page(request: Request) -> Response:
        """Fields: file, model, prompt, speakers. Events: progress, result, error."""
        async with AsyncExitStack() as stack:
            received = await stack.enter_async_context(service.receive(request))
            form = received.form
            recognizer = received.models.recognizer(read_text(form, "model"))
            has_speakers = read_flag(form, "speakers")
            diarizer = received.models.diarizer if has_speakers else None
            rate_hz = recognizer.reader.sample_rate_hz
            samples = await service.decode(received, rate_hz, task="page")
            decoder = choose_decoder(recognizer, read_text(form, "prompt"))
            job = Job(samples, recognizer.reader, decoder, received.is_cancelled)
            work = partial(_tell, service, received, job, diarizer)
            held = stack.pop_all()
        return EventStream(service, held, received.is_cancelled, work)

    return router


def _tell(
    service: Service, received: Received, job: Job, diarizer: Diarizer | None, tell: Tell
) -> None:
    rate_hz = job.reader.sample_rate_hz
    duration_s = len(job.samples) / rate_hz
    tell({"type": "progress", "heard": 0.0, "duration": round(duration_s, 3)})

    def on_progress(heard_s: float, _text: TextSoFar) -> None:
        tell({"type": "progress", "heard": round(heard_s, 3), "duration": round(duration_s, 3)})

    transcript = transcribe(job, service.model_thread, on_progress)
    words = [word_body(word) for word in transcript.words]
    if diarizer is not None:
        step = service.step(received)
        turns = diarize(diarizer, job.samples, rate_hz, service.turns, step).turns
        for body, word in zip(words, transcript.words, strict=True):
            body["speaker"] = find_speaker(word, turns)
    tell(
        {
            "type": "result",
            "text": transcript.text,
            "duration": round(duration_s, 3),
            "confidence": round(transcript.confidence, 4),
            "words": words,
            "segments": [[s.start_s, s.end_s, len(s.words)] for s in transcript.segments],
            "peaks": measure_peaks(job.samples, _NUM_PEAKS),
            "files": _format_files(transcript),
        }
    )


def _format_files(transcript: Transcript) -> dict[str, Any]:
    return {name: format_transcript(transcript, name, FormatOptions()) for name in _DOWNLOADS}
