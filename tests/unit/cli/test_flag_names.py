"""Flags with underscores."""

from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from wav2vec2_conformer.cli.flag_names import with_dashes

app = typer.Typer(context_settings={"token_normalize_func": with_dashes})


@app.callback()
def main() -> None:
    """Make the command below a subcommand."""


@app.command("check-data")
def check_data(
    value: str,
    *,
    output_dir: Annotated[str, typer.Option("-o", "--output-dir")] = "",
    kind: Literal["two-words", "one"] = "one",
) -> None:
    typer.echo(f"{value} {output_dir} {kind}")


@pytest.mark.parametrize(
    "flags",
    [
        ["--output-dir", "a_b"],
        ["--output_dir", "a_b"],
        ["--output_dir=a_b"],
        ["-o", "a_b"],
    ],
)
def test_both_spellings_of_a_flag_work_and_its_value_stays(flags: list[str]) -> None:
    done = CliRunner().invoke(app, ["check-data", "x_y", *flags])
    assert (done.exit_code, done.output) == (0, "x_y a_b one\n")


def test_a_choice_and_a_command_may_have_underscores_too() -> None:
    done = CliRunner().invoke(app, ["check_data", "x", "--kind", "two_words"])
    assert (done.exit_code, done.output) == (0, "x  two-words\n")
