"""Batch norms that keep their running statistics while the weights around them are trained.

A base model whose weights are frozen still changes in training: each forward pass moves the
running mean and variance of its batch norms. What is trained on top would then belong to
statistics that no other user of the base has.
"""

from typing import Any

from torch import nn


def hold_statistics(model: nn.Module) -> None:
    """Let all batch norms of a model use their running statistics, in training too.

    Lasts until `release_statistics`, whatever `train()` is called meanwhile, in any trainer.

    Args:
        model: The model; it is changed.
    """
    for batch_norm in _batch_norms(model):
        if not _is_held(batch_norm):
            batch_norm.register_forward_pre_hook(_use_running_statistics)


def release_statistics(model: nn.Module) -> None:
    """Undo `hold_statistics`."""
    for batch_norm in _batch_norms(model):
        hooks = batch_norm._forward_pre_hooks  # noqa: SLF001 - torch has no public list of them
        for key in [key for key, hook in hooks.items() if hook is _use_running_statistics]:
            del hooks[key]
        batch_norm.train(model.training)


def _batch_norms(model: nn.Module) -> list[nn.Module]:
    return [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - base of all kinds
    ]


def _is_held(batch_norm: nn.Module) -> bool:
    return _use_running_statistics in batch_norm._forward_pre_hooks.values()  # noqa: SLF001


def _use_running_statistics(batch_norm: nn.Module, inputs: Any) -> None:  # noqa: ARG001
    batch_norm.training = False
