"""LoRA changes what it says and nothing else, and comes back whole from its folder."""

import copy
import importlib.util

import pytest
import torch

from wav2vec2_conformer.checkpoints.adapters_lora import is_lora_folder, load_lora_folder
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, InputError, MissingExtraError
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector
from wav2vec2_conformer.text.vocabulary import build_processor, build_vocabulary
from wav2vec2_conformer.training.adaptation.lora import (
    LoraSettings,
    add_lora,
    merge_lora,
    save_lora,
)

ATTENTION = {"linear_q", "linear_k", "linear_v", "linear_out"}
FEED_FORWARD = {"intermediate_dense", "output_dense"}


@pytest.fixture
def processor():
    return build_processor(build_vocabulary(["abcdefghi"]))


@pytest.fixture
def base_folder(tiny_config_kwargs, tmp_path):
    """A model with another vocabulary than the processor's, saved."""
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs | {"vocab_size": 7})
    Wav2Vec2ConformerForCTC(config).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def model(base_folder):
    return Wav2Vec2ConformerForCTC.from_pretrained(
        base_folder, vocab_size=12, ctc_loss_reduction="mean", ignore_mismatched_sizes=True
    )


def train(adapted, num_steps=3):
    """Take some updates of padded batches, with dropout and layer drop."""
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    mask = torch.ones(2, 6000, dtype=torch.long)
    mask[1, 4000:] = 0
    adapted.train()
    for _ in range(num_steps):
        waveforms = torch.randn(2, 6000) * mask
        labels = torch.tensor([[3, 4, 5], [6, 7, -100]])
        adapted(waveforms, attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    adapted.eval()


@pytest.mark.parametrize(
    ("positions", "targets"),
    [
        ("relative", ATTENTION | FEED_FORWARD | {"linear_pos"}),
        ("rotary", ATTENTION | FEED_FORWARD),
        (None, ATTENTION | FEED_FORWARD),
        ("convolutional", ATTENTION | FEED_FORWARD),
    ],
)
def test_every_linear_map_of_the_blocks_gets_gradients_and_nothing_else_but_the_head(
    tiny_config_kwargs, positions, targets
):
    config = Wav2Vec2ConformerConfig(
        **tiny_config_kwargs | {"position_embeddings_type": positions, "layerdrop": 0.0}
    )
    adapted = add_lora(Wav2Vec2ConformerForCTC(config))
    train(adapted, num_steps=2)  # B is zero before the first update, so A has no gradient
    adapted.train()
    adapted(torch.randn(1, 6000), labels=torch.tensor([[3, 4]])).loss.backward()
    changed = {n for n, p in adapted.named_parameters() if p.grad is not None and p.grad.any()}
    assert {n for n, p in adapted.named_parameters() if p.requires_grad} == changed
    assert {n.split(".")[-4] for n in changed if "lora_" in n} == targets
    num_maps = len(ATTENTION) + 2 * len(FEED_FORWARD) + (positions == "relative")
    head = {f"base_model.model.lm_head.modules_to_save.default.{n}" for n in ("weight", "bias")}
    assert len(changed) == 2 * num_maps * config.num_hidden_layers + len(head)
    assert head <= changed


def test_base_stays_bit_identical_in_training(model):
    before = copy.deepcopy(model.state_dict())
    adapted = add_lora(model)
    start = adapted.eval()(torch.ones(1, 4000)).logits
    train(adapted)
    assert not torch.equal(adapted(torch.ones(1, 4000)).logits, start)
    after = {
        n.removeprefix("base_model.model.")
        .replace("base_layer.", "")
        .replace("original_module.", ""): value
        for n, value in adapted.state_dict().items()
        if "lora_" not in n and "modules_to_save" not in n
    }
    assert after.keys() == before.keys()
    assert any(n.endswith("running_var") for n in after)
    for name, value in before.items():
        assert torch.equal(after[name], value), name


def test_training_sees_the_running_statistics_that_evaluation_uses(model):
    config = model.config
    config.apply_spec_augment = False
    adapted = add_lora(model, LoraSettings(dropout=0.0))
    for module in adapted.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "layer_drop"):
            module.layer_drop = 0.0
        if hasattr(module, "running_var") and module.running_var is not None:
            module.running_var.fill_(3.0)
    for module in adapted.modules():
        if type(module).__name__ == "SelfAttention":
            module.dropout = 0.0
    waveform = torch.randn(1, 6000)
    in_training = adapted.train()(waveform).logits
    torch.testing.assert_close(in_training, adapted.eval()(waveform).logits)


@pytest.mark.parametrize("positions", ["relative", "rotary"])
def test_merged_model_computes_what_the_unmerged_did(tiny_config_kwargs, positions):
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs | {"position_embeddings_type": positions})
    adapted = add_lora(Wav2Vec2ConformerForCTC(config))
    train(adapted)
    waveforms = torch.randn(2, 6000)
    with torch.no_grad():
        expected = adapted(waveforms).logits
        merged = merge_lora(adapted).eval()
        torch.testing.assert_close(merged(waveforms).logits, expected, rtol=0, atol=1e-5)
    assert type(merged) is Wav2Vec2ConformerForCTC
    assert merged.state_dict().keys() == Wav2Vec2ConformerForCTC(config).state_dict().keys()
    assert merged.lm_head.weight.requires_grad


def test_merged_model_trains_with_moving_statistics_again(model):
    merged = merge_lora(add_lora(model)).train()
    before = {n: b.clone() for n, b in merged.named_buffers() if n.endswith("running_mean")}
    merged(torch.randn(1, 6000))
    after = dict(merged.named_buffers())
    assert before
    assert all(not torch.equal(after[n], value) for n, value in before.items())


def test_folder_with_lora_alone_comes_back_with_its_own_vocabulary(
    model, processor, tmp_path, base_folder
):
    adapted = add_lora(model, LoraSettings(rank=2))
    train(adapted)
    expected = adapted(torch.ones(1, 4000)).logits
    folder = save_lora(adapted, processor, tmp_path / "lora")
    assert {p.name for p in folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "config.json",
        "preprocessor_config.json",
        "tokenizer_config.json",
        "vocab.json",
    }
    assert is_lora_folder(folder)
    assert not is_lora_folder(base_folder)
    loaded = load_lora_folder(folder, Wav2Vec2ConformerForCTC)
    assert loaded.config.vocab_size == 12
    assert loaded.config.ctc_loss_reduction == "mean"
    assert load_processor(folder).tokenizer.get_vocab() == processor.tokenizer.get_vocab()
    torch.testing.assert_close(loaded(torch.ones(1, 4000)).logits, expected, rtol=0, atol=1e-5)


def test_lora_folder_without_its_base_says_where_to_put_it(model, processor, tmp_path, base_folder):
    folder = save_lora(add_lora(model, LoraSettings(rank=2)), processor, tmp_path / "lora")
    base_folder.rename(tmp_path / "moved")
    with pytest.raises(CheckpointError, match=r"base model .*base cannot be loaded.*correct base_"):
        load_lora_folder(folder, Wav2Vec2ConformerForCTC)
    moved = tmp_path / "moved"
    loaded = load_lora_folder(folder, Wav2Vec2ConformerForCTC, base=moved)
    assert loaded.config.vocab_size == 12
    with pytest.raises(CheckpointError, match=r"head of another task \(lm_head\).* has class"):
        load_lora_folder(folder, Wav2Vec2ConformerForAudioFrameClassification, base=moved)
    (folder / "adapter_model.safetensors").write_bytes(b"half")
    with pytest.raises(CheckpointError, match=r"lora: does not fit the base model .*moved: "):
        load_lora_folder(folder, Wav2Vec2ConformerForCTC, base=moved)


def test_targets_can_be_chosen_but_only_those_that_take_effect(model):
    adapted = add_lora(model, LoraSettings(targets=("linear_q", "linear_v")))
    names = {n.split(".")[-4] for n, _ in adapted.named_parameters() if "lora_" in n}
    assert names == {"linear_q", "linear_v"}
    with pytest.raises(InputError, match=r"no linear map pointwise_conv1 .* linear_k, linear_out"):
        add_lora(merge_lora(adapted), LoraSettings(targets=("pointwise_conv1",)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (LoraSettings(rank=0), "rank must be at least 1, got 0"),
        (LoraSettings(alpha=0.0), "alpha must be above 0"),
        (LoraSettings(dropout=1.0), "dropout must be at least 0 and below 1"),
    ],
)
def test_settings_out_of_range_are_named(model, settings, message):
    with pytest.raises(InputError, match=message):
        add_lora(model, settings)


@pytest.mark.parametrize(
    "head",
    [Wav2Vec2ConformerForSequenceClassification, Wav2Vec2ConformerForAudioFrameClassification],
)
def test_heads_of_classification_are_trained_and_merged(tiny_config_kwargs, head):
    adapted = add_lora(head(Wav2Vec2ConformerConfig(**tiny_config_kwargs)))
    trained = [n for n, p in adapted.named_parameters() if p.requires_grad and "lora_" not in n]
    assert {n.split(".")[2] for n in trained} >= {"classifier"}
    assert type(merge_lora(adapted)) is head


@pytest.mark.parametrize(
    ("head", "extra", "message"),
    [
        (Wav2Vec2ConformerForXVector, {}, "cannot save .*feature_extractor"),
        (
            Wav2Vec2ConformerForSequenceClassification,
            {"use_weighted_layer_sum": True},
            "cannot save layer_weights",
        ),
        (Wav2Vec2ConformerModel, {}, "needs a model with a head"),
    ],
)
def test_heads_that_cannot_be_saved_are_refused(tiny_config_kwargs, head, extra, message):
    with pytest.raises(InputError, match=message):
        add_lora(head(Wav2Vec2ConformerConfig(**tiny_config_kwargs | extra)))


def test_missing_package_is_named(model, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"LoRA needs the package peft"):
        add_lora(model)
    with pytest.raises(MissingExtraError, match=r"folder of LoRA matrices needs the package peft"):
        load_lora_folder(tmp_path, Wav2Vec2ConformerForCTC)


def test_gradient_checkpointing_leaves_gradients_as_they_are(tiny_config_kwargs):
    config = Wav2Vec2ConformerConfig(
        **tiny_config_kwargs
        | {"layerdrop": 0.0, "apply_spec_augment": False, "hidden_dropout": 0.0}
    )
    model = Wav2Vec2ConformerForCTC(config)
    waveforms, labels = torch.randn(2, 6000), torch.tensor([[3, 4, 5], [6, 7, 8]])
    gradients = []
    for is_checkpointed in (False, True):
        copied = copy.deepcopy(model)
        if is_checkpointed:
            copied.activation_checkpointing_enable()
        torch.manual_seed(0)
        adapted = add_lora(copied, LoraSettings(dropout=0.0)).train()
        torch.manual_seed(1)
        adapted(waveforms, labels=labels).loss.backward()
        gradients.append({n: p.grad for n, p in adapted.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-7)


def test_lora_folder_of_another_base_is_refused(model, processor, tmp_path, tiny_config_kwargs):
    folder = save_lora(add_lora(model, LoraSettings(rank=2)), processor, tmp_path / "lora")
    wide = Wav2Vec2ConformerConfig(**tiny_config_kwargs | {"intermediate_size": 24})
    Wav2Vec2ConformerForCTC(wide).save_pretrained(tmp_path / "wide")
    with pytest.raises(CheckpointError, match=r"another base model than .*wide: \d+ weights"):
        load_lora_folder(folder, Wav2Vec2ConformerForCTC, base=tmp_path / "wide")
