"""Checkpoints and clips that are part of the package, so that everything runs offline."""

from pathlib import Path

from wav2vec2_conformer.errors import CheckpointError

_ASSETS = Path(__file__).parent.parent / "assets"
_CLIP_SUFFIXES = frozenset({".flac", ".mp3", ".ogg", ".opus", ".wav"})


def bundled_checkpoint_path(name: str = "tiny-en") -> Path:
    """Return the folder of a bundled checkpoint.

    Args:
        name: Name of the checkpoint; `tiny-en` is a small English CTC model.

    Raises:
        CheckpointError: When the package holds no checkpoint of that name.
    """
    available = sorted(path.parent.name for path in _ASSETS.glob("*/config.json"))
    if name not in available:
        held = ", ".join(available) or "none at all"
        raise CheckpointError(
            f"the package holds no checkpoint named {name!r}; it holds: {held}. Name a folder "
            "or a model of the Hugging Face hub instead (-m/--model on the command line)."
        )
    return _ASSETS / name


def bundled_clips() -> list[Path]:
    """Return the bundled audio clips, sorted by name; an empty list when there are none."""
    clips = _ASSETS / "clips"
    return sorted(path for path in clips.glob("*") if path.suffix in _CLIP_SUFFIXES)
