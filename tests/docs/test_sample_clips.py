"""The sample clips are what their manifest and their page say."""

import json
import re
from pathlib import Path

import pytest
import soundfile

CLIPS = Path(__file__).parents[2] / "src" / "wav2vec2_conformer" / "assets" / "clips"
ROWS = [json.loads(line) for line in (CLIPS / "transcripts.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["audio_filepath"])
def test_a_clip_is_as_described(row: dict[str, str | float]) -> None:
    info = soundfile.info(CLIPS / row["audio_filepath"])
    assert (info.samplerate, info.channels) == (16_000, 1)
    assert info.duration == pytest.approx(row["duration"], abs=0.001)
    assert re.fullmatch("[A-Z' ]+", row["text"])


def test_the_manifest_and_the_page_list_every_clip() -> None:
    files = {path.name for path in CLIPS.glob("*.opus")}
    assert {row["audio_filepath"] for row in ROWS} == files
    page = (CLIPS / "README.md").read_text(encoding="utf-8")
    transcripts = {
        match["file"]: re.sub("[^A-Z' ]", "", match["said"].upper())
        for match in re.finditer(
            r"^\| `(?P<file>\w+\.opus)` \| [\d.]+ \|[^|]+\| (?P<said>.+) \|$",
            page,
            re.MULTILINE,
        )
    }
    assert transcripts == {row["audio_filepath"]: row["text"] for row in ROWS}


def test_the_clips_stay_small() -> None:
    assert sum(path.stat().st_size for path in CLIPS.iterdir()) < 600_000
