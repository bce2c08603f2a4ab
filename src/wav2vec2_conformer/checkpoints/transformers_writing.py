"""Writing the folders that `from_pretrained` reads, here and in transformers."""

import copy
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2FeatureExtractor

from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.int8_folder import INT8_FILE, round_to_int8
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig, Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.nn.log_mel import SPECTRA_PER_FRAME
from wav2vec2_conformer.text.vocabulary import build_processor, write_processor


def write_transformers(
    checkpoint: Checkpoint, folder: str | Path, *, stores_int8: bool = False
) -> None:
    """Write config.json, model.safetensors and the processor's files.

    The folder appears at once, complete, in place of an older one.

    Args:
        checkpoint: What to write. Tensors are written as they are, without a change of type.
        folder: The folder.
        stores_int8: Whether to round the linear maps of the encoder's blocks to 8 bits
            (`checkpoints/int8_folder.py`), which only this package reads.

    Raises:
        CheckpointError: The vocabulary lacks tokens that a tokenizer needs.
        OSError: The folder cannot be written.
    """
    folder = Path(folder)
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        config: Any = _build_config(checkpoint)
        vars(config).pop("stored_weights", None)  # of a source in 8 bits
        if stores_int8:
            config.stored_weights = "int8"  # for those who look into config.json
        config.save_pretrained(temporary)
        _write_processor(checkpoint, temporary)
        tensors, name = _separate(checkpoint.tensors), "model.safetensors"
        if stores_int8:
            name = INT8_FILE
            tensors = round_to_int8(tensors, checkpoint.model_class, checkpoint.config)
        save_file(tensors, temporary / name, metadata={"format": "pt"})
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    remove(folder)
    temporary.rename(folder)


def remove(path: Path) -> None:
    """Delete a file or folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def limits_in_transformers(config: Wav2Vec2ConformerConfig) -> list[str]:
    """Say why transformers' own classes would compute something else; nothing if they would not."""
    foreign: list[str] = []
    if config.model_type != Wav2Vec2ConformerConfig.model_type:
        return foreign  # fairseq's own variants are variants of this type
    if config.encoder_norm != "after":
        foreign.append("the encoder's norm before its blocks")
    if config.position_embeddings_type == "convolutional":
        foreign.append("convolutional positions")
    return [
        f"only this package computes {what}; transformers' own Wav2Vec2-Conformer ignores it"
        for what in foreign
    ]


def _separate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors that share memory with others, which safetensors does not store."""
    taken: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        address = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if address in taken else tensor.contiguous()
        taken.add(address)
    return separate


def _build_config(checkpoint: Checkpoint) -> Wav2Vec2ConformerConfig:
    config: Any = copy.deepcopy(checkpoint.config)
    config.architectures = [checkpoint.model_class.__name__]
    dtypes = Counter(
        str(tensor.dtype).removeprefix("torch.")
        for tensor in checkpoint.tensors.values()
        if tensor.is_floating_point()
    )
    config.dtype = dtypes.most_common(1)[0][0]
    if checkpoint.source_format != "transformers":
        config.converted_from = {
            "format": checkpoint.source_format,
            "file": checkpoint.path.name,
            **checkpoint.training,
        }
    return config


def _write_processor(checkpoint: Checkpoint, folder: Path) -> None:
    if checkpoint.vocabulary is None:
        _build_feature_extractor(checkpoint).save_pretrained(folder)
        return
    try:
        processor = build_processor(checkpoint.vocabulary)
    except InputError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}.") from error
    if isinstance(checkpoint.config, Wav2Vec2BertConfig):
        processor.feature_extractor = _build_feature_extractor(checkpoint)
    else:
        processor.feature_extractor.do_normalize = checkpoint.do_normalize
    write_processor(processor, folder)


def _build_feature_extractor(checkpoint: Checkpoint) -> Any:
    config = checkpoint.config
    if isinstance(config, Wav2Vec2BertConfig):
        num_bands = config.feature_projection_input_dim // SPECTRA_PER_FRAME
        return SeamlessM4TFeatureExtractor(feature_size=num_bands, num_mel_bins=num_bands)
    return Wav2Vec2FeatureExtractor(
        feature_size=1,
        sampling_rate=16_000,
        padding_value=0.0,
        do_normalize=checkpoint.do_normalize,
        return_attention_mask=config.feat_extract_norm == "layer",
    )
