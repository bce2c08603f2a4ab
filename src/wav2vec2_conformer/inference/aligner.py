"""Text to times: forced alignment of a recording to its transcript."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_conformer.audio import AudioBlocks, AudioSource
from wav2vec2_conformer.decoding.forced_alignment import align_tokens
from wav2vec2_conformer.decoding.greedy import decode_greedy
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.aligned_words import build_segments
from wav2vec2_conformer.inference.alignment import Alignment
from wav2vec2_conformer.inference.exported_folder import Runtime
from wav2vec2_conformer.inference.loading import load_ctc
from wav2vec2_conformer.inference.log_prob_file import LogProbFile
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.mismatches import find_extra_speech, find_extra_text
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.spelling import StarPlaces, spell_text


class Aligner:
    """Finds when the words of a given text are said.

    Recordings may be hours long: they are read in blocks, the model's log-probabilities wait
    in a temporary file, and the search goes through them in bounded memory
    (`decoding.forced_alignment`).

    Args:
        model: In eval mode, on its device.
        processor: A `Wav2Vec2Processor`; its tokenizer names the tokens, its feature extractor
            says rate and normalization.
        window_s: Longest piece of audio that the model sees at once, in seconds.
        context_s: Part of it on each side that is context only.

    Attributes:
        model: As given.
        processor: As given.
        vocabulary: Tokens and their numbers.

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
        self.model = model
        self.processor = processor
        self._reader = LogProbReader(model, processor, window_s=window_s, context_s=context_s)
        tokenizer = processor.tokenizer
        num_tokens = model.lm_head.out_features
        self.vocabulary: dict[str, int] = {
            token: number for token, number in tokenizer.get_vocab().items() if number < num_tokens
        }
        self._delimiter: str = tokenizer.word_delimiter_token
        self._lowers_case = bool(tokenizer.do_lower_case)
        special = set(tokenizer.all_special_tokens) - {self._delimiter}
        self._texts = {
            number: "" if token in special else " " if token == self._delimiter else token
            for token, number in self.vocabulary.items()
        }

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str = "auto",
        compute_type: str = "float32",
        window_s: float = 30.0,
        context_s: float = 3.0,
        runtime: Runtime = "auto",
    ) -> "Aligner":
        """Load a checkpoint.

        Args:
            model: A folder or a model of the Hugging Face hub; None for the checkpoint that is
                part of this package (English).
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16`, `float16`, `int8` (on CPUs), or `auto`.
            window_s: See the class.
            context_s: See the class.
            runtime: What runs it: `torch`, or for exported folders `onnx` or `openvino`; `auto`
                takes what can run the folder, the fastest if that was measured with the export.

        Raises:
            CheckpointError: When the checkpoint cannot be read or has no CTC head.
            InputError: When the device or compute type does not exist here.
        """
        loaded, processor = load_ctc(
            model, device=device, compute_type=compute_type, runtime=runtime
        )
        return cls(loaded, processor, window_s=window_s, context_s=context_s)

    def align(
        self,
        audio: AudioSource,
        text: str | Iterable[str],
        sample_rate_hz: float | None = None,
        *,
        star: StarPlaces = "segments",
        star_penalty: float = 1.0,
        batch_seconds: float = 60.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> Alignment:
        """Align one recording of any length.

        Args:
            audio: Anything that `audio.AudioBlocks` takes: a path, `-`, bytes, a binary file,
                an array or tensor, a row of a Hugging Face dataset.
            text: What is said: a string, in which each line is a segment, or the segments. How
                it is spelled says `text.spelling.spell_text`; `<star>` in it stands for speech
                that it does not have.
            sample_rate_hz: Rate of an array or tensor; not used for other sources.
            star: Where else there may be speech that the text does not have: `segments` (before
                and after each), `words` (before and after each), or `none`.
            star_penalty: What a frame of such speech costs (`align_tokens`).
            batch_seconds: Seconds of audio that the model sees at once.
            on_progress: Called with the seconds of audio that the model has done since the last
                call.

        Returns:
            Every word of the text with its times.

        Raises:
            AudioError: When the audio cannot be used.
            InputError: When the text is empty, cannot be spelled, or is too long for the audio;
                or an argument is out of range.
            CheckpointError: When the model's output is not finite.
        """
        if not batch_seconds > 0:
            raise InputError(f"batch_seconds must be positive, but is {batch_seconds:g}.")
        spelling = spell_text(text, self.vocabulary, delimiter=self._delimiter, star=star)
        token_ids = [self.vocabulary[token] for token in spelling.tokens]
        blank_id = self.model.config.pad_token_id
        with AudioBlocks(
            audio, sample_rate_hz, target_rate_hz=self._reader.sample_rate_hz
        ) as blocks:
            rows = self._reader.read(blocks, batch_seconds=batch_seconds, on_progress=on_progress)
            with LogProbFile(
                rows, vocab_size=self.model.lm_head.out_features, name=blocks.name
            ) as log_probs:
                path = align_tokens(
                    log_probs,
                    token_ids,
                    blank_id=blank_id,
                    star_gaps=np.array(spelling.star_gaps),
                    required_gaps=np.array(spelling.required_gaps),
                    star_penalty=star_penalty,
                )
                duration_s = blocks.duration_s or 0.0
                extra_speech = list(
                    find_extra_speech(
                        spelling,
                        path,
                        frame_s=self._reader.frame_s,
                        duration_s=duration_s,
                        hear=lambda start, end: self._hear(log_probs, start, end),
                    )
                )
        segments = build_segments(
            spelling,
            path,
            frame_s=self._reader.frame_s,
            duration_s=duration_s,
            delimiter=self._delimiter,
            lowers_case=self._lowers_case,
        )
        words = [word for segment in segments for word in segment.words]
        return Alignment(
            source=blocks.name,
            text="\n".join(spelling.segments),
            segments=segments,
            duration_s=duration_s,
            mismatches=tuple(
                sorted([*extra_speech, *find_extra_text(words)], key=lambda region: region.start_s)
            ),
            log_score=path.score / len(path.states),
        )

    def _hear(self, log_probs: LogProbFile, start: int, end: int) -> str:
        """Return the greedy transcript of some frames."""
        spans = decode_greedy(log_probs[start:end], blank_id=self.model.config.pad_token_id)
        text = "".join(self._texts.get(int(token), "") for token in spans.token_ids)
        text = " ".join(text.split())
        return text.lower() if self._lowers_case else text
