"""`report`: prints the page it writes; a folder without a run is an error."""

import json

import pytest
import typer
from typer.testing import CliRunner

from wav2vec2_conformer.cli.report import report
from wav2vec2_conformer.errors import InputError


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(report)
    return app


def test_the_page_is_written_and_named(app, tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 5, "loss": 1.0}))
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'report.html'}\n"
    output = tmp_path / "other.html"
    result = CliRunner().invoke(app, [str(tmp_path), "-o", str(output)])
    assert result.stdout == f"{output}\n"
    assert output.read_text() == (tmp_path / "report.html").read_text()


def test_a_folder_without_a_run_is_an_error(app, tmp_path):
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert isinstance(result.exception, InputError)
