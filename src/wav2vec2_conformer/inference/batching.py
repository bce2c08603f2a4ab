"""Batches of similar length."""

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], max_length: float) -> list[list[int]]:
    """Group items so that each batch, padded to its longest item, stays within a length.

    Args:
        lengths: Length of each item.
        max_length: Largest padded length of a batch (items times the longest). An item longer
            than that is a batch of its own.

    Returns:
        Positions in `lengths`, longest items first. Each position occurs once.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        # The first item of a batch is its longest.
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= max_length:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
