"""Whether two checkpoints share their encoder, told by a digest of its weights."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

# Beside the weights: what only training looks at, and tables that the configuration gives.
_LEFT_OUT = ("masked_spec_embed", "pos_conv_embed", "inv_freq", "num_batches_tracked")


def digest_encoder(state: Mapping[str, Tensor]) -> str:
    """Return a digest of all weights that evaluation uses.

    It is the same for equal values in float16 and float32, and does not depend on the order of
    the weights.

    Args:
        state: State dict of a bare model, names as `Wav2Vec2ConformerModel.state_dict()` has
            them.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(state):
        if any(part in name for part in _LEFT_OUT):
            continue
        value = state[name].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name} {tuple(value.shape)} ".encode())
        digest.update(value.numpy().data)
    return digest.hexdigest()
