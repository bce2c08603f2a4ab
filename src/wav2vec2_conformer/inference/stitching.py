"""The log-probabilities of a recording's windows, joined to one stream.

Shapes used in this file:
    L  samples
    T  frames
    V  vocabulary
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.inference.batching import LOOK_AHEAD_BATCHES
from wav2vec2_conformer.inference.joint import find_shared_joint
from wav2vec2_conformer.inference.log_probs import run_windows
from wav2vec2_conformer.inference.windows import Window, Windowing, iter_windows
from wav2vec2_conformer.models.ctc_network import CtcNetwork
from wav2vec2_conformer.nn.log_mel import BandMoments

# Log-probability of what is not said where nobody speaks: nothing, and still finite.
_SURELY_NOT = -100.0
_SILENCE_FRAMES = 1_000


class Stitcher:
    """Puts windows' log-probabilities in order, and silence where there is no window.

    Among the frames that two windows share, the later one takes over where both hear nothing.
    Silence is blank, and one frame in each stretch of it ends the word before.

    Args:
        num_tokens: Size of the vocabulary.
        blank_id: Number of the CTC blank.
        delimiter_id: Number of the token between words; None where there is none.
    """

    def __init__(self, num_tokens: int, *, blank_id: int, delimiter_id: int | None = None) -> None:
        self._num_tokens = num_tokens
        self._blank_id = blank_id
        self._delimiter_id = delimiter_id
        self._silent_ids = [blank_id] if delimiter_id is None else [blank_id, delimiter_id]
        self._num_frames = 0
        self._shared: NDArray[np.float32] | None = None  # with the next window, by the last one
        self._expected: deque[int] = deque()  # first kept frames, which name the windows
        self._ready: dict[int, tuple[int, int, NDArray[np.float32]]] = {}  # with its spare frames

    def expect(self, windows: Sequence[Window]) -> None:
        """Announce the next windows, in order; `add` may bring them in any."""
        self._expected.extend(window.start_frame for window in windows)

    def add(self, window: Window, log_probs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take the kept and spare frames of an expected window; yield what is now complete."""
        spare = (window.spare_before, window.spare_after)
        self._ready[window.start_frame] = (*spare, log_probs)
        while self._expected and self._expected[0] in self._ready:
            start_frame = self._expected.popleft()
            spare_before, spare_after, told = self._ready.pop(start_frame)
            yield from self._fill(start_frame - spare_before)
            ready = self._join(told, spare_before, spare_after)
            self._num_frames += len(ready)
            yield ready

    def finish(self, num_frames: int) -> Iterator[NDArray[np.float32]]:
        """Yield what is missing to so many frames in all."""
        yield from self._fill(num_frames)

    def _join(
        self, told: NDArray[np.float32], spare_before: int, spare_after: int
    ) -> NDArray[np.float32]:
        """Replace the frames shared with the window before by what is best of both.

        Those shared with the next window wait for it.
        """
        if self._shared is not None:
            later = told[: 2 * spare_before]
            joint = find_shared_joint(self._shared, later, silent_ids=self._silent_ids)
            told = np.concatenate([self._shared[:joint], told[joint:]])
            self._shared = None
        if spare_after:
            self._shared = told[-2 * spare_after :]
            told = told[: -2 * spare_after]
        return told

    def _fill(self, end_frame: int) -> Iterator[NDArray[np.float32]]:
        spoken = self._delimiter_id
        while (missing := end_frame - self._num_frames) > 0:
            num_frames = min(missing, _SILENCE_FRAMES)
            silence = np.full((num_frames, self._num_tokens), _SURELY_NOT, dtype=np.float32)
            silence[:, self._blank_id] = 0.0
            if spoken is not None:
                silence[num_frames // 2] = _SURELY_NOT
                silence[num_frames // 2, spoken] = 0.0
                spoken = None
            self._num_frames += num_frames
            yield silence


def iter_stitched_log_probs(
    model: CtcNetwork,
    blocks: Iterable[NDArray[np.float32]],
    windowing: Windowing,
    *,
    batch_samples: int,
    regions: Iterable[tuple[int, int]] | None = None,
    moments: Sequence[BandMoments] | None = None,
    delimiter_id: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Run the model over a recording of any length and yield its frames in order.

    Memory holds a few batches of windows, whatever the length.

    Args:
        model: In eval mode, on its device.
        blocks: The recording's samples of shape (L,), normalized as the checkpoint wants them.
        windowing: How to cut the recording.
        batch_samples: Largest padded length of a batch.
        regions: Where somebody speaks, as `iter_windows` takes it; elsewhere the model does
            not run and frames are surely blank. None: everywhere.
        moments: Of the log-mel bands, as `iter_windows` takes them.
        delimiter_id: The token that ends a word where nobody speaks, if there is one.

    Yields:
        Natural logarithms of shape (T, V). All blocks together have as many frames as the
        whole recording has in the model; no block when that is none.
    """
    reader = SampleReader(blocks)
    stitcher = Stitcher(
        model.lm_head.out_features,
        blank_id=model.config.pad_token_id,
        delimiter_id=delimiter_id,
    )
    windows = iter_windows(reader, windowing, regions, moments)
    for group in _iter_groups(windows, LOOK_AHEAD_BATCHES * batch_samples):
        stitcher.expect(group)
        for position, log_probs in run_windows(model, group, batch_samples=batch_samples):
            yield from stitcher.add(group[position], log_probs)
    yield from stitcher.finish(windowing.count_frames(reader.skip_to_end()))


def _iter_groups(windows: Iterator[Window], max_samples: int) -> Iterator[list[Window]]:
    """Gather consecutive windows of so many samples together, one window at least."""
    group: list[Window] = []
    num_samples = 0
    for window in windows:
        if group and num_samples + len(window.samples) > max_samples:
            yield group
            group, num_samples = [], 0
        group.append(window)
        num_samples += len(window.samples)
    if group:
        yield group
