"""What the results of `diarize` are compared with: RTTM and UEM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
    from wav2vec2_conformer.data.uem import Part
    from wav2vec2_conformer.evaluation.diarization import DiarizationScores
    from wav2vec2_conformer.inference.diarization import Diarization


@dataclass(frozen=True, slots=True)
class References:
    """True turns, and what is scored, by name of the recording."""

    turns: "Mapping[str, tuple[SpeakerTurn, ...]]"
    parts: "Mapping[str, tuple[Part, ...]]"


def read_references(rttm: Path, uem: Path | None, stems: Sequence[str]) -> References:
    """Read what the inputs are compared with, before the model runs.

    A recording in which nobody speaks has no line of RTTM: the UEM names it.

    Args:
        rttm: True turns.
        uem: Scored parts; None for whole recordings.
        stems: Names of the inputs.

    Raises:
        ManifestError: A file cannot be used.
        typer.BadParameter: An input has no references.
    """
    from wav2vec2_conformer.data.rttm import as_column, read_rttm
    from wav2vec2_conformer.data.uem import read_uem

    turns = read_rttm(rttm)
    parts = {} if uem is None else read_uem(uem)
    names = [as_column(stem) for stem in stems]
    known = parts.keys() if uem is not None else turns.keys()
    missing = [name for name in names if name not in known]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")  # noqa: PLR2004
        raise typer.BadParameter(
            f"{uem or rttm} says nothing of {len(missing)} of {len(names)} inputs: {shown}. The "
            "second column of RTTM and the first of UEM is the name of a file without its ending."
        )
    left_out = [name for name in turns if name not in names]
    if left_out:
        typer.echo(
            f"note: {len(left_out)} recordings of {rttm} are not among the inputs and not scored.",
            err=True,
        )
    return References(turns, parts)


def score_results(
    references: References,
    results: "Mapping[str, Diarization]",
    *,
    collar_s: float,
    skips_overlap: bool,
) -> "DiarizationScores":
    """Score results by their inputs' names."""
    from wav2vec2_conformer.data.rttm import as_column
    from wav2vec2_conformer.evaluation.diarization import score_diarization

    found = {as_column(stem): result for stem, result in results.items()}
    return score_diarization(
        {name: references.turns.get(name, ()) for name in found},
        {name: result.turns for name, result in found.items()},
        {
            name: references.parts.get(name, ((0.0, result.duration_s),))
            for name, result in found.items()
        },
        collar_s=collar_s,
        skips_overlap=skips_overlap,
    )
