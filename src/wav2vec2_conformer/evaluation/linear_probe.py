"""Multinomial logistic regression: what a linear layer can read out of vectors.

Paper: Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes",
https://arxiv.org/abs/1610.01644. The weighted sum of layers is that of Yang et al. 2021,
"SUPERB", https://arxiv.org/abs/2105.01051, Section 3.

Shapes used in this file:
    U  clips
    N  layers
    D  width of a vector
    C  labels
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from wav2vec2_conformer.errors import InputError

_MAX_STEPS = 200
_SMALL = 1e-9


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A fitted regression.

    Attributes:
        layer_weights: Part of each layer in the sum that is read, shape (N,); sums to 1.
        weight: Shape (D, C), of standardized sums.
        bias: Shape (C,).
        center: Mean of the sums, shape (D,).
        scale: Deviation of the sums, shape (D,).
    """

    layer_weights: NDArray[np.float64]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]

    def predict(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Return the number of the most probable label of each clip, shape (U,).

        Args:
            vectors: Of each layer, shape (U, N, D).
        """
        sums = np.einsum("und,n->ud", vectors.astype(np.float64), self.layer_weights)
        logits = (sums - self.center) / self.scale @ self.weight + self.bias
        labels: NDArray[np.int64] = logits.argmax(axis=1)
        return labels


def fit_linear_probe(
    vectors: NDArray[np.floating[Any]],
    targets: NDArray[np.int64],
    num_labels: int,
    *,
    l2: float = 1e-3,
) -> LinearProbe:
    """Fit a regression that reads one vector of each clip, or a learned sum of several.

    Deterministic: the loss has one minimum for one layer, and the search for it starts at zero;
    for several layers it starts at their mean.

    Args:
        vectors: Of each layer, shape (U, N, D), finite.
        targets: Number of each clip's label, shape (U,).
        num_labels: C.
        l2: Weight of the squared weights in the loss, which is a mean over clips. Vectors are
            standardized first, so that it means the same for every layer.

    Raises:
        InputError: When `l2` is not positive: the loss of what can be told apart perfectly
            would have no minimum.
    """
    if not l2 > 0:
        raise InputError(f"l2 must be positive, but is {l2:g}.")
    states = torch.from_numpy(vectors.astype(np.float64))
    wanted = torch.from_numpy(targets)
    num_layers, dim = states.shape[1:]
    # Layers differ in size, which the softmax below could not make up for in a few steps.
    sizes = (states - states.mean(dim=0)).square().mean(dim=(0, 2)).sqrt().clamp(min=_SMALL)
    states = states / sizes[:, None]
    scores = torch.zeros(num_layers, dtype=torch.float64, requires_grad=num_layers > 1)
    weight = torch.zeros(dim, num_labels, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(num_labels, dtype=torch.float64, requires_grad=True)

    def standardize() -> tuple[Tensor, Tensor, Tensor]:
        sums = torch.einsum("und,n->ud", states, scores.softmax(0))
        center = sums.mean(dim=0)
        scale = sums.std(dim=0, correction=0).clamp(min=_SMALL)
        return (sums - center) / scale, center, scale

    fixed = standardize() if num_layers == 1 else None
    parameters = [weight, bias] + [scores] * (num_layers > 1)
    search = torch.optim.LBFGS(
        parameters, max_iter=_MAX_STEPS, history_size=20, line_search_fn="strong_wolfe"
    )

    def compute_loss() -> Tensor:
        search.zero_grad()
        inputs, _, _ = fixed or standardize()
        loss = F.cross_entropy(inputs @ weight + bias, wanted) + l2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    search.step(compute_loss)
    with torch.no_grad():
        _, center, scale = standardize()
        # Back to layers as they are: their parts sum to 1, and the scale takes up the rest.
        parts = scores.softmax(0) / sizes
        total = parts.sum()
        return LinearProbe(
            layer_weights=(parts / total).numpy(),
            weight=weight.numpy(),
            bias=bias.numpy(),
            center=(center / total).numpy(),
            scale=(scale / total).numpy(),
        )
