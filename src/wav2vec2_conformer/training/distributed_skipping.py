"""Updates that all processes leave out because one of them met what is not finite."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

logger = logging.getLogger(__name__)


class SkippedUpdates(TrainerCallback):
    """Leave out an update if loss or gradient is not finite in any process.

    Gradients are averaged over processes, so one infinite loss spoils the update of all. They
    ask each other before each update and leave it out together: parameters, optimizer and
    running statistics stay as they are, and the learning rate goes on. An instance is also an
    observer of the trainer, which tells it the losses. With fp16, the loss scaler leaves
    updates out; then only the statistics are put back.
    """

    def __init__(self) -> None:
        self.num_skipped = 0
        self._is_loss_bad: Tensor | None = None
        self._statistics: list[tuple[Tensor, Tensor]] = []

    def __call__(self, inputs: Mapping[str, Any], outputs: Any) -> None:  # noqa: ARG002
        """Take note of the loss of a batch."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs[0]
        if isinstance(loss, Tensor):
            is_bad = ~loss.detach().isfinite().all()
            self._is_loss_bad = is_bad if self._is_loss_bad is None else self._is_loss_bad | is_bad

    def on_step_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        model: nn.Module | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Keep the running statistics of batch norms, to put them back."""
        self._is_loss_bad = None
        self._statistics = [
            (buffer, buffer.clone())
            for module in ([] if model is None else model.modules())
            if isinstance(module, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - base of all
            for buffer in module.buffers(recurse=False)
        ]

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        model: nn.Module | None = None,
        optimizer: Optimizer | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Ask all processes; take the gradients away, without which an optimizer does nothing."""
        if model is None or optimizer is None:
            return
        bad = self._find_bad(model, args.device)
        if not bad:
            return
        self.num_skipped += 1
        with torch.no_grad():
            for buffer, kept in self._statistics:
                buffer.copy_(kept)
        if getattr(optimizer, "scaler", None) is None:
            optimizer.zero_grad(set_to_none=True)
        if args.process_index == 0:
            logger.warning(
                "update %d: left out in all processes, as loss or gradient is not finite in "
                "process %s",
                state.global_step + 1,
                ", ".join(map(str, bad)),
            )

    def _find_bad(self, model: nn.Module, device: torch.device) -> list[int]:
        """Return the processes whose loss is not finite, or else whose gradients are not."""
        loss = torch.zeros((), dtype=torch.bool, device=device)
        if self._is_loss_bad is not None:
            loss = self._is_loss_bad.to(device)
        gradients = [_local(p.grad) for p in model.parameters() if p.grad is not None]
        gradient = torch.zeros((), dtype=torch.bool, device=device)
        if gradients:
            # A sum is as finite as what is summed up, and takes a tenth of the time of a look
            # at each number.
            sums = [g.sum(dtype=torch.promote_types(g.dtype, torch.float32)) for g in gradients]
            gradient = ~torch.stack(sums).isfinite().all()
        own = torch.stack([loss, gradient]).to(torch.int32)
        if dist.is_initialized() and dist.get_world_size() > 1:
            everyone = [torch.empty_like(own) for _ in range(dist.get_world_size())]
            dist.all_gather(everyone, own)
        else:
            everyone = [own]
        table = torch.stack(everyone).tolist()  # (processes, 2)
        losses = [index for index, row in enumerate(table) if row[0]]
        return losses or [index for index, row in enumerate(table) if row[1]]


def _local(gradient: Tensor) -> Tensor:
    """Return this process's part of a sharded gradient."""
    part: Tensor = gradient.to_local() if hasattr(gradient, "to_local") else gradient
    return part
