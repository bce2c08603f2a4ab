"""Reading transformers' folders, and single files of weights with transformers' names."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from wav2vec2_conformer.checkpoints.architecture import (
    body_prefix,
    choose_model_class,
    compare_with_model,
    find_wrong_types,
    infer_architecture,
)
from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.inert import StoredTensor
from wav2vec2_conformer.checkpoints.int8_folder import INT8_FILE, restore_float
from wav2vec2_conformer.checkpoints.processor import load_feature_extractor, load_processor
from wav2vec2_conformer.checkpoints.torch_file import TorchFile
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig, Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError

_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", INT8_FILE)
_OLD_NAMES = {  # of torch's former weight norm, in the files of 2022
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
}


def read_transformers_folder(
    folder: Path, *, given: Wav2Vec2ConformerConfig | None = None
) -> Checkpoint:
    """Read a folder that `save_pretrained` wrote.

    Args:
        folder: The folder.
        given: A configuration to use in place of its config.json.

    Raises:
        CheckpointError: A file of it is missing or damaged, or of another architecture.
    """
    if given is None:
        given = read_config(folder / "config.json")
    for name in _WEIGHT_FILES:
        if (folder / name).is_file():
            files = [folder / name]
            break
        if (index := folder / f"{name}.index.json").is_file():
            files = _read_shards(index)
            break
    else:
        raise CheckpointError(f"{folder}: holds no weights ({' or '.join(_WEIGHT_FILES)}).")
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= _read_tensors(file)
    if files[0].name == INT8_FILE:
        tensors = restore_float(tensors)
    return build_checkpoint(folder, tensors, given)


def read_transformers_file(
    path: Path, tensors: dict[str, Tensor] | None = None, *, given: Wav2Vec2ConformerConfig | None
) -> Checkpoint:
    """Read a single file of weights.

    Args:
        path: The file.
        tensors: Its tensors, if they have been read already.
        given: The configuration; by default that of the config.json beside the file.

    Raises:
        CheckpointError: The file is damaged, or nothing tells its configuration.
    """
    beside = path.with_name("config.json")
    if given is None:
        if not beside.is_file():
            raise CheckpointError(
                f"{path}: weights alone do not tell the whole model (strides, activations). Put "
                "its config.json beside it, or give one: --config config.json."
            )
        given = read_config(beside)
    return build_checkpoint(path, _read_tensors(path) if tensors is None else tensors, given)


def read_config(path: Path) -> Wav2Vec2ConformerConfig:
    """Read a config.json.

    Raises:
        CheckpointError: It cannot be read, or describes no Wav2Vec2-Conformer.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as a configuration: {error}.") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: is no configuration, but a {type(values).__name__}.")
    config: Wav2Vec2ConformerConfig = Wav2Vec2ConformerConfig.from_dict(values)
    return config


def build_checkpoint(
    path: Path, tensors: dict[str, Tensor], config: Wav2Vec2ConformerConfig
) -> Checkpoint:
    """Return the checkpoint of tensors with transformers' names."""
    tensors = _rename(tensors, body_prefix(config.model_type))
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    inferred = infer_architecture(shapes, config.model_type)
    settings = config.to_dict()
    model_class, difference = compare_with_model(shapes, config)
    checkpoint = Checkpoint(
        path=path,
        source_format="transformers",
        model_class=model_class,
        config=config,
        tensors={n: t for n, t in tensors.items() if n not in difference.unexpected},
        do_normalize=True,
        # transformers leaves it out of models that never mask.
        missing=[n for n in difference.missing if not n.endswith("masked_spec_embed")],
        unmapped=difference.unexpected,
        misshapen=difference.misshapen + find_wrong_types(tensors),
        disagreements=[
            f"{name} is {settings.get(name)} in the settings, {value} by the tensors"
            for name, value in inferred.items()
            if settings.get(name) != value
        ],
        training={
            name: value
            for name, value in (getattr(config, "converted_from", None) or {}).items()
            if isinstance(name, str)
        },
    )
    _add_processor(checkpoint, path if path.is_dir() else path.parent)
    return checkpoint


def _rename(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Use today's names, and the prefix that the model class has."""
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in _OLD_NAMES.items():
            if name.endswith(f"pos_conv_embed.conv.{old}"):
                name = f"{name.removesuffix(old)}{new}"  # noqa: PLW2901
        renamed[name] = tensor
    if choose_model_class(renamed).__name__.endswith("Model"):
        return {name.removeprefix(prefix): tensor for name, tensor in renamed.items()}
    return renamed


def _read_shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index}: is no index of weights: {error}.") from error
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise CheckpointError(f"{index}: names a file outside its own folder.")
    return [index.parent / name for name in names]


def _read_tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        file = TorchFile(path)
        return tensors_of(file)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors: {error}.") from error


def tensors_of(file: TorchFile) -> dict[str, Tensor]:
    """Return the tensors of a file that holds nothing else.

    Raises:
        CheckpointError: It holds something else.
    """
    contents: Any = file.contents
    if not isinstance(contents, dict) or not all(
        isinstance(name, str) and isinstance(value, StoredTensor)
        for name, value in contents.items()
    ):
        raise CheckpointError(f"{file.path}: is no file of weights: it holds other values too.")
    return {name: file.tensor(value) for name, value in contents.items()}


def _add_processor(checkpoint: Checkpoint, folder: Path) -> None:
    has_vocabulary = (folder / "vocab.json").is_file()
    if checkpoint.has_ctc_head and has_vocabulary:
        processor = load_processor(folder)
        vocabulary = processor.tokenizer.get_vocab()
        num_outputs = checkpoint.tensors["lm_head.weight"].shape[0]
        checkpoint.vocabulary = {t: i for t, i in vocabulary.items() if i < num_outputs}
        checkpoint.do_normalize = bool(processor.feature_extractor.do_normalize)
    elif (folder / "preprocessor_config.json").is_file():
        checkpoint.do_normalize = bool(load_feature_extractor(folder).do_normalize)
    else:
        hears_samples = not isinstance(checkpoint.config, Wav2Vec2BertConfig)
        has_layer_norms = checkpoint.config.feat_extract_norm == "layer"
        checkpoint.do_normalize = hears_samples and has_layer_norms
        checkpoint.notes.append(
            "there is no preprocessor_config.json; whether audio is normalised is taken to be "
            f"{checkpoint.do_normalize}"
        )
