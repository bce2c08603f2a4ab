"""`wav2vec2-conformer classify`."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.inference.classifier import Classifier

from .conftest import RATE_HZ, Command

LABELS = ["low", "middle", "high"]


@pytest.fixture(scope="module")
def classification_checkpoint(
    save_classifier: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return save_classifier(tmp_path_factory.mktemp("classification"), LABELS)


@pytest.fixture(scope="module")
def classifier(classification_checkpoint: Path) -> Classifier:
    return Classifier.from_pretrained(classification_checkpoint, device="cpu")


@pytest.fixture
def test_set(tmp_path: Path, classifier: Classifier) -> tuple[Path, int]:
    """Twelve clips, the right label of nine of them, and the number of those."""
    folder = tmp_path / "set"
    folder.mkdir()
    lines = []
    for number in range(12):
        path = folder / f"{number}.wav"
        rng = np.random.default_rng(number)
        samples = np.convolve(rng.normal(0, 0.1, 8000), np.ones(1 + 5 * number) / 8, "same")
        soundfile.write(path, samples, RATE_HZ)
        [best] = classifier.classify(path, top_k=1).scores
        if number % 4 == 3:
            best = next(label for label in LABELS if label != best)
        lines.append({"audio_filepath": path.name, "label": best})
    return write_manifest(folder, lines), 9


def write_manifest(folder: Path, lines: list[dict[str, Any]]) -> Path:
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_one_file_gives_its_labels(
    run: Command, classification_checkpoint: Path, clips: list[Path], classifier: Classifier
) -> None:
    code, out, err = run("classify", clips[0], "-m", classification_checkpoint, "--top-k", "2")
    expected = classifier.classify(clips[0], top_k=2).scores
    assert (code, err) == (0, "")
    assert out == "".join(f"{label}\t{score:.4f}\n" for label, score in expected.items())
    assert len(expected) == 2


def test_several_files_give_named_lines_in_order(
    run: Command, classification_checkpoint: Path, clips: list[Path]
) -> None:
    code, out, _ = run("classify", *clips, "-m", classification_checkpoint, "--top-k", "1")
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(clip) for clip in clips]


def test_json_is_one_object_a_line(
    run: Command, classification_checkpoint: Path, clips: list[Path], classifier: Classifier
) -> None:
    code, out, _ = run("classify", *clips, "-m", classification_checkpoint, "-f", "json")
    assert code == 0
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["file"] for record in records] == [str(clip) for clip in clips]
    for record, clip in zip(records, clips, strict=True):
        scores = {entry["label"]: entry["score"] for entry in record["scores"]}
        assert scores == pytest.approx(classifier.classify(clip).scores, abs=2e-6)


def test_csv_has_one_header_and_the_windows(
    run: Command, classification_checkpoint: Path, clips: list[Path]
) -> None:
    flags = ["-f", "csv", "--windows", "--window-seconds", "0.5", "--hop-seconds", "0.25"]
    code, out, _ = run("classify", *clips[:2], "-m", classification_checkpoint, *flags)
    assert code == 0
    rows = list(csv.DictReader(out.splitlines()))
    of_first = [row for row in rows if row["file"] == str(clips[0])]
    assert {row["window"] for row in of_first} == {"", "0", "1", "2"}
    assert {row["start"] for row in of_first} == {"0.000", "0.250", "0.500"}
    assert {row["file"] for row in rows} == {str(clip) for clip in clips[:2]}


def test_a_folder_of_files_is_written_beside_each_other(
    run: Command, classification_checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "labels"
    code, out, _ = run("classify", *clips, "-m", classification_checkpoint, "-o", output)
    assert (code, out) == (0, "")
    assert sorted(path.name for path in output.iterdir()) == ["a-2.txt", "a.txt", "b.txt"]
    assert all(len(path.read_text().splitlines()) == 3 for path in output.iterdir())


def test_a_broken_file_does_not_stop_the_others(
    run: Command, classification_checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    broken, log = tmp_path / "broken.wav", tmp_path / "failures.jsonl"
    broken.write_text("no audio")
    command = ["classify", broken, clips[0], "-m", classification_checkpoint, "--failures", log]
    code, out, err = run(*command)
    assert code == 3
    assert len(out.splitlines()) == 3
    assert "1 of 2 inputs failed" in err
    assert json.loads(log.read_text())["file"] == str(broken)
    assert run("classify", broken, "-m", classification_checkpoint)[0] == 1


def test_the_demo_labels_the_clips_in_the_package(
    run: Command,
    classification_checkpoint: Path,
    clips: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wav2vec2_conformer.checkpoints.bundled.bundled_clips", lambda: clips[:2])
    code, out, _ = run("classify", "--demo", "-m", classification_checkpoint, "--top-k", "1")
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(clip) for clip in clips[:2]]


def test_a_test_set_gives_accuracy_and_a_confusion_matrix(
    run: Command, classification_checkpoint: Path, test_set: tuple[Path, int], tmp_path: Path
) -> None:
    manifest, num_right = test_set
    picture = tmp_path / "plot.png"
    command = ["classify", "-m", classification_checkpoint, "--manifest", manifest]
    code, out, err = run(*command, "--confusion", picture)
    assert (code, err) == (0, "")
    lines = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert "12 clips, 95% intervals over clips" in out
    assert float(lines["accuracy"][1]) == num_right / 12
    assert float(lines["accuracy"][2]) < num_right / 12 < float(lines["accuracy"][4])
    matrix = out[out.index("confusion matrix") :].splitlines()[2:]
    counts = np.array([[int(cell) for cell in line.split()[1:]] for line in matrix])
    assert counts.shape == (3, 3)
    assert (counts.sum(), counts.trace()) == (12, num_right)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_scores_of_a_test_set_are_read_by_programs(
    run: Command, classification_checkpoint: Path, test_set: tuple[Path, int], tmp_path: Path
) -> None:
    manifest, num_right = test_set
    command = ["classify", "-m", classification_checkpoint, "--manifest", manifest, "-f", "json"]
    code, out, _ = run(*command, "-o", tmp_path / "labels", "--top-k", "1")
    assert code == 0
    report = json.loads(out)
    assert report["accuracy"]["value"] == num_right / 12
    assert set(report["accuracy"]["interval"]) == {"low", "high"}
    assert np.array(report["confusion"]).trace() == num_right
    assert [label["label"] for label in report["labels"]] == LABELS
    written = json.loads((tmp_path / "labels" / "0.json").read_text())
    assert len(written["scores"]) == 1


def test_a_folder_for_each_label_is_a_test_set(
    run: Command, classification_checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    for label, clip in zip(("low", "high"), clips, strict=False):
        folder = tmp_path / "by-label" / label
        folder.mkdir(parents=True)
        clip.rename(folder / clip.name)
    manifest = tmp_path / "by-label"
    code, out, _ = run("classify", "-m", classification_checkpoint, "--manifest", manifest)
    assert code == 0
    assert "2 clips" in out


def test_missing_clips_of_a_test_set_are_left_out_and_listed(
    run: Command, classification_checkpoint: Path, test_set: tuple[Path, int]
) -> None:
    manifest, _ = test_set
    (manifest.parent / "0.wav").unlink()
    code, out, err = run("classify", "-m", classification_checkpoint, "--manifest", manifest)
    assert code == 3
    assert "11 clips" in out
    assert "1 of 12 inputs failed" in err


def test_parts_of_a_long_file_are_clips_of_their_own(
    run: Command, classification_checkpoint: Path, classifier: Classifier, tmp_path: Path
) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 4 * RATE_HZ).astype(np.float32)
    samples[2 * RATE_HZ :] = np.convolve(samples[2 * RATE_HZ :], np.ones(40) / 8, "same")
    soundfile.write(tmp_path / "long.wav", samples, RATE_HZ, subtype="FLOAT")
    [first] = classifier.classify(samples[: 2 * RATE_HZ], RATE_HZ, top_k=1).scores
    [second] = classifier.classify(samples[2 * RATE_HZ :], RATE_HZ, top_k=1).scores
    lines = [
        {"audio_filepath": "long.wav", "duration": 2, "offset": offset_s, "label": label}
        for offset_s, label in ((0, first), (9, first), (2, second))
    ]
    manifest = write_manifest(tmp_path, lines)
    code, out, err = run("classify", "-m", classification_checkpoint, "--manifest", manifest)
    assert code == 3
    assert float(out.split("accuracy")[1].split()[0]) == 1.0
    assert "2 clips" in out
    assert "ends at 4.00 s, before the utterance begins (9.0 s)" in err


def test_a_multi_label_model_is_scored_by_average_precision(
    save_classifier: Callable[..., Path], run: Command, clips: list[Path], tmp_path: Path
) -> None:
    folder = save_classifier(tmp_path / "m", LABELS, problem_type="multi_label_classification")
    lines = [
        {"audio_filepath": str(clips[0]), "labels": ["low", "high"]},
        {"audio_filepath": str(clips[1]), "label": "high"},
        {"audio_filepath": str(clips[2]), "labels": []},
    ]
    manifest = write_manifest(tmp_path, lines)
    code, out, _ = run("classify", "-m", folder, "--manifest", manifest)
    assert code == 0
    classifier = Classifier.from_pretrained(folder, device="cpu")
    low, high = ([classifier.classify(c).scores[name] for c in clips] for name in ("low", "high"))
    rank = 1 + sum(score > low[0] for score in low)
    # Of the two clips with `high`: the better one first, then the other one.
    of_two = sorted(1 + sum(score > high[i] for score in high) for i in (0, 1))
    expected = (1 / rank + (1 / of_two[0] + 2 / of_two[1]) / 2) / 2
    shown = out.split("mean average precision")[1].split()[0]
    assert float(shown) == pytest.approx(expected, abs=1e-4)
    assert "macro-F1 at 0.5" in out


def test_a_regression_is_scored_by_errors(
    save_classifier: Callable[..., Path], run: Command, clips: list[Path], tmp_path: Path
) -> None:
    folder = save_classifier(tmp_path / "r", ["age"])
    classifier = Classifier.from_pretrained(folder, device="cpu")
    lines = [
        {"audio_filepath": str(clip), "label": classifier.classify(clip).scores["age"] + error}
        for clip, error in zip(clips, (0.5, -0.25, 0.0), strict=True)
    ]
    code, out, _ = run("classify", "-m", folder, "--manifest", write_manifest(tmp_path, lines))
    assert code == 0
    assert float(out.split("mean absolute error")[1].split()[0]) == pytest.approx(0.25, abs=1e-4)
    assert "Pearson r" in out
    assert "CCC" in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"label": "old"}, "the model gives numbers, but the label is old"),
        ({"labels": [1, 2]}, "the model gives 1 numbers, but the clip has 2"),
        ({"label": "nan"}, "not finite"),
    ],
)
def test_a_regression_refuses_what_is_no_number(
    save_classifier: Callable[..., Path],
    run: Command,
    clips: list[Path],
    tmp_path: Path,
    line: dict[str, Any],
    message: str,
) -> None:
    folder = save_classifier(tmp_path / "r", ["age"])
    manifest = write_manifest(tmp_path, [{"audio_filepath": str(clips[0]), **line}])
    code, _, err = run("classify", "-m", folder, "--manifest", manifest)
    assert code == 1
    assert message in err


def test_a_confusion_matrix_needs_one_label_for_each_clip(
    save_classifier: Callable[..., Path], run: Command, clips: list[Path], tmp_path: Path
) -> None:
    folder = save_classifier(tmp_path / "r", ["age"])
    manifest = write_manifest(tmp_path, [{"audio_filepath": str(clips[0]), "label": 3}])
    picture = tmp_path / "plot.png"
    flags = ["--manifest", manifest, "--confusion", picture]
    code, _, err = run("classify", "-m", folder, *flags)
    assert code == 2
    assert "--confusion needs a model" in " ".join(err.replace("│", " ").split())
    assert not picture.exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"label": "loud"}, "the model has no label 'loud'; it has: low, middle, high"),
        ({}, "has no label; expected a key `label`"),
        ({"labels": ["low", "high"]}, "one label, but this clip has 2"),
        ({"labels": "low"}, "labels must be a list"),
    ],
)
def test_labels_that_the_model_cannot_give_are_refused(
    run: Command,
    classification_checkpoint: Path,
    clips: list[Path],
    tmp_path: Path,
    line: dict[str, Any],
    message: str,
) -> None:
    manifest = write_manifest(tmp_path, [{"audio_filepath": str(clips[0]), **line}])
    code, _, err = run("classify", "-m", classification_checkpoint, "--manifest", manifest)
    assert code == 1
    assert message in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["a.wav", "--manifest", "test.jsonl"], "--manifest names the files"),
        (["--demo", "--manifest", "test.jsonl"], "--manifest names the files"),
        (["a.wav", "--confusion", "plot.png"], "give --manifest"),
        (["a.wav", "--failures", "no/such/file"], "there is no folder"),
        (["a.wav", "--top-k", "0"], "--top-k"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    run: Command, flags: list[str], message: str
) -> None:
    code, _, err = run("classify", *flags)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())


def test_help_needs_no_torch() -> None:
    source = (
        "import sys, wav2vec2_conformer.cli.classify as command;"
        "print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "set()\n"
