"""Voices of known speakers in a file.

The file is a safetensors file: a tensor (D,) for each speaker, the mean of the clips' embeddings,
and as metadata how many clips there were and which model made them.

Shapes used in this file:
    D  width of an embedding
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import InputError

_FORMAT = "wav2vec2-conformer speakers 1"


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """What a speaker sounds like.

    Attributes:
        vector: Mean of the clips' embeddings, each of length 1; shape (D,).
        num_clips: Number of clips.
    """

    vector: NDArray[np.float32]
    num_clips: int

    def merge(self, other: "Voice") -> "Voice":
        """Return the voice of the clips of both."""
        num_clips = self.num_clips + other.num_clips
        total = self.num_clips * self.vector + other.num_clips * other.vector
        return Voice((total / num_clips).astype(np.float32), num_clips)


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerStore:
    """Voices by name.

    Attributes:
        fingerprint: `Embedder.fingerprint` of what made the voices: others cannot be compared.
        voices: A voice for each name.
    """

    fingerprint: str
    voices: Mapping[str, Voice]

    def write(self, path: Path) -> None:
        """Write the store, as a whole or not at all.

        Raises:
            OSError: When it cannot be written.
        """
        tensors = {name: np.ascontiguousarray(voice.vector) for name, voice in self.voices.items()}
        clips = {name: voice.num_clips for name, voice in self.voices.items()}
        metadata = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "num_clips": json.dumps(clips),
        }
        with write_whole(path) as temporary:
            save_file(tensors, temporary, metadata=metadata)


def read_speakers(path: Path, fingerprint: str) -> SpeakerStore:
    """Read a store.

    Args:
        path: What `SpeakerStore.write` wrote.
        fingerprint: Of the embedder that it will be used with.

    Raises:
        InputError: When it cannot be read, is no such file, or another model made it.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise InputError(
                    f"{path}: is no store of speakers. Make one with `wav2vec2-conformer enroll`."
                )
            clips = json.loads(metadata["num_clips"])
            voices = {name: Voice(file.get_tensor(name), int(clips[name])) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: there is no such store. Make one with `wav2vec2-conformer enroll`."
        ) from error
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a store of speakers: {error}") from error
    if metadata["fingerprint"] != fingerprint:
        raise InputError(
            f"{path}: its voices were made with another model or layer, and cannot be compared. "
            "Use the same --model and --layer, or enroll the speakers again."
        )
    return SpeakerStore(fingerprint, voices)
