"""The batches of a run: how much audio each holds, and how many make an update."""

from collections.abc import Sequence

from transformers import TrainingArguments

from wav2vec2_conformer.data.batching import DurationBatchSampler
from wav2vec2_conformer.training.run_settings import RunSettings

# On a CPU in 16 bits, batches are padded to a multiple of so many frames. For each new shape of a
# product oneDNN makes a program, which takes longer than a small product: with a model of 7
# million parameters steps took 1.4 times as long.
MIXED_FRAMES = 32


def build_samplers(
    settings: RunSettings,
    arguments: TrainingArguments,
    train_s: Sequence[float],
    valid_s: Sequence[float] | None,
    *,
    shortest_first_epochs: int = 0,
) -> tuple[DurationBatchSampler, DurationBatchSampler | None]:
    """Return the batches of the training set and those of the validation set.

    Args:
        settings: Of the run. A batch of one device holds no more audio than its part of
            `update_seconds`, if that is given.
        arguments: Of the trainer. They are changed to accumulate batches up to
            `update_seconds` on all devices.
        train_s: Durations of the training set in seconds.
        valid_s: Those of the validation set, None without one.
        shortest_first_epochs: Epochs at the start that go from short to long clips.
    """
    num_processes = arguments.world_size
    batch_seconds, update_seconds = settings.batch_seconds, settings.update_seconds
    if update_seconds is not None:
        batch_seconds = min(batch_seconds, update_seconds / num_processes)
    train = DurationBatchSampler(
        train_s,
        batch_seconds,
        seed=settings.seed,
        shortest_first_epochs=shortest_first_epochs,
        num_processes=num_processes,
    )
    if update_seconds is not None:
        per_round_s = train.mean_batch_s * num_processes
        arguments.gradient_accumulation_steps = max(1, round(update_seconds / per_round_s))
    if valid_s is None:
        return train, None
    valid = DurationBatchSampler(valid_s, batch_seconds, shuffle=False, num_processes=num_processes)
    return train, valid


def padding_multiple(arguments: TrainingArguments, samples_per_frame: int) -> int:
    """Return what the samples of a batch are padded to a multiple of; 1 for as they are."""
    is_mixed = arguments.bf16 or arguments.fp16
    return MIXED_FRAMES * samples_per_frame if arguments.use_cpu and is_mixed else 1
