"""Flags of `transcribe` that change what is recognized."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.decoder import DecodingOptions
from wav2vec2_conformer.inference.transcript import Transcript
from wav2vec2_conformer.language_models.language_model_file import load_language_model

from .conftest import RATE_HZ, Command
from .test_transcribe_command import unboxed


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """Six seconds: noise, a long silence, noise."""
    rng = np.random.default_rng(1)
    waveform = rng.normal(0, 0.2, 6 * RATE_HZ)
    waveform[RATE_HZ : 5 * RATE_HZ] *= 1e-4
    path = tmp_path / "interrupted.wav"
    soundfile.write(path, waveform, RATE_HZ)
    return path


@pytest.mark.parametrize("flags", [["--vad"], ["--vad-method", "energy"]])
def test_vad_runs_the_model_where_somebody_speaks(
    run: Command, checkpoint: Path, interrupted: Path, flags: list[str]
) -> None:
    expected = [
        Transcriber.from_pretrained(checkpoint, device="cpu", speech_detection=method)
        .transcribe(interrupted)
        .text
        for method in ("energy", None)
    ]
    assert expected[0] != expected[1]
    code, out, _ = run("transcribe", "-m", checkpoint, *flags, interrupted)
    assert (code, out) == (0, f"{expected[0]}\n")


def test_windows_are_as_long_as_asked(run: Command, checkpoint: Path, interrupted: Path) -> None:
    expected = [
        Transcriber.from_pretrained(checkpoint, device="cpu", window_s=window_s, context_s=0.1)
        .transcribe(interrupted)
        .text
        for window_s in (0.5, 30.0)
    ]
    assert expected[0] != expected[1]
    flags = ["--window-seconds", 0.5, "--context-seconds", 0.1]
    code, out, _ = run("transcribe", "-m", checkpoint, *flags, interrupted)
    assert (code, out) == (0, f"{expected[0]}\n")


def test_windows_of_nothing_but_context_are_refused(
    run: Command, checkpoint: Path, clips: list[Path]
) -> None:
    code, out, err = run("transcribe", "-m", checkpoint, "--window-seconds", 6, clips[0])
    assert (code, out) == (1, "")
    assert err.startswith("error: a window must be longer than its context")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--lm", "missing.arpa"], "does not exist"),
        (["--alpha", "0.5"], "give --lm"),
        (["--hotword-weight", "3"], "needs --hotwords"),
        (["--hotwords", "@missing.txt"], "cannot read missing.txt"),
        (["--beam-width", "0"], "--beam-width"),
        (["--nbest", "0"], "--nbest"),
    ],
)
def test_wrong_flags_of_the_search_give_2(
    run: Command, checkpoint: Path, clips: list[Path], flags: list[str], message: str
) -> None:
    code, out, err = run("transcribe", "--model", checkpoint, *flags, clips[0])
    assert (code, out) == (2, "")
    assert message in unboxed(err)


def decode(checkpoint: Path, clip: Path, **options: Any) -> Transcript:
    decoding = DecodingOptions(**options)
    transcriber = Transcriber.from_pretrained(checkpoint, device="cpu", decoding=decoding)
    return transcriber.transcribe(clip)


def test_nbest_gives_lines_of_text(run: Command, checkpoint: Path, clips: list[Path]) -> None:
    code, out, _ = run("transcribe", "-m", checkpoint, "--nbest", 3, clips[0])
    expected = decode(checkpoint, clips[0], num_best=3)
    assert code == 0
    assert out.splitlines() == [alternative.text for alternative in expected.alternatives]
    assert len(out.splitlines()) == 3


def test_nbest_of_several_inputs_names_each_line(
    run: Command, checkpoint: Path, clips: list[Path]
) -> None:
    _, out, _ = run("transcribe", "-m", checkpoint, "--nbest", 2, *clips[:2])
    names = [line.split("\t")[0] for line in out.splitlines()]
    assert names == [str(clips[0])] * 2 + [str(clips[1])] * 2


def test_nbest_gives_alternatives_in_json(
    run: Command, checkpoint: Path, clips: list[Path]
) -> None:
    _, out, _ = run("transcribe", "-m", checkpoint, "-f", "json", "--nbest", 2, clips[0])
    expected = decode(checkpoint, clips[0], num_best=2)
    record = json.loads(out)
    alternatives = record["alternatives"]
    assert [each["text"] for each in alternatives] == [each.text for each in expected.alternatives]
    assert alternatives[0]["text"] == record["text"]
    assert alternatives[0]["log_score"] > alternatives[1]["log_score"]
    assert alternatives[1]["words"][0]["word"] == alternatives[1]["text"].split()[0]


def test_hot_words_are_favoured(run: Command, checkpoint: Path, clips: list[Path]) -> None:
    flags = ["--hotwords", "CAB,BAD CAFE", "--hotword-weight", 30, "--beam-width", 20]
    code, out, _ = run("transcribe", "-m", checkpoint, *flags, clips[0])
    weights = {"CAB": 30.0, "BAD CAFE": 30.0}
    expected = decode(checkpoint, clips[0], beam_width=20, hot_words=weights).text
    assert (code, out) == (0, f"{expected}\n")
    assert expected != decode(checkpoint, clips[0], beam_width=20).text


def test_a_hot_word_that_cannot_be_heard_is_told(
    run: Command, checkpoint: Path, clips: list[Path]
) -> None:
    code, out, err = run("transcribe", "-m", checkpoint, "--hotwords", "ZOO", clips[0])
    assert (code, out) == (1, "")
    assert err.startswith("error: the hot word 'ZOO' cannot be heard")


ARPA = """\\data\\
ngram 1=5

\\1-grams:
-2\t<unk>
-99\t<s>
-2\t</s>
-0.1\tCAB
-0.1\tA

\\end\\
"""


def test_a_language_model_is_weighed(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(ARPA)
    flags = ["--lm", path, "--alpha", 2, "--beta", 4]
    code, out, _ = run("transcribe", "-m", checkpoint, *flags, clips[0])
    language_model = load_language_model(path)
    expected = decode(checkpoint, clips[0], language_model=language_model, alpha=2.0, beta=4.0)
    assert (code, out) == (0, f"{expected.text}\n")
    assert expected.text != decode(checkpoint, clips[0], language_model=language_model).text
    assert expected.text != decode(checkpoint, clips[0], beam_width=100).text
