"""The neighbour Wav2Vec2: configuration, names, outputs, losses, gradients, files, sizes."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.models.wav2vec2 import modeling_wav2vec2 as reference

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC
from wav2vec2_conformer.configuration import Wav2Vec2Config
from wav2vec2_conformer.models import wav2vec2

HEADS = [
    "Model",
    "ForCTC",
    "ForPreTraining",
    "ForSequenceClassification",
    "ForAudioFrameClassification",
    "ForXVector",
]
# Base size; large size and XLS-R; MMS with the adapters of a language.
VARIANTS = {
    "base": {"do_stable_layer_norm": False, "feat_extract_norm": "group"},
    "large": {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True},
    "mms": {
        "do_stable_layer_norm": True,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "adapter_attn_dim": 4,
    },
}


@pytest.fixture(params=VARIANTS)
def variant(request):
    return VARIANTS[request.param]


@pytest.fixture
def build_pair(tiny_config_kwargs, build_neighbours):
    def build(head="Model", **changes):
        own = {name: changes.pop(name) for name in ("exact_padding",) if name in changes}
        kwargs = {
            name: value
            for name, value in {**tiny_config_kwargs, **changes}.items()
            if hasattr(transformers.Wav2Vec2Config(), name)
        }
        return build_neighbours(
            getattr(wav2vec2, f"Wav2Vec2{head}"),
            Wav2Vec2Config(**kwargs, **own),
            getattr(reference, f"Wav2Vec2{head}"),
            transformers.Wav2Vec2Config(**kwargs),
        )

    return build


def labels_of(head):
    if head == "ForCTC":
        return {"labels": torch.randint(1, 12, (3, 6))}
    if head == "ForAudioFrameClassification":
        return {"labels": torch.nn.functional.one_hot(torch.randint(0, 4, (3, 41)), 4)}
    return {"labels": torch.tensor([3, 0, 2])} if "Class" in head or "XVector" in head else {}


def test_defaults_and_file_are_the_reference_s(tmp_path):
    for settings in ({}, *VARIANTS.values(), {"add_adapter": True, "output_hidden_size": 20}):
        ours, theirs = Wav2Vec2Config(**settings), transformers.Wav2Vec2Config(**settings)
        ours.save_pretrained(tmp_path)
        written = json.loads((tmp_path / "config.json").read_text())
        assert written.pop("exact_padding") is True
        for ours_alone in ("max_simultaneous_speakers", "permutation_invariant_loss"):
            assert written.pop(ours_alone) is None
        theirs.save_pretrained(tmp_path)
        assert written == json.loads((tmp_path / "config.json").read_text())
        again = Wav2Vec2ConformerConfig.from_pretrained(tmp_path)
        assert type(again) is Wav2Vec2Config
        assert again.to_diff_dict() == ours.to_diff_dict()


@pytest.mark.parametrize("head", HEADS)
def test_names_and_shapes(build_pair, variant, head):
    ours, theirs = (
        [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
        for model in build_pair(head, **variant)
    )
    assert ours == theirs


@pytest.mark.parametrize("head", HEADS)
def test_outputs_and_losses(build_pair, assert_equal_outputs, waveforms, variant, head):
    pair, values = build_pair(head, **variant), waveforms(batch_size=3)
    found = pair(values, **labels_of(head))
    assert_equal_outputs(*found)
    with torch.inference_mode():
        packed = pair.ours(values, **labels_of(head))
    for name in packed.keys() & {"last_hidden_state", "logits"}:
        torch.testing.assert_close(packed[name], found.theirs[name], atol=1e-5, rtol=1e-5)


def test_hidden_states_and_attentions(build_pair, assert_equal, waveforms, variant):
    ours, theirs = build_pair(**variant)
    theirs.set_attn_implementation("eager")
    kept = {"output_hidden_states": True, "output_attentions": True}
    values = waveforms()
    ours, theirs = ours(values, **kept), theirs(values.clone(), **kept)
    assert_equal(ours.attentions, theirs.attentions)
    # Before the last: with norms first, the reference forgets the norm there since 5.16.
    assert_equal(ours.hidden_states[:-1], theirs.hidden_states[:-1])
    assert_equal(ours.hidden_states[-1], theirs.last_hidden_state)


@pytest.mark.parametrize("head", ["Model", "ForCTC", "ForSequenceClassification"])
def test_padding_that_leaks(build_pair, assert_equal, padded, variant, head):
    """Valid frames alone: padded ones mean nothing, and here the two differ."""
    ours, theirs = build_pair(head, exact_padding=False, **variant)(*padded)
    if head == "ForSequenceClassification":
        assert_equal(ours.logits, theirs.logits)
        return
    for row, num_frames in enumerate((41, 25, 14)):
        assert_equal(ours[0][row, :num_frames], theirs[0][row, :num_frames])


@pytest.mark.parametrize("no_gradient", [False, True])
def test_batch_is_single(build_pair, assert_equal, padded, variant, no_gradient):
    """In the reference it is not: with a group norm the padding reaches the first frame."""
    ours, theirs = build_pair("ForCTC", **variant)
    values, mask = padded
    with torch.inference_mode(no_gradient):
        batch = ours(values, mask).logits
        for row, num_samples in enumerate(mask.sum(1).tolist()):
            single = ours(values[row : row + 1, :num_samples]).logits[0]
            assert_equal(batch[row, : len(single)], single)
    if variant["feat_extract_norm"] == "group":
        leaking = theirs(values.clone(), mask).logits
        assert (leaking - batch)[1, :20].abs().max() > 1e-2


@pytest.mark.parametrize("head", ["ForCTC", "ForXVector"])
def test_gradients(build_pair, assert_equal, waveforms, no_dropout, variant, head):
    no_dropout.pop("conformer_conv_dropout")
    fixed = {"apply_spec_augment": False, "ctc_loss_reduction": "mean", **no_dropout}
    pair = build_pair(head, **fixed, **variant).train()
    values, labels, found = waveforms(batch_size=3), labels_of(head), []
    for model in pair:
        model(values.clone(), **labels).loss.backward()
        found.append({name: p.grad for name, p in model.named_parameters()})
    assert {n for n, g in found[0].items() if g is None} == {"wav2vec2.masked_spec_embed"}
    assert any(g.abs().max() > 0 for n, g in found[0].items() if "pos_conv_embed" in n)
    assert_equal(*found, tolerance=1e-4)


def test_checkpointing_changes_nothing(build_pair, assert_equal, waveforms, variant):
    ours = build_pair("ForCTC", **variant).ours.train()
    values, labels, found = waveforms(batch_size=3), labels_of("ForCTC"), []
    for checkpointing in (False, True):
        if checkpointing:
            ours.activation_checkpointing_enable()
            assert ours.wav2vec2.encoder.gradient_checkpointing
        ours.zero_grad()
        torch.manual_seed(0)
        ours(values, **labels).loss.backward()
        found.append({name: p.grad.clone() for name, p in ours.named_parameters()})
    assert_equal(*found, tolerance=1e-4)


@pytest.mark.parametrize("head", ["Model", "ForCTC", "ForPreTraining"])
def test_files_go_both_ways(build_pair, assert_equal, waveforms, tmp_path, variant, head):
    ours, theirs = build_pair(head, **variant)
    values = waveforms()
    for writer, reader in ((theirs, type(ours)), (ours, type(theirs))):
        writer.save_pretrained(tmp_path)
        loaded, info = reader.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values())
        assert_equal(loaded.state_dict(), writer.state_dict(), tolerance=0.0)
        assert_equal(loaded(values.clone())[0], writer(values.clone())[0])
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [
        type(theirs).__name__
    ]


def test_class_of_the_specification_reads_it(build_pair, assert_equal, waveforms, tmp_path):
    """With the names that torch's weight norm had in the files of 2020 to 2022."""
    _, theirs = build_pair("ForCTC", **VARIANTS["base"])
    theirs.save_pretrained(tmp_path)
    file, values = tmp_path / "model.safetensors", waveforms()
    old_names = {"original0": "weight_g", "original1": "weight_v"}
    tensors = {}
    for name, tensor in load_file(file).items():
        stem, _, last = name.rpartition(".")
        old = old_names.get(last)
        tensors[f"{stem.removesuffix('parametrizations.weight')}{old}" if old else name] = tensor
    assert "wav2vec2.encoder.pos_conv_embed.conv.weight_g" in tensors
    save_file(tensors, file, metadata={"format": "pt"})
    loaded = Wav2Vec2ConformerForCTC.from_pretrained(tmp_path)
    assert type(loaded) is wav2vec2.Wav2Vec2ForCTC
    assert_equal(loaded(values).logits, theirs(values).logits)


LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    **VARIANTS["large"],
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 94_371_712),  # facebook/wav2vec2-base
        (LARGE, 315_438_720),  # facebook/wav2vec2-large-lv60, wav2vec2-xls-r-300m
        ({**LARGE, "adapter_attn_dim": 16}, 316_299_264),
    ],
    ids=["base", "large", "large-adapters"],
)
def test_released_sizes(settings, expected):
    with torch.device("meta"):
        models = (
            wav2vec2.Wav2Vec2Model(Wav2Vec2Config(**settings)),
            reference.Wav2Vec2Model(transformers.Wav2Vec2Config(**settings)),
        )
    assert [model.num_parameters() for model in models] == [expected, expected]
