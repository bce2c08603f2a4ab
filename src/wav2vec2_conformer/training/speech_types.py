"""Functions that a task or an observer gives to the trainer."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

# Called with the inputs and outputs of each forward pass of training.
Observer = Callable[[Mapping[str, Any], Any], None]
# What the metrics see of a validation batch, [B, ...], from model, inputs and outputs.
Predict = Callable[[nn.Module, Mapping[str, Any], Any], Tensor]
