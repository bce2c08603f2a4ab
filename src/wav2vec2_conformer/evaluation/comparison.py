"""Two systems on the same test set: which is better, and whether chance explains it."""

from dataclasses import dataclass

import numpy as np

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.bootstrap import (
    Interval,
    Resampled,
    draw_sums,
    percentile_interval,
    sum_by_unit,
)
from wav2vec2_conformer.evaluation.corpus import Evaluation
from wav2vec2_conformer.evaluation.significance import SIGNIFICANT_P, paired_p_value
from wav2vec2_conformer.evaluation.word_alignment import Unit


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the second system does better or worse than the first.

    Attributes:
        unit: In what errors are counted.
        difference: Error rate of the second minus that of the first: negative is better.
        relative_difference: The same as a part of the first rate; None where that is 0.
        interval: 95 % confidence interval of the difference (paired bootstrap); None for one
            utterance.
        p_value: Of the hypothesis that both are equally good (`significance`).
        resampled: What test and interval drew: utterances, or speakers.
        num_resampled: How many of these there are.
        num_better: Utterances where the second makes fewer errors.
        num_worse: Utterances where it makes more.
        num_equal: Utterances with as many errors.
    """

    unit: Unit
    difference: float
    relative_difference: float | None
    interval: Interval | None
    p_value: float
    resampled: Resampled
    num_resampled: int
    num_better: int
    num_worse: int
    num_equal: int

    @property
    def is_significant(self) -> bool:
        """Whether the p-value is below 0.05."""
        return self.p_value < SIGNIFICANT_P


def compare(first: Evaluation, second: Evaluation, *, seed: int = 0) -> Comparison:
    """Compare two evaluations of the same utterances.

    Args:
        first: What is compared with.
        second: What is compared.
        seed: Of the bootstrap and the test.

    Raises:
        InputError: They are not of the same utterances, normalized in the same way.
    """
    _check_same(first, second)
    unit = first.unit
    before = [u.counts(unit) for u in first.utterances]
    after = [u.counts(unit) for u in second.utterances]
    columns = np.array(
        [(b.num_errors, a.num_errors, b.num_reference) for b, a in zip(before, after, strict=True)],
        dtype=np.int64,
    )
    units = sum_by_unit(columns, [u.speaker for u in first.utterances])
    interval = None
    if len(units) > 1:
        sums = draw_sums(units, seed=seed)
        interval = percentile_interval((sums[:, 1] - sums[:, 0]) / np.maximum(sums[:, 2], 1))
    changes = columns[:, 1] - columns[:, 0]
    first_rate, second_rate = (first.wer, second.wer) if unit == "word" else (first.cer, second.cer)
    difference = second_rate - first_rate
    return Comparison(
        unit=unit,
        difference=difference,
        relative_difference=difference / first_rate if first_rate else None,
        interval=interval,
        p_value=paired_p_value(units[:, 1] - units[:, 0], seed=seed),
        resampled=first.resampled,
        num_resampled=len(units),
        num_better=int((changes < 0).sum()),
        num_worse=int((changes > 0).sum()),
        num_equal=int((changes == 0).sum()),
    )


def explain(comparison: Comparison, first_name: str, second_name: str) -> str:
    """Return what a comparison means, in words."""
    rate = "WER" if comparison.unit == "word" else "CER"
    if comparison.difference == 0:
        return f"{first_name} and {second_name} have the same {rate}."
    chance = (
        f"if both were equally good, a difference at least this large would come up "
        f"in {_percent(comparison.p_value)} of such test sets (p = {comparison.p_value:.4f})."
    )
    if not comparison.is_significant:
        return f"No difference in {rate} is shown: {chance}"
    better = second_name if comparison.difference < 0 else first_name
    return f"{better} has the lower {rate}: {chance}"


def _percent(part: float) -> str:
    return f"{part:.2%}" if part < SIGNIFICANT_P else f"{part:.0%}"


def _check_same(first: Evaluation, second: Evaluation) -> None:
    ours, theirs = (
        [(u.name, u.reference, u.words.num_reference) for u in evaluation.utterances]
        for evaluation in (first, second)
    )
    if ours != theirs:
        raise InputError(
            "only evaluations of the same utterances in the same order can be compared, but "
            f"names or references differ ({len(ours)} and {len(theirs)} utterances)"
        )
    for what in ("normalizer", "unit"):
        if getattr(first, what) != getattr(second, what):
            raise InputError(
                f"only evaluations with the same {what} can be compared, got "
                f"{getattr(first, what)} and {getattr(second, what)}"
            )
