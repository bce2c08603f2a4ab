"""The page holds the report as data, asks nothing of the network and runs no transcript."""

import base64
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from wav2vec2_conformer.evaluation import compare, evaluate_texts
from wav2vec2_conformer.evaluation.recognition import Recognition
from wav2vec2_conformer.evaluation.report_html import embed_audio, link_audio, render_html
from wav2vec2_conformer.evaluation.report_json import System, build_report

EVIL = "</script><script>alert(1)</script><!--<script>{{STYLE}}{{SCRIPT}}{{DATA}}\u2028&amp;"


class Elements(HTMLParser):
    """Collects the start tags of a page, and what its scripts hold."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts.append(data)


def report_of(reference: str, hypothesis: str, name: str = "m", num_systems: int = 1) -> dict:
    evaluation = evaluate_texts(
        [reference], [hypothesis], normalizer="none", names=[name], groups=[name]
    )
    systems = [System(Recognition(name, {0: hypothesis}, {1: name}), evaluation)] * num_systems
    comparison = compare(evaluation, evaluation) if num_systems > 1 else None
    return build_report(systems, comparison, manifest=name, about={"created": name})


@pytest.mark.parametrize("num_systems", [1, 2])
def test_no_transcript_or_name_becomes_markup(num_systems):
    harmless = Elements(render_html(report_of("a", "b", num_systems=num_systems)))
    report = report_of(EVIL, EVIL, EVIL, num_systems)
    page = Elements(render_html(report, [EVIL]))
    assert page.tags == harmless.tags
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert json.loads(page.scripts[0]) == {**report, "audio_sources": [EVIL]}


def test_the_scripts_write_text_nodes_alone():
    script = Elements(render_html(report_of("a", "b"))).scripts[1]
    for way_in in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way_in not in script


def test_the_page_asks_for_nothing_else():
    page = render_html(report_of("a", "b"))
    namespace = "http://www.w3.org/2000/svg"  # the name of SVG, not a place
    assert "://" not in page.replace(namespace, "")
    loading = [
        (tag, attributes)
        for tag, attributes in Elements(page).tags
        if tag in {"link", "img", "iframe"} or "src" in attributes
    ]
    assert loading == []
    assert "default-src 'none'" in page


def test_links_are_relative_to_the_page_and_quoted(tmp_path: Path):
    paths = [tmp_path / "audio" / "a b#1?.wav", tmp_path / "out" / "javascript:x"]
    links = link_audio(paths, tmp_path / "out")
    assert links == ["../audio/a%20b%231%3F.wav", "javascript%3Ax"]


def test_the_most_wanted_audio_is_embedded_first(tmp_path: Path):
    paths = [tmp_path / f"{name}.opus" for name in "abc"]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    sources, num_embedded = embed_audio(paths, tmp_path, [2, 0, 1], max_mb=0.0013)
    assert num_embedded == 2
    assert sources[1] == "b.opus"
    kind, encoded = sources[2].split(",")
    assert kind == "data:audio/ogg;base64"
    assert base64.b64decode(encoded) == paths[2].read_bytes()


def test_audio_that_is_gone_is_linked(tmp_path: Path):
    sources, num_embedded = embed_audio([tmp_path / "gone.wav"], tmp_path, [0], max_mb=1)
    assert (sources, num_embedded) == (["gone.wav"], 0)
