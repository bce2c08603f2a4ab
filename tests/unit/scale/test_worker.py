"""One part: what is written, what fails, and what happens after a worker's death."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from wav2vec2_conformer.audio import source
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.scale.part_files import PartFiles, as_row
from wav2vec2_conformer.scale.parts import Part, plan_parts
from wav2vec2_conformer.scale.recordings import Recording, list_recordings
from wav2vec2_conformer.scale.worker import PartWorker

from .conftest import LENGTHS_S, RATE_HZ, as_flac


@pytest.fixture
def files(tmp_path: Path) -> PartFiles:
    return PartFiles(str(tmp_path / "out"))


def part_of(place: Path) -> Part:
    [part] = plan_parts(list_recordings(str(place)), part_seconds=1000)
    return part


def failed(files: PartFiles, part: Part) -> dict[str, str]:
    return {failure.id: failure.error for failure in files.failures([part.name])}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what the model was given, in order."""
    names: list[str] = []
    transcribe_many = Transcriber.transcribe_many

    def count(self: Transcriber, sources: Iterator[Any], **options: Any) -> Iterator[Any]:
        def iter_counted() -> Iterator[Any]:
            for one in sources:
                names.append(Path(source.source_name(one)).name)
                yield one

        return transcribe_many(self, iter_counted(), **options)

    monkeypatch.setattr(Transcriber, "transcribe_many", count)
    return names


def test_rows_are_the_results_of_one_process(
    worker: PartWorker, files: PartFiles, manifest: Path
) -> None:
    part = part_of(manifest)
    told = worker.run(part)
    transcriber = Transcriber.from_pretrained(device="cpu")
    paths = [recording.location for recording in part.recordings]
    expected = [
        as_row(Path(path).name, path, transcript)
        for path, transcript in zip(paths, transcriber.transcribe_many(paths), strict=True)
    ]
    assert files.read(part.name) == expected
    assert told["num_done"] == len(LENGTHS_S)
    assert told["audio_s"] == pytest.approx(sum(LENGTHS_S), abs=1e-3)
    assert files.running(part.name) is None


def test_what_fails_is_noted_and_only_that_is_done_again(
    worker: PartWorker, files: PartFiles, manifest: Path, audio: Path, opened: list[str]
) -> None:
    (audio / "1.flac").unlink()
    (audio / "3.flac").write_bytes(b"no audio at all")
    part = part_of(manifest)
    told = worker.run(part)
    assert (told["num_done"], told["num_failed"]) == (3, 2)
    assert failed(files, part) == {"1.flac": "AudioError", "3.flac": "AudioError"}
    assert all(str(audio) in failure.message for failure in files.failures([part.name]))

    (audio / "1.flac").write_bytes(as_flac(LENGTHS_S[1]))
    opened.clear()
    worker.run(part)
    assert opened == ["1.flac", "3.flac"]
    ids = [row["id"] for row in files.read(part.name)]
    assert ids == ["0.flac", "2.flac", "4.flac", "1.flac"]
    assert failed(files, part) == {"3.flac": "AudioError"}


def test_after_a_death_recordings_go_one_by_one(
    worker: PartWorker, files: PartFiles, manifest: Path
) -> None:
    part = part_of(manifest)
    worker.run(part)
    expected = files.read(part.name)
    files.remove_parts([part.name])
    files.note_running(part.name, {"bad": [], "running": None})
    worker.run(part)
    assert files.read(part.name) == expected
    assert files.running(part.name) is None


def test_the_recording_of_a_second_death_fails_alone(
    worker: PartWorker, files: PartFiles, manifest: Path
) -> None:
    part = part_of(manifest)
    files.note_running(part.name, {"bad": ["0.flac"], "running": "2.flac"})
    worker.run(part)
    assert failed(files, part) == {"0.flac": "WorkerDied", "2.flac": "WorkerDied"}
    assert [row["id"] for row in files.read(part.name)] == ["1.flac", "3.flac", "4.flac"]


class DeathError(BaseException):
    """Ends a worker, as a signal would."""


def test_a_recording_that_always_kills_costs_two_workers_and_no_other_recording(
    worker: PartWorker, files: PartFiles, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = part_of(manifest)
    find_encoded = source.find_encoded

    def die(opened: Any, *more: Any) -> Any:
        if str(opened).endswith("2.flac"):
            raise DeathError
        return find_encoded(opened, *more)

    monkeypatch.setattr("wav2vec2_conformer.audio.blocks.find_encoded", die)
    for _ in range(2):
        with pytest.raises(DeathError):
            worker.run(part)
    worker.run(part)
    assert failed(files, part) == {"2.flac": "WorkerDied"}
    assert len(files.read(part.name)) == len(LENGTHS_S) - 1


def test_a_bug_in_one_recording_is_its_failure_alone(
    worker: PartWorker, files: PartFiles, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_encoded = source.find_encoded

    def fail(opened: Any, *more: Any) -> Any:
        if str(opened).endswith("1.flac"):
            raise RuntimeError("out of memory")
        return find_encoded(opened, *more)

    monkeypatch.setattr("wav2vec2_conformer.audio.blocks.find_encoded", fail)
    part = part_of(manifest)
    worker.run(part)
    assert failed(files, part) == {"1.flac": "RuntimeError"}
    assert len(files.read(part.name)) == len(LENGTHS_S) - 1


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_tar_shard_is_transcribed_and_taken_up_again(
    worker: PartWorker, files: PartFiles, tmp_path: Path, opened: list[str]
) -> None:
    members = {"a.flac": as_flac(0.5), "b.flac": b"damaged", "c.flac": as_flac(0.7)}
    part = part_of(write_tar(tmp_path / "s.tar", members))
    worker.run(part)
    assert [row["id"] for row in files.read(part.name)] == ["s.tar:a", "s.tar:c"]
    assert failed(files, part) == {"s.tar:b": "AudioError"}
    opened.clear()
    write_tar(tmp_path / "s.tar", {**members, "b.flac": as_flac(0.6)})
    worker.run(part)
    assert len(opened) == 1
    assert sorted(row["id"] for row in files.read(part.name)) == ["s.tar:a", "s.tar:b", "s.tar:c"]
    assert failed(files, part) == {}


def test_a_name_that_occurs_twice_in_a_shard_is_told(
    worker: PartWorker, files: PartFiles, tmp_path: Path
) -> None:
    clip = as_flac(0.5)
    names = ["a.flac", "b.flac", "./a.flac"]
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("a.flac", "b.flac", "a.flac"):
            info = tarfile.TarInfo(name)
            info.size = len(clip)
            archive.addfile(info, io.BytesIO(clip))
    part = part_of(path)
    worker.run(part)
    assert len(files.read(part.name)) == len(names) - 1
    assert failed(files, part) == {"s.tar:a": "ManifestError"}


def test_a_shard_that_breaks_off_gives_what_it_has(
    worker: PartWorker, files: PartFiles, tmp_path: Path
) -> None:
    whole = write_tar(tmp_path / "s.tar", {f"{n}.flac": as_flac(1.0) for n in range(3)})
    whole.write_bytes(whole.read_bytes()[:50_000])
    part = part_of(whole)
    worker.run(part)
    assert [row["id"] for row in files.read(part.name)] == ["s.tar:0"]
    assert failed(files, part) == {"s.tar": "ManifestError"}


def test_parquet_with_audio_is_transcribed(
    worker: PartWorker, files: PartFiles, tmp_path: Path
) -> None:
    rows = [{"bytes": as_flac(0.5), "path": "x.flac"}, None]
    pq.write_table(pa.table({"id": ["x", "y"], "audio": rows}), tmp_path / "d.parquet")
    part = part_of(tmp_path / "d.parquet")
    worker.run(part)
    assert [row["id"] for row in files.read(part.name)] == ["d.parquet:x"]
    assert failed(files, part) == {"d.parquet:y": "AudioError"}


def test_a_part_of_a_file_is_that_part(
    worker: PartWorker, files: PartFiles, tmp_path: Path, audio: Path
) -> None:
    samples, _ = soundfile.read(audio / "3.flac", dtype="float32")
    soundfile.write(tmp_path / "cut.flac", samples[8_000:20_000], RATE_HZ)
    cut, whole = str(tmp_path / "cut.flac"), str(audio / "3.flac")
    part = Part("p", (Recording("whole", cut), Recording("part", whole, 0.5, 0.75)))
    worker.run(part)
    first, second = files.read("p")
    assert (first["text"], first["words"]) == (second["text"], second["words"])
    assert second["duration"] == 0.75


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_audio_comes_from_a_store(
    worker: PartWorker, files: PartFiles, manifest: Path, audio: Path
) -> None:
    worker.run(part_of(manifest))
    expected = {row["id"]: row["text"] for row in files.read(part_of(manifest).name)}
    handler = partial(QuietHandler, directory=str(audio))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            recordings = tuple(Recording(name, f"{url}/{name}") for name in [*expected, "gone.wav"])
            worker.run(Part("remote", recordings))
        finally:
            server.shutdown()
            thread.join()
    assert {row["id"]: row["text"] for row in files.read("remote")} == expected
    [failure] = files.failures(["remote"])
    assert failure.message.startswith(f"{url}/gone.wav: cannot be fetched")
