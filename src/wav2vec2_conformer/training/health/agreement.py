"""What the processes of a distributed run do together."""

import torch

from wav2vec2_conformer.training.health.actions import Action

_BY_SEVERITY: tuple[Action, ...] = ("ignore", "warn", "roll_back", "stop")


def agree_on_most_severe(action: Action, device: torch.device | str) -> Action:
    """Return the most severe action that any process wants; each must call it.

    A process that stopped or rolled back alone would leave the others waiting for ever.

    Args:
        action: What this process wants.
        device: Where its tensors are.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return action
    severity = torch.tensor(_BY_SEVERITY.index(action), device=device)
    torch.distributed.all_reduce(severity, op=torch.distributed.ReduceOp.MAX)
    return _BY_SEVERITY[int(severity)]
