"""The findings of a whole data set, and their report."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wav2vec2_conformer.data.check_report import build_report
from wav2vec2_conformer.data.checks import (
    Finding,
    Limits,
    find_duplicates,
    find_in_clip,
    find_in_text,
    find_overlap,
    group_findings,
)
from wav2vec2_conformer.data.clip_check import ClipCheck
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.text.characters import LetterCase, count_characters


@dataclass(frozen=True)
class Inspection:
    """What data sets are compared with.

    Attributes:
        vocabulary: Tokens and ids of a model; None for the characters of the texts themselves.
        count_frames: Frames of the encoder for a number of samples at 16 kHz.
        letter_case: Letters that a vocabulary of the texts would have.
        limits: Where a property of a clip becomes a finding.
    """

    vocabulary: Mapping[str, int] | None
    count_frames: Callable[[int], int]
    letter_case: LetterCase = "lower"
    limits: Limits = field(default_factory=Limits)

    def find(
        self,
        utterances: Sequence[Utterance],
        checks: Sequence[ClipCheck],
        valid_utterances: Sequence[Utterance] = (),
        valid_checks: Sequence[ClipCheck] = (),
    ) -> dict[int, list[Finding]]:
        """Return the findings by position, for the utterances that have any.

        A data set in which no utterance has a text is not checked for texts: it is meant for
        classification or pre-training.

        Args:
            utterances: What is checked.
            checks: Of each, from `iter_checks`.
            valid_utterances: What they must not overlap with.
            valid_checks: Of each of these.
        """
        pairs: list[tuple[int, Finding]] = []
        has_texts = any(utterance.text.strip() for utterance in utterances)
        vocabulary = self.vocabulary or dict.fromkeys(
            count_characters((u.text for u in utterances), letter_case=self.letter_case), 0
        )
        for position, (utterance, check) in enumerate(zip(utterances, checks, strict=True)):
            found = list(find_in_clip(utterance, check, self.limits))
            if has_texts and check.problem is None:
                found += find_in_text(
                    utterance.text, check.duration_s, vocabulary, self.count_frames
                )
            pairs += [(position, finding) for finding in found]
        pairs += find_duplicates(utterances, checks)
        pairs += find_overlap(utterances, checks, valid_utterances, valid_checks)
        return group_findings(pairs)

    def build_report(
        self,
        utterances: Sequence[Utterance],
        checks: Sequence[ClipCheck],
        findings: Mapping[int, Sequence[Finding]],
        dropped_kinds: Collection[str],
    ) -> dict[str, Any]:
        """Return the report of findings, as `check_report.build_report` describes it."""
        letter_case = self.letter_case
        if self.vocabulary is not None:
            letters = [token for token in self.vocabulary if len(token) == 1]
            has_upper = any(letter.isupper() for letter in letters)
            has_lower = any(letter.islower() for letter in letters)
            letter_case = "keep" if has_upper == has_lower else "upper" if has_upper else "lower"
        return build_report(
            utterances,
            checks,
            findings,
            dropped_kinds=dropped_kinds,
            characters=count_characters((u.text for u in utterances), letter_case=letter_case),
            vocabulary=self.vocabulary,
        )
