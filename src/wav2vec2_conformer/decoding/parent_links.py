"""Trees as arrays of parents: which rows are still needed, and which all of them share.

Rows are added after their parents, so a parent's number is the smaller one; row 0 is the root
and its own parent.
"""

import numpy as np
from numpy.typing import NDArray


def find_needed(parents: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return some rows and all their ancestors, the root among them, ascending.

    Args:
        parents: Parent of each row.
        rows: The rows to reach.
    """
    needed = [False] * len(parents)
    needed[0] = True
    for row in rows.tolist():
        needed[row] = True
    links = parents.tolist()
    for row in range(len(links) - 1, 0, -1):
        if needed[row]:
            needed[links[row]] = True
    return np.flatnonzero(needed)


def find_trunk(
    parents: NDArray[np.int64], rows: NDArray[np.int64], needed: NDArray[np.int64]
) -> list[int]:
    """Return the rows from the root to the last one that lies on every path.

    Args:
        parents: Parent of each row.
        rows: Ends of the paths.
        needed: Result of `find_needed` for them.
    """
    ends = set(rows.tolist())
    num_children: dict[int, int] = {}
    only_child: dict[int, int] = {}
    for row in needed[1:].tolist():
        parent = int(parents[row])
        num_children[parent] = num_children.get(parent, 0) + 1
        only_child[parent] = row
    trunk = [0]
    while num_children.get(trunk[-1]) == 1 and trunk[-1] not in ends:
        trunk.append(only_child[trunk[-1]])
    return trunk


def number_rows(kept: NDArray[np.int64], num_rows: int) -> NDArray[np.int64]:
    """Return the new number of each row when some are kept in their order; else -1.

    The result has one entry more, so that the number -1 stays -1 too.

    Args:
        kept: Rows, ascending.
        num_rows: How many rows there were.
    """
    numbers = np.full(num_rows + 1, -1, dtype=np.int64)
    numbers[kept] = np.arange(len(kept))
    return numbers
