"""What a fine-tuning run can be told: one list for Python, recipes and the command line."""

# ruff: noqa: RUF009, FBT003 - `setting` returns a field; its first value may be False

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wav2vec2_conformer.training.run_settings import (
    ADAPTATION,
    AUGMENTATION,
    DATA,
    FREEZING,
    LEARNING,
    MODEL,
    RunSettings,
    setting,
)

Task = Literal["ctc", "classification", "frame-classification", "xvector"]


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(RunSettings):
    """Settings of a fine-tuning run; `finetune --help` shows what each means.

    `train`, `output_dir`, one of `model` and `config`, and an end (`max_steps`,
    `num_train_epochs` or `time_limit_minutes`) are needed.
    """

    task: Task = setting("ctc", DATA, "What is learned.")
    max_duration_s: float | None = setting(
        20.0, DATA, "Leave out longer training utterances; a recipe may say null for no limit."
    )
    shortest_first_epochs: int = setting(
        1, DATA, "Epochs at the start that go from short to long clips."
    )
    frame_labels: Literal["speakers", "speech", "names"] = setting(
        "speakers",
        DATA,
        "Outputs of frame classification: speakers in any order, speech of anyone, or a label "
        "for each name in the segments.",
    )
    num_speakers: int = setting(
        2, DATA, "Speakers of frame classification; recordings with more are left out."
    )

    vocab: Path | None = setting(
        None,
        MODEL,
        "vocab.json or fairseq's dict.ltr.txt of CTC; default the model's or, with --config, the "
        "English one.",
    )
    problem_type: Literal[
        "single_label_classification", "multi_label_classification", "regression"
    ] = setting("single_label_classification", MODEL, "What classification learns.")
    frame_loss: Literal["multilabel", "powerset"] = setting(
        "multilabel", MODEL, "Frame classification judges each speaker, or the set of them."
    )
    max_simultaneous_speakers: int = setting(
        2, MODEL, "Largest set of speakers that the powerset holds."
    )

    schedule: Literal["linear", "tri-stage"] = setting(
        "linear", LEARNING, "Rise and fall; or rise, constant stage and exponential fall."
    )
    warmup_steps: int = setting(500, LEARNING, "Updates until the peak (linear).")
    warmup_ratio: float = setting(0.1, LEARNING, "Part of the run until the peak (tri-stage).")
    hold_ratio: float = setting(0.4, LEARNING, "Part of the run at the peak (tri-stage).")
    final_learning_rate_scale: float = setting(
        0.05, LEARNING, "Last learning rate as a part of the peak (tri-stage)."
    )
    layer_learning_rate_decay: float = setting(
        1.0, LEARNING, "Factor of the learning rate from each layer to the one below."
    )
    spec_augment_below_loss: float = setting(
        1.6, LEARNING, "CTC masks spans (SpecAugment) once the training loss is below this."
    )

    freeze_feature_encoder: bool = setting(
        False, FREEZING, "Keep the convolutions on the waveform as they are."
    )
    freeze_encoder: bool = setting(
        False, FREEZING, "Train the head and the weights of the layers only."
    )
    head_only_steps: int = setting(0, FREEZING, "Updates at the start that train the head only.")

    lora: bool = setting(
        False, ADAPTATION, "Train LoRA matrices and the head; they are merged at the end."
    )
    lora_rank: int = setting(16, ADAPTATION, "Rank of each change.")
    lora_alpha: float = setting(32.0, ADAPTATION, "A change is scaled by this over the rank.")
    lora_dropout: float = setting(0.05, ADAPTATION, "Dropout of what the changes see.")
    lora_targets: tuple[str, ...] = setting(
        (), ADAPTATION, "Linear maps to change, such as linear_q; default all in the blocks."
    )
    lora_only: bool = setting(
        False, ADAPTATION, "Write the matrices and the head without the base."
    )
    target_lang: str | None = setting(
        None, ADAPTATION, "Train the adapter and output layer of this language, such as ara."
    )

    speed_perturbation: float = setting(
        0.0, AUGMENTATION, "Draw speeds from 1 - this to 1 + this, such as 0.1."
    )
    gain_db: float = setting(0.0, AUGMENTATION, "Draw gains from minus to plus this.")
    noise_probability: float = setting(0.0, AUGMENTATION, "Of added noise.")
    noise_snr_db: tuple[float, float] = setting(
        (5.0, 30.0), AUGMENTATION, "Range of the signal-to-noise ratio."
    )
    noise_kinds: tuple[Literal["white", "pink", "babble", "recorded"], ...] = setting(
        ("white", "pink"), AUGMENTATION, "Kinds of noise; may be given several times."
    )
    noise_paths: tuple[Path, ...] = setting(
        (), AUGMENTATION, "Recordings of noise, or folders of them."
    )
    room_probability: float = setting(0.0, AUGMENTATION, "Of reverberation.")
    room_rt60_s: tuple[float, float] = setting(
        (0.1, 0.8), AUGMENTATION, "Range of the reverberation time."
    )
    room_direct_db: tuple[float, float] = setting(
        (0.0, 12.0), AUGMENTATION, "Range of direct over reverberated sound."
    )
    mixing_probability: float = setting(
        0.0, AUGMENTATION, "Of a second voice over a part of the clip."
    )
    mixing_ratio_db: tuple[float, float] = setting(
        (3.0, 15.0), AUGMENTATION, "Range of the clip's power over the second voice's."
    )
    voice_paths: tuple[Path, ...] = setting(
        (), AUGMENTATION, "Clips of speech for babble and mixing, or folders of them."
    )
    clipping_probability: float = setting(0.0, AUGMENTATION, "Of an overdriven microphone.")
    clipping_db: tuple[float, float] = setting(
        (3.0, 12.0), AUGMENTATION, "Range of how far below the peak it cuts."
    )
    telephone_probability: float = setting(0.0, AUGMENTATION, "Of a telephone's band and codec.")
    telephone_codecs: tuple[Literal["mulaw", "alaw", "gsm"], ...] = setting(
        ("mulaw", "alaw", "gsm"), AUGMENTATION, "Codecs; may be given several times."
    )
