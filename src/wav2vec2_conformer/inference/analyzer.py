"""What was said, by whom, and what kind of recording it is: several heads, one encoder.

Shapes used in this file:
    N  hidden states: what goes into the first block, and each block's output
    T  frames
    D  width of the encoder
    V  vocabulary
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioSource
from wav2vec2_conformer.checkpoints.bundled import BUNDLED, DIARIZATION_HEAD
from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.analysis import Analysis
from wav2vec2_conformer.inference.analyzed_recording import (
    AnalyzedRecording,
    PassWindow,
    iter_pass_windows,
)
from wav2vec2_conformer.inference.batching import HELD_WINDOWS, iter_finished, iter_pieces
from wav2vec2_conformer.inference.classification_head import load_classifier
from wav2vec2_conformer.inference.classifier import Classifier
from wav2vec2_conformer.inference.decoded_recording import DecodedRecording
from wav2vec2_conformer.inference.decoding_options import DecodingOptions
from wav2vec2_conformer.inference.diarization import (
    DiarizationSettings,
    read_diarization_settings,
)
from wav2vec2_conformer.inference.diarizer import Diarizer
from wav2vec2_conformer.inference.encoder_pass import Head, choose_layer, plan_passes
from wav2vec2_conformer.inference.frame_probabilities import (
    compares_voices,
    load_frame_classifier,
)
from wav2vec2_conformer.inference.loading import build_decoder, load_ctc, load_decoding
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.speaker_clustering import check_num_speakers
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.verifier import Verifier
from wav2vec2_conformer.inference.windows import Window

TRANSCRIPTION, DIARIZATION, CLASSIFICATION = "transcription", "diarization", "classification"


class Analyzer:
    """Runs transcription, diarization and classification heads over recordings together.

    Heads whose checkpoints share the encoder (all of its weights are equal) share its run, which
    is nearly all of the work; the others have a run of their own. All of them see the same
    windows of `window_s`. Transcripts and turns are those of `Transcriber` and `Diarizer` with
    the same windows; so are the labels of `Classifier` for recordings of one window. In longer
    ones a window's labels come from its kept frames, which were normalized with the whole
    recording, where `Classifier` cuts and normalizes each window on its own.

    In recordings of several windows the speakers of the windows are joined by a verifier, whose
    runs over what each of them says come on top.

    Args:
        transcription: A CTC model with its processor.
        diarization: A frame-classification model with its feature extractor; None for none.
        classification: A sequence-classification model with its feature extractor; None for
            none.
        verifier: Compares voices; needed where the diarization model finds speakers without
            names.
        settings: How probabilities become turns.
        decoding: How log-probabilities become words; None for the defaults.
        window_s: Longest piece of audio that the models see at once, in seconds.
        context_s: Part of it on each side that is context only.

    Attributes:
        passes: What the encoder runs are for: names of heads that share one.
        sample_rate_hz: Rate that the models want.

    Raises:
        InputError: When the models want different rates, a model has an adapter, a window is
            not longer than its context, or a verifier is missing.
    """

    def __init__(
        self,
        transcription: Head,
        diarization: Head | None = None,
        classification: Head | None = None,
        *,
        verifier: Verifier | None = None,
        settings: DiarizationSettings | None = None,
        decoding: DecodingOptions | None = None,
        window_s: float = 20.0,
        context_s: float = 2.0,
    ) -> None:
        self._model, processor = transcription
        self._decoder = build_decoder(self._model, processor, decoding)
        self._reader = LogProbReader(self._model, processor, window_s=window_s, context_s=context_s)
        self.sample_rate_hz = self._reader.sample_rate_hz
        self._diarizer = None
        if diarization is not None:
            self._diarizer = Diarizer(
                *diarization,
                verifier,
                settings=settings,
                window_s=window_s,
                context_s=context_s,
            )
        self._classifier = None if classification is None else Classifier(*classification)
        more = {DIARIZATION: diarization, CLASSIFICATION: classification}
        heads = {name: head for name, head in more.items() if head is not None}
        self._layer_weights = {name: head[0].layer_weights for name, head in heads.items()}
        self._passes = plan_passes(
            {TRANSCRIPTION: (self._model, processor.feature_extractor), **heads},
            window_s=window_s,
            context_s=context_s,
        )
        self.passes = tuple(encoder_pass.heads for encoder_pass in self._passes)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        diarizer: str | Path | None = f"{BUNDLED}{DIARIZATION_HEAD}",
        classifier: str | Path | None = None,
        embedding_model: str | Path | None = None,
        settings: DiarizationSettings | None = None,
        decoding: DecodingOptions | None = None,
        device: str = "auto",
        compute_type: str = "float32",
        window_s: float = 20.0,
        context_s: float = 2.0,
    ) -> "Analyzer":
        """Load checkpoints.

        Args:
            model: A CTC model's folder or name on the Hugging Face hub; None for the English
                one that is part of this package.
            diarizer: A frame-classification model; the default is the bundled head. None for
                no diarization.
            classifier: A sequence-classification model, as `bundled:digits`. None for no
                classification.
            embedding_model: A model that compares voices; None for the bundled speaker head.
            settings: None for those of the diarizer's `diarization.json`.
            decoding: None as for `Transcriber.from_pretrained`.
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16`, `float16`, `int8` (on CPUs), or `auto`.
            window_s: See the class.
            context_s: See the class.

        Raises:
            CheckpointError: When a checkpoint cannot be read or lacks its head.
            InputError: When the device or compute type does not exist here; see the class, too.
        """
        frames = verifier = labels = None
        if diarizer is not None:
            place = locate_checkpoint(diarizer)
            frames = load_frame_classifier(place, device=device, compute_type=compute_type)
            if compares_voices(frames[0]):
                verifier = Verifier.from_pretrained(
                    embedding_model, device=device, compute_type=compute_type
                )
            settings = read_diarization_settings(place) if settings is None else settings
        if classifier is not None:
            labels = load_classifier(classifier, device=device, compute_type=compute_type)
        return cls(
            load_ctc(model, device=device, compute_type=compute_type, runtime="torch"),
            frames,
            labels,
            verifier=verifier,
            settings=settings,
            decoding=load_decoding(model) if decoding is None else decoding,
            window_s=window_s,
            context_s=context_s,
        )

    def analyze(
        self,
        audio: AudioSource,
        sample_rate_hz: float | None = None,
        *,
        min_speakers: int = 1,
        max_speakers: int | None = None,
        top_k: int | None = 5,
        batch_seconds: float = 60.0,
    ) -> Analysis:
        """Analyze one recording of any length.

        Args:
            audio: Anything that `audio.AudioBlocks` takes: a path, `-`, bytes, a binary file,
                an array or tensor, a row of a Hugging Face dataset.
            sample_rate_hz: Rate of an array or tensor; not used for other sources.
            min_speakers: Fewest speakers, as for `Diarizer.diarize`.
            max_speakers: Most speakers; None for any number.
            top_k: Labels to return, the most probable ones; None for all.
            batch_seconds: Seconds of audio that a model sees at once.

        Raises:
            AudioError: When the audio cannot be used.
            InputError: When an argument is out of range.
            CheckpointError: When a model's output is not finite.
        """
        [result] = self.analyze_many(
            [audio],
            sample_rate_hz=sample_rate_hz,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
            top_k=top_k,
            batch_seconds=batch_seconds,
        )
        if isinstance(result, Failure):
            raise result.error
        return result

    def analyze_many(
        self,
        sources: Iterable[AudioSource],
        *,
        sample_rate_hz: float | None = None,
        min_speakers: int = 1,
        max_speakers: int | None = None,
        top_k: int | None = 5,
        batch_seconds: float = 60.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[Analysis | Failure]:
        """Analyze recordings, batched by length, and yield results in their order.

        Args:
            sources: Recordings as for `analyze`.
            sample_rate_hz: Rate of arrays and tensors; not used for other sources.
            min_speakers: As for `analyze`, of each recording.
            max_speakers: As for `analyze`.
            top_k: As for `analyze`.
            batch_seconds: Largest padded length of a batch in seconds.
            on_progress: Called with the seconds of audio done since its last call.

        Yields:
            An analysis for each source, or a failure that says why there is none. One failing
            source does not stop the others.

        Raises:
            InputError: When an argument is out of range.
        """
        if not batch_seconds > 0:
            raise InputError(f"batch_seconds must be positive, but is {batch_seconds:g}.")
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k must be at least 1, or None for all labels, but is {top_k}.")
        check_num_speakers(min_speakers, max_speakers)
        batch_samples = int(batch_seconds * self.sample_rate_hz)
        pieces = iter_pieces(
            sources,
            sample_rate_hz,
            target_rate_hz=self.sample_rate_hz,
            max_held_samples=HELD_WINDOWS * self._reader.windowing.window_samples,
            start=lambda name: self._start(name, min_speakers, max_speakers),
            cut=self._cut,
        )

        def run(jobs: Sequence[tuple[AnalyzedRecording, PassWindow]]) -> Iterator[int]:
            for position, states in self._run(jobs, batch_samples):
                recording, piece = jobs[position]
                self._read(recording, piece, states)
                if on_progress is not None:
                    seconds = piece.window.num_frames * self._reader.frame_s
                    on_progress(seconds / len(self._passes))
                yield position

        return (
            recording.finish(top_k)
            for recording in iter_finished(pieces, run, batch_samples=batch_samples)
        )

    def _start(self, name: str, min_speakers: int, max_speakers: int | None) -> AnalyzedRecording:
        diarized = None
        if self._diarizer is not None:
            diarized = self._diarizer.start(
                name, min_speakers=min_speakers, max_speakers=max_speakers
            )
        return AnalyzedRecording(
            name,
            DecodedRecording(name, self._reader, self._decoder),
            diarized,
            None if self._classifier is None else self._classifier.start(name),
        )

    def _cut(
        self, recording: AnalyzedRecording, blocks: Iterable[NDArray[np.float32]]
    ) -> Iterator[PassWindow]:
        # The transcript's windows are announced to it; those of the other passes are not.
        return iter_pass_windows(
            recording.decoded.cut(blocks)
            if TRANSCRIPTION in encoder_pass.heads
            else encoder_pass.frames.cut(blocks)
            for encoder_pass in self._passes
        )

    def _run(
        self, jobs: Sequence[tuple[AnalyzedRecording, PassWindow]], batch_samples: int
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the position of each window, and states (N, T, D) of its kept and spare frames."""
        for number, encoder_pass in enumerate(self._passes):
            own = [i for i, (_, piece) in enumerate(jobs) if piece.pass_number == number]
            windows = [_with_spare_frames(jobs[i][1].window) for i in own]
            for position, states in encoder_pass.frames.run(windows, batch_samples=batch_samples):
                yield own[position], states

    def _read(
        self, recording: AnalyzedRecording, piece: PassWindow, states: NDArray[np.float32]
    ) -> None:
        """Hand a window's states to the heads of its pass."""
        encoder_pass = self._passes[piece.pass_number]
        window = piece.window
        if TRANSCRIPTION in encoder_pass.heads:
            recording.decoded.add(window, self._find_tokens(states[-1]))
        states = states[:, window.spare_before :][:, : window.num_frames]
        diarizer, diarized = self._diarizer, recording.diarized
        if DIARIZATION in encoder_pass.heads and diarizer is not None and diarized is not None:
            frames = choose_layer(states, self._layer_weights[DIARIZATION])
            diarized.add(window, diarizer.classify(frames))
        classifier, classified = self._classifier, recording.classified
        if (
            CLASSIFICATION in encoder_pass.heads
            and classifier is not None
            and classified is not None
        ):
            frames = choose_layer(states, self._layer_weights[CLASSIFICATION])
            start_s = window.start_frame * encoder_pass.frames.frame_s
            end_s = start_s + window.num_frames * encoder_pass.frames.frame_s
            classified.add(start_s, end_s, classifier.score_frames(frames))

    @torch.inference_mode()
    def _find_tokens(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return log-probabilities (T, V) of the last layer's frames (T, D)."""
        model = self._model
        x = torch.from_numpy(np.ascontiguousarray(frames)).to(model.device, model.dtype)
        log_probs: NDArray[np.float32] = model.lm_head(x).float().log_softmax(-1).cpu().numpy()
        return log_probs


def _with_spare_frames(window: Window) -> Window:
    """Return a window that keeps the frames, too, that the next or last one may keep instead."""
    told = window.told_frames
    return replace(window, first_frame=told.start, end_frame=told.stop)
