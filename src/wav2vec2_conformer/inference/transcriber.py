"""Speech to text."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioSource, load_audio, normalize_waveform, source_name
from wav2vec2_conformer.decoding.greedy import decode_greedy
from wav2vec2_conformer.decoding.words import group_words
from wav2vec2_conformer.errors import CheckpointError, InputError, Wav2Vec2ConformerError
from wav2vec2_conformer.inference.loading import load_ctc
from wav2vec2_conformer.inference.log_probs import iter_log_probs
from wav2vec2_conformer.inference.transcript import Failure, Transcript, Word
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC

# Batches are formed among so many times their own length of audio: enough to find clips of
# similar length, little enough for flat memory and early results.
_LOOK_AHEAD_BATCHES = 4


class Transcriber:
    """Transcribes audio with a fine-tuned Wav2Vec2-Conformer.

    The same audio gives the same transcript, alone or among others. Audio longer than a
    window runs in overlapping windows whose log-probabilities are joined before decoding, so
    its length is bounded by the memory for its samples alone.

    Args:
        model: In eval mode, on its device.
        processor: A `Wav2Vec2Processor`; its tokenizer names the tokens, its feature extractor
            says rate and normalization.
        window_s: Longest piece of audio that the model sees at once, in seconds.
        context_s: Part of it on each side that is context only.

    Raises:
        InputError: When a window is not longer than its context.
    """

    def __init__(
        self,
        model: Wav2Vec2ConformerForCTC,
        processor: Any,
        *,
        window_s: float = 30.0,
        context_s: float = 3.0,
    ) -> None:
        if not 0 < 2 * context_s < window_s:
            raise InputError(
                "a window must be longer than its context on both sides, and both positive, "
                f"but window_s is {window_s:g} and context_s is {context_s:g}."
            )
        self.model = model
        self.processor = processor
        self.sample_rate_hz = int(processor.feature_extractor.sampling_rate)
        self._window_samples = round(window_s * self.sample_rate_hz)
        self._context_samples = round(context_s * self.sample_rate_hz)
        tokenizer = processor.tokenizer
        self._delimiter: str = tokenizer.word_delimiter_token
        self._lowers_case = bool(tokenizer.do_lower_case)
        self._tokens: list[str | None] = tokenizer.convert_ids_to_tokens(
            list(range(model.lm_head.out_features))
        )
        delimiter_id = tokenizer.convert_tokens_to_ids(self._delimiter)
        self._special_ids = set(tokenizer.all_special_ids) - {delimiter_id}

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str = "auto",
        compute_type: str = "float32",
        window_s: float = 30.0,
        context_s: float = 3.0,
    ) -> "Transcriber":
        """Load a checkpoint.

        Args:
            model: A folder or a model of the Hugging Face hub; None for the checkpoint that is
                part of this package (English).
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16` or `float16`.
            window_s: See the class.
            context_s: See the class.

        Raises:
            CheckpointError: When the checkpoint cannot be read or cannot transcribe.
            InputError: When the device or compute type does not exist here.
        """
        loaded, processor = load_ctc(model, device=device, compute_type=compute_type)
        return cls(loaded, processor, window_s=window_s, context_s=context_s)

    @property
    def vocabulary(self) -> dict[str, int]:
        """Tokens and their numbers."""
        return dict(self.processor.tokenizer.get_vocab())

    def transcribe(
        self,
        audio: AudioSource,
        sample_rate_hz: float | None = None,
        *,
        batch_seconds: float = 60.0,
    ) -> Transcript:
        """Transcribe one recording of any length.

        Args:
            audio: Anything that `audio.load_audio` takes: a path, `-`, bytes, a binary file,
                an array or tensor, a row of a Hugging Face dataset.
            sample_rate_hz: Rate of an array or tensor; not used for other sources.
            batch_seconds: Seconds of audio that the model sees at once; long recordings run
                several windows together.

        Returns:
            The transcript. A recording too short for one frame (25 ms for the released models)
            holds no word and has an empty text.

        Raises:
            AudioError: When the audio cannot be used.
            InputError: When an argument is out of range.
            CheckpointError: When the model's output is not finite.
        """
        results = self.transcribe_many(
            [audio], sample_rate_hz=sample_rate_hz, batch_seconds=batch_seconds
        )
        result = next(results)
        if isinstance(result, Failure):
            raise result.error
        return result

    def transcribe_many(
        self,
        sources: Iterable[AudioSource],
        *,
        sample_rate_hz: float | None = None,
        batch_seconds: float = 60.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[Transcript | Failure]:
        """Transcribe recordings, batched by length, and yield results in their order.

        Sources are read as they are needed: memory holds a few batches of audio, and the
        longest recording.

        Args:
            sources: Recordings as for `transcribe`.
            sample_rate_hz: Rate of arrays and tensors; not used for other sources.
            batch_seconds: Largest padded length of a batch in seconds.
            on_progress: Called with the seconds of audio done since its last call.

        Yields:
            A transcript for each source, or a failure that says why there is none. One failing
            source does not stop the others.

        Raises:
            InputError: When `batch_seconds` is not positive.
        """
        if not batch_seconds > 0:
            raise InputError(f"batch_seconds must be positive, but is {batch_seconds:g}.")
        return self._transcribe_groups(sources, sample_rate_hz, batch_seconds, on_progress)

    def _transcribe_groups(
        self,
        sources: Iterable[AudioSource],
        sample_rate_hz: float | None,
        batch_seconds: float,
        on_progress: Callable[[float], None] | None,
    ) -> Iterator[Transcript | Failure]:
        group: list[tuple[str, NDArray[np.float32] | Wav2Vec2ConformerError]] = []
        num_samples = 0
        look_ahead_samples = _LOOK_AHEAD_BATCHES * batch_seconds * self.sample_rate_hz
        for source in sources:
            loaded = self._load(source, sample_rate_hz)
            group.append((source_name(source), loaded))
            if not isinstance(loaded, Wav2Vec2ConformerError):
                num_samples += len(loaded)
            if num_samples >= look_ahead_samples:
                yield from self._transcribe_group(group, batch_seconds, on_progress)
                group, num_samples = [], 0
        yield from self._transcribe_group(group, batch_seconds, on_progress)

    def _load(
        self, source: AudioSource, sample_rate_hz: float | None
    ) -> NDArray[np.float32] | Wav2Vec2ConformerError:
        try:
            waveform = load_audio(source, sample_rate_hz, target_rate_hz=self.sample_rate_hz)
        except Wav2Vec2ConformerError as error:
            return error
        if self.processor.feature_extractor.do_normalize:
            normalize_waveform(waveform, out=waveform)
        return waveform

    def _transcribe_group(
        self,
        group: list[tuple[str, NDArray[np.float32] | Wav2Vec2ConformerError]],
        batch_seconds: float,
        on_progress: Callable[[float], None] | None,
    ) -> Iterator[Transcript | Failure]:
        def report(num_samples: int) -> None:
            if on_progress is not None:
                on_progress(num_samples / self.sample_rate_hz)

        results: dict[int, Transcript | Failure] = {}
        positions: list[int] = []
        waveforms: list[NDArray[np.float32]] = []
        for position, (name, item) in enumerate(group):
            if isinstance(item, Wav2Vec2ConformerError):
                results[position] = Failure(name, item)
            else:
                positions.append(position)
                waveforms.append(item)
        num_yielded = 0
        for clip, log_probs in iter_log_probs(
            self.model,
            waveforms,
            batch_samples=int(batch_seconds * self.sample_rate_hz),
            window_samples=self._window_samples,
            context_samples=self._context_samples,
            on_batch=report,
        ):
            position = positions[clip]
            results[position] = self._decode(group[position][0], log_probs, len(waveforms[clip]))
            while num_yielded in results:
                yield results.pop(num_yielded)
                num_yielded += 1
        for position in range(num_yielded, len(group)):
            yield results.pop(position)

    def _decode(
        self, name: str, log_probs: NDArray[np.float32], num_samples: int
    ) -> Transcript | Failure:
        if not np.isfinite(log_probs).all():
            return Failure(
                name,
                CheckpointError(
                    f"{name}: the model's output is not finite. Its weights are damaged, or "
                    "compute_type float16 is too small for it: try float32."
                ),
            )
        spans = decode_greedy(log_probs, blank_id=self.model.config.pad_token_id)
        kept = [
            (token.lower() if self._lowers_case else token, start, end)
            for token_id, start, end in zip(
                spans.token_ids, spans.start_frames, spans.end_frames, strict=True
            )
            if int(token_id) not in self._special_ids and (token := self._tokens[token_id])
        ]
        tokens, starts, ends = zip(*kept, strict=True) if kept else ((), (), ())
        frame_s = self.model.config.inputs_to_logits_ratio / self.sample_rate_hz
        duration_s = num_samples / self.sample_rate_hz
        words = tuple(
            Word(
                word.text,
                round(word.start_frame * frame_s, 3),
                # An adapter's last frame reaches beyond the audio.
                round(min(word.end_frame * frame_s, duration_s), 3),
            )
            for word in group_words(tokens, starts, ends, delimiter=self._delimiter)
        )
        return Transcript(
            source=name,
            text=" ".join(word.text for word in words),
            words=words,
            duration_s=duration_s,
        )
