"""Recordings of any length to frames of the encoder's layers, by windows.

Shapes used in this file:
    B  windows in a batch
    L  samples
    N  layers that were asked for
    T  frames
    D  width of the encoder
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.batching import iter_batches
from wav2vec2_conformer.inference.head_loading import LoadedEncoder
from wav2vec2_conformer.inference.model_inputs import num_mel_bands, to_model_inputs
from wav2vec2_conformer.inference.preparation import prepare
from wav2vec2_conformer.inference.windows import Window, Windowing, iter_windows

# Joints between windows are looked for so far back, and a pause between words is about so long.
_JOINT_S = 2.0
_PAUSE_S = 0.2


class HiddenFrames:
    """Runs an encoder over windows of recordings.

    Args:
        encoder: The model and what it wants.
        layer: Number of a layer, from 0 to the number of blocks; `all`; or `weighted` for the
            mean of all with the checkpoint's learned weights.
        window_s: Longest piece of audio that the model sees at once, in seconds.
        context_s: Part of it on each side that is context only.

    Attributes:
        sample_rate_hz: Rate that the model wants.
        frame_s: Seconds from one frame to the next.
        windowing: How recordings are cut.

    Raises:
        InputError: When a window is not longer than its context on both sides.
    """

    def __init__(
        self, encoder: LoadedEncoder, layer: int | str, *, window_s: float, context_s: float
    ) -> None:
        if not 0 < 2 * context_s < window_s:
            raise InputError(
                "a window must be longer than its context on both sides, and both positive, "
                f"but window_s is {window_s:g} and context_s is {context_s:g}."
            )
        self._model = encoder.model
        self._normalizes = bool(encoder.feature_extractor.do_normalize)
        self._layer_weights = _as_weights(encoder, layer)
        self.sample_rate_hz = int(encoder.feature_extractor.sampling_rate)
        hop = int(np.prod(encoder.model.config.conv_stride))
        self.frame_s = hop / self.sample_rate_hz
        self.windowing = Windowing(
            window_frames=int(round(window_s * self.sample_rate_hz) // hop),
            context_frames=-(-round(context_s * self.sample_rate_hz) // hop),
            joint_frames=int(_JOINT_S / self.frame_s),
            smoothing_frames=max(1, round(_PAUSE_S / self.frame_s)),
            frame_samples=hop,
            count_frames=self.count_frames,
        )

    def count_frames(self, num_samples: int) -> int:
        """Return the encoder's number of frames for a number of samples."""
        return int(
            self._model._get_feat_extract_output_lengths(  # noqa: SLF001 - the specification's
                num_samples, add_adapter=False
            )
        )

    def cut(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Window]:
        """Yield the windows of a recording, normalized as the checkpoint wants it.

        Args:
            blocks: The recording's samples of shape (L,). Iterated once more where the mean
                and variance of the whole have to be known first.
        """
        preparation = prepare(
            blocks,
            normalizes=self._normalizes,
            num_mel_bands=num_mel_bands(self._model),
            speech_detection=None,
            sample_rate_hz=self.sample_rate_hz,
            frame_samples=self.windowing.frame_samples,
        )
        return iter_windows(
            SampleReader(preparation.normalize(blocks)),
            self.windowing,
            moments=preparation.moments,
        )

    @torch.inference_mode()
    def run(
        self, windows: Sequence[Window], *, batch_samples: int
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Run the model over windows, similar lengths together, and yield each when it is done.

        The model sees no padding, so the result of a window does not depend on the others.

        Args:
            windows: As `cut` yields them, of one or several recordings.
            batch_samples: Largest padded length of a batch.

        Yields:
            The window's position in `windows`, and its kept frames, shape (N, T, D).
        """
        for batch, waveforms, mask in iter_batches(windows, batch_samples):
            moments = [windows[position].moments for position in batch]
            frames = self._run_batch(*to_model_inputs(self._model, waveforms, mask, moments))
            for row, position in enumerate(batch):
                window = windows[position]
                yield position, frames[:, row, window.first_frame : window.end_frame]

    def _run_batch(self, values: torch.Tensor, mask: torch.Tensor | None) -> NDArray[np.float32]:
        """Return frames of shape (N, B, T, D); frames of padding are not removed."""
        model, weights = self._model, self._layer_weights
        out = model.encode(
            values,
            mask,
            output_hidden_states=weights is None,
            layer_weights=weights,
        )
        layers = (out.weighted_sum,) if out.weighted_sum is not None else out.hidden_states or ()
        frames: NDArray[np.float32] = torch.stack(layers).float().cpu().numpy()
        return frames


def _as_weights(encoder: LoadedEncoder, layer: int | str) -> torch.Tensor | None:
    """Return the weight of each hidden state in the sum; None to keep all of them apart.

    One layer is a sum in which the others have no weight: memory holds one layer, not all.
    """
    if layer == "all":
        return None
    weights = encoder.layer_weights
    if layer == "weighted" and weights is not None:
        return weights.detach().softmax(0)
    num_states = encoder.model.config.num_hidden_layers + 1
    one_hot = F.one_hot(torch.tensor(int(layer)), num_states)
    return one_hot.to(encoder.model.device, encoder.model.dtype)
