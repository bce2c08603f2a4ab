"""Utterances with their waveforms and targets, decoded when asked for."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from torch.utils.data import Dataset

from wav2vec2_conformer.data.augmentation import Augmentation
from wav2vec2_conformer.data.batching import Draw
from wav2vec2_conformer.data.clip import load_utterance
from wav2vec2_conformer.data.collation import Example
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import InputError

SAMPLE_RATE_HZ = 16_000


class SpeechDataset(Dataset[Example]):
    """Map an index, or a `Draw` of a batch sampler, to an utterance.

    Audio is decoded in `__getitem__`, that is in the worker processes of a data loader, and
    no waveform is kept in memory. Decoding compressed audio can cost more than a small model
    takes to train on it: with `cache_dir` each clip is decoded once, at its first use.

    Args:
        utterances: Which audio, or part of a file.
        targets: What is to be learned of each utterance, in the same order: token ids, a
            class index, numbers, ...; whole numbers become int64, others float32.
        augmentation: Random changes of training clips, None for none.
        seed: Seed of these changes, which are a function of seed, epoch and index alone.
        cache_dir: Folder for decoded clips (16-bit PCM, 115 MB an hour), made if missing;
            may be shared by runs. None decodes each time.

    Raises:
        InputError: The numbers of utterances and targets differ.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        targets: Sequence[npt.ArrayLike],
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        cache_dir: str | Path | None = None,
    ) -> None:
        if len(utterances) != len(targets):
            raise InputError(f"got {len(utterances)} utterances but {len(targets)} targets")
        self._utterances = list(utterances)
        self._targets = [_as_compact_array(target) for target in targets]
        self._augmentation = augmentation
        self._seed = seed
        self._cache_dir = None if cache_dir is None else Path(cache_dir)

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self._utterances)

    def __getitem__(self, draw: int | Draw) -> Example:
        """Return one utterance. A plain index counts as drawn in epoch 0.

        Raises:
            AudioError: The file cannot be decoded.
        """
        epoch, index = draw if isinstance(draw, tuple) else (0, draw)
        utterance = self._utterances[index]
        if self._cache_dir is None:
            waveform = load_utterance(utterance)
        else:
            waveform = load_cached_audio(utterance, self._cache_dir)
        if self._augmentation is not None:
            rng = np.random.default_rng([self._seed, epoch, index])
            waveform = self._augmentation.apply(waveform, rng)
        target = self._targets[index]
        is_whole = np.issubdtype(target.dtype, np.integer)
        return {
            "input_values": waveform,
            "labels": target.astype(np.int64 if is_whole else np.float32),
            "utterance_id": name_utterance(utterance),
        }


def _as_compact_array(target: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return an array of 4-byte numbers: those of a whole data set are kept."""
    array = np.asarray(target)
    is_empty = array.size == 0  # a text without tokens
    return array.astype(np.int32 if is_empty or array.dtype.kind in "biu" else np.float32)


def name_utterance(utterance: Utterance) -> str:
    """Return how messages name an utterance: its file and, of a part, where it begins."""
    start = "" if utterance.offset_s is None else f" at {utterance.offset_s:.2f} s"
    return f"{utterance.audio_path}{start}"


def load_cached_audio(utterance: Utterance, cache_dir: Path) -> npt.NDArray[np.float32]:
    """Return the waveform of an utterance, decoding it into the cache if it is not there.

    The first call returns what all later ones return: the clip rounded to 16 bits. An entry
    belongs to the file's path, size and time of change, so a changed file is decoded anew.

    Args:
        utterance: Which audio, or part of a file.
        cache_dir: Folder of the cache, made if missing.

    Returns:
        Samples (L,) at 16 kHz, float32 within [-1, 1].

    Raises:
        AudioError: The file cannot be decoded.
    """
    path = utterance.audio_path
    stat = path.stat()
    key = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    if utterance.offset_s is not None:
        key += f"\0{utterance.offset_s}\0{utterance.duration_s}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    entry = cache_dir / digest[:2] / f"{digest}.wav"
    if not entry.is_file():
        entry.parent.mkdir(parents=True, exist_ok=True)
        pcm = np.round(np.clip(load_utterance(utterance), -1, 1) * 32767).astype(np.int16)
        # Two workers may decode the same clip at once; each writes its own temporary file.
        handle, temporary = tempfile.mkstemp(dir=entry.parent, suffix=".tmp")
        os.close(handle)
        soundfile.write(temporary, pcm, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
        Path(temporary).replace(entry)
    pcm, _ = soundfile.read(entry, dtype="int16")
    return pcm.astype(np.float32) / 32767
