"""Speech without transcripts: utterances, crops of them, and batches with masks.

Shapes used in this file:
    B  utterances in the batch
    L  samples, padded to the longest utterance
    T  frames, padded to the longest utterance
    M  distractors of a frame
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from wav2vec2_conformer.audio.duration import read_duration
from wav2vec2_conformer.audio.loading import load_audio
from wav2vec2_conformer.audio.normalization import normalize_waveform
from wav2vec2_conformer.data.batching import Draw
from wav2vec2_conformer.data.clip import load_segment, load_utterance
from wav2vec2_conformer.data.folders import AUDIO_SUFFIXES
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.speech_dataset import load_cached_audio, name_utterance
from wav2vec2_conformer.errors import ManifestError
from wav2vec2_conformer.nn.lengths import conv_output_lengths
from wav2vec2_conformer.training.examples import read_all
from wav2vec2_conformer.training.pretraining.draws import CROPS, Masking, mix_seed

logger = logging.getLogger(__name__)

SAMPLE_RATE_HZ = 16_000


class PretrainingExample(TypedDict):
    """One utterance: samples (L,), masked frames (T,), distractors (T, M), and a name."""

    waveform: npt.NDArray[np.float32]
    mask: Tensor
    distractors: Tensor
    utterance_id: str


@dataclass(frozen=True)
class FrameCount:
    """Number of frames that a feature encoder makes of a number of samples.

    Attributes:
        kernel_sizes: Kernel of each convolution.
        strides: Stride of each convolution.
    """

    kernel_sizes: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, num_samples: int) -> int:
        """Return the number of frames."""
        lengths = torch.tensor(num_samples)
        for kernel_size, stride in zip(self.kernel_sizes, self.strides, strict=True):
            lengths = conv_output_lengths(lengths, kernel_size=kernel_size, stride=stride)
        return int(lengths)


def read_untranscribed(path: str | Path, audio_dir: str | Path | None = None) -> list[Utterance]:
    """Read a data set of which only the audio matters.

    Args:
        path: A folder, which stands for all audio files in it and in folders below it; or a
            file in any format that `data.reading` knows, such as a manifest. A folder without
            audio, such as one of Kaldi or of shards, is read as `data.reading` does.
        audio_dir: Where the audio of shards is written, as for `read_all`. What is in it counts
            for no folder around it, so that a resumed run finds what the run found at first.

    Raises:
        AudioError: A file of a folder cannot be read.
        ManifestError: The data set cannot be used.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
        written = None if audio_dir is None else Path(audio_dir).resolve()
        if written is not None and not path.resolve().is_relative_to(written):
            files = [file for file in files if not file.resolve().is_relative_to(written)]
        if files:
            return [Utterance(file, _measure(file), "") for file in files]
    return read_all([path], audio_dir)


def select_long_enough(
    utterances: Sequence[Utterance], min_duration_s: float, purpose: str
) -> list[Utterance]:
    """Leave out short utterances, which have few frames to tell apart, and say how many.

    Args:
        utterances: The utterances.
        min_duration_s: Shorter ones are left out.
        purpose: What they are for, for the log.

    Raises:
        ManifestError: None is left.
    """
    kept = [u for u in utterances if u.duration_s >= min_duration_s]
    if not kept:
        raise ManifestError(
            f"none of the {len(utterances)} utterances for {purpose} is as long as "
            f"min_duration_s = {min_duration_s}; the longest has "
            f"{max(u.duration_s for u in utterances):.2f} s"
        )
    if len(kept) < len(utterances):
        logger.info(
            "%s: %d utterances left out: they are shorter than %s s",
            purpose,
            len(utterances) - len(kept),
            min_duration_s,
        )
    hours = sum(u.duration_s for u in kept) / 3600
    logger.info("%s: %d utterances, %.2f hours", purpose, len(kept), hours)
    return kept


class UntranscribedDataset(Dataset[PretrainingExample]):
    """Map an index, or a `Draw` of a batch sampler, to an utterance and its masks.

    Longer utterances are cropped at a random place. Crops and masks are a function of seed,
    epoch and index alone.

    Args:
        utterances: Which audio, or part of a file.
        masking: How frames are masked.
        count_frames: Number of frames of a number of samples.
        max_duration_s: Length of a crop; None takes utterances whole.
        seed: Seed of crops and masks.
        is_fixed: Whether every epoch has the same crops and masks, as validation needs.
        cache_dir: As in `SpeechDataset`.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        masking: Masking,
        count_frames: Callable[[int], int],
        *,
        max_duration_s: float | None = None,
        seed: int = 0,
        is_fixed: bool = False,
        cache_dir: str | Path | None = None,
    ) -> None:
        self._utterances = list(utterances)
        self._masking = masking
        self._count_frames = count_frames
        self._max_duration_s = max_duration_s
        self._seed = seed
        self._is_fixed = is_fixed
        self._cache_dir = None if cache_dir is None else Path(cache_dir)

    @property
    def durations_s(self) -> list[float]:
        """Durations after cropping, in seconds."""
        limit_s = self._max_duration_s
        return [
            u.duration_s if limit_s is None else min(u.duration_s, limit_s)
            for u in self._utterances
        ]

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self._utterances)

    def __getitem__(self, draw: int | Draw) -> PretrainingExample:
        """Return one utterance. A plain index counts as drawn in epoch 0.

        Raises:
            AudioError: The file cannot be decoded.
        """
        epoch, index = draw if isinstance(draw, tuple) else (0, draw)
        epoch = 0 if self._is_fixed else epoch
        waveform = self._load(self._utterances[index], epoch, index)
        mask, distractors = self._masking.draw(
            self._count_frames(len(waveform)), seed=self._seed, epoch=epoch, utterance=index
        )
        return {
            "waveform": waveform,
            "mask": mask,
            "distractors": distractors,
            "utterance_id": name_utterance(self._utterances[index]),
        }

    def _load(self, utterance: Utterance, epoch: int, index: int) -> npt.NDArray[np.float32]:
        spare_s = 0.0
        if self._max_duration_s is not None:
            spare_s = max(0.0, utterance.duration_s - self._max_duration_s)
        rng = np.random.default_rng(mix_seed(self._seed, epoch, index, CROPS))
        start_s = float(rng.uniform(0.0, spare_s))
        if self._cache_dir is None and spare_s and self._max_duration_s is not None:
            begin_s = (utterance.offset_s or 0.0) + start_s
            return load_segment(utterance.audio_path, begin_s, self._max_duration_s)
        if self._cache_dir is None:
            return load_utterance(utterance)
        waveform = load_cached_audio(utterance, self._cache_dir)
        if self._max_duration_s is None:
            return waveform
        start = round(start_s * SAMPLE_RATE_HZ)
        return waveform[start : start + round(self._max_duration_s * SAMPLE_RATE_HZ)]


@dataclass(frozen=True)
class PretrainingCollator:
    """Pad utterances to the longest and put them into the tensors the model takes.

    Attributes:
        normalize: Give each utterance zero mean and unit variance over its own samples.
    """

    normalize: bool = True

    def __call__(self, examples: Sequence[PretrainingExample]) -> dict[str, Any]:
        """Return a batch.

        Args:
            examples: The utterances.

        Returns:
            `input_values` (B, L) float32 and `attention_mask` (B, L) int64; the frames
            `mask_time_indices` (B, T), none of them padding; `sampled_negative_indices`
            (B, T, M) int64, indices into the flattened frames of the batch; `utterance_ids`, a
            list of names for messages.
        """
        waveforms = []
        for example in examples:
            waveform = example["waveform"]
            waveforms.append(normalize_waveform(waveform) if self.normalize else waveform)
        lengths = torch.tensor([len(waveform) for waveform in waveforms])
        values = pad_sequence([torch.from_numpy(w) for w in waveforms], batch_first=True)
        masks = pad_sequence([example["mask"] for example in examples], batch_first=True)
        distractors = pad_sequence([e["distractors"] for e in examples], batch_first=True)
        starts = torch.arange(len(examples))[:, None, None] * masks.shape[1]
        return {
            "input_values": values,
            "attention_mask": (torch.arange(values.shape[1]) < lengths[:, None]).long(),
            "mask_time_indices": masks,
            "sampled_negative_indices": distractors.long() + starts,
            "utterance_ids": [example["utterance_id"] for example in examples],
        }


def _measure(path: Path) -> float:
    """Return the duration of an audio file in seconds."""
    return read_duration(path) or len(load_audio(path)) / SAMPLE_RATE_HZ
