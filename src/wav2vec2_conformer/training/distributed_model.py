"""A model whose weights lie in parts in several processes (FSDP2), put together again."""

import copy
from typing import Any

from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule


def whole_model(model: Any) -> Any:
    """Return a plain model with all weights, on the CPU; a model that is whole as it is.

    Every process has to call this, as each sends its part.

    Args:
        model: A trained model.

    Returns:
        In the first process the whole model; in others the given one.
    """
    if not isinstance(model, FSDPModule):
        return model
    sharded: Any = model
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_model_state_dict(sharded, options=options)
    if not state:  # all of it is in the first process
        return model
    # FSDP has put a class of its own before the model's.
    model_class: Any = next(c for c in type(model).__mro__ if not issubclass(c, FSDPModule))
    config: Any = copy.deepcopy(sharded.config)
    whole = model_class(config)
    whole.load_state_dict(state)
    return whole.eval()
