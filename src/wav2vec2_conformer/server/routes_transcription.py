"""`POST /v1/audio/transcriptions`, as OpenAI's."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from wav2vec2_conformer.formats import format_transcript
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.inference.transcript import Transcript
from wav2vec2_conformer.server.event_stream import EventStream, Tell
from wav2vec2_conformer.server.model_set import required
from wav2vec2_conformer.server.request_log import note
from wav2vec2_conformer.server.service import Received, Service
from wav2vec2_conformer.server.transcript_bodies import (
    diarized_body,
    json_body,
    usage,
    verbose_body,
)
from wav2vec2_conformer.server.transcription import Job, TextSoFar, transcribe
from wav2vec2_conformer.server.transcription_fields import (
    TranscriptionFields,
    choose_decoder,
    read_transcription_fields,
)
from wav2vec2_conformer.server.whole_recordings import diarize

_PLAIN = {"text": "txt", "srt": "srt", "vtt": "vtt"}
_MEDIA_TYPES = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What one request wants, decoded and checked."""

    service: Service
    received: Received
    job: Job
    fields: TranscriptionFields
    diarizer: Diarizer | None


def transcription_routes(service: Service) -> APIRouter:
    """Return the endpoint."""
    router = APIRouter()

    @router.post("/v1/audio/transcriptions")
    async def create_transcription(request: Request) -> Response:
        async with AsyncExitStack() as stack:
            received = await stack.enter_async_context(service.receive(request))
            work = await _prepare(service, received)
            if not work.fields.is_streamed:
                return await service.finish(request, received, partial(_answer, work))
            held = stack.pop_all()
        return EventStream(service, held, received.is_cancelled, partial(_tell, work))

    return router


async def _prepare(service: Service, received: Received) -> _Work:
    fields = read_transcription_fields(received.form)
    recognizer = received.models.recognizer(fields.model)
    diarizer = None
    if fields.response_format == "diarized_json":
        diarizer = required(received.models.diarizer, "diarization")
    rate_hz = recognizer.reader.sample_rate_hz
    samples = await service.decode(received, rate_hz, task="transcriptions")
    decoder = choose_decoder(recognizer, fields.prompt)
    job = Job(samples, recognizer.reader, decoder, received.is_cancelled)
    return _Work(service, received, job, fields, diarizer)


def _answer(work: _Work) -> Response:
    transcript = transcribe(work.job, work.service.model_thread)
    _note_text(work.service, transcript)
    response_format = work.fields.response_format
    if response_format in _PLAIN:
        text = format_transcript(transcript, _PLAIN[response_format])
        return PlainTextResponse(text, media_type=_MEDIA_TYPES[response_format])
    if response_format == "json":
        return JSONResponse(json_body(transcript))
    if work.diarizer is not None:
        rate_hz = work.job.reader.sample_rate_hz
        step = work.service.step(work.received)
        result = diarize(work.diarizer, work.job.samples, rate_hz, work.service.turns, step)
        return JSONResponse(diarized_body(transcript, result.turns))
    return JSONResponse(
        verbose_body(
            transcript,
            language=work.fields.language,
            has_words="word" in work.fields.granularities,
            has_segments="segment" in work.fields.granularities,
        )
    )


def _tell(work: _Work, tell: Tell) -> None:
    """Tell text as it is heard, and at the end all of it."""
    so_far: TextSoFar | None = None

    def tell_new(text: str) -> None:
        if text:
            tell({"type": "transcript.text.delta", "delta": text})

    def on_progress(heard_s: float, text_so_far: TextSoFar) -> None:
        nonlocal so_far
        so_far = text_so_far
        tell_new(text_so_far.read(heard_s))

    transcript = transcribe(work.job, work.service.model_thread, on_progress)
    _note_text(work.service, transcript)
    if so_far is not None:
        tell_new(so_far.take(transcript.words))
    tell({"type": "transcript.text.done", "text": transcript.text, "usage": usage(transcript)})


def _note_text(service: Service, transcript: Transcript) -> None:
    if service.settings.logs_text:
        note(text=transcript.text)
