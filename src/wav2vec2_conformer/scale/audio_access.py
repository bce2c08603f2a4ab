"""The audio of a recording or of a shard's recordings, from this machine or from a store."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from wav2vec2_conformer.audio import AudioSource
from wav2vec2_conformer.data.clip import load_segment
from wav2vec2_conformer.data.shards import TAR_SUFFIXES, iter_encoded
from wav2vec2_conformer.errors import AudioError, ManifestError
from wav2vec2_conformer.scale.parquet_audio import iter_audio
from wav2vec2_conformer.scale.recordings import Recording, Shard
from wav2vec2_conformer.scale.storage import is_local, open_place


@contextmanager
def open_audio(recording: Recording, sample_rate_hz: int) -> Iterator[AudioSource]:
    """Give what `AudioBlocks` takes; a file of a store is here while the block runs.

    Args:
        recording: What to open.
        sample_rate_hz: Rate of the samples of a part of a file.

    Raises:
        AudioError: When the file is not there or cannot be read.
    """
    with _local_copy(recording.location) as path:
        if recording.offset_s is None or recording.duration_s is None:
            yield path
        else:
            samples = load_segment(
                Path(path), recording.offset_s, recording.duration_s, sample_rate_hz
            )
            yield {"array": samples, "sampling_rate": sample_rate_hz, "path": recording.location}


def iter_shard(shard: Shard) -> Iterator[tuple[str, bytes]]:
    """Yield id and encoded audio of the recordings of a shard, one in memory.

    Raises:
        ManifestError: When the shard cannot be read; perhaps after some of it.
        AudioError: When it is not there.
    """
    fs, place = open_place(shard.location)
    if not shard.location.endswith(TAR_SUFFIXES):
        try:
            for name, encoded in iter_audio(fs, place):
                yield f"{shard.id}:{name}", encoded
        except OSError as error:
            raise ManifestError(f"{shard.location}: cannot be read: {error}") from error
        return
    with _local_copy(shard.location) as path:
        for utterance in iter_encoded([Path(path)]):
            yield f"{shard.id}:{utterance.name.removeprefix(f'{path}:')}", utterance.audio


@contextmanager
def _local_copy(location: str) -> Iterator[str]:
    """Give the path of a file, in a temporary folder where it comes from a store."""
    fs, place = open_place(location)
    if is_local(fs):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="w2vc-ray-") as folder:
        path = f"{folder}/{PurePosixPath(place).name}"  # its ending says what it is
        try:
            fs.get_file(place, path)
        except Exception as error:  # stores have error classes of their own
            reason = str(error) or type(error).__name__
            raise AudioError(f"{location}: cannot be fetched: {reason}") from error
        yield path
