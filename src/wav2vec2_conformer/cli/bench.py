"""`wav2vec2-conformer bench`: time and memory beside what else could be run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wav2vec2_conformer.cli.failed_inputs import EXIT_NOTHING_DONE
from wav2vec2_conformer.cli.interruption import EXIT_INTERRUPTED, UntilInterrupted
from wav2vec2_conformer.cli.transcript_files import make_folder
from wav2vec2_conformer.errors import InputError

if TYPE_CHECKING:
    from wav2vec2_conformer.benchmark.results import Results


def bench(
    *,
    only: Annotated[
        str | None,
        typer.Option(help="Figures, as S1,S5,peers.", show_default="all of S1 to S11, peers, gpu"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Alternations, whose median counts.")] = 3,
    size: Annotated[
        Literal["large", "base", "tiny"],
        typer.Option(help="Shape of the models; the goals are those of large."),
    ] = "large",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Of each measuring process.", show_default="one a core"),
    ] = None,
    speech: Annotated[
        Path | None,
        typer.Option(
            help="Test set (JSON Lines: audio_filepath, duration, text) for the change of the "
            "word error rate by int8."
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output-dir", help="Write results.json and results.png into this folder."
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(help="Write the results as a page, with its picture beside it."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Measure nothing: show the results.json of an earlier run."),
    ] = None,
) -> None:
    """Measure time and memory beside transformers, ONNX Runtime and others.

    Every figure is a ratio of processes that take turns on this machine. What cannot be measured
    here is said in the table. All of it at the large size takes about 20 minutes on two cores and
    12 GB of memory.
    """
    from wav2vec2_conformer.benchmark.environment import available_cores
    from wav2vec2_conformer.benchmark.results import read_results
    from wav2vec2_conformer.benchmark.suite import choose_figures, run_suite

    try:
        figures = choose_figures([name.strip() for name in only.split(",")] if only else [])
    except InputError as error:
        raise typer.BadParameter(f"--only: {error}") from error
    _check_places(speech, output_dir, markdown)
    if results is not None:
        _deliver(read_results(results), output_dir, markdown)
        return
    runs = UntilInterrupted(
        run_suite(
            size,
            figures=figures,
            rounds=rounds,
            threads=threads or available_cores(),
            speech=speech,
            on_step=lambda step: typer.echo(step, err=True),
        )
    )
    found = None
    for found in runs:
        if output_dir is not None:
            found.write(output_dir / "results.json")
    if found is not None:
        _deliver(found, output_dir, markdown)
    if runs.is_interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if found is None or all(row.reached is None for row in found.rows):
        raise typer.Exit(EXIT_NOTHING_DONE)


def _check_places(speech: Path | None, output_dir: Path | None, markdown: Path | None) -> None:
    """Refuse what cannot be read or written, before minutes of measuring."""
    from wav2vec2_conformer.benchmark.plot import check_plotting

    if speech is not None and not speech.is_file():
        raise typer.BadParameter(f"--speech: there is no file {speech}.")
    if markdown is not None and not markdown.parent.is_dir():
        raise typer.BadParameter(f"--markdown: there is no folder {markdown.parent}.")
    if output_dir is not None:
        make_folder(output_dir)
    if output_dir is not None or markdown is not None:
        check_plotting()


def _deliver(results: "Results", output_dir: Path | None, markdown: Path | None) -> None:
    """Print the table; write the plot into the folder, and the page with the plot beside it."""
    from wav2vec2_conformer.benchmark.page import write_page
    from wav2vec2_conformer.benchmark.plot import plot_results
    from wav2vec2_conformer.benchmark.table import iter_table_lines

    for line in iter_table_lines(results):
        typer.echo(line)
    if output_dir is not None:
        plot_results(results, output_dir / "results.png")
    if markdown is not None:
        picture = markdown.with_suffix(".png")
        plot_results(results, picture)
        write_page(results, markdown, picture)
