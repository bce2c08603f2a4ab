"""What the bare model returns, and what changes between calls do not do to it."""

import copy
import pickle

import numpy as np
import pytest
import torch

import wav2vec2_conformer as package
from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerEncoder

from .conftest import HEADS, POSITIONS, Build


def test_sampling_functions_are_exported() -> None:
    mask = package._compute_mask_indices((2, 50), 0.3, 4)
    negatives = package._sample_negative_indices((2, 50), 6, mask)
    assert mask.shape == (2, 50)
    assert mask.dtype == np.bool_
    assert negatives.shape == (2, 50, 6)
    assert mask.flatten()[negatives[mask]].all()


def test_last_hidden_state_is_the_last_of_the_hidden_states(build: Build) -> None:
    out = build()(torch.randn(1, 8_000), output_hidden_states=True)
    assert len(out.hidden_states) == 3
    torch.testing.assert_close(out.hidden_states[-1], out.last_hidden_state)


def test_weighted_layer_sum_uses_the_normed_last_state(build: Build) -> None:
    model = build("ForSequenceClassification", use_weighted_layer_sum=True)
    model.layer_weights.data = torch.tensor([-1e9, -1e9, 0.0])
    waveform = torch.randn(1, 8_000)
    with torch.no_grad():
        states = model.wav2vec2_conformer(waveform).last_hidden_state
        expected = model.classifier(model.projector(states).mean(1))
        torch.testing.assert_close(model(waveform).logits, expected)


@pytest.mark.parametrize("position_embeddings_type", POSITIONS)
@pytest.mark.parametrize("attn_implementation", ["sdpa", "eager"])
def test_attentions_come_with_every_implementation(
    build: Build, padded, position_embeddings_type, attn_implementation
) -> None:
    model = build(position_embeddings_type=position_embeddings_type)
    model.set_attn_implementation(attn_implementation)
    batch, mask, _ = padded
    with torch.no_grad():
        with_maps = model(batch, mask, output_attentions=True)
        without = model(batch, mask)
    assert [tuple(a.shape) for a in with_maps.attentions] == [(3, 2, 49, 49)] * 2
    sums = with_maps.attentions[0].sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums))
    assert without.attentions is None
    valid = model._get_feature_vector_attention_mask(49, mask)
    torch.testing.assert_close(with_maps.last_hidden_state[valid], without.last_hidden_state[valid])


def test_unused_convolution_takes_no_gradient_and_the_model_can_be_pickled(
    build: Build,
) -> None:
    model = build("ForCTC").train()
    model(torch.randn(1, 8_000), labels=torch.tensor([[3, 4]])).loss.backward()
    for name, parameter in model.named_parameters():
        if "pos_conv_embed" in name or "masked_spec_embed" in name:
            continue
        assert parameter.grad is not None, name
    unused = model.wav2vec2_conformer.encoder.pos_conv_embed
    assert not any(parameter.requires_grad for parameter in unused.parameters())
    pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    copy.deepcopy(model)


@pytest.mark.parametrize("position_embeddings_type", POSITIONS)
def test_casts_and_inference_mode_leave_nothing_behind(
    build: Build, position_embeddings_type
) -> None:
    model = build("ForCTC", position_embeddings_type=position_embeddings_type)
    waveform, labels = torch.randn(1, 8_000), torch.tensor([[3, 4]])
    with torch.inference_mode():
        first = model(waveform).logits.clone()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        model(waveform)
    model.to(torch.bfloat16)
    with torch.no_grad():
        assert model(waveform.bfloat16()).logits.dtype == torch.bfloat16
    model = build("ForCTC", position_embeddings_type=position_embeddings_type)
    with torch.inference_mode():
        model(waveform)
    model.train()(waveform, labels=labels).loss.backward()
    model.eval()
    with torch.no_grad():
        again = build("ForCTC", position_embeddings_type=position_embeddings_type)
        torch.testing.assert_close(again(waveform).logits, first.clone())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_angles_of_late_frames_survive_a_cast(build: Build, dtype: torch.dtype) -> None:
    """In 16 bits frame 1500 has an angle that is off by a radian or more."""
    model = build(position_embeddings_type="rotary")
    exact = model.encoder.embed_positions(1_500)
    cast = model.to(dtype).encoder.embed_positions(1_500)
    for first, second in zip(exact, cast, strict=True):
        torch.testing.assert_close(first, second)


def test_gradient_reaches_a_waveform_that_wants_one_and_no_other(build: Build) -> None:
    model = build().train()
    waveform = torch.randn(1, 8_000)
    model(waveform).last_hidden_state.sum().backward()
    assert waveform.grad is None
    assert not waveform.requires_grad
    front_end = torch.nn.Parameter(torch.ones(1))
    model(front_end * waveform).last_hidden_state.square().sum().backward()
    assert front_end.grad is not None
    assert front_end.grad.abs() > 0


def test_clip_shorter_than_a_mask_trains(build: Build) -> None:
    model = build(mask_time_length=10, mask_time_prob=0.5).train()
    assert model(torch.randn(2, 1_000)).last_hidden_state.shape[1] == 2


def test_given_masks_work_without_random_masking(build: Build) -> None:
    model = build(mask_time_prob=0.0)
    waveform = torch.randn(1, 8_000)
    mask = torch.zeros(1, 24, dtype=torch.long)
    mask[0, 5:9] = 1
    with torch.no_grad():
        out = model(waveform, mask_time_indices=mask, output_hidden_states=True)
    embedding = model.masked_spec_embed.detach()
    torch.testing.assert_close(out.hidden_states[0][0, 5:9], embedding.expand(4, -1))
    assert not torch.allclose(out.hidden_states[0][0, 4], embedding)
    with pytest.raises(ValueError, match="must have the shape"):
        model(waveform, mask_time_indices=mask[:, :-1])


def test_encoder_alone_honours_its_flags(tiny_config_kwargs) -> None:
    encoder = Wav2Vec2ConformerEncoder(Wav2Vec2ConformerConfig(**tiny_config_kwargs)).eval()
    frames = torch.randn(2, 30, 16)
    mask = torch.ones(2, 30)
    mask[1, 20:] = 0
    out = encoder(frames, attention_mask=mask, output_hidden_states=True, output_attentions=True)
    assert len(out["hidden_states"]) == 3
    assert len(out["attentions"]) == 2
    assert isinstance(encoder(frames, return_dict=False), tuple)
    alone = encoder(frames[1:, :20]).last_hidden_state
    torch.testing.assert_close(out.last_hidden_state[1, :20], alone[0], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="marks frames"):
        encoder(frames, attention_mask=mask[:, :-1])


def test_layer_drop_keeps_every_parameter_in_the_graph_and_every_hidden_state(
    build: Build,
) -> None:
    model = build("ForSequenceClassification", use_weighted_layer_sum=True).train()
    model.wav2vec2_conformer.encoder.layer_drop = 1.0
    out = model(torch.randn(2, 8_000), labels=torch.tensor([0, 1]), output_hidden_states=True)
    out.loss.backward()
    assert len(out.hidden_states) == 3
    torch.testing.assert_close(out.hidden_states[1], out.hidden_states[0])
    for name, parameter in model.wav2vec2_conformer.encoder.layers.named_parameters():
        assert parameter.grad is not None, name


def test_adapter_length_is_the_same_in_every_training_step(build: Build) -> None:
    model = build(add_adapter=True, layerdrop=0.9).train()
    lengths = {model(torch.randn(1, 16_000)).last_hidden_state.shape[1] for _ in range(20)}
    assert lengths == {7}


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_adapter_length_formula_fits_every_kernel(build: Build, kernel_size: int) -> None:
    model = build(add_adapter=True, adapter_kernel_size=kernel_size, num_adapter_layers=2)
    for num_samples in (8_000, 8_320, 16_000):
        frames = model(torch.randn(1, num_samples)).last_hidden_state.shape[1]
        assert model._get_feat_extract_output_lengths(num_samples) == frames


def test_samples_per_frame_count_the_adapter(tiny_config_kwargs) -> None:
    config = Wav2Vec2ConformerConfig(**tiny_config_kwargs, add_adapter=True)
    assert config.inputs_to_logits_ratio == 320 * 2**3
    assert Wav2Vec2ConformerConfig(**tiny_config_kwargs).inputs_to_logits_ratio == 320


def test_input_that_cannot_be_used_is_explained(build: Build) -> None:
    model = build()
    with pytest.raises(ValueError, match="at least 400 samples"):
        model(torch.randn(1, 399))
    with pytest.raises(ValueError, match="batch, samples"):
        model(torch.randn(16_000))
    with pytest.raises(ValueError, match="shape of input_values"):
        model(torch.randn(1, 8_000), torch.ones(1, 8_001))


@pytest.mark.parametrize("head", HEADS)
def test_tuples_hold_what_the_output_holds(build: Build, head: str) -> None:
    model = build(head)
    waveform = torch.randn(1, 8_000)
    with torch.no_grad():
        named = model(waveform, output_hidden_states=True)
        plain = model(waveform, output_hidden_states=True, return_dict=False)
    assert len(plain) == len(named.to_tuple())
    torch.testing.assert_close(plain[0], named.to_tuple()[0])


@pytest.mark.parametrize("position_embeddings_type", POSITIONS)
def test_gradient_checkpointing_gives_the_same_gradients(
    build: Build, position_embeddings_type
) -> None:
    quiet = {
        "hidden_dropout": 0.0,
        "activation_dropout": 0.0,
        "attention_dropout": 0.0,
        "conformer_conv_dropout": 0.0,
        "final_dropout": 0.0,
        "layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "position_embeddings_type": position_embeddings_type,
    }
    waveform, labels = torch.randn(1, 8_000), torch.tensor([[3, 4]])
    gradients = []
    for checkpointing in (False, True):
        model = build("ForCTC", **quiet).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        model(waveform, labels=labels).loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], msg=name)


def test_frozen_parts_stay_out_of_training(build: Build) -> None:
    model = build("ForXVector").train()
    model.freeze_feature_encoder()
    encoder = model.wav2vec2_conformer.feature_extractor
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert model.projector.weight.requires_grad
    model.freeze_base_model()
    assert not any(p.requires_grad for p in model.wav2vec2_conformer.parameters())
    assert model.projector.weight.requires_grad
