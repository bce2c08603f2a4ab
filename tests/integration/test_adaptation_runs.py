"""Fine-tuning runs that adapt a base: exact resumption, folders that work as they are."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import load_file

from wav2vec2_conformer.checkpoints.adapters_lora import is_lora_folder, load_lora_folder
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import build_processor, build_vocabulary, write_processor
from wav2vec2_conformer.training.finetuning import finetune
from wav2vec2_conformer.training.settings import FinetuneSettings

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:transformers.*")


@pytest.fixture
def settings(tiny_config_kwargs, tmp_path):
    """A run of four updates with masks, dropout, layer drop, augmentation and accumulation."""
    vocabulary = build_vocabulary(["abcdef"])
    config = {"vocab_size": len(vocabulary), "mask_time_prob": 0.2, "layerdrop": 0.3}
    base = tmp_path / "base"
    Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs | config)).save_pretrained(
        base
    )
    write_processor(build_processor(vocabulary), base)
    rows = []
    for index in range(4):
        name = f"{index}.wav"
        num_samples = 8000 + 800 * index
        soundfile.write(tmp_path / name, torch.randn(num_samples).numpy() * 0.1, 16_000)
        rows.append({"audio_filepath": name, "duration": num_samples / 16_000, "text": "fade bed"})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return FinetuneSettings(
        model=str(base),
        train=(tmp_path / "train.jsonl",),
        output_dir=tmp_path / "run",
        batch_seconds=1.1,
        gradient_accumulation_steps=2,
        spec_augment_below_loss=1e9,
        speed_perturbation=0.1,
        learning_rate=0.01,
        warmup_steps=1,
        max_steps=4,
        logging_steps=1,
        save_steps=2,
        num_workers=0,
        use_cpu=True,
        report_to="none",
    )


@pytest.mark.parametrize("adaptation", [{"lora": True, "lora_rank": 2}, {"target_lang": "ara"}])
def test_resumed_run_ends_with_the_same_bits(settings, tmp_path, adaptation):
    settings = replace(settings, **adaptation)
    whole = load_file(finetune(settings) / "model.safetensors")
    shutil.copytree(settings.output_dir, tmp_path / "resumed")
    for name in ("checkpoint-4", "final"):
        shutil.rmtree(tmp_path / "resumed" / name)
    resumed = finetune(replace(settings, output_dir=tmp_path / "resumed", resume=True))
    values = load_file(resumed / "model.safetensors")
    assert values.keys() == whole.keys()
    assert all(torch.equal(values[name], value) for name, value in whole.items())
    again = finetune(replace(settings, resume=True))  # at its end already: written once more
    values = load_file(again / "model.safetensors")
    assert all(torch.equal(values[name], value) for name, value in whole.items())


def test_run_with_lora_alone_gives_the_merged_model(settings, tmp_path):
    settings = replace(settings, lora=True, lora_rank=2, max_steps=2)
    merged = Wav2Vec2ConformerForCTC.from_pretrained(finetune(settings))
    small = finetune(replace(settings, output_dir=tmp_path / "small", lora_only=True))
    waveform = torch.randn(1, 8000)
    expected = merged(waveform).logits
    for folder in (small, Path(tmp_path / "small" / "checkpoint-2")):
        assert is_lora_folder(folder)
        loaded = load_lora_folder(folder, Wav2Vec2ConformerForCTC)
        torch.testing.assert_close(loaded(waveform).logits, expected, rtol=0, atol=1e-5)
    base = load_file(Path(settings.model) / "model.safetensors")
    start = Wav2Vec2ConformerForCTC.from_pretrained(settings.model)(waveform).logits
    assert not torch.allclose(start, expected, atol=1e-3)
    for name, value in merged.state_dict().items():
        if "running_" in name or ".layer_norm." in name:
            assert torch.equal(value, base[name]), name
