"""What a fine-tuning run does differently when it adapts a base model that stays as it is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.adapters import adapter_file_name
from wav2vec2_conformer.training.adaptation.language import add_language_adapter, save_language
from wav2vec2_conformer.training.adaptation.lora import (
    LoraSettings,
    add_lora,
    merge_lora,
    save_lora,
)
from wav2vec2_conformer.training.model_folder import save_model_folder
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.starting_model import read_starting_config
from wav2vec2_conformer.training.task import PreparedTask

# The width inside the adapters of MMS.
LANGUAGE_ADAPTER_DIM = 16


@dataclass(frozen=True)
class Adaptation:
    """What is trained on a base model; by default all of it.

    Attributes:
        lora: Sizes of LoRA matrices; None for none.
        lora_only: The final folder holds the matrices and the head without the base. By default
            they are added to the weights, which makes it a plain model folder.
        target_lang: Language whose adapter and output layer are trained; None for none.
    """

    lora: LoraSettings | None = None
    lora_only: bool = False
    target_lang: str | None = None

    def check(self, settings: Any) -> None:
        """Check that this goes with the other settings of a run.

        Args:
            settings: Of the fine-tuning run.

        Raises:
            InputError: It does not.
        """
        if self.lora_only and self.lora is None:
            raise InputError("lora_only is about LoRA; give lora too, or leave it out")
        if self.lora is None and self.target_lang is None:
            return
        what = "lora" if self.lora is not None else "target_lang"
        if self.lora is not None and self.target_lang is not None:
            raise InputError("give lora or target_lang, not both: each freezes the base")
        if settings.model is None:
            raise InputError(f"{what} adapts a checkpoint; give one (model)")
        for name in ("freeze_encoder", "freeze_feature_encoder", "head_only_steps"):
            if getattr(settings, name):
                raise InputError(f"{what} freezes all of the base already; leave out {name}")
        if self.target_lang is not None:
            adapter_file_name(self.target_lang)  # for its check, before hours of training
            if settings.task != "ctc":
                raise InputError(f"target_lang is for the task ctc, got {settings.task}")

    def extend(self, settings: FinetuneSettings) -> FinetuneSettings:
        """Return the settings of a run whose model has language adapters, if it needs them.

        Args:
            settings: Of the run; `model_config.adapter_attn_dim` is added where neither they nor
                the checkpoint have it.

        Raises:
            CheckpointError: `model` is no checkpoint.
        """
        if self.target_lang is None or "adapter_attn_dim" in settings.model_config:
            return settings
        if read_starting_config(settings.model, None, {}).adapter_attn_dim is not None:
            return settings
        changes = {**settings.model_config, "adapter_attn_dim": LANGUAGE_ADAPTER_DIM}
        return replace(settings, model_config=changes)

    def prepare(self, task: PreparedTask) -> PreparedTask:
        """Freeze the base of a task's model and give it what is trained.

        Raises:
            ConfigurationError: The model has no language adapters.
            InputError: LoRA cannot take this model.
            MissingExtraError: peft is not installed.
        """
        if self.lora is not None:
            return replace(task, model=add_lora(task.model, self.lora))
        if self.target_lang is not None:
            add_language_adapter(task.model)
        return task

    def save(self, task: PreparedTask, folder: str | Path, dtype: str) -> Path:
        """Write the final folder of a run.

        Args:
            task: With the trained model.
            folder: The folder to write.
            dtype: What the weights of a whole model are stored in.

        Returns:
            The folder.
        """
        preprocessing: Any = task.preprocessing
        if self.lora is None:
            if self.target_lang is None:
                return save_model_folder(task.model, preprocessing, folder, dtype)
            return save_language(task.model, preprocessing, folder, self.target_lang, dtype)
        if self.lora_only:
            return save_lora(task.model, preprocessing, folder)
        return save_model_folder(merge_lora(task.model), preprocessing, folder, dtype)


def build_adaptation(settings: Any) -> Adaptation:
    """Return the adaptation that the settings of a run ask for.

    Args:
        settings: Of the fine-tuning run, with `lora`, `lora_rank`, `lora_alpha`, `lora_dropout`,
            `lora_targets`, `lora_only` and `target_lang`.

    Raises:
        InputError: They contradict each other.
    """
    lora = None
    if settings.lora:
        lora = LoraSettings(
            rank=settings.lora_rank,
            alpha=settings.lora_alpha,
            dropout=settings.lora_dropout,
            targets=tuple(settings.lora_targets),
        )
    adaptation = Adaptation(lora, settings.lora_only, settings.target_lang)
    adaptation.check(settings)
    return adaptation


def load_finished(model: Any, checkpoint: Path) -> None:
    """Put the weights of a finished run's checkpoint into its model, adapted or not.

    Args:
        model: As the run prepares it; changed.
        checkpoint: Folder of the last checkpoint.

    Raises:
        ConfigurationError: The checkpoint is of a run with other adaptation.
    """
    if hasattr(model, "peft_config"):
        if not (checkpoint / "adapter_config.json").is_file():
            raise ConfigurationError(f"{checkpoint}: is no checkpoint of a run with lora")
        model.load_adapter(str(checkpoint), "default", is_trainable=True)
        return
    loaded = type(model).from_pretrained(checkpoint, dtype=model.dtype)
    model.load_state_dict(loaded.state_dict())
