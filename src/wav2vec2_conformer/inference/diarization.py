"""What a diarizer returns, and how it decides: `diarization.json` in a checkpoint's folder."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import CheckpointError, InputError

SETTINGS_FILE = "diarization.json"


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who speaks when in one recording.

    Attributes:
        source: Name of the recording: its path, `stdin`, `<bytes>` or `<array>`.
        duration_s: Length of the recording in seconds.
        turns: Sorted by time. Turns of different speakers may overlap.
    """

    source: str
    duration_s: float
    turns: tuple[SpeakerTurn, ...]

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers in the order in which they begin."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))


@dataclass(frozen=True, slots=True)
class DiarizationSettings:
    """How probabilities of frames become turns.

    Attributes:
        onset: A turn begins where the speaker's probability reaches this.
        offset: It goes on until the probability falls below this; at most `onset`.
        min_speech_s: Shorter turns are dropped.
        min_silence_s: Shorter gaps in a speaker's speech are closed.
        same_speaker_score: Cosine of two voices from which on they count as one, where windows
            of a long recording are joined; None for the threshold of the embedding model.

    Raises:
        InputError: A value is out of range.
    """

    onset: float = 0.5
    offset: float = 0.5
    min_speech_s: float = 0.1
    min_silence_s: float = 0.2
    same_speaker_score: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.offset <= self.onset < 1:
            raise InputError(
                "offset and onset are probabilities between 0 and 1, the onset the higher one, "
                f"but onset is {self.onset:g} and offset is {self.offset:g}."
            )
        for name in ("min_speech_s", "min_silence_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"{name} must be 0 or more, but is {value:g}.")
        score = self.same_speaker_score
        if score is not None and not -1 <= score <= 1:
            raise InputError(f"same_speaker_score is a cosine from -1 to 1, but is {score:g}.")

    def write(self, folder: Path) -> None:
        """Write `diarization.json` into a checkpoint's folder.

        Raises:
            OSError: When it cannot be written.
        """
        with write_whole(folder / SETTINGS_FILE) as path:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_diarization_settings(place: str | Path) -> DiarizationSettings:
    """Read a checkpoint's settings; the defaults where there are none.

    Args:
        place: The checkpoint's folder. For a name on the hub there are none.

    Raises:
        CheckpointError: When the file is not what `DiarizationSettings.write` writes.
    """
    path = Path(place) / SETTINGS_FILE
    if not path.is_file():
        return DiarizationSettings()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for value in values.values():
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                raise TypeError(f"expected numbers, got {value!r}")  # noqa: TRY301  one message
        return DiarizationSettings(**values)
    except (AttributeError, OSError, TypeError, ValueError) as error:
        names = ", ".join(field.name for field in fields(DiarizationSettings))
        raise CheckpointError(
            f"{path}: must be a JSON object with numbers for any of {names}: {error}"
        ) from error


def name_speakers(num_speakers: int) -> list[str]:
    """Return names for speakers whom nobody knows, as the field's tools have them."""
    return [f"SPEAKER_{number:02d}" for number in range(num_speakers)]
