"""What is logged, and what is not."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from wav2vec2_conformer.server.model_set import ModelSet
from wav2vec2_conformer.server.request_log import JsonFormatter, log_as_json
from wav2vec2_conformer.server.running import serve_in_thread
from wav2vec2_conformer.server.settings import ServerSettings


@contextmanager
def kept_loggers() -> Iterator[None]:
    """Give the loggers back as they were."""
    loggers = [logging.getLogger(name) for name in ("wav2vec2_conformer", "uvicorn")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


@pytest.mark.parametrize("logs_text", [False, True])
def test_text_is_logged_only_where_that_is_asked_for(
    models: ModelSet, wav: bytes, capsys: pytest.CaptureFixture[str], logs_text: bool
) -> None:
    settings = ServerSettings(port=0, logs_text=logs_text)
    with kept_loggers():
        log_as_json("info")
        with serve_in_thread(settings, load=lambda _: models) as address:
            answer = httpx.post(
                f"{address}/v1/audio/transcriptions",
                files={"file": ("secret-name.wav", wav)},
                data={"prompt": "secret words"},
                headers={"x-request-id": "number-1"},
                timeout=30,
            )
        out, err = capsys.readouterr()
    text = answer.json()["text"]
    assert not out
    assert (text in err) == logs_text
    assert "secret" not in err
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    [line] = [line for line in lines if line["event"] == "request"]
    assert line["request_id"] == "number-1"
    assert line["endpoint"] == "/v1/audio/transcriptions"
    assert (line["method"], line["status"], line["audio_s"]) == ("POST", 200, 2.2)


def test_a_bug_is_logged_with_its_traceback_and_told_without(
    models: ModelSet,
    wav: bytes,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("/secret/path")

    monkeypatch.setattr("wav2vec2_conformer.server.routes_transcription.transcribe", fail)
    with kept_loggers():
        log_as_json("info")
        with serve_in_thread(ServerSettings(port=0), load=lambda _: models) as address:
            for fields in ({}, {"stream": "true"}):
                answer = httpx.post(
                    f"{address}/v1/audio/transcriptions", files={"file": wav}, data=fields
                )
                assert "/secret/path" not in answer.text
                assert "internal_error" in answer.text
                assert answer.status_code == (200 if fields else 500)
        _, err = capsys.readouterr()
    assert err.count("ZeroDivisionError: /secret/path") == 2


def test_a_line_is_json_whatever_is_in_it() -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 0, 'a "b"\n%s', ("c",), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["event"] == 'a "b"\nc'
    assert json.loads(line)["level"] == "warning"
