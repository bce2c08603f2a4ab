"""Which recordings a job finds in manifests, tables, folders and shards."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wav2vec2_conformer.errors import InputError, ManifestError
from wav2vec2_conformer.scale.recordings import Recording, Shard, list_recordings


def write_lines(path: Path, *entries: object) -> Path:
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return path


def test_lines_name_files_beside_them_anywhere_and_in_stores(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "m.jsonl",
        {"audio_filepath": "a/b.wav", "duration": 2},
        {"audio_filepath": "/far/c.wav", "id": "c"},
        {"audio_filepath": "s3://bucket/d.wav", "offset": 1.5, "duration": 3.0},
    )
    assert list_recordings(str(path)) == [
        Recording("a/b.wav", f"{tmp_path}/a/b.wav", None, 2.0),
        Recording("c", "/far/c.wav"),
        Recording("s3://bucket/d.wav#1.5", "s3://bucket/d.wav", 1.5, 3.0),
    ]


def test_a_manifest_is_read_through_fsspec_too(tmp_path: Path) -> None:
    text = json.dumps({"audio_filepath": "x.wav"})
    with gzip.open(tmp_path / "m.jsonl.gz", "wt") as file:
        file.write(text)
    found = list_recordings(f"file://{tmp_path}/m.jsonl.gz")
    assert found == [Recording("x.wav", f"{tmp_path}/x.wav")]


def test_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('path,duration\n"a, b.wav",1.5\nhttps://example.org/c.wav,\n')
    assert list_recordings(str(tmp_path / "t.csv")) == [
        Recording("a, b.wav", f"{tmp_path}/a, b.wav", None, 1.5),
        Recording("https://example.org/c.wav", "https://example.org/c.wav"),
    ]
    pq.write_table(pa.table({"id": ["1"], "path": ["a.wav"]}), tmp_path / "t.parquet")
    assert list_recordings(str(tmp_path / "t.parquet")) == [Recording("1", f"{tmp_path}/a.wav")]


def test_other_formats_are_those_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "wav.scp").write_text("u1 /data/one.wav\nu2 /data/two.wav\n")
    found = list_recordings(str(tmp_path))
    assert [item.location for item in found] == ["/data/one.wav", "/data/two.wav"]


def test_a_folder_gives_its_audio_and_hidden_files_are_left_out(audio: Path) -> None:
    (audio / "more").mkdir()
    for name in ("more/z.wav", ".hidden.wav", "notes.txt"):
        (audio / name).write_bytes(b"")
    ids = [item.id for item in list_recordings(str(audio))]
    assert ids == ["0.flac", "1.flac", "2.flac", "3.flac", "4.flac", "more/z.wav"]


def test_a_folder_of_shards_and_a_pattern_give_shards(tmp_path: Path) -> None:
    for name in ("a-0.tar", "a-1.tar", "b.tar", "loose.wav"):
        (tmp_path / name).write_bytes(b"")
    assert list_recordings(str(tmp_path)) == [
        Shard(name, f"{tmp_path}/{name}") for name in ("a-0.tar", "a-1.tar", "b.tar")
    ]
    found = list_recordings(f"{tmp_path}/a-*.tar")
    assert [item.location for item in found] == [f"{tmp_path}/a-0.tar", f"{tmp_path}/a-1.tar"]


@pytest.mark.parametrize(
    "kind", [pa.struct([("bytes", pa.binary()), ("path", pa.string())]), pa.binary()]
)
def test_parquet_with_audio_in_it_is_a_shard(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"audio": pa.array([], type=kind)}), path)
    assert list_recordings(str(path)) == [Shard("data.parquet", str(path))]


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "m.jsonl",
        {"audio_filepath": "a.wav", "id": "one"},
        {"audio_filepath": "b.wav", "id": "one"},
        {"audio_filepath": "c.wav"},
    )
    with pytest.raises(ManifestError, match="1 ids occur more than once: one"):
        list_recordings(str(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.jsonl", '{"audio_filepath": "a.wav"}\n{oops\n', "line 2: not JSON"),
        ("m.jsonl", '{"audio_filepath": 3}\n', "audio_filepath must name an audio file, got 3"),
        ("m.jsonl", '{"audio_filepath": "a", "duration": -1}\n', "duration must be seconds"),
        ("m.jsonl", '{"audio_filepath": "a", "offset": 1}\n', "needs its duration too"),
        ("t.parquet", "no table", "cannot be read as Parquet"),
        ("m.docx", "?", "of no known format"),
        ("t.csv", "path\n", "names no recording"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ManifestError, match=message):
        list_recordings(str(tmp_path / name))


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file or folder"):
        list_recordings(str(tmp_path / "nothing.jsonl"))
    with pytest.raises(InputError, match=r"gopher://a: cannot be opened.*s3fs for s3://"):
        list_recordings("gopher://a")
