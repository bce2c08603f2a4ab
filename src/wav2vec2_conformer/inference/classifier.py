"""Audio to labels: keywords, emotions, languages, sound events, or numbers.

Shapes used in this file:
    B  windows in a batch
    L  samples
    C  labels
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioBlocks, AudioSource, normalize_waveform, source_name
from wav2vec2_conformer.audio.samples import SampleReader
from wav2vec2_conformer.errors import (
    AudioError,
    CheckpointError,
    InputError,
    Wav2Vec2ConformerError,
)
from wav2vec2_conformer.inference.batching import plan_batches
from wav2vec2_conformer.inference.classification import (
    Classification,
    WindowScores,
)
from wav2vec2_conformer.inference.classification_head import (
    label_names,
    load_classifier,
    problem_type,
)
from wav2vec2_conformer.inference.stitching import LOOK_AHEAD_BATCHES
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
        model: str | Path | None,
        *,
        device: str = "auto",
        compute_type: str = "float32",
        window_s: float = 30.0,
        hop_s: float | None = None,
    ) -> "Classifier":
        """Load a checkpoint.

        Args:
            model: A folder or a model of the Hugging Face hub. None is an error that says how
                to get one: no classification head is part of this package.
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16` or `float16`.
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
        pending: deque[_Recording] = deque()
        windows: list[_Window] = []
        for window in self._iter_windows(sources, sample_rate_hz, pending):
            windows.append(window)
            if sum(len(w.samples) for w in windows) >= LOOK_AHEAD_BATCHES * batch_samples:
                self._run(windows, batch_samples, on_progress)
                windows = []
                while pending and pending[0].is_read:
                    yield self._finish(pending.popleft(), top_k)
        self._run(windows, batch_samples, on_progress)
        for recording in pending:
            yield self._finish(recording, top_k)

    def _iter_windows(
        self,
        sources: Iterable[AudioSource],
        sample_rate_hz: float | None,
        pending: "deque[_Recording]",
    ) -> "Iterator[_Window]":
        """Read sources one after another and yield their windows; add each to `pending`."""
        for source in sources:
            recording = _Recording(source_name(source))
            pending.append(recording)
            try:
                with AudioBlocks(
                    source, sample_rate_hz, target_rate_hz=self.sample_rate_hz
                ) as blocks:
                    yield from self._cut(blocks, recording)
            except Wav2Vec2ConformerError as error:
                recording.error = error
            recording.is_read = True

    def _cut(self, blocks: AudioBlocks, recording: "_Recording") -> "Iterator[_Window]":
        reader = SampleReader(blocks)
        while True:
            start = reader.position
            # One sample more than a window tells whether this is the last one.
            samples = reader.peek(self._window_samples + 1)
            is_last = len(samples) <= self._window_samples
            samples = samples[: self._window_samples]
            if self._has_frame(len(samples)):
                span_s = (start / self.sample_rate_hz, (start + len(samples)) / self.sample_rate_hz)
                recording.spans_s.append(span_s)
                recording.rows.append(None)
                # A copy in either case: the reader goes on.
                waveform = normalize_waveform(samples) if self._normalizes else samples.copy()
                yield _Window(recording, len(recording.rows) - 1, waveform)
            if is_last:
                break
            reader.skip_to(start + self._hop_samples)
        recording.duration_s = blocks.duration_s or 0.0  # known by now
        if not recording.rows:
            raise AudioError(
                f"{blocks.name}: is {recording.duration_s * 1000:.0f} ms long, which is shorter "
                "than a frame of the model."
            )

    @torch.inference_mode()
    def _run(
        self,
        windows: "Sequence[_Window]",
        batch_samples: float,
        on_progress: Callable[[float], None] | None,
    ) -> None:
        """Score windows, similar lengths together, and hand the scores to their recordings."""
        for batch in plan_batches([len(window.samples) for window in windows], batch_samples):
            members = [windows[position] for position in batch]
            # The model sees no padding, so a row does not depend on the others.
            waveforms, mask = _pad([window.samples for window in members])
            logits = self.model(
                waveforms.to(self.model.device, self.model.dtype),
                attention_mask=mask.to(self.model.device),
                return_dict=True,
            ).logits.float()
            if self.problem_type == "single_label_classification":
                scores = logits.softmax(dim=-1)
            elif self.problem_type == "multi_label_classification":
                scores = logits.sigmoid()
            else:
                scores = logits
            for window, row in zip(members, scores.cpu().numpy(), strict=True):
                window.recording.rows[window.position] = row
                if on_progress is not None:
                    on_progress(len(window.samples) / self.sample_rate_hz)

    def _finish(self, recording: "_Recording", top_k: int | None) -> Classification | Failure:
        if recording.error is not None:
            return Failure(recording.name, recording.error)
        rows = np.array(recording.rows, dtype=np.float64)
        if not np.isfinite(rows).all():
            return Failure(
                recording.name,
                CheckpointError(
                    f"{recording.name}: the model's output is not finite. Its weights are "
                    "damaged, or compute_type float16 is too small for it: try float32."
                ),
            )
        lengths_s = [end_s - start_s for start_s, end_s in recording.spans_s]
        return Classification(
            source=recording.name,
            duration_s=recording.duration_s,
            problem_type=self.problem_type,
            scores=self._name_scores(np.average(rows, axis=0, weights=lengths_s), top_k),
            windows=tuple(
                WindowScores(start_s, end_s, self._name_scores(row, top_k))
                for (start_s, end_s), row in zip(recording.spans_s, rows, strict=True)
            ),
        )

    def _name_scores(self, row: NDArray[np.float64], top_k: int | None) -> dict[str, float]:
        if self.problem_type == "regression":
            order = np.arange(len(row))
        else:
            order = np.argsort(-row, kind="stable")[:top_k]
        return {self.labels[i]: float(row[i]) for i in order}

    def _has_frame(self, num_samples: int) -> bool:
        return int(self.model._get_feat_extract_output_lengths(num_samples)) > 0  # noqa: SLF001  a name of the specification


@dataclass(slots=True)
class _Recording:
    """A recording on its way through the model.

    Attributes:
        name: What to call it.
        spans_s: Start and end of each window in seconds.
        rows: Scores of each window, shape (C,); None before the model has seen it.
        duration_s: Known when it is read.
        error: Why there is no result.
        is_read: Whether all of its windows are known.
    """

    name: str
    spans_s: list[tuple[float, float]] = field(default_factory=list)
    rows: list[NDArray[np.float32] | None] = field(default_factory=list)
    duration_s: float = 0.0
    error: Wav2Vec2ConformerError | None = None
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class _Window:
    """Samples (L,) as the checkpoint wants them, and whose they are."""

    recording: _Recording
    position: int
    samples: NDArray[np.float32]


def _pad(pieces: Sequence[NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return waveforms and mask, 1 where valid, both of shape (B, L)."""
    longest = max(len(piece) for piece in pieces)
    padded = np.zeros((len(pieces), longest), dtype=np.float32)
    mask = np.zeros((len(pieces), longest), dtype=np.int64)
    for row, piece in enumerate(pieces):
        padded[row, : len(piece)] = piece
        mask[row, : len(piece)] = 1
    return torch.from_numpy(padded), torch.from_numpy(mask)
