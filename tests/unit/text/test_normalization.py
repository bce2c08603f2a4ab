"""Text is rewritten with the vocabulary's characters, and no letter is lost silently."""

import pytest

from wav2vec2_conformer.text.normalization import count_unknown, normalize_text
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY

LOWER = {"<pad>": 0, "<unk>": 1, "|": 2, **{c: i for i, c in enumerate("abcdeéz-?", 3)}}
ARABIC = ["<pad>", "<unk>", "|", "ا", "ل", "س", "م", "ع", "ك"]  # noqa: RUF001 - Arabic it is
UPPER = LIBRISPEECH_VOCABULARY


@pytest.mark.parametrize(
    ("text", "vocabulary", "expected"),
    [
        ("Hello, world!", UPPER, "HELLO WORLD"),
        ("It's  a\tdog\u2019s\nlife.", UPPER, "IT'S A DOG'S LIFE"),
        ("twenty-two \u2014 or\u2013so", UPPER, "TWENTY TWO OR SO"),
        ('"Well," (he said) | <s>...', UPPER, "WELL HE SAID S"),
        ("straße", UPPER, "STRASSE"),
        ("  ", UPPER, ""),
        ("A-B?", LOWER, "a-b?"),
        ("e\u0301", LOWER, "é"),
        ("السلام، عليكم؟", ARABIC, "السلام عليكم"),
        ("Café 3", UPPER, "CAFÉ 3"),
    ],
)
def test_normalized(text, vocabulary, expected):
    assert normalize_text(text, vocabulary) == expected


def test_normalizing_twice_changes_nothing():
    once = normalize_text("Well \u2014 it's\u00a0so-so, É!", UPPER)
    assert normalize_text(once, UPPER) == once


def test_unknown_characters_are_counted():
    texts = [normalize_text(t, UPPER) for t in ("Café 33", "é", "fine, thanks")]
    assert count_unknown(texts, UPPER) == {"É": 2, "3": 2}
