"""Named normalizers, each with what its name promises."""
# ruff: noqa: RUF001  characters that look alike are what this is about

import sys

import pytest

from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.text.normalizers import build_normalizer
from wav2vec2_conformer.text.scripts import is_mostly_unspaced


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("none", "  Don't\tSHOUT!\n", "Don't SHOUT!"),
        ("librispeech", "Don’t go, café-goer!", "DON'T GO CAFE GOER"),
        ("librispeech", "Straße 42", "STRASSE"),
        ("unicode", "Don’t — SHOUT, “you” & me!", "don't shout you me"),
        ("unicode", "'quoted' rock 'n' roll, the dogs'", "quoted rock n roll the dogs"),
        ("unicode", "Straße ﬁne ½ ＡＢＣ", "strasse fine 1 2 abc"),
        ("unicode", "and/or snake_case twenty-one", "and or snake case twenty one"),
        ("unicode", "cafe\u0301", "caf\u00e9"),
        ("unicode", "zero\u200bwidth\u200f", "zerowidth"),
        ("unicode", "हिन्दी में।", "हिन्दी में"),
        ("unicode", "今天 天气，很好。 OK 吗", "今天天气很好 ok 吗"),
        ("unicode", "السَّلام عليكم؟", "السَّلام عليكم"),
        ("arabic", "السَّلَامُ عَلَيْكُمـــ؟", "السلام عليكم"),
        ("whisper-english", "Mr. Smith's colour isn't $20", "mister smith is color is not $20"),
    ],
)
def test_examples(name, text, expected):
    assert build_normalizer(name)(text) == expected


@pytest.mark.parametrize("name", ["none", "librispeech", "unicode", "arabic"])
@pytest.mark.parametrize("text", ["", "  ", "It’s İstanbul – 'ok' 今天 天气!", "ᾳ ẞ ǰ\u0323 ﷺ ـــ"])
def test_normalizing_twice_changes_nothing(name, text):
    normalize = build_normalizer(name)
    assert normalize(normalize(text)) == normalize(text)


def test_vocabulary_is_a_models():
    assert build_normalizer("vocabulary", {"<pad>", "A", "B"})("a-b.") == "A B"
    with pytest.raises(InputError, match="needs the vocabulary of a model"):
        build_normalizer("vocabulary")


def test_unknown_names_are_told_the_known_ones():
    with pytest.raises(InputError, match="'english'; take one of: none, librispeech, unicode"):
        build_normalizer("english")


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)
    with pytest.raises(MissingExtraError, match=r"whisper-normalizer.*wav2vec2-conformer\[eval\]"):
        build_normalizer("whisper-english")


def test_scripts_without_spaces_are_known_by_most_letters():
    assert is_mostly_unspaced(["今天 OK"]) is False
    assert is_mostly_unspaced(["今天天气 OK"]) is True
    assert is_mostly_unspaced([]) is False
