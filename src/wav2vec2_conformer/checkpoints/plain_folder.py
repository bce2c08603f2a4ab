"""Folders in the plainest form: everything there, nothing else, in one file of safetensors.

The bundled checkpoint is one, and most that were fine-tuned with this package. They load without
transformers' own loading, which takes longer to import than a transcript takes.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch.overrides import TorchFunctionMode

from wav2vec2_conformer.checkpoints.int8_folder import INT8_FILE
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.models.ctc_network import CtcNetwork, build_ctc_network

WEIGHT_FILE = "model.safetensors"
# What the loading of other folders would do something about.
_FURTHER_FILES = ("adapter_config.json", INT8_FILE)
_FURTHER_SETTINGS = ("quantization_config", "auto_map")
_DRAWS = ("kaiming_uniform_", "normal_", "uniform_")


class _WithoutDraws(TorchFunctionMode):
    """Leaves new weights as they are: drawing them takes time, and they are replaced at once.

    On torch's device `meta` there would be none, but computing there imports torch's compiler.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__name__", "") in _DRAWS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def read_plain_folder(folder: str | Path) -> CtcNetwork | None:
    """Load a CTC model in float32.

    Args:
        folder: A folder, or anything else that a checkpoint is named by.

    Returns:
        A network in eval mode on the CPU with the weights that `from_pretrained` would give it.
        None where the folder is not of this form, is damaged, or is of another architecture:
        `from_pretrained` loads it, or says what is wrong.
    """
    folder = Path(folder)
    weights = folder / WEIGHT_FILE
    if not weights.is_file() or any((folder / name).exists() for name in _FURTHER_FILES):
        return None
    try:
        config = Wav2Vec2ConformerConfig.from_pretrained(folder, local_files_only=True)
        if config.vocab_size is None or config._attn_implementation is not None:  # noqa: SLF001
            return None
        if any(getattr(config, name, None) is not None for name in _FURTHER_SETTINGS):
            return None
        with _WithoutDraws():
            network = build_ctc_network(config)
        with safe_open(weights, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, ValueError, SafetensorError):
        return None
    expected = network.state_dict()
    if {name: tensor.shape for name, tensor in tensors.items()} != {
        name: tensor.shape for name, tensor in expected.items()
    }:
        return None
    for name, tensor in tensors.items():
        # Copied, so that a file that changes later does not change the model.
        wanted = torch.float32 if tensor.is_floating_point() else expected[name].dtype
        tensors[name] = tensor.to(wanted, copy=True)
    network.load_state_dict(tensors, assign=True)
    config.name_or_path = str(folder)
    config.dtype = torch.float32
    return network.eval()
