"""Feed-forward module of the Conformer block.

Paper: Gulati et al. 2020, "Conformer", https://arxiv.org/abs/2005.08100, Section 2.3. The
layer norm before it and the half-step residual belong to `ConformerLayer`.

Shapes used in this file:
    B  utterances in the batch
    T  frames
    D  width of the encoder
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wav2vec2_conformer.nn.dropout import Dropout
from wav2vec2_conformer.nn.in_place import apply_after, may_write_over

# Of a clip longer than 30 s (at the large size) a part is widened at a time: the widened frames
# are the largest tensor of a block.
WIDENED_ELEMENTS = 1536 * 4096


class FeedForward(nn.Module):
    """Widen, activate, narrow.

    Args:
        dim: Width D of input and output.
        hidden_dim: Width between the two linear maps.
        activation: Function between them.
        activation_dropout: Dropout after the activation, in training only.
        dropout: Dropout of the output, in training only.
    """

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        *,
        activation: Callable[[Tensor], Tensor],
        activation_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(dim, hidden_dim)
        self.output_dense = nn.Linear(hidden_dim, dim)
        self.activation = activation
        self.intermediate_dropout = Dropout(activation_dropout)
        self.output_dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Transform each frame on its own."""
        frames_at_once = max(WIDENED_ELEMENTS // self.intermediate_dense.out_features, 1)
        if not may_write_over() or x.shape[0] * x.shape[1] <= frames_at_once:
            return self._transform(x)
        out = torch.empty_like(x)
        parts = (tensor.flatten(0, 1).split(frames_at_once) for tensor in (x, out))
        for part, result in zip(*parts, strict=True):
            result.copy_(self._transform(part))
        return out

    def _transform(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        x = apply_after(self.intermediate_dense, self.activation, x)
        return self.output_dropout(self.output_dense(self.intermediate_dropout(x)))
