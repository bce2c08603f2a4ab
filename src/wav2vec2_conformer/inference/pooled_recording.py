"""The frames of one recording, as windows of it come out of the model, and their vector.

Shapes used in this file:
    N  layers that were asked for
    T  frames
    D  width of the encoder
"""

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError, Wav2Vec2ConformerError
from wav2vec2_conformer.inference.embedding import Embedding, Layer
from wav2vec2_conformer.inference.log_probs import check_finite
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector


class PooledRecording:
    """A recording on its way through the model.

    Args:
        name: What to call it in messages and results.
        layer: Where the vector comes from.
        frame_s: Seconds from one frame to the next.
        keeps_frames: Whether the embedding holds the frames. Otherwise their sum is enough.
        xvector: Makes the vector of all frames; None for their mean.

    Attributes:
        duration_s: Length of the recording; to be set before the end.
        error: Why there is no vector.
    """

    def __init__(
        self,
        name: str,
        *,
        layer: Layer,
        frame_s: float,
        keeps_frames: bool,
        xvector: Wav2Vec2ConformerForXVector | None,
    ) -> None:
        self.duration_s = 0.0
        self.error: Wav2Vec2ConformerError | None = None
        self._name = name
        self._layer = layer
        self._frame_s = frame_s
        self._keeps_frames = keeps_frames
        self._xvector = xvector
        self._pieces: dict[int, NDArray[np.float32]] = {}
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._num_frames = 0

    def add(self, window: Window, frames: NDArray[np.float32]) -> None:
        """Take the kept frames of a window, shape (N, T, D); windows may come in any order."""
        try:
            check_finite(frames, self._name)
        except Wav2Vec2ConformerError as error:
            self.error = error
            return
        # Summed window by window, and in order at the end: the order in which windows come
        # depends on what else is in the batches, and the result must not.
        self._sums[window.start_frame] = frames.sum(axis=1, dtype=np.float64)
        self._num_frames += frames.shape[1]
        if self._keeps_frames or self._xvector is not None:
            self._pieces[window.start_frame] = frames.copy()  # not a view of the whole batch

    def finish(self) -> Embedding | Failure:
        """Return the result when all windows have come."""
        if self.error is not None:
            return Failure(self._name, self.error)
        if not self._num_frames:
            reason = (
                f"{self._name}: is {self.duration_s:.3f} s long, shorter than one frame of the "
                "model, so there is nothing to embed."
            )
            return Failure(self._name, AudioError(reason))
        frames = None
        if self._pieces:
            frames = np.concatenate([self._pieces[key] for key in sorted(self._pieces)], axis=1)
        if self._xvector is not None and frames is not None:
            vectors = embed_speaker(self._xvector, frames[0])[None]
        else:
            total = np.sum([self._sums[key] for key in sorted(self._sums)], axis=0)
            vectors = (total / self._num_frames).astype(np.float32)
        if not self._keeps_frames:
            frames = None
        has_layers = self._layer == "all"
        return Embedding(
            source=self._name,
            vector=vectors if has_layers else vectors[0],
            frames=frames if has_layers or frames is None else frames[0],
            layer=self._layer,
            frame_s=self._frame_s,
            duration_s=self.duration_s,
        )


@torch.inference_mode()
def embed_speaker(
    model: Wav2Vec2ConformerForXVector, frames: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what the speaker head makes of a recording's frames, shape (xvector_output_dim,).

    Args:
        model: Its head is run, and its adapter where the head stands behind one.
        frames: Of the layer, or the weighted mean of layers, that the head sees; (T, D).
    """
    x = torch.from_numpy(frames)[None].to(model.device, model.dtype)
    adapter = model.base_model.adapter
    if adapter is not None and model.layer_weights is None:
        x = adapter(x)
    pooled = model._pool(model.projector(x), None)  # noqa: SLF001 - the head without its encoder
    vector: NDArray[np.float32] = model.feature_extractor(pooled)[0].float().cpu().numpy()
    return vector
