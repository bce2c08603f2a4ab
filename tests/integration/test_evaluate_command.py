"""`wav2vec2-conformer evaluate`: tables, files and exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wav2vec2_conformer.evaluation import evaluate_texts
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.decoder import DecodingOptions

from .conftest import Command


@pytest.fixture
def heard(transcriber: Transcriber, clips: list[Path]) -> list[str]:
    return [transcriber.transcribe(clip).text for clip in clips]


@pytest.fixture
def manifest(tmp_path: Path, clips: list[Path], heard: list[str]) -> Path:
    """What the model hears, but for a word in front of the second clip."""
    texts = [heard[0].lower(), f"BAD {heard[1]}", heard[2]]
    rows = [
        {
            "audio_filepath": str(clip.relative_to(tmp_path)),
            "duration": duration_s,
            "text": text,
            "speaker": speaker,
            "room": room,
        }
        for clip, duration_s, text, speaker, room in zip(
            clips, (1.0, 0.6, 2.8), texts, "ABA", ("hall", "hall", None), strict=True
        )
    ]
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def texts_of(manifest: Path) -> list[str]:
    return [json.loads(line)["text"] for line in manifest.read_text().splitlines()]


def test_a_model_is_scored_and_files_are_written(
    run: Command, checkpoint: Path, manifest: Path, heard: list[str], tmp_path: Path
) -> None:
    output_dir = tmp_path / "new" / "out"
    code, out, err = run("evaluate", manifest, "-m", checkpoint, "-o", output_dir, "--by", "room")
    assert (code, err) == (0, "")
    expected = evaluate_texts(texts_of(manifest), heard)
    assert expected.words.num_errors == 1
    assert f"{expected.wer:.2%}" in out
    assert "[-bad-]" in out
    assert "x real time" in out
    assert sorted(path.name for path in output_dir.iterdir()) == [
        "hypotheses.jsonl",
        "report.html",
        "report.json",
    ]
    report = read_json(output_dir / "report.json")
    assert report["schema_version"] == 1
    assert report["normalizer"] == "unicode"
    (system,) = report["systems"]
    assert system["name"] == str(checkpoint)
    assert system["wer"]["rate"] == pytest.approx(expected.wer, abs=1e-6)
    assert system["wer"]["deletions"] == 1
    assert {key: len(parts) for key, parts in system["slices"].items()} == {
        "duration": 2,
        "speaker": 2,
        "room": 2,
    }
    assert 0 < system["speed"]["audio_s"] < 2.5
    assert system["speed"]["wall_s"] > 0
    assert report["peak_memory_mb"] > 50
    assert [u["audio_filepath"] for u in report["utterances"]] == ["a.wav", "b.flac", "more/a.wav"]
    assert report["utterances"][1]["systems"][0]["alignment"][0] == {"reference": "bad"}
    assert '"../../more/a.wav"' in (output_dir / "report.html").read_text(encoding="utf-8")


def test_saved_hypotheses_give_the_same_numbers_without_a_model(
    run: Command, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    assert run("evaluate", manifest, "-m", checkpoint, "-o", first)[0] == 0
    hypotheses = first / "hypotheses.jsonl"
    assert run("evaluate", manifest, "--hypotheses", hypotheses, "-o", again)[0] == 0
    before, after = (read_json(folder / "report.json") for folder in (first, again))
    assert after["utterances"] == before["utterances"]
    assert after["systems"][0]["wer"] == before["systems"][0]["wer"]
    assert after["systems"][0]["speed"] is None
    assert after["peak_memory_mb"] is None
    assert (again / "hypotheses.jsonl").read_bytes() == hypotheses.read_bytes()


def test_scoring_hypotheses_imports_no_torch(manifest: Path) -> None:
    program = f"""
import sys
sys.argv = ["w2vc", "evaluate", {str(manifest)!r}, "--hypotheses", {str(manifest) + ".txt"!r}]
from wav2vec2_conformer.cli.main import run
try:
    run()
finally:
    print("heavy:", [m for m in ("torch", "transformers") if m in sys.modules])
"""
    Path(f"{manifest}.txt").write_text("one\ntwo\nthree\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "WER" in done.stdout
    assert done.stdout.endswith("heavy: []\n")


def test_output_of_a_pipe_is_plain(run: Command, manifest: Path, tmp_path: Path) -> None:
    hypotheses = tmp_path / "h.txt"
    hypotheses.write_text("a\x1b[31m b\n" + "word " * 300 + "\nb\n", encoding="utf-8")
    _, out, _ = run("evaluate", manifest, "--hypotheses", hypotheses, "--normalizer", "none")
    assert out.isascii() or "\ufffd" in out
    assert "\x1b" not in out
    assert any(len(line) > 1500 for line in out.splitlines())


@pytest.mark.parametrize("second", ["model", "file"])
def test_two_systems_are_compared(
    run: Command, checkpoint: Path, manifest: Path, tmp_path: Path, second: str
) -> None:
    perfect = tmp_path / "perfect.txt"
    perfect.write_text("\n".join(texts_of(manifest)), encoding="utf-8")
    if second == "model":
        systems = ["--hypotheses", perfect, "--compare", checkpoint]
    else:
        systems = ["-m", checkpoint, "--compare", perfect]
    output_dir = tmp_path / "out"
    code, out, _ = run("evaluate", manifest, *systems, "-o", output_dir)
    assert code == 0
    comparison = read_json(output_dir / "report.json")["comparison"]
    counts = [comparison[f"num_{kind}"] for kind in ("better", "worse", "equal")]
    assert counts == ([0, 1, 2] if second == "model" else [1, 0, 2])
    assert comparison["p_value"] == 1.0
    assert "No difference in WER is shown: if both were equally good" in out
    names = {"hypotheses.jsonl", "compared-hypotheses.jsonl"}
    assert names < {path.name for path in output_dir.iterdir()}


def test_json_on_stdout_is_the_report(
    run: Command, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    code, out, _ = run("evaluate", manifest, "-m", checkpoint, "-f", "json", "-o", tmp_path)
    assert code == 0
    assert json.loads(out) == read_json(tmp_path / "report.json")


def test_embedded_audio_is_inside_the_page(
    run: Command, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    options = ["-m", checkpoint, "-o", tmp_path / "out", "--embed-audio"]
    code, _, err = run("evaluate", manifest, *options)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert (code, err) == (0, "")
    assert page.count(";base64,") == 3
    code, _, err = run("evaluate", manifest, *options, "--embed-limit-mb", "0.01")
    assert code == 0
    assert "note: 0 of 3 audio files are inside" in err


def test_one_failing_audio_is_left_out_and_gives_3(
    run: Command, checkpoint: Path, manifest: Path, clips: list[Path], tmp_path: Path
) -> None:
    clips[1].write_text("no audio")
    code, out, err = run("evaluate", manifest, "-m", checkpoint, "-o", tmp_path / "out")
    assert code == 3
    assert "1 of 3 utterances could not be scored" in err
    assert str(clips[1]) in err
    assert "1 failed, left out of every rate" in out
    report = read_json(tmp_path / "out" / "report.json")
    assert report["num_utterances"] == 2
    assert report["systems"][0]["wer"]["rate"] == 0
    assert str(clips[1]) in report["systems"][0]["failures"][0]


def test_nothing_but_failures_gives_1(
    run: Command, checkpoint: Path, manifest: Path, clips: list[Path], tmp_path: Path
) -> None:
    for clip in clips:
        clip.write_text("no audio")
    code, out, err = run("evaluate", manifest, "-m", checkpoint, "-o", tmp_path / "out")
    assert (code, out) == (1, "")
    assert "3 of 3 utterances could not be scored" in err
    assert not (tmp_path / "out" / "report.json").exists()


def test_the_vocabulary_normalizer_is_the_models(
    run: Command, checkpoint: Path, manifest: Path
) -> None:
    arguments = ["-m", checkpoint, "--normalizer", "vocabulary", "-f", "json"]
    _, out, _ = run("evaluate", manifest, *arguments)
    report = json.loads(out)
    assert report["systems"][0]["wer"]["deletions"] == 1
    assert report["utterances"][1]["systems"][0]["alignment"][0] == {"reference": "BAD"}


def test_decoding_flags_are_used_and_told(
    run: Command, checkpoint: Path, manifest: Path, clips: list[Path], heard: list[str]
) -> None:
    options = DecodingOptions(beam_width=3, hot_words={"CAB": 30.0})
    transcriber = Transcriber.from_pretrained(checkpoint, device="cpu", decoding=options)
    expected = [transcriber.transcribe(clip).text for clip in clips]
    flags = ["--beam-width", "3", "--hotwords", "CAB", "--hotword-weight", "30"]
    code, out, _ = run("evaluate", manifest, "-m", checkpoint, "-f", "json", *flags)
    assert code == 0
    report = json.loads(out)
    assert [u["systems"][0]["hypothesis"] for u in report["utterances"]] == expected != heard
    assert report["decoding"] == {"beam_width": "3", "hot_words": "CAB", "hot_word_weight": "30.0"}


def test_a_file_that_cannot_be_written_is_told(
    run: Command, checkpoint: Path, manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "report.html").mkdir()
    code, out, err = run("evaluate", manifest, "-m", checkpoint, "-o", tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: cannot write {tmp_path / 'report.html'}: ")
    assert not list(tmp_path.glob(".w2vc-*"))


def test_an_output_folder_that_is_a_file_is_wrong_usage(run: Command, manifest: Path) -> None:
    code, _, err = run("evaluate", manifest, "-o", manifest)
    assert code == 2
    assert "cannot make the folder" in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hypotheses", "h.txt", "-m", "x"], "without a model"),
        (["--hypotheses", "h.txt", "--normalizer", "vocabulary"], "take unicode"),
        (["--by", "speaker"], "always there"),
        (["--hypotheses", "h.txt", "--beam-width", "4"], "decoded already"),
        (["--hypotheses", "h.txt", "--compare", "i.txt", "--hotwords", "a"], "decoded already"),
        (["--normalizer", "german"], "german"),
        (["--worst", "-1"], "worst"),
    ],
)
def test_wrong_usage_gives_2(
    run: Command, manifest: Path, arguments: list[str], message: str
) -> None:
    code, out, err = run("evaluate", manifest, *arguments)
    assert (code, out) == (2, "")
    assert message in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "mood"], "no line has the key mood"),
        (["--hypotheses", "none.jsonl"], "none.jsonl: cannot be read"),
        (["-m", "no/such/checkpoint"], "no/such/checkpoint"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_1(
    run: Command, manifest: Path, arguments: list[str], message: str
) -> None:
    code, out, err = run("evaluate", manifest, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
