"""Product quantizer of pre-training: one entry of each codebook per frame.

Papers: wav2vec 2.0, https://arxiv.org/abs/2006.11477, Section 2 ("Quantization module");
Jang et al. 2016, "Categorical reparameterization with Gumbel-Softmax",
https://arxiv.org/abs/1611.01144.

Shapes used in this file:
    B  utterances in the batch
    T  frames
    C  channels of the feature encoder
    G  codebooks
    E  entries of a codebook
    V  width of the quantized vector, all codebooks together
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class Quantized(NamedTuple):
    """Result of the quantizer."""

    codevectors: Float[Tensor, "B T V"]
    codes: Int[Tensor, "B T G"]
    """Chosen entry of each codebook."""
    perplexity: Float[Tensor, ""]
    """Effective number of entries in use, summed over codebooks: 1 * G to E * G."""


class GumbelVectorQuantizer(nn.Module):
    """Choose entries: at random but differentiably in training, the best ones in evaluation.

    Args:
        in_dim: Channels C of the features.
        num_groups: Codebooks G.
        num_entries: Entries E of each.
        codevector_dim: Width V; a multiple of G.
        temperature: First temperature of the Gumbel softmax; training anneals the attribute.
    """

    def __init__(
        self,
        in_dim: int,
        *,
        num_groups: int,
        num_entries: int,
        codevector_dim: int,
        temperature: float = 2.0,
    ) -> None:
        super().__init__()
        self.num_groups = num_groups
        self.num_entries = num_entries
        self.temperature = temperature
        self.codevectors = nn.Parameter(
            torch.zeros(1, num_groups * num_entries, codevector_dim // num_groups)
        )
        self.weight_proj = nn.Linear(in_dim, num_groups * num_entries)

    def forward(
        self,
        features: Float[Tensor, "B T C"],
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Quantize frames.

        Args:
            features: Unmasked features.
            mask: Frames over which the perplexity is taken. None: all.
        """
        logits = self.weight_proj(features).unflatten(2, (self.num_groups, self.num_entries))
        logits = logits.float()
        codebooks = self.codevectors[0].unflatten(0, (self.num_groups, self.num_entries))
        if self.training:
            choice = F.gumbel_softmax(logits, tau=self.temperature, hard=True)  # (B, T, G, E)
            codes = choice.argmax(dim=3)
            used = logits.softmax(dim=3)
            vectors = torch.einsum("btge,gev->btgv", choice.to(codebooks.dtype), codebooks)
        else:
            codes = logits.argmax(dim=3)
            used = F.one_hot(codes, self.num_entries).float()
            groups = torch.arange(self.num_groups, device=codes.device)
            vectors = codebooks[groups, codes]  # (B, T, G, V / G)
        perplexity = self._compute_perplexity(used.flatten(0, 1), mask)
        return Quantized(vectors.flatten(2), codes, perplexity)

    @staticmethod
    def _compute_perplexity(
        probabilities: Float[Tensor, "N G E"], mask: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, ""]:
        """Return exp(entropy) of the mean choice over (masked) frames, summed over codebooks."""
        if mask is None:
            mean = probabilities.mean(dim=0)
        else:
            chosen = mask.flatten()[:, None, None].to(probabilities.dtype)
            mean = (probabilities * chosen).sum(dim=0) / chosen.sum().clamp(min=1.0)
        # An entry that no frame gives a chance has a share of exactly 0 in float32, where the
        # derivative of m log m, and with it every gradient of the step, would be NaN.
        logs = mean.clamp(min=torch.finfo(mean.dtype).tiny).log()
        return torch.exp(-(mean * logs).sum(dim=1)).sum()
