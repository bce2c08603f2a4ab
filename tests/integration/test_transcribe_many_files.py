"""`wav2vec2-conformer transcribe` on many files: going on, failing, being stopped."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wav2vec2_conformer.inference import Transcriber

from .conftest import Command
from .test_transcribe_command import unboxed


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_existing_files_are_skipped(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path, transcriber: Transcriber
) -> None:
    output_dir = tmp_path / "out"
    output_dir.mkdir()
    (output_dir / "a.txt").write_text("kept\n")
    arguments = ["-m", checkpoint, "-o", output_dir, "--skip-existing", *clips]
    code, out, err = run("transcribe", *arguments)
    assert (code, out) == (0, "")
    assert f"skipped 1 of 3 inputs: their files are in {output_dir}." in err
    assert contents(output_dir) == {
        "a.txt": "kept\n",
        "b.txt": transcriber.transcribe(clips[1]).text + "\n",
        "a-2.txt": transcriber.transcribe(clips[2]).text + "\n",
    }


def test_an_input_with_a_format_missing_is_not_skipped(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("old")
    arguments = ["-m", checkpoint, "-o", tmp_path, "-f", "all", "--skip-existing", clips[0]]
    code, _, err = run("transcribe", *arguments)
    assert (code, err) == (0, "")
    assert (tmp_path / "a.txt").read_text() != "old"
    assert (tmp_path / "a.TextGrid").exists()


def test_nothing_left_to_do_needs_no_model(run: Command, clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("kept")
    failures = tmp_path / "failures.jsonl"
    arguments = ["-m", "no/such/model", "-o", tmp_path, "--skip-existing", clips[0]]
    code, _, err = run("transcribe", "--failures", failures, *arguments)
    assert code == 0
    assert err == f"skipped 1 of 1 inputs: their files are in {tmp_path}.\n"
    assert failures.read_text() == ""


def test_skipping_needs_a_folder(run: Command, clips: list[Path]) -> None:
    code, _, err = run("transcribe", "--skip-existing", clips[0])
    assert code == 2
    assert "give -o DIR" in unboxed(err)


def test_failures_are_listed_for_programs(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("text")
    failures = tmp_path / "failures.jsonl"
    inputs = [clips[0], broken, tmp_path / "missing.wav"]
    code, _, _ = run("transcribe", "-m", checkpoint, "--failures", failures, *inputs)
    assert code == 3
    listed = [json.loads(line) for line in failures.read_text().splitlines()]
    assert [failure["file"] for failure in listed] == [str(path) for path in inputs[1:]]
    assert [failure["error"] for failure in listed] == ["AudioError", "AudioError"]
    assert "no such file" in listed[1]["message"]


def test_no_failure_is_an_empty_list(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    failures = tmp_path / "failures.jsonl"
    failures.write_text("of the last run")
    code, _, _ = run("transcribe", "-m", checkpoint, "--failures", failures, clips[0])
    assert (code, failures.read_text()) == (0, "")


def test_a_list_of_failures_without_a_folder_is_wrong_usage(
    run: Command, clips: list[Path], tmp_path: Path
) -> None:
    code, _, err = run("transcribe", "--failures", tmp_path / "none" / "x.jsonl", clips[0])
    assert code == 2
    assert "there is no folder" in unboxed(err)


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """Let writing more into a file fail, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_told_for_each_file_and_leaves_no_half_file(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path, transcriber: Transcriber
) -> None:
    output_dir = tmp_path / "out"
    texts = [transcriber.transcribe(clip).text for clip in clips]
    num_bytes = sorted(map(len, texts))[1] + len("\n")
    fits = [len(text) < num_bytes for text in texts]
    assert fits.count(False) == 1
    with files_of_at_most(num_bytes):
        code, _, err = run("transcribe", "-m", checkpoint, "-o", output_dir, *clips)
    assert code == 3
    assert "1 of 3 inputs failed" in err
    assert f"cannot write into {output_dir}: File too large." in err
    names = ["a.txt", "b.txt", "a-2.txt"]
    assert contents(output_dir) == {
        name: f"{text}\n" for name, text, fit in zip(names, texts, fits, strict=True) if fit
    }


def test_a_file_that_cannot_be_replaced_fails_alone(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    output_dir, failures = tmp_path / "out", tmp_path / "failures.jsonl"
    (output_dir / "a.txt").mkdir(parents=True)
    arguments = ["-m", checkpoint, "-o", output_dir, "--failures", failures, *clips[:2]]
    code, _, err = run("transcribe", *arguments)
    assert code == 3
    assert f"{clips[0]}: cannot write into {output_dir}: Is a directory." in err
    assert json.loads(failures.read_text())["error"] == "IsADirectoryError"
    assert {path.name for path in output_dir.iterdir()} == {"a.txt", "b.txt"}
