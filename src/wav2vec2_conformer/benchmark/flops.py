"""Floating-point operations of a CTC model, counted from its shape.

A multiplication and an addition are two operations. Counted are matrix products and convolutions;
norms, activations and the softmax are not, so that a share of the roofline is never flattered.
"""

from typing import Any


def count_flops(config: Any, num_samples: int, *, as_transformers: bool = False) -> int:
    """Return the operations of one waveform's way to its logits.

    What the mathematics needs is counted: position scores for the T x T pairs of frames, and no
    projection of the relative positions, which depends on the weights alone and is done once.

    Args:
        config: Configuration of the model, ours or transformers'.
        num_samples: Length of the waveform.
        as_transformers: Count what transformers does instead: in every layer the projection of
            2T - 1 positions, and scores for each frame with all of them.
    """
    total, frames, channels = 0, num_samples, 1
    for dim, kernel, stride in zip(
        config.conv_dim, config.conv_kernel, config.conv_stride, strict=True
    ):
        frames = (frames - kernel) // stride + 1
        total += 2 * frames * dim * channels * kernel
        channels = dim
    width = config.hidden_size
    total += 2 * frames * channels * width
    total += config.num_hidden_layers * _layer_flops(config, frames, as_transformers)
    return total + 2 * frames * width * config.vocab_size


def _layer_flops(config: Any, frames: int, as_transformers: bool) -> int:
    """Return the operations of a Conformer block."""
    width = config.hidden_size
    weights = 2 * 2 * width * config.intermediate_size  # two feed-forwards, each in and out
    weights += 4 * width * width  # query, key, value, output
    weights += 3 * width * width  # pointwise convolutions: to 2 D, from D
    weights += width * config.conv_depthwise_kernel_size
    pairs = 2 * frames * frames * width  # scores, weighted sum of values
    if config.position_embeddings_type == "relative":
        positions = 2 * frames - 1 if as_transformers else frames
        pairs += frames * positions * width
        if as_transformers:
            pairs += positions * width * width
    return 2 * (frames * weights + pairs)
