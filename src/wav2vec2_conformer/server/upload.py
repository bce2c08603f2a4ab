"""Forms with files, read from the network to files of bounded size."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio.to_thread
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from wav2vec2_conformer.server.api_error import CLIENT_GONE, ApiError

_MAX_FILES = 2
_MAX_FIELDS = 32
_MAX_FIELD_BYTES = 1 << 19
# A client that is refused hears it only when it has sent what it is sending.
_MAX_DRAIN_BYTES = 8 << 20
_DRAIN_S = 5.0


async def read_form(request: Request, *, max_bytes: int, timeout_s: float) -> FormData:
    """Read a multipart form; small files stay in memory, others go to unnamed temporary files.

    Raises:
        ApiError: When it is too large or too slow, is no such form, or the client goes away.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        await drain(request)
        raise ApiError(
            400,
            "the request must be a form (multipart/form-data) with the audio in the field file.",
            code="invalid_form",
        )
    if _content_length(request) > max_bytes:
        await drain(request)
        raise _too_large(max_bytes)
    parser = MultiPartParser(
        request.headers,
        _iter_bounded(request, max_bytes),
        max_files=_MAX_FILES,
        max_fields=_MAX_FIELDS,
        max_part_size=_MAX_FIELD_BYTES,
    )
    try:
        return await asyncio.wait_for(parser.parse(), timeout_s)
    except MultiPartException as error:
        raise ApiError(
            400, f"the form cannot be read: {error.message}", code="invalid_form"
        ) from error
    except TimeoutError as error:
        raise ApiError(
            408, f"the upload took longer than {timeout_s:g} s.", code="upload_timeout"
        ) from error
    except ClientDisconnect as error:
        raise ApiError(CLIENT_GONE, "the client went away.", code="client_gone") from error


def find_file(form: FormData, name: str = "file") -> UploadFile:
    """Return the file of a field.

    Raises:
        ApiError: When there is none.
    """
    value = form.get(name)
    if not isinstance(value, UploadFile):
        raise ApiError(
            400, f"the field {name} must hold an audio file.", code="missing_field", param=name
        )
    return value


async def save(upload: UploadFile, path: Path) -> None:
    """Copy an upload to a file."""

    def copy() -> None:
        upload.file.seek(0)
        with path.open("wb") as target:
            shutil.copyfileobj(upload.file, target, 1 << 20)

    await anyio.to_thread.run_sync(copy)


async def drain(request: Request) -> None:
    """Read on for a while and throw away, so that the client can hear why it is refused."""
    num_bytes = 0
    try:
        async with asyncio.timeout(_DRAIN_S):
            async for piece in request.stream():
                num_bytes += len(piece)
                if num_bytes > _MAX_DRAIN_BYTES:
                    break
    except (TimeoutError, ClientDisconnect):
        return  # it has had its time


async def _iter_bounded(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    num_bytes = 0
    async for piece in request.stream():
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            raise _too_large(max_bytes)
        yield piece


def _content_length(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(
        413,
        f"the request is larger than the {max_bytes / 1e6:g} MB that this server takes. Compress "
        "the audio (opus, mp3, flac) or send it in parts.",
        code="file_too_large",
        param="file",
    )
