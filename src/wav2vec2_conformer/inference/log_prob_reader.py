"""Recordings of any length to log-probabilities: what transcription and alignment share.

Shapes used in this file:
    L  samples
    T  frames
    V  vocabulary
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio.blocks import AudioBlocks
from wav2vec2_conformer.audio.speech_detection import SpeechDetection, check_speech_detection
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.log_probs import check_finite
from wav2vec2_conformer.inference.model_inputs import num_mel_bands
from wav2vec2_conformer.inference.preparation import Preparation, prepare
from wav2vec2_conformer.inference.stitching import Stitcher, iter_stitched_log_probs
from wav2vec2_conformer.inference.windows import Windowing
from wav2vec2_conformer.models.ctc_network import CtcNetwork

# Joints between windows are looked for so far back, and a pause between words is about so long.
_JOINT_S = 2.0
_PAUSE_S = 0.2


class LogProbReader:
    """Runs a CTC model over recordings of any length in flat memory.

    Args:
        model: In eval mode, on its device.
        processor: A `Wav2Vec2Processor`; its feature extractor says rate and normalization,
            its tokenizer which token is between words.
        window_s: Longest piece of audio that the model sees at once, in seconds.
        context_s: Part of it on each side that is context only.
        speech_detection: `energy` or `silero` to run the model only where somebody speaks;
            None runs it everywhere.

    Attributes:
        sample_rate_hz: Rate that the model wants.
        frame_s: Seconds from one frame to the next.
        windowing: How recordings are cut.

    Raises:
        InputError: When a window is not longer than its context, there is no such speech
            detection, or it cannot hear the model's rate.
        MissingExtraError: When `silero` is asked for and not installed.
    """

    def __init__(
        self,
        model: CtcNetwork,
        processor: Any,
        *,
        window_s: float = 30.0,
        context_s: float = 3.0,
        speech_detection: SpeechDetection | None = None,
    ) -> None:
        if not 0 < 2 * context_s < window_s:
            raise InputError(
                "a window must be longer than its context on both sides, and both positive, "
                f"but window_s is {window_s:g} and context_s is {context_s:g}."
            )
        self.model = model
        self.sample_rate_hz = int(processor.feature_extractor.sampling_rate)
        check_speech_detection(speech_detection, self.sample_rate_hz)
        hop: int = model.config.inputs_to_logits_ratio
        self.frame_s = hop / self.sample_rate_hz
        self.windowing = Windowing(
            window_frames=int(round(window_s * self.sample_rate_hz) // hop),
            context_frames=-(-round(context_s * self.sample_rate_hz) // hop),
            joint_frames=int(_JOINT_S / self.frame_s),
            smoothing_frames=max(1, round(_PAUSE_S / self.frame_s)),
            frame_samples=hop,
            count_frames=self.count_frames,
        )
        tokenizer = processor.tokenizer
        self._delimiter_id: int | None = tokenizer.get_vocab().get(tokenizer.word_delimiter_token)
        self._normalizes = bool(processor.feature_extractor.do_normalize)
        self._speech_detection = speech_detection

    def count_frames(self, num_samples: int) -> int:
        """Return the model's number of frames for a number of samples."""
        return int(self.model._get_feat_extract_output_lengths(num_samples))  # noqa: SLF001

    def read(
        self,
        blocks: AudioBlocks,
        *,
        batch_seconds: float = 60.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Run the model over a recording and yield its frames in order.

        The recording is decoded once more for each thing that has to be known of all of it
        first: where somebody speaks, and the mean and variance to normalize with.

        Args:
            blocks: The recording, at the rate `sample_rate_hz`. Its `duration_s` is known
                after the last frame.
            batch_seconds: Largest padded length of a batch in seconds.
            on_progress: Called with the seconds of audio done since its last call.

        Yields:
            Natural logarithms of shape (T, V), finite. All blocks together have as many frames
            as the recording has in the model; no block for one shorter than a frame.

        Raises:
            AudioError: When the audio cannot be used.
            CheckpointError: When the model's output is not finite.
        """
        preparation = self.prepare(blocks)
        for log_probs in iter_stitched_log_probs(
            self.model,
            preparation.normalize(blocks),
            self.windowing,
            batch_samples=int(batch_seconds * self.sample_rate_hz),
            regions=preparation.regions,
            moments=preparation.moments,
            delimiter_id=self._delimiter_id,
        ):
            check_finite(log_probs, blocks.name)
            if on_progress is not None:
                on_progress(len(log_probs) * self.frame_s)
            yield log_probs

    def prepare(self, blocks: Iterable[NDArray[np.float32]]) -> Preparation:
        """Look at a whole recording before the model does.

        Args:
            blocks: The recording. Iterated once for each thing that has to be known.
        """
        return prepare(
            blocks,
            normalizes=self._normalizes,
            num_mel_bands=num_mel_bands(self.model),
            speech_detection=self._speech_detection,
            sample_rate_hz=self.sample_rate_hz,
            frame_samples=self.windowing.frame_samples,
        )

    def make_stitcher(self) -> Stitcher:
        """Return what joins the log-probabilities of one recording's windows."""
        return Stitcher(
            self.model.lm_head.out_features,
            blank_id=self.model.config.pad_token_id,
            delimiter_id=self._delimiter_id,
        )
