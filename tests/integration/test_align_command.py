"""`wav2vec2-conformer align`: audio and texts to times, and what does not match."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.inference.aligner import Aligner

from .conftest import Command


def unboxed(message: str) -> str:
    """Return a usage error as one line: its box breaks lines where the path makes it."""
    return " ".join(message.replace("│", " ").split())


@pytest.fixture
def texts(clips: list[Path]) -> list[Path]:
    """A text for each clip, beside it: a.txt, b.txt and more/a.txt."""
    paths = [clip.with_suffix(".txt") for clip in clips]
    for path, text in zip(paths, ("Abba\n12 cede", "fade", "jig\nhide"), strict=True):
        path.write_text(f"{text}\n")
    return paths


def words(record: dict[str, Any]) -> list[str]:
    return [word["word"] for segment in record["segments"] for word in segment["words"]]


def test_one_file_gives_its_alignment_and_a_summary(
    run: Command, checkpoint: Path, clips: list[Path], texts: list[Path]
) -> None:
    code, out, err = run("align", "-m", checkpoint, clips[0], "--text", texts[0])
    assert code == 0
    record = json.loads(out)
    alignment = Aligner.from_pretrained(checkpoint, device="cpu").align(
        clips[0], texts[0].read_text()
    )
    assert words(record) == ["Abba", "12", "cede"]
    assert [segment["text"] for segment in record["segments"]] == ["Abba", "12 cede"]
    times = [(w["start"], w["end"]) for s in record["segments"] for w in s["words"]]
    assert times == [(word.start_s, word.end_s) for word in alignment.words]
    assert record["segments"][1]["words"][0]["aligned"] is False
    assert f"{clips[0]}: 3 words, 1 without letters that the model has" in err
    assert f"mean score {alignment.confidence:.2f}" in err


def test_texts_belong_to_files_in_their_order(
    run: Command, checkpoint: Path, clips: list[Path], texts: list[Path]
) -> None:
    code, out, err = run(
        "align", "-m", checkpoint, clips[1], clips[2], "--text", texts[1], "--text", texts[2]
    )
    assert code == 0
    assert [words(json.loads(line)) for line in out.splitlines()] == [["fade"], ["jig", "hide"]]
    assert "2 files: 3 words, 0 not spelled, mean score 0." in err


def test_a_folder_of_texts_has_one_for_each_name(
    run: Command, checkpoint: Path, clips: list[Path], texts: list[Path], tmp_path: Path
) -> None:
    folder = texts[0].parent
    code, _, _ = run(
        "align", "-m", checkpoint, clips[0], clips[1], "--text", folder, "-o", tmp_path / "out"
    )
    assert code == 0
    written = {path.name: json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()}
    assert {name: words(record) for name, record in written.items()} == {
        "a.json": ["Abba", "12", "cede"],
        "b.json": ["fade"],
    }


def test_a_manifest_names_audio_and_texts(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    manifest = tmp_path / "all.jsonl"
    rows = [
        {"audio_filepath": str(clips[0]), "duration": 1.0, "text": "bad"},
        {"audio_filepath": str(clips[1]), "duration": 0.6, "text": "cab"},
    ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = run("align", "-m", checkpoint, "--manifest", manifest, "-f", "ctm")
    assert code == 0
    columns = [line.split() for line in out.splitlines()]
    assert [(name, word) for name, _, _, _, word, _ in columns] == [("a", "bad"), ("b", "cab")]


def test_all_formats_are_written(
    run: Command, checkpoint: Path, clips: list[Path], texts: list[Path], tmp_path: Path
) -> None:
    out_dir = tmp_path / "out"
    code, out, _ = run(
        "align", "-m", checkpoint, clips[0], "--text", texts[0], "-f", "all", "-o", out_dir
    )
    assert (code, out) == (0, "")
    assert sorted(path.suffix for path in out_dir.iterdir()) == sorted(
        [".txt", ".srt", ".vtt", ".tsv", ".json", ".jsonl", ".ctm", ".TextGrid"]
    )


@pytest.mark.parametrize(
    ("output_format", "unit", "expected"),
    [
        ("tsv", None, ["Abba", "12 cede"]),
        ("tsv", "word", ["Abba", "12", "cede"]),
        ("tsv", "char", ["A", "B", "B", "A", "12", "C", "E", "D", "E"]),
        ("ctm", None, ["Abba", "12", "cede"]),
        ("ctm", "segment", ["Abba", "12_cede"]),
        ("ctm", "char", ["A", "B", "B", "A", "12", "C", "E", "D", "E"]),
    ],
)
def test_a_line_holds_a_unit(
    run: Command,
    checkpoint: Path,
    clips: list[Path],
    texts: list[Path],
    output_format: str,
    unit: str | None,
    expected: list[str],
) -> None:
    arguments = [] if unit is None else ["--unit", unit]
    code, out, _ = run(
        "align", "-m", checkpoint, clips[0], "--text", texts[0], "-f", output_format, *arguments
    )
    assert code == 0
    if output_format == "tsv":
        assert [line.split("\t")[2] for line in out.splitlines()[1:]] == expected
    else:
        assert [line.split()[4] for line in out.splitlines()] == expected


def test_characters_are_in_json_when_asked_for(
    run: Command, checkpoint: Path, clips: list[Path], texts: list[Path]
) -> None:
    arguments = ("align", "-m", checkpoint, clips[1], "--text", texts[1])
    _, out, _ = run(*arguments, "--unit", "char")
    (word,) = json.loads(out)["segments"][0]["words"]
    assert [part["character"] for part in word["characters"]] == list("FADE")
    _, out, _ = run(*arguments)
    assert "characters" not in json.loads(out)["segments"][0]["words"][0]


def test_real_speech_that_the_text_lacks_is_reported(run: Command, tmp_path: Path) -> None:
    clip = next(path for path in bundled_clips() if Path(path).stem == "weasels")
    text, report = tmp_path / "text.txt", tmp_path / "report.jsonl"
    text.write_text("Something is terribly wrong.\nWeasels have eaten our phone system.\n")
    code, _, err = run("align", clip, "--text", text, "--report", report)
    assert code == 0
    assert "1 region without a match:" in err
    assert "speech without text" in err
    (summary,) = map(json.loads, report.read_text().splitlines())
    assert summary["num_words"] == 10
    (region,) = summary["mismatches"]
    assert region["kind"] == "speech without text"
    assert 6.0 < region["start"] < 7.0
    assert 8.0 < region["end"] < 8.97
    assert len(region["text"].split()) > 3


def test_one_bad_input_does_not_stop_the_others(
    run: Command, checkpoint: Path, clips: list[Path], texts: list[Path]
) -> None:
    texts[1].write_text("abcdefghij " * 20)
    arguments = [*clips[:2], "--text", texts[0], "--text", texts[1]]
    code, out, err = run("align", "-m", checkpoint, *arguments)
    assert code == 3
    assert len(out.splitlines()) == 1
    assert f"1 of 2 inputs failed:\n  {clips[1]}: the audio has 29 frames, too few" in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the text is empty"),
        (b"12 34", "no word of the text can be spelled with the model's vocabulary: 12 34"),
        (b"caf\xe9", "not UTF-8"),
    ],
)
def test_texts_that_cannot_be_used_fail(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path, content: bytes, message: str
) -> None:
    text = tmp_path / "bad.txt"
    text.write_bytes(content)
    code, out, err = run("align", "-m", checkpoint, clips[0], "--text", text)
    assert (code, out) == (1, "")
    assert f"  {clips[0]}: " in err
    assert message in err


def test_missing_audio_fails(run: Command, checkpoint: Path, texts: list[Path]) -> None:
    code, _, err = run("align", "-m", checkpoint, "missing.wav", "--text", texts[0])
    assert code == 1
    assert "  missing.wav: no such file." in err


def test_results_that_cannot_be_written_fail(
    run: Command, checkpoint: Path, clips: list[Path], texts: list[Path], tmp_path: Path
) -> None:
    out_dir = tmp_path / "out"
    (out_dir / "a.json").mkdir(parents=True)
    code, _, err = run("align", "-m", checkpoint, clips[0], "--text", texts[0], "-o", out_dir)
    assert code == 1
    assert f"{clips[0]}: cannot write into {out_dir}" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav"], "no text: give --text FILE"),
        (["a.wav", "--text", "none.txt"], "there is no text file none.txt"),
        (["a.wav", "b.flac", "--text", "a.txt"], "2 audio files and 1 texts"),
        (["a.wav", "b.flac", "--text", "more"], "holds no b.txt for b.flac"),
        (["-", "--text", "-"], "standard input (-) can be read once only"),
        (["a.wav", "--manifest", "all.jsonl"], "--manifest names audio and texts"),
        (["a.wav", "--text", "a.txt", "-f", "all"], "needs a folder"),
        (["a.wav", "--text", "a.txt", "--report", "no/r.jsonl"], "is a folder, or in none"),
        (["a.wav", "--text", "a.txt", "--report", "more"], "is a folder, or in none"),
    ],
)
def test_wrong_usage_says_what_is_wrong(
    run: Command,
    texts: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(texts[0].parent)
    code, _, err = run("align", *arguments)
    assert code == 2
    assert message in unboxed(err)


def test_a_report_that_cannot_be_written_is_named(
    run: Command,
    checkpoint: Path,
    clips: list[Path],
    texts: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("wav2vec2_conformer.cli.align.write_text", fail)
    report = tmp_path / "report.jsonl"
    code, out, err = run(
        "align", "-m", checkpoint, clips[0], "--text", texts[0], "--report", report
    )
    assert code == 3
    assert words(json.loads(out)) == ["Abba", "12", "cede"]
    assert f"error: cannot write {report}: {os.strerror(errno.ENOSPC)}" in err
