"""Checkpoints, heads and clips that are part of the package, so that everything runs offline."""

from pathlib import Path

from wav2vec2_conformer.errors import CheckpointError

# What stands before the name of what is bundled, where a checkpoint is asked for.
BUNDLED = "bundled:"
SPEAKER_HEAD, DIARIZATION_HEAD, DIGIT_HEAD = "speaker", "diarization", "digits"
_ASSETS = Path(__file__).parent.parent / "assets"
_ENCODER = "tiny-en"
_CLIP_SUFFIXES = frozenset({".flac", ".mp3", ".ogg", ".opus", ".wav"})


def bundled_checkpoint_path(name: str = _ENCODER) -> Path:
    """Return the folder of a bundled checkpoint.

    Args:
        name: Name of the checkpoint; `tiny-en` is a small English CTC model.

    Raises:
        CheckpointError: When the package holds no checkpoint of that name.
    """
    available = sorted(path.parent.name for path in _ASSETS.glob("*/config.json"))
    if name not in available:
        raise _missing("checkpoint", name, available)
    return _ASSETS / name


def bundled_head_path(name: str) -> Path:
    """Return the folder of a bundled head, which `from_pretrained` takes as a whole model.

    A head holds no encoder: it points to the one of the bundled checkpoint.

    Args:
        name: `speaker` (embeddings of voices), `diarization` (who speaks when, and whether
            anyone does) or `digits` (spoken English digits).

    Raises:
        CheckpointError: When the package holds no head of that name, or the head was trained
            on another encoder than the one in the package.
    """
    from wav2vec2_conformer.checkpoints.head_files import check_head  # noqa: PLC0415 - torch

    available = bundled_heads()
    if name not in available:
        raise _missing("head", name, available)
    head = _ASSETS / "heads" / name
    check_head(head, bundled_checkpoint_path(_ENCODER))
    return head


def bundled_path(name: str) -> Path:
    """Return the folder of a bundled checkpoint or head.

    Args:
        name: `tiny-en`, or as for `bundled_head_path`.

    Raises:
        CheckpointError: As `bundled_head_path`.
    """
    return bundled_checkpoint_path(name) if name == _ENCODER else bundled_head_path(name)


def bundled_heads() -> list[str]:
    """Return the names of the bundled heads, sorted."""
    return sorted(path.parent.name for path in _ASSETS.glob("heads/*/config.json"))


def bundled_clips() -> list[Path]:
    """Return the bundled audio clips, sorted by name; an empty list when there are none."""
    clips = _ASSETS / "clips"
    return sorted(path for path in clips.glob("*") if path.suffix in _CLIP_SUFFIXES)


def _missing(kind: str, name: str, available: list[str]) -> CheckpointError:
    held = ", ".join(available) or "none at all"
    return CheckpointError(
        f"the package holds no {kind} named {name!r}; it holds: {held}. Name a folder or a model "
        "of the Hugging Face hub instead (-m/--model on the command line)."
    )
