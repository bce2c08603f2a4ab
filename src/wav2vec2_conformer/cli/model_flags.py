"""Flags of the commands that run a model over audio: which model, on what, how much at once."""

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer
from typer import Argument, Option

AudioFiles = Annotated[
    list[str] | None,
    Argument(help="Audio files, folders of audio files, or - for standard input."),
]
ModelName = Annotated[
    str | None,
    Option(
        "-m",
        "--model",
        help="Checkpoint folder or hub name.",
        show_default="bundled English model",
    ),
]
AnyModelName = Annotated[
    str | None,
    Option(
        "-m",
        "--model",
        help="Checkpoint folder or hub name, of any task.",
        show_default="bundled English model",
    ),
]
SpeakerModelName = Annotated[
    str | None,
    Option(
        "-m",
        "--model",
        help="Checkpoint folder or hub name, of any task.",
        show_default="bundled speaker head",
    ),
]
Device = Annotated[str, Option(help="auto, cpu, cuda, cuda:1, ...")]
ComputeTypeName = Literal["auto", "float32", "bfloat16", "float16", "int8"]


def show_choice(compute_type: str | None) -> str | None:
    """Let `auto` tell on stderr what it chooses; once, however many models a command loads."""
    if compute_type == "auto":
        logger = logging.getLogger("wav2vec2_conformer.inference.compute_type")
        logger.setLevel(logging.INFO)
        logger.handlers[:] = [_Once(sys.stderr)]
        logger.propagate = False  # handlers of the whole package would write it once more
    return compute_type


class _Once(logging.StreamHandler[TextIO]):
    """Writes no message twice."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._written: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless one that says the same was written."""
        message = record.getMessage()
        if message not in self._written:
            self._written.add(message)
            super().emit(record)


ComputeType = Annotated[
    ComputeTypeName,
    Option(
        help="What the model calculates in; auto is what is fastest here, int8 is for CPUs.",
        callback=show_choice,
    ),
]
RuntimeName = Annotated[
    Literal["auto", "torch", "onnx", "openvino"],
    Option(
        help="What runs the model; auto is torch, and for exported folders what their report says "
        "is fastest."
    ),
]
CudaGraphs = Annotated[
    bool,
    Option(
        "--cuda-graphs",
        help="Replay the model's passes as CUDA graphs, for less time between kernels; on GPUs.",
    ),
]
BatchSeconds = Annotated[float, Option(min=1.0, help="Seconds of audio in the model at once.")]
# Windows whose frames are joined; those of `classify` do not overlap.
WindowSeconds = Annotated[
    float, Option(help="Longer audio runs in overlapping windows of this length.")
]
ContextSeconds = Annotated[
    float, Option(help="Part of a window on each side that is context only.")
]
Quiet = Annotated[bool, Option("--quiet", "-q", help="No progress bar.")]
Failures = Annotated[
    Path | None,
    Option(
        help="Write a line of JSON for each input that failed into this file.",
        rich_help_panel="Output",
    ),
]


def check_failures_path(path: Path | None) -> None:
    """Refuse a file of `--failures` that cannot be made, before the model runs.

    Raises:
        typer.BadParameter: When its folder is not there.
    """
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"--failures: there is no folder {path.parent}.")


def silence_loading() -> None:
    """Keep transformers' messages and bars about what it loads off the terminal."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
