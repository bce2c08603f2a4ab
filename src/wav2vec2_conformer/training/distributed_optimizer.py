"""An optimizer's state that FSDP can load again: one for each parameter."""

import torch
from torch import Tensor
from torch.optim import Optimizer


@torch.no_grad()
def complete_state(optimizer: Optimizer) -> None:
    """Give each parameter without a state the one that its first update would start from.

    FSDP reads a checkpoint only if it has a state for every parameter. An optimizer makes one
    when a parameter has its first gradient, so there may be none yet: for the encoder while the
    head is trained alone, or for the vector of masked frames. The optimizers of the Adam family
    start from zeros, the count of updates included, so this changes no update.

    Args:
        optimizer: The optimizer; changed. If no parameter has a state yet, nothing happens.
    """
    made = next((state for state in optimizer.state.values() if state), None)
    if made is None:
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if not optimizer.state[parameter]:
                optimizer.state[parameter] = {
                    name: torch.zeros_like(value if value.ndim == 0 else parameter)
                    for name, value in made.items()
                    if isinstance(value, Tensor)
                }
