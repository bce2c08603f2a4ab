"""Log-probabilities of the tokens in each frame of windows.

Shapes used in this file:
    B  windows in a batch
    L  samples
    T  frames
    V  vocabulary
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference.batching import plan_batches
from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC


@torch.inference_mode()
def run_windows(
    model: Wav2Vec2ConformerForCTC, windows: Sequence[Window], *, batch_samples: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Run the model over windows, similar lengths together, and yield each when it is done.

    The model sees no padding, so the result of a window does not depend on the others.

    Args:
        model: In eval mode, on its device.
        windows: Their samples normalized as the checkpoint wants them.
        batch_samples: Largest padded length of a batch.

    Yields:
        The window's position in `windows`, and natural logarithms of its kept frames, shape
        (T, V). Early windows first, as far as batches allow.
    """
    batches = plan_batches([len(window.samples) for window in windows], batch_samples)
    for batch in sorted(batches, key=min):
        log_probs = _run_batch(model, [windows[position].samples for position in batch])
        for row, position in enumerate(batch):
            window = windows[position]
            yield position, log_probs[row, window.first_frame : window.end_frame]


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


def _run_batch(
    model: Wav2Vec2ConformerForCTC, pieces: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return log-probabilities of shape (B, T, V); frames of padding are not removed."""
    longest = max(len(piece) for piece in pieces)
    padded = np.zeros((len(pieces), longest), dtype=np.float32)
    mask = np.zeros((len(pieces), longest), dtype=np.int64)
    for row, piece in enumerate(pieces):
        padded[row, : len(piece)] = piece
        mask[row, : len(piece)] = 1
    logits = model(
        torch.from_numpy(padded).to(model.device, model.dtype),
        attention_mask=torch.from_numpy(mask).to(model.device),
        return_dict=True,
    ).logits
    log_probs: NDArray[np.float32] = logits.float().log_softmax(dim=-1).cpu().numpy()
    return log_probs
