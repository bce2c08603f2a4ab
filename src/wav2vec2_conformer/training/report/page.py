"""A run as one HTML page that needs nothing else to open, and no script."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from wav2vec2_conformer.training.health.finding import HealthEvent
from wav2vec2_conformer.training.report.line_chart import draw_chart, format_value
from wav2vec2_conformer.training.report.metrics import format_metric, label_metric
from wav2vec2_conformer.training.report.results import list_evaluations, list_examples
from wav2vec2_conformer.training.report.run_folder import TrainingRun
from wav2vec2_conformer.training.report.series import build_charts

_TASKS = {
    "ctc": "Speech recognition (CTC)",
    "pretraining": "Pre-training",
    "classification": "Classification of recordings",
    "frame-classification": "Classification of frames",
    "xvector": "Speaker embeddings",
}


def render_page(run: TrainingRun) -> str:
    """Return the page of a run.

    Args:
        run: From `read_run`.
    """
    title = f"Training of {run.name}"
    sections = [
        _summary(run),
        _section("Health", _health(run.events)),
        _section("Curves", _curves(run)),
        _section("Evaluations", list_evaluations(run)),
        _section("Examples", list_examples(run.examples)),
        _section("Settings", _table(run.recipe.items())),
        _section("Machine", _machine(run)),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='color-scheme' content='light dark'>"
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_style()}</style></head><body>"
        f"<header><h1>{escape(title)}</h1><p class='quiet'>{escape(_about(run))}</p></header>"
        f"<main>{''.join(sections)}</main></body></html>\n"
    )


def describe_state(run: TrainingRun) -> str:
    """Return how far a run has come, in a few words."""
    if run.is_finished:
        return f"finished after {run.num_updates:,} updates"
    planned = int(run.state.get("max_steps", 0) or 0)
    # A run with a time limit plans more updates than any run makes.
    of = f" of {planned:,}" if run.num_updates < planned < 1_000_000 else ""  # noqa: PLR2004
    if run.events and run.events[-1].action == "stop":
        return f"stopped by the health monitor after {run.num_updates:,}{of} updates"
    return f"not finished: {run.num_updates:,}{of} updates so far"


def format_duration(seconds: float) -> str:
    """Return a duration as 44 min or 3 h 05 min."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"  # noqa: PLR2004


def _style() -> str:
    ours = resources.files(__package__) / "page.css"
    shared = resources.files("wav2vec2_conformer.evaluation") / "report" / "style.css"
    return shared.read_text(encoding="utf-8") + ours.read_text(encoding="utf-8")


def _about(run: TrainingRun) -> str:
    started = str(run.record.get("started", ""))
    when = ""
    if started:
        when = f"begun {dt.datetime.fromisoformat(started):%Y-%m-%d %H:%M} UTC"
    return " · ".join(
        part for part in (_TASKS.get(run.task, run.task), describe_state(run), when) if part
    )


def _summary(run: TrainingRun) -> str:
    cards = []
    best = run.best_line()
    metric = run.best_metric()
    if best is not None and metric is not None:
        short = metric.removeprefix("eval_")
        cards.append(
            (
                format_metric(short, best[metric]),
                f"best validation {label_metric(short)}, at update {best['step']:,}",
            )
        )
    if hours := run.audio_hours:
        heard = f"{hours:.1f} h" if hours >= 1 else format_duration(3600 * hours)
        cards.append((heard, "of audio trained on, repetitions included"))
    if seconds := run.training_s:
        speed = f", {3600 * hours / seconds:.0f} times real time" if hours else ""
        cards.append((format_duration(seconds), f"of training{speed}"))
    losses = [line["loss"] for line in run.history if "loss" in line]
    if losses:
        cards.append((format_value(losses[-1]), f"last training loss, first {losses[0]:.4g}"))
    return (
        "<section class='cards summary'>"
        + "".join(
            f"<div class='card'><p class='big num'>{escape(value)}</p>"
            f"<p class='quiet'>{escape(name)}</p></div>"
            for value, name in cards
        )
        + "</section>"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _health(events: Sequence[HealthEvent] | None) -> str:
    if events is None:
        return "<p class='card'>This run had no health monitor.</p>"
    if not events:
        return "<p class='card'>The health monitor has found nothing.</p>"
    items = []
    for event in events:
        over = event.action == "over"
        names = "".join(f"<li>{escape(name)}</li>" for name in event.utterances)
        items.append(
            f"<li class='card event-{escape(event.action)}'><p class='facts'>"
            f"<b>{escape(event.detector.replace('_', ' '))}</b><span>update {event.step:,}</span>"
            f"<span class='badge'>{escape(event.action.replace('_', ' '))}</span></p>"
            f"<p>{escape(_sentence(event.what))}</p>"
            + (
                ""
                if over
                else f"<p class='quiet'>Likely cause: {escape(_sentence(event.cause))}</p>"
                f"<p class='quiet'>What to do: {escape(_sentence(event.remedy))}</p>"
            )
            + (
                f"<details><summary>{len(event.utterances)} utterances</summary>"
                f"<ul>{names}</ul></details>"
                if names
                else ""
            )
            + "</li>"
        )
    return f"<ol class='events'>{''.join(items)}</ol>"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _curves(run: TrainingRun) -> str:
    distractors = run.config.get("num_negatives") if run.task == "pretraining" else None
    charts = build_charts(run.history, distractors)
    if not charts:
        return (
            "<p class='card'>There is no log line yet: the first comes after logging_steps "
            "updates.</p>"
        )
    last = run.num_updates
    marks = [
        (event.step, f"update {event.step}: {event.detector} ({event.action})")
        for event in run.events or ()
        if event.step <= last and event.action != "over"
    ]
    drawn = [draw_chart(chart, marks if chart.title == "Loss" else ()) for chart in charts]
    return f"<div class='charts'>{''.join(drawn)}</div>"


def _machine(run: TrainingRun) -> str:
    record = run.record
    rows: dict[str, Any] = {}
    if record.get("parameters"):
        rows["parameters"] = f"{record['parameters']:,}"
        rows["trained parameters"] = f"{record.get('trained_parameters', 0):,}"
    for group in ("data", "machine", "software"):
        rows |= record.get(group) or {}
    rows |= {name: record[name] for name in ("processes", "precision") if name in record}
    return _table(rows.items())


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    body = "".join(
        f"<tr><th scope='row'>{escape(str(name).replace('_', ' '))}</th>"
        f"<td>{escape(_plain(value))}</td></tr>"
        for name, value in rows
        if value not in (None, "", [], (), {})
    )
    return f"<div class='card scroll'><table class='pairs'>{body}</table></div>" if body else ""


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(inner) for inner in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_value(value) if isinstance(value, float) else str(value)
