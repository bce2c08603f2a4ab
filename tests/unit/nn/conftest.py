"""What the tests of the model's parts share."""

import pytest
import torch
from torch import nn


@pytest.fixture(autouse=True)
def _one_thread():
    """Tensors of these sizes are slower with two threads, which wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def randomize():
    """Return a function that gives each parameter and statistic a value that shows."""

    def draw(module: nn.Module) -> nn.Module:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                scale = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.3
                parameter.copy_(scale * torch.randn(parameter.shape))
                if name.endswith("norm.weight"):
                    parameter.add_(1.0)
            for part in module.modules():
                if isinstance(part, nn.BatchNorm1d):
                    part.running_mean.normal_(std=0.3)
                    part.running_var.uniform_(0.5, 1.5)
        return module

    return draw


@pytest.fixture
def padding_mask():
    """Return the mask of three utterances of 11, 6 and 1 frames."""
    return torch.arange(11) >= torch.tensor([11, 6, 1])[:, None]


@pytest.fixture
def assert_ignores_padding(padding_mask):
    """Fail unless what a function makes of valid frames depends on valid frames alone.

    The function takes frames [B, T, D] and a padding mask or None, and returns frames.
    """

    def check(function, frames: torch.Tensor) -> None:
        found = function(frames, padding_mask)
        garbage = torch.where(padding_mask[:, :, None], 100.0, frames)
        disturbed = function(garbage, padding_mask)
        for index, num_frames in enumerate((~padding_mask).sum(1).tolist()):
            alone = function(frames[index : index + 1, :num_frames], None)[0]
            for batched in (found, disturbed):
                torch.testing.assert_close(batched[index, :num_frames], alone, atol=2e-5, rtol=1e-5)

    return check
