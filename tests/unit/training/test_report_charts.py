"""Charts: round ticks, the right curves, values at the right places."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2vec2_conformer.training.report.line_chart import (
    draw_chart,
    format_count,
    format_value,
    log_ticks,
    nice_ticks,
)
from wav2vec2_conformer.training.report.series import (
    Chart,
    Series,
    build_charts,
    measure_speeds,
    smooth,
    thin,
)


def test_ticks_are_round():
    assert nice_ticks([0.75, 1.29]) == pytest.approx([0.6, 0.8, 1.0, 1.2, 1.4])
    assert nice_ticks([0.1, 1.0]) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert log_ticks(0.3, 40) == [0.1, 1.0, 10.0, 100.0]


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=5))
def test_ticks_enclose_the_values(values):
    ticks = nice_ticks(values)
    assert 2 <= len(ticks) <= 8
    slack = (ticks[1] - ticks[0]) * 1e-6
    assert ticks[0] <= min(values) + slack
    assert ticks[-1] >= max(values) - slack
    assert ticks == sorted(ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0155, "1.016"),
        (3e-4, "0.0003"),
        (3e-5, "3e-5"),
        (1.234e7, "1.23e7"),
        (-250.0, "-250"),
    ],
)
def test_values_are_short(value, text):
    assert format_value(value) == text


def test_counts_of_updates_are_short():
    counts = [500, 1500, 1550, 12_000, 2_000_000]
    assert [format_count(n) for n in counts] == ["500", "1.5k", "1550", "12k", "2M"]


def test_points_are_drawn_where_they_belong():
    chart = Chart("Loss", [Series("training", [0, 100], [2.0, 0.0], is_evaluation=False)])
    svg = draw_chart(chart, [(50, "half <way>")])
    xs, ys = zip(*re.findall(r"<circle[^>]*cx='([\d.]+)' cy='([\d.]+)'", svg), strict=True)
    assert (float(xs[0]), float(xs[1])) == (56, 430)
    assert float(ys[0]) < float(ys[1])  # SVG counts downwards
    (event,) = re.findall(r"class='event' d='M([\d.]+)", svg)
    assert float(event) == (56 + 430) / 2
    assert "half &lt;way&gt;" in svg


def test_labels_of_ticks_differ():
    values = [2.0, 1.9997]
    chart = Chart("Temperature", [Series("training", [0, 9], values, is_evaluation=False)])
    assert re.findall(r"'tick end'[^>]*>([^<]+)<", draw_chart(chart))[:2] == ["1.9997", "1.9998"]
    chart = Chart("WER", [Series("WER", [0, 9], [0.5, 1.0], is_evaluation=True)], is_percent=True)
    assert ">40 %<" in draw_chart(chart) or ">50 %<" in draw_chart(chart)


def test_a_single_point_can_be_drawn():
    chart = Chart("Loss", [Series("validation", [7], [0.5], is_evaluation=True)])
    assert "update 7: 0.5" in draw_chart(chart)


def test_a_wide_gradient_norm_has_a_logarithmic_axis():
    history = [{"step": s, "grad_norm": n} for s, n in ((1, 1.0), (2, 1000.0))]
    (chart,) = build_charts(history)
    assert chart.is_log
    assert ">100<" in draw_chart(chart)


def test_other_metrics_have_charts_of_their_own():
    history = [{"step": 1, "eval_der": 0.5, "eval_runtime": 1.0}, {"step": 2, "my_loss": 3}]
    assert [chart.title for chart in build_charts(history)] == ["Der", "My loss"]


def test_long_runs_are_thinned_without_losing_their_end():
    steps, values = thin(list(range(1, 1001)), [float(i) for i in range(1000)])
    assert 200 <= len(steps) <= 300
    assert (steps[-1], values[-1]) == (1000, 999.0)
    assert values == sorted(values)
    assert thin([1, 2], [3.0, 4.0]) == ([1, 2], [3.0, 4.0])


def test_smoothing_is_a_running_mean():
    assert smooth([1.0, 2.0, 3.0, 6.0], 2) == [1.0, 1.5, 2.5, 4.5]


def test_speed_leaves_out_evaluations_and_resumptions():
    def training(step, seconds, samples):
        return {
            "step": step,
            "loss": 1.0,
            "train_runtime": seconds,
            "num_input_tokens_seen": samples,
        }

    history = [
        training(1, 10, 16_000 * 100),
        training(2, 20, 16_000 * 300),
        {"step": 2, "eval_loss": 1.0},
        training(3, 60, 16_000 * 500),
        training(4, 5, 16_000 * 700),  # resumed: the clock starts anew
        training(5, 15, 16_000 * 800),
    ]
    assert measure_speeds(history) == ([2, 5], [20.0, 10.0])
