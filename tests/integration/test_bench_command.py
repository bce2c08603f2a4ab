"""`wav2vec2-conformer bench` at the tiny size, in processes of its own."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from wav2vec2_conformer.cli.bench import bench


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    command = typer.Typer()
    command.command()(bench)
    return command


def test_figures_are_measured_and_written(app: typer.Typer, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    flags = ["--size", "tiny", "--only", "S1,S6,S5", "--rounds", "2", "--threads", "1"]
    done = CliRunner().invoke(app, [*flags, "-o", str(tmp_path), "--markdown", str(page)])
    assert done.exit_code == 0, done.output
    stored = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    rows = {(row["figure"], row["work"]): row for row in stored["rows"]}
    figures = [row["figure"] for row in stored["rows"]]
    assert figures == ["S1", "S1", "S5", "S5", "S6"]
    assert all(row["reason"] == "" for row in stored["rows"])
    clip = rows["S1", "2 s clip, relative"]
    assert 0.02 < clip["reached"] < 50
    assert "best token equal in 100.0% of frames" in clip["difference"]
    answers = stored["samples"]["clips, relative"]["ours"]["samples"]
    assert len(answers["2 s clip"]) == 2
    assert len(answers["4 s clip"]) == 1
    [equality] = [row for row in stored["rows"] if row["unit"] == "logits"]
    assert equality["reached"] < 1e-4
    for name in ("results.png", "page.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert done.stdout.startswith("#   work")
    assert "| S6 |" in page.read_text(encoding="utf-8")
    assert "[1/2] clips, relative: ours: 2 s clip, round 2 of 2" in done.stderr

    again = CliRunner().invoke(app, ["--results", str(tmp_path / "results.json")])
    assert again.exit_code == 0
    assert again.stdout == done.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--markdown", "nowhere/page.md"], "there is no folder nowhere"),
        (["--speech", "nowhere.jsonl"], "there is no file nowhere.jsonl"),
        (["--rounds", "0"], "--rounds"),
        (["--only", "S1,S12"], "there is no figure 'S12'"),
    ],
)
def test_wrong_flags_are_refused_before_anything_runs(
    app: typer.Typer, flags: list[str], message: str
) -> None:
    done = CliRunner().invoke(app, flags)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())
