"""Parts of the x-vector head: time-delay layers, statistics pooling, additive-margin softmax.

Papers: Snyder et al. 2018, "X-vectors", https://www.danielpovey.com/files/2018_icassp_xvectors.pdf;
Wang et al. 2018, "Additive margin softmax for face verification",
https://arxiv.org/abs/1801.05599.

Shapes used in this file:
    B  utterances in the batch
    T  frames, padded to the longest utterance
    C  channels
    S  speakers
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class TDNNLayer(nn.Module):
    """Dilated convolution over time with a rectifier.

    Its weight is kept as a linear map over (kernel, channel), as in the checkpoints.

    Args:
        in_dim: Channels of the input.
        out_dim: Channels of the output.
        kernel_size: Kernel in frames.
        dilation: Distance between the kernel's frames.
    """

    def __init__(self, in_dim: int, out_dim: int, *, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.in_dim = in_dim
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.kernel = nn.Linear(in_dim * kernel_size, out_dim)

    def forward(self, x: Float[Tensor, "B T C"]) -> Float[Tensor, "B T2 C2"]:
        """Convolve and rectify."""
        weight = self.kernel.weight.unflatten(1, (self.kernel_size, self.in_dim)).transpose(1, 2)
        x = F.conv1d(x.transpose(1, 2), weight, self.kernel.bias, dilation=self.dilation)
        return x.transpose(1, 2).relu()


def pool_statistics(
    x: Float[Tensor, "B T C"], padding_mask: Bool[Tensor, "B T"] | None = None
) -> Float[Tensor, "B C2"]:
    """Return each channel's mean and standard deviation over valid frames, side by side.

    The deviation is the unbiased one (T - 1); of a single frame it is 0.

    Args:
        x: Frames.
        padding_mask: True where a frame is padding. None means that no frame is.
    """
    if padding_mask is None:
        valid = torch.ones_like(x[:, :, :1])
    else:
        valid = (~padding_mask)[:, :, None].to(x.dtype)
    count = valid.sum(dim=1).clamp(min=1.0)
    mean = (x * valid).sum(dim=1) / count
    squares = ((x - mean[:, None]).square() * valid).sum(dim=1)
    variance = squares / (count - 1).clamp(min=1.0)
    # The gradient of a square root at zero is infinite: dead channels keep a zero gradient.
    positive = variance > 0
    deviation = torch.where(positive, torch.where(positive, variance, 1.0).sqrt(), 0.0)
    return torch.cat((mean, deviation), dim=1)


class AMSoftmaxLoss(nn.Module):
    """Softmax over cosines, the true speaker's lowered by a margin.

    Args:
        dim: Width of the embeddings.
        num_speakers: Speakers S.
        scale: Factor of the cosines.
        margin: What the true speaker's cosine is lowered by.
    """

    def __init__(
        self, dim: int, num_speakers: int, *, scale: float = 30.0, margin: float = 0.4
    ) -> None:
        super().__init__()
        self.scale = scale
        self.margin = margin
        self.weight = nn.Parameter(torch.zeros(dim, num_speakers))

    def forward(
        self, embeddings: Float[Tensor, "B C"], targets: Int[Tensor, " B"]
    ) -> Float[Tensor, ""]:
        """Return the mean loss of the batch."""
        cosines = F.normalize(embeddings, dim=1) @ F.normalize(self.weight, dim=0)
        margins = self.margin * F.one_hot(targets, cosines.shape[1])
        return F.cross_entropy(self.scale * (cosines - margins), targets)
