"""Audio of shards becomes files once, for all processes and all runs that follow."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.shard_files import write_tar

from wav2vec2_conformer.data import extraction
from wav2vec2_conformer.data.extraction import extract_utterances
from wav2vec2_conformer.errors import ManifestError


@pytest.fixture
def shard(tmp_path, make_clip):
    """Return a shard of two clips, of which one has a label, segments and a duration."""
    clips = [make_clip(tmp_path / f"{i}.wav", 0.25, hz=300 * (i + 1)).read_bytes() for i in (0, 1)]
    fields = {"labels": ["a"], "segments": [{"start": 0, "end": 0.2, "speaker": "x"}], "n": 1}
    return write_tar(
        tmp_path / "s.tar",
        ("a.wav", clips[0]),
        ("a.json", json.dumps(fields | {"duration": 0.2}).encode()),
        ("b.wav", clips[1]),
        ("b.txt", b"hi"),
    )


@pytest.fixture
def readings(monkeypatch):
    """Return a list that grows with each reading of shards."""
    found, iter_encoded = [], extraction.iter_encoded

    def count(shards):
        found.append(shards)
        time.sleep(0.05)  # others come meanwhile
        return iter_encoded(shards)

    monkeypatch.setattr(extraction, "iter_encoded", count)
    return found


def test_what_tasks_learn_from_is_kept(tmp_path, shard):
    first, second = extract_utterances([shard], tmp_path / "out")
    assert (first.duration_s, second.duration_s) == (0.2, 0.25)
    assert (first.text, second.text) == ("", "hi")
    segments = [{"start": 0, "end": 0.2, "speaker": "x"}]
    assert first.extra == {"labels": ["a"], "segments": segments, "id": f"{shard}:a"}


def test_shards_are_read_once(tmp_path, shard, readings):
    first = extract_utterances([shard], tmp_path / "out")
    times = [u.audio_path.stat().st_mtime_ns for u in first]
    assert extract_utterances([shard], tmp_path / "out") == first
    assert len(readings) == 1
    os.utime(shard, (1, 1))  # the same content, brought anew: files that are right stay
    again = extract_utterances([shard], tmp_path / "out")
    assert len(readings) == 2
    assert [u.audio_path.stat().st_mtime_ns for u in again] == times


def test_one_of_several_processes_writes(tmp_path, shard, readings):
    """Threads have locks of their own, as processes do."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: extract_utterances([shard], tmp_path / "out"), range(4)))
    assert len(readings) == 1
    assert all(result == results[0] for result in results)


def test_another_shard_is_written_over_the_first(tmp_path, shard, make_clip):
    """Its clips may be as long as those before, to the byte."""
    before = extract_utterances([shard], tmp_path / "out")[0].audio_path.read_bytes()
    other = make_clip(tmp_path / "other.wav", 0.25, hz=2000).read_bytes()
    assert len(other) == len(before)
    changed = write_tar(tmp_path / "t.tar", ("a.wav", other))
    (only,) = extract_utterances([changed], tmp_path / "out")
    assert only.audio_path.read_bytes() == other
    # The first one again, whose manifest must not be believed any more.
    assert extract_utterances([shard], tmp_path / "out")[0].audio_path.read_bytes() == before


def test_a_writing_that_was_cut_off_is_done_again(tmp_path, shard, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "format_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            extract_utterances([shard], tmp_path / "out")
    assert len(extract_utterances([shard], tmp_path / "out")) == 2


def test_what_goes_wrong_is_said(tmp_path, shard):
    first, _ = extract_utterances([shard], tmp_path / "out")
    first.audio_path.unlink()
    with pytest.raises(ManifestError, match=r"00000000\.wav\. Delete the folder, and they are"):
        extract_utterances([shard], tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(ManifestError, match=r"file.out: the audio of .*s\.tar cannot be written"):
        extract_utterances([shard], tmp_path / "file" / "out")
    write_tar(shard, ("a.wav", b"RIFFnothing"))
    (damaged,) = extract_utterances([shard], tmp_path / "out")
    assert damaged.duration_s == 0.0  # a finding of `check-data`
