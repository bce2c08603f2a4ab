"""Operations of a model: by hand, and as torch counts those of transformers."""

from typing import Any

import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from wav2vec2_conformer.benchmark.flops import count_flops
from wav2vec2_conformer.benchmark.sizes import LARGE, TINY
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig


def test_operations_of_a_small_model_equal_a_count_by_hand() -> None:
    config = Wav2Vec2ConformerConfig(
        vocab_size=3,
        hidden_size=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=5,
        conv_dim=(6,),
        conv_kernel=(10,),
        conv_stride=(5,),
        conv_depthwise_kernel_size=7,
        num_conv_pos_embedding_groups=2,
        num_conv_pos_embeddings=2,
        position_embeddings_type="relative",
    )
    frames = 3  # of 20 samples: (20 - 10) // 5 + 1
    products = frames * 10 * 6  # convolution
    products += frames * 6 * 4  # projection
    block = 2 * (frames * 4 * 5 + frames * 5 * 4)  # feed-forwards
    block += 4 * frames * 4 * 4  # query, key, value, output
    block += 3 * frames * frames * 4  # scores, position scores, weighted values
    block += frames * 4 * 8 + frames * 4 * 7 + frames * 4 * 4  # pointwise, depthwise, pointwise
    products += 2 * block
    products += frames * 4 * 3  # head
    assert count_flops(config, 20) == 2 * products


@pytest.mark.parametrize("positions", ["relative", "rotary"])
def test_what_transformers_does_is_what_torch_counts(positions: str) -> None:
    settings: dict[str, Any] = {**TINY, "position_embeddings_type": positions}
    config = transformers.Wav2Vec2ConformerConfig(**settings, attn_implementation="eager")
    model = transformers.Wav2Vec2ConformerForCTC(config).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.randn(1, 8000))
    assert count_flops(config, 8000, as_transformers=True) == counter.get_total_flops()


def test_thirty_seconds_of_the_released_model_take_some_two_trillion() -> None:
    relative = Wav2Vec2ConformerConfig(**LARGE, position_embeddings_type="relative")
    rotary = Wav2Vec2ConformerConfig(**LARGE, position_embeddings_type="rotary")
    needed = count_flops(relative, 480_000)
    assert 2.1e12 < needed < 2.4e12
    assert count_flops(rotary, 480_000) < needed
    assert count_flops(relative, 480_000, as_transformers=True) > 1.1 * needed
