"""What has to be known about a whole recording before the model hears its first window.

Shapes used in this file:
    L  samples
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.normalization import WaveformStatistics
from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.audio.speech_detection import SpeechDetection, find_speech
from wav2vec2_conformer.inference.log_mel_statistics import LogMelStatistics
from wav2vec2_conformer.nn.log_mel import BandMoments

_BLOCK_SAMPLES = 1 << 16

S = TypeVar("S", WaveformStatistics, LogMelStatistics)


@dataclass(frozen=True, slots=True)
class Preparation:
    """Where somebody speaks in a recording, and how loud.

    Attributes:
        regions: Where somebody speaks, as (first sample, sample after the last one), on the
            frame grid; None where nobody looked.
        statistics: Mean and scale to normalize each region with, or the whole recording where
            there are none; None where the checkpoint wants none.
        moments: The same for the log-mel bands of each region, for windows to carry; None where
            the model hears no log-mel features.
    """

    regions: list[tuple[int, int]] | None
    statistics: list[WaveformStatistics] | None
    moments: list[BandMoments] | None = None

    def normalize(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the recording's blocks as the checkpoint wants them; zeros between regions."""
        if self.statistics is None:
            yield from blocks
            return
        parts = list(zip(_parts(self.regions), self.statistics, strict=True))
        first_part = 0
        position = 0
        for block in blocks:
            block_end = position + block.size
            normalized = np.zeros_like(block)
            for (start, end), statistics in parts[first_part:]:
                if start >= block_end:
                    break
                inside = slice(max(start - position, 0), min(end, block_end) - position)
                statistics.normalize(block[inside], out=normalized[inside])
                if end <= block_end:
                    first_part += 1
            position = block_end
            yield normalized


def prepare(
    blocks: Iterable[NDArray[np.float32]],
    *,
    normalizes: bool,
    num_mel_bands: int | None = None,
    speech_detection: SpeechDetection | None,
    sample_rate_hz: int,
    frame_samples: int,
) -> Preparation:
    """Look at a recording.

    Without speech detection the mean and variance are those of the whole recording. With it,
    each region is normalized as an utterance of its own, so that what is said in it does not
    depend on the rest.

    Args:
        blocks: The recording's samples of shape (L,). Iterated once for each thing that has to
            be known.
        normalizes: Whether the checkpoint wants zero mean and unit variance.
        num_mel_bands: Bands of the log-mel features that the model hears; None where it hears
            samples.
        speech_detection: How to find speech; None does not look for it.
        sample_rate_hz: Rate of the samples.
        frame_samples: Samples from one frame of the model to the next.
    """
    regions = None
    if speech_detection is not None:
        regions = find_speech(
            blocks,
            method=speech_detection,
            sample_rate_hz=sample_rate_hz,
            grid_samples=frame_samples,
        )
    statistics = moments = None
    if normalizes:
        statistics = list(_measure(blocks, regions, WaveformStatistics))
    if num_mel_bands is not None:
        measured = _measure(blocks, regions, lambda: LogMelStatistics(num_mel_bands))
        moments = [bands.moments for bands in measured]
    return Preparation(regions, statistics, moments)


def _parts(regions: list[tuple[int, int]] | None) -> list[tuple[int, int]]:
    return [(0, sys.maxsize)] if regions is None else regions


def _measure(
    blocks: Iterable[NDArray[np.float32]],
    regions: list[tuple[int, int]] | None,
    start_counting: Callable[[], S],
) -> Iterator[S]:
    """Yield the statistics of each region."""
    reader = SampleReader(blocks)
    for start, end in _parts(regions):
        statistics = start_counting()
        reader.skip_to(start)
        while (samples := reader.peek(min(end - reader.position, _BLOCK_SAMPLES))).size:
            statistics.add(samples)
            reader.skip_to(reader.position + samples.size)
        yield statistics
