"""Feed-forward module of the Conformer block.

Paper: Gulati et al. 2020, "Conformer", https://arxiv.org/abs/2005.08100, Section 2.3. The
layer norm before it and the half-step residual belong to `ConformerLayer`.

Shapes used in this file:
    B  utterances in the batch
    T  frames
    D  width of the encoder
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn


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
        self.intermediate_dropout = nn.Dropout(activation_dropout)
        self.output_dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Transform each frame on its own."""
        x = self.intermediate_dropout(self.activation(self.intermediate_dense(x)))
        return self.output_dropout(self.output_dense(x))
