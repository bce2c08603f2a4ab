import math

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.perplexity import predict_text


class Bigrams:
    """Gives a word 1/2, one after itself 1/4, an unknown one 1/8, the end 1/2, after b 1/4."""

    order = 2

    def start(self) -> str:
        return ""

    def score(self, state: str, word: str) -> tuple[float, str]:
        prob = 1 / 8 if word not in self else 1 / 4 if word == state else 1 / 2
        return math.log(prob), word

    def score_end(self, state: str) -> float:
        return math.log(1 / 4 if state == "b" else 1 / 2)

    def __contains__(self, word: str) -> bool:
        return word in {"a", "b"}

    def has_prefix(self, prefix: str) -> bool:
        return prefix in {"", "a", "b"}


def test_ends_are_predicted_like_words() -> None:
    prediction = predict_text(Bigrams(), ["a b", "", "a a"])
    # 1/2 for a, 1/2 for b, 1/4 for the end; 1/2, 1/4, 1/2: six words and ends
    assert prediction.perplexity == pytest.approx(2 ** ((1 + 1 + 2 + 1 + 2 + 1) / 6))
    assert prediction.known_perplexity == prediction.perplexity
    assert (prediction.num_sentences, prediction.num_words) == (2, 4)
    assert prediction.unknown_rate == 0


def test_unknown_words_count_apart() -> None:
    prediction = predict_text(Bigrams(), ["a zz b"])
    assert prediction.num_unknown == 1
    assert prediction.unknown_rate == pytest.approx(1 / 3)
    assert prediction.perplexity == pytest.approx(2 ** ((1 + 3 + 1 + 2) / 4))
    assert prediction.known_perplexity == pytest.approx(2 ** ((1 + 1 + 2) / 3))


def test_a_text_without_words_is_told() -> None:
    with pytest.raises(InputError, match="no words"):
        predict_text(Bigrams(), ["", " "])
