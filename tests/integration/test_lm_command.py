import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from wav2vec2_conformer.inference.fused_language_model import (
    SETTINGS_NAME,
    load_bundled_language_model,
)
from wav2vec2_conformer.language_models.arpa import read_arpa, read_arpa_words

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(
        "A bad cab.\nA cab, a bed \u2013 a bad bed!\n\nDad had a cab\n", encoding="utf-8"
    )
    return path


@pytest.fixture
def manifest(tmp_path: Path, clips: list[Path]) -> Path:
    path = tmp_path / "valid.jsonl"
    rows = [
        {
            "audio_filepath": str(clip),
            "duration": soundfile.info(clip).duration,
            "text": text,
        }
        for clip, text in zip(clips, ("A bad cab", "A bed", "Dad had a cab"), strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def build(run: Run, text: Path, output: Path, *options: object) -> Path:
    code, out, _ = run("lm", "build", text, "-o", output, "-q", *options)
    assert code == 0
    assert out == f"{output}\n"
    return output


def test_text_is_built_and_measured(run: Run, text: Path, tmp_path: Path) -> None:
    model = tmp_path / "lm.arpa.gz"
    code, out, err = run("lm", "build", text, "-o", model, "--order", 2)
    assert (code, out) == (0, f"{model}\n")
    assert "3 sentences, 15 words" in err
    assert read_arpa(model).order == 2
    code, out, _ = run("lm", "score", text, "--lm", model, "-f", "json")
    report = json.loads(out)
    assert code == 0
    assert (report["num_sentences"], report["num_words"], report["unknown_rate"]) == (3, 15, 0)
    assert 1 < report["perplexity"] < 15
    _, out, _ = run("lm", "score", text, "--lm", model)
    assert f"perplexity {report['perplexity']:.2f}" in out


def test_text_is_spelled_as_a_model_spells(
    run: Run, text: Path, tmp_path: Path, checkpoint: Path
) -> None:
    model = build(run, text, tmp_path / "lm.arpa", "--normalize-with", checkpoint)
    words = set(read_arpa_words(model)) - {"<unk>", "<s>", "</s>"}
    assert words == {"A", "BAD", "CAB", "BED", "DAD", "HAD"}


def test_several_texts_and_standard_input_are_one(text: Path, tmp_path: Path) -> None:
    program = "import sys; from wav2vec2_conformer.cli.main import run; run()"
    command = [sys.executable, "-c", program, "lm", "build", "-q", "--order", "2", "-o"]
    for name, inputs in (("a.arpa", ["-", str(text)]), ("b.arpa", [str(text), str(text)])):
        subprocess.run(
            [*command, str(tmp_path / name), *inputs],
            input=text.read_bytes(),
            check=True,
            capture_output=True,
        )
    assert (tmp_path / "a.arpa").read_text() == (tmp_path / "b.arpa").read_text()


def test_pruning_makes_the_model_smaller(run: Run, text: Path, tmp_path: Path) -> None:
    whole = build(run, text, tmp_path / "whole.arpa")
    by_count = build(run, text, tmp_path / "count.arpa", "--prune", "0 0 1")
    limit = whole.stat().st_size * 3 // 4
    by_size = build(run, text, tmp_path / "size.arpa", "--max-size", f"{limit / 1000}kB")
    small = build(run, text, tmp_path / "small.arpa", "--vocabulary-size", 3)
    assert by_count.stat().st_size < whole.stat().st_size
    assert by_size.stat().st_size <= limit
    assert len(read_arpa_words(small)) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prune", "none"], "expected whole numbers"),
        (["--max-size", "5 apples"], "expected a size such as 5MB"),
        (["--max-size", "0"], "expected a size such as 5MB"),
        (["--order", "20"], "less than or equal to 12"),
        (["--memory", "1"], "greater than or equal to 16"),
    ],
)
def test_wrong_options_are_usage_errors(
    run: Run, text: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    code, out, err = run("lm", "build", text, "-o", tmp_path / "lm.arpa", *options)
    assert (code, out) == (2, "")
    assert message in " ".join(err.replace("\u2502", " ").split())
    assert not (tmp_path / "lm.arpa").exists()


def test_what_cannot_be_done_is_one_line(run: Run, text: Path, tmp_path: Path) -> None:
    code, out, err = run("lm", "build", text, "-q", "-o", tmp_path / "lm.arpa", "--prune", "1")
    assert (code, out) == (1, "")
    assert err.startswith("error: prune_counts (--prune) must be")
    code, out, err = run("lm", "score", text, "--lm", text)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {text}, line 5: ")


def tune(run: Run, manifest: Path, lm: Path, *options: object) -> tuple[int, str, str]:
    return run(
        *("lm", "tune", "--manifest", manifest, "--lm", lm, "--alphas", "0.5 1", "--betas", "0 2"),
        *("--refinements", 1, "--beam-width", 8, "--device", "cpu", *options),
    )


def test_tuning_saves_the_best_weights_in_the_models_folder(
    run: Run, text: Path, tmp_path: Path, manifest: Path, checkpoint: Path
) -> None:
    lm = build(run, text, tmp_path / "lm.arpa", "-m", checkpoint)
    try:
        code, out, err = tune(run, manifest, lm, "-m", checkpoint, "--copy")
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert lines[0].startswith("greedy, no language model: WER ")
        assert lines[1].split() == ["alpha", "beta", "WER", "CER"]
        rows = [line.replace("best so far", "").split() for line in lines[2:-2]]
        assert [row[:2] for row in rows[:4]] == [["0.5", "0"], ["0.5", "2"], ["1", "0"], ["1", "2"]]
        assert len(rows) > 4
        best = min(rows, key=lambda row: float(row[2].rstrip("%")))
        assert lines[-2].split()[3] == best[2]
        assert lines[-1] == str(checkpoint / SETTINGS_NAME)
        loaded = load_bundled_language_model(checkpoint)
        assert loaded is not None
        language_model, weights = loaded
        assert "CAB" in language_model
        assert [f"{weights.alpha:g}", f"{weights.beta:g}"] == lines[-2].split()[1:3]
        assert (weights.unknown_word_score, weights.beam_width) == (-10.0, 8)
    finally:
        for name in (SETTINGS_NAME, "lm.arpa"):
            (checkpoint / name).unlink(missing_ok=True)


def test_the_cache_gives_the_same_table_without_the_model(
    run: Run,
    text: Path,
    tmp_path: Path,
    manifest: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lm = build(run, text, tmp_path / "lm.arpa", "-m", checkpoint)
    options = ("-m", checkpoint, "--no-save", "--cache", tmp_path / "cache.npz")
    first = tune(run, manifest, lm, *options)
    assert first[0] == 0

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("the model was loaded")

    monkeypatch.setattr("wav2vec2_conformer.inference.loading.load_ctc", refuse)
    assert tune(run, manifest, lm, *options) == first
    assert not (checkpoint / SETTINGS_NAME).exists()
    # another manifest: the model runs again
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(RuntimeError, match="the model was loaded"):
        tune(run, manifest, lm, *options)


def test_a_language_model_elsewhere_must_be_copied(
    run: Run, text: Path, tmp_path: Path, manifest: Path, checkpoint: Path
) -> None:
    lm = build(run, text, tmp_path / "lm.arpa")
    code, out, err = tune(run, manifest, lm, "-m", checkpoint)
    assert (code, out) == (2, "")
    assert "give --copy" in " ".join(err.replace("\u2502", " ").split())


def test_nothing_is_copied_into_the_package(
    run: Run, text: Path, tmp_path: Path, manifest: Path
) -> None:
    lm = build(run, text, tmp_path / "lm.arpa")
    code, out, err = tune(run, manifest, lm, "--copy")
    assert (code, out) == (2, "")
    assert "no folder to copy into" in " ".join(err.replace("\u2502", " ").split())


def test_values_that_are_no_numbers_are_a_usage_error(
    run: Run, text: Path, tmp_path: Path, manifest: Path, checkpoint: Path
) -> None:
    lm = build(run, text, tmp_path / "lm.arpa")
    code, _, err = tune(run, manifest, lm, "-m", checkpoint, "--no-save", "--alphas", "some")
    assert code == 2
    assert "expected numbers" in err
