"""Mean and deviation of the log-mel bands of a recording, gathered block by block.

Shapes used in this file:
    L  samples
    M  mel bands
"""

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.nn.log_mel import (
    SPECTRUM_HOP_SAMPLES,
    WINDOW_SAMPLES,
    BandMoments,
    deviation,
    log_mel,
)

_BLOCK_SAMPLES = 1 << 19  # of the spectra that are computed at a time


class LogMelStatistics:
    """What `LogMelFrontEnd` normalises a whole recording with, without having it in memory.

    Blocks are joined as in Chan, Golub, LeVeque 1983, "Algorithms for Computing the Sample
    Variance", formula 2.1b.

    Args:
        num_bands: Mel bands M.
    """

    def __init__(self, num_bands: int) -> None:
        self._num_bands = num_bands
        self._count = 0
        self._mean = torch.zeros(num_bands, dtype=torch.float64)
        self._squares = torch.zeros(num_bands, dtype=torch.float64)
        self._open: NDArray[np.float32] = np.empty(0, dtype=np.float32)

    def add(self, block: NDArray[np.float32]) -> None:
        """Count a block of samples of shape (L,)."""
        for start in range(0, block.size, _BLOCK_SAMPLES):
            self._open = np.concatenate([self._open, block[start : start + _BLOCK_SAMPLES]])
            if self._open.size >= WINDOW_SAMPLES:
                self._count_spectra()

    def _count_spectra(self) -> None:
        energies = log_mel(torch.from_numpy(self._open)[None], self._num_bands)[0].double()
        self._open = self._open[len(energies) * SPECTRUM_HOP_SAMPLES :]
        mean = energies.mean(dim=0)
        total = self._count + len(energies)
        step = mean - self._mean
        self._squares += (energies - mean).square().sum(dim=0)
        self._squares += step.square() * (self._count * len(energies) / total)
        self._mean += step * (len(energies) / total)
        self._count = total

    @property
    def moments(self) -> BandMoments:
        """Mean and deviation of each band so far, (1, M) each, in float32."""
        scale = deviation(self._squares, torch.tensor(float(self._count)))
        return BandMoments(self._mean[None].float(), scale[None].float())
