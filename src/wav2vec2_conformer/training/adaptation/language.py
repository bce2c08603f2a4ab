"""A new language on a frozen base: its adapters and its output layer are trained, nothing else.

In the manner of MMS (Pratap et al. 2023, https://arxiv.org/abs/2305.13516, Section 5.4), where
this takes about 2 million weights a language for a base of a billion.
"""

from pathlib import Path
from typing import Any

from transformers import Wav2Vec2Processor

from wav2vec2_conformer.checkpoints.adapters import build_language_processor, save_adapter
from wav2vec2_conformer.models.adapters import adapter_file_name, adapter_tensors, init_adapters
from wav2vec2_conformer.training.adaptation.held_statistics import (
    hold_statistics,
    release_statistics,
)
from wav2vec2_conformer.training.model_folder import replace_folder, save_model_folder


def add_language_adapter(model: Any) -> None:
    """Freeze a model but for new adapters and a new output layer.

    Batch norms use their running statistics, in training too, so that the base stays as it is
    bit for bit and fits the adapters of other languages.

    Args:
        model: CTC model with language adapters, whose output layer has the size of the new
            language's vocabulary; it is changed.

    Raises:
        ConfigurationError: It has no language adapters.
    """
    init_adapters(model)
    model.requires_grad_(requires_grad=False)
    for tensor in adapter_tensors(model).values():
        tensor.requires_grad = True
    hold_statistics(model)


def save_language(
    model: Any,
    processor: Wav2Vec2Processor,
    folder: str | Path,
    language: str,
    dtype: str = "float32",
) -> Path:
    """Write a model folder that starts with this language, and the language's file in it.

    Args:
        model: What was trained after `add_language_adapter`.
        processor: Tokenizer of the language, and feature extractor.
        folder: The folder to write, in place of an older one. `checkpoints.adapters.add_language`
            copies the language from it into a folder with others.
        language: Letters, digits, "-" and "_", such as "ara".
        dtype: What the weights of the whole model are stored in: "float32", "float16" or
            "bfloat16". The language's own file is in float32.

    Returns:
        The folder.

    Raises:
        InputError: The language's name is none, or there is no such dtype.
    """
    adapter_file_name(language)  # for its check, before anything is written
    release_statistics(model)
    folder = Path(folder)
    vocabulary = dict(processor.tokenizer.encoder)
    named = build_language_processor({language: vocabulary}, language)
    named.feature_extractor = processor.feature_extractor
    whole = save_model_folder(model, named, folder.with_name(folder.name + ".new"), dtype)
    save_adapter(model, whole, language)
    replace_folder(whole, folder)
    return folder
