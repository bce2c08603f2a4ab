"""Scores are shown as people write them, what tells most first."""

from wav2vec2_conformer.training.report.metrics import format_metric, label_metric, metrics_of


def test_rates_are_percent_and_others_are_not():
    assert format_metric("wer", 0.12345) == "12.35 %"
    assert format_metric("frame_error_rate", 1) == "100.00 %"
    assert format_metric("loss", 1.23456) == "1.235"
    assert format_metric("loss", float("nan")) == "nan"
    assert format_metric("wer", "") == ""


def test_unknown_metrics_keep_their_names():
    assert label_metric("wer") == "WER"
    assert label_metric("mean_absolute_error") == "mean absolute error"


def test_speeds_are_no_scores_and_the_most_telling_comes_first():
    line = {"step": 3, "eval_loss": 1.0, "eval_pearson": 0.5, "eval_wer": 0.1, "eval_runtime": 2}
    line["eval_samples_per_second"] = 4.0
    assert list(metrics_of(line)) == ["wer", "loss", "pearson"]
