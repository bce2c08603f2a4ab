"""Which experiments run, and what a run tells."""

from pathlib import Path

import pytest

from wav2vec2_conformer.benchmark import suite
from wav2vec2_conformer.benchmark.experiments import EXPERIMENTS, FIGURES, Experiment
from wav2vec2_conformer.benchmark.names import OURS
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage
from wav2vec2_conformer.benchmark.sizes import SIZES
from wav2vec2_conformer.benchmark.suite import choose_figures, run_suite
from wav2vec2_conformer.errors import InputError


def test_figures_are_chosen_by_name() -> None:
    assert choose_figures([]) == frozenset(FIGURES)
    assert choose_figures(["s1", "Peers"]) == {"S1", "peers"}
    with pytest.raises(InputError, match="no figure 'S12'; choose among S1, S2"):
        choose_figures(["S1", "S12"])


def test_every_figure_has_an_experiment() -> None:
    assert frozenset.union(*(experiment.figures for experiment in EXPERIMENTS)) == set(FIGURES)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(SIZES["tiny"], 1, 1, tmp_path, None, frozenset({"S1"}), on_step=lambda _: None)


def test_nothing_is_started_where_memory_is_short(session: Session) -> None:
    modules = {OURS: ("no_such_module", {})}
    outcomes = session.alternate("work", modules, [Stage({"a": {}}, 1)], needs_gb=1e6)
    assert outcomes[OURS].failure.startswith("needs 1e+06 GB of free memory, there are")
    assert session.outcomes["work"][OURS]["failure"] == outcomes[OURS].failure


@pytest.mark.parametrize(("size", "goal"), [("large", 1.3), ("tiny", None)])
def test_rows_come_in_order_and_goals_are_those_of_large(
    monkeypatch: pytest.MonkeyPatch, size: str, goal: float | None
) -> None:
    def measure_late(session: Session) -> list[Row]:
        session.on_step("working")
        return [Row("S10", "late", "-", "times", 1.3, reached=1.0)]

    def measure_early(session: Session) -> list[Row]:
        session.on_step("working")
        return [Row("S2", "early", "-", "times", 1.3, reached=2.0)]

    experiments = (
        Experiment("late", frozenset({"S10"}), measure_late, 10.0),
        Experiment("early", frozenset({"S2"}), measure_early, 10.0),
        Experiment("other", frozenset({"S3"}), measure_early, 10.0),
    )
    monkeypatch.setattr(suite, "EXPERIMENTS", experiments)
    steps: list[str] = []
    runs = list(
        run_suite(
            size,
            figures=frozenset({"S2", "S10"}),
            rounds=1,
            threads=1,
            speech=None,
            on_step=steps.append,
        )
    )
    assert [[row.figure for row in results.rows] for results in runs] == [["S10"], ["S2", "S10"]]
    assert {row.goal for row in runs[-1].rows} == {goal}
    assert runs[-1].about["size"] == size
    assert steps == ["[1/2] late: working", "[2/2] early: working (about 1 min left)"]
