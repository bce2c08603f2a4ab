"""Rows of each experiment from canned answers: no process runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wav2vec2_conformer.benchmark.accuracy_rows import measure_accuracy
from wav2vec2_conformer.benchmark.batch_rows import measure_batch
from wav2vec2_conformer.benchmark.clip_rows import measure_relative, measure_rotary
from wav2vec2_conformer.benchmark.gpu_rows import measure_gpu
from wav2vec2_conformer.benchmark.names import (
    MACHINE,
    OURS,
    OURS_FLEX,
    OURS_GRAPHS,
    OURS_INT8,
)
from wav2vec2_conformer.benchmark.peer_rows import measure_peers
from wav2vec2_conformer.benchmark.recording_rows import measure_growth, measure_long_recording
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage
from wav2vec2_conformer.benchmark.sizes import SIZES
from wav2vec2_conformer.benchmark.training_rows import measure_finetuning, measure_pretraining
from wav2vec2_conformer.benchmark.turns import Outcome

OURS_ANSWER = {
    "wall_s": 1.0,
    "cpu_s": 2.0,
    "memory_mb": 100.0,
    "flops": 6e9,
    "flops_as_transformers": 8e9,
    "distance": 1e-6,
    "text": "one two three four",
    "wer": 0.5,
}
PEER_ANSWER = {**OURS_ANSWER, "wall_s": 1.5, "cpu_s": 4.0, "memory_mb": 400.0, "distance": 0.5}
INT8_ANSWER = {**OURS_ANSWER, "wall_s": 0.5, "wer": 0.504}
ABOUT = {"weights_mb": 1000.0, "loss": 2.0, "padding": 0.6}


@dataclass(slots=True)
class CannedSession(Session):
    """Answers every request at once; those in `failing` fail."""

    failing: tuple[str, ...] = ()
    num_experiments: int = 0

    def alternate(
        self,
        experiment: str,
        modules: Mapping[str, tuple[str, dict[str, Any]]],
        stages: Sequence[Stage],
        *,
        needs_gb: float,
    ) -> dict[str, Outcome]:
        assert needs_gb > 0, experiment
        self.num_experiments += 1
        outcomes = {}
        for name in modules:
            answer = {OURS: OURS_ANSWER, OURS_INT8: INT8_ANSWER}.get(name, PEER_ANSWER)
            answer = {"flops_per_s": 8e9} if name == MACHINE else answer
            about = {**ABOUT, "weights_mb": 250.0} if name == OURS_INT8 else ABOUT
            outcomes[name] = Outcome(dict(about), failure="it broke")
            if name not in self.failing:
                outcomes[name].failure = ""
                for stage in stages:
                    if stage.only is None or name in stage.only:
                        for request in stage.requests:
                            outcomes[name].samples[request] = [dict(answer)] * stage.rounds
        return outcomes


@pytest.fixture
def session(tmp_path: Path) -> CannedSession:
    figures = frozenset({"S1", "S2", "S3", "S4", "S6"})
    return CannedSession(SIZES["tiny"], 2, 1, tmp_path, None, figures, on_step=lambda _: None)


def reached(rows: list[Row]) -> list[tuple[str, float | None, str]]:
    return [(row.figure, row.reached, row.verdict.partition(":")[0]) for row in rows]


def test_clips_give_speed_roofline_int8_and_memory(session: CannedSession) -> None:
    assert reached(measure_relative(session)) == [
        ("S1", 1.5, "reached"),
        ("S1", 1.5, "reached"),
        ("S3", 0.75, "missed"),
        ("S3", 0.75, "missed"),
        ("S4", 3.0, "reached"),
        ("S4", 0.25, "reached"),
        ("S6", 0.25, "reached"),
    ]
    roofline = measure_relative(session)[2]
    assert roofline.difference == "transformers 50% (67% with the position products that it adds)"
    rotary = measure_rotary(session)
    assert [row.figure for row in rotary] == ["S2", "S2", "S3", "S3"]
    assert rotary[2].difference == "transformers 50%"


def test_only_wanted_figures_are_told(session: CannedSession) -> None:
    session.figures = frozenset({"S6"})
    assert [row.figure for row in measure_relative(session)] == ["S6"]


@pytest.mark.parametrize("failing", [OURS, OURS_INT8, MACHINE, "transformers"])
def test_one_failure_spares_the_other_rows(session: CannedSession, failing: str) -> None:
    session.failing = (failing,)
    rows = measure_relative(session)
    lost = {row.figure for row in rows if row.reached is None}
    assert (
        lost
        == {
            OURS: {"S1", "S3", "S6"},
            OURS_INT8: {"S4"},
            MACHINE: {"S3"},
            "transformers": {"S1", "S4", "S6"},
        }[failing]
    )
    assert all(f"{failing}: it broke" in row.verdict for row in rows if row.reached is None)


def test_a_batch_gives_speed_and_equality(session: CannedSession) -> None:
    speed, equality = measure_batch(session)
    assert (speed.reached, speed.difference) == (1.5, "60% padding")
    assert (equality.verdict, equality.difference) == ("reached", "transformers 5.0e-01")


def test_a_recording_gives_speed_memory_and_words(session: CannedSession) -> None:
    speed, memory = measure_long_recording(session)
    assert (speed.verdict, speed.difference) == ("reached", "0.0% of the words differ")
    assert (memory.reached, memory.difference) == (100.0, "transformers 400 MB")
    assert list(session.folder.glob("long*")) == []
    session.failing = ("transformers",)
    speed, memory = measure_long_recording(session)
    assert (speed.reached, memory.reached) == (None, 100.0)


def test_growth_is_of_time_for_a_second_and_of_memory(session: CannedSession) -> None:
    linear, flat = measure_growth(session)
    # The same answer for 8 s as for 2 s: a quarter of the time for a second, no more memory.
    assert (linear.reached, flat.reached) == (0.25, 0.0)
    assert linear.difference == "2 s: 1000.0 ms, 4 s: 500.0 ms, 8 s: 250.0 ms"


@pytest.mark.parametrize("measure", [measure_finetuning, measure_pretraining])
def test_training_gives_time_memory_and_the_same_loss(session: CannedSession, measure: Any) -> None:
    speed, memory = measure(session)
    assert (speed.reached, speed.in_cpu_time, memory.reached) == (1.5, 2.0, 0.25)
    assert speed.difference == "loss in eval mode within 0e+00 of itself"


def test_int8_costs_points_of_error_rate(session: CannedSession, tmp_path: Path) -> None:
    [row] = measure_accuracy(session)
    assert row.verdict == "not measured: no test set; give one with --speech MANIFEST"
    session.speech = tmp_path / "test.jsonl"
    [row] = measure_accuracy(session)
    assert row.reached == pytest.approx(0.4)
    assert (row.verdict, row.difference) == ("reached", "50.00% and 50.40% of test.jsonl")


def test_every_peer_has_a_row(session: CannedSession) -> None:
    session.failing = ("OpenVINO",)
    rows = measure_peers(session)
    assert [row.against for row in rows] == [
        "transformers",
        "transformers eager",
        "transformers compiled",
        "ONNX Runtime",
        "OpenVINO",
        "ONNX Runtime int8",
    ]
    assert [row.reached for row in rows] == [1.5, 1.5, 1.5, 1.5, None, 3.0]
    assert rows[4].verdict == "not measured: OpenVINO: it broke"


def test_gpu_rows_tell_attention_and_graphs_apart(session: CannedSession) -> None:
    rows = measure_gpu(session)
    assert [(row.work, row.against, row.reached) for row in rows[:4]] == [
        ("2 s clip, relative, float32, GPU", "transformers default", 1.5),
        ("2 s clip, relative, float32, GPU, FlexAttention", OURS, 1 / 1.5),
        ("1 s clip, relative, float32, GPU", "transformers default", 1.5),
        ("1 s clip, relative, float32, GPU, CUDA graphs", OURS, 1 / 1.5),
    ]
    assert len(rows) == 12


def test_without_a_gpu_the_rows_say_so_and_it_is_tried_once(session: CannedSession) -> None:
    session.failing = ("transformers", OURS, OURS_FLEX, OURS_GRAPHS)
    rows = measure_gpu(session)
    assert {row.verdict for row in rows} == {"not measured: it broke"}
    assert session.num_experiments == 1
