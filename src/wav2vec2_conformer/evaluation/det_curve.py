"""The trade between misses and false alarms as a plot (detection error trade-off).

Both axes are stretched by the normal distribution, so that normally distributed scores make a
straight line. Paper: Martin et al. 1997, "The DET curve in assessment of detection task
performance", https://www.isca-archive.org/eurospeech_1997/martin97b_eurospeech.html.
"""

from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.evaluation.verification import ErrorCurve, VerificationErrors

PLOT_SUFFIXES = frozenset({".pdf", ".png", ".svg"})
_TICKS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
_LOWEST, _HIGHEST = 0.001, 0.95


def check_plot(path: Path) -> None:
    """Check that a plot can be made, before the work that it shows.

    Args:
        path: Where it is to go.

    Raises:
        InputError: The ending names no format.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in PLOT_SUFFIXES:
        raise InputError(f"{path}: a plot's name must end in {', '.join(sorted(PLOT_SUFFIXES))}.")
    try:
        import matplotlib.figure  # noqa: F401, PLC0415 - of an extra
    except ImportError as error:
        raise MissingExtraError("the DET plot", "matplotlib", "plots") from error


def plot_det(curve: ErrorCurve, errors: VerificationErrors, path: Path) -> None:
    """Draw misses over false alarms, with the equal error rate and the threshold's point.

    Args:
        curve: Error rates at every threshold.
        errors: Of the same trials.
        path: Where to; its ending names the format (png, svg, pdf).

    Raises:
        InputError: As `check_plot`.
        MissingExtraError: As `check_plot`.
        OSError: The file cannot be written.
    """
    check_plot(path)
    from matplotlib.figure import Figure  # noqa: PLC0415 - of an extra

    figure = Figure(figsize=(5.5, 5.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(_stretch(curve.false_alarm_rates), _stretch(curve.miss_rates))
    ends = _stretch(np.array([_LOWEST, _HIGHEST]))
    axes.plot(ends, ends, color="0.7", linewidth=1, linestyle=":")
    [eer] = _stretch(np.array([errors.eer]))
    axes.plot(eer, eer, "o", label=f"equal error rate {errors.eer:.2%}")
    axes.plot(
        _stretch(np.array([errors.false_alarm_rate])),
        _stretch(np.array([errors.miss_rate])),
        "s",
        label=f"threshold {errors.threshold:.4g}",
    )
    labels = [f"{100 * rate:g}" for rate in _TICKS]
    ticks = _stretch(np.array(_TICKS))
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel("false alarms, % of pairs of two speakers")
    axes.set_ylabel("misses, % of pairs of one speaker")
    axes.set_title(f"{errors.num_targets} pairs of one speaker, {errors.num_nontargets} of two")
    axes.grid(visible=True, color="0.9")
    axes.legend()
    with write_whole(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _stretch(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard normal deviates; rates off the plot are drawn at its edge."""
    deviate = NormalDist().inv_cdf
    return np.array([deviate(rate) for rate in np.clip(rates, _LOWEST, _HIGHEST)])
