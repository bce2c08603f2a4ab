"""From answers to rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wav2vec2_conformer.benchmark.comparison import (
    compare_logits,
    fill_memory,
    fill_speed,
    missing_reason,
)
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.turns import Outcome

ROW = Row("S1", "clip", "peer", "times", 1.3)


def outcome(*answers: tuple[float, float, float | None]) -> Outcome:
    keys = ("wall_s", "cpu_s", "memory_mb")
    samples: list[dict[str, Any]] = [dict(zip(keys, answer, strict=True)) for answer in answers]
    return Outcome(samples={"clip": samples})


def test_speed_is_the_median_of_the_ratios_of_rounds() -> None:
    # A machine that is twice as slow in the second round changes no ratio.
    outcomes = {
        "ours": outcome((1.0, 2.0, 1.0), (2.0, 4.0, 1.0), (1.0, 2.0, 1.0)),
        "peer": outcome((1.5, 3.0, 1.0), (3.0, 6.0, 1.0), (9.0, 3.0, 1.0)),
    }
    row = fill_speed(ROW, outcomes, "ours", "peer", "clip")
    assert (row.reached, row.in_cpu_time) == (1.5, 1.5)


def test_memory_is_a_share_and_tells_both() -> None:
    outcomes = {"ours": outcome((1.0, 1.0, 100.0)), "peer": outcome((1.0, 1.0, 400.0))}
    row = fill_memory(ROW, outcomes, "ours", "peer", "clip")
    assert (row.reached, row.difference) == (0.25, "100 MB and 400 MB")


def test_a_peer_that_failed_leaves_its_reason() -> None:
    outcomes = {"ours": outcome((1.0, 1.0, 1.0)), "peer": Outcome(failure="killed by SIGKILL")}
    row = fill_speed(ROW, outcomes, "ours", "peer", "clip")
    assert row.verdict == "not measured: peer: killed by SIGKILL"


def test_a_reason_of_all_names_nobody() -> None:
    outcomes = {"ours": Outcome(failure="too little memory")}
    outcomes["peer"] = Outcome(failure="too little memory")
    assert missing_reason(outcomes, ("ours", "peer")) == "too little memory"


def test_memory_that_the_system_does_not_tell_is_said() -> None:
    outcomes = {"ours": outcome((1.0, 1.0, None)), "peer": outcome((1.0, 1.0, None))}
    row = fill_memory(ROW, outcomes, "ours", "peer", "clip")
    assert row.verdict == "not measured: this system does not tell a process's memory"


def test_logits_are_compared_in_value_and_choice(tmp_path: Path) -> None:
    one = np.zeros((1, 4, 3), np.float32)
    other = one.copy()
    other[0, 0, 1] = 0.5
    paths = [tmp_path / "one.npy", tmp_path / "other.npy"]
    assert compare_logits(*paths) == ""
    for path, logits in zip(paths, (one, other), strict=True):
        np.save(path, logits)
    assert compare_logits(*paths) == "logits within 5.0e-01, best token equal in 75.0% of frames"
    np.save(paths[1], other[:, :3])
    assert "shapes (1, 4, 3) and (1, 3, 3)" in compare_logits(*paths)


@pytest.mark.parametrize("quantity", ["wall_s", "memory_mb"])
def test_what_was_not_measured_is_no_value(quantity: str) -> None:
    told = outcome((1.0, 2.0, None), (3.0, 4.0, 5.0))
    assert told.values("clip", quantity) == ([1.0, 3.0] if quantity == "wall_s" else [5.0])
    assert told.values("nothing", quantity) == []
