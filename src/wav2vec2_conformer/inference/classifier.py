"""Audio to labels: keywords, emotions, languages, sound events, or numbers.

Shapes used in this file:
    B  windows in a batch
    L  samples
    T  frames
    D  width of the encoder
    C  labels
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioSource, normalize_waveform
from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.batching import iter_batches, iter_finished, iter_pieces
from wav2vec2_conformer.inference.classification import Classification
from wav2vec2_conformer.inference.classification_head import (
    label_names,
    load_classifier,
    problem_type,
)
from wav2vec2_conformer.inference.classified_recording import ClassifiedRecording
from wav2vec2_conformer.inference.model_inputs import to_model_inputs
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)


class Classifier:
    """Labels recordings with a `Wav2Vec2ConformerForSequenceClassification`.

    The same audio gives the same scores, alone or among others. A recording longer than a
    window is cut into windows; its scores are the mean of theirs, each weighted by its length.
    A window is normalized on its own: it gets the scores that the same piece gets alone.
    Recordings are read in blocks: hours need no more memory than minutes.

    Args:
        model: In eval mode, on its device. `config.id2label` names the labels.
        feature_extractor: Says rate and normalization.
        window_s: Longest piece of audio that the model sees at once, in seconds.
        hop_s: Seconds from the start of a window to the next; None for `window_s`, which makes
            windows that do not overlap.

    Attributes:
        model: As given.
        labels: Names of the labels, in the order of the model's outputs.
        problem_type: What the scores mean; see `Classification`. Where the configuration does
            not say: regression with one label, single-label with several.
        sample_rate_hz: Rate that the model wants.

    Raises:
        CheckpointError: When two labels have the same name, or the configuration names no
            problem type that there is.
        InputError: When the window is shorter than a frame, or the hop is not within a window.
    """

    def __init__(
        self,
        model: Wav2Vec2ConformerForSequenceClassification,
        feature_extractor: Any,
        *,
        window_s: float = 30.0,
        hop_s: float | None = None,
    ) -> None:
        self.model = model
        self.sample_rate_hz = int(feature_extractor.sampling_rate)
        self.labels = label_names(model.config)
        self.problem_type = problem_type(model.config)
        self._normalizes = bool(feature_extractor.do_normalize)
        hop_s = window_s if hop_s is None else hop_s
        self._window_samples = round(window_s * self.sample_rate_hz)
        self._hop_samples = round(hop_s * self.sample_rate_hz)
        if not self._has_frame(self._window_samples):
            raise InputError(
                f"window_s must be long enough for a frame of the model, but is {window_s:g}."
            )
        if not 0 < self._hop_samples <= self._window_samples:
            raise InputError(
                "hop_s must be positive and at most window_s, so that no audio is left out, but "
                f"hop_s is {hop_s:g} and window_s is {window_s:g}."
            )

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str = "auto",
        compute_type: str = "float32",
        window_s: float = 30.0,
        hop_s: float | None = None,
    ) -> "Classifier":
        """Load a checkpoint.

        Args:
            model: A folder or a model of the Hugging Face hub; None for the head for spoken
                English digits that is part of this package.
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16`, `float16`, `int8` (on CPUs), or `auto`.
            window_s: See the class.
            hop_s: See the class.

        Raises:
            CheckpointError: When the checkpoint cannot be read or has no classification head.
            InputError: When the device or compute type does not exist here, or a length is out
                of range.
        """
        loaded, feature_extractor = load_classifier(model, device=device, compute_type=compute_type)
        return cls(loaded, feature_extractor, window_s=window_s, hop_s=hop_s)

    def classify(
        self,
        audio: AudioSource,
        sample_rate_hz: float | None = None,
        *,
        top_k: int | None = 5,
        batch_seconds: float = 60.0,
    ) -> Classification:
        """Classify one recording of any length.

        Args:
            audio: Anything that `audio.AudioBlocks` takes: a path, `-`, bytes, a binary file,
                an array or tensor, a row of a Hugging Face dataset.
            sample_rate_hz: Rate of an array or tensor; not used for other sources.
            top_k: How many labels to return, the most probable ones; None for all. A
                regression returns all of its outputs.
            batch_seconds: Seconds of audio that the model sees at once.

        Raises:
            AudioError: When the audio cannot be used, or is shorter than a frame.
            InputError: When an argument is out of range.
            CheckpointError: When the model's output is not finite.
        """
        [result] = self.classify_many(
            [audio], sample_rate_hz=sample_rate_hz, top_k=top_k, batch_seconds=batch_seconds
        )
        if isinstance(result, Failure):
            raise result.error
        return result

    def classify_many(
        self,
        sources: Iterable[AudioSource],
        *,
        sample_rate_hz: float | None = None,
        top_k: int | None = 5,
        batch_seconds: float = 60.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[Classification | Failure]:
        """Classify recordings, batched by length, and yield results in their order.

        Sources are read as they are needed: memory holds a few batches of audio.

        Args:
            sources: Recordings as for `classify`.
            sample_rate_hz: Rate of arrays and tensors; not used for other sources.
            top_k: As for `classify`.
            batch_seconds: Largest padded length of a batch in seconds.
            on_progress: Called with the seconds of audio done since its last call.

        Yields:
            A classification for each source, or a failure that says why there is none. One
            failing source does not stop the others.

        Raises:
            InputError: When `top_k` or `batch_seconds` is not positive.
        """
        if not batch_seconds > 0:
            raise InputError(f"batch_seconds must be positive, but is {batch_seconds:g}.")
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k must be at least 1, or None for all labels, but is {top_k}.")
        return self._iter_results(sources, sample_rate_hz, top_k, batch_seconds, on_progress)

    def _iter_results(
        self,
        sources: Iterable[AudioSource],
        sample_rate_hz: float | None,
        top_k: int | None,
        batch_seconds: float,
        on_progress: Callable[[float], None] | None,
    ) -> Iterator[Classification | Failure]:
        batch_samples = batch_seconds * self.sample_rate_hz
        pieces = iter_pieces(
            sources,
            sample_rate_hz,
            target_rate_hz=self.sample_rate_hz,
            max_held_samples=self._window_samples,
            start=self.start,
            cut=lambda _, blocks: self._cut(blocks),
        )

        def run(jobs: Sequence[tuple[ClassifiedRecording, _Window]]) -> Iterator[int]:
            for position, scores in self._run([window for _, window in jobs], batch_samples):
                recording, window = jobs[position]
                duration_s = len(window.samples) / self.sample_rate_hz
                recording.add(window.start_s, window.start_s + duration_s, scores)
                if on_progress is not None:
                    on_progress(duration_s)
                yield position

        for recording in iter_finished(pieces, run, batch_samples=batch_samples):
            yield recording.finish(top_k)

    def start(self, name: str) -> ClassifiedRecording:
        """Return a recording that gathers scores of windows."""
        return ClassifiedRecording(name, self.labels, self.problem_type)

    @torch.inference_mode()
    def score_frames(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of a window of which the encoder's frames are known, shape (C,).

        Args:
            frames: What the head sees, the last layer or the weighted mean of all; (T, D).
        """
        model = self.model
        x = torch.from_numpy(frames).to(model.device, model.dtype)
        logits = model.classifier(model.projector(x).mean(dim=0))
        return self._to_scores(logits[None])[0]

    def _cut(self, blocks: Iterable[NDArray[np.float32]]) -> "Iterator[_Window]":
        reader = SampleReader(blocks)
        while True:
            start = reader.position
            # One sample more than a window tells whether this is the last one.
            samples = reader.peek(self._window_samples + 1)
            is_last = len(samples) <= self._window_samples
            samples = samples[: self._window_samples]
            if self._has_frame(len(samples)):
                # A copy in either case: the reader goes on.
                waveform = normalize_waveform(samples) if self._normalizes else samples.copy()
                yield _Window(start / self.sample_rate_hz, waveform)
            if is_last:
                break
            reader.skip_to(start + self._hop_samples)

    @torch.inference_mode()
    def _run(
        self, windows: "Sequence[_Window]", batch_samples: float
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the position of each window and its scores, shape (C,)."""
        for batch, waveforms, mask in iter_batches(windows, batch_samples):
            # The model sees no padding, so a row does not depend on the others.
            values, valid = to_model_inputs(self.model, waveforms, mask)
            logits = self.model(values, attention_mask=valid, return_dict=True).logits
            yield from zip(batch, self._to_scores(logits), strict=True)

    def _to_scores(self, logits: torch.Tensor) -> NDArray[np.float32]:
        """Return what logits (B, C) mean, of the same shape."""
        scores = logits.float()
        if self.problem_type == "single_label_classification":
            scores = scores.softmax(dim=-1)
        elif self.problem_type == "multi_label_classification":
            scores = scores.sigmoid()
        rows: NDArray[np.float32] = scores.cpu().numpy()
        return rows

    def _has_frame(self, num_samples: int) -> bool:
        return int(self.model._get_feat_extract_output_lengths(num_samples)) > 0  # noqa: SLF001  a name of the specification


@dataclass(frozen=True, slots=True)
class _Window:
    """Samples (L,) as the checkpoint wants them, and where in the recording they begin."""

    start_s: float
    samples: NDArray[np.float32]
