"""Speed and memory of a run."""

import sys
from dataclasses import dataclass

_BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast audio was transcribed.

    Attributes:
        audio_s: Seconds of audio that were transcribed.
        wall_s: Seconds that this took, reading the files included, loading the model not.
    """

    audio_s: float
    wall_s: float

    @property
    def times_real_time(self) -> float:
        """Seconds of audio in a second: the inverse real-time factor, RTFx."""
        return self.audio_s / self.wall_s if self.wall_s > 0 else 0.0


def peak_memory_mb() -> float | None:
    """Return the largest memory of this process so far in MB (10^6 bytes).

    Resident memory of everything in it, the model included; not that of a GPU. None where the
    system does not say (Windows).
    """
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415  Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    num_bytes = peak if sys.platform == "darwin" else peak * 1024
    return num_bytes / _BYTES_PER_MB
