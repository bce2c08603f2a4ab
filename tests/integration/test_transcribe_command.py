"""`wav2vec2-conformer transcribe` and the entry point around it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.checkpoints import bundled
from wav2vec2_conformer.cli import main
from wav2vec2_conformer.cli.transcript_files import plan_stems
from wav2vec2_conformer.evaluation.word_error import score
from wav2vec2_conformer.inference import Transcriber

from .conftest import RATE_HZ, Command


def unboxed(message: str) -> str:
    """Return a usage error as one line: its box breaks lines where the path makes it."""
    return " ".join(message.replace("│", " ").split())


def test_one_file_gives_its_text(
    run: Command, checkpoint: Path, clips: list[Path], transcriber: Transcriber
) -> None:
    code, out, err = run("transcribe", "-m", checkpoint, clips[0])
    assert (code, err) == (0, "")
    assert out == transcriber.transcribe(clips[0]).text + "\n"
    assert len(out) > 5


def test_several_files_give_named_lines_in_order(
    run: Command, checkpoint: Path, clips: list[Path], transcriber: Transcriber
) -> None:
    code, out, _ = run("transcribe", "-m", checkpoint, clips[1], clips[0])
    assert code == 0
    expected = [f"{clip}\t{transcriber.transcribe(clip).text}" for clip in (clips[1], clips[0])]
    assert out.splitlines() == expected


def test_json_has_words_with_times(
    run: Command, checkpoint: Path, clips: list[Path], transcriber: Transcriber
) -> None:
    code, out, _ = run("transcribe", "-m", checkpoint, "-f", "json", *clips)
    assert code == 0
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["file"] for record in records] == [str(clip) for clip in clips]
    for record, clip in zip(records, clips, strict=True):
        transcript = transcriber.transcribe(clip)
        assert record["text"] == transcript.text
        assert record["duration"] == pytest.approx(transcript.duration_s)
        words = [word for segment in record["segments"] for word in segment["words"]]
        assert words == [
            {
                "word": word.text,
                "start": word.start_s,
                "end": word.end_s,
                "score": round(word.confidence, 4),
            }
            for word in transcript.words
        ]
        ends = [word["end"] for word in words]
        assert ends == sorted(ends)
        assert ends[-1] <= record["duration"]


def test_a_folder_is_all_its_audio_sorted(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / ".hidden.wav").write_bytes(clips[0].read_bytes())
    code, out, _ = run("transcribe", "-m", checkpoint, tmp_path)
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(clip) for clip in clips]


def test_a_folder_without_audio_is_wrong_usage(run: Command, tmp_path: Path) -> None:
    code, _, err = run("transcribe", tmp_path)
    assert code == 2
    assert "no audio" in unboxed(err)


def test_files_of_one_name_are_written_without_loss(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path, transcriber: Transcriber
) -> None:
    output_dir = tmp_path / "new" / "out"
    code, out, err = run("transcribe", "-m", checkpoint, "-o", output_dir, *clips)
    assert (code, out) == (0, "")
    written = {path.name: path.read_text() for path in output_dir.iterdir()}
    assert written == {
        name: transcriber.transcribe(clip).text + "\n"
        for name, clip in zip(["a.txt", "b.txt", "a-2.txt"], clips, strict=True)
    }
    assert f"{clips[2]} -> {output_dir / 'a-2.txt'}" in err


def test_output_names_never_repeat() -> None:
    sources = ["x/a.wav", "y/a.wav", "a-2.wav", "z/A.flac", "-", "stdin.wav"]
    stems = plan_stems(sources)
    assert stems == ["a", "a-2", "a-2-2", "A-3", "stdin", "stdin-2"]


def test_json_files_hold_one_object(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    code, _, _ = run("transcribe", "-m", checkpoint, "-f", "json", "-o", tmp_path, clips[1])
    assert code == 0
    assert json.loads((tmp_path / "b.json").read_text())["file"] == str(clips[1])


def test_an_output_folder_that_is_a_file_is_wrong_usage(run: Command, clips: list[Path]) -> None:
    code, _, err = run("transcribe", "-o", clips[0], clips[1])
    assert code == 2
    assert "cannot make the folder" in unboxed(err)


def test_one_failing_file_of_three_gives_3_and_two_results(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("text")
    code, out, err = run("transcribe", "-m", checkpoint, clips[0], broken, clips[1])
    assert code == 3
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(clips[0]), str(clips[1])]
    assert "1 of 3 inputs failed" in err
    assert f"{broken}: no decoder" in err


def test_nothing_but_failures_gives_1(run: Command, checkpoint: Path) -> None:
    code, out, err = run("transcribe", "-m", checkpoint, "x.wav", "y.wav")
    assert (code, out) == (1, "")
    assert "x.wav: no such file" in err
    assert "y.wav: no such file" in err


def test_a_cut_file_is_transcribed_with_a_warning(
    run: Command, checkpoint: Path, clips: list[Path]
) -> None:
    clips[0].write_bytes(clips[0].read_bytes()[:20_000])
    code, out, err = run("transcribe", "-m", checkpoint, clips[0])
    assert code == 0
    assert out.strip()
    assert err.startswith(f"warning: {clips[0]}: the audio is cut off")
    assert err.count("\n") == 1


def test_stdin_is_read(
    run: Command,
    checkpoint: Path,
    clips: list[Path],
    transcriber: Transcriber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = transcriber.transcribe(clips[0]).text + "\n"
    for arguments in (["-"], []):
        content = io.TextIOWrapper(io.BytesIO(clips[0].read_bytes()))
        monkeypatch.setattr(sys, "stdin", content)
        assert run("transcribe", "-m", checkpoint, *arguments)[:2] == (0, expected)


def test_no_input_on_a_terminal_is_wrong_usage(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    code, _, err = run("transcribe")
    assert code == 2
    assert "no input" in unboxed(err)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["-f", "docx", "a.wav"],
        ["--batch-seconds", "0", "a.wav"],
        ["-", "-"],
        ["--demo", "a.wav"],
    ],
)
def test_wrong_usage_gives_2(run: Command, arguments: list[str]) -> None:
    code, out, err = run("transcribe", *arguments)
    assert (code, out) == (2, "")
    assert err


def test_a_bad_checkpoint_is_one_line_and_1(run: Command, clips: list[Path]) -> None:
    code, out, err = run("transcribe", "-m", "no/such/checkpoint", clips[0])
    assert (code, out) == (1, "")
    assert err == "error: no/such/checkpoint: no such folder.\n"


def test_demo_transcribes_the_bundled_clips(
    run: Command, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, clips: list[Path]
) -> None:
    monkeypatch.setattr(bundled, "bundled_clips", lambda: clips)
    code, out, _ = run("transcribe", "-m", checkpoint, "--demo")
    assert code == 0
    names = [line.split("\t")[0] for line in out.splitlines()]
    assert names == ["a.wav", "b.flac", "a.wav"]


def write_manifest(path: Path, texts: dict[Path, str]) -> Path:
    lines = [
        json.dumps({"audio_filepath": str(clip), "duration": 1.0, "text": text})
        for clip, text in texts.items()
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("output_format", ["txt", "json"])
def test_references_give_error_rates_on_stderr(
    run: Command,
    checkpoint: Path,
    clips: list[Path],
    tmp_path: Path,
    transcriber: Transcriber,
    output_format: str,
) -> None:
    heard = [transcriber.transcribe(clip).text for clip in clips]
    # Case and punctuation are not errors: the vocabulary has neither.
    said = [heard[0].lower() + "!", "BAD CAFE"]
    manifest = write_manifest(
        tmp_path / "manifest.jsonl",
        {clips[0].relative_to(tmp_path): said[0], clips[1]: said[1]},
    )
    arguments = ["-f", output_format, "--references", manifest, *clips]
    code, _, err = run("transcribe", "-m", checkpoint, *arguments)
    expected = score([heard[0], said[1]], heard[:2])
    assert code == 0
    if output_format == "json":
        assert json.loads(err) == {
            "wer": expected.wer,
            "cer": expected.cer,
            "num_words": expected.num_words,
            "num_files": 2,
        }
    else:
        assert err == (
            f"WER {expected.wer:.2%}, CER {expected.cer:.2%} "
            f"({expected.num_words} words in 2 files)\n"
        )


def test_references_of_other_files_are_told(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    manifest = write_manifest(tmp_path / "manifest.jsonl", {clips[0]: "A"})
    code, _, err = run("transcribe", "-m", checkpoint, "--references", manifest, clips[1])
    assert code == 0
    assert "no transcribed file has a reference" in err


def test_a_bad_manifest_gives_1(run: Command, clips: list[Path]) -> None:
    code, _, err = run("transcribe", "--references", "missing.jsonl", clips[0])
    assert code == 1
    assert "missing.jsonl" in err


def test_version_is_printed(run: Command) -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("wav2vec2-conformer ")


@pytest.mark.parametrize("arguments", [["--help"], ["transcribe", "--help"]])
def test_help_imports_no_torch(arguments: list[str]) -> None:
    program = f"""
import sys
sys.argv = ["w2vc", *{arguments!r}]
from wav2vec2_conformer.cli.main import run
try:
    run()
finally:
    heavy = [m for m in ("torch", "transformers", "numpy", "soundfile") if m in sys.modules]
    print("heavy:", heavy)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "Usage" in done.stdout
    assert done.stdout.endswith("heavy: []\n")


def test_other_exceptions_keep_their_traceback(
    monkeypatch: pytest.MonkeyPatch, clips: list[Path]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Transcriber, "from_pretrained", fail)
    monkeypatch.setattr(sys, "argv", ["w2vc", "transcribe", str(clips[0])])
    with pytest.raises(ZeroDivisionError):
        main.run()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_interrupt_keeps_what_is_done_and_gives_130(
    checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    endless = tmp_path / "endless.wav"
    os.mkfifo(endless)
    output_dir, failures = tmp_path / "out", tmp_path / "failures.jsonl"
    # The first clip is long enough to run before the next input is opened.
    soundfile.write(clips[0], np.random.default_rng(0).normal(0, 0.1, 10 * RATE_HZ), RATE_HZ)
    program = "from wav2vec2_conformer.cli.main import run; run()"
    options = ["-m", checkpoint, "--batch-seconds", "1", "-o", output_dir, "--failures", failures]
    process = subprocess.Popen(
        [sys.executable, "-c", program, "transcribe", *options, "missing.wav", clips[0], endless],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline_s = time.monotonic() + 60
    while not (output_dir / "a.txt").exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert [path.name for path in output_dir.iterdir()] == ["a.txt"]
    assert (output_dir / "a.txt").read_text().strip()
    assert json.loads(failures.read_text())["file"] == "missing.wav"
