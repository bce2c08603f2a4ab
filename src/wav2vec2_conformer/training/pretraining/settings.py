"""What a pre-training run can be told: one list for Python, recipes and the command line.

Names that transformers' `TrainingArguments` has mean the same here.
"""

# ruff: noqa: RUF009, FBT003 - `setting` returns a field; its first value may be False

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wav2vec2_conformer.training.settings import DATA, LEARNING, MODEL, RUN, setting

MASKING = "Masks and quantizer"


@dataclass(frozen=True, kw_only=True)
class PretrainingSettings:
    """Settings of a pre-training run; `pretrain --help` shows what each means.

    `train`, `output_dir`, one of `model` and `config`, and an end (`max_steps`,
    `num_train_epochs` or `time_limit_minutes`) are needed.
    """

    task: Literal["pretraining"] = setting("pretraining", DATA, "What recipes name this task.")
    train: tuple[Path, ...] = setting(
        (),
        DATA,
        "Folder of audio, manifest or another data set; text is not needed. May be given "
        "several times.",
    )
    valid: Path | None = setting(None, DATA, "Validation data, in the same forms.")
    output_dir: Path | None = setting(
        None, DATA, "Folder for checkpoints and the final model.", "-o", "--output-dir"
    )
    batch_seconds: float = setting(
        40.0, DATA, "Seconds of audio in a batch of one device, padding included."
    )
    update_seconds: float | None = setting(
        None, DATA, "Seconds of audio in an update: batches are accumulated on all devices."
    )
    min_duration_s: float = setting(2.0, DATA, "Leave out shorter utterances.")
    max_duration_s: float | None = setting(
        15.6, DATA, "Crop longer ones to this at a random place; a recipe may say null."
    )
    cache_dir: Path | None = setting(
        None, DATA, "Folder for decoded clips (115 MB an hour); none decodes each time."
    )

    model: str | None = setting(
        None, MODEL, "Checkpoint to go on from, of any task.", "-m", "--model"
    )
    config: Path | None = setting(
        None, MODEL, "config.json of a model to train from random weights."
    )
    model_config: Mapping[str, Any] = setting(
        {}, MODEL, "Values of config.json to change, such as model_config.layerdrop=0.05."
    )

    mask_time_prob: float = setting(
        0.65, MASKING, "Share of frames that spans would cover if none overlapped."
    )
    mask_time_length: int = setting(10, MASKING, "Length of a masked span in frames.")
    mask_time_min_masks: int = setting(2, MASKING, "Least number of spans of an utterance.")
    max_gumbel_temperature: float = setting(
        2.0, MASKING, "Temperature of the quantizer's first choices."
    )
    min_gumbel_temperature: float = setting(0.5, MASKING, "It never falls below this.")
    gumbel_temperature_decay: float = setting(
        0.999995, MASKING, "Factor of the temperature from one update to the next."
    )

    learning_rate: float = setting(5e-4, LEARNING, "Peak of the learning rate.")
    warmup_steps: int = setting(500, LEARNING, "Updates until the peak.")
    weight_decay: float = setting(0.01, LEARNING, "Weight decay of AdamW.")
    adam_beta2: float = setting(0.98, LEARNING, "Decay of AdamW's second moments.")
    adam_epsilon: float = setting(1e-6, LEARNING, "AdamW's epsilon.")
    max_grad_norm: float = setting(1.0, LEARNING, "Clip gradients to this norm.")
    gradient_accumulation_steps: int = setting(
        1, LEARNING, "Batches of a device per update, unless update_seconds says it."
    )
    feature_gradient_scale: float | None = setting(
        None,
        LEARNING,
        "The feature encoder's gradient times this; 0 freezes it. Default as in fairseq: 0.1 "
        "with a group norm (base), 1 with layer norms (large).",
    )
    feature_penalty_weight: float | None = setting(
        None,
        LEARNING,
        "Weight of the mean square of the feature encoder's output. Default as in fairseq: 10 "
        "with a group norm (base), 0 with layer norms (large).",
    )

    quantizer_learning_rate_scale: float = setting(
        1.0,
        LEARNING,
        "Learning rate of the choice of codes as a part of the others'; 0 keeps the first, random "
        "choice, which cannot collapse.",
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
        False, RUN, "Keep the model with the best validation accuracy, not the last."
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
    num_workers: int = setting(1, RUN, "Processes that decode audio and draw masks.")
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
