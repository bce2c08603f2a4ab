"""Whether a plot can be made, asked before the work that it shows."""

from importlib.util import find_spec
from pathlib import Path

from wav2vec2_conformer.errors import InputError, MissingExtraError

PLOT_SUFFIXES = frozenset({".pdf", ".png", ".svg"})


def check_plot(path: Path, purpose: str) -> None:
    """Check name and means of a plot.

    Args:
        path: Where it is to go.
        purpose: What to call it, as `the DET plot`.

    Raises:
        InputError: The ending names no format.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in PLOT_SUFFIXES:
        raise InputError(f"{path}: a plot's name must end in {', '.join(sorted(PLOT_SUFFIXES))}.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError(purpose, "matplotlib", "plots")
