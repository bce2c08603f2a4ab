"""`wav2vec2-conformer transcribe` in every format, to stdout and into files."""

import json
from pathlib import Path

import pysubs2
import pytest

from wav2vec2_conformer.formats import FILE_SUFFIXES, FORMATS, FormatOptions, format_transcript
from wav2vec2_conformer.inference import Transcriber

from .conftest import Command
from .test_transcribe_command import unboxed


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "json"])
def test_one_input_gives_the_content_of_its_file(
    run: Command, checkpoint: Path, clips: list[Path], transcriber: Transcriber, name: str
) -> None:
    code, out, err = run("transcribe", "-m", checkpoint, "-f", name, clips[0])
    assert (code, err) == (0, "")
    assert out == format_transcript(transcriber.transcribe(clips[0]), name)


def test_json_is_one_line_on_stdout_and_many_in_a_file(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    _, out, _ = run("transcribe", "-m", checkpoint, "-f", "json", clips[0])
    run("transcribe", "-m", checkpoint, "-f", "json", "-o", tmp_path / "out", clips[0])
    written = (tmp_path / "out" / "a.json").read_text()
    assert out.count("\n") == 1
    assert written.count("\n") > 10
    assert json.loads(out) == json.loads(written)


def test_all_formats_are_files_of_one_name(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path, transcriber: Transcriber
) -> None:
    output_dir = tmp_path / "out"
    code, out, _ = run("transcribe", "-m", checkpoint, "-f", "all", "-o", output_dir, *clips[:2])
    assert (code, out) == (0, "")
    assert {path.name: path.read_text() for path in output_dir.iterdir()} == {
        f"{clip.stem}{suffix}": format_transcript(transcriber.transcribe(clip), name)
        for clip in clips[:2]
        for name, suffix in FILE_SUFFIXES.items()
    }


@pytest.mark.parametrize("name", ["srt", "vtt", "tsv", "textgrid", "all"])
def test_formats_that_cannot_be_joined_need_a_folder(
    run: Command, clips: list[Path], name: str
) -> None:
    code, out, err = run("transcribe", "-f", name, *clips)
    assert (code, out) == (2, "")
    assert "give -o DIR" in unboxed(err)


def test_ctm_of_files_with_one_name_tells_them_apart(
    run: Command, checkpoint: Path, clips: list[Path], transcriber: Transcriber
) -> None:
    code, out, _ = run("transcribe", "-m", checkpoint, "-f", "ctm", *clips)
    assert code == 0
    for clip, utterance in zip(clips, ["a", "b", "a-2"], strict=True):
        lines = [line for line in out.splitlines() if line.split()[0] == utterance]
        assert len(lines) == len(transcriber.transcribe(clip).words)


def test_flags_of_formats_reach_the_format(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path, transcriber: Transcriber
) -> None:
    limits = ["--max-line-width", 6, "--max-line-count", 1]
    flags = [*limits, "--words", "--characters", "--language", "de"]
    run("transcribe", "-m", checkpoint, "-f", "all", "-o", tmp_path / "out", *flags, clips[0])
    options = FormatOptions(
        max_line_width=6, max_line_count=1, words=True, characters=True, language="de"
    )
    transcript = transcriber.transcribe(clips[0])
    for name, suffix in FILE_SUFFIXES.items():
        written = (tmp_path / "out" / f"a{suffix}").read_text()
        assert written == format_transcript(transcript, name, options)
        if name not in {"txt", "ctm"}:
            assert written != format_transcript(transcript, name)


def test_lines_break_where_asked(run: Command, checkpoint: Path, clips: list[Path]) -> None:
    flags = ["--max-line-width", 6, "--max-line-count", 2]
    _, out, _ = run("transcribe", "-m", checkpoint, "-f", "srt", *flags, clips[0])
    lines = [cue.plaintext.split("\n") for cue in pysubs2.SSAFile.from_string(out)]
    assert max(map(len, lines)) == 2
    assert all(" " not in line or len(line) <= 6 for cue in lines for line in cue)


def test_a_count_of_lines_without_a_width_is_wrong_usage(run: Command, clips: list[Path]) -> None:
    code, _, err = run("transcribe", "-f", "srt", "--max-line-count", 2, clips[0])
    assert code == 2
    assert "needs --max-line-width" in unboxed(err)


def test_flags_may_have_underscores(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    flags = ["--output_format", "srt", "--max_line_width", 20, "--output_dir", tmp_path / "o_o"]
    code, _, err = run("transcribe", "-m", checkpoint, *flags, clips[0])
    assert (code, err) == (0, "")
    assert (tmp_path / "o_o" / "a.srt").exists()
