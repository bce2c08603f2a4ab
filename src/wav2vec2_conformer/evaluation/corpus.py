"""Score a whole test set: rates, intervals, slices and every utterance's errors."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.bootstrap import (
    Interval,
    Resampled,
    bootstrap_rate,
    choose_resampled,
    sum_by_unit,
)
from wav2vec2_conformer.evaluation.error_counts import ErrorCounts, sum_counts
from wav2vec2_conformer.evaluation.slices import Slice, slice_by_duration, slice_by_label
from wav2vec2_conformer.evaluation.word_alignment import Edit, Unit, align_texts
from wav2vec2_conformer.evaluation.word_error import check_pairs
from wav2vec2_conformer.text.normalizers import build_normalizer, normalize_spaces
from wav2vec2_conformer.text.scripts import is_mostly_unspaced


@dataclass(frozen=True, slots=True)
class UtteranceErrors:
    """An utterance, what was recognized, and how they differ.

    Attributes:
        name: Its name, such as the path of its audio.
        reference: What was said, as given.
        hypothesis: What was recognized, as given.
        words: Errors in words of the normalized texts.
        characters: Errors in characters of the normalized texts.
        edits: The normalized texts aligned, in the unit of the evaluation.
        speaker: Who speaks, None where not known.
        duration_s: Seconds of audio, None where not known.
        labels: Other properties.
    """

    name: str
    reference: str
    hypothesis: str
    words: ErrorCounts
    characters: ErrorCounts
    edits: tuple[Edit, ...]
    speaker: str | None
    duration_s: float | None
    labels: Mapping[str, str | None]

    def counts(self, unit: Unit) -> ErrorCounts:
        """Return the errors in a unit."""
        return self.words if unit == "word" else self.characters


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of a test set.

    Attributes:
        normalizer: Name of what both sides were normalized with.
        unit: In what the main rate, the slices and the edits count.
        words: Errors in words of all utterances.
        characters: Errors in characters, spaces included.
        wer_interval: 95 % confidence interval of the word error rate; None for one utterance.
        cer_interval: Of the character error rate.
        resampled: What the intervals drew: utterances, or speakers.
        num_resampled: How many of these there are.
        utterances: In the order they were given.
        slices: Parts of the test set under the property that parts it: `speaker`, `duration`,
            and the labels that were given. In the main unit.
    """

    normalizer: str
    unit: Unit
    words: ErrorCounts
    characters: ErrorCounts
    wer_interval: Interval | None
    cer_interval: Interval | None
    resampled: Resampled
    num_resampled: int
    utterances: tuple[UtteranceErrors, ...]
    slices: Mapping[str, tuple[Slice, ...]]

    @property
    def wer(self) -> float:
        """Word error rate of the corpus: all errors per all reference words."""
        return self.words.rate

    @property
    def cer(self) -> float:
        """Character error rate of the corpus."""
        return self.characters.rate

    def worst(self, num_utterances: int) -> list[UtteranceErrors]:
        """Return the utterances with most errors, and of these first the highest rates.

        Args:
            num_utterances: At most so many; those without an error are left out.
        """
        wrong = [u for u in self.utterances if u.counts(self.unit).num_errors]
        wrong.sort(key=lambda u: (u.counts(self.unit).num_errors, u.counts(self.unit).rate))
        return wrong[::-1][:num_utterances]


def evaluate_texts(
    references: Sequence[str],
    hypotheses: Sequence[str],
    *,
    normalizer: str | Callable[[str], str] = "unicode",
    vocabulary: Collection[str] | None = None,
    unit: Literal["auto", "word", "character"] = "auto",
    groups: Sequence[str | None] | None = None,
    durations_s: Sequence[float] | None = None,
    labels: Mapping[str, Sequence[str | None]] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score hypotheses against references.

    Empty texts count as in jiwer: an empty hypothesis is all deletions, the words for an empty
    reference are insertions.

    Args:
        references: What was said.
        hypotheses: What was recognized, in the same order.
        normalizer: What makes both sides comparable: a name (`text.normalizers`: none,
            librispeech, whisper-english, unicode, arabic, vocabulary), or a function of a text.
        vocabulary: The tokens for the normalizer `vocabulary`.
        unit: What the main rate counts. `auto` counts characters where most letters of the
            references are of a script without spaces, words otherwise.
        groups: Speaker of each utterance. Intervals are over speakers where all are known and
            at least ten, over utterances otherwise.
        durations_s: Seconds of each utterance.
        labels: More properties to slice by, and their value for each utterance.
        names: Name of each utterance; its number from 1 by default.
        seed: Of the bootstrap.

    Returns:
        Rates of the corpus (not means over utterances), intervals, slices and alignments.

    Raises:
        InputError: Numbers of texts and properties differ, there are none, or there is no
            such normalizer.
        MissingExtraError: The normalizer needs a package that is not installed.
    """
    check_pairs(references, hypotheses)
    columns: dict[str, Sequence[object] | None] = {
        "groups": groups,
        "durations_s": durations_s,
        "names": names,
        **{f"labels[{key!r}]": values for key, values in (labels or {}).items()},
    }
    for argument, values in columns.items():
        if values is not None and len(values) != len(references):
            raise InputError(
                f"{argument} must have a value for each utterance: got {len(values)} values "
                f"but {len(references)} references"
            )
    if isinstance(normalizer, str):
        normalize = build_normalizer(normalizer, vocabulary)
        normalizer_name = normalizer
    else:
        normalize = normalizer
        normalizer_name = getattr(normalizer, "__name__", type(normalizer).__name__)
    said = [normalize_spaces(normalize(text)) for text in references]
    recognized = [normalize_spaces(normalize(text)) for text in hypotheses]
    if unit == "auto":
        chosen: Unit = "character" if is_mostly_unspaced(said) else "word"
    else:
        chosen = unit
    by_word = align_texts(said, recognized, "word")
    by_character = align_texts(said, recognized, "character")
    main = by_word if chosen == "word" else by_character

    utterances = tuple(
        UtteranceErrors(
            name=names[i] if names else str(i + 1),
            reference=references[i],
            hypothesis=hypotheses[i],
            words=by_word[i].counts,
            characters=by_character[i].counts,
            edits=main[i].edits,
            speaker=groups[i] if groups else None,
            duration_s=durations_s[i] if durations_s else None,
            labels={key: values[i] for key, values in (labels or {}).items()},
        )
        for i in range(len(references))
    )
    word_counts = [alignment.counts for alignment in by_word]
    character_counts = [alignment.counts for alignment in by_character]
    word_units = sum_by_unit(_errors_and_lengths(word_counts), groups)
    return Evaluation(
        normalizer=normalizer_name,
        unit=chosen,
        words=sum_counts(word_counts),
        characters=sum_counts(character_counts),
        wer_interval=bootstrap_rate(word_units, seed=seed),
        cer_interval=bootstrap_rate(
            sum_by_unit(_errors_and_lengths(character_counts), groups), seed=seed
        ),
        resampled=choose_resampled(groups),
        num_resampled=len(word_units),
        utterances=utterances,
        slices=_slice(utterances, chosen, seed),
    )


def _errors_and_lengths(
    counts: Sequence[ErrorCounts],
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    return np.array([(c.num_errors, c.num_reference) for c in counts], dtype=np.int64)


def _slice(
    utterances: Sequence[UtteranceErrors], unit: Unit, seed: int
) -> dict[str, tuple[Slice, ...]]:
    """Slice by every property that is known."""
    counts = [u.counts(unit) for u in utterances]
    durations_s = [u.duration_s for u in utterances]
    slices: dict[str, tuple[Slice, ...]] = {}
    known_s = [duration_s for duration_s in durations_s if duration_s is not None]
    if len(known_s) == len(utterances):
        slices["duration"] = slice_by_duration(counts, known_s, seed=seed)
    columns = {"speaker": [u.speaker for u in utterances]}
    for key in utterances[0].labels:
        columns[key] = [u.labels[key] for u in utterances]
    for key, labels in columns.items():
        if any(label is not None for label in labels):
            slices[key] = slice_by_label(labels, counts, durations_s, seed=seed)
    return slices
