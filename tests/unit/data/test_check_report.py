"""The report counts what was found, and its page shows text as text."""

import struct
from pathlib import Path

from wav2vec2_conformer.data.check_page import render_page
from wav2vec2_conformer.data.check_report import format_report
from wav2vec2_conformer.data.checks import DROPPED_BY_DEFAULT
from wav2vec2_conformer.data.clip_check import ClipCheck
from wav2vec2_conformer.data.duration_plot import plot_durations
from wav2vec2_conformer.data.inspection import Inspection
from wav2vec2_conformer.data.manifest import Utterance

GOOD = {"problem": None, "sample_rate_hz": 16_000, "silent_share": 0.1}
UTTERANCES = [
    Utterance(Path("a.wav"), 3600.0, "ab", "s1"),
    Utterance(Path("<b>.wav"), 1800.0, "<script>c</script>", "s2"),
    Utterance(Path("a.wav"), 1800.0, "b", "s1"),
]
CHECKS = [
    ClipCheck(**GOOD, duration_s=3600.0, digest="a"),
    ClipCheck(problem="<b>.wav: no such file"),
    ClipCheck(**GOOD, duration_s=1800.0, digest="a", offset=0.1),
]


def report(vocabulary=None):
    inspection = Inspection(vocabulary, lambda num_samples: num_samples)
    findings = inspection.find(UTTERANCES, CHECKS)
    return inspection.build_report(UTTERANCES, CHECKS, findings, DROPPED_BY_DEFAULT)


def test_numbers_add_up():
    found = report()
    assert found["summary"] == {
        "utterances": 3,
        "hours": 2.0,
        "speakers": 2,
        "kept_utterances": 1,
        "kept_hours": 1.0,
    }
    assert {k: (v["utterances"], v["dropped"]) for k, v in found["findings"].items()} == {
        "unreadable": (1, True),
        "duplicate": (1, True),
        "dc-offset": (1, False),
    }
    assert found["sample_rates"] == {"16000": 2}
    assert [entry["dropped"] for entry in found["utterances"]] == [True, True]


def test_characters_are_those_of_the_vocabulary_or_marked():
    vocabulary = {"<pad>": 0, "<unk>": 1, "|": 2, "A": 3}
    characters = {c["character"]: c for c in report(vocabulary)["characters"]}
    assert characters["A"]["known"]
    assert not characters["B"]["known"]
    assert (characters["B"]["count"], characters["B"]["code"]) == (2, "U+0042")
    assert all(c["known"] for c in report()["characters"])


def test_data_without_texts_is_not_searched_for_texts():
    inspection = Inspection(None, lambda _: 0)
    labelled = [Utterance(Path("a.wav"), 1.0, "", label="yes")]
    assert not inspection.find(labelled, [ClipCheck(**GOOD, duration_s=1.0)])


def test_text_names_findings_and_fate():
    lines = format_report(report()).splitlines()
    assert lines[0] == "3 utterances, 2.00 hours, 2 speakers"
    assert "unreadable: 1 dropped (the audio cannot be decoded)" in lines
    assert "    <b>.wav: no such file" in lines
    assert lines[-1] == "kept 1 utterances, 1.00 hours; dropped 2"


def test_page_is_escaped_and_complete():
    page = render_page(report() | {"valid": report()}, "a&b", b"\x89PNG")
    assert "<script>" not in page
    assert "&lt;script&gt;c&lt;/script&gt;" in page
    assert "Check of a&amp;b" in page
    assert "data:image/png;base64,iVBORw==" in page
    assert "The plot needs matplotlib" in render_page(report(), "a", None)


def test_plot_is_a_picture_even_of_nothing_kept():
    for kept_s, dropped_s in (([1.0, 2.0], [3.0]), ([], [1.0]), ([1.0], [])):
        picture = plot_durations(kept_s, dropped_s)
        assert picture.startswith(b"\x89PNG")
        assert struct.unpack(">II", picture[16:24]) == (960, 384)
