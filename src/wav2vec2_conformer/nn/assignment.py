"""Which output goes with which target, so that the costs are least.

Shapes used in this file:
    B  recordings in the batch
    S  outputs, and as many targets
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wav2vec2_conformer.errors import InputError

# The search visits every set of targets: 4,096 of them.
MAX_OUTPUTS = 12


def find_assignment(costs: Float[Tensor, "B S S"]) -> Int[Tensor, "B S"]:
    """Return the target of each output in the one-to-one assignment of least total cost.

    Exact: dynamic programming over sets of targets (Held & Karp 1962), in 2^S steps for the
    whole batch, where enumerating permutations would take S!.

    Args:
        costs: Cost of giving output i (row) target j (column); finite.

    Raises:
        InputError: There are more than 12 outputs, or a cost is not finite.
    """
    num_outputs = costs.shape[1]
    if num_outputs > MAX_OUTPUTS:
        raise InputError(
            f"at most {MAX_OUTPUTS} outputs can be assigned, but there are {num_outputs}"
        )
    device = costs.device
    costs = costs.detach().double().cpu()  # thousands of tiny steps: no work for a GPU
    if not costs.isfinite().all():
        raise InputError("outputs cannot be assigned: a cost is not finite (the model diverged)")
    num_sets = 1 << num_outputs
    # least[s]: cost of giving the first |s| outputs the targets in s; choice: the last one's.
    least = torch.zeros(num_sets, len(costs), dtype=torch.double)
    choice = torch.zeros(num_sets, len(costs), dtype=torch.long)
    for targets in range(1, num_sets):
        members = [j for j in range(num_outputs) if targets >> j & 1]
        rest = [targets & ~(1 << j) for j in members]
        total = least[rest] + costs[:, len(members) - 1, members].T
        least[targets], best = total.min(dim=0)
        choice[targets] = torch.tensor(members)[best]
    assignment = torch.empty(len(costs), num_outputs, dtype=torch.long)
    rows = torch.arange(len(costs))
    remaining = torch.full((len(costs),), num_sets - 1)
    for output in reversed(range(num_outputs)):
        assignment[:, output] = choice[remaining, rows]
        remaining = remaining & ~(1 << assignment[:, output])
    return assignment.to(device)
