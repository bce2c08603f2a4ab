"""Which word of a hypothesis stands for which word of its reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jiwer

from wav2vec2_conformer.evaluation.error_counts import ErrorCounts

Unit = Literal["word", "character"]


@dataclass(frozen=True, slots=True)
class Edit:
    """A run of equal words, or one error. In characters, the same of characters.

    Attributes:
        reference: What was said; None for an insertion.
        hypothesis: What was recognized instead; None for a deletion. Equal to `reference`
            where nothing is wrong.
    """

    reference: str | None
    hypothesis: str | None

    @property
    def is_equal(self) -> bool:
        """Whether both sides are the same."""
        return self.reference == self.hypothesis


@dataclass(frozen=True, slots=True)
class Alignment:
    """How a hypothesis differs from its reference.

    Attributes:
        counts: Numbers of errors.
        edits: From first to last; put together, they spell both texts.
    """

    counts: ErrorCounts
    edits: tuple[Edit, ...]


def align_texts(
    references: Sequence[str], hypotheses: Sequence[str], unit: Unit = "word"
) -> list[Alignment]:
    """Align hypotheses with references by the fewest errors (Levenshtein distance).

    Args:
        references: Texts with single spaces between words, none at the ends.
        hypotheses: As many.
        unit: Align words, or characters (spaces included).

    Returns:
        An alignment for each pair.
    """
    process = jiwer.process_words if unit == "word" else jiwer.process_characters
    output = process(list(references), list(hypotheses))
    joiner = " " if unit == "word" else ""
    return [
        _describe(reference, hypothesis, chunks, joiner)
        for reference, hypothesis, chunks in zip(
            output.references, output.hypotheses, output.alignments, strict=True
        )
    ]


def _describe(
    reference: list[str],
    hypothesis: list[str],
    chunks: list[jiwer.AlignmentChunk],
    joiner: str,
) -> Alignment:
    edits: list[Edit] = []
    counts = {"equal": 0, "substitute": 0, "delete": 0, "insert": 0}
    for chunk in chunks:
        said = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        recognized = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        counts[chunk.type] += max(len(said), len(recognized))
        if chunk.type == "equal":
            edits.append(Edit(joiner.join(said), joiner.join(said)))
        elif chunk.type == "substitute":
            edits.extend(Edit(r, h) for r, h in zip(said, recognized, strict=True))
        elif chunk.type == "delete":
            edits.extend(Edit(r, None) for r in said)
        else:
            edits.extend(Edit(None, h) for h in recognized)
    return Alignment(
        ErrorCounts(len(reference), counts["substitute"], counts["delete"], counts["insert"]),
        tuple(edits),
    )
