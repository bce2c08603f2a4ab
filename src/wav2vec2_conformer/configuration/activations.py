"""Activations by the names that configurations give them: those of transformers' table.

transformers' own table comes with most of transformers, which takes longer than a transcript. So
the common ones are known here, and the table is looked at for others.
"""

from torch import nn

_COMMON: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
}


def is_activation(name: object) -> bool:
    """Whether there is an activation of this name."""
    return isinstance(name, str) and (name in _COMMON or name in activation_names())


def activation_names() -> list[str]:
    """Return the names of all activations, sorted."""
    from transformers.activations import ACT2FN  # noqa: PLC0415 - slow, see above

    return sorted(ACT2FN)


def activation_called(name: str) -> nn.Module:
    """Return a new module of the activation with a name that `is_activation` knows."""
    if name in _COMMON:
        return _COMMON[name]()
    from transformers.activations import ACT2FN  # noqa: PLC0415 - slow, see above

    activation: nn.Module = ACT2FN[name]
    return activation
