"""Cuts of lhotse are read without lhotse; what needs lhotse is refused."""

import gzip
import json

import pytest

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError


def cut(audio, **changes):
    """Return a cut as lhotse 1.33 writes it."""
    recording = {
        "id": "rec",
        "sources": [{"type": "file", "channels": [0], "source": str(audio)}],
        "sampling_rate": 16000,
        "num_samples": 32000,
        "duration": 2.0,
        "channel_ids": [0],
    }
    supervisions = [
        {"id": "b", "recording_id": "rec", "start": 0.6, "duration": 0.4, "text": "day"},
        {"id": "a", "recording_id": "rec", "start": 0.0, "duration": 0.5, "text": "good"},
    ]
    supervisions = [s | {"channel": 0, "language": "en", "speaker": "s1"} for s in supervisions]
    whole = {"id": "c", "start": 0.5, "duration": 1.0, "channel": 0, "type": "MonoCut"}
    whole |= {"supervisions": supervisions, "recording": recording}
    for key, value in changes.items():
        (whole if key in {"start", "duration"} else recording)[key] = value
    return whole


def write(path, *lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["cuts.jsonl.gz", "cuts.jsonl"])
def test_cuts_with_offsets_and_ordered_texts(tmp_path, make_clip, name):
    clip = make_clip(tmp_path / "a.wav", 2.0)
    path = write(tmp_path / name, cut("a.wav"), cut(clip, start=0, duration=2.0))
    assert read_utterances(path) == [
        Utterance(clip, 1.0, "good day", "s1", 0.5, extra={"id": "c"}),
        Utterance(clip, 2.0, "good day", "s1", extra={"id": "c"}),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"type": "MixedCut", "tracks": []}, "expected a cut with a recording, got MixedCut"),
        (
            cut("x", sources=[{"type": "command", "channels": [0], "source": "rm -r x"}]),
            r"one file, got sources \['command'\]. Commands and URLs .* are not opened",
        ),
        (
            cut("x", sources=[{"type": "file", "channels": [0, 1], "source": "x.wav"}]),
            "a cut is one of 2 channels",
        ),
        (cut("x", transforms=[{"name": "Speed"}]), "transforms .*only lhotse applies"),
        (cut("x", duration=0), "duration must be a positive number of seconds, got 0"),
    ],
)
def test_what_only_lhotse_can_do_is_refused(tmp_path, line, message):
    with pytest.raises(ManifestError, match=message):
        read_utterances(write(tmp_path / "cuts.jsonl.gz", line))


def test_damaged_file_is_refused(tmp_path):
    (tmp_path / "cuts.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(ManifestError, match="cannot be read as compressed UTF-8"):
        read_utterances(tmp_path / "cuts.jsonl.gz")
