"""An exported CTC model in place of one of torch.

Shapes used in this file:
    B  windows in a batch
    L  samples (of models of log-mel features: frames, and their features)
    T  frames
    V  vocabulary
"""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import CausalLMOutput

from wav2vec2_conformer.checkpoints.graph_file import ONNX_INT8_NAME, find_graph
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig, Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference.exported_folder import Graph, Runtime, open_graph
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC

MASK_NAME, LOGITS_NAME = "attention_mask", "logits"


class ExportedCtc:
    """A graph with what recognition asks of a CTC model: logits, lengths, configuration.

    Args:
        graph: Takes inputs and `attention_mask`, gives `logits`.
        config: Configuration of the model that the graph was made of.
        name: What to call it in messages.

    Attributes:
        config: As given.
        device: Where inputs are wanted: the CPU.
        dtype: In which precision: float32.
        lm_head: Says the size of the vocabulary.

    Raises:
        CheckpointError: The graph takes or gives something else.
    """

    def __init__(self, graph: Graph, config: Wav2Vec2ConformerConfig, name: str) -> None:
        self.config = config
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self.lm_head = SimpleNamespace(out_features=config.vocab_size)
        self._graph = graph
        self._name = name
        inputs = [known for known in graph.input_names if known != MASK_NAME]
        if len(inputs) != 1 or MASK_NAME not in graph.input_names:
            raise CheckpointError(
                f"{name}: the graph must take one input and {MASK_NAME}, without which padding "
                f"would change results, but takes {', '.join(graph.input_names)}. Export it with "
                "wav2vec2-conformer export."
            )
        if LOGITS_NAME not in graph.output_names:
            raise CheckpointError(
                f"{name}: the graph must give {LOGITS_NAME}, but gives "
                f"{', '.join(graph.output_names)}. It is of another task or program."
            )
        self._input_name = inputs[0]
        self._front = _build_front(config)

    def __call__(
        self, input_values: Tensor, attention_mask: Tensor, *, return_dict: bool = True
    ) -> CausalLMOutput:
        """Return logits of shape (B, T, V); those of padded frames have no meaning.

        Args:
            input_values: Waveforms (B, L) or features (B, L, C), float32.
            attention_mask: 1 where valid, (B, L).
            return_dict: True, which torch's models need to be told.
        """
        inputs = {
            self._input_name: input_values.numpy(),
            MASK_NAME: attention_mask.numpy().astype(np.int64),
        }
        logits = torch.from_numpy(self._graph.run(inputs)[LOGITS_NAME])
        result = CausalLMOutput(logits=logits)
        return result if return_dict else result.to_tuple()

    @property
    def base_model(self) -> Any:
        """What makes log-mel features, of models that hear them.

        Raises:
            CheckpointError: The model hears waveforms, and its encoder is inside the graph.
        """
        if not isinstance(self.config, Wav2Vec2BertConfig):
            raise self._refuse("its encoder is needed on its own")
        return self._front.base_model

    def load_adapter(self, target_lang: str) -> None:
        """Refuse another language.

        Raises:
            CheckpointError: In any case.
        """
        raise self._refuse(f"the adapter of {target_lang!r} cannot be loaded")

    def _get_feat_extract_output_lengths(self, input_lengths: Tensor | int) -> Tensor:
        """Return how many frames come of how many samples."""
        return self._front._get_feat_extract_output_lengths(input_lengths)  # noqa: SLF001

    def _refuse(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"{self._name}: {what}, which an exported model does not offer. Use the checkpoint "
            "that it was made of."
        )


def load_exported_ctc(
    place: str | Path,
    runtime: Runtime,
    *,
    device: str = "cpu",
    compute_type: str = "float32",
    target_lang: str | None = None,
) -> tuple[ExportedCtc, Any]:
    """Load an exported folder.

    Args:
        place: The folder, with the files of the configuration and the processor.
        runtime: `onnx` or `openvino`, as `choose_runtime` returned it.
        device: `auto` or `cpu`.
        compute_type: `float32`, which is any exported model's type at its ends, or `int8` for a
            quantized one.
        target_lang: None: the language was chosen with the export.

    Returns:
        The model and its processor.

    Raises:
        CheckpointError: It is of another task, or its files cannot be read.
        InputError: Another device, type or language is asked for.
        MissingExtraError: The runtime is not installed.
    """
    folder = Path(place)
    path = find_graph(folder)
    if path is None:
        raise CheckpointError(f"{folder}: holds no exported model.")
    if device not in {"auto", "cpu"}:
        raise InputError(f"{folder}: exported models run on the CPU here, not on {device!r}.")
    if compute_type not in {"float32", *(["int8"] if path.name == ONNX_INT8_NAME else [])}:
        raise InputError(
            f"{folder}: the precision of an exported model was chosen with the export, so "
            f"compute_type {compute_type!r} has no use here. Leave it out, or export again "
            "(--int8)."
        )
    if target_lang is not None:
        raise InputError(
            f"{folder}: an exported model has one language, so target_lang {target_lang!r} has "
            "no use here. Use the checkpoint that it was made of."
        )
    try:
        config = Wav2Vec2ConformerForCTC.class_for(
            _read_model_type(folder)
        ).config_class.from_pretrained(folder)
    except OSError as error:
        raise CheckpointError(f"{folder}: config.json cannot be read: {error}") from error
    task = (config.architectures or ["an unnamed model"])[0]
    if not task.endswith("ForCTC"):
        raise CheckpointError(
            f"{folder}: is an exported {task}, and transcripts need one with a CTC head."
        )
    return ExportedCtc(open_graph(path, runtime), config, str(folder)), load_processor(folder)


def _read_model_type(folder: Path) -> str:
    values, _ = Wav2Vec2ConformerConfig.get_config_dict(folder)
    return str(values.get("model_type", Wav2Vec2ConformerConfig.model_type))


def _build_front(config: Wav2Vec2ConformerConfig) -> Any:
    """Return a model of one block and without memory, which knows lengths and features."""
    small = copy.deepcopy(config)
    small.num_hidden_layers = 1
    with torch.device("meta"):
        return Wav2Vec2ConformerForCTC.class_for(config.model_type)(small).eval()
