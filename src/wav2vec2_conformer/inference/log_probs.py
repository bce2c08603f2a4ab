"""Log-probabilities of the tokens in each frame of windows.

Shapes used in this file:
    T  frames
    V  vocabulary
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference.batching import iter_batches
from wav2vec2_conformer.inference.model_inputs import to_model_inputs
from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.models.ctc_network import CtcNetwork


@torch.inference_mode()
def run_windows(
    model: CtcNetwork, windows: Sequence[Window], *, batch_samples: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Run the model over windows, similar lengths together, and yield each when it is done.

    The model sees no padding, so the result of a window does not depend on the others.

    Args:
        model: In eval mode, on its device.
        windows: Their samples normalized as the checkpoint wants them.
        batch_samples: Largest padded length of a batch.

    Yields:
        The window's position in `windows`, and natural logarithms of its kept and spare frames,
        shape (T, V). Early windows first, as far as batches allow.
    """
    for batch, waveforms, mask in iter_batches(windows, batch_samples):
        moments = [windows[position].moments for position in batch]
        values, valid = to_model_inputs(model, waveforms, mask, moments)
        logits = model(values, attention_mask=valid, return_dict=True).logits
        log_probs: NDArray[np.float32] = logits.float().log_softmax(dim=-1).cpu().numpy()
        for row, position in enumerate(batch):
            yield position, log_probs[row, windows[position].told_frames]


def check_finite(log_probs: NDArray[np.float32], name: str) -> None:
    """Refuse what damaged weights or too small a compute type make of a recording.

    Raises:
        CheckpointError: When a value is NaN or infinite.
    """
    if not np.isfinite(log_probs).all():
        raise CheckpointError(
            f"{name}: the model's output is not finite. Its weights are damaged, or "
            "compute_type float16 is too small for it: try float32."
        )
