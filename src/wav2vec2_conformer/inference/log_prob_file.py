"""Log-probabilities of a long recording in a temporary file.

Shapes used in this file:
    T  frames
    V  vocabulary
"""

import contextlib
import tempfile
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError

_BYTES_PER_VALUE = 4


class LogProbFile:
    """Rows that are written once and read by slices; a context manager that removes the file.

    Reading gives new arrays, so that memory holds no more than what was asked for.

    Args:
        blocks: Blocks of float32, shape (T, V) each, of one recording in order.
        vocab_size: V, which a recording without a frame does not tell.
        name: What to call the recording in messages.

    Attributes:
        shape: Frames of all blocks, and vocabulary.

    Raises:
        AudioError: When the file cannot be written.
    """

    def __init__(
        self, blocks: Iterable[NDArray[np.float32]], *, vocab_size: int, name: str
    ) -> None:
        # Closed by __exit__; it has no name and vanishes with the process, whatever happens.
        self._file = tempfile.TemporaryFile(prefix="wav2vec2-conformer-")  # noqa: SIM115
        self.shape = (0, vocab_size)
        try:
            for block in blocks:
                self._write(block, name)
        except BaseException:
            # Closing writes what a full disk has refused before; the first error says more.
            with contextlib.suppress(OSError):
                self._file.close()
            raise

    def _write(self, block: NDArray[np.float32], name: str) -> None:
        try:
            self._file.write(np.ascontiguousarray(block, dtype=np.float32).data)
            self._file.flush()
        except OSError as error:
            raise AudioError(
                f"{name}: the model's output cannot be kept in a temporary file: {error}. It "
                f"needs {_BYTES_PER_VALUE * self.shape[1]} bytes a frame; set TMPDIR to a folder "
                "with room."
            ) from error
        self.shape = (self.shape[0] + len(block), self.shape[1])

    def __getitem__(self, frames: slice) -> NDArray[np.float32]:
        """Return a copy of consecutive rows."""
        start, end, _ = frames.indices(self.shape[0])
        rows = np.empty((max(end - start, 0), self.shape[1]), dtype=np.float32)
        if rows.size:
            self._file.seek(start * self.shape[1] * _BYTES_PER_VALUE)
            self._file.readinto(rows.data.cast("B"))
        return rows

    def __enter__(self) -> Self:
        """Return the rows."""
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the file."""
        self._file.close()
