"""Verdicts and texts of rows."""

import pytest

from wav2vec2_conformer.benchmark.row import Row, Unit, format_quantity


@pytest.mark.parametrize(
    ("reached", "at_most", "verdict"),
    [
        (1.5, False, "reached"),
        (1.6, False, "reached"),
        (1.4, False, "missed"),
        (1.4, True, "reached"),
        (1.6, True, "missed"),
    ],
)
def test_a_goal_is_reached_or_missed(reached: float, *, at_most: bool, verdict: str) -> None:
    row = Row("S1", "clip", "peer", "times", 1.5, at_most=at_most, reached=reached)
    assert row.verdict == verdict


def test_what_was_not_measured_says_why() -> None:
    row = Row("S1", "clip", "peer", "times", 1.5, reason="peer: killed by SIGKILL")
    assert row.verdict == "not measured: peer: killed by SIGKILL"
    assert row.is_reached is None
    assert row.reached_text == "-"


def test_without_a_goal_there_is_no_verdict() -> None:
    row = Row("S1", "clip", "peer", "times", reached=1.2)
    assert (row.verdict, row.goal_text, row.reached_text) == ("-", "-", "1.20 x")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.234, "times", "1.23 x"),
        (0.385, "share", "38%"),
        (0.3, "points", "+0.30 points"),
        (612.3, "megabytes", "612 MB"),
        (0.0, "modules", "0 modules"),
        (0.25, "seconds", "0.25 s"),
        (2.5e-5, "logits", "2.5e-05"),
    ],
)
def test_quantities_have_their_unit(value: float, unit: Unit, text: str) -> None:
    assert format_quantity(value, unit) == text


def test_goals_say_their_direction() -> None:
    assert Row("S6", "clip", "peer", "share", 0.4, at_most=True).goal_text == "≤ 40%"
    assert Row("S1", "clip", "peer", "times", 1.3).goal_text == "≥ 1.30 x"
