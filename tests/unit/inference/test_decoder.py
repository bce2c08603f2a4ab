"""Log-probabilities to words: what both decoders share."""

from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.decoder import CtcDecoder, Decoded, DecodingOptions

TOKENS = ["<pad>", "<s>", "|", "H", "I", "Y", "O", None]
HI_YO = [0, 3, 3, 0, 4, 2, 0, 1, 5, 6, 0, 0]
SEARCHES = [{}, {"beam_width": 20}]


class AnyWord:
    """Knows one word."""

    order = 1

    def __init__(self, word: str) -> None:
        self.word = word

    def start(self) -> None:
        return None

    def score(self, state: None, word: str) -> tuple[float, None]:
        return (-0.1 if word == self.word else -5.0), state

    def score_end(self, state: None) -> float:
        del state
        return 0.0

    def __contains__(self, word: str) -> bool:
        return word == self.word

    def has_prefix(self, prefix: str) -> bool:
        return self.word.startswith(prefix)


def decoder(*, lowers_case: bool = False, **options: Any) -> CtcDecoder:
    return CtcDecoder(
        TOKENS,
        blank_id=0,
        special_ids={0, 1},
        lowers_case=lowers_case,
        frame_s=0.02,
        options=DecodingOptions(**options),
    )


def peaks(path: list[int], height: float = 8.0) -> np.ndarray:
    logits = height * np.eye(len(TOKENS), dtype=np.float32)[path]
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def decode(subject: CtcDecoder, log_probs: np.ndarray, duration_s: float = 10.0) -> Decoded:
    session = subject.start()
    session.feed(log_probs)
    return session.finish(duration_s)


@pytest.mark.parametrize("options", SEARCHES)
def test_words_have_times_characters_and_confidence(options: dict[str, Any]) -> None:
    decoded = decode(decoder(**options), peaks(HI_YO))
    assert decoded.text == "HI YO"
    hi, yo = decoded.words
    assert (hi.start_s, hi.end_s, yo.start_s, yo.end_s) == (0.02, 0.1, 0.16, 0.2)
    assert [(c.text, c.start_s, c.end_s) for c in hi.characters] == [
        ("H", 0.02, 0.06),
        ("I", 0.08, 0.1),
    ]
    assert 0.9 < hi.confidence <= 1.0
    assert decoded.confidence == pytest.approx((hi.confidence + yo.confidence) / 2)
    assert [segment.text for segment in decoded.segments] == ["HI YO"]
    assert decoded.alternatives == ()


@pytest.mark.parametrize("options", SEARCHES)
@pytest.mark.parametrize("size", [1, 3, 5])
def test_blocks_do_not_change_the_result(options: dict[str, Any], size: int) -> None:
    log_probs = peaks(HI_YO * 4, height=2.0)
    subject = decoder(**options)
    session = subject.start()
    for first in range(0, len(log_probs), size):
        session.feed(log_probs[first : first + size])
        session.finish(1.0)
    assert session.finish(10.0) == decode(subject, log_probs)


@pytest.mark.parametrize("options", SEARCHES)
def test_special_tokens_and_case_follow_the_tokenizer(options: dict[str, Any]) -> None:
    subject = decoder(lowers_case=True, **options)
    assert decode(subject, peaks([3, 1, 3, 7, 4])).text == "hhi"


@pytest.mark.parametrize("options", SEARCHES)
def test_times_end_with_the_audio(options: dict[str, Any]) -> None:
    (word,) = decode(decoder(**options), peaks([3, 3, 3]), duration_s=0.05).words
    assert word.end_s == word.characters[-1].end_s == 0.05


@pytest.mark.parametrize("options", SEARCHES)
def test_nothing_said(options: dict[str, Any]) -> None:
    for log_probs in (peaks([0, 0, 2, 0]), peaks([0])[:0]):
        decoded = decode(decoder(**options), log_probs)
        assert (decoded.text, decoded.words, decoded.segments) == ("", (), ())
        assert decoded.confidence == 1.0


def test_alternatives_are_distinct_and_the_first_is_the_transcript() -> None:
    decoded = decode(decoder(num_best=4), peaks(HI_YO, height=3.0))
    assert len({each.text for each in decoded.alternatives}) == 4
    first, *others = decoded.alternatives
    assert (first.text, first.words) == (decoded.text, decoded.words)
    assert all(each.score <= first.score for each in others)


def test_a_search_is_made_where_one_is_needed() -> None:
    assert DecodingOptions().search_width is None
    assert DecodingOptions(beam_width=7, num_best=2).search_width == 7
    needing = ({"num_best": 2}, {"hot_words": ["HI"]}, {"language_model": AnyWord("HI")})
    for options in needing:
        assert DecodingOptions(**options).search_width == 100


@pytest.mark.parametrize(
    "options",
    [
        {"hot_words": ["yo"]},
        {"hot_words": {"Yo": 10.0}},
        {"language_model": AnyWord("YO"), "alpha": 1.0},
    ],
)
def test_words_that_are_favoured_are_heard(options: dict[str, Any]) -> None:
    log_probs = peaks([5, 0, 6])
    log_probs[2, [3, 6]] = np.log([0.59, 0.4])  # H a little before O
    assert decode(decoder(), log_probs).text == "YH"
    assert decode(decoder(**options), log_probs).text == "YO"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_best": 0}, "num_best"),
        ({"beam_width": 0}, "beam_width"),
        ({"segment_pause_s": 0.0}, "pause_s"),
        ({"hot_words": "HI"}, "list"),
        ({"hot_words": ["HI", "HEY2"]}, "'HEY2' .* no 2 E"),
        ({"hot_words": ["  "]}, "characters"),
        ({"language_model": AnyWord("hi")}, "same script"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        decoder(**options)


@pytest.mark.parametrize("options", SEARCHES)
def test_log_probs_without_value_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="NaN"):
        decoder(**options).start().feed(np.full((2, 8), np.nan, dtype=np.float32))
