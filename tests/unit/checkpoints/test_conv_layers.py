"""fairseq's expression for the convolutions is read without evaluating it."""

import pytest

from wav2vec2_conformer.checkpoints.conv_layers import format_conv_layers, parse_conv_layers
from wav2vec2_conformer.errors import CheckpointError

RELEASED = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]"


def test_the_released_layers() -> None:
    layers = parse_conv_layers(RELEASED)
    assert layers == [(512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2]
    assert parse_conv_layers("2 * [[8, 3, 2]]") == [(8, 3, 2)] * 2
    text = format_conv_layers(*zip(*layers, strict=True))
    assert text == "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512, 2, 2)] * 2"
    assert parse_conv_layers(text) == layers


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch harmed')",
        "[(1, 2, 3)] * 10 ** 9",
        "[(1, 2, 3)] * 1000000000",
        "[(1, 2)]",
        "[(1, 2, x)]",
        "[(1, 2, 3)] - [(1, 2, 3)]",
        "",
        "(" * 5000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="conv_feature_layers must be like"):
        parse_conv_layers(text)
