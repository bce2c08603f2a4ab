"""What a client sends over a live socket."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from wav2vec2_conformer.server.api_error import ApiError, bad_value


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples: 16-bit little endian, mono.

    Attributes:
        data: Their bytes; a sample may be cut anywhere.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """Changes of the session, before the first samples.

    Attributes:
        sample_rate_hz: Rate of the samples; None leaves it.
        model: Name of the recognizer; None leaves it.
    """

    sample_rate_hz: int | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Commit:
    """The end of what is said; what follows is something new."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget what was sent since the last commit."""


Message = Audio | Update | Commit | Clear


def read_message(message: dict[str, Any]) -> Message:
    """Return what a frame of the socket means.

    Args:
        message: `bytes` or `text`, as ASGI has them.

    Raises:
        ApiError: When it means nothing.
    """
    if message.get("bytes") is not None:
        return Audio(message["bytes"])
    try:
        event = json.loads(message.get("text") or "")
        kind = event["type"]
    except (ValueError, KeyError, TypeError) as error:
        raise _bad("a message must be binary samples or a JSON object with a type.") from error
    if kind == "input_audio_buffer.append":
        try:
            return Audio(base64.b64decode(event["audio"], validate=True))
        except (KeyError, TypeError, binascii.Error) as error:
            raise _bad("audio must be base64 of 16-bit samples.") from error
    if kind in {"session.update", "transcription_session.update"}:
        return _read_update(event)
    if kind == "input_audio_buffer.commit":
        return Commit()
    if kind == "input_audio_buffer.clear":
        return Clear()
    raise _bad(
        "type must be one of session.update, input_audio_buffer.append, input_audio_buffer.commit, "
        f"input_audio_buffer.clear, but is {str(kind)[:50]!r}."
    )


def read_rate(text: str | int) -> int:
    """Return a sample rate.

    Raises:
        ApiError: When it is none.
    """
    try:
        return int(text)
    except (TypeError, ValueError) as error:
        raise bad_value(
            "rate", f"rate must be a number of samples a second, but is {str(text)[:50]!r}."
        ) from error


def _read_update(event: dict[str, Any]) -> Update:
    try:
        audio_input = event["session"].get("audio", {}).get("input", {})
        audio_format = audio_input.get("format") or {}
        model = (audio_input.get("transcription") or {}).get("model")
        kind, rate = audio_format.get("type", "audio/pcm"), audio_format.get("rate")
    except (KeyError, AttributeError, TypeError) as error:
        raise _bad("session must be an object, as OpenAI's Realtime API has it.") from error
    if kind != "audio/pcm":
        raise _bad(f"the format of the audio must be audio/pcm, but is {str(kind)[:50]!r}.")
    return Update(None if rate is None else read_rate(rate), model)


def _bad(text: str) -> ApiError:
    return ApiError(400, text, code="invalid_message")
