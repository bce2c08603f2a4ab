"""A line chart as inline SVG, legible in light and dark, on paper and on phones."""

import math
from collections.abc import Callable, Sequence
from html import escape

from wav2vec2_conformer.training.report.series import Chart, Series, smooth

_WIDTH, _HEIGHT = 440, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 10, 26
_NUM_TICKS = 5
# Curves with more points get a running mean on top.
_MANY_POINTS = 40
_MAX_TIPS = 100

Place = Callable[[float], float]


def draw_chart(chart: Chart, marked_steps: Sequence[tuple[int, str]] = ()) -> str:
    """Return a chart as an HTML figure.

    Args:
        chart: The curves.
        marked_steps: Updates to mark with a vertical line, and what happened there.
    """
    steps = [step for series in chart.series for step in series.steps]
    values = [value for series in chart.series for value in series.values]
    if chart.level is not None:
        values.append(chart.level)
    ticks = log_ticks(min(values), max(values)) if chart.is_log else nice_ticks(values)
    x = _scale(min(0, *steps), max(steps), _LEFT, _WIDTH - _RIGHT)
    y = _vertical(ticks, is_log=chart.is_log)
    parts = [
        *(_horizontal_tick(label, y(tick)) for tick, label in _label_ticks(ticks, chart)),
        *(
            _step_tick(tick, x(tick))
            for tick in nice_ticks([0, *steps], count=4)
            if tick <= max(steps)
        ),
    ]
    if chart.level is not None:
        at = y(chart.level)
        parts.append(f"<path class='level' d='M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}'/>")
    for step, what in marked_steps:
        line = f"M{x(step):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"
        parts.append(f"<path class='event' d='{line}'><title>{escape(what)}</title></path>")
    for number, series in enumerate(chart.series):
        parts += _curve(series, number, x, y, chart)
    legend = "".join(
        f"<span><i class='swatch s{number % 4}'></i>{escape(series.label)}</span>"
        for number, series in enumerate(chart.series)
    )
    note = f"<p class='quiet'>{escape(chart.note)}</p>" if chart.note else ""
    return (
        f"<figure class='card chart'><figcaption><h3>{escape(chart.title)}</h3>"
        f"<p class='legend quiet'>{legend}</p></figcaption>"
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{escape(_describe(chart))}'>"
        f"{''.join(parts)}</svg>{note}</figure>"
    )


def nice_ticks(values: Sequence[float], count: int = _NUM_TICKS) -> list[float]:
    """Return round numbers that enclose the values: steps of 1, 2 or 5 times a power of ten."""
    low, high = min(values), max(values)
    # From zero, unless that would press the curve into a part of the chart.
    if low > 0 and low < high / 2:
        low = 0.0
    size = max(abs(low), abs(high))
    if high - low <= max(1e-12 * size, 1e-300):  # as good as one value
        half = size / 2 if size > 1e-300 else 0.5  # noqa: PLR2004 - what no run logs
        low, high = low - half, high + half
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten that enclose positive values."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def format_value(value: float, *, is_percent: bool = False) -> str:
    """Return a number for people, with four digits at most."""
    if is_percent:
        return f"{100 * value:.4g} %"
    if value and not 1e-4 <= abs(value) < 1e5:  # noqa: PLR2004 - where exponents are shorter
        mantissa, _, exponent = f"{value:.3g}".partition("e")
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa
    return f"{value:.4g}"


def _scale(low: float, high: float, start: float, end: float) -> Place:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _vertical(ticks: Sequence[float], *, is_log: bool) -> Place:
    transform = math.log10 if is_log else float
    place = _scale(transform(ticks[0]), transform(ticks[-1]), _HEIGHT - _BOTTOM, _TOP)
    return lambda value: place(transform(value))


def _label_ticks(ticks: Sequence[float], chart: Chart) -> list[tuple[float, str]]:
    """Return ticks with labels of as many digits as it takes to tell them apart."""
    if chart.is_log:
        return [(tick, format_value(tick)) for tick in ticks]
    factor, unit = (100, " %") if chart.is_percent else (1, "")
    power = math.floor(math.log10((ticks[1] - ticks[0]) * factor) + 1e-9)
    if power < -4 or abs(ticks[-1]) * factor >= 1e5:  # noqa: PLR2004 - where exponents are shorter
        return [(tick, f"{format_value(tick * factor)}{unit}") for tick in ticks]
    return [(tick, f"{tick * factor:.{max(0, -power)}f}{unit}") for tick in ticks]


def _horizontal_tick(label: str, at: float) -> str:
    return (
        f"<path class='grid' d='M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}'/>"
        f"<text class='tick end' x='{_LEFT - 6}' y='{at + 4:.1f}'>{label}</text>"
    )


def _step_tick(tick: float, at: float) -> str:
    anchor = " end" if at > _WIDTH - _RIGHT - 20 else " middle" if at > _LEFT else ""
    return f"<text class='tick{anchor}' x='{at:.1f}' y='{_HEIGHT - 8}'>{format_count(tick)}</text>"


def format_count(number: float) -> str:
    """Return a number of updates as 500, 12k or 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= 10 * size or (number >= size and number % (size / 10) == 0):
            return f"{number / size:.4g}{letter}"
    return f"{number:g}"


def _curve(series: Series, number: int, x: Place, y: Place, chart: Chart) -> list[str]:
    points = list(zip(series.steps, series.values, strict=True))
    kind = f"s{number % 4}"
    parts = []
    if len(points) > _MANY_POINTS and chart.is_smoothed:
        running = smooth(series.values, max(3, len(points) // 25))
        parts.append(_path(points, x, y, f"curve faint {kind}"))
        parts.append(_path(list(zip(series.steps, running, strict=True)), x, y, f"curve {kind}"))
    elif len(points) > 1:
        parts.append(_path(points, x, y, f"curve {kind}"))
    is_dotted = len(points) <= _MANY_POINTS
    for step, value in points[:: max(1, len(points) // _MAX_TIPS)]:
        tip = f"update {step}: {format_value(value, is_percent=chart.is_percent)}"
        radius, look = (2.5, f"dot {kind}") if is_dotted else (5, "tip")
        parts.append(
            f"<circle class='{look}' cx='{x(step):.1f}' cy='{y(value):.1f}' r='{radius}'>"
            f"<title>{escape(series.label)}, {tip}</title></circle>"
        )
    return parts


def _path(points: Sequence[tuple[float, float]], x: Place, y: Place, look: str) -> str:
    line = "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in points)
    return f"<path class='{look}' d='M{line}'/>"


def _describe(chart: Chart) -> str:
    """Return in words what the chart shows, for those who do not see it."""
    curves = [
        f"{series.label} from {format_value(series.values[0], is_percent=chart.is_percent)} to "
        f"{format_value(series.values[-1], is_percent=chart.is_percent)}"
        for series in chart.series
    ]
    return f"{chart.title} over updates: {'; '.join(curves)}"
