"""How a checkpoint verifies speakers: `verification.json` in its folder."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import CheckpointError

SETTINGS_FILE = "verification.json"


@dataclass(frozen=True, slots=True)
class VerificationSettings:
    """What was found out about a checkpoint with trials.

    Attributes:
        layer: Layer whose mean is the voice; None for the checkpoint's speaker head.
        threshold: Cosine from which on two voices count as one; None when nobody measured it.
        normalized_threshold: The same for scores that were normalized with a cohort.
    """

    layer: int | None = None
    threshold: float | None = None
    normalized_threshold: float | None = None

    def write(self, folder: Path) -> None:
        """Write `verification.json` into a checkpoint's folder.

        Raises:
            OSError: When it cannot be written.
        """
        with write_whole(folder / SETTINGS_FILE) as path:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_settings(place: str | Path) -> VerificationSettings | None:
    """Read a checkpoint's settings; None when there are none.

    Args:
        place: The checkpoint's folder. For a name on the hub there are none.

    Raises:
        CheckpointError: When the file is not what `VerificationSettings.write` writes.
    """
    path = Path(place) / SETTINGS_FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        settings = VerificationSettings(**values)
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: must be a JSON object with layer, threshold and normalized_threshold: {error}"
        ) from error
    if settings.layer is not None and type(settings.layer) is not int:
        raise CheckpointError(f"{path}: layer must be a number or null, got {settings.layer!r}.")
    for key in ("threshold", "normalized_threshold"):
        value = values.get(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and math.isfinite(value)):
            raise CheckpointError(f"{path}: {key} must be a number or null, got {value!r}.")
    return settings
