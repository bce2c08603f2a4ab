"""`wav2vec2-conformer report`: a training run as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run_dir: Annotated[
        Path, typer.Argument(help="Folder of a run: the --output-dir of finetune or pretrain.")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file. [default: report.html in the folder]"),
    ] = None,
) -> None:
    """Write curves, scores, examples, settings and health of a training run as HTML.

    Works while a run goes on, and on one that was killed. Prints the file.
    """
    from wav2vec2_conformer.training.report.training_report import write_training_report

    typer.echo(write_training_report(run_dir, output))
