"""Whether chance explains that one system makes fewer errors than another.

Approximate randomization: if two systems were equally good, each unit's results might as well
carry the other system's name. So names are swapped at random, many times, and the p-value is
how often that gives a difference as large as the one that was found. The test asks nothing
of the distribution of errors, and swaps whole speakers where errors of a speaker go together.

Papers: Noreen 1989, "Computer-intensive methods for testing hypotheses"; Riezler and Maxwell
2005, "On some pitfalls in automatic evaluation and significance testing for MT",
https://aclanthology.org/W05-0908.
"""

import numpy as np
from numpy.typing import NDArray

NUM_PERMUTATIONS = 9999
SIGNIFICANT_P = 0.05
_BLOCK_SIZE = 2_000_000


def paired_p_value(
    differences: NDArray[np.int64],
    *,
    num_permutations: int = NUM_PERMUTATIONS,
    seed: int = 0,
) -> float:
    """Test whether paired differences add up to more than chance would make of them.

    Args:
        differences: Errors of one system minus those of the other, for each unit.
        num_permutations: Random swaps. Where no more are possible, each is made once.
        seed: Of the swaps.

    Returns:
        The two-sided p-value: (1 + swaps with a difference as large) / (1 + swaps), the 1 for
        the result itself, which is one of all possible swaps; 1 where the systems do not differ.
    """
    # A unit without a difference has the same one after a swap.
    differences = differences[differences != 0]
    found = abs(int(differences.sum()))
    # Sums of whole numbers are exact in float64, and matrix products of it are fast.
    sizes = differences.astype(np.float64)
    if found == 0:
        return 1.0
    if 2 ** len(differences) <= num_permutations:
        # All swaps are few enough: bit i of a number says whether unit i is swapped.
        numbers = np.arange(2 ** len(differences))[:, None]
        signs = (numbers >> np.arange(len(differences)) & 1) * 2 - 1
        return float((np.abs(signs @ sizes) >= found).mean())
    rng = np.random.default_rng(seed)
    num_as_large = 0
    block = max(1, _BLOCK_SIZE // len(differences))
    for first in range(0, num_permutations, block):
        size = (min(block, num_permutations - first), len(differences))
        signs = rng.integers(2, size=size, dtype=np.int8) * 2 - 1
        num_as_large += int((np.abs(signs @ sizes) >= found).sum())
    return (1 + num_as_large) / (1 + num_permutations)
