"""Where diarizations go: files of their own or standard output, and their scores."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from wav2vec2_conformer.cli.diarization_references import References, score_results
from wav2vec2_conformer.cli.diarization_report import (
    diarization_scores_as_json,
    format_diarization_scores,
)
from wav2vec2_conformer.cli.transcript_files import make_folder, write_text

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.diarization import Diarization


@dataclass(slots=True)
class DiarizationOutput:
    """Where diarizations go, and as what.

    Attributes:
        folder: Holds `<name>.rttm` of each; None for standard output.
        as_json: JSON too, or on standard output instead.
        draws: A timeline too, as `<name>.png`.
        truth: What they are compared with; standard output then has the scores alone.
    """

    folder: Path | None
    as_json: bool
    draws: bool
    truth: References | None
    _results: "dict[str, Diarization]" = field(default_factory=dict, init=False)

    def prepare(self) -> None:
        """Make the folder, and refuse what will not be possible, before the model runs.

        Raises:
            MissingExtraError: A plot needs a package that is not installed.
            typer.BadParameter: There is no folder for plots, or it cannot be made.
        """
        if self.draws:
            from wav2vec2_conformer.evaluation.timeline_plot import check_plotting

            if self.folder is None:
                raise typer.BadParameter("--plot needs a folder for its pictures: give -o DIR.")
            check_plotting()
        if self.folder is not None:
            make_folder(self.folder)

    def deliver(self, result: "Diarization", stem: str) -> None:
        """Write a result into its files, each as a whole or not at all, or print it.

        Args:
            result: What to write.
            stem: Name of the files without ending, and of the recording in RTTM.

        Raises:
            OSError: A file cannot be written.
        """
        from wav2vec2_conformer.formats.diarization_files import (
            format_diarization_json,
            format_diarization_rttm,
        )

        if self.truth is not None:
            self._results[stem] = result
        if self.folder is not None:
            write_text(self.folder / f"{stem}.rttm", format_diarization_rttm(result, stem))
            if self.as_json:
                write_text(self.folder / f"{stem}.json", format_diarization_json(result, indent=2))
            if self.draws:
                self._draw(result, stem, self.folder / f"{stem}.png")
        elif self.truth is None and self.as_json:
            typer.echo(format_diarization_json(result), nl=False)
        elif self.truth is None:
            typer.echo(format_diarization_rttm(result, stem), nl=False)

    def print_scores(self, *, collar_s: float, skips_overlap: bool) -> None:
        """Print how right the results are, where there are any and references for them."""
        if self.truth is None or not self._results:
            return
        scores = score_results(
            self.truth, self._results, collar_s=collar_s, skips_overlap=skips_overlap
        )
        if self.as_json:
            typer.echo(json.dumps(diarization_scores_as_json(scores), ensure_ascii=False))
        else:
            typer.echo(format_diarization_scores(scores), nl=False)

    def _draw(self, result: "Diarization", stem: str, path: Path) -> None:
        from wav2vec2_conformer.data.rttm import as_column
        from wav2vec2_conformer.data.whole_file import write_whole
        from wav2vec2_conformer.evaluation.timeline_plot import plot_timeline

        name = as_column(stem)
        picture = plot_timeline(
            result.turns,
            result.duration_s,
            references=None if self.truth is None else self.truth.turns.get(name, ()),
            parts=() if self.truth is None else self.truth.parts.get(name, ()),
            title=result.source,
        )
        with write_whole(path) as temporary:
            temporary.write_bytes(picture)
