"""How many requests are in the house at once."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from wav2vec2_conformer.server.api_error import ApiError

# How much the newest request counts in the mean duration.
_NEW_SHARE = 0.1


class Admission:
    """Lets requests in up to a number, and refuses the others at once.

    Args:
        max_requests: How many may be in the house.

    Attributes:
        num_inside: How many are.
    """

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._mean_s = 1.0
        self.num_inside = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Be in the house for the block.

        Raises:
            ApiError: When it is full.
        """
        if self.num_inside >= self._max_requests:
            raise ApiError(
                429,
                f"the server is working on {self._max_requests} requests, as many as it takes. "
                "Try again after the time in the header Retry-After.",
                code="too_many_requests",
                # Half of those inside will be through when a mean request is.
                retry_after_s=max(1, math.ceil(self._mean_s / 2)),
            )
        self.num_inside += 1
        start = time.monotonic()
        try:
            yield
        finally:
            self.num_inside -= 1
            self._mean_s += _NEW_SHARE * (time.monotonic() - start - self._mean_s)
