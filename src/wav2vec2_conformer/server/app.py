"""The application: endpoints, what they share, and its beginning and end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from wav2vec2_conformer.server.api_error import add_error_handlers
from wav2vec2_conformer.server.model_set import ModelSet, load_models
from wav2vec2_conformer.server.request_log import RequestLog
from wav2vec2_conformer.server.routes_page import page_routes
from wav2vec2_conformer.server.routes_realtime import realtime_routes
from wav2vec2_conformer.server.routes_status import status_routes
from wav2vec2_conformer.server.routes_tasks import task_routes
from wav2vec2_conformer.server.routes_transcription import transcription_routes
from wav2vec2_conformer.server.service import Service
from wav2vec2_conformer.server.settings import ServerSettings

_log = logging.getLogger(__name__)
_EXPOSED_HEADERS = ["x-request-id", "retry-after"]


def build_app(
    settings: ServerSettings | None = None,
    *,
    load: Callable[[ServerSettings], ModelSet] = load_models,
    on_loaded: Callable[[Exception | None], None] = lambda _: None,
) -> ASGIApp:
    """Return the application, which any ASGI server runs; it loads its models when it is started.

    Requests are answered with 503 until the models are there.

    Args:
        settings: None reads them from the environment.
        load: Loads the models.
        on_loaded: Called when they are there, with None, or with the error why they will never be;
            the application then answers 503 for ever.
    """
    settings = settings or ServerSettings()
    service = Service(settings)

    async def load_in_thread() -> None:
        try:
            service.models = await asyncio.to_thread(load, settings)
        except Exception as error:  # noqa: BLE001  told to whoever runs the application
            _log.error("loading failed", extra={"facts": {"reason": str(error)}})
            on_loaded(error)
            return
        on_loaded(None)
        _log.info("ready", extra={"facts": {"models": list(service.models.recognizers)}})

    @asynccontextmanager
    async def live(_app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(load_in_thread())
        await service.start()
        try:
            yield
        finally:
            await loading
            await service.close()

    app = FastAPI(
        title="wav2vec2-conformer",
        lifespan=live,
        # The usual pages of documentation load scripts from another host.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=_cors(settings),
    )
    add_error_handlers(app)
    for routes in (
        status_routes,
        transcription_routes,
        task_routes,
        realtime_routes,
        page_routes,
    ):
        app.include_router(routes(service))
    return RequestLog(app, service.metrics)


def _cors(settings: ServerSettings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=_EXPOSED_HEADERS,
        )
    ]
