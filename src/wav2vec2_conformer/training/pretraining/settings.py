"""What a pre-training run can be told: one list for Python, recipes and the command line."""

# ruff: noqa: RUF009, FBT003 - `setting` returns a field; its first value may be False

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wav2vec2_conformer.training.run_settings import (
    DATA,
    LEARNING,
    MASKING,
    MODEL,
    RUN,
    RunSettings,
    setting,
)


@dataclass(frozen=True, kw_only=True)
class PretrainingSettings(RunSettings):
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
    min_duration_s: float = setting(2.0, DATA, "Leave out shorter utterances.")
    max_duration_s: float | None = setting(
        15.6, DATA, "Crop longer ones to this at a random place; a recipe may say null."
    )

    model: str | None = setting(
        None, MODEL, "Checkpoint to go on from, of any task.", "-m", "--model"
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
    adam_epsilon: float = setting(1e-6, LEARNING, "AdamW's epsilon.")
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

    load_best_model_at_end: bool = setting(
        False, RUN, "Keep the model with the best validation accuracy, not the last."
    )
    num_workers: int = setting(1, RUN, "Processes that decode audio and draw masks.")
