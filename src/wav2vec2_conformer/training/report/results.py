"""Evaluations and examples of a run as parts of its page."""

from collections.abc import Sequence
from html import escape

from wav2vec2_conformer.evaluation.word_alignment import align_texts
from wav2vec2_conformer.training.report.examples import TextExample
from wav2vec2_conformer.training.report.metrics import format_metric, label_metric, metrics_of
from wav2vec2_conformer.training.report.run_folder import TrainingRun, is_evaluation
from wav2vec2_conformer.training.report.timeline_chart import LEGEND, draw_timeline

_MAX_EVALUATIONS = 50


def list_evaluations(run: TrainingRun) -> str:
    """Return the table of evaluations, the last one first; "" without any."""
    lines = [line for line in run.history if is_evaluation(line)]
    if not lines:
        return ""
    best = run.best_line()
    names = list(dict.fromkeys(name for line in lines for name in metrics_of(line)))
    head = "".join(
        f"<th scope='col'>{escape(label_metric(name))}</th>" for name in ["update", "epoch", *names]
    )
    stride = -(-len(lines) // _MAX_EVALUATIONS)
    # The last one and the best are always among them.
    shown = [
        line for number, line in enumerate(reversed(lines)) if number % stride == 0 or line is best
    ]
    rows = []
    for line in shown:
        cells = "".join(
            f"<td class='num'>{escape(format_metric(name, metrics_of(line).get(name, '')))}</td>"
            for name in names
        )
        mark = " <span class='badge'>best</span>" if line is best else ""
        rows.append(
            f"<tr{' class=best' if line is best else ''}><td class='num'>{line['step']:,}{mark}"
            f"</td><td class='num'>{line.get('epoch') or 0:.2f}</td>{cells}</tr>"
        )
    return (
        "<div class='card scroll' tabindex='0' role='group' aria-label='Evaluations'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def list_examples(examples: Sequence[TextExample]) -> str:
    """Return examples with what is wrong in them; "" without any."""
    if not examples:
        return ""
    if examples[0].timeline is not None:
        return _list_timelines(examples)
    if not examples[0].is_transcript:
        return _list_hardest(examples)
    legend = (
        "<p class='legend quiet'><span><del>said, not recognized</del></span>"
        "<span><ins>recognized, not said</ins></span></p>"
    )
    alignments = align_texts([e.reference for e in examples], [e.hypothesis for e in examples])
    items = []
    for example, alignment in zip(examples, alignments, strict=True):
        words = []
        for edit in alignment.edits:
            if edit.is_equal:
                words.append(escape(edit.reference or ""))
                continue
            sides = [
                f"<{tag}>{escape(text)}</{tag}>"
                for tag, text in (("del", edit.reference), ("ins", edit.hypothesis))
                if text is not None
            ]
            words.append("".join(sides))
        counts = alignment.counts
        facts = f"{counts.num_errors} errors in {counts.num_reference} words"
        name = f"<span class='name'>{escape(example.name)}</span>" if example.name else ""
        items.append(
            f"<li class='card'><p class='facts'><b class='num'>{facts}</b>{name}</p>"
            f"<p class='diff' dir='auto'>{' '.join(words)}</p></li>"
        )
    return f"{legend}<ol class='events'>{''.join(items)}</ol>"


def _list_timelines(examples: Sequence[TextExample]) -> str:
    figures = "".join(
        f"<figure class='card chart'><figcaption><h3>{escape(e.name)}</h3><p class='quiet'>"
        f"{escape(e.reference)}: {escape(e.hypothesis)}</p></figcaption>"
        f"{draw_timeline(e.timeline)}</figure>"
        for e in examples
        if e.timeline is not None
    )
    return f"{LEGEND}<div class='charts'>{figures}</div>"


def _list_hardest(examples: Sequence[TextExample]) -> str:
    head = "".join(
        f"<th scope='col'>{title}</th>" for title in ("hardest first", "right", "the model's")
    )
    rows = "".join(
        f"<tr><td class='name'>{escape(e.name)}</td><td>{escape(e.reference)}</td>"
        f"<td>{escape(e.hypothesis)}</td></tr>"
        for e in examples
    )
    return (
        "<div class='card scroll' tabindex='0' role='group' aria-label='Examples'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
