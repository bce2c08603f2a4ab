"""Who speaks when: turns of speakers, in manifests and as labels of frames.

Shapes used in this file:
    T  frames
    S  speakers
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.data.manifest import parse_seconds
from wav2vec2_conformer.errors import InputError, ManifestError


@dataclass(frozen=True, slots=True, order=True)
class SpeakerTurn:
    """A stretch of time in which one speaker speaks.

    Attributes:
        start_s: Seconds from the start of the recording.
        end_s: Seconds from the start of the recording, later than `start_s`.
        speaker: Name of the speaker.
    """

    start_s: float
    end_s: float
    speaker: str


def parse_segments(value: object, place: str) -> tuple[SpeakerTurn, ...]:
    """Return the turns of a manifest's key `segments`, sorted by time.

    Args:
        value: A list of objects with `start`, `end` (seconds) and `speaker`.
        place: Where it stands, for messages.

    Raises:
        ManifestError: It is no such list.
    """
    if not isinstance(value, list):
        raise ManifestError(
            f"{place}: segments must be a list of objects with start, end and speaker, got "
            f"{value!r}"
        )
    turns = []
    for number, segment in enumerate(value, start=1):
        where = f"{place}: segments, number {number}"
        if not isinstance(segment, Mapping) or not {"start", "end", "speaker"} <= set(segment):
            raise ManifestError(f"{where}: needs start, end and speaker, got {segment!r}")
        start_s = parse_seconds(segment["start"], where, "start", allows_zero=True)
        end_s = parse_seconds(segment["end"], where, "end")
        if end_s <= start_s:
            raise ManifestError(f"{where}: ends at {end_s} s, not after its start at {start_s} s")
        turns.append(SpeakerTurn(start_s, end_s, str(segment["speaker"])))
    return tuple(sorted(turns))


def as_segments(turns: Iterable[SpeakerTurn]) -> list[dict[str, Any]]:
    """Return turns as the value of a manifest's key `segments`; times in whole milliseconds."""
    return [
        {"start": round(turn.start_s, 3), "end": round(turn.end_s, 3), "speaker": turn.speaker}
        for turn in turns
    ]


def label_frames(
    turns: Iterable[SpeakerTurn],
    speakers: Sequence[str],
    *,
    num_frames: int,
    frame_s: float,
    start_s: float = 0.0,
) -> NDArray[np.int8]:
    """Return which speakers speak in each frame, by the frame's middle.

    Args:
        turns: Of a recording. They may overlap, and reach beyond the frames.
        speakers: What the columns stand for, S names.
        num_frames: T.
        frame_s: Seconds from one frame to the next.
        start_s: Where in the recording the first frame begins.

    Returns:
        Zeros and ones of shape (T, S).

    Raises:
        InputError: A turn's speaker has no column.
    """
    labels = np.zeros((num_frames, len(speakers)), dtype=np.int8)
    columns = {speaker: column for column, speaker in enumerate(speakers)}
    for turn in turns:
        if turn.speaker not in columns:
            raise InputError(
                f"speaker {turn.speaker!r} is none of {', '.join(speakers) or 'no speakers'}"
            )
        # Frame t covers start_s + t frame_s to start_s + (t + 1) frame_s.
        first = max(0, round((turn.start_s - start_s) / frame_s))
        end = max(0, round((turn.end_s - start_s) / frame_s))
        labels[first:end, columns[turn.speaker]] = 1
    return labels


def join_turns(turns: Iterable[SpeakerTurn], max_gap_s: float) -> tuple[SpeakerTurn, ...]:
    """Join turns of one speaker that overlap, or are parted by at most a gap; sorted by time."""
    joined: list[SpeakerTurn] = []
    last: dict[str, int] = {}
    for turn in sorted(turns):
        position = last.get(turn.speaker)
        if position is not None and turn.start_s - joined[position].end_s <= max_gap_s:
            before = joined[position]
            end_s = max(before.end_s, turn.end_s)
            joined[position] = SpeakerTurn(before.start_s, end_s, turn.speaker)
        else:
            last[turn.speaker] = len(joined)
            joined.append(turn)
    return tuple(joined)
