"""Alignments name each error and spell both texts."""

import pytest

from wav2vec2_conformer.evaluation.error_counts import ErrorCounts
from wav2vec2_conformer.evaluation.word_alignment import Edit, align_texts


def test_each_kind_of_error_in_words():
    (alignment,) = align_texts(["the boat came home at night"], ["the big boat comes home night"])
    assert alignment.counts == ErrorCounts(6, substitutions=1, deletions=1, insertions=1)
    assert alignment.edits == (
        Edit("the", "the"),
        Edit(None, "big"),
        Edit("boat", "boat"),
        Edit("came", "comes"),
        Edit("home", "home"),
        Edit("at", None),
        Edit("night", "night"),
    )


def test_equal_words_are_one_run():
    (alignment,) = align_texts(["a b c"], ["a b c"])
    assert alignment.edits == (Edit("a b c", "a b c"),)
    assert alignment.edits[0].is_equal


def test_characters_include_spaces():
    (alignment,) = align_texts(["a bc"], ["abd"], "character")
    assert alignment.counts == ErrorCounts(4, substitutions=1, deletions=1, insertions=0)
    assert alignment.edits == (Edit("a", "a"), Edit(" ", None), Edit("b", "b"), Edit("c", "d"))


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits"),
    [
        ("", "", ()),
        ("", "x y", (Edit(None, "x"), Edit(None, "y"))),
        ("x y", "", (Edit("x", None), Edit("y", None))),
    ],
)
def test_empty_texts(reference, hypothesis, edits):
    (alignment,) = align_texts([reference], [hypothesis])
    assert alignment.edits == edits
    assert alignment.counts.num_errors == len(edits)
