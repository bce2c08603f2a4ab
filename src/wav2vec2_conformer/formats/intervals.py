"""Times in whole milliseconds that do not overlap."""

from collections.abc import Iterable


def to_ms(time_s: float) -> int:
    """Return seconds as the nearest millisecond, 0 for what is before the audio."""
    return max(round(time_s * 1000), 0)


def separate(times_s: Iterable[tuple[float, float]]) -> list[tuple[int, int]]:
    """Round intervals to milliseconds so that none is empty and none reaches into the next.

    Where two overlap, the first ends where the second starts: starts are kept. An interval
    moves only when it would start before the one it follows, or with it.

    Args:
        times_s: Start and end in seconds, in order.

    Returns:
        Start and end in milliseconds. Intervals of at least a millisecond that follow each
        other are the given ones, rounded.
    """
    separated: list[tuple[int, int]] = []
    for start_s, end_s in times_s:
        start_ms = to_ms(start_s)
        if separated:
            last_start_ms, last_end_ms = separated[-1]
            start_ms = max(start_ms, last_start_ms + 1)
            separated[-1] = (last_start_ms, min(last_end_ms, start_ms))
        separated.append((start_ms, max(to_ms(end_s), start_ms + 1)))
    return separated
