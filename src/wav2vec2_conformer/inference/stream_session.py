"""Speech to text while it is being said.

Shapes used in this file:
    L  samples
    T  frames
    V  vocabulary
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.errors import AudioError, InputError
from wav2vec2_conformer.inference.decoder import CtcDecoder
from wav2vec2_conformer.inference.joint import find_joint
from wav2vec2_conformer.inference.log_probs import check_finite, run_windows
from wav2vec2_conformer.inference.model_inputs import num_mel_bands
from wav2vec2_conformer.inference.open_segment import OpenSegment
from wav2vec2_conformer.inference.stream_events import (
    FinalSegment,
    FinalWords,
    Partial,
    StreamEvent,
)
from wav2vec2_conformer.inference.streaming_windows import StreamingWindows
from wav2vec2_conformer.inference.transcript import Segment, Word
from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.models.ctc_network import CtcNetwork

MIN_LATENCY_S = 0.1
MAX_LATENCY_S = 30.0


class StreamSession:
    """One stream of audio in, words out, while the stream goes on.

    The model runs in overlapping windows on a fixed grid. Of each window the frames with a
    whole look-ahead are committed, up to a silent place (`joint`); their words are final as
    soon as the word's end is committed (with a search: the segment's, `OpenSegment`). What
    comes after is told as a partial.

    The text and its times depend on the samples alone, not on how they were cut into blocks.
    Memory does not grow with the length of the stream.

    `feed` and `finish` do everything. Who runs the model for many sessions together calls
    `add`, runs each session's `next_window` (`log_probs.run_windows`) and gives the result to
    `accept`; at the end `close`, the last windows, and `finish`.

    Args:
        model: In eval mode, on its device. Sessions may share it.
        processor: A `Wav2Vec2Processor`; its feature extractor says rate and normalization.
        decoder: Turns log-probabilities into words; its options say what ends a segment.
            Sessions may share it.
        latency_s: Time from a sound to its committed frame, computing not counted: half of it
            is look-ahead, half the step from one window to the next. Waiting for a silent
            place adds less than a step. More is more accurate and less work.
        context_s: Audio before the open frames that the model sees, in seconds.

    Attributes:
        sample_rate_hz: Rate of the samples that the session takes.

    Raises:
        InputError: When the latency or the context is out of range.
    """

    def __init__(
        self,
        model: CtcNetwork,
        processor: Any,
        decoder: CtcDecoder,
        *,
        latency_s: float = 1.0,
        context_s: float = 6.0,
    ) -> None:
        if not MIN_LATENCY_S <= latency_s <= MAX_LATENCY_S:
            raise InputError(
                f"latency_s must be between {MIN_LATENCY_S:g} and {MAX_LATENCY_S:g} seconds, but "
                f"is {latency_s:g}."
            )
        if not context_s >= 0:
            raise InputError(f"context_s must not be negative, but is {context_s:g}.")
        self.model = model
        self.sample_rate_hz = int(processor.feature_extractor.sampling_rate)
        frame_samples: int = model.config.inputs_to_logits_ratio
        self._frame_s = frame_samples / self.sample_rate_hz
        latency_frames = max(2, int(latency_s / self._frame_s))
        self._step_frames = (latency_frames + 1) // 2
        self._windows = StreamingWindows(
            step_frames=self._step_frames,
            look_ahead_frames=latency_frames - self._step_frames,
            context_frames=round(context_s / self._frame_s),
            frame_samples=frame_samples,
            count_frames=self._count_frames,
            normalizes=bool(processor.feature_extractor.do_normalize),
            num_mel_bands=num_mel_bands(model),
        )
        tokenizer = processor.tokenizer
        delimiter_id = tokenizer.get_vocab().get(tokenizer.word_delimiter_token)
        if delimiter_id is not None and delimiter_id >= model.lm_head.out_features:
            delimiter_id = None  # tokenizers add the token that a vocabulary lacks
        self._segment = OpenSegment(decoder, delimiter_id=delimiter_id, frame_s=self._frame_s)
        self._silent_ids = [i for i in (decoder.blank_id, delimiter_id) if i is not None]
        self._pending: Window | None = None
        self._num_committed = 0
        self._shown = ("", "")

    @property
    def heard_s(self) -> float:
        """Seconds of audio that have arrived."""
        return self._windows.num_samples / self.sample_rate_hz

    def feed(self, samples: NDArray[Any]) -> list[StreamEvent]:
        """Listen to the next samples.

        Args:
            samples: Mono samples at the session's rate, shape (L,): float, or int16 as in PCM.
                L may be anything, 0 too.

        Returns:
            What is new, in order; mostly nothing for short blocks.

        Raises:
            InputError: When the shape or the type is wrong, or the session is finished.
            AudioError: When a sample is NaN or infinite.
            CheckpointError: When the model's output is not finite.
        """
        self.add(samples)
        return self._run()

    def finish(self) -> list[StreamEvent]:
        """End the stream and return what is left; all of it is final."""
        self.close()
        events = self._run()
        words, segments = self._segment.finish(heard_s=self.heard_s)
        return events + self._tell(words, segments, (), self.heard_s)

    def add(self, samples: NDArray[Any]) -> None:
        """Take the next samples without running the model; see `feed`."""
        if self._windows.is_closed:
            raise InputError("this stream has ended; start another session.")
        self._windows.add(_as_waveform(samples))

    def close(self) -> None:
        """Say that no samples follow; `next_window` then gives the last windows."""
        self._windows.close()

    def next_window(self) -> Window | None:
        """Return what the model has to be run on next; None when there is nothing yet.

        Give the log-probabilities of its kept frames to `accept` before asking again.
        """
        if self._pending is None:
            self._pending = self._windows.cut(self._num_committed)
        return self._pending

    def accept(self, log_probs: NDArray[np.float32]) -> list[StreamEvent]:
        """Take what the model said about the last window.

        Args:
            log_probs: Natural logarithms of its kept frames, shape (T, V).

        Returns:
            What is new, in order.

        Raises:
            InputError: When there is no such window, or the number of frames is another.
            CheckpointError: When a value is not finite.
        """
        window = self._pending
        if window is None or len(log_probs) != window.num_frames:
            expected = "no window was asked for" if window is None else f"{window.num_frames}"
            raise InputError(
                f"accept wants the frames of the last window ({expected}), got {len(log_probs)}."
            )
        check_finite(log_probs, "stream")
        self._pending = None
        num_committed = num_ready = self._windows.border_frame - self._num_committed
        if not self._windows.is_done:
            num_committed = find_joint(
                log_probs,
                silent_ids=self._silent_ids,
                border=num_ready,
                max_hold=self._step_frames - 1,
            )
        self._num_committed += num_committed
        heard_s = self._windows.heard_samples / self.sample_rate_hz
        words, segments = self._segment.commit(log_probs[:num_committed], heard_s=heard_s)
        open_words = self._segment.read_open(log_probs[num_committed:], heard_s=heard_s)
        return self._tell(words, segments, open_words, heard_s)

    def _run(self) -> list[StreamEvent]:
        """Run the model on all windows that are complete."""
        events: list[StreamEvent] = []
        while (window := self.next_window()) is not None:
            for _, log_probs in run_windows(
                self.model, [window], batch_samples=len(window.samples)
            ):
                events += self.accept(log_probs)
        return events

    def _tell(
        self,
        words: tuple[Word, ...],
        segments: list[Segment],
        open_words: tuple[Word, ...],
        heard_s: float,
    ) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if words:
            events.append(FinalWords(words, heard_s))
        events.extend(FinalSegment(segment, heard_s) for segment in segments)
        if segments:
            self._shown = ("", "")  # a closed segment takes its partial away
        texts = (_join(self._segment.words), _join(open_words))
        if texts != self._shown:
            self._shown = texts
            told = [*self._segment.words, *open_words]
            start_s, end_s = (told[0].start_s, told[-1].end_s) if told else (heard_s, heard_s)
            events.append(Partial(*texts, start_s, end_s, heard_s))
        return events

    def _count_frames(self, num_samples: int) -> int:
        return int(self.model._get_feat_extract_output_lengths(num_samples))  # noqa: SLF001


def _join(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _as_waveform(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return float32 samples between -1 and 1.

    Raises:
        InputError: When the shape or the type is wrong.
        AudioError: When a sample is NaN or infinite.
    """
    array = np.asarray(samples)
    if array.ndim != 1:
        raise InputError(
            f"samples must have one axis, but have shape {array.shape}. Average the channels."
        )
    if array.dtype == np.int16:
        return array.astype(np.float32) / np.float32(32_768.0)
    if array.dtype.kind != "f":
        raise InputError(f"samples must be float or int16, but are {array.dtype}.")
    with np.errstate(over="ignore"):
        waveform = array.astype(np.float32)
    if not np.isfinite(waveform).all():
        raise AudioError("stream: samples must not be NaN or infinite. Check the source.")
    return waveform
