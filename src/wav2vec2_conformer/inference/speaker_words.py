"""Who said what: words of a transcript and turns of speakers put together.

A word belongs to the speaker whose turns cover most of its time. Where two cover equally much,
as when both speak through all of it, it belongs to the one whose turn began first: who has the
floor. A word that no turn covers belongs to the nearest turn, if that is near enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.inference.segments import split_segments
from wav2vec2_conformer.inference.transcript import Segment, Word

# A word's tokens come a little before or after what a diarizer hears of it.
MAX_DISTANCE_S = 0.5


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """Words of one speaker without a long pause between them.

    Attributes:
        speaker: Name of the speaker; None where no turn is near.
        segment: What was said, and when.
    """

    speaker: str | None
    segment: Segment


def find_speaker(
    word: Word, turns: Sequence[SpeakerTurn], *, max_distance_s: float = MAX_DISTANCE_S
) -> str | None:
    """Return who said a word; None where no turn is near.

    Args:
        word: With its times.
        turns: Of all speakers. They may overlap.
        max_distance_s: Longest time between a word and the turn that it may belong to though
            it lies outside.
    """
    covered_s: dict[str, float] = {}
    began_s: dict[str, float] = {}
    nearest: tuple[float, float, str] | None = None
    for turn in turns:
        shared_s = min(word.end_s, turn.end_s) - max(word.start_s, turn.start_s)
        if shared_s > 0:
            covered_s[turn.speaker] = covered_s.get(turn.speaker, 0.0) + shared_s
            began_s[turn.speaker] = min(began_s.get(turn.speaker, turn.start_s), turn.start_s)
        else:
            distance = (-shared_s, turn.start_s, turn.speaker)
            nearest = distance if nearest is None else min(nearest, distance)
    if covered_s:
        # Rounded: equal shares differ in their last digits.
        return min(covered_s, key=lambda name: (-round(covered_s[name], 6), began_s[name], name))
    if nearest is not None and nearest[0] <= max_distance_s:
        return nearest[2]
    return None


def assign_speakers(
    words: Sequence[Word],
    turns: Sequence[SpeakerTurn],
    *,
    max_distance_s: float = MAX_DISTANCE_S,
) -> tuple[SpokenSegment, ...]:
    """Return what each speaker said, in order of time.

    A segment ends where the speaker changes, and where `split_segments` ends one.

    Args:
        words: In order of time.
        turns: Of all speakers. They may overlap.
        max_distance_s: As for `find_speaker`.
    """
    spoken: list[SpokenSegment] = []
    own: list[Word] = []
    last: str | None = None
    for word in words:
        speaker = find_speaker(word, turns, max_distance_s=max_distance_s)
        if own and speaker != last:
            spoken += [SpokenSegment(last, segment) for segment in split_segments(own)]
            own = []
        own.append(word)
        last = speaker
    spoken += [SpokenSegment(last, segment) for segment in split_segments(own)]
    return tuple(spoken)
