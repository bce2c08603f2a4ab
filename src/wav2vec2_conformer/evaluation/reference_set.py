"""What a test set's manifest says: audio, reference and properties of each utterance."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wav2vec2_conformer.data.manifest import read_manifest
from wav2vec2_conformer.errors import ManifestError


@dataclass(frozen=True, slots=True)
class Reference:
    """An utterance of a test set.

    Attributes:
        name: Its audio file as the manifest writes it.
        audio_path: The audio file.
        duration_s: Seconds of audio, as the manifest says.
        text: What is said.
        speaker: Who speaks, None where the manifest does not say.
        labels: Values of the manifest's other keys that were asked for, as text.
    """

    name: str
    audio_path: Path
    duration_s: float
    text: str
    speaker: str | None
    labels: Mapping[str, str | None]


def read_references(manifest: str | Path, keys: Sequence[str] = ()) -> list[Reference]:
    """Read a manifest (`data.manifest`) and further keys of its lines.

    Args:
        manifest: JSON Lines file.
        keys: Keys whose values become labels; a line may lack them, but not every line.

    Raises:
        ManifestError: The manifest cannot be used, or no line has one of the keys.
    """
    utterances = read_manifest(manifest, check_files=False)
    lines = Path(manifest).read_text(encoding="utf-8").split("\n")
    entries = [json.loads(line) for line in lines if line.strip()]
    for key in keys:
        if not any(key in entry for entry in entries):
            found = ", ".join(sorted({name for entry in entries for name in entry}))
            raise ManifestError(f"{manifest}: no line has the key {key}; there are: {found}")
    return [
        Reference(
            name=entry["audio_filepath"],
            audio_path=utterance.audio_path,
            duration_s=utterance.duration_s,
            text=utterance.text,
            speaker=utterance.speaker,
            labels={key: _as_label(entry.get(key)) for key in keys},
        )
        for utterance, entry in zip(utterances, entries, strict=True)
    ]


def _as_label(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
