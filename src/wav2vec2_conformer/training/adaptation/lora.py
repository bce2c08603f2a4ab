"""LoRA: low-rank changes of the encoder's linear maps, and a head, on a frozen base.

Paper: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models",
https://arxiv.org/abs/2106.09685. The matrices are those of the package peft.
"""

import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

from wav2vec2_conformer.checkpoints.adapters_lora import without_notices
from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.training.adaptation.held_statistics import (
    hold_statistics,
    release_statistics,
)
from wav2vec2_conformer.training.model_folder import replace_folder, write_preprocessing


@dataclass(frozen=True)
class LoraSettings:
    """How large the changes are, and of what.

    Attributes:
        rank: Rank of each change, 1 or more.
        alpha: The change is scaled by alpha / rank.
        dropout: Dropout of what the changes see, in training only.
        targets: Names of linear maps inside the encoder's blocks, such as "linear_q". Empty:
            all of them, which are those of attention and feed-forward modules, with relative
            positions `linear_pos` too.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    targets: Sequence[str] = ()


def add_lora(model: PreTrainedModel, settings: LoraSettings | None = None) -> Any:
    """Freeze a model but for its head, and put LoRA matrices into its encoder.

    The new matrices change nothing at first. The head is trained whole. Batch norms use their
    running statistics, in training too, so that the base stays as it is bit for bit.

    Args:
        model: Model with a head, as loaded; it is changed. Its `name_or_path` is what a saved
            LoRA folder names as its base.
        settings: Sizes and targets; None for the defaults.

    Returns:
        A `peft.PeftModel` around the model, which transformers' `Trainer` takes, saves and
        resumes.

    Raises:
        InputError: A setting is out of range, there is no such target, or part of the head
            could not be saved with LoRA.
        MissingExtraError: peft is not installed.
    """
    settings = LoraSettings() if settings is None else settings
    if importlib.util.find_spec("peft") is None:
        raise MissingExtraError("LoRA", "peft", "lora")
    import peft  # noqa: PLC0415 - an extra

    _check_numbers(settings)
    head = find_head(model)
    targets = find_targets(model)
    unknown = sorted(set(settings.targets) - set(targets))
    if unknown:
        raise InputError(
            f"targets: there is no linear map {', '.join(unknown)} in the encoder's blocks that "
            f"LoRA can change. Choose from {', '.join(targets)}"
        )
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets or targets),
        modules_to_save=head,
    )
    with without_notices():
        adapted: Any = peft.get_peft_model(model, config)
    adapted.save_pretrained = partial(_save_pretrained, adapted)  # the trainer calls it
    base = Path(model.name_or_path)
    if base.is_dir():  # found from any folder that a command is run in
        adapted.peft_config["default"].base_model_name_or_path = str(base.resolve())
    hold_statistics(adapted)
    return adapted


def merge_lora(adapted: Any) -> PreTrainedModel:
    """Add the changes to the weights and return the plain model, all of it trainable again.

    Args:
        adapted: What `add_lora` returned. It is used up.

    Raises:
        ValueError: A weight is not finite.
    """
    model: PreTrainedModel = adapted.merge_and_unload(safe_merge=True)
    model.requires_grad_(requires_grad=True)
    release_statistics(model)
    return model


def save_lora(
    adapted: Any,
    preprocessing: Wav2Vec2Processor | Wav2Vec2FeatureExtractor,
    folder: str | Path,
) -> Path:
    """Write the matrices, the head and the preprocessing, but not the base.

    `checkpoints.adapters_lora.load_lora_folder` puts them on the base again.

    Args:
        adapted: What `add_lora` returned.
        preprocessing: Tokenizer and feature extractor, or the latter alone.
        folder: The folder to write, in place of an older one: `adapter_config.json`, which
            names the base, `adapter_model.safetensors`, `config.json` of the adapted model,
            and the preprocessing's files.

    Returns:
        The folder.
    """
    folder = Path(folder)
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    adapted.save_pretrained(temporary)
    write_preprocessing(preprocessing, temporary)
    replace_folder(temporary, folder)
    return folder


def _save_pretrained(adapted: Any, folder: str | Path, **kwargs: Any) -> None:
    """Save what peft saves, and the configuration of the model as it is trained.

    Unasked, peft would look for embeddings of words where the vocabulary is not the base's, and
    write an empty form of a model card.
    """
    type(adapted).save_pretrained(adapted, folder, **kwargs | {"save_embedding_layers": False})
    (Path(folder) / "README.md").unlink(missing_ok=True)
    adapted.get_base_model().config.save_pretrained(folder)


def find_targets(model: PreTrainedModel) -> list[str]:
    """Return the names of the linear maps inside the encoder's blocks, sorted.

    Convolutions are none of them: the blocks read the weights of the pointwise ones without
    calling them, so LoRA matrices around these would be left out in silence.

    Args:
        model: A model of this package.
    """
    encoder = model.base_model.encoder
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in encoder.layers.named_modules()
            if isinstance(module, nn.Linear) and "adapter_layer" not in name
        }
    )


def find_head(model: PreTrainedModel) -> list[str]:
    """Return the names of the modules around the bare model that have weights.

    Args:
        model: A model of this package.

    Raises:
        InputError: There are none, or LoRA's files cannot hold them: lists of modules,
            single weights, or a name that the bare model has too.
    """
    base = model.base_model
    children = dict(model.named_children())
    head = [
        name
        for name, child in children.items()
        if child is not base and next(child.parameters(), None) is not None
    ]
    if base is model or not head:
        raise InputError(
            f"LoRA needs a model with a head, such as Wav2Vec2ConformerForCTC, got "
            f"{type(model).__name__}"
        )
    names_in_base = {name.rpartition(".")[2] for name, _ in base.named_modules()}
    unfit = [
        name for name in head if name in names_in_base or isinstance(children[name], nn.ModuleList)
    ]
    unfit += [name for name, _ in model.named_parameters(recurse=False)]
    if unfit:
        raise InputError(
            f"LoRA cannot save {', '.join(unfit)} of {type(model).__name__}. Train the head on a "
            "frozen encoder instead, or the whole model"
        )
    return head


def _check_numbers(settings: LoraSettings) -> None:
    if settings.rank < 1:
        raise InputError(f"rank must be at least 1, got {settings.rank}")
    if not settings.alpha > 0:
        raise InputError(f"alpha must be above 0, got {settings.alpha}")
    if not 0 <= settings.dropout < 1:
        raise InputError(f"dropout must be at least 0 and below 1, got {settings.dropout}")
