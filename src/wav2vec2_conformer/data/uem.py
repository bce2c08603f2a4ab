"""UEM: which parts of recordings are scored.

Format: NIST, a line a part: recording, channel, start, end.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from wav2vec2_conformer.data.manifest import read_text
from wav2vec2_conformer.data.rttm import as_column, parse_time
from wav2vec2_conformer.errors import ManifestError

Part = tuple[float, float]
_NUM_FIELDS = 4


def read_uem(path: Path) -> dict[str, tuple[Part, ...]]:
    """Read the scored parts of each recording.

    Args:
        path: A file of one recording or many.

    Returns:
        Name of the recording to start and end of its parts in seconds, sorted.

    Raises:
        ManifestError: The file cannot be read, a line is not UEM, or parts overlap.
    """
    parts: dict[str, list[Part]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        place = f"{path}, line {number}"
        if len(fields) != _NUM_FIELDS:
            raise ManifestError(
                f"{place}: expected recording channel start end, got {line.strip()!r}"
            )
        start_s, end_s = (parse_time(field, place) for field in fields[2:])
        if end_s <= start_s:
            raise ManifestError(f"{place}: ends at {end_s} s, not after its start at {start_s} s")
        parts.setdefault(fields[0], []).append((start_s, end_s))
    for recording, found in parts.items():
        found.sort()
        for (_, end_s), (start_s, _) in pairwise(found):
            if start_s < end_s:
                raise ManifestError(
                    f"{path}: parts of {recording} overlap: one ends at {end_s} s, the next "
                    f"starts at {start_s} s"
                )
    return {recording: tuple(found) for recording, found in parts.items()}


def format_uem(parts: Mapping[str, Iterable[Part]]) -> str:
    """Return the lines of recordings; times in whole milliseconds."""
    return "".join(
        f"{as_column(recording)} 1 {start_s:.3f} {end_s:.3f}\n"
        for recording, found in parts.items()
        for start_s, end_s in found
    )
