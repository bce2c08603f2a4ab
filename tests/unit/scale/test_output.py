"""What of a job is done, and one file made of its parts."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from wav2vec2_conformer.scale.output import Output
from wav2vec2_conformer.scale.part_files import FailedRecording, PartFiles
from wav2vec2_conformer.scale.parts import Part, plan_parts
from wav2vec2_conformer.scale.recordings import Recording, Shard

RECORDINGS = [Recording(str(n), f"/{n}.wav", None, 10.0) for n in range(6)]
SHARD = Shard("s.tar", "/s.tar")


def rows(*ids: str, audio: str = "/x.wav") -> list[dict[str, object]]:
    return [
        {"id": i, "audio": audio, "duration": 1.0, "text": i, "confidence": 1.0, "words": []}
        for i in ids
    ]


def fail(name: str) -> FailedRecording:
    return FailedRecording(name, f"/{name}.wav", "AudioError", "why")


def pending_ids(output: Output, parts: list[Part]) -> list[list[str]]:
    return [[r.id for r in part.recordings] for part in output.find_pending(parts).parts]


def test_parts_that_are_written_are_done(tmp_path: Path) -> None:
    parts = list(plan_parts(RECORDINGS, part_seconds=20))
    output, files = Output(str(tmp_path / "out")), PartFiles(str(tmp_path / "out"))
    assert output.find_pending(parts).num_done == 0
    files.write(parts[1].name, rows("2", "3"), [])
    assert pending_ids(output, parts) == [["0", "1"], ["4", "5"]]
    assert output.find_pending(parts).num_done == 2


def test_what_failed_is_pending(tmp_path: Path) -> None:
    parts = list(plan_parts(RECORDINGS, part_seconds=20))
    output, files = Output(str(tmp_path / "out")), PartFiles(str(tmp_path / "out"))
    files.write(parts[1].name, rows("2"), [fail("3")])
    assert pending_ids(output, parts) == [["0", "1"], ["3"], ["4", "5"]]
    assert [failure.id for failure in output.failures(parts)] == ["3"]


def test_other_parts_than_before_leave_out_what_is_done(tmp_path: Path) -> None:
    output, files = Output(str(tmp_path / "out")), PartFiles(str(tmp_path / "out"))
    first, *_ = plan_parts(RECORDINGS, part_seconds=30)
    files.write(first.name, rows("0", "1", "2"), [])
    parts = list(plan_parts(RECORDINGS, part_seconds=20))
    assert pending_ids(output, parts) == [["3"], ["4", "5"]]


def test_one_file_holds_all_rows_in_the_order_of_the_job(tmp_path: Path) -> None:
    parts = list(plan_parts(RECORDINGS, part_seconds=20))
    path = tmp_path / "out.parquet"
    output = Output(str(path))
    files = PartFiles(output.folder)
    for part in reversed(parts):
        files.write(part.name, rows(*(r.id for r in part.recordings)), [])
    output.finish(parts)
    assert pq.read_table(path)["id"].to_pylist() == [r.id for r in RECORDINGS]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.parquet"]
    assert output.find_pending(parts) == Output(str(path)).find_pending(parts)
    assert output.find_pending(parts).parts == ()


def test_one_file_grows_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    output = Output(str(path))
    files = PartFiles(output.folder)
    [part] = plan_parts(RECORDINGS[:3])
    files.write(part.name, rows("0", "2"), [fail("1")])
    output.finish([part])
    assert pending_ids(output, [part]) == [["1"]]
    assert [failure.id for failure in output.failures([part])] == ["1"]
    files.write(part.name, rows("1"), [])
    output.finish([part])
    output.finish([part])
    assert pq.read_table(path)["id"].to_pylist() == ["0", "2", "1"]
    assert output.find_pending([part]).parts == ()
    assert not Path(output.folder).exists()


def test_a_file_that_was_made_before_its_parts_were_removed_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.parquet"
    output = Output(str(path))
    [part] = plan_parts(RECORDINGS[:3])
    PartFiles(output.folder).write(part.name, rows("0", "1", "2"), [])
    with monkeypatch.context() as patch:
        patch.setattr(PartFiles, "remove_parts", lambda *_: None)
        output.finish([part])
    output.finish([part])
    assert pq.read_table(path)["id"].to_pylist() == ["0", "1", "2"]


def test_a_shard_is_done_when_it_is_written_and_nothing_failed(tmp_path: Path) -> None:
    [part] = plan_parts([SHARD])
    output = Output(str(tmp_path / "out.parquet"))
    files = PartFiles(output.folder)
    assert output.find_pending([part]).parts == (part,)
    files.write(part.name, rows("s.tar:a", audio="/s.tar"), [fail("s.tar:b")])
    output.finish([part])
    [again] = output.find_pending([part]).parts
    assert again.done_ids == ("s.tar:a",)
    files.write(part.name, rows("s.tar:b", audio="/s.tar"), [])
    output.finish([part])
    assert output.find_pending([part]).parts == ()


def test_half_a_file_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = PartFiles(str(tmp_path / "out"))
    files.write("p", rows("0"), [])

    def break_off(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.mv", break_off)
    with pytest.raises(OSError, match="full"):
        files.write("q", rows("1"), [])
    assert files.names() == {"p"}
