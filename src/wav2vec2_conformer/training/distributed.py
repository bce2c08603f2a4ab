"""What training by several processes needs of a model and of the trainer's arguments.

Every parameter must have a place in every forward pass, so that no process waits for a gradient
that does not come: blocks that layer drop skips are computed all the same (`nn/encoder.py`), and
the vector that masked frames become is kept in the graph here. `find_unused_parameters`, which
walks through the graph in each pass, is not needed then.
"""

import logging
import warnings
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.nn.unused_convolution import UnusedPositionalConvolution
from wav2vec2_conformer.training.distributed_batch_norm import synchronize_batch_norms
from wav2vec2_conformer.training.distributed_skipping import SkippedUpdates
from wav2vec2_conformer.training.distributed_statistics import AveragedStatistics


class ProcessHooks(NamedTuple):
    """What the trainer calls when there are several processes.

    Attributes:
        skipped: To be the first callback, and an observer.
        callbacks: To come after those of the task.
    """

    skipped: SkippedUpdates
    callbacks: list[TrainerCallback]


def prepare_processes(
    model: Any, arguments: TrainingArguments, *, sync_batch_norm: bool = False
) -> ProcessHooks:
    """Make a model and the trainer's arguments ready for several processes.

    Args:
        model: Model of this package, or a `PeftModel` around one; changed.
        arguments: Of the trainer; changed.
        sync_batch_norm: Let batch norms take their statistics over the batches of all
            processes, which costs two exchanges a block in each direction.

    Returns:
        What the trainer is to call.

    Raises:
        InputError: LoRA is to be sharded (FSDP), whose result could not be put together.
    """
    if hasattr(model, "peft_config") and getattr(arguments, "fsdp", None):
        raise InputError(
            "LoRA is not trained with FSDP here: what is trained is small, so that plain data "
            "parallelism (leave out fsdp) is enough unless the base does not fit into a device"
        )
    plain: PreTrainedModel = model.get_base_model() if hasattr(model, "peft_config") else model
    arguments.ddp_find_unused_parameters = False
    # Running statistics differ between processes until `AveragedStatistics` has met them.
    arguments.ddp_broadcast_buffers = False
    # torch 2.13 has another name for it, which accelerate does not know yet.
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
    if getattr(arguments, "fsdp", None):
        # accelerate asks for it, and `PreTrainedModel` raises where there is none.
        plain.get_input_embeddings = lambda: None
    # accelerate shards by block and insists that every class of this list is there.
    plain._no_split_modules = sorted(  # noqa: SLF001 - accelerate reads it
        {type(layer).__name__ for layer in plain.base_model.encoder.layers}
    )
    if arguments.process_index > 0:  # what all would say is said once
        logging.getLogger("wav2vec2_conformer").setLevel(logging.WARNING)
    for module in plain.modules():
        if isinstance(module, UnusedPositionalConvolution):
            module.requires_grad_(requires_grad=False)  # loading has thawed it
    plain.base_model.feature_projection.register_forward_hook(
        partial(_add_nothing_of_embedding, plain.base_model)
    )
    if sync_batch_norm:
        synchronize_batch_norms(model)
    return ProcessHooks(SkippedUpdates(), [AveragedStatistics(), UnusedMaskEmbedding(plain)])


class UnusedMaskEmbedding(TrainerCallback):
    """Forget the gradient of the vector of masked frames where no frame was masked.

    It is zero then, for the sake of the other processes; a single process has none at all, and
    its optimizer passes the vector over.

    Args:
        model: Model of this package.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._base: Any = model.base_model

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Forget it."""
        embedding: nn.Parameter = self._base.masked_spec_embed  # FSDP has put its own there
        gradient: Any = embedding.grad
        if gradient is None:
            return
        whole: Tensor = gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient
        if not bool(whole.any()):
            embedding.grad = None


def _add_nothing_of_embedding(
    base: Any,
    projection: nn.Module,
    inputs: Any,  # noqa: ARG001 - hooks get them
    outputs: Any,
) -> Any:
    """Add zero times the vector to the projected features, the first of the outputs."""
    if not projection.training:
        return outputs
    nothing = 0.0 * base.masked_spec_embed.sum()
    if isinstance(outputs, Tensor):
        return outputs + nothing.to(outputs.dtype)
    return (outputs[0] + nothing.to(outputs[0].dtype), *outputs[1:])
