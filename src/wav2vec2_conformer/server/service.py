"""What the endpoints of one server share, and the way of a request through it."""

import asyncio
import contextvars
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from starlette.datastructures import FormData

from wav2vec2_conformer.server.access import Access
from wav2vec2_conformer.server.admission import Admission
from wav2vec2_conformer.server.api_error import CLIENT_GONE, ApiError
from wav2vec2_conformer.server.audio_decoders import AudioDecoders
from wav2vec2_conformer.server.metrics import Metrics
from wav2vec2_conformer.server.model_set import ModelSet
from wav2vec2_conformer.server.model_thread import ModelThread
from wav2vec2_conformer.server.request_log import note
from wav2vec2_conformer.server.settings import ServerSettings
from wav2vec2_conformer.server.transcription import CancelledRequestError
from wav2vec2_conformer.server.turns import Turns
from wav2vec2_conformer.server.upload import drain, find_file, read_form, save

T = TypeVar("T")
_LOADING_RETRY_S = 2


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A request that has arrived.

    Attributes:
        form: Its fields.
        models: The server's models.
        is_cancelled: Set when nobody waits for the result any more.
        folder: For its files; removed with it.
    """

    form: FormData
    models: ModelSet
    is_cancelled: threading.Event
    folder: Path


class Service:
    """The parts of a running server.

    Args:
        settings: What the server was told.

    Attributes:
        settings: As given.
        access: Who may call.
        admission: How many are in the house.
        metrics: Numbers for `/metrics`.
        turns: Turns at the processor.
        model_thread: Runs windows of all requests.
        models: None while they are loaded.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.access = Access(settings.api_keys, settings.allowed_origins)
        self.admission = Admission(settings.max_requests)
        self.metrics = Metrics()
        self.turns = Turns()
        self.model_thread = ModelThread(
            self.turns,
            batch_seconds=settings.batch_seconds,
            max_wait_s=settings.batch_wait_ms / 1000,
            expects_company=lambda: self.admission.num_inside > 1,
            on_batch=self.metrics.count_batch,
        )
        self.models: ModelSet | None = None
        self._decoders = AudioDecoders(
            settings.num_decoders,
            memory_mb=settings.decode_memory_mb,
            timeout_s=settings.decode_timeout_s,
            max_audio_s=settings.max_audio_s,
        )
        self._resources = ExitStack()
        self._folder = Path(
            self._resources.enter_context(tempfile.TemporaryDirectory(prefix="w2vc-server-"))
        )
        self._threads = ThreadPoolExecutor(settings.max_requests + settings.max_streams + 1)
        self.metrics.watch(
            "w2vc_requests_inside", "Requests in the house.", lambda: self.admission.num_inside
        )
        self.metrics.watch(
            "w2vc_windows_waiting", "Windows that wait.", lambda: self.model_thread.num_waiting
        )

    async def start(self) -> None:
        """Start what takes time to start."""
        await self._decoders.start()

    async def close(self) -> None:
        """End processes and threads, and remove all files."""
        await self._decoders.close()
        await asyncio.to_thread(self.model_thread.close)
        self._threads.shutdown()
        self._resources.close()

    def loaded_models(self) -> ModelSet:
        """Return the models.

        Raises:
            ApiError: While they are loaded.
        """
        if self.models is None:
            raise ApiError(
                503,
                "the models are being loaded. Try again after the time in the header "
                "Retry-After; /ready tells when they are there.",
                code="loading",
                retry_after_s=_LOADING_RETRY_S,
            )
        return self.models

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[Received]:
        """Let a request in and read its form.

        Raises:
            ApiError: When it may not come in, or cannot be read.
        """
        with ExitStack() as inside:
            try:
                self.access.check(request.headers)
                models = self.loaded_models()
                inside.enter_context(self.admission.enter())
            except ApiError:
                await drain(request)
                raise
            form = await read_form(
                request,
                max_bytes=self.settings.max_upload_bytes,
                timeout_s=self.settings.upload_timeout_s,
            )
            is_cancelled = threading.Event()
            try:
                folder = inside.enter_context(tempfile.TemporaryDirectory(dir=self._folder))
                yield Received(form, models, is_cancelled, Path(folder))
            finally:
                is_cancelled.set()
                await form.close()

    async def decode(
        self, received: Received, rate_hz: int, *, task: str, field: str = "file"
    ) -> NDArray[np.float32]:
        """Return the samples of an uploaded file, shape (L,), from the disk as they are read.

        Args:
            received: The request.
            rate_hz: Rate of the samples.
            task: What they are for, in the metrics.
            field: Name of the file's field.

        Raises:
            ApiError: When there are none.
        """
        upload = find_file(received.form, field)
        path, target = received.folder / f"{field}.upload", received.folder / f"{field}.f32"
        await save(upload, path)
        num_samples = await self._decoders.decode(path, target, rate_hz=rate_hz)
        path.unlink()
        note(audio_s=round(num_samples / rate_hz, 3))
        self.metrics.audio_s.labels(task).inc(num_samples / rate_hz)
        if not num_samples:
            raise ApiError(422, "file: holds no audio.", code="invalid_audio", param=field)
        return np.memmap(target, dtype="<f4", mode="r", shape=(num_samples,))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run what takes time beside the loop."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(context.run, work))

    async def finish(self, request: Request, received: Received, work: Callable[[], T]) -> T:
        """Run work while its client waits.

        Args:
            request: The client's; its body is read.
            received: Its `is_cancelled` is set when the work is not needed any more.
            work: Ends soon after that with `CancelledRequestError`.

        Raises:
            ApiError: When the client goes away, or it takes too long.
        """
        working = asyncio.ensure_future(self.in_thread(work))
        gone = asyncio.ensure_future(_wait_until_gone(request))
        try:
            await asyncio.wait(
                {working, gone},
                timeout=self.settings.request_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if working.done():
                return working.result()
        finally:
            is_gone = gone.done()
            gone.cancel()
            received.is_cancelled.set()
            # The work uses the request's files, and the house stays full while it goes on.
            await asyncio.wait({working})
        if is_gone:
            raise ApiError(CLIENT_GONE, "the client went away.", code="client_gone")
        if not isinstance(working.exception(), CancelledRequestError):
            return working.result()  # it was faster than the cancellation
        raise took_too_long(self.settings.request_timeout_s)

    def step(self, received: Received) -> Callable[[float], None]:
        """Return what work that has the turn calls after each step: others come in between."""

        def let_others(_seconds: float) -> None:
            if received.is_cancelled.is_set():
                raise CancelledRequestError
            self.turns.let_others()

        return let_others


def took_too_long(timeout_s: float) -> ApiError:
    """Return the error for a request that the server gives up."""
    return ApiError(
        504,
        f"the request took longer than {timeout_s:g} s. Send the audio in parts.",
        code="request_timeout",
    )


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
