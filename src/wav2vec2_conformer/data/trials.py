"""Lists of trials for speaker verification, in the format of VoxCeleb.

A line is `1 first.wav second.wav` for two clips of one speaker and `0 first.wav second.wav` for
clips of two. Source: https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html (veri_test2.txt).
"""

from dataclasses import dataclass
from pathlib import Path

from wav2vec2_conformer.data.manifest import read_text
from wav2vec2_conformer.errors import ManifestError

_NUM_FIELDS = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """Two clips, and whether one speaker speaks in both.

    Attributes:
        is_target: Whether both are of one speaker.
        first: A clip.
        second: Another.
    """

    is_target: bool
    first: Path
    second: Path


def read_trials(path: Path, audio_folder: Path | None = None) -> list[Trial]:
    """Read a list of trials; empty lines are passed over.

    Args:
        path: The list, as UTF-8. Fields are separated by tabs where a line has any (so paths
            may hold spaces), and by white space elsewhere.
        audio_folder: What relative paths start from; None for the list's own folder.

    Raises:
        ManifestError: It cannot be read, holds no trial, or a line is none.
    """
    folder = path.parent if audio_folder is None else audio_folder
    trials = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.strip().split("\t" if "\t" in line else None)]
        if len(fields) != _NUM_FIELDS or fields[0] not in {"0", "1"} or not all(fields):
            raise ManifestError(
                f"{path}, line {number}: expected 1 (one speaker) or 0 (two) and two paths, as "
                f"in `1 first.wav second.wav`, got {line.strip()!r}. Paths with spaces need "
                "tabs between the fields."
            )
        trials.append(Trial(fields[0] == "1", folder / fields[1], folder / fields[2]))
    if not trials:
        raise ManifestError(f"{path}: holds no trial.")
    return trials
