"""Tables of utterances: CSV and TSV with a header, Common Voice, LJSpeech's `metadata.csv`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from wav2vec2_conformer.data.manifest import Utterance, parse_seconds, read_text
from wav2vec2_conformer.data.paths import locate_inside
from wav2vec2_conformer.errors import ManifestError

# Columns by the names that they have in circulation, in order of preference.
COLUMNS: dict[str, tuple[str, ...]] = {
    "audio": ("audio_filepath", "file_name", "path", "audio", "file", "filename", "wav"),
    "text": ("text", "sentence", "transcript", "transcription", "normalized_text", "wrd"),
    "speaker": ("speaker", "speaker_id", "spk_id", "client_id"),
    "label": ("label", "class", "emotion", "language", "intent"),
    "duration": ("duration", "duration_s"),
    "offset": ("offset", "offset_s", "start", "start_s"),
}
_DELIMITERS = "\t,;|"
_LJSPEECH_FIELDS = (2, 3)


def read_table(path: Path, *, stays_inside: bool = False) -> list[Utterance]:
    """Read a table whose header names an audio column.

    Args:
        path: CSV (comma, semicolon or bar) or TSV, with quotes as RFC 4180 has them.
            The columns `COLUMNS` are known; the others become `extra`.
        stays_inside: Whether audio must lie in the table's folder. Otherwise paths are relative
            to that folder or absolute.

    Raises:
        ManifestError: There is no audio column, or a line is not usable.
    """
    rows = _read_rows(path)
    header = rows[0]
    columns = find_columns(header, str(path))
    utterances = []
    for number, row in enumerate(rows[1:], start=2):
        place = f"{path}, row {number}"
        if len(row) != len(header):
            raise ManifestError(f"{place}: expected {len(header)} fields, got {len(row)}: {row}")
        values = dict(zip(header, row, strict=True))
        name = values[columns["audio"]]
        audio_path = locate_inside(path.parent, name, place) if stays_inside else path.parent / name
        utterances.append(_build_utterance(audio_path, values, columns, place))
    return utterances


def read_common_voice(path: Path) -> list[Utterance]:
    """Read a tsv of Common Voice; the audio is in the folder `clips` beside it.

    Its cells hold quotation marks as they are, without quoting.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    header = lines[0].rstrip("\r").split("\t")
    columns = find_columns(header, str(path))
    utterances = []
    for number, line in enumerate(lines[1:], start=2):
        place = f"{path}, line {number}"
        row = line.rstrip("\r").split("\t")
        if len(row) != len(header):
            raise ManifestError(f"{place}: expected {len(header)} fields, got {len(row)}: {line!r}")
        values = dict(zip(header, row, strict=True))
        audio_path = locate_inside(path.parent / "clips", values[columns["audio"]], place)
        utterances.append(_build_utterance(audio_path, values, columns, place))
    return utterances


def read_ljspeech(folder: Path) -> list[Utterance]:
    """Read `metadata.csv` (`id|text|normalized text`); the audio is `wavs/<id>.wav`.

    The normalized text is taken where there is one.
    """
    path = folder / "metadata.csv"
    utterances = []
    for number, line in enumerate(read_text(path).removesuffix("\n").split("\n"), start=1):
        place = f"{path}, line {number}"
        fields = line.split("|")
        if len(fields) not in _LJSPEECH_FIELDS:
            raise ManifestError(f"{place}: expected id|text|normalized text, got {line!r}")
        audio_path = locate_inside(folder / "wavs", f"{fields[0]}.wav", place)
        utterances.append(Utterance(audio_path, 0.0, fields[-1] or fields[1]))
    return utterances


def find_columns(header: Sequence[str], name: str) -> dict[str, str]:
    """Return which column holds what; `audio` is always there.

    Raises:
        ManifestError: No column holds audio.
    """
    found = {}
    for meaning, names in COLUMNS.items():
        present = [column for column in names if column in header]
        if present:
            found[meaning] = present[0]
    if "audio" not in found:
        raise ManifestError(
            f"{name}: no column names the audio; expected one of {', '.join(COLUMNS['audio'])}, "
            f"got {', '.join(header)}"
        )
    return found


def _read_rows(path: Path) -> list[list[str]]:
    text = read_text(path)
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    if not rows:
        raise ManifestError(f"{path}: the table is empty; its first line must name the columns")
    return rows


def _build_utterance(
    audio_path: Path, values: dict[str, str], columns: dict[str, str], place: str
) -> Utterance:
    def seconds(meaning: str) -> float | None:
        value = values.get(columns.get(meaning, ""), "").strip()
        if not value:
            return None
        try:
            number = float(value)
        except ValueError as error:
            raise ManifestError(
                f"{place}: {columns[meaning]} must be seconds, got {value!r}"
            ) from error
        return parse_seconds(number, place, columns[meaning], allows_zero=meaning == "offset")

    return Utterance(
        audio_path=audio_path,
        duration_s=seconds("duration") or 0.0,
        text=values.get(columns.get("text", ""), ""),
        speaker=values.get(columns.get("speaker", "")) or None,
        offset_s=seconds("offset"),
        label=values.get(columns.get("label", "")) or None,
        extra={k: v for k, v in values.items() if k not in columns.values() and v},
    )
