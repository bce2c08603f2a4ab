"""fairseq's lists are read with the labels beside them."""

import pytest

from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError


def write_list(tmp_path, make_clip, *lines, **labels):
    for name in ("a/1.flac", "a/2.flac"):
        make_clip(tmp_path / "audio" / name)
    path = tmp_path / "train.tsv"
    path.write_text("\n".join([str(tmp_path / "audio"), *lines]) + "\n")
    for suffix, text in labels.items():
        path.with_suffix(f".{suffix}").write_text(text)
    return path


LINES = ("a/1.flac\t16000", "a/2.flac\t8000")
LETTERS = "G O O D | D A Y |\nH I |\n"


def test_letters_become_words(tmp_path, make_clip):
    first, second = read_utterances(write_list(tmp_path, make_clip, *LINES, ltr=LETTERS))
    assert (first.audio_path, first.duration_s) == (tmp_path / "audio/a/1.flac", 1.0)
    assert (first.text, second.text, second.duration_s) == ("GOOD DAY", "HI", 0.5)


def test_words_are_preferred_and_labels_may_be_missing(tmp_path, make_clip):
    path = write_list(tmp_path, make_clip, *LINES, ltr=LETTERS, wrd="good day\nhi\n")
    assert [u.text for u in read_utterances(path)] == ["good day", "hi"]
    path.with_suffix(".wrd").unlink()
    path.with_suffix(".ltr").unlink()
    assert [u.text for u in read_utterances(path)] == ["", ""]


@pytest.mark.parametrize(
    ("lines", "labels", "message"),
    [
        (LINES, {"wrd": "one\n"}, r"train\.wrd: holds 1 lines, but train\.tsv names 2 files"),
        (("a/1.flac",), {}, "line 2: expected a path, a tab and a number"),
        (("../1.flac\t5",), {}, r"line 2: an audio path of this format must lie inside"),
        (("/etc/x.flac\t5",), {}, r"line 2: an audio path of this format must lie inside"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path, make_clip, lines, labels, message):
    with pytest.raises(ManifestError, match=message):
        read_utterances(write_list(tmp_path, make_clip, *lines, **labels))
