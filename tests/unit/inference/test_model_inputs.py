"""Batches as a model takes them: what is left out where the model is on a GPU."""

import pytest
import torch

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC
from wav2vec2_conformer.inference.model_inputs import to_model_inputs

MASKS = {"full": [[1, 1, 1], [1, 1, 1]], "padded": [[1, 1, 1], [1, 1, 0]]}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_mask_that_hides_nothing_goes_to_no_gpu(tiny_config_kwargs, device, kind):
    """The device `meta` stands for all that are no CPU."""
    model = Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs)).to(device)
    values, mask = to_model_inputs(model, torch.randn(2, 3), torch.tensor(MASKS[kind]))
    assert values.device.type == device
    if (device, kind) == ("meta", "full"):
        assert mask is None
    else:
        assert mask.device.type == device
        assert mask.shape == (2, 3)
