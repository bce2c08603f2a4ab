"""The report's page in a real browser, where one is installed."""

import html
import shutil
import subprocess
from pathlib import Path

import pytest

from wav2vec2_conformer.evaluation import compare, evaluate_texts
from wav2vec2_conformer.evaluation.recognition import Recognition
from wav2vec2_conformer.evaluation.report_html import render_html
from wav2vec2_conformer.evaluation.report_json import System, build_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
NUM_UTTERANCES = 2000
EVIL = "</script><script>document.title = 'broken in'</script><b onclick=x>bold</b>"

pytestmark = [
    pytest.mark.may_skip,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium, which is no Python package"),
]


def render(page: str, folder: Path) -> str:
    """Return the page's elements after its scripts have run."""
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--virtual-time-budget=3000"),
            f"--user-data-dir={folder / 'profile'}",
            *("--dump-dom", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout.split('<script id="data"')[0]


def test_many_utterances_are_shown_as_text_and_a_few_at_a_time(tmp_path: Path) -> None:
    references = [f"utterance number {i}" for i in range(NUM_UTTERANCES)]
    hypotheses = [f"utterance {i}" for i in range(NUM_UTTERANCES)]
    references[7], hypotheses[7] = EVIL, "السلام عليكم"
    evaluation = evaluate_texts(references, hypotheses, normalizer="none")
    system = System(Recognition(EVIL, {}, {0: EVIL}), evaluation)
    report = build_report([system], manifest="set.jsonl")
    elements = render(render_html(report, ["a.wav"] * NUM_UTTERANCES), tmp_path)
    escaped = html.escape(EVIL, quote=False)
    assert f"<title>{escaped} on set.jsonl</title>" in elements
    assert "<b onclick" not in elements
    assert elements.count(escaped) >= 4  # title, heading, failure, reference
    assert f"{evaluation.wer:.2%}" in elements
    assert "2,000 utterances of 2,000" in elements
    assert 40 <= elements.count("<audio") < 500
    assert '<p class="diff" dir="auto">utterance <del>number</del> ' in elements
    assert "<ins>عليكم</ins>" in elements


def test_a_comparison_is_shown(tmp_path: Path) -> None:
    first = evaluate_texts(["a b", "c d"], ["a x", "c d"], durations_s=[1.0, 3.0])
    second = evaluate_texts(["a b", "c d"], ["a b", ""], durations_s=[1.0, 3.0])
    comparison = compare(first, second)
    systems = [
        System(Recognition(name, {}, {}), evaluation)
        for name, evaluation in (("one", first), ("two", second))
    ]
    page = render_html(build_report(systems, comparison, manifest="set.jsonl"))
    elements = render(page, tmp_path)
    assert "No difference in WER is shown" in elements
    assert "better in 1 utterance" in elements
    assert "+25.00 points WER" in elements
    assert elements.count('<p class="diff"') == 4
    assert '<option value="two is worse">' in elements
    assert "<audio" not in elements
