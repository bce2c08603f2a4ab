"""`wav2vec2-conformer stream`: from a file, a pipe and a stand-in for a microphone."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.audio import pacing
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.stream_events import FinalSegment
from wav2vec2_conformer.inference.stream_session import StreamSession

from .conftest import RATE_HZ, Command


@pytest.fixture
def listen(run: Command, checkpoint: Path) -> Callable[..., tuple[int, str, str]]:
    """Run the command with the tiny model."""

    def listen(*arguments: object) -> tuple[int, str, str]:
        return run("stream", "-m", checkpoint, *arguments)

    return listen


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def pipe(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return pipe


def spoken(transcriber: Transcriber, samples: np.ndarray, latency_s: float = 1.0) -> list[str]:
    """Return the segments that a session hears."""
    session = StreamSession(
        transcriber.model, transcriber.processor, transcriber.decoder, latency_s=latency_s
    )
    events = [*session.feed(samples), *session.finish()]
    return [event.segment.text for event in events if isinstance(event, FinalSegment)]


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def test_a_file_gives_a_line_a_segment(
    listen: Callable[..., tuple[int, str, str]], clips: list[Path], transcriber: Transcriber
) -> None:
    code, out, err = listen(clips[0], "--as-fast-as-possible")
    assert (code, err) == (0, "")
    assert out.splitlines() == spoken(transcriber, read(clips[0]))
    assert len(out) > 5


def test_jsonl_tells_every_event(
    listen: Callable[..., tuple[int, str, str]], clips: list[Path], transcriber: Transcriber
) -> None:
    code, out, _ = listen(clips[0], "--as-fast-as-possible", "-f", "jsonl", "--latency", "0.4")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert {event["type"] for event in events} == {"partial", "words", "segment"}
    for event in events:
        assert {"type", "start", "end", "text", "heard"} <= event.keys()
        assert 0 <= event["start"] <= event["end"] <= 1.0
    segments = [event["text"] for event in events if event["type"] == "segment"]
    assert segments == spoken(transcriber, read(clips[0]), latency_s=0.4)
    words = [word for event in events if event["type"] == "words" for word in event["words"]]
    assert " ".join(word["word"] for word in words) == " ".join(segments)
    assert all(0 <= word["score"] <= 1 for word in words)


def test_hot_words_are_favoured(
    listen: Callable[..., tuple[int, str, str]], clips: list[Path]
) -> None:
    plain = listen(clips[0], "--as-fast-as-possible")[1]
    code, out, _ = listen(
        clips[0], "--as-fast-as-possible", "--hotwords", "GAG", "--hotword-weight", 30
    )
    assert code == 0
    assert out.split().count("GAG") > plain.split().count("GAG")


@pytest.mark.parametrize(("pcm_format", "scale"), [("s16le", 2**15), ("f32le", 1)])
def test_raw_samples_from_a_pipe_are_the_same_audio(
    listen: Callable[..., tuple[int, str, str]],
    pipe: Callable[[bytes], None],
    clips: list[Path],
    transcriber: Transcriber,
    pcm_format: str,
    scale: int,
) -> None:
    samples = read(clips[0])
    kind = "<i2" if pcm_format == "s16le" else "<f4"
    pipe((samples * scale).astype(kind).tobytes())
    code, out, err = listen("-", "--format", pcm_format)
    assert (code, err) == (0, "")
    assert out.splitlines() == spoken(transcriber, samples)


def test_other_rates_and_channels_are_converted(
    listen: Callable[..., tuple[int, str, str]],
    pipe: Callable[[bytes], None],
    tmp_path: Path,
) -> None:
    stereo = np.random.default_rng(0).normal(0, 2000, (44_100, 2)).astype(np.int16)
    pipe(stereo.tobytes())
    code, out, _ = listen("--rate", 44_100, "--channels", 2)
    soundfile.write(tmp_path / "x.wav", stereo, 44_100, subtype="PCM_16")
    assert code == 0
    assert out == listen(tmp_path / "x.wav", "--as-fast-as-possible")[1]
    assert len(out) > 5


def test_a_file_is_played_at_its_own_pace(
    listen: Callable[..., tuple[int, str, str]], clips: list[Path], transcriber: Transcriber
) -> None:
    start_s = time.monotonic()
    code, out, _ = listen(clips[0])
    assert time.monotonic() - start_s > 1.0
    assert code == 0
    assert out.splitlines() == spoken(transcriber, read(clips[0]))


def test_a_model_slower_than_real_time_is_told(
    listen: Callable[..., tuple[int, str, str]],
    clips: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow_clock = iter(range(10_000))  # a second passes between two looks
    pace = pacing.RealTimePace
    monkeypatch.setattr(
        pacing, "RealTimePace", lambda rate: pace(rate, clock=lambda: next(slow_clock))
    )
    code, out, err = listen(clips[0])
    assert code == 0
    assert out
    assert "warning: the model is slower than real time here: " in err
    assert "behind after 1.0 s of audio" in err


def test_the_microphone_is_heard_until_ctrl_c(
    listen: Callable[..., tuple[int, str, str]],
    clips: list[Path],
    transcriber: Transcriber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples = read(clips[0])

    class InputStream:
        active = True

        def __init__(self, *, callback: Callable[..., None], device: Any, **_: Any) -> None:
            assert device == 3
            self.callback = callback

        def __enter__(self) -> None:
            self.callback(samples[:, None], len(samples), None, None)
            # while the command waits for the second block
            signal.setitimer(signal.ITIMER_REAL, 0.5)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setitem(
        sys.modules,
        "sounddevice",
        SimpleNamespace(InputStream=InputStream, PortAudioError=OSError),
    )
    previous = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        code, out, err = listen("--microphone", "--input-device", "3")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert (code, err) == (130, "")
    assert out.splitlines() == spoken(transcriber, samples)


def test_microphones_are_listed(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [{"name": "Laptop", "max_input_channels": 2, "default_samplerate": 44_100.0}]
    default = SimpleNamespace(device=(0, 0))
    monkeypatch.setitem(
        sys.modules,
        "sounddevice",
        SimpleNamespace(query_devices=lambda: devices, default=default),
    )
    assert run("stream", "--list-microphones") == (0, "*   0  Laptop  (44100 Hz)\n", "")
    devices.clear()
    assert run("stream", "--list-microphones") == (1, "", "no device can record.\n")


def test_without_sounddevice_the_extra_is_named(
    listen: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, out, err = listen("--microphone")
    assert (code, out) == (1, "")
    assert err.startswith("error: Recording needs the package sounddevice")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.wav"], 1, "missing.wav: no such file"),
        (["x.wav", "--microphone"], 2, "not both"),
        (["x.wav", "--latency", "0"], 1, "latency_s must be between"),
        (["x.wav", "--format", "mp3"], 2, "mp3"),
    ],
)
def test_what_cannot_be_heard_is_said(
    listen: Callable[..., tuple[int, str, str]], arguments: list[str], code: int, message: str
) -> None:
    actual, out, err = listen(*arguments)
    assert (actual, out) == (code, "")
    assert message in err


def test_a_piped_file_with_a_header_is_refused(
    listen: Callable[..., tuple[int, str, str]], pipe: Callable[[bytes], None], clips: list[Path]
) -> None:
    pipe(clips[0].read_bytes())
    code, out, err = listen("-")
    assert (code, out) == (1, "")
    assert "audio file with a header" in err


SCRIPT = """
import sys
from wav2vec2_conformer.cli import main
sys.argv = ["w2vc", "stream", *sys.argv[1:]]
main.run()
"""


def start(*arguments: object, **pipes: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        **pipes,
    )


def test_text_comes_while_the_pipe_is_open_and_ctrl_c_ends_with_the_rest(
    checkpoint: Path,
) -> None:
    noise = np.random.default_rng(0).normal(0, 3000, 3 * RATE_HZ).astype("<i2").tobytes()
    process = start(
        "-m", checkpoint, "-", "-f", "jsonl", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(noise)
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert first["heard"] < 1.2  # after a second, with two more in the pipe
    seen = [first]
    while seen[-1]["heard"] < 2.5:
        seen.append(json.loads(process.stdout.readline()))
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b""
    last = json.loads(rest.splitlines()[-1])
    assert (last["type"], last["heard"]) == ("segment", 3.0)


def test_a_closed_stdout_is_no_traceback(checkpoint: Path, clips: list[Path]) -> None:
    process = start("-m", checkpoint, clips[0], "--as-fast-as-possible", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 1
    process.stderr.close()
