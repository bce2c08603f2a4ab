"""Folders whose structure says what the audio is: Hugging Face's audiofolder, LibriSpeech."""

import json
from pathlib import Path

from wav2vec2_conformer.data.manifest import Utterance, read_text
from wav2vec2_conformer.data.paths import locate_inside
from wav2vec2_conformer.data.tables import find_columns, read_table
from wav2vec2_conformer.errors import ManifestError

# Suffixes of audio that are looked for where a format names files without them.
AUDIO_SUFFIXES = (".flac", ".wav", ".opus", ".ogg", ".mp3", ".m4a", ".aac", ".webm")


def read_audiofolder(folder: Path) -> list[Utterance]:
    """Read a folder in the layout of `datasets.load_dataset("audiofolder")`.

    With `metadata.csv` or `metadata.jsonl`, in the folder or in folders below it, that file says
    everything; `file_name` is relative to it. Without, the name of each file's folder is its
    label.

    Raises:
        ManifestError: There is no audio, or a metadata file is not usable.
    """
    metadata = sorted(
        path for name in ("metadata.csv", "metadata.jsonl") for path in folder.rglob(name)
    )
    if metadata:
        return [
            utterance
            for path in metadata
            for utterance in (
                read_table(path, stays_inside=True)
                if path.suffix == ".csv"
                else read_metadata_lines(path)
            )
        ]
    return [
        Utterance(path, 0.0, "", label=path.parent.name)
        for path in sorted(folder.glob("**/*"))
        if path.suffix.lower() in AUDIO_SUFFIXES and path.parent != folder
    ]


def read_metadata_lines(path: Path) -> list[Utterance]:
    """Read a `metadata.jsonl` of an audiofolder."""
    utterances = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise ManifestError(f"{place}: not JSON: {error}") from error
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str):
            raise ManifestError(f"{place}: expected an object with file_name, got {line!r}")
        columns = find_columns(list(entry), place)
        label, speaker = entry.get(columns.get("label", "")), entry.get(columns.get("speaker", ""))
        utterances.append(
            Utterance(
                audio_path=locate_inside(path.parent, entry["file_name"], place),
                duration_s=0.0,
                text=str(entry.get(columns.get("text", "")) or ""),
                speaker=None if speaker is None else str(speaker),
                label=None if label is None else str(label),
                extra={k: v for k, v in entry.items() if k not in columns.values()},
            )
        )
    return utterances


def read_librispeech(folder: Path) -> list[Utterance]:
    """Read a tree of LibriSpeech: `speaker/chapter/speaker-chapter.trans.txt` and its audio.

    Args:
        folder: Any folder above the transcripts.

    Raises:
        ManifestError: A line of a transcript is empty, or its audio is missing.
    """
    utterances = []
    for transcript in sorted(folder.rglob("*.trans.txt")):
        files = {p.stem: p for p in transcript.parent.iterdir() if p.suffix in AUDIO_SUFFIXES}
        for number, line in enumerate(read_text(transcript).split("\n"), start=1):
            name, _, text = line.strip().partition(" ")
            if not name:
                continue
            if name not in files:
                raise ManifestError(
                    f"{transcript}, line {number}: {transcript.parent} holds no audio {name} "
                    f"({', '.join(AUDIO_SUFFIXES)})"
                )
            utterances.append(
                Utterance(files[name], 0.0, text, speaker=name.split("-", 1)[0], extra={"id": name})
            )
    return utterances
