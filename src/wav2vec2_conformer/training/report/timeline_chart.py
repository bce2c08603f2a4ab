"""Who speaks when as inline SVG: the reference above what the model found, by speaker."""

from collections.abc import Iterable, Sequence
from html import escape

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.training.report.examples import Timeline
from wav2vec2_conformer.training.report.line_chart import nice_ticks

# As wide as the line charts beside it.
_WIDTH = 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 86, 18, 4, 24
_BAR = 9
_GAP = 2
_LANE = 2 * _BAR + 10
_MAX_NAME_LENGTH = 12
# A longer recording is read more easily in minutes.
_LONGEST_IN_SECONDS = 120.0

LEGEND = (
    "<p class='legend quiet'><span><i class='swatch s0'></i>above: reference</span>"
    "<span><i class='swatch s1'></i>below: the model's</span><span>most errors first</span></p>"
)


def draw_timeline(timeline: Timeline) -> str:
    """Return a timeline as SVG, a lane for each speaker with two rows; `LEGEND` explains them.

    Args:
        timeline: Who speaks when, and who was found to.
    """
    speakers = sorted({turn.speaker for turn in (*timeline.reference, *timeline.hypothesis)})
    height = _TOP + _LANE * max(1, len(speakers)) + _BOTTOM
    floor = height - _BOTTOM
    unit, unit_s = ("min", 60.0) if timeline.duration_s > _LONGEST_IN_SECONDS else ("s", 1.0)
    per_s = (_WIDTH - _LEFT - _RIGHT) / max(timeline.duration_s, 1e-9)
    parts = []
    for tick in nice_ticks([0.0, timeline.duration_s / unit_s]):
        at = _LEFT + tick * unit_s * per_s
        if at <= _WIDTH - _RIGHT + 1:
            parts.append(
                f"<path class='grid' d='M{at:.1f} {_TOP}V{floor}'/>"
                f"<text class='tick middle' x='{at:.1f}' y='{height - 8}'>{tick:g} {unit}</text>"
            )
    for number, speaker in enumerate(speakers):
        top = _TOP + number * _LANE + (_LANE - 2 * _BAR - _GAP) / 2
        parts.append(
            f"<text class='tick end' x='{_LEFT - 8}' y='{top + _BAR + 4:.1f}'>"
            f"{escape(_shorten(speaker))}</text>"
        )
        rows = (timeline.reference, "reference"), (timeline.hypothesis, "the model's")
        for row, (turns, what) in enumerate(rows):
            own = [turn for turn in turns if turn.speaker == speaker]
            if own:
                bars = _draw_bars(own, top + row * (_BAR + _GAP), per_s)
                tip = escape(f"{speaker}, {what}: {_total_s(own):.1f} s")
                parts.append(f"<path class='turn s{row}' d='{bars}'><title>{tip}</title></path>")
    if not speakers:
        parts.append(
            f"<text class='tick' x='{_LEFT + 6}' y='{_TOP + _LANE / 2 + 4}'>nothing</text>"
        )
    return (
        f"<svg viewBox='0 0 {_WIDTH} {height}' role='img' "
        f"aria-label='{escape(_describe(timeline, speakers))}'>{''.join(parts)}</svg>"
    )


def _draw_bars(turns: Sequence[SpeakerTurn], top: float, per_s: float) -> str:
    return "".join(
        f"M{_LEFT + turn.start_s * per_s:.1f} {top:.1f}h{width:.1f}v{_BAR}h-{width:.1f}z"
        for turn in turns
        # A turn of a single frame is to be seen too.
        for width in [max(0.5, (turn.end_s - turn.start_s) * per_s)]
    )


def _describe(timeline: Timeline, speakers: Sequence[str]) -> str:
    """Return in words what is drawn, for those who do not see it."""
    times = [
        f"{speaker} speaks {_total_s(t for t in timeline.reference if t.speaker == speaker):.1f} s"
        f", found {_total_s(t for t in timeline.hypothesis if t.speaker == speaker):.1f} s"
        for speaker in speakers
    ]
    return f"Who speaks when in {timeline.duration_s:.1f} s: {'; '.join(times) or 'nobody'}"


def _total_s(turns: Iterable[SpeakerTurn]) -> float:
    return sum(turn.end_s - turn.start_s for turn in turns)


def _shorten(name: str) -> str:
    if len(name) <= _MAX_NAME_LENGTH:
        return name
    return f"{name[: _MAX_NAME_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"
