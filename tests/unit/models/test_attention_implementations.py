"""`attn_implementation`: what each computes, and what runs where the device is no CPU."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import wav2vec2_conformer as package
from wav2vec2_conformer.configuration import Wav2Vec2BertConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.wav2vec2 import Wav2Vec2ForCTC
from wav2vec2_conformer.models.wav2vec2_bert import Wav2Vec2BertForCTC
from wav2vec2_conformer.nn.attention import QUERY_BLOCK_FRAMES
from wav2vec2_conformer.nn.flex_attention import FlexAttention

from .conftest import POSITIONS, Build

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
flex_is_used = mock.patch.object(
    FlexAttention, "attend", autospec=True, side_effect=FlexAttention.attend
)


@pytest.mark.parametrize("position_embeddings_type", POSITIONS)
@torch.no_grad()
def test_flex_attention_gives_the_same(build: Build, padded, position_embeddings_type) -> None:
    model = build("ForCTC", position_embeddings_type=position_embeddings_type)
    batch, mask, lengths = padded
    expected = model(batch, mask).logits
    model.set_attn_implementation("flex_attention")
    with flex_is_used as spy:
        found = model(batch, mask).logits
        for row, length in enumerate(lengths):
            alone = model(batch[row : row + 1, :length]).logits[0]
            torch.testing.assert_close(alone, found[row, : len(alone)], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(alone, expected[row, : len(alone)], atol=1e-5, rtol=1e-5)
    assert spy.call_count == 2 * 4  # two blocks, four calls


@torch.no_grad()
def test_neighbours_have_it_too(tiny_config_kwargs) -> None:
    config = package.Wav2Vec2Config(**tiny_config_kwargs)
    model = Wav2Vec2ForCTC(config).eval()
    waveform = torch.randn(1, 8_000)
    expected = model(waveform).logits
    model.set_attn_implementation("flex_attention")
    with flex_is_used as spy:
        torch.testing.assert_close(model(waveform).logits, expected, atol=1e-5, rtol=1e-5)
    assert spy.call_count == 2


@torch.no_grad()
def test_it_is_chosen_when_loading_and_not_stored(build: Build, tmp_path: Path) -> None:
    build("ForCTC").save_pretrained(tmp_path)
    load = package.Wav2Vec2ConformerForCTC.from_pretrained
    assert load(tmp_path).config._attn_implementation == "sdpa"
    model = load(tmp_path, attn_implementation="flex_attention")
    with flex_is_used as spy:
        model(torch.randn(1, 8_000))
    assert spy.call_count == 2
    model.save_pretrained(tmp_path / "again")
    assert load(tmp_path / "again").config._attn_implementation == "sdpa"


@torch.no_grad()
def test_attention_weights_are_computed_without_it(build: Build) -> None:
    model = build()
    model.set_attn_implementation("flex_attention")
    with flex_is_used as spy:
        out = model(torch.randn(1, 8_000), output_attentions=True)
    assert len(out.attentions) == 2
    assert not spy.called


def test_training_says_what_to_do(build: Build) -> None:
    model = build("ForCTC").train()
    model.set_attn_implementation("flex_attention")
    with pytest.raises(InputError, match=r"set_attn_implementation\('sdpa'\)"):
        model(torch.randn(1, 8_000), labels=torch.tensor([[3, 4]]))


@pytest.fixture
def scores_calls(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor | None]:
    """Return the masks (or None) that torch's attention is given from now on."""
    masks: list[torch.Tensor | None] = []
    original = F.scaled_dot_product_attention

    def attend(query, key, value, mask=None, **options):
        masks.append(mask)
        return original(query, key, value, mask, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", attend)
    # Autocast knows no meta device.
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    return masks


class NothingFromTheCpu(TorchDispatchMode):
    """Fail where values go from the CPU to another device, but for single numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given, made = (
            [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
            for tree in ((args, kwargs), out)
        )
        if any(tensor.device.type != "cpu" for tensor in (*given, *made)):
            assert not any(t.device.type == "cpu" and t.dim() for t in given), func
        return out


def run_elsewhere(model, mask: torch.Tensor | None, *shape: int) -> None:
    """Run a model on a device without values, which takes the same branches as a GPU.

    Whatever looks at a value fails there, or fetches one from the CPU. With a GPU it would wait,
    and it could not be part of a CUDA graph.
    """
    model.to("meta")
    values = torch.empty(*shape, device="meta")
    mask = None if mask is None else mask.to("meta")
    with torch.inference_mode(), NothingFromTheCpu():
        model(values, mask)


@pytest.mark.usefixtures("scores_calls")
@pytest.mark.parametrize("add_adapter", [False, True])
def test_no_pass_waits_for_a_gpu(tiny_config_kwargs, add_adapter) -> None:
    mask = torch.ones(2, 16_000, dtype=torch.long)
    settings = {**tiny_config_kwargs, "add_adapter": add_adapter}
    for norm in ("group", "layer"):
        config = package.Wav2Vec2Config(
            **settings, feat_extract_norm=norm, do_stable_layer_norm=norm == "layer"
        )
        run_elsewhere(Wav2Vec2ForCTC(config).eval(), mask, 2, 16_000)
        for positions in POSITIONS:
            conformer = package.Wav2Vec2ConformerConfig(
                **settings, feat_extract_norm=norm, position_embeddings_type=positions
            )
            run_elsewhere(package.Wav2Vec2ConformerForCTC(conformer).eval(), mask, 2, 16_000)
    known = vars(Wav2Vec2BertConfig())
    kwargs = {name: value for name, value in settings.items() if name in known}
    model = Wav2Vec2BertForCTC(Wav2Vec2BertConfig(**kwargs, feature_projection_input_dim=16))
    run_elsewhere(model.eval(), mask[:, :60], 2, 60, 16)


@pytest.mark.parametrize("position_embeddings_type", ["rotary", None])
def test_without_padding_a_gpu_gets_no_mask(
    build: Build, scores_calls, position_embeddings_type
) -> None:
    """Flash attention is for calls without one."""
    model = build("ForCTC", position_embeddings_type=position_embeddings_type)
    run_elsewhere(model, None, 2, 16_000)
    assert scores_calls == [None, None]


@pytest.mark.parametrize("position_embeddings_type", ["rotary", None])
def test_with_padding_a_gpu_gets_one_row_an_utterance(
    build: Build, scores_calls, position_embeddings_type
) -> None:
    model = build("ForCTC", position_embeddings_type=position_embeddings_type)
    run_elsewhere(model, torch.ones(2, 16_000, dtype=torch.long), 2, 16_000)
    assert [(tuple(mask.shape), mask.dtype) for mask in scores_calls] == [
        ((2, 1, 1, 49), torch.bool)
    ] * 2


@pytest.mark.parametrize("is_padded", [False, True])
def test_relative_positions_run_in_blocks_on_a_gpu(build: Build, scores_calls, is_padded) -> None:
    model = build("ForCTC", num_hidden_layers=1, position_embeddings_type="relative")
    num_frames = QUERY_BLOCK_FRAMES + 44
    num_samples = 320 * num_frames + 80
    mask = torch.ones(2, num_samples, dtype=torch.long) if is_padded else None
    run_elsewhere(model, mask, 2, num_samples)
    shapes = [tuple(mask.shape) for mask in scores_calls]
    assert shapes == [(2, 2, rows, num_frames) for rows in (QUERY_BLOCK_FRAMES, 44)]
