"""Keeping freed memory in the process, for training on a CPU.

A training step frees a gigabyte of activations, and the next one asks for it again. glibc hands
large blocks back to the system at once, which has to find and clear each page anew: 250,000 pages
and 5 % of the processor time of a step of pre-training (6 layers of 512, 40 s of audio).
"""

import ctypes
import sys

# From malloc.h of glibc: above the first size memory at the end of the heap is given back, above
# the second a block gets memory of its own, which is given back when the block is freed.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**31 - 1  # the greatest value that mallopt takes


def keep_freed_memory() -> bool:
    """Make the allocator of this process keep what is freed, for the rest of its life.

    Resident memory then stays at its peak, which it would come back to in the next step.

    Returns:
        Whether there is such an allocator: glibc's. With another nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    results = [mallopt(which, _KEPT_BYTES) for which in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD)]
    return all(results)
