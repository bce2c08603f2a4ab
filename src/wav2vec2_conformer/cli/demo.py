"""`wav2vec2-conformer demo`: the web page with the bundled model."""

import webbrowser
from typing import Annotated

import typer
from typer import Option

from wav2vec2_conformer.cli.model_flags import Device, ModelName
from wav2vec2_conformer.cli.serve import read_settings, run_logged


def demo(
    *,
    model: ModelName = None,
    device: Device = "auto",
    port: Annotated[int, Option(min=0, max=65_535, help="Port; 0 takes a free one.")] = 0,
    browser: Annotated[
        bool, Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Open a web page that transcribes files and the microphone.

    Everything stays on this machine. Ctrl-C ends it.
    """
    settings = read_settings(
        {
            "models": (model,) if model else None,
            "device": device,
            "port": port,
            "log_level": "warning",
        }
    )

    def show(address: str) -> None:
        typer.echo(address)
        if browser:
            webbrowser.open(address)

    run_logged(settings, show)
