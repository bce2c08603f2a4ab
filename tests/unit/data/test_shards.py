"""Tar shards and Parquet: streamed without decoding, or written out as files."""

import json

import pytest
from tests.shard_files import write_parquet, write_tar

from wav2vec2_conformer.audio.loading import load_audio
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.data.shards import iter_encoded
from wav2vec2_conformer.errors import ManifestError


@pytest.fixture
def encoded(tmp_path, make_clip):
    return [make_clip(tmp_path / f"{i}.flac", 0.25, hz=300 * (i + 1)).read_bytes() for i in (0, 1)]


@pytest.mark.parametrize("name", ["s.tar", "s.tar.gz"])
def test_files_with_one_name_are_one_utterance(tmp_path, encoded, name):
    entry = json.dumps({"text": "hi", "speaker": "s"}).encode()
    shard = write_tar(
        tmp_path / name,
        ("d/0001.json", entry),
        ("d/0001.flac", encoded[0]),
        ("../../evil.flac", encoded[1]),
        ("../../evil.txt", "é\n".encode()),
    )
    first, second = read_utterances(shard, extract_to=tmp_path / "out")
    assert (first.text, first.speaker, first.duration_s) == ("hi", "s", 0.25)
    assert second.text == "é"
    assert [u.audio_path.name for u in (first, second)] == ["00000000.flac", "00000001.flac"]
    assert [u.audio_path.read_bytes() for u in (first, second)] == encoded
    written = {p.name for p in (tmp_path / "out").iterdir() if p.suffix == ".flac"}
    assert written == {"00000000.flac", "00000001.flac"}


AUDIO = {"sampling_rate": 16000, "_type": "Audio"}
TEXT = {"dtype": "string", "_type": "Value"}
NUMBER = {"dtype": "int64", "_type": "Value"}


@pytest.mark.parametrize("features", [None, {"audio": AUDIO, "text": TEXT, "speaker_id": NUMBER}])
def test_parquet_is_not_decoded_by_datasets(tmp_path, encoded, features):
    rows = [{"bytes": audio, "path": f"{i}.flac"} for i, audio in enumerate(encoded)]
    columns = {"audio": rows, "text": ["hi", "hi"], "speaker_id": [7, 8]}
    shard = write_parquet(tmp_path / "a.parquet", columns, features)
    streamed = list(iter_encoded([shard]))
    assert [s.audio for s in streamed] == encoded
    assert len(load_audio(streamed[0].audio)) == 4000
    first, second = read_utterances(shard, extract_to=tmp_path / "out")
    assert (first.text, first.speaker, second.speaker) == ("hi", "7", "8")
    assert first.audio_path.suffix == ".flac"


def test_classes_of_parquet_are_known_by_their_names(tmp_path, encoded):
    """`datasets` stores their numbers, and -1 where there is none."""
    features = {"audio": AUDIO, "label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    columns = {"audio": [{"bytes": encoded[0], "path": None}] * 3, "label": [1, 0, -1]}
    shard = write_parquet(tmp_path / "a.parquet", columns, features)
    assert [s.fields["label"] for s in iter_encoded([shard])] == ["yes", "no", None]


def test_only_what_is_asked_for_is_read(tmp_path, encoded):
    shard = write_tar(tmp_path / "s.tar", ("a.flac", encoded[0]), ("b.flac", encoded[1]))
    stream = iter_encoded([shard, tmp_path / "missing.tar"])
    assert next(stream).name == f"{shard}:a"
    assert next(stream).audio == encoded[1]
    with pytest.raises(ManifestError, match=r"missing\.tar: cannot be read as a tar shard"):
        next(stream)


def test_what_is_wrong_is_refused(tmp_path, encoded):
    shard = write_tar(tmp_path / "s.tar", ("a.flac", encoded[0]))
    with pytest.raises(ManifestError, match=r"check-data .*s\.tar -o FOLDER` writes them"):
        read_utterances(shard)
    write_tar(shard, ("a.txt", b"no audio"))
    with pytest.raises(ManifestError, match=r"s\.tar:a: holds no audio .* got \.txt"):
        list(iter_encoded([shard]))
    numbers = write_parquet(tmp_path / "n.parquet", {"audio": [1, 2]})
    with pytest.raises(ManifestError, match="must hold the bytes of an audio file"):
        list(iter_encoded([numbers]))
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(ManifestError, match="cannot be read as Parquet"):
        list(iter_encoded([tmp_path / "t.parquet"]))
