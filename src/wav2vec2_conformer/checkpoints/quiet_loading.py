"""Loading without transformers' table of weights that were left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers.utils import logging

from wav2vec2_conformer.checkpoints.head_files import HEAD_FILE


@contextmanager
def quiet_for_heads(place: str | Path) -> Iterator[None]:
    """Keep transformers quiet while a head is loaded, and only then.

    The encoder's file of a head (`head_files`) holds another head, too, which is left out.

    Args:
        place: What is loaded.
    """
    if not (Path(place) / HEAD_FILE).is_file():
        yield
        return
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
