"""Reading fairseq's and S3PRL's files.

The state dict is under `model` (S3PRL: `model_weight`), the configuration under `cfg` or `args`
(`model_cfg`, `task_cfg`), and a fine-tuned model's dictionary under `task_state`, if at all.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wav2vec2_conformer.checkpoints.architecture import (
    compare_with_model,
    find_wrong_types,
    infer_architecture,
)
from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.dictionary import stored_vocabulary
from wav2vec2_conformer.checkpoints.fairseq_config import (
    read_architecture,
    read_training_settings,
)
from wav2vec2_conformer.checkpoints.inert import StoredTensor
from wav2vec2_conformer.checkpoints.key_map import to_our_names
from wav2vec2_conformer.checkpoints.stored_config import StoredConfig, read_stored_config
from wav2vec2_conformer.checkpoints.torch_file import TorchFile
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.nn.positions import RotaryPositions

_INV_FREQ = "encoder.embed_positions.inv_freq"


def read_fairseq(file: TorchFile, *, given: Wav2Vec2ConformerConfig | None = None) -> Checkpoint:
    """Read a file of fairseq or S3PRL, with the dictionary in it, if there is one.

    Args:
        file: The file.
        given: A configuration for what a file without one leaves open.

    Raises:
        CheckpointError: It is no Wav2Vec2-Conformer, or its configuration is not known.
    """
    contents = file.contents
    is_s3prl = "model_weight" in contents
    state = contents.get("model_weight" if is_s3prl else "model", contents)
    stored_tensors = _require_tensors(state, file.path)
    names, unmapped = to_our_names(stored_tensors)
    tensors: dict[str, Tensor] = {}
    notes: list[str] = []
    disagreements: list[str] = []
    for theirs, ours in names.items():
        tensor = file.tensor(stored_tensors[theirs])
        if ours in tensors and not torch.equal(tensors[ours], tensor):
            disagreements.append(f"{theirs} differs from that of the blocks before it")
        tensors[ours] = tensor
    if (difference_of_frequencies := _compare_frequencies(tensors)) is not None:
        notes.append(difference_of_frequencies)
    stored = read_stored_config(contents)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    config, differences = _build_config(
        file.path, shapes | dict.fromkeys(unmapped, ()), stored, given
    )
    model_class, difference = compare_with_model(shapes, config)
    is_normalized = stored.task.get("normalize")
    if not isinstance(is_normalized, bool):
        is_normalized = config.feat_extract_norm == "layer"  # so in all released models
        notes.append(f"the file does not say whether audio is normalised; taken: {is_normalized}")
    by_ours = {ours: theirs for theirs, ours in names.items()}
    checkpoint = Checkpoint(
        path=file.path,
        source_format="s3prl" if is_s3prl else "fairseq",
        model_class=model_class,
        config=config,
        tensors={n: t for n, t in tensors.items() if n not in difference.unexpected},
        do_normalize=is_normalized,
        missing=difference.missing,
        unmapped=unmapped + [by_ours[name] for name in difference.unexpected],
        misshapen=difference.misshapen + find_wrong_types(tensors),
        disagreements=disagreements + differences,
        notes=notes,
        training=stored.training,
    )
    vocabulary = stored_vocabulary(contents) if checkpoint.has_ctc_head else None
    if vocabulary is not None:
        checkpoint.set_vocabulary(vocabulary, "the dictionary inside")
    return checkpoint


def _require_tensors(state: Any, path: Path) -> dict[str, StoredTensor]:
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"{path}: holds no weights where fairseq keeps them (`model`).")
    others = [name for name, value in state.items() if not isinstance(value, StoredTensor)]
    if others or not all(isinstance(name, str) for name in state):
        found = ", ".join(str(name)[:60] for name in others[:10] if isinstance(name, str))
        raise CheckpointError(
            f"{path}: holds no weights of a model, but: {found or 'nothing that has a name'}."
        )
    return state


def _build_config(
    path: Path,
    shapes: dict[str, tuple[int, ...]],
    stored: StoredConfig,
    given: Wav2Vec2ConformerConfig | None,
) -> tuple[Wav2Vec2ConformerConfig, list[str]]:
    """Return the configuration, and where settings and tensors say different things."""
    try:
        inferred = infer_architecture(shapes)
        settings = read_architecture(stored)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}.") from error
    unknown = sorted(
        {"conv_stride", "encoder_norm", "num_attention_heads", "position_embeddings_type"}
        - (inferred.keys() | settings.keys())
    )
    if unknown and given is None:
        raise CheckpointError(
            f"{path}: neither its settings nor its tensors tell {', '.join(unknown)}. Give a "
            "config.json that does: --config config.json, such as that of the released model on "
            "which it is based."
        )
    fields: dict[str, Any] = {
        "hidden_act": "swish",  # whatever fairseq's activation_fn says: its Conformer ignores it
        "ctc_loss_reduction": "sum",
        "ctc_zero_infinity": True,
        "output_hidden_size": None,
    }
    if given is not None:
        fields = {**given.to_dict(), **fields, "hidden_act": given.hidden_act}
    fields |= read_training_settings(stored) | settings | inferred
    differences = [
        f"{name} is {settings[name]} in the settings, {value} by the tensors"
        for name, value in inferred.items()
        if name in settings and settings[name] != value
    ]
    return Wav2Vec2ConformerConfig(**fields), differences


def _compare_frequencies(tensors: dict[str, Tensor]) -> str | None:
    """Say how the rotary frequencies of the file differ from the formula's; None: they do not."""
    found = next((t for name, t in tensors.items() if name.endswith(_INV_FREQ)), None)
    if found is None:
        return None
    exact = RotaryPositions(2 * len(found)).frequencies()
    if torch.equal(found.float(), exact):
        return None
    for dtype in (torch.float16, torch.bfloat16):
        if torch.equal(found.float(), exact.to(dtype).float()):
            name = str(dtype).removeprefix("torch.")
            return (
                f"the rotary frequencies (inv_freq) were rounded to {name}. Files keep them so; "
                "this package computes with the exact ones"
            )
    largest = float((found.float() - exact).abs().max())
    return (
        f"the rotary frequencies (inv_freq) differ from the formula by up to {largest:.2g} and are "
        "taken from the file"
    )
