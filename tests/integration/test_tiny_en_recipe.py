"""The recipe of the bundled model, from manifests to its figures, in short."""

import gzip
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path, bundled_clips
from wav2vec2_conformer.cli.main import app

RECIPE = Path(__file__).parents[2] / "recipes" / "tiny-en"
RATE_HZ = 16_000
SPEAKERS = {
    "librispeech_mini5": ["10", "1737"],
    "librispeech_tc100_extra": ["11"],
    "librispeech_train": ["12", "32"],
    "ljspeech_part": ["LJ"],
    "arctic_cathy": ["cathy"],
    "librispeech_test_other": ["90"],
}


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Sets of two short clips of noise from each speaker, named as the recipe reads them."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "speech"
    folder.mkdir()
    for name, speakers in SPEAKERS.items():
        rows = []
        for speaker in speakers:
            for number, text in enumerate(["AN OLD ROAD", "THE OLD RED HEN"]):
                path = folder / f"{name}-{speaker}-{number}.wav"
                soundfile.write(path, 0.1 * rng.standard_normal(RATE_HZ), RATE_HZ)
                row = {"audio_filepath": path.name, "duration": 1.0, "text": text}
                rows.append({**row, "speaker": speaker})
        write_rows(folder / f"{name}.jsonl", rows)
    with gzip.open(folder / "text.txt.gz", "wt", encoding="utf-8") as file:
        file.write("10-1-0000 AN OLD ROAD\n10-1-0001 THE OLD RED HEN\n1737-1-0000 NEVER THIS\n")
    return folder


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def transcribe(model: Path) -> str:
    return run_command("transcribe", "-m", model, bundled_clips()[0])


def run_script(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    monkeypatch.syspath_prepend(RECIPE)
    runpy.run_path(str(RECIPE / name), run_name="__main__")


def check_pieces(pieces: Path, train: str) -> None:
    """See that each piece is a few of its utterance's words, from within its audio."""
    whole = {row["audio_filepath"]: row for row in map(json.loads, train.splitlines())}
    rows = [json.loads(line) for line in pieces.read_text().splitlines()]
    assert rows
    for row in rows:
        utterance = whole[row["audio_filepath"]]
        assert f" {row['text']} " in f" {utterance['text']} "
        assert 0 <= row["offset"] <= row["offset"] + row["duration"] <= utterance["duration"]
        assert row["speaker"] == utterance["speaker"]


def run_command(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


def test_the_recipe_goes_from_manifests_to_a_measured_model(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = Path("runs/tiny-en")
    run_script(monkeypatch, "prepare.py", speech, runs)
    train, valid = ((runs / f"{split}.jsonl").read_text() for split in ("train", "valid"))
    assert '"1737"' in valid
    assert '"1737"' not in train
    two_voices = [line for line in train.splitlines() if '"LJ"' in line or '"cathy"' in line]
    (runs / "two-voices.jsonl").write_text("\n".join(two_voices) + "\n")

    run_script(monkeypatch, "initialize.py", RECIPE / "config.json", runs / "initial")
    short = ["max_steps=1", "bf16=false", "report_to=none", "num_workers=0"]
    run_command("finetune", "--recipe", RECIPE / "two-voices.yaml", *short)
    run_command(
        *("finetune", "--recipe", RECIPE / "all-voices.yaml", "eval_steps=1", *short),
        f"model={runs}/two-voices/final",
    )
    synthetic = [json.loads(line) | {"speaker": "synthetic-flite"} for line in train.splitlines()]
    (runs / "synthetic").mkdir()
    write_rows(runs / "synthetic" / "synthetic.jsonl", synthetic)
    long = [*short[1:], "max_steps=2", "save_steps=1", "eval_steps=2"]
    run_command(
        *("finetune", "--recipe", RECIPE / "long.yaml", f"model={runs}/all-voices/final", *long)
    )
    model = runs / "mean"
    kept = [runs / "long" / f"checkpoint-{step}" for step in (1, 2)]
    run_command("convert", kept[0], model, "--average", kept[1])
    pieces = runs / "short.jsonl"
    rows = [json.loads(line) for line in train.splitlines()]
    # A file that cannot be decoded leaves the others in.
    (runs / "broken.wav").write_bytes(b"no audio")
    write_rows(runs / "to-cut.jsonl", [rows[0] | {"audio_filepath": "broken.wav"}, *rows])
    run_script(monkeypatch, "short_pieces.py", runs / "to-cut.jsonl", pieces, "--model", model)
    check_pieces(pieces, train)
    run_command(
        *("finetune", "--recipe", RECIPE / "with-pieces.yaml", f"model={model}", *short),
    )

    run_script(monkeypatch, "sentences.py", speech / "text.txt.gz", runs / "sentences.txt")
    assert "NEVER" not in (runs / "sentences.txt").read_text()
    arpa = runs / "language_model.arpa.gz"
    run_command("lm", "build", runs / "sentences.txt", "--order", "2", "-o", arpa)
    run_command(
        *("lm", "tune", "--manifest", runs / "valid.jsonl", "--lm", arpa, "--model", model),
        *("--copy", "--alphas", "0.5", "--betas", "0", "--refinements", "0"),
    )

    measure = runpy.run_path(str(RECIPE / "measure.py"))
    noisy = measure["add_noise_to_set"](speech / "librispeech_test_other.jsonl", tmp_path / "noisy")
    clean, _ = soundfile.read(speech / "librispeech_test_other-90-0.wav")
    with_noise, _ = soundfile.read(tmp_path / "noisy" / "0.flac")
    scale = (clean @ with_noise) / (clean @ clean)
    noise = with_noise / scale - clean
    assert 10 * np.log10((clean**2).mean() / (noise**2).mean()) == pytest.approx(10, abs=0.5)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    figures = measure["evaluate"](noisy, model, tmp_path / "measured", ["--greedy"])
    assert measure["describe"](figures, "noise") == "2 clips, 1 speakers, 0.0 h, noise"
    assert len(measure["rates"](figures)) == 2
    assert "utterances" in capsys.readouterr().out


def test_the_card_gets_the_new_figures() -> None:
    measure = runpy.run_path(str(RECIPE / "measure.py"))
    head = measure["TABLE_HEAD"]
    card = f"# A model\n\n{head}| old | 1 h |\n| | 2 h |\n\nText.\n\n| another | table |\n"
    new = measure["replace_table"](card, f"{head}| new | 1 h |\n")
    assert new == f"# A model\n\n{head}| new | 1 h |\n\nText.\n\n| another | table |\n"
    with pytest.raises(ValueError, match="the card has 0 tables"):
        measure["replace_table"]("# A model\n", head)
    card = bundled_checkpoint_path() / "README.md"
    measure["replace_table"](card.read_text(encoding="utf-8"), head)  # it has one such table


def test_a_trained_model_takes_the_place_of_the_bundled_one(
    checkpoint: Path, tmp_path: Path
) -> None:
    install = runpy.run_path(str(RECIPE / "install.py"))["main"]
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    (bundled / "README.md").write_text("the card")
    (bundled / "config.json").write_text("the old one")
    with pytest.raises(SystemExit, match="nowhere is no model's folder"):
        install(tmp_path / "nowhere", bundled)
    install(checkpoint, bundled)
    names = ["config.json", "preprocessor_config.json", "tokenizer_config.json", "vocab.json"]
    assert {path.name for path in bundled.iterdir()} == {"README.md", "model.safetensors", *names}
    assert (bundled / "README.md").read_text() == "the card"
    trained, installed = (load_file(f / "model.safetensors") for f in (checkpoint, bundled))
    assert installed["lm_head.weight"].dtype == torch.float16
    assert all(
        torch.allclose(trained[name].float(), installed[name].float(), 1e-3, 1e-6)
        for name in trained.keys() | installed.keys()
    )
    assert len(transcribe(bundled)) == pytest.approx(len(transcribe(checkpoint)), rel=0.1)
