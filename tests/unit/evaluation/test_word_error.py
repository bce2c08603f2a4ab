"""Error rates are those of the whole corpus; empty texts count."""

import jiwer
import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.word_error import WordErrors, score


def test_counts_of_a_corpus():
    errors = score(["a b c d", "e f"], ["a x c", "e f g"])
    assert errors == WordErrors(
        wer=3 / 6,
        cer=5 / 10,
        num_words=6,
        num_characters=10,
        substitutions=1,
        deletions=1,
        insertions=1,
    )


def test_rate_is_of_the_corpus_not_a_mean_over_utterances():
    assert score(["a", "b c d e f g h i j"], ["x", "b c d e f g h i j"]).wer == 1 / 10


def test_equal_texts_have_no_errors_whatever_the_white_space():
    assert score([" a  b "], ["a b"]) == WordErrors(0.0, 0.0, 2, 3, 0, 0, 0)


def test_empty_hypothesis_is_all_deletions():
    errors = score(["ab cd"], [""])
    assert (errors.wer, errors.cer, errors.deletions) == (1.0, 1.0, 2)


def test_words_for_an_empty_reference_are_insertions():
    errors = score(["a b", ""], ["a b", "x yz"])
    assert (errors.wer, errors.insertions) == (2 / 2, 2)
    assert errors.cer == 4 / 3


def test_silence_alone_has_as_many_errors_as_words_were_recognized():
    assert score([""], [""]).wer == 0.0
    assert (score([""], ["x yz"]).wer, score([""], ["x yz"]).cer) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("references", "hypotheses"),
    [
        (["a b", ""], ["a b", "x yz"]),
        (["", ""], ["x", "y z"]),
        (["a", "b c"], ["", ""]),
        ([""], [""]),
    ],
)
def test_rates_of_empty_texts_are_those_of_jiwer(references, hypotheses):
    errors = score(references, hypotheses)
    assert errors.wer == jiwer.wer(references, hypotheses)
    assert errors.cer == jiwer.cer(references, hypotheses)


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [(["a"], [], "1 references but 0 hypotheses"), ([], [], "nothing to score")],
)
def test_nothing_to_compare_is_refused(references, hypotheses, message):
    with pytest.raises(InputError, match=message):
        score(references, hypotheses)
