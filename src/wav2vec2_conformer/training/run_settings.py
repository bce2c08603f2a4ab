"""What every training run can be told, for fine-tuning and pre-training to add to.

Names that transformers' `TrainingArguments` has mean the same here.
"""

# ruff: noqa: RUF009, FBT003 - `setting` returns a field; its first value may be False

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

DATA = "Data"
MODEL = "Model"
MASKING = "Masks and quantizer"
LEARNING = "Learning"
FREEZING = "What is trained"
ADAPTATION = "Adaptation of a base that stays as it is"
AUGMENTATION = "Augmentation"
RUN = "Run"
# In the order of help and recipes.
PANELS = (DATA, MODEL, MASKING, LEARNING, FREEZING, ADAPTATION, AUGMENTATION, RUN)


def setting(default: Any, panel: str, text: str, *flags: str) -> Any:
    """Return a field with its help.

    Args:
        default: Its default; a mapping is copied.
        panel: Under which heading the command's help shows it: one of `PANELS`.
        text: What it means.
        *flags: Names on the command line, where they are not the field's own.
    """
    metadata = {"panel": panel, "help": text, "flags": flags}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def list_settings(settings_class: Any) -> "list[Field[Any]]":
    """Return the fields of a class of settings, or of an instance, panel by panel."""
    return sorted(fields(settings_class), key=lambda f: PANELS.index(f.metadata["panel"]))


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Settings that every run has.

    The classes of fine-tuning and pre-training inherit these fields: keys of recipes and flags
    are flat names, so a class inside a class would not do. Where one says a default or a help
    again, its own counts.
    """

    task: str
    train: tuple[Path, ...] = setting(
        (), DATA, "Training data: a manifest or another data set; may be given several times."
    )
    valid: Path | None = setting(None, DATA, "Validation data.")
    output_dir: Path | None = setting(
        None, DATA, "Folder for checkpoints and the final model.", "-o", "--output-dir"
    )
    batch_seconds: float = setting(
        40.0, DATA, "Seconds of audio in a batch of one device, padding included."
    )
    update_seconds: float | None = setting(
        None, DATA, "Seconds of audio in an update: batches are accumulated on all devices."
    )
    cache_dir: Path | None = setting(
        None,
        DATA,
        "Folder for decoded clips (115 MB an hour) and the audio of shards; without it, clips are "
        "decoded each time and the audio of shards goes into the output folder.",
    )

    model: str | None = setting(
        None, MODEL, "Checkpoint of any task to start from.", "-m", "--model"
    )
    config: Path | None = setting(
        None, MODEL, "config.json of a model to train from random weights."
    )
    model_config: Mapping[str, Any] = setting(
        {}, MODEL, "Values of config.json to change, such as model_config.layerdrop=0.1."
    )

    learning_rate: float = setting(3e-4, LEARNING, "Peak of the learning rate.")
    warmup_steps: int = setting(500, LEARNING, "Updates until the peak.")
    weight_decay: float = setting(0.01, LEARNING, "Weight decay of AdamW.")
    adam_beta2: float = setting(0.98, LEARNING, "Decay of AdamW's second moments.")
    max_grad_norm: float = setting(1.0, LEARNING, "Clip gradients to this norm.")
    gradient_accumulation_steps: int = setting(
        1, LEARNING, "Batches of a device per update, unless update_seconds says it."
    )

    max_steps: int | None = setting(None, RUN, "Updates of the run.")
    num_train_epochs: float | None = setting(
        None, RUN, "Passes over the training data, in place of max_steps."
    )
    time_limit_minutes: float | None = setting(
        None, RUN, "Budget of the run; the learning rate reaches its end with it."
    )
    logging_steps: int = setting(50, RUN, "Updates between log lines.")
    eval_steps: int = setting(500, RUN, "Updates between evaluations.")
    save_steps: int = setting(500, RUN, "Updates between checkpoints.")
    save_total_limit: int = setting(2, RUN, "Checkpoints kept.")
    load_best_model_at_end: bool = setting(
        False, RUN, "Keep the model that was best on the validation data, not the last."
    )
    resume: bool = setting(False, RUN, "Go on from the latest checkpoint in the output folder.")
    health: tuple[str, ...] = setting(
        (),
        RUN,
        "What to do about a finding, DETECTOR=ACTION with ignore, warn, stop or roll_back; may "
        "be given several times.",
    )
    sync_batch_norm: bool = setting(
        False, RUN, "Several processes take the statistics of batch norms together."
    )
    bf16: bool = setting(False, RUN, "Compute in bfloat16 where that is safe.")
    torch_compile: bool = setting(
        False, RUN, "Compile the encoder's blocks, which takes minutes at first."
    )
    use_cpu: bool = setting(False, RUN, "Leave a GPU alone.")
    num_workers: int = setting(1, RUN, "Processes that decode and augment audio.")
    seed: int = setting(0, RUN, "Seed of everything random.")
    save_dtype: Literal["float32", "float16", "bfloat16"] = setting(
        "float32", RUN, "What the final weights are stored in."
    )
    report_to: str = setting(
        "tensorboard", RUN, "Where metrics go: tensorboard, wandb, trackio, mlflow, ... or none."
    )
    trainer_arguments: Mapping[str, Any] = setting(
        {}, RUN, "Further arguments of transformers' TrainingArguments."
    )
