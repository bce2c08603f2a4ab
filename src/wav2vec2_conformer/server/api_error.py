"""What a client is told when it gets no result, in the shape of OpenAI's errors."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wav2vec2_conformer.errors import (
    CheckpointError,
    MissingExtraError,
    Wav2Vec2ConformerError,
)

_BAD_REQUEST, _UNPROCESSABLE, _TOO_MANY, _INTERNAL = 400, 422, 429, 500
# A client that went away is not answered; logs and metrics have a number for it, as nginx has.
CLIENT_GONE = 499
_log = logging.getLogger(__name__)


class ApiError(Exception):
    """An answer that is no result.

    Args:
        status: HTTP status.
        message: What is wrong, what is allowed and what to do.
        code: Word for programs.
        param: Field of the request that is to blame.
        retry_after_s: When trying again makes sense.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        """The values of the JSON."""
        return {
            "error": {
                "message": self.message,
                "type": _type_of(self.status),
                "param": self.param,
                "code": self.code,
            }
        }

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


def bad_value(param: str, message: str) -> ApiError:
    """Return the error for a field that cannot be used."""
    return ApiError(_BAD_REQUEST, message, code="invalid_value", param=param)


def as_api_error(error: Exception) -> ApiError:
    """Return what a client may know of an error; details of bugs stay in the log."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, MissingExtraError):
        return ApiError(_UNPROCESSABLE, _tell_missing(error), code="unsupported_format")
    if isinstance(error, Wav2Vec2ConformerError) and not isinstance(error, CheckpointError):
        # Our messages are for users; those about checkpoints name folders of the server.
        message = str(error).replace("<array>", "file")  # samples have no name
        return ApiError(_UNPROCESSABLE, message, code="unusable_input", param="file")
    _log.error("failed", exc_info=error)
    return ApiError(
        _INTERNAL,
        "the server failed on this request; its log has the reason under the request id of "
        "the header x-request-id.",
        code="internal_error",
    )


def add_error_handlers(app: FastAPI) -> None:
    """Make an application answer every error in one shape."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        told = as_api_error(error)
        return JSONResponse(told.body, told.status, headers=dict(told.headers))

    async def answer_http(request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else _INTERNAL
        message = f"{request.method} {request.url.path}: {getattr(error, 'detail', 'failed')}."
        told = ApiError(status, message, code="not_found" if status == 404 else "bad_request")  # noqa: PLR2004
        return JSONResponse(told.body, status, headers=getattr(error, "headers", None))

    app.add_exception_handler(ApiError, answer)
    app.add_exception_handler(Wav2Vec2ConformerError, answer)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(Exception, answer)


def _type_of(status: int) -> str:
    if status == _TOO_MANY:
        return "rate_limit_error"
    if status == 401:  # noqa: PLR2004
        return "authentication_error"
    return "server_error" if status >= _INTERNAL else "invalid_request_error"


def _tell_missing(error: MissingExtraError) -> str:
    return f"this server cannot read that format: {error}"
