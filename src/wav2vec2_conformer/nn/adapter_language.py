"""Adapter of one language: a narrow residual map at the end of each encoder block.

Papers: Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP",
https://arxiv.org/abs/1902.00751, Section 2.1 (the bottleneck, near the identity at first);
Pratap et al. 2023, "Scaling Speech Technology to 1,000+ Languages" (MMS),
https://arxiv.org/abs/2305.13516, Section 5.4 (one such set and one output layer a language).

Shapes used in this file:
    B  utterances in the batch
    T  frames
    D  width of the encoder
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LanguageAdapter(nn.Module):
    """Layer norm, narrow, ReLU, widen: what is added to a block's output.

    The addition belongs to the block. Attribute names are those of the adapters of MMS.

    Args:
        dim: Width D of the encoder.
        adapter_dim: Width between the two linear maps; 16 in MMS.
    """

    def __init__(self, dim: int, adapter_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.linear_1 = nn.Linear(dim, adapter_dim)
        self.linear_2 = nn.Linear(adapter_dim, dim)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return what is to be added to each frame."""
        return self.linear_2(F.relu(self.linear_1(self.norm(x))))
