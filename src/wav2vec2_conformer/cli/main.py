"""Entry point of the command line.

torch is imported inside the commands, so that `--help` is instant.
"""

import io
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from wav2vec2_conformer.cli.align import align
from wav2vec2_conformer.cli.analyze import analyze
from wav2vec2_conformer.cli.bench import bench
from wav2vec2_conformer.cli.check_data import check_data
from wav2vec2_conformer.cli.classify import classify
from wav2vec2_conformer.cli.convert import convert
from wav2vec2_conformer.cli.demo import demo
from wav2vec2_conformer.cli.diarize import diarize
from wav2vec2_conformer.cli.embed import embed
from wav2vec2_conformer.cli.enroll import enroll
from wav2vec2_conformer.cli.evaluate import evaluate
from wav2vec2_conformer.cli.export import export
from wav2vec2_conformer.cli.finetune import finetune
from wav2vec2_conformer.cli.flag_names import with_dashes
from wav2vec2_conformer.cli.inspect import inspect
from wav2vec2_conformer.cli.layer_probe import layer_probe
from wav2vec2_conformer.cli.lm import lm
from wav2vec2_conformer.cli.pretrain import pretrain
from wav2vec2_conformer.cli.report import report
from wav2vec2_conformer.cli.serve import serve
from wav2vec2_conformer.cli.simulate import simulate
from wav2vec2_conformer.cli.stream import stream
from wav2vec2_conformer.cli.transcribe import transcribe
from wav2vec2_conformer.cli.verify import verify
from wav2vec2_conformer.errors import Wav2Vec2ConformerError

EXIT_NOTHING_DONE = 1

app = typer.Typer(
    name="wav2vec2-conformer",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": with_dashes,
    },
)
app.command("transcribe")(transcribe)
app.command("align")(align)
app.command("stream")(stream)
app.command("diarize")(diarize)
app.command("classify")(classify)
app.command("verify")(verify)
app.command("enroll")(enroll)
app.command("embed")(embed)
app.command("analyze")(analyze)
app.command("layer-probe")(layer_probe)
app.command("evaluate")(evaluate)
app.add_typer(lm, name="lm")
app.command("check-data")(check_data)
app.command("simulate")(simulate)
app.command("pretrain")(pretrain)
app.command("finetune")(finetune)
app.command("report")(report)
app.command("convert")(convert)
app.command("inspect")(inspect)
app.command("export")(export)
app.command("bench")(bench)
app.command("serve")(serve)
app.command("demo")(demo)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"wav2vec2-conformer {version('wav2vec2-conformer')}")
        raise typer.Exit


@app.callback()
def main(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Every use of the Wav2Vec2-Conformer speech model.

    Exit codes: 0 all done, 1 nothing done, 2 wrong usage, 3 some inputs failed, 130
    interrupted.
    """


def run() -> None:
    """Run the command line and exit.

    An error that the user can act on becomes one line on stderr and exit code 1. Any other
    exception is a bug and keeps its traceback.
    """
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            # Transcripts of any language, whatever the console's encoding.
            output.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app()
    except Wav2Vec2ConformerError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_NOTHING_DONE)
