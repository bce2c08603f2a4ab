"""Running statistics of batch norms that are the same in every process."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class AveragedStatistics(TrainerCallback):
    """After each update, give all processes the mean of their running statistics.

    Each process moves its own by the batches it sees. Without this, evaluation would differ
    from process to process, and a checkpoint would know the batches of the first one alone.
    """

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        model: nn.Module | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Average."""
        if model is not None:
            average_statistics(model)


def running_statistics(model: nn.Module) -> list[Tensor]:
    """Return the running means and variances of a model's batch norms."""
    return [
        statistic
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - base of all kinds
        for statistic in (module.running_mean, module.running_var)
        if statistic is not None
    ]


@torch.no_grad()
def average_statistics(model: nn.Module) -> None:
    """Average the running statistics of a model over all processes, in one exchange.

    Args:
        model: The model; changed. In a single process nothing happens.
    """
    statistics = running_statistics(model)
    if not statistics or not dist.is_initialized() or dist.get_world_size() == 1:
        return
    joined = torch.cat([statistic.flatten().float() for statistic in statistics])
    dist.all_reduce(joined)
    joined /= dist.get_world_size()
    sizes = [statistic.numel() for statistic in statistics]
    for statistic, mean in zip(statistics, joined.split(sizes), strict=True):
        statistic.copy_(mean.view_as(statistic))
