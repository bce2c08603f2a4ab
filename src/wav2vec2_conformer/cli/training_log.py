"""The log of the training commands."""

import logging
import sys


def log_to_stderr() -> None:
    """Send the package's log to stderr, with the time of day."""
    logger = logging.getLogger("wav2vec2_conformer")
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.handlers[:] = [handler]
