"""Kaldi's folders are read; their commands are not run."""

import pytest

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")


def test_recordings_without_segments(tmp_path, make_clip):
    absolute = make_clip(tmp_path / "elsewhere" / "b.wav", 0.5)
    folder = tmp_path / "data"
    make_clip(folder / "a.flac", 1.5)
    write(folder, wav_scp=f"a a.flac\nb {absolute}\n", text="a GOOD  DAY\n", utt2spk="a s1\nb s2\n")
    expected = [
        Utterance(folder / "a.flac", 1.5, "GOOD  DAY", "s1", extra={"id": "a"}),
        Utterance(absolute, 0.5, "", "s2", extra={"id": "b"}),
    ]
    assert read_utterances(folder) == expected
    assert read_utterances(folder / "wav.scp") == expected


def test_segments_have_offsets_and_minus_one_is_the_end(tmp_path, make_clip):
    make_clip(tmp_path / "r.wav", 2.0)
    write(tmp_path, wav_scp="r r.wav", segments="u1 r 0.0 0.5\nu2 r 0.5 -1\n", text="u1 A\nu2 B")
    first, second = read_utterances(tmp_path)
    assert (first.offset_s, first.duration_s, first.text) == (0.0, 0.5, "A")
    assert (second.offset_s, second.duration_s, second.text) == (0.5, 1.5, "B")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"wav_scp": "a touch {marker}; cat a.wav |"}, r"wav\.scp, a: is a command .*are not run"),
        ({"wav_scp": "a /x/raw.ark:1234"}, "Archives .ark. are not read"),
        ({"wav_scp": "a a.wav\na b.wav"}, r"wav\.scp, line 2: a stands there twice"),
        ({"wav_scp": "a a.wav", "segments": "u b 0 1"}, "u: wav.scp has no recording 'b'"),
        ({"wav_scp": "a a.wav", "segments": "u a 1 1"}, r"from 1\.0 to 1\.0 s is empty"),
        ({"wav_scp": "a a.wav", "segments": "u a 1 x"}, "expected seconds, got 'x'"),
        ({"wav_scp": "a a.wav", "segments": "u a 1"}, "expected recording, start and end"),
        ({"wav_scp": "a gone.wav"}, r"1 audio files are missing: gone\.wav"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path, files, message):
    marker = tmp_path / "was-run"
    write(tmp_path, **{name: text.format(marker=marker) for name, text in files.items()})
    with pytest.raises(ManifestError, match=message):
        read_utterances(tmp_path)
    assert not marker.exists()
