"""The parts of a batch job: what one worker takes at once, writes at once, and may lose.

Parts and their names follow from the list of recordings alone, so that a job that is started
again finds what it has done by the names of files.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from wav2vec2_conformer.scale.recordings import Recording, Shard

# Of recordings whose length nobody says.
_GUESSED_S = 10.0
# A part is between these, and so that a job has some hundreds of them.
_SHORTEST_PART_S, _LONGEST_PART_S = 120.0, 3600.0
_NUM_PARTS = 512
_MOST_FILES = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """What is transcribed together.

    Attributes:
        name: Name of its files, without ending.
        recordings: Files; empty for a shard.
        shard: Holds the recordings.
        done_ids: Recordings of the shard that are not to be transcribed again.
    """

    name: str
    recordings: tuple[Recording, ...] = ()
    shard: Shard | None = None
    done_ids: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the part as a text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Part":
        """Return the part of a text."""
        values = json.loads(text)
        return cls(
            values["name"],
            tuple(Recording(**recording) for recording in values["recordings"]),
            Shard(**values["shard"]) if values["shard"] else None,
            tuple(values["done_ids"]),
        )


def plan_parts(
    found: Sequence[Recording | Shard], part_seconds: float | None = None
) -> Iterator[Part]:
    """Yield the parts of a job: recordings in their order, each shard by itself.

    Args:
        found: All that is to be transcribed, done or not.
        part_seconds: Seconds of audio in a part. None chooses between two minutes and an hour:
            a power of two of two minutes, so that a list that grows keeps its parts.
    """
    recordings = [item for item in found if isinstance(item, Recording)]
    limit_s = part_seconds or _choose_seconds(sum(map(_length_s, recordings)))
    gathered: list[Recording] = []
    gathered_s = 0.0
    for recording in recordings:
        if gathered and (
            gathered_s + _length_s(recording) > limit_s or len(gathered) >= _MOST_FILES
        ):
            yield _part_of(gathered)
            gathered, gathered_s = [], 0.0
        gathered.append(recording)
        gathered_s += _length_s(recording)
    if gathered:
        yield _part_of(gathered)
    for item in found:
        if isinstance(item, Shard):
            yield Part(f"shard-{_digest([item.location])}", shard=item)


def _choose_seconds(total_s: float) -> float:
    part_s = _SHORTEST_PART_S
    while part_s * _NUM_PARTS < total_s and part_s < _LONGEST_PART_S:
        part_s *= 2
    return min(part_s, _LONGEST_PART_S)


def _length_s(recording: Recording) -> float:
    return _GUESSED_S if recording.duration_s is None else recording.duration_s


def _part_of(recordings: Sequence[Recording]) -> Part:
    digest = _digest(f"{recording.id}\0{recording.location}" for recording in recordings)
    return Part(f"part-{digest}", tuple(recordings))


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
