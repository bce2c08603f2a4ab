"""RTTM: a line a turn, the exchange format of diarization.

Format: NIST 2009, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan",
Appendix A. Of its ten columns the type, recording, channel, start, duration and speaker are
used; lines of other types than SPEAKER are passed over.
"""

from collections.abc import Iterable
from pathlib import Path

from wav2vec2_conformer.data.manifest import read_text
from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.errors import ManifestError

# Up to the speaker; the columns after it are often left out.
_NUM_FIELDS = 8
_OTHER_TYPES = frozenset(
    {"SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT"}
    | {"IP", "SU", "CB", "A/P", "SPKR-INFO"}
)


def read_rttm(path: Path) -> dict[str, tuple[SpeakerTurn, ...]]:
    """Read who speaks when in each recording.

    Args:
        path: A file of one recording or many.

    Returns:
        Name of the recording to its turns, sorted by time. A turn of no length is left out: some
        tools write them. A file without a line holds no recording.

    Raises:
        ManifestError: The file cannot be read, or a line is not RTTM.
    """
    turns: dict[str, list[SpeakerTurn]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        place = f"{path}, line {number}"
        if not fields or line.startswith(";;") or fields[0] in _OTHER_TYPES:
            continue
        if fields[0] != "SPEAKER":
            raise ManifestError(
                f"{place}: starts with {fields[0]!r}, which is no type of RTTM; expected SPEAKER"
            )
        if len(fields) < _NUM_FIELDS:
            raise ManifestError(
                f"{place}: expected SPEAKER recording channel start duration <NA> <NA> speaker, "
                f"got {line.strip()!r}"
            )
        start_s, duration_s = (parse_time(field, place) for field in fields[3:5])
        of_recording = turns.setdefault(fields[1], [])
        if duration_s > 0:
            # The end is what the writer had: sums of decimals have a tail.
            end_s = round(start_s + duration_s, 6)
            of_recording.append(SpeakerTurn(start_s, end_s, fields[7]))
    return {recording: tuple(sorted(found)) for recording, found in turns.items()}


def format_rttm(recording: str, turns: Iterable[SpeakerTurn]) -> str:
    """Return the lines of a recording; times in whole milliseconds.

    Columns end at white space, so that white space inside a name becomes an underscore.
    """
    lines = []
    for turn in sorted(turns):
        start_ms, end_ms = round(turn.start_s * 1000), round(turn.end_s * 1000)
        lines.append(
            f"SPEAKER {as_column(recording)} 1 {start_ms / 1000:.3f} "
            f"{(end_ms - start_ms) / 1000:.3f} <NA> <NA> {as_column(turn.speaker)} <NA> <NA>\n"
        )
    return "".join(lines)


def as_column(text: str) -> str:
    """Return a name as a column holds it."""
    return "_".join(text.split()) or "_"


def parse_time(field: str, place: str) -> float:
    """Return a number of seconds, 0 or more.

    Raises:
        ManifestError: It is none.
    """
    try:
        time_s = float(field)
    except ValueError:
        time_s = -1.0
    if not 0 <= time_s < float("inf"):
        raise ManifestError(f"{place}: expected a time in seconds, 0 or more, got {field!r}")
    return time_s
