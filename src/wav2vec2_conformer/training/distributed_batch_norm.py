"""Batch norm over the batches of all processes.

torch's own `SyncBatchNorm` knows no padding, and its conversion would put it in place of ours,
which leave padded frames out.

Shapes used in this file:
    B  utterances in the batch of this process
    C  channels
    T  frames, padded to the longest utterance
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wav2vec2_conformer.nn.normalization import MaskedBatchNorm1d, _statistics_are_frozen


class _SumOverProcesses(torch.autograd.Function):
    """Sum a tensor over all processes; its gradient is summed likewise."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004 - nothing to keep
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004 - nothing was kept
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SynchronizedBatchNorm1d(MaskedBatchNorm1d):
    """Batch norm whose training statistics are those of the valid frames of all processes."""

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Normalise each channel; in evaluation with the running statistics.

        Args:
            x: Input [B, C, T].
            padding_mask: True where a frame is padding, [B, T]. None means that no frame is.
        """
        if not self.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(x, padding_mask)
        exact = x.float()
        if padding_mask is None:
            valid = torch.ones_like(exact[:, :1])
        else:
            valid = (~padding_mask)[:, None, :].float()  # (B, 1, T)
        local = torch.cat([(exact * valid).sum((0, 2)), valid.sum()[None]])
        sums = _SumOverProcesses.apply(local)
        count = sums[-1].detach().clamp(min=1.0)
        mean = (sums[:-1] / count)[:, None]  # (C, 1)
        squares = ((exact - mean).square() * valid).sum((0, 2))
        variance = (_SumOverProcesses.apply(squares) / count)[:, None]
        if not _statistics_are_frozen.get():
            self._update_running_statistics(mean, variance, count)
        scale = torch.rsqrt(variance + self.eps) * self.weight[:, None]
        return ((exact - mean) * scale + self.bias[:, None]).to(x.dtype)


def synchronize_batch_norms(model: nn.Module) -> None:
    """Let the batch norms of a model take their statistics over all processes.

    Parameters and statistics stay the same tensors, so that an optimizer keeps them.

    Args:
        model: The model; changed.
    """
    for module in model.modules():
        for name, child in list(module.named_children()):
            if type(child) is MaskedBatchNorm1d:
                synchronized = SynchronizedBatchNorm1d(
                    child.num_features, eps=child.eps, momentum=child.momentum
                )
                for key, parameter in child.named_parameters(recurse=False):
                    setattr(synchronized, key, parameter)
                for key, buffer in child.named_buffers(recurse=False):
                    setattr(synchronized, key, buffer)
                setattr(module, name, synchronized.train(child.training))
