"""`wav2vec2-conformer analyze`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysubs2
import pytest
import soundfile

from wav2vec2_conformer.inference import Transcriber

from .conftest import RATE_HZ, Command


@pytest.fixture(scope="module")
def heads(
    save_head: Callable[..., Path], checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[object]:
    """Flags of models whose heads stand on the encoder of the tiny checkpoint."""
    folder = tmp_path_factory.mktemp("heads")
    speakers = save_head(
        "Wav2Vec2ConformerForAudioFrameClassification",
        checkpoint,
        folder / "speakers",
        num_labels=2,
        problem_type="multi_label_classification",
        permutation_invariant_loss=True,
        use_weighted_layer_sum=True,
    )
    labels = save_head(
        "Wav2Vec2ConformerForSequenceClassification",
        checkpoint,
        folder / "labels",
        num_labels=2,
        id2label={0: "quiet", 1: "loud"},
        classifier_proj_size=8,
    )
    return [
        *("-m", checkpoint, "--diarizer", speakers, "--classifier", labels),
        *("--embedding-model", checkpoint),
    ]


def test_the_summary_has_labels_speakers_and_words(
    run: Command, heads: list[object], clips: list[Path], transcriber: Transcriber
) -> None:
    code, out, err = run("analyze", clips[0], *heads)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == f"{clips[0]}: 1.0 s"
    assert {word.split()[0] for word in lines[1].removeprefix("labels: ").split(", ")} == {
        "quiet",
        "loud",
    }
    assert lines[2].startswith("speakers: ")
    said = " ".join(line.split(":", 1)[1].strip() for line in lines[3:])
    assert said == transcriber.transcribe(clips[0]).text


def test_files_hold_who_said_what(
    run: Command, heads: list[object], clips: list[Path], tmp_path: Path
) -> None:
    out_dir = tmp_path / "out"
    code, out, _ = run("analyze", *clips, *heads, "-o", out_dir, "--json")
    assert code == 0
    names = ["a-2.json", "a-2.srt", "a.json", "a.srt", "b.json", "b.srt"]
    assert sorted(path.name for path in out_dir.iterdir()) == names
    printed = [json.loads(line) for line in out.splitlines()]
    assert [record["file"] for record in printed] == [str(clip) for clip in clips]
    assert json.loads((out_dir / "b.json").read_text()) == printed[1]
    subtitles = pysubs2.load(str(out_dir / "a.srt"))
    assert len(subtitles) == len(printed[0]["segments"]) > 0
    for cue, segment in zip(subtitles, printed[0]["segments"], strict=True):
        assert cue.text == f"{segment['speaker'] or 'UNKNOWN'}: {segment['text']}"


def test_heads_can_be_left_out(
    run: Command, checkpoint: Path, clips: list[Path], transcriber: Transcriber
) -> None:
    code, out, err = run(
        "analyze", clips[0], "-m", checkpoint, "--diarizer", "none", "--classifier", "none"
    )
    assert (code, err) == (0, "")
    said = " ".join(line[17:].strip() for line in out.splitlines()[1:])
    assert said == transcriber.transcribe(clips[0]).text


def test_several_runs_are_told(run: Command, heads: list[object], clips: list[Path]) -> None:
    bundled = ["--classifier", "bundled:digits"]
    code, out, err = run("analyze", clips[0], *heads[:4], *bundled, *heads[6:])
    assert code == 0
    assert "transcription and diarization; classification" in err
    assert "labels: " in out


def test_long_recordings_have_speakers_too(
    run: Command, heads: list[object], tmp_path: Path
) -> None:
    long = tmp_path / "long.wav"
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * RATE_HZ)
    soundfile.write(long, noise, RATE_HZ)
    windows = ["--window-seconds", "4", "--context-seconds", "0.5", "--num-speakers", "2"]
    code, out, _ = run("analyze", long, *heads, *windows, "--json")
    record = json.loads(out)
    assert code == 0
    assert record["duration"] == 12.0
    assert len(record["speakers"]) <= 2
    assert {turn["speaker"] for turn in record["turns"]} == set(record["speakers"])


def test_one_failing_file_gives_3(
    run: Command, heads: list[object], clips: list[Path], tmp_path: Path
) -> None:
    failures = tmp_path / "failures.jsonl"
    code, out, err = run("analyze", "missing.wav", clips[0], *heads, "--failures", failures)
    assert code == 3
    assert out.startswith(f"{clips[0]}: ")
    assert "1 of 2 inputs failed" in err
    assert json.loads(failures.read_text())["file"] == "missing.wav"
