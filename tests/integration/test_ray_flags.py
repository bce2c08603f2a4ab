"""`transcribe --ray` before a cluster is needed: flags, the missing extra, a finished job."""

import importlib.util
import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from wav2vec2_conformer.cli.ray_progress import describe_progress
from wav2vec2_conformer.cli.ray_transcription import describe, read_pool
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.scale import batch_transcription
from wav2vec2_conformer.scale.batch_transcription import BatchProgress, BatchReport
from wav2vec2_conformer.scale.part_files import FailedRecording
from wav2vec2_conformer.scale.parts import plan_parts
from wav2vec2_conformer.scale.recordings import list_recordings
from wav2vec2_conformer.scale.worker import PartWorker, WorkerSettings

from .conftest import Command


def unboxed(text: str) -> str:
    """Return a message of typer without its frame."""
    return " ".join(text.replace("│", " ").split())


@pytest.fixture
def manifest(clips: list[Path], tmp_path: Path) -> Path:
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(f"{json.dumps({'audio_filepath': str(clip)})}\n" for clip in clips))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--manifest", "m.jsonl"], "--manifest needs --ray."),
        (["--workers", "2", "a.wav"], "--workers needs --ray."),
        (["--ray", "local", "--manifest", "m.jsonl"], "--ray needs --output."),
        (["--ray", "local", "--output", "out"], "--ray needs --manifest."),
        (["--ray", "local", "a.wav"], "FILES does not go with --ray."),
        (["--ray", "local", "-o", "out"], "--output-dir does not go with --ray."),
        (["--ray", "local", "--nbest", "3"], "--nbest does not go with --ray."),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    run: Command, arguments: list[str], message: str
) -> None:
    code, _, err = run("transcribe", *arguments)
    assert code == 2
    assert message in unboxed(err)


def test_workers_are_a_number_or_a_range(run: Command, manifest: Path) -> None:
    assert read_pool("2:8", None, 0.5) == batch_transcription.Pool(2, 8, 1, 0.5)
    with pytest.raises(InputError, match="got 3 to 2"):
        read_pool("3:2", None, None)
    arguments = ["--ray", "local", "--manifest", manifest, "--output", "out", "--workers", "many"]
    code, _, err = run("transcribe", *arguments)
    assert code == 2
    assert "must be a number or MIN:MAX, but is 'many'." in unboxed(err)


def test_without_the_extra_nothing_is_begun(
    run: Command, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "ray" else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    output = tmp_path / "out"
    arguments = ["--ray", "local", "--manifest", manifest, "--output", output]
    code, out, err = run("transcribe", *arguments)
    assert (code, out) == (1, "")
    assert "pip install 'wav2vec2-conformer[ray]'" in err
    assert not output.exists()


def test_a_finished_job_needs_no_cluster(
    run: Command,
    checkpoint: Path,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = PartWorker(WorkerSettings(model=str(checkpoint), device="cpu"), str(tmp_path / "out"))
    for part in plan_parts(list_recordings(str(manifest))):
        worker.run(part)

    def connect(*_: object, **__: object) -> None:
        pytest.fail("a cluster was asked for")

    monkeypatch.setattr(batch_transcription, "connect", connect)
    arguments = ["--ray", "local", "--manifest", manifest, "--output", tmp_path / "out"]
    code, out, err = run("transcribe", *arguments)
    assert (code, out) == (0, "")
    assert "0 recordings (0.00 h) transcribed, 3 were there." in err


def test_workers_are_told_the_runtime(
    run: Command, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[WorkerSettings] = []

    def note(*_: object, settings: WorkerSettings, **__: object) -> BatchReport:
        told.append(settings)
        return BatchReport(0, 3, audio_s=0.0, elapsed_s=1.0, failed=())

    monkeypatch.setattr(batch_transcription, "transcribe_dataset", note)
    arguments = ["--ray", "local", "--manifest", manifest, "--output", "out"]
    code, _, err = run("transcribe", *arguments, "--runtime", "openvino")
    assert code == 0, err
    assert [settings.runtime for settings in told] == ["openvino"]


def test_a_manifest_that_cannot_be_used_is_told_in_one_line(run: Command, manifest: Path) -> None:
    manifest.write_text(manifest.read_text() * 2)
    code, _, err = run("transcribe", "--ray", "local", "--manifest", manifest, "--output", "out")
    assert code == 1
    assert err.startswith(f"error: {manifest}: 3 ids occur more than once")
    assert not Path("out").exists()


def test_progress_and_result_are_told_in_words() -> None:
    progress = BatchProgress(10, num_parts_done=4, num_done=40, num_failed=1, audio_s=800.0)
    assert describe_progress(progress, 100.0) == (
        "4/10 parts, 40 recordings, 1 failed, 8.0x real time, 0:02:30 left"
    )
    known = BatchProgress(10, num_parts_done=4, num_done=40, audio_s=800.0, total_s=1600.0)
    assert describe_progress(known, 100.0).endswith("8.0x real time, 0:01:40 left")
    assert describe_progress(BatchProgress(10), 5.0) == "0/10 parts, 0 recordings"
    failed = (FailedRecording("a", "/a", "AudioError", "why"),)
    report = BatchReport(40, 2, audio_s=3600.0, elapsed_s=360.0, failed=failed)
    assert describe(report, "out") == (
        "out: 40 recordings (1.00 h) transcribed, 2 were there, 1 failed, 10.0x real time."
    )
