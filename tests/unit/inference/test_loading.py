"""Checkpoints become transcribers, and what is none is named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.decoder import DecodingOptions

RATE_HZ = 16_000


def noise(duration_s: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, round(duration_s * RATE_HZ)).astype(np.float32)


def copy_checkpoint(source: Path, target: Path) -> Path:
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_weights_that_are_not_finite_are_named(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_checkpoint(tiny_checkpoint, tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.bias"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    transcriber = Transcriber.from_pretrained(folder, device="cpu")
    with pytest.raises(CheckpointError, match="not finite"):
        transcriber.transcribe(noise(1.0), RATE_HZ)


def test_a_checkpoint_without_ctc_head_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_checkpoint(tiny_checkpoint, tmp_path)
    weights = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in weights.items() if not key.startswith("lm_head")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="no CTC head"):
        Transcriber.from_pretrained(folder, device="cpu")


def test_a_checkpoint_without_vocabulary_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_checkpoint(tiny_checkpoint, tmp_path)
    for name in ("vocab.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(CheckpointError, match=r"vocab\.json"):
        Transcriber.from_pretrained(folder, device="cpu")


def test_a_checkpoint_of_another_architecture_is_refused(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = copy_checkpoint(tiny_checkpoint, tmp_path)
    save_file({"other": torch.zeros(1)}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="Wav2Vec2-Conformer"):
        Transcriber.from_pretrained(folder, device="cpu")


@pytest.mark.parametrize("name", ["no/such/folder", "/no/such", "no-such-model"])
def test_missing_checkpoints_are_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match=name) as caught:
        Transcriber.from_pretrained(name, device="cpu")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        Transcriber.from_pretrained(tmp_path, device="cpu")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2-conformer"}))
    with pytest.raises(CheckpointError):
        Transcriber.from_pretrained(tmp_path, device="cpu")


@pytest.mark.parametrize("device", ["quantum", "cuda:99"])
def test_missing_devices_are_refused(tiny_checkpoint: Path, device: str) -> None:
    with pytest.raises(InputError, match=device):
        Transcriber.from_pretrained(tiny_checkpoint, device=device)


def test_unknown_compute_types_are_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(InputError, match="int3"):
        Transcriber.from_pretrained(tiny_checkpoint, compute_type="int3")


ARPA = """\\data\\
ngram 1=5

\\1-grams:
-1.0 <unk>
-99 <s>
-0.5 </s>
-0.3 AB
-0.3 CAGE

\\end\\
"""


def test_the_language_model_of_a_checkpoint_is_used(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_checkpoint(tiny_checkpoint, tmp_path)
    plain = Transcriber.from_pretrained(folder, device="cpu").decoder.options
    assert plain == DecodingOptions()
    (folder / "words.arpa").write_text(ARPA)
    settings = {
        "schema_version": 1,
        "language_model": "words.arpa",
        "alpha": 0.25,
        "beta": 2.0,
        "unknown_word_score": -4.0,
        "beam_width": 7,
    }
    (folder / "language_model.json").write_text(json.dumps(settings))
    tuned = Transcriber.from_pretrained(folder, device="cpu")
    options = tuned.decoder.options
    assert options.language_model is not None
    assert "CAGE" in options.language_model
    assert (options.alpha, options.beta, options.unknown_word_score) == (0.25, 2.0, -4.0)
    assert options.beam_width == 7
    assert tuned.transcribe(noise(1.0), RATE_HZ).words
    given = Transcriber.from_pretrained(folder, device="cpu", decoding=DecodingOptions())
    assert given.decoder.options.language_model is None
    (folder / "words.arpa").unlink()
    with pytest.raises(CheckpointError, match=r"words\.arpa"):
        Transcriber.from_pretrained(folder, device="cpu")
