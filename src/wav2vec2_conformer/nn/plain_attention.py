"""Self-attention of the plain transformer block: no positions, other names of the weights.

Source: Vaswani et al. 2017, "Attention is all you need", https://arxiv.org/abs/1706.03762,
Section 3.2.2. In Wav2Vec2 a convolution over the encoder's input gives the positions.
"""

from torch import nn

from wav2vec2_conformer.nn.attention import SelfAttention


class PlainAttention(SelfAttention):
    """`SelfAttention` without positions, under the names of Wav2Vec2's checkpoints.

    Args:
        dim: Width D.
        num_heads: Heads H; divides D.
        dropout: Dropout of the attention weights, in training only.
    """

    def __init__(self, dim: int, num_heads: int, *, dropout: float = 0.0) -> None:
        super().__init__(dim, num_heads, positions=None, dropout=dropout)

    def _add_projections(self, dim: int) -> None:
        self.k_proj = nn.Linear(dim, dim)  # in the checkpoints' order
        self.v_proj = nn.Linear(dim, dim)
        self.q_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def _projections(self) -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
        return self.q_proj, self.k_proj, self.v_proj, self.out_proj
