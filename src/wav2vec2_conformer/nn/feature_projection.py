"""Projection of the feature encoder's channels to the encoder's width.

Paper: Baevski et al. 2020, "wav2vec 2.0", https://arxiv.org/abs/2006.11477, Section 2.

Shapes used in this file:
    B  utterances in the batch
    T  frames
    C  channels of the feature encoder
    D  width of the encoder
"""

from jaxtyping import Float
from torch import Tensor, nn

from wav2vec2_conformer.nn.dropout import Dropout


class FeatureProjection(nn.Module):
    """Layer norm, linear map, dropout.

    Args:
        in_dim: Channels C of the feature encoder.
        dim: Width D of the encoder.
        eps: Epsilon of the layer norm.
        dropout: Dropout of the projection, in training only.
    """

    def __init__(self, in_dim: int, dim: int, *, eps: float = 1e-5, dropout: float = 0.0) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(in_dim, eps=eps)
        self.projection = nn.Linear(in_dim, dim)
        self.dropout = Dropout(dropout)

    def forward(
        self, features: Float[Tensor, "B T C"]
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T C"]]:
        """Return the projected frames and the normalised features (for the quantizer)."""
        normed = self.layer_norm(features)
        return self.dropout(self.projection(normed)), normed
