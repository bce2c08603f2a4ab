"""`/v1/realtime`: samples in, text out, while somebody speaks."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from wav2vec2_conformer.audio.pcm import PcmReader
from wav2vec2_conformer.errors import AudioError
from wav2vec2_conformer.inference.stream_events import StreamEvent
from wav2vec2_conformer.inference.stream_session import StreamSession
from wav2vec2_conformer.server.access import socket_protocol
from wav2vec2_conformer.server.api_error import ApiError, as_api_error, bad_value
from wav2vec2_conformer.server.live_events import LiveEvents
from wav2vec2_conformer.server.live_messages import (
    Audio,
    Clear,
    Commit,
    Update,
    read_message,
    read_rate,
)
from wav2vec2_conformer.server.model_set import ModelSet, Recognizer
from wav2vec2_conformer.server.request_log import note
from wav2vec2_conformer.server.service import Service

# What OpenAI's API takes where the client names no rate.
_DEFAULT_RATE_HZ = 24_000
_DEFAULT_LATENCY_S = 1.0
_NORMAL, _REFUSED, _FAILED, _TRY_LATER = 1000, 1008, 1011, 1013


def realtime_routes(service: Service) -> APIRouter:
    """Return the endpoint."""
    router = APIRouter()
    num_open = 0

    @asynccontextmanager
    async def count() -> AsyncIterator[None]:
        nonlocal num_open
        if num_open >= service.settings.max_streams:
            raise ApiError(
                429,
                f"{num_open} live sockets are open, as many as this server takes. Try again.",
                code="too_many_streams",
                retry_after_s=10,
            )
        num_open += 1
        service.metrics.streams.set(num_open)
        try:
            yield
        finally:
            num_open -= 1
            service.metrics.streams.set(num_open)

    @router.websocket("/v1/realtime")
    async def transcribe_live(websocket: WebSocket) -> None:
        """Query: model, rate (Hz), latency (seconds)."""
        try:
            service.access.check(websocket.headers)
            models = service.loaded_models()
            async with count():
                stream = _LiveStream(service, models, websocket)
                await websocket.accept(socket_protocol(websocket.headers))
                await stream.run()
        except ApiError as error:  # before it was accepted
            await websocket.send_denial_response(
                JSONResponse(error.body, error.status, headers=dict(error.headers))
            )

    return router


class _LiveStream:
    """One socket.

    Args:
        service: Runs the model.
        models: To choose from.
        websocket: Not accepted yet.

    Raises:
        ApiError: When the query asks for what there is not.
    """

    def __init__(self, service: Service, models: ModelSet, websocket: WebSocket) -> None:
        query = websocket.query_params
        self._service = service
        self._models = models
        self._websocket = websocket
        self._events = LiveEvents()
        self._id = f"sess_{uuid.uuid4().hex}"
        self._model = query.get("model", "")
        self._rate_hz = read_rate(query.get("rate", str(_DEFAULT_RATE_HZ)))
        try:
            self._latency_s = float(query.get("latency", _DEFAULT_LATENCY_S))
        except ValueError as error:
            raise bad_value("latency", "latency must be a number of seconds.") from error
        self._heard_s = 0.0
        self._recognizer = self._models.recognizer(self._model)
        self._session, self._reader = self._start()

    async def run(self) -> None:
        """Serve the socket until one side ends it."""
        await self._send(self._events.tell("session.created", session=self._describe()))
        try:
            while True:
                async with asyncio.timeout(self._service.settings.idle_timeout_s):
                    message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._handle(dict(message))
        except WebSocketDisconnect:
            return  # while something was sent
        except TimeoutError:
            await self._end(ApiError(408, "nothing came for too long.", code="idle"), _NORMAL)
        except Exception as error:  # noqa: BLE001  told to the client, and logged if it is a bug
            told = as_api_error(error)
            await self._end(told, _FAILED if told.status >= 500 else _REFUSED)  # noqa: PLR2004
        finally:
            note(audio_s=round(self._heard_s, 3))
            self._service.metrics.audio_s.labels("realtime").inc(self._heard_s)

    async def _handle(self, frame: dict[str, Any]) -> None:
        message = read_message(frame)
        if isinstance(message, Audio):
            samples = self._reader.read(message.data)
            self._heard_s += len(samples) / self._session.sample_rate_hz
            if self._heard_s > self._service.settings.max_stream_s:
                raise ApiError(
                    413,
                    f"the stream is longer than the {self._service.settings.max_stream_s:g} s "
                    "that this server takes. Open another.",
                    code="audio_too_long",
                )
            self._session.add(samples)
            await self._run_windows()
        elif isinstance(message, Commit):
            await self._commit()
        elif isinstance(message, Clear):
            self._session, self._reader = self._start()
            await self._send(self._events.tell("input_audio_buffer.cleared"))
        elif isinstance(message, Update):
            await self._update(message)

    async def _update(self, update: Update) -> None:
        if self._session.heard_s:
            raise ApiError(
                400, "a session can be changed before the first samples.", code="invalid_message"
            )
        self._rate_hz = update.sample_rate_hz or self._rate_hz
        self._model = self._model if update.model is None else update.model
        self._recognizer = self._models.recognizer(self._model)
        self._session, self._reader = self._start()
        await self._send(self._events.tell("session.updated", session=self._describe()))

    async def _commit(self) -> None:
        """End what is said, tell all of it, and be ready for more."""
        item_id = self._events.item_id
        try:
            self._session.add(self._reader.finish())
        except AudioError:
            # Nothing was sent since the last commit: there is nothing to hear.
            await self._send(self._events.tell("input_audio_buffer.committed", item_id=item_id))
            return
        self._session.close()
        await self._run_windows()
        await self._tell(await self._service.in_thread(self._session.finish))
        await self._send(self._events.tell("input_audio_buffer.committed", item_id=item_id))
        self._session, self._reader = self._start()

    async def _run_windows(self) -> None:
        """Hand complete windows to the model thread, among those of all others."""
        while (window := self._session.next_window()) is not None:
            result = self._service.model_thread.submit(
                self._session.model, window, sample_rate_hz=self._session.sample_rate_hz
            )
            log_probs = await asyncio.wrap_future(result)
            session = self._session
            await self._tell(
                await self._service.in_thread(lambda: session.accept(log_probs))  # noqa: B023  awaited here
            )

    async def _tell(self, events: list[StreamEvent]) -> None:
        for event in self._events.convert(events):
            await self._send(event)

    def _start(self) -> tuple[StreamSession, PcmReader]:
        """Return a session of the chosen model, and what reads samples for it."""
        recognizer: Recognizer = self._recognizer
        session = recognizer.transcriber.stream(latency_s=self._latency_s)
        reader = PcmReader(
            "stream", sample_rate_hz=self._rate_hz, target_rate_hz=session.sample_rate_hz
        )
        return session, reader

    def _describe(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "realtime.transcription_session",
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": self._rate_hz},
                    "transcription": {"model": self._model or None},
                }
            },
        }

    async def _send(self, event: dict[str, Any]) -> None:
        await self._websocket.send_json(event)

    async def _end(self, error: ApiError, code: int) -> None:
        """Say why, and close."""
        try:
            await self._send(self._events.tell("error", **error.body))
            await self._websocket.close(code)
        except (WebSocketDisconnect, RuntimeError):
            return  # the client was faster
