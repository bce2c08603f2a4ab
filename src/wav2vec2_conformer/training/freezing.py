"""Which parts of a model are trained, when, and how fast."""

import re
from collections.abc import Callable
from typing import Any

from torch import nn
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from wav2vec2_conformer.errors import InputError

_LAYER = re.compile(r"encoder\.layers\.(\d+)\.")
# Above the layers, so they go with the head.
_ABOVE_LAYERS = re.compile(r"encoder\.layer_norm\.|adapter\.")


def freeze_parts(
    model: PreTrainedModel, *, encoder: bool = False, feature_encoder: bool = False
) -> list[nn.Module]:
    """Leave parts of a model out of training.

    Args:
        model: Bare model with a head.
        encoder: All but the head and the weights of the layers.
        feature_encoder: The convolutions on the waveform.

    Returns:
        Modules that are to stay in evaluation mode: a frozen encoder gives the head the frames
        that it gives in use, without dropout, masks or moving statistics.
    """
    if encoder:
        model.base_model.requires_grad_(requires_grad=False)
        return [model.base_model]
    if feature_encoder:
        model.base_model.feature_extractor.requires_grad_(requires_grad=False)
    return []


def layer_learning_rates(model: PreTrainedModel, decay: float) -> Callable[[str], float] | None:
    """Return the factor of the learning rate of a parameter, by its name.

    The head has 1, the top layer `decay`, the layer below it `decay` squared, and so on; the
    feature encoder and the projection have one step more than the lowest layer.

    Args:
        model: Bare model with a head.
        decay: Factor from each layer to the one below, above 0 and at most 1.

    Returns:
        The function, None where the decay is 1.

    Raises:
        InputError: The decay is out of range.
    """
    if not 0 < decay <= 1:
        raise InputError(f"layer_learning_rate_decay must be above 0 and at most 1, got {decay}")
    if decay == 1:
        return None
    num_layers: int = model.config.num_hidden_layers
    inside = f"{model.base_model_prefix}."

    def scale(name: str) -> float:
        if inside not in name or _ABOVE_LAYERS.search(name):
            return 1.0
        layer = _LAYER.search(name)
        return decay ** (num_layers + 1 if layer is None else num_layers - int(layer[1]))

    return scale


class HeadFirst(TrainerCallback):
    """Train the head alone for the first updates.

    The encoder keeps dropout and masks meanwhile, as in wav2vec 2.0's fine-tuning. Several
    processes expect a gradient of every parameter from each other: there the encoder's are
    forgotten after each batch (`forget_gradients`, which `SpeechTrainer` calls), before what is
    left is clipped.

    Args:
        model: Bare model with a head, its frozen parts frozen already.
        num_steps: So many updates; 0 does nothing.
    """

    def __init__(self, model: PreTrainedModel, num_steps: int) -> None:
        # By module and name, as FSDP puts other parameters in the place of these.
        self._held = [
            (module, name)
            for module in model.base_model.modules()
            for name, parameter in module.named_parameters(recurse=False)
            if parameter.requires_grad
        ]
        self._num_steps = num_steps

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Hold the encoder back, unless a resumed run is beyond that."""
        self._hold(args, state)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Let the encoder go when it is time."""
        if state.global_step == self._num_steps:
            self._hold(args, state)

    def forget_gradients(self, state: TrainerState) -> None:
        """Forget the gradients of the encoder while it is held back.

        Args:
            state: Of the trainer.
        """
        if state.global_step < self._num_steps:
            for module, name in self._held:
                getattr(module, name).grad = None

    def _hold(self, args: TrainingArguments, state: TrainerState) -> None:
        if args.world_size == 1:
            for module, name in self._held:
                getattr(module, name).requires_grad_(state.global_step >= self._num_steps)
