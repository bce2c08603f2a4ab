"""Length of a recording from its header, without decoding it."""

from pathlib import Path

import soundfile


def read_duration(path: str | Path) -> float | None:
    """Return the length in seconds that a file's header states.

    Args:
        path: A file that soundfile reads (wav, flac, ogg, opus, mp3, ...). A pipe is left
            alone: its header could not be read twice.

    Returns:
        Seconds; None when the file cannot be read this way. Good for plans and progress, not
        for results: a header can be wrong.
    """
    if not Path(path).is_file():
        return None
    try:
        duration_s = float(soundfile.info(str(path)).duration)
    except (soundfile.SoundFileError, TypeError, ZeroDivisionError):
        return None
    return duration_s
