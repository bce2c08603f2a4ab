"""Endpoints of our own beside OpenAI's: recordings in, JSON out."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from wav2vec2_conformer.formats.classification_files import classification_as_json
from wav2vec2_conformer.formats.diarization_files import (
    diarization_as_json,
    format_diarization_rttm,
)
from wav2vec2_conformer.formats.json_transcript import as_json
from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.server.api_error import bad_value
from wav2vec2_conformer.server.model_set import required
from wav2vec2_conformer.server.service import Received, Service
from wav2vec2_conformer.server.transcription_fields import (
    read_choice,
    read_flag,
    read_number,
    read_text,
)
from wav2vec2_conformer.server.whole_recordings import align, classify, diarize, embed, verify

_Answer = Callable[[Service, Request, Received], Awaitable[Response]]
_DEFAULT_TOP_K = 5
_LOWEST_SCORE = -1e9
_RECORDING = "file"


def task_routes(service: Service) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter()
    answers: dict[str, _Answer] = {
        "alignments": _align,
        "diarizations": _diarize,
        "embeddings": _embed,
        "verifications": _verify,
        "classifications": _classify,
    }
    for task, answer in answers.items():
        endpoint = _endpoint(service, answer)
        router.add_api_route(f"/v1/audio/{task}", endpoint, methods=["POST"])
    return router


def _endpoint(service: Service, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        async with service.receive(request) as received:
            return await answer(service, request, received)

    return endpoint


async def _align(service: Service, request: Request, received: Received) -> Response:
    """Fields: file, text (a line a segment), model."""
    aligner = received.models.recognizer(read_text(received.form, "model")).aligner
    text = read_text(received.form, "text")
    if not text:
        raise bad_value("text", "the field text must hold what is said in the recording.")
    rate_hz = int(aligner.processor.feature_extractor.sampling_rate)
    samples = await service.decode(received, rate_hz, task="alignments")
    work = partial(align, aligner, samples, rate_hz, text, service.turns, service.step(received))
    result = await service.finish(request, received, work)
    return JSONResponse(_without_file(as_json(result, FormatOptions())))


async def _diarize(service: Service, request: Request, received: Received) -> Response:
    """Fields: file, num_speakers, min_speakers, max_speakers, response_format (json, rttm)."""
    form = received.form
    diarizer = required(received.models.diarizer, "diarization")
    response_format = read_choice(form, "response_format", ("json", "rttm"), "json")
    limits: dict[str, Any] = {
        "num_speakers": read_number(form, "num_speakers", int, minimum=1),
        "min_speakers": read_number(form, "min_speakers", int, minimum=1) or 1,
        "max_speakers": read_number(form, "max_speakers", int, minimum=1),
    }
    rate_hz = diarizer.sample_rate_hz
    samples = await service.decode(received, rate_hz, task="diarizations")
    step = service.step(received)
    work = partial(diarize, diarizer, samples, rate_hz, service.turns, step, **limits)
    result = await service.finish(request, received, work)
    if response_format == "rttm":
        return PlainTextResponse(format_diarization_rttm(result, _RECORDING))
    return JSONResponse(_without_file(diarization_as_json(result)))


async def _embed(service: Service, request: Request, received: Received) -> Response:
    """Fields: file, model (a recognizer's, or speaker)."""
    embedder = received.models.embedder(read_text(received.form, "model"))
    rate_hz = embedder.sample_rate_hz
    samples = await service.decode(received, rate_hz, task="embeddings")
    work = partial(embed, embedder, samples, rate_hz, service.turns, service.step(received))
    result = await service.finish(request, received, work)
    data = [{"object": "embedding", "index": 0, "embedding": result.vector.tolist()}]
    duration_s = round(result.duration_s, 3)
    body = {"object": "list", "data": data, "duration": duration_s, "layer": result.layer}
    return JSONResponse(body)


async def _verify(service: Service, request: Request, received: Received) -> Response:
    """Fields: file, other_file, threshold."""
    verifier = required(received.models.verifier, "speaker")
    threshold = read_number(received.form, "threshold", float, minimum=_LOWEST_SCORE)
    rate_hz = verifier.embedder.sample_rate_hz
    decode = partial(service.decode, received, rate_hz, task="verifications")
    first, second = await decode(), await decode(field="other_file")
    step = service.step(received)
    work = partial(verify, verifier, first, second, rate_hz, service.turns, step)
    result = await service.finish(request, received, partial(work, threshold=threshold))
    body = {"score": round(result.score, 6), "same_speaker": result.is_same_speaker}
    return JSONResponse({**body, "threshold": result.threshold})


async def _classify(service: Service, request: Request, received: Received) -> Response:
    """Fields: file, top_k, windows (true: the scores of each window too)."""
    classifier = required(received.models.classifier, "classification")
    top_k = read_number(received.form, "top_k", int, minimum=1) or _DEFAULT_TOP_K
    has_windows = read_flag(received.form, "windows")
    rate_hz = classifier.sample_rate_hz
    samples = await service.decode(received, rate_hz, task="classifications")
    step = service.step(received)
    work = partial(classify, classifier, samples, rate_hz, top_k, service.turns, step)
    result = await service.finish(request, received, work)
    return JSONResponse(_without_file(classification_as_json(result, windows=has_windows)))


def _without_file(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out the name of a file, which the models do not know."""
    return {key: value for key, value in body.items() if key != "file"}
