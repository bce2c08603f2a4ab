"""A dataclass of settings becomes flags; what was not given is left to the recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from wav2vec2_conformer.cli.settings_flags import given_flags, with_settings
from wav2vec2_conformer.training.run_settings import DATA, RUN, setting


@dataclass(frozen=True, kw_only=True)
class Kitchen:
    pans: tuple[Path, ...] = setting((), RUN, "Pans.")
    oven: Literal["gas", "wood"] = setting("gas", DATA, "What burns.")
    is_open: bool = setting(False, DATA, "Open the door.")
    minutes: float | None = setting(None, DATA, "How long.", "-t", "--minutes")
    span_cm: tuple[float, float] = setting((1.0, 2.0), RUN, "Range of sizes.")
    spices: Mapping[str, Any] = setting({}, RUN, "Not a flag.")


@pytest.fixture
def cook():
    """Return a function that runs a command with these settings and returns its result."""
    got = []
    app = typer.Typer()

    @app.command()
    @with_settings(Kitchen)
    def command(*, dish: str = "soup", **flags: Any) -> None:
        got.append((dish, given_flags(flags)))

    def run(*arguments):
        result = CliRunner().invoke(app, arguments)
        return result, got[-1] if got else None

    return run


def test_flags_that_are_not_given_are_left_out(cook):
    assert cook()[1] == ("soup", {})


def test_flags_have_the_types_of_their_fields(cook):
    arguments = ["--oven", "wood", "--is-open", "-t", "3", "--pans", "a", "--pans", "b"]
    _, (dish, given) = cook("--dish", "stew", *arguments, "--span-cm", "3", "4")
    assert dish == "stew"
    assert given == {
        "oven": "wood",
        "is_open": True,
        "minutes": 3.0,
        "pans": [Path("a"), Path("b")],
        "span_cm": (3.0, 4.0),
    }
    assert cook("--no-is-open")[1][1] == {"is_open": False}


def test_a_value_that_is_not_allowed_is_a_usage_error(cook):
    result, _ = cook("--oven", "nuclear")
    assert result.exit_code == 2


def test_help_has_meaning_default_and_headings(cook, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    text, _ = cook("--help")
    for part in ("What burns. (default gas)", "(default 1, 2)"):
        assert part in text.output
    assert text.output.index(f"─ {DATA} ─") < text.output.index(f"─ {RUN} ─")
    assert "Not a flag" not in text.output
