"""Kaldi's data folders: `wav.scp`, `segments`, `text`, `utt2spk`.

Format: https://kaldi-asr.org/doc/data_prep.html
"""

from pathlib import Path

from wav2vec2_conformer.data.manifest import Utterance, read_text
from wav2vec2_conformer.errors import ManifestError

_SEGMENT_FIELDS = 3
_TO_THE_END = -1.0


def read_kaldi_folder(folder: Path) -> list[Utterance]:
    """Read a data folder of Kaldi, ESPnet or icefall.

    Audio paths of `wav.scp` are absolute, or relative to the folder or, where there is no such
    file, to the current folder (Kaldi's own rule). Commands are never run.

    Args:
        folder: Holds `wav.scp` and, if it says so, `segments`, `text`, `utt2spk`, `utt2dur`.

    Returns:
        An utterance for each line of `segments` or, without that file, of `wav.scp`. Duration 0
        where the folder does not say it; empty text where `text` has no such line.

    Raises:
        ManifestError: A file cannot be read or contradicts another one, or `wav.scp` holds a
            command or an archive.
    """
    recordings = {
        name: _locate(value, folder, f"{folder / 'wav.scp'}, {name}")
        for name, value in _read_table(folder / "wav.scp").items()
    }
    texts = _read_table(folder / "text", is_needed=False)
    speakers = _read_table(folder / "utt2spk", is_needed=False)
    durations = _read_table(folder / "utt2dur", is_needed=False)
    if not (folder / "segments").is_file():
        return [
            Utterance(
                audio_path=audio_path,
                duration_s=_parse_time(durations.get(name, "0"), f"{folder / 'utt2dur'}, {name}"),
                text=texts.get(name, ""),
                speaker=speakers.get(name),
                extra={"id": name},
            )
            for name, audio_path in recordings.items()
        ]
    utterances = []
    for name, value in _read_table(folder / "segments").items():
        place = f"{folder / 'segments'}, {name}"
        fields = value.split()
        if len(fields) < _SEGMENT_FIELDS:
            raise ManifestError(f"{place}: expected recording, start and end, got {value!r}")
        recording, start_s, end_s = fields[0], *(_parse_time(f, place) for f in fields[1:3])
        if recording not in recordings:
            raise ManifestError(f"{place}: wav.scp has no recording {recording!r}")
        if start_s < 0 or (end_s <= start_s and end_s != _TO_THE_END):
            raise ManifestError(f"{place}: a segment from {start_s} to {end_s} s is empty")
        utterances.append(
            Utterance(
                audio_path=recordings[recording],
                duration_s=0.0 if end_s == _TO_THE_END else end_s - start_s,
                text=texts.get(name, ""),
                speaker=speakers.get(name),
                offset_s=start_s,
                extra={"id": name},
            )
        )
    return utterances


def _locate(value: str, folder: Path, place: str) -> Path:
    if value.endswith("|") or value.startswith("|"):
        raise ManifestError(
            f"{place}: is a command ({value!r}), and commands of a data set are not run. Run it "
            "once, write its output to a wav file, and name that file"
        )
    if ".ark:" in value:
        raise ManifestError(
            f"{place}: expected an audio file, got {value!r}. Archives (ark) are not read: "
            "extract them with Kaldi's wav-copy"
        )
    return folder / value if (folder / value).is_file() else Path(value)


def _read_table(path: Path, *, is_needed: bool = True) -> dict[str, str]:
    """Return the rest of each line by its first word."""
    if not is_needed and not path.is_file():
        return {}
    table: dict[str, str] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        name, _, value = line.strip().replace("\t", " ").partition(" ")
        if not name:
            continue
        if name in table:
            raise ManifestError(f"{path}, line {number}: {name} stands there twice")
        table[name] = value.strip()
    return table


def _parse_time(value: str, place: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise ManifestError(f"{place}: expected seconds, got {value!r}") from error
