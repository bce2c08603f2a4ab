"""Examples of a run to data sets of the trainer, with the augmentation of its settings."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from wav2vec2_conformer.data.augmentation import Augmentation
from wav2vec2_conformer.data.folders import AUDIO_SUFFIXES
from wav2vec2_conformer.data.speech_dataset import SpeechDataset
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.examples import SAMPLE_RATE_HZ, Examples, select_examples
from wav2vec2_conformer.training.settings import FinetuneSettings


def build_dataset(
    settings: FinetuneSettings, examples: Examples, augmentation: Augmentation | None = None
) -> SpeechDataset:
    """Return a data set of a run.

    Args:
        settings: Of the run.
        examples: Utterances and targets.
        augmentation: Random changes, for training.
    """
    return SpeechDataset(
        examples.utterances,
        examples.targets,
        augmentation=augmentation,
        seed=settings.seed,
        cache_dir=settings.cache_dir,
    )


def select_audible(
    settings: FinetuneSettings,
    examples: Examples,
    count_frames: Callable[[int], int],
    *also: tuple[str, Callable[[int], bool]],
) -> Examples:
    """Leave out training clips that are too long, or too short for a frame, and log how many.

    Args:
        settings: Of the run. The fastest speed of their augmentation makes clips shorter.
        examples: The clips.
        count_frames: Gives the frames of the encoder for a number of samples.
        *also: Further reasons to leave out a clip, as `select_examples` has them.

    Raises:
        ManifestError: None is left.
    """
    durations_s = examples.durations_s
    per_s = SAMPLE_RATE_HZ / (1 + settings.speed_perturbation)
    too_short = (
        "are too short for a frame of the model",
        lambda i: count_frames(int(durations_s[i] * per_s)) < 1,
    )
    return select_examples(
        examples, max_duration_s=settings.max_duration_s, also=[*also, too_short]
    )


def build_augmentation(settings: FinetuneSettings) -> Augmentation:
    """Return the augmentation of a run; folders of recordings become their files.

    Raises:
        InputError: A value is out of range, or a change lacks the recordings it needs.
    """
    values = {field.name: getattr(settings, field.name) for field in fields(Augmentation)}
    for name in ("noise_paths", "voice_paths"):
        values[name] = _find_audio(values[name])
    return Augmentation(**values)


def _find_audio(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: there is no such recording or folder of recordings")
    return tuple(found)
