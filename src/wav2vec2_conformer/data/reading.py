"""A data set in any of the formats in circulation to a list of utterances."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wav2vec2_conformer.audio.duration import read_duration
from wav2vec2_conformer.audio.loading import load_audio
from wav2vec2_conformer.data.extraction import extract_utterances
from wav2vec2_conformer.data.fairseq_lists import read_fairseq_list
from wav2vec2_conformer.data.folders import (
    AUDIO_SUFFIXES,
    read_audiofolder,
    read_librispeech,
    read_metadata_lines,
)
from wav2vec2_conformer.data.kaldi import read_kaldi_folder
from wav2vec2_conformer.data.lhotse import read_json_lines, read_lhotse_cuts
from wav2vec2_conformer.data.manifest import (
    Utterance,
    check_audio_files,
    read_manifest,
    read_text,
)
from wav2vec2_conformer.data.shards import TAR_SUFFIXES
from wav2vec2_conformer.data.tables import (
    read_common_voice,
    read_ljspeech,
    read_table,
)
from wav2vec2_conformer.errors import AudioError, ManifestError, MissingExtraError

_FORMATS = (
    "NeMo JSON Lines, lhotse cuts (.jsonl, .jsonl.gz), fairseq (.tsv with .ltr or .wrd), Common "
    "Voice (.tsv), CSV, tar shards, Parquet; or a folder of Kaldi (wav.scp), LibriSpeech "
    "(*.trans.txt), LJSpeech (metadata.csv, wavs), audiofolder (metadata.csv, metadata.jsonl, or "
    "a folder for each label), or shards"
)


def read_utterances(
    path: str | Path, *, check_files: bool = True, extract_to: str | Path | None = None
) -> list[Utterance]:
    """Recognize the format of a data set by its files, and read it.

    Args:
        path: File or folder.
        check_files: Whether missing or unreadable audio is an error. Otherwise such utterances
            keep the duration that the data set gives, or 0.
        extract_to: Folder into which the audio of tar shards and Parquet files is written,
            still encoded, unless it is there already; needed for these.

    Returns:
        At least one utterance. Durations that the data set lacks come from the audio's headers.

    Raises:
        ManifestError: The format is not recognized, or the data set is not usable.
        MissingExtraError: A Parquet file, and `datasets` is not installed.
    """
    path = Path(path)
    if path.is_dir():
        utterances = _read_folder(path, extract_to)
    elif path.is_file():
        utterances = _read_file(path, extract_to)
    else:
        raise ManifestError(f"{path}: there is no such file or folder")
    if not utterances:
        raise ManifestError(f"{path}: the data set holds no utterance")
    if check_files:
        check_audio_files(utterances, path, "The data set is not complete, or was moved")
    return [_with_duration(u, is_needed=check_files) for u in utterances]


def _read_folder(folder: Path, extract_to: str | Path | None) -> list[Utterance]:
    if (folder / "wav.scp").is_file():
        return read_kaldi_folder(folder)
    if _is_ljspeech(folder):
        return read_ljspeech(folder)
    if next(folder.rglob("*.trans.txt"), None) is not None:
        return read_librispeech(folder)
    shards = sorted(p for p in folder.iterdir() if p.name.endswith((*TAR_SUFFIXES, ".parquet")))
    if shards:
        return _extract(shards, folder, extract_to)
    utterances = read_audiofolder(folder)
    if not utterances:
        lists = sorted(p.name for p in folder.iterdir() if p.suffix in {".tsv", ".csv", ".jsonl"})
        audio = any(p.suffix.lower() in AUDIO_SUFFIXES for p in folder.iterdir())
        advice = f"Name one of its files: {', '.join(lists)}" if lists else f"Known: {_FORMATS}"
        if audio and not lists:
            advice = "Its audio files have no text and no label: put them into a folder per label"
        raise ManifestError(f"{folder}: the folder is of no known format. {advice}")
    return utterances


def _read_file(path: Path, extract_to: str | Path | None) -> list[Utterance]:
    if path.name.endswith((*TAR_SUFFIXES, ".parquet")):
        return _extract([path], path, extract_to)
    if path.name == "wav.scp":
        return read_kaldi_folder(path.parent)
    if path.suffix in {".jsonl", ".json", ".ndjson"} or path.name.endswith(".jsonl.gz"):
        return _read_json_lines(path)
    if path.suffix in {".tsv", ".csv"}:
        return _read_table_file(path)
    raise ManifestError(f"{path}: the file is of no known format. Known: {_FORMATS}")


def _read_table_file(path: Path) -> list[Utterance]:
    header = read_text(path).split("\n", 1)[0].rstrip("\r")
    if path.suffix == ".tsv" and "\t" not in header:
        return read_fairseq_list(path)
    if "sentence" in header.split("\t") and (path.parent / "clips").is_dir():
        return read_common_voice(path)
    is_metadata = path.name == "metadata.csv"
    if is_metadata and _is_ljspeech(path.parent):
        return read_ljspeech(path.parent)
    return read_table(path, stays_inside=is_metadata and "file_name" in header)


def _is_ljspeech(folder: Path) -> bool:
    """Whether a folder has LJSpeech's files; an audiofolder's table has a header."""
    table = folder / "metadata.csv"
    if not (table.is_file() and (folder / "wavs").is_dir()):
        return False
    first = read_text(table).split("\n", 1)[0]
    return "|" in first and "file_name" not in first


def _read_json_lines(path: Path) -> list[Utterance]:
    first = next((line for line in read_json_lines(path) if line.strip()), "")
    try:
        entry = json.loads(first) if first else {}
    except json.JSONDecodeError as error:
        raise ManifestError(f"{path}, line 1: not JSON: {error}") from error
    keys = set(entry) if isinstance(entry, dict) else set()
    if "audio_filepath" in keys or not first:
        return read_manifest(
            path,
            check_files=False,
            needs_text=False,
            needs_duration=False,
            allows_parts=True,
        )
    if keys & {"recording", "supervisions", "tracks"}:
        return read_lhotse_cuts(path)
    if "file_name" in keys:
        return read_metadata_lines(path)
    raise ManifestError(
        f"{path}: expected lines with audio_filepath (NeMo), recording (lhotse) or file_name "
        f"(audiofolder), got the keys {sorted(keys)}"
    )


def _extract(shards: Sequence[Path], path: Path, extract_to: str | Path | None) -> list[Utterance]:
    if extract_to is None:
        raise ManifestError(
            f"{path}: the audio is inside shards, and files are needed here. `check-data {path} "
            "-o FOLDER` writes them, and FOLDER/clean.jsonl, a manifest to name instead. (In "
            "Python: read_utterances with extract_to)"
        )
    return extract_utterances(shards, Path(extract_to))


def _with_duration(utterance: Utterance, *, is_needed: bool) -> Utterance:
    if utterance.duration_s > 0:
        return utterance
    duration_s = read_duration(utterance.audio_path)
    if not duration_s:  # of a format that soundfile does not know: decode it
        try:
            duration_s = len(load_audio(utterance.audio_path)) / 16_000
        except (AudioError, MissingExtraError) as error:
            if not is_needed:
                return utterance
            raise ManifestError(str(error)) from error
    rest_s = max(0.0, duration_s - (utterance.offset_s or 0.0))
    return replace(utterance, duration_s=rest_s)
