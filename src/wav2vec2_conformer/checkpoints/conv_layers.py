"""fairseq's way to write down the feature encoder: `[(512, 10, 5)] + [(512, 3, 2)] * 4`."""

import ast
from collections.abc import Sequence

from wav2vec2_conformer.errors import CheckpointError

ConvLayers = list[tuple[int, int, int]]
_MAX_LAYERS = 64


def parse_conv_layers(text: str) -> ConvLayers:
    """Return channels, kernel size and stride of each convolution.

    The text is an expression of Python, which fairseq evaluates. Here lists, sums of lists and
    their repetition are understood, and nothing is evaluated.

    Raises:
        CheckpointError: It is something else.
    """
    try:
        layers = _evaluate(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CheckpointError(
            f"conv_feature_layers must be like '[(512, 10, 5)] + [(512, 3, 2)] * 4', got {text!r}"
        ) from error
    return layers


def format_conv_layers(
    channels: Sequence[int], kernel_sizes: Sequence[int], strides: Sequence[int]
) -> str:
    """Return the text for convolutions; equal neighbours are written once, with their number."""
    groups: list[tuple[tuple[int, int, int], int]] = []
    for layer in zip(channels, kernel_sizes, strides, strict=True):
        if groups and groups[-1][0] == layer:
            groups[-1] = (layer, groups[-1][1] + 1)
        else:
            groups.append((layer, 1))
    return " + ".join(f"[{layer}]" + (f" * {n}" if n > 1 else "") for layer, n in groups)


def _evaluate(node: ast.expr) -> ConvLayers:
    match node:
        case ast.List(elts=layers):
            result = [_read_layer(layer) for layer in layers]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            result = _evaluate(left) + _evaluate(right)
        case (
            ast.BinOp(left=repeated, op=ast.Mult(), right=ast.Constant(value=int(times)))
            | ast.BinOp(left=ast.Constant(value=int(times)), op=ast.Mult(), right=repeated)
        ):
            result = _evaluate(repeated) * min(max(times, 0), _MAX_LAYERS + 1)
        case _:
            raise ValueError(ast.dump(node)[:80])
    if len(result) > _MAX_LAYERS:
        raise ValueError(f"more than {_MAX_LAYERS} layers")
    return result


def _read_layer(node: ast.expr) -> tuple[int, int, int]:
    match node:
        case (
            ast.Tuple(elts=[ast.Constant(int(a)), ast.Constant(int(b)), ast.Constant(int(c))])
            | ast.List(elts=[ast.Constant(int(a)), ast.Constant(int(b)), ast.Constant(int(c))])
        ):
            return a, b, c
    raise ValueError(ast.dump(node)[:80])
