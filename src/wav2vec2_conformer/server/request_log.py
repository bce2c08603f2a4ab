"""A line of JSON for each request, its number, and headers that every answer has."""

import json
import logging
import re
import sys
import time
import uuid
from contextvars import ContextVar
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wav2vec2_conformer.server.api_error import CLIENT_GONE
from wav2vec2_conformer.server.metrics import Metrics

_log = logging.getLogger(__name__)
_CLIENTS_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_facts: ContextVar[dict[str, Any] | None] = ContextVar("facts", default=None)
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
# Everything comes from this server; audio that the page made itself is a blob.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class RequestLog:
    """Gives each request a number, logs it, and counts it.

    Neither audio nor text is logged, nor the name of a file.

    Args:
        app: The application.
        metrics: Where answers are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or socket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _CLIENTS_ID.fullmatch(given) else uuid.uuid4().hex
        _request_id.set(request_id)
        facts: dict[str, Any] = {}
        _facts.set(facts)
        start = time.monotonic()
        status = CLIENT_GONE

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.accept"}:
                status = message.get("status", 101)
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("content-security-policy", _PAGE_POLICY)
            elif message["type"] == "websocket.close" and status == CLIENT_GONE:
                status = 403  # refused before it was accepted
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            if status == CLIENT_GONE:
                raise
            # It was answered, and logged there; the framework raises it once more.
        finally:
            # Only what is there has a name: made-up addresses must not fill the metrics.
            endpoint = getattr(scope.get("route"), "path", "other")
            duration_s = time.monotonic() - start
            self._metrics.requests.labels(endpoint, str(status)).inc()
            self._metrics.request_s.labels(endpoint).observe(duration_s)
            _log.log(
                logging.DEBUG if endpoint in {"/health", "/ready", "/metrics"} else logging.INFO,
                "request",
                extra={
                    "facts": {
                        "method": scope.get("method", "WEBSOCKET"),
                        "endpoint": endpoint,
                        "status": status,
                        "duration_ms": round(duration_s * 1000, 1),
                        **facts,
                    }
                },
            )


def note(**facts: Any) -> None:
    """Add facts to the log line of the present request."""
    noted = _facts.get()
    if noted is not None:
        noted.update(facts)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "request_id": _request_id.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({key: value for key, value in line.items() if value is not None})


def log_as_json(level: str) -> None:
    """Send the package's log, and uvicorn's, to standard error as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in ("wav2vec2_conformer", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level.upper())
        logger.propagate = False
