"""Writing fairseq's files, which fairseq, S3PRL and this package read."""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.dictionary import BLANK, END, PAD, UNKNOWN, to_symbols
from wav2vec2_conformer.checkpoints.fairseq_config import build_fairseq_config
from wav2vec2_conformer.checkpoints.key_map import to_fairseq_names
from wav2vec2_conformer.configuration import ARCHITECTURE_NAMES, Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError

# What fairseq's Conformer is, whatever its settings say.
_FIXED: list[tuple[str, tuple[Any, ...]]] = [
    ("hidden_act", ("swish", "silu")),
    ("feat_extract_activation", ("gelu",)),
    ("layer_norm_eps", (1e-5,)),
    ("add_adapter", (False,)),
    ("position_embeddings_type", ("relative", "rotary", "convolutional")),
]


def write_fairseq(checkpoint: Checkpoint, path: str | Path, *, strict: bool = True) -> None:
    """Write a file as fairseq does, as a whole or not at all.

    Args:
        checkpoint: What to write. Its vocabulary goes into the file, where fairseq looks for it.
        path: The file.
        strict: False leaves out tensors that fairseq has nothing for, such as the head of a
            classifier.

    Raises:
        CheckpointError: fairseq has no such model.
        OSError: The file cannot be written.
    """
    path = Path(path)
    contents = to_fairseq_contents(checkpoint, strict=strict)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        torch.save(contents, temporary, pickle_module=_Pickling())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def to_fairseq_contents(checkpoint: Checkpoint, *, strict: bool = True) -> dict[str, Any]:
    """Return what a file of fairseq holds for a checkpoint.

    Raises:
        CheckpointError: fairseq has no such model.
    """
    config = checkpoint.config
    _check_config(checkpoint.path, config)
    names, unmapped = to_fairseq_names(
        checkpoint.tensors,
        feat_extract_norm=config.feat_extract_norm,
        num_layers=config.num_hidden_layers,
    )
    if unmapped and strict:
        raise CheckpointError(
            f"{checkpoint.path}: fairseq has nothing for {', '.join(unmapped[:10])}. --no-strict "
            "leaves them out."
        )
    tensors: dict[str, Tensor] = OrderedDict(
        (theirs, checkpoint.tensors[ours]) for theirs, ours in names.items()
    )
    contents: dict[str, Any] = {
        "args": None,
        "cfg": build_fairseq_config(
            config,
            do_normalize=checkpoint.do_normalize,
            is_fine_tuned=checkpoint.has_ctc_head,
        ),
        "model": tensors,
        "task_state": {},
    }
    num_updates = checkpoint.training.get("num_updates")
    if num_updates is not None:
        contents["optimizer_history"] = [{"num_updates": num_updates}]
    if checkpoint.has_ctc_head and checkpoint.vocabulary is not None:
        contents["task_state"]["target_dictionary"] = Dictionary(checkpoint.vocabulary)
    return contents


def _check_config(path: Path, config: Wav2Vec2ConformerConfig) -> None:
    if config.model_type != Wav2Vec2ConformerConfig.model_type:
        raise CheckpointError(
            f"{path}: is a {ARCHITECTURE_NAMES[config.model_type]}, and fairseq's layout is "
            "written of Wav2Vec2-Conformer alone. Convert it with --to transformers."
        )
    foreign = [
        f"{name}={getattr(config, name)!r}"
        for name, allowed in _FIXED
        if getattr(config, name) not in allowed
    ]
    if foreign:
        raise CheckpointError(
            f"{path}: fairseq's Conformer cannot compute this model, because of "
            f"{', '.join(foreign)}."
        )


class Dictionary:
    """What fairseq's class of this name has as attributes.

    Args:
        vocabulary: Tokens and numbers as in transformers.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self.symbols = to_symbols(vocabulary)
        self.count = [1] * len(self.symbols)
        self.indices = {symbol: index for index, symbol in enumerate(self.symbols)}
        self.nspecial = 4
        self.bos_word, self.pad_word, self.eos_word, self.unk_word = BLANK, PAD, END, UNKNOWN
        self.bos_index, self.pad_index, self.eos_index, self.unk_index = (
            self.indices.get(symbol) for symbol in (BLANK, PAD, END, UNKNOWN)
        )


class _Pickler(pickle.Pickler):
    """Names fairseq's dictionary class in place of ours.

    A pickle names a class in two lines of text, so exchanging them changes nothing else. Python
    itself writes the names of classes that can be imported only, and fairseq's cannot.
    """

    def __init__(self, file: BinaryIO, protocol: int | None = None) -> None:
        self._file = file
        self._buffer = BytesIO()
        super().__init__(self._buffer, protocol)

    def dump(self, value: Any) -> None:
        """Write a value."""
        super().dump(value)
        ours = f"c{Dictionary.__module__}\n{Dictionary.__qualname__}\n"
        theirs = "cfairseq.data.dictionary\nDictionary\n"
        self._file.write(self._buffer.getvalue().replace(ours.encode(), theirs.encode()))


class _Pickling:
    """What `torch.save` takes for a module of pickling."""

    __name__ = "pickle"
    Pickler = _Pickler
