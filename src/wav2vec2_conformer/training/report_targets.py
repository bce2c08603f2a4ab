"""Where metrics of a run can go: what `report_to` may be, and which package each needs."""

import importlib.util
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from wav2vec2_conformer.errors import InputError, MissingExtraError

# Name in `TrainingArguments.report_to`: package, and the extra that brings it.
REPORT_TARGETS: Final[Mapping[str, tuple[str, str]]] = {
    "tensorboard": ("tensorboard", "train"),
    "wandb": ("wandb", "wandb"),
    "trackio": ("trackio", "trackio"),
    "mlflow": ("mlflow", "mlflow"),
}


def check_report_target(report_to: str) -> None:
    """Check, before hours of training, that metrics can go where they should.

    Args:
        report_to: A name of `REPORT_TARGETS`, or "none". Several are separated by commas.

    Raises:
        InputError: A name is unknown.
        MissingExtraError: The package that it needs is not installed.
    """
    for name in split_report_targets(report_to):
        if name not in REPORT_TARGETS:
            close = get_close_matches(name, [*REPORT_TARGETS, "none"], n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            raise InputError(
                f"report_to must be none or of {', '.join(REPORT_TARGETS)}, got {name!r}.{meant}"
            )
        package, extra = REPORT_TARGETS[name]
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"report_to={name!r}", package, extra)


def split_report_targets(report_to: str) -> list[str]:
    """Return the names in "tensorboard,wandb" as a list, empty for "none".

    `TrainingArguments` takes such a list.
    """
    names = [name.strip() for name in report_to.split(",")]
    return [name for name in names if name and name != "none"]
