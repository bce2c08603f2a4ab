"""Answers that come as server-sent events while the work goes on."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from wav2vec2_conformer.server.api_error import as_api_error
from wav2vec2_conformer.server.service import Service, took_too_long
from wav2vec2_conformer.server.transcription import CancelledRequestError

Event = dict[str, Any]
Tell = Callable[[Event], None]
# Proxies close connections on which nothing comes.
_PING_S = 15.0


class EventStream(StreamingResponse):
    """Runs work in a thread and sends what it tells.

    An error becomes the last event, in the shape of OpenAI's errors.

    Args:
        service: Runs the work.
        held: What the request holds; given back when the answer is over, however that is.
        is_cancelled: Set when the client goes away.
        work: Is given the function that tells an event. It runs in a thread.
    """

    def __init__(
        self,
        service: Service,
        held: AsyncExitStack,
        is_cancelled: threading.Event,
        work: Callable[[Tell], None],
    ) -> None:
        super().__init__(self._iter_bytes(), media_type="text/event-stream")
        self._service = service
        self._held = held
        self._is_cancelled = is_cancelled
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        async with self._held:
            events: asyncio.Queue[Event | None] = asyncio.Queue()
            working = asyncio.ensure_future(self._run(events))
            self._events = events
            try:
                await super().__call__(scope, receive, send)
            finally:
                self._is_cancelled.set()
                await asyncio.wait({working})  # it uses the request's files

    async def _run(self, events: "asyncio.Queue[Event | None]") -> None:
        loop = asyncio.get_running_loop()

        def tell(event: Event | None) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        timeout_s = self._service.settings.request_timeout_s
        watch = loop.call_later(timeout_s, self._is_cancelled.set)
        try:
            await self._service.in_thread(lambda: self._work(tell))
        except CancelledRequestError:
            tell({"type": "error", **took_too_long(timeout_s).body})
        except Exception as error:  # noqa: BLE001  told to the client, and logged if it is a bug
            tell({"type": "error", **as_api_error(error).body})
        finally:
            watch.cancel()
            tell(None)

    async def _iter_bytes(self) -> AsyncIterator[bytes]:
        while True:
            try:
                event = await asyncio.wait_for(self._events.get(), _PING_S)
            except TimeoutError:
                yield format_sse_event(comment="still working")
                continue
            if event is None:
                return
            yield format_sse_event(data_str=json.dumps(event, ensure_ascii=False))
