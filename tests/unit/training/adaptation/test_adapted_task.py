"""What a run with an adaptation trains, refuses and writes."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from wav2vec2_conformer.checkpoints.adapters_lora import is_lora_folder
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.data.collation import pad_tokens
from wav2vec2_conformer.errors import ConfigurationError, InputError
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import build_processor, build_vocabulary
from wav2vec2_conformer.training.adaptation.adapted_task import (
    Adaptation,
    build_adaptation,
    load_finished,
)
from wav2vec2_conformer.training.adaptation.lora import LoraSettings
from wav2vec2_conformer.training.ctc import predict_tokens
from wav2vec2_conformer.training.settings import FinetuneSettings
from wav2vec2_conformer.training.task import PreparedTask

LORA = Adaptation(lora=LoraSettings(rank=2))
LANGUAGE = Adaptation(target_lang="ara")


@pytest.fixture
def task(tiny_config_kwargs, tmp_path):
    """A transcription task without data: what is trained and saved is looked at alone."""
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs, adapter_attn_dim=4)
    Wav2Vec2ConformerForCTC(config).save_pretrained(tmp_path / "base")
    return PreparedTask(
        model=Wav2Vec2ConformerForCTC.from_pretrained(tmp_path / "base"),
        preprocessing=build_processor(build_vocabulary(["abcdefghi"])),
        train=None,
        valid=None,
        collate_labels=pad_tokens,
        predict=predict_tokens,
        metrics=None,
        best_metric="wer",
        greater_is_better=False,
    )


def change_trained(model):
    """Do what training does: move what is trained."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@pytest.mark.parametrize("adaptation", [LORA, LANGUAGE, Adaptation()])
def test_final_folder_is_a_plain_model_with_the_trained_results(task, tmp_path, adaptation):
    prepared = adaptation.prepare(task)
    waveform = torch.randn(1, 6000)
    expected = change_trained(prepared.model)(waveform).logits.detach()
    folder = adaptation.save(prepared, tmp_path / "final", "float32")
    loaded = Wav2Vec2ConformerForCTC.from_pretrained(folder)
    torch.testing.assert_close(loaded(waveform).logits, expected, rtol=0, atol=1e-5)
    assert (folder / "adapter.ara.safetensors").is_file() == (adaptation is LANGUAGE)
    assert not is_lora_folder(folder)


def test_lora_alone_is_written_on_request(task, tmp_path):
    adaptation = replace(LORA, lora_only=True)
    folder = adaptation.save(adaptation.prepare(task), tmp_path / "final", "float32")
    assert is_lora_folder(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    whole = (tmp_path / "base" / "model.safetensors").stat().st_size
    assert size < whole / 2


@pytest.mark.parametrize("adaptation", [LORA, LANGUAGE, Adaptation()])
def test_weights_of_a_finished_run_come_back(task, tmp_path, adaptation):
    prepared = adaptation.prepare(task)
    expected = {n: v.clone() for n, v in change_trained(prepared.model).state_dict().items()}
    prepared.model.save_pretrained(tmp_path / "checkpoint-9")
    change_trained(prepared.model)
    load_finished(prepared.model, tmp_path / "checkpoint-9")
    for name, value in prepared.model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    if adaptation is LORA:
        with pytest.raises(ConfigurationError, match="no checkpoint of a run with lora"):
            load_finished(prepared.model, tmp_path / "base")


@pytest.mark.usefixtures("task")
def test_adapters_are_added_to_a_base_that_has_none(tiny_config_kwargs, tmp_path):
    plain = Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs))
    plain.save_pretrained(tmp_path / "plain")
    settings = FinetuneSettings(model=str(tmp_path / "plain"), model_config={"layerdrop": 0.0})
    extended = LANGUAGE.extend(settings)
    assert extended.model_config == {"layerdrop": 0.0, "adapter_attn_dim": 16}
    narrow = replace(settings, model_config={"adapter_attn_dim": 8})
    assert LANGUAGE.extend(narrow) is narrow
    has_some = replace(settings, model=str(tmp_path / "base"))
    assert LANGUAGE.extend(has_some) is has_some
    assert LORA.extend(settings) is settings


def test_adaptation_is_read_from_settings():
    values = {
        "lora": True,
        "lora_rank": 3,
        "lora_alpha": 6.0,
        "lora_dropout": 0.0,
        "lora_targets": ["linear_q"],
        "lora_only": True,
        "target_lang": None,
    }
    settings = SimpleNamespace(**vars(FinetuneSettings(model="base")) | values)
    expected = LoraSettings(rank=3, alpha=6.0, dropout=0.0, targets=("linear_q",))
    assert build_adaptation(settings) == Adaptation(expected, lora_only=True)
    settings.lora = False
    with pytest.raises(InputError, match="lora_only is about LoRA"):
        build_adaptation(settings)


@pytest.mark.parametrize(
    ("adaptation", "settings", "message"),
    [
        (Adaptation(lora_only=True), {}, "lora_only is about LoRA"),
        (replace(LORA, target_lang="ara"), {}, "lora or target_lang, not both"),
        (LORA, {"model": None}, "lora adapts a checkpoint"),
        (LORA, {"freeze_encoder": True}, "lora freezes all .* leave out freeze_encoder"),
        (LANGUAGE, {"head_only_steps": 5}, "target_lang freezes all .* leave out head_only_steps"),
        (LANGUAGE, {"task": "classification"}, "for the task ctc, got classification"),
        (Adaptation(target_lang="a/b"), {}, "such as 'ara', got 'a/b'"),
    ],
)
def test_settings_that_contradict_are_refused(adaptation, settings, message):
    with pytest.raises(InputError, match=message):
        adaptation.check(FinetuneSettings(**{"model": "base"} | settings))


@pytest.mark.parametrize("adaptation", [LORA, LANGUAGE, Adaptation()])
def test_settings_that_agree_are_taken(adaptation):
    adaptation.check(FinetuneSettings(model="base", layer_learning_rate_decay=0.9))
