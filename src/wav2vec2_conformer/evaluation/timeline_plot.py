"""Who speaks when, as a picture."""

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.data.uem import Part
from wav2vec2_conformer.errors import MissingExtraError

_ROW_INCHES = 0.32
_MARGIN_INCHES = 1.1
_WIDTH_INCHES = 11.0
# A minute and more is read more easily in minutes.
_LONGEST_IN_SECONDS = 120.0
_MAX_NAME_LENGTH = 20
_NUM_COLOURS = 10


def plot_timeline(
    turns: Sequence[SpeakerTurn],
    duration_s: float,
    *,
    references: Sequence[SpeakerTurn] | None = None,
    parts: Sequence[Part] = (),
    title: str = "",
) -> bytes:
    """Return a PNG with a row for each speaker.

    Args:
        turns: What was found.
        duration_s: Length of the recording: the width of the picture.
        references: What is true, drawn above it in rows of its own. A found speaker has the
            colour of the true one with whom it shares the most time.
        parts: What is scored; the rest is greyed out. Empty: all of it.
        title: Stands above.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    check_plotting()
    from matplotlib.figure import Figure  # noqa: PLC0415 - of an extra

    groups = [("true", references)] if references is not None else []
    groups.append(("found", turns))
    colours = _choose_colours(turns, references)
    rows = [
        (group, speaker)
        for group, of_group in groups
        for speaker in dict.fromkeys(turn.speaker for turn in sorted(of_group or ()))
    ]
    height = _MARGIN_INCHES + _ROW_INCHES * (max(len(rows), 1) + len(groups) - 1)
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    scale = 60.0 if duration_s > _LONGEST_IN_SECONDS else 1.0
    places = {}
    for group, of_group in groups:
        for turn in of_group or ():
            place = rows.index((group, turn.speaker)) + 0.6 * (group == "found" and len(groups) > 1)
            places[group, turn.speaker] = place
            axes.broken_barh(
                [(turn.start_s / scale, (turn.end_s - turn.start_s) / scale)],
                (place - 0.38, 0.76),
                facecolors=colours[group, turn.speaker],
            )
    for start_s, end_s in _left_out(parts, duration_s):
        axes.axvspan(start_s / scale, end_s / scale, color="0.85", zorder=0)
    axes.set_xlim(0, max(duration_s, 1e-3) / scale)
    axes.set_ylim(max(places.values(), default=0) + 0.7, -0.7)
    axes.set_yticks(
        list(places.values()),
        [
            f"{group}: {_shorten(name)}" if len(groups) > 1 else _shorten(name)
            for group, name in places
        ],
    )
    for label in axes.get_yticklabels():
        label.set_parse_math(False)  # a name is text, not a formula between dollar signs
    axes.set_xlabel("time in minutes" if scale > 1 else "time in seconds")
    axes.set_title(_shorten(title, 90), parse_math=False, fontsize=10, loc="left")
    axes.tick_params("y", length=0)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    if not places:
        axes.text(0.5, 0.5, "no speech", transform=axes.transAxes, ha="center", va="center")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def check_plotting() -> None:
    """Say early what a plot needs.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("the plot of a timeline", "matplotlib", "plots")


def _choose_colours(
    turns: Sequence[SpeakerTurn], references: Sequence[SpeakerTurn] | None
) -> Mapping[tuple[str, str], Any]:
    """Return a colour for each group's speakers; matched speakers share one."""
    colours: dict[tuple[str, str], str] = {}
    for turn in sorted(references or ()):
        colours.setdefault(("true", turn.speaker), f"C{len(colours) % _NUM_COLOURS}")
    shared: dict[tuple[str, str], float] = {}
    for found in turns:
        for true in references or ():
            common_s = min(found.end_s, true.end_s) - max(found.start_s, true.start_s)
            pair = (found.speaker, true.speaker)
            shared[pair] = shared.get(pair, 0.0) + max(common_s, 0.0)
    taken: set[str] = set()
    for (found_name, true_name), common_s in sorted(shared.items(), key=lambda item: -item[1]):
        if common_s and ("found", found_name) not in colours and true_name not in taken:
            colours["found", found_name] = colours["true", true_name]
            taken.add(true_name)
    for turn in sorted(turns):
        colours.setdefault(("found", turn.speaker), f"C{len(colours) % _NUM_COLOURS}")
    return colours


def _left_out(parts: Sequence[Part], duration_s: float) -> list[Part]:
    """Return what lies between parts, before the first and after the last; sorted."""
    if not parts:
        return []
    edges = [0.0, *(edge for part in parts for edge in part), duration_s]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(start_s, end_s) for start_s, end_s in pairs if end_s > start_s]


def _shorten(text: str, length: int = _MAX_NAME_LENGTH) -> str:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown if len(shown) <= length else shown[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"
