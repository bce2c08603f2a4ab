"""Recordings of any length, from the clips in the package."""

from pathlib import Path

SAMPLE_RATE_HZ = 16_000
_PAUSE_S = 0.5


def write_recording(path: Path, duration_s: float) -> None:
    """Write a FLAC file of so many seconds: the clips again and again, a pause after each."""
    import numpy as np  # noqa: PLC0415 - this and the next only when a file is needed
    import soundfile  # noqa: PLC0415

    from wav2vec2_conformer.audio import load_audio  # noqa: PLC0415
    from wav2vec2_conformer.checkpoints.bundled import bundled_clips  # noqa: PLC0415

    pause = np.zeros(round(_PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    clips = [np.concatenate([load_audio(clip), pause]) for clip in bundled_clips()]
    missing = round(duration_s * SAMPLE_RATE_HZ)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="FLAC") as file:
        while missing:
            for clip in clips:
                file.write(clip[:missing])
                missing -= len(clip[:missing])
