"""Comparisons are of the same utterances, paired."""

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation import compare, evaluate_texts
from wav2vec2_conformer.evaluation.comparison import explain

REFERENCES = ["a b c d", "e f g h", "i j k l"] * 10


def evaluate(hypotheses: list[str], **options: object):
    return evaluate_texts(REFERENCES, hypotheses, **options)


def test_a_better_system():
    first = evaluate(["a b x y", "e f g h", "i j k x"] * 10)
    second = evaluate(["a b c x", "e f g h", "i j k l"] * 10)
    comparison = compare(first, second)
    assert comparison.difference == pytest.approx(-20 / 120)
    assert comparison.relative_difference == pytest.approx(-20 / 30)
    assert comparison.interval.low < comparison.difference < comparison.interval.high < 0
    counts = (comparison.num_better, comparison.num_worse, comparison.num_equal)
    assert counts == (20, 0, 10)
    assert comparison.is_significant
    text = explain(comparison, "old", "new")
    assert text.startswith("new has the lower WER: if both were equally good")
    assert "(p = 0.0001)" in text


def test_the_other_way_round_only_the_sign_changes():
    first, second = evaluate(["a b x y", "e", "i j k l"] * 10), evaluate(REFERENCES)
    there, back = compare(first, second), compare(second, first)
    assert back.difference == -there.difference
    assert (back.num_better, back.num_worse) == (there.num_worse, there.num_better)
    assert back.p_value == there.p_value
    assert back.relative_difference is None
    assert explain(back, "perfect", "bad").startswith("perfect has the lower WER")


def test_equal_systems_do_not_differ():
    same = evaluate(["x b c d", "e f g h", "i j k l"] * 10)
    comparison = compare(same, same)
    assert (comparison.difference, comparison.p_value) == (0, 1.0)
    assert explain(comparison, "a", "b") == "a and b have the same WER."


def test_chance_is_not_called_a_difference():
    first = evaluate([*REFERENCES[:-1], "x"])
    comparison = compare(first, evaluate(["x", *REFERENCES[1:-1], "x"]))
    assert not comparison.is_significant
    assert explain(comparison, "a", "b").startswith("No difference in WER is shown")


def test_speakers_are_swapped_as_a_whole():
    # All of the difference is one speaker's: chance cannot be ruled out over speakers.
    speakers = [str(i % 10) for i in range(30)]
    hypotheses = ["x" if i % 10 == 0 else text for i, text in enumerate(REFERENCES)]
    perfect = evaluate(REFERENCES, groups=speakers)
    comparison = compare(evaluate(hypotheses, groups=speakers), perfect)
    assert (comparison.resampled, comparison.num_resampled) == ("speaker", 10)
    assert comparison.p_value == 1.0


def test_one_utterance_has_no_interval():
    comparison = compare(evaluate_texts(["a b"], ["a"]), evaluate_texts(["a b"], ["a b"]))
    assert comparison.interval is None
    assert comparison.difference == -0.5


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (evaluate_texts(["a"], ["a"]), "names or references differ"),
        (evaluate_texts(REFERENCES, REFERENCES, normalizer="none"), "same normalizer"),
        (evaluate_texts(REFERENCES, REFERENCES, unit="character"), "same unit"),
    ],
)
def test_other_evaluations_cannot_be_compared(second, message):
    with pytest.raises(InputError, match=message):
        compare(evaluate(REFERENCES), second)
