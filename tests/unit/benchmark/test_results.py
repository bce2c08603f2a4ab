"""Results as JSON, table, page and picture."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from wav2vec2_conformer.benchmark.environment import describe_environment
from wav2vec2_conformer.benchmark.page import write_page
from wav2vec2_conformer.benchmark.plot import plot_results
from wav2vec2_conformer.benchmark.results import Results, read_results
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.table import iter_table_lines
from wav2vec2_conformer.errors import InputError


@pytest.fixture
def results() -> Results:
    run = {"size": "large", "rounds": 3, "threads": 2, "matrix_dim": 4096, "duration_s": 90.0}
    rows = (
        Row("S1", "15 s clip", "transformers", "times", 1.3, reached=1.42, in_cpu_time=1.4),
        Row("S6", "60 s clip", "transformers", "share", 0.4, at_most=True, reached=0.5),
        Row("S10", "import: torch", "-", "modules", 0.0, at_most=True, reached=0.0),
        Row("peers", "15 s clip", "OpenVINO", "times", reason="no module named | openvino"),
    )
    return Results({**describe_environment(), **run}, rows, {"clips": {"ours": {}}})


def test_json_is_read_as_it_was_written(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.write(path)
    assert read_results(path) == results
    stored = json.loads(path.read_text())
    assert [row["verdict"] for row in stored["rows"]][:3] == ["reached", "missed", "reached"]
    assert stored["about"]["versions"]["torch"]


@pytest.mark.parametrize("content", ["", "[]", '{"rows": [{}]}'])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"is no results\.json"):
        read_results(path)


def test_the_table_is_aligned_and_summed_up(results: Results) -> None:
    lines = list(iter_table_lines(results))
    assert lines[0].startswith("#      work")
    cells = [cell for cell in lines[1].split("  ") if cell]
    assert [cell.strip() for cell in cells] == [
        "S1", "15 s clip", "transformers", "≥ 1.30 x", "1.42 x", "1.40 x", "reached"
    ]  # fmt: skip
    assert lines[4].endswith("not measured: no module named | openvino")
    assert lines[-1].startswith("2 of 3 goals reached; size large, 3 rounds, 2 threads")
    assert len({line.index("transformers") for line in lines[1:3]}) == 1


def test_the_page_has_every_row_and_where(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    write_page(results, path, tmp_path / "benchmarks.png")
    page = path.read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(("| S", "| peers"))]
    assert len(rows) == len(results.rows)
    assert len({row.count("|") for row in rows}) == 1
    assert "![What was reached over each goal](benchmarks.png)" in page
    assert "4096 x 4096" in page
    assert results.about["processor"] in page
    write_page(results, path, None)
    assert "![" not in path.read_text(encoding="utf-8")


def test_the_picture_grows_with_the_rows(results: Results, tmp_path: Path) -> None:
    heights = []
    for rows in (results.rows, results.rows * 5):
        path = tmp_path / "results.png"
        plot_results(replace(results, rows=rows), path)
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        heights.append(int.from_bytes(content[20:24], "big"))
    assert heights[0] < heights[1]
