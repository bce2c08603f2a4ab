"""The fields of a transcription request, checked."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, cast, get_args

from starlette.datastructures import FormData

from wav2vec2_conformer.inference.decoder import CtcDecoder
from wav2vec2_conformer.inference.loading import build_decoder
from wav2vec2_conformer.server.api_error import bad_value
from wav2vec2_conformer.server.model_set import Recognizer

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
N = TypeVar("N", int, float)
_GRANULARITIES = ("word", "segment")
_TRUE, _FALSE = {"true", "1"}, {"false", "0", ""}
_MAX_PHRASES = 100
_PHRASE_END = re.compile(r"[,;\n]")
_MAX_PHRASE_WORDS = 4


@dataclass(frozen=True, slots=True)
class TranscriptionFields:
    """What a client wants.

    Attributes:
        model: Name of a recognizer; empty for the default.
        language: As the client named it.
        prompt: Words and phrases to favour, between commas or line ends.
        response_format: Of the answer.
        granularities: What `verbose_json` has the times of.
        is_streamed: Whether the answer comes as events.
    """

    model: str
    language: str | None
    prompt: str
    response_format: ResponseFormat
    granularities: tuple[str, ...]
    is_streamed: bool


def read_transcription_fields(form: FormData) -> TranscriptionFields:
    """Check the fields of a form. Others (`temperature`, ...) mean nothing to a CTC model.

    Raises:
        ApiError: When a value is not allowed.
    """
    response_format = read_choice(form, "response_format", get_args(ResponseFormat), "json")
    granularities = [
        str(value)
        for key in ("timestamp_granularities[]", "timestamp_granularities")
        for value in form.getlist(key)
    ]
    for value in granularities:
        if value not in _GRANULARITIES:
            raise _not_among("timestamp_granularities", value, _GRANULARITIES)
    return TranscriptionFields(
        model=read_text(form, "model"),
        language=read_text(form, "language") or None,
        prompt=read_text(form, "prompt"),
        response_format=cast("ResponseFormat", response_format),
        granularities=tuple(granularities) or ("segment",),
        is_streamed=read_flag(form, "stream"),
    )


def read_text(form: FormData, name: str) -> str:
    """Return a field of text; empty where it is missing or a file."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def read_flag(form: FormData, name: str) -> bool:
    """Return a field of yes or no.

    Raises:
        ApiError: When it is neither.
    """
    value = read_text(form, name).lower()
    if value not in _TRUE | _FALSE:
        raise _not_among(name, value, ("true", "false"))
    return value in _TRUE


def read_choice(form: FormData, name: str, allowed: Collection[str], default: str) -> str:
    """Return a field that has few possible values.

    Raises:
        ApiError: When it has another.
    """
    value = read_text(form, name) or default
    if value not in allowed:
        raise _not_among(name, value, allowed)
    return value


def read_number(form: FormData, name: str, kind: type[N], *, minimum: N) -> N | None:
    """Return a field with a number; None where it is missing.

    Raises:
        ApiError: When it is none, or too small.
    """
    text = read_text(form, name)
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not minimum <= value < float("inf"):
        raise bad_value(name, f"{name} must be a number from {minimum} on, but is {text[:50]!r}.")
    return value


def choose_decoder(recognizer: Recognizer, prompt: str) -> CtcDecoder:
    """Return the decoder for a prompt: the recognizer's own, or one that favours its phrases.

    Clients send whole sentences as prompts, and punctuation. Phrases of more than four words,
    and what the vocabulary cannot spell, are left out.
    """
    transcriber = recognizer.transcriber
    letters = {token for token in transcriber.vocabulary if len(token) == 1}
    phrases = [
        " ".join(word.strip(".!?:()\"'") for word in phrase.split())
        for phrase in _PHRASE_END.split(prompt)
    ]
    hot_words = [
        phrase
        for phrase in dict.fromkeys(phrases)
        if phrase
        and len(phrase.split()) <= _MAX_PHRASE_WORDS
        and any(
            set("".join(spelling.split())) <= letters
            for spelling in (phrase, phrase.lower(), phrase.upper())
        )
    ][:_MAX_PHRASES]
    if not hot_words:
        return transcriber.decoder
    options = replace(transcriber.decoder.options, hot_words=hot_words)
    return build_decoder(transcriber.model, transcriber.processor, options)


def _not_among(param: str, value: str, allowed: Collection[str]) -> Exception:
    return bad_value(param, f"{param} must be one of {', '.join(allowed)}, but is {value[:50]!r}.")
