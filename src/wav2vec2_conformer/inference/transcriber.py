"""Speech to text."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wav2vec2_conformer.audio import AudioSource
from wav2vec2_conformer.audio.speech_detection import SpeechDetection
from wav2vec2_conformer.checkpoints.adapters import choose_language
from wav2vec2_conformer.checkpoints.plain_processor import PlainProcessor
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.batching import HELD_WINDOWS, iter_finished, iter_pieces
from wav2vec2_conformer.inference.cuda_graphs import check_cuda, use_cuda_graphs
from wav2vec2_conformer.inference.decoded_recording import DecodedRecording
from wav2vec2_conformer.inference.decoder import DecodingOptions
from wav2vec2_conformer.inference.exported_folder import Runtime
from wav2vec2_conformer.inference.loading import (
    build_decoder,
    choose_device,
    load_ctc,
    load_ctc_network,
    load_decoding,
)
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.inference.log_probs import run_windows
from wav2vec2_conformer.inference.stream_session import StreamSession
from wav2vec2_conformer.inference.transcript import Failure, Transcript
from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.models.ctc_network import CtcNetwork

if TYPE_CHECKING:
    from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC


class Transcriber:
    """Transcribes audio with a fine-tuned Wav2Vec2-Conformer.

    The same audio gives the same transcript, alone or among others. Audio longer than a
    window runs in overlapping windows whose log-probabilities are joined before decoding.
    Long recordings are read in blocks: hours need no more memory than minutes.

    Args:
        model: In eval mode, on its device.
        processor: A `Wav2Vec2Processor`; its tokenizer names the tokens, its feature extractor
            says rate and normalization.
        window_s: Longest piece of audio that the model sees at once, in seconds.
        context_s: Part of it on each side that is context only.
        decoding: How log-probabilities become words; None for the defaults.
        speech_detection: `energy` or `silero` to run the model only where somebody speaks;
            None runs it everywhere.

    Attributes:
        network: What computes: `model`, or what `model` is made of.
        decoder: Turns log-probabilities into words.
        sample_rate_hz: Rate that the model wants.

    Raises:
        InputError: When a window is not longer than its context, or there is no such speech
            detection.
        MissingExtraError: When `silero` is asked for and not installed.
    """

    def __init__(
        self,
        model: CtcNetwork,
        processor: Any,
        *,
        window_s: float = 30.0,
        context_s: float = 3.0,
        decoding: DecodingOptions | None = None,
        speech_detection: SpeechDetection | None = None,
    ) -> None:
        self.network = model
        self._processor = processor
        self.decoder = build_decoder(model, processor, decoding)
        self._decoding = decoding
        self._build_reader = partial(
            LogProbReader,
            window_s=window_s,
            context_s=context_s,
            speech_detection=speech_detection,
        )
        self._reader = self._build_reader(model, processor)
        self.sample_rate_hz = self._reader.sample_rate_hz

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str = "auto",
        compute_type: str = "float32",
        window_s: float = 30.0,
        context_s: float = 3.0,
        decoding: DecodingOptions | None = None,
        speech_detection: SpeechDetection | None = None,
        target_lang: str | None = None,
        runtime: Runtime = "auto",
        cuda_graphs: bool = False,
    ) -> "Transcriber":
        """Load a checkpoint.

        Args:
            model: A folder or a model of the Hugging Face hub; None for the checkpoint that is
                part of this package (English).
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16`, `float16`, `int8` (on CPUs), or `auto`.
            window_s: See the class.
            context_s: See the class.
            decoding: How log-probabilities become words; None decodes with the language model
                that was tuned for the checkpoint (`language_model.json` in its folder), and
                with the defaults where there is none.
            speech_detection: See the class.
            target_lang: Language to start with, of a checkpoint with adapters of several.
            runtime: What runs it: `torch`, or for exported folders `onnx` or `openvino`; `auto`
                takes what can run the folder, the fastest if that was measured with the export.
            cuda_graphs: Whether the model's passes are captured and replayed as CUDA graphs,
                which spares a GPU the time between kernels. Inputs are padded to one of a few
                lengths for it.

        Raises:
            CheckpointError: When the checkpoint cannot be read or cannot transcribe.
            InputError: When the device or compute type does not exist here, or `cuda_graphs` is
                asked for and the model is not on a GPU.
            MissingExtraError: When `silero` is asked for and not installed.
        """
        if cuda_graphs:
            check_cuda(choose_device(device))  # before all the loading
        # Graphs belong to one model: it is made at once.
        load = load_ctc if cuda_graphs else load_ctc_network
        loaded, processor = load(
            model,
            device=device,
            compute_type=compute_type,
            target_lang=target_lang,
            runtime=runtime,
        )
        if cuda_graphs:
            use_cuda_graphs(loaded)
        return cls(
            loaded,
            processor,
            window_s=window_s,
            context_s=context_s,
            decoding=load_decoding(model) if decoding is None else decoding,
            speech_detection=speech_detection,
        )

    def set_language(self, language: str) -> None:
        """Go on in another language of the checkpoint, with the same base model in memory.

        Args:
            language: Name of the language, such as "ara".

        Raises:
            CheckpointError: The checkpoint has no adapter or no vocabulary of it.
            ConfigurationError: The model has no language adapters.
        """
        self.model.load_adapter(language)
        choose_language(self.processor, language)
        self.decoder = build_decoder(self.network, self._processor, self._decoding)
        self._reader = self._build_reader(self.network, self._processor)

    @property
    def model(self) -> "Wav2Vec2ConformerForCTC":
        """The model, of which `from_pretrained` at first loads no more than a transcript takes."""
        if type(self.network) is CtcNetwork:
            from wav2vec2_conformer.models.ctc import as_model  # noqa: PLC0415 - slow

            self.network = as_model(self.network)
            self._reader = self._build_reader(self.network, self._processor)
        return cast("Wav2Vec2ConformerForCTC", self.network)

    @property
    def processor(self) -> Any:
        """The `Wav2Vec2Processor`; the same holds for it."""
        if isinstance(self._processor, PlainProcessor):
            self._processor = self._processor.load()
        return self._processor

    @property
    def vocabulary(self) -> dict[str, int]:
        """Tokens and their numbers."""
        return dict(self._processor.tokenizer.get_vocab())

    def transcribe(
        self,
        audio: AudioSource,
        sample_rate_hz: float | None = None,
        *,
        batch_seconds: float = 60.0,
    ) -> Transcript:
        """Transcribe one recording of any length.

        Args:
            audio: Anything that `audio.AudioBlocks` takes: a path, `-`, bytes, a binary file,
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
        [result] = self.transcribe_many(
            [audio], sample_rate_hz=sample_rate_hz, batch_seconds=batch_seconds
        )
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

        Sources are read as they are needed: memory holds a few batches of audio.

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
        return self._iter_results(sources, sample_rate_hz, batch_seconds, on_progress)

    def stream(self, *, latency_s: float = 1.0, context_s: float = 6.0) -> StreamSession:
        """Return a session that transcribes while somebody speaks; sessions share the model.

        Args:
            latency_s: How much later than the audio words become final; less costs accuracy
                and time.
            context_s: Audio before a window that the model sees with it.

        Raises:
            InputError: When a number is out of range.
        """
        return StreamSession(
            self.network,
            self._processor,
            self.decoder,
            latency_s=latency_s,
            context_s=context_s,
        )

    def _iter_results(
        self,
        sources: Iterable[AudioSource],
        sample_rate_hz: float | None,
        batch_seconds: float,
        on_progress: Callable[[float], None] | None,
    ) -> Iterator[Transcript | Failure]:
        batch_samples = int(batch_seconds * self.sample_rate_hz)
        pieces = iter_pieces(
            sources,
            sample_rate_hz,
            target_rate_hz=self.sample_rate_hz,
            max_held_samples=HELD_WINDOWS * self._reader.windowing.window_samples,
            start=lambda name: DecodedRecording(name, self._reader, self.decoder),
            cut=DecodedRecording.cut,
        )

        def run(jobs: Sequence[tuple[DecodedRecording, Window]]) -> Iterator[int]:
            windows = [window for _, window in jobs]
            for position, log_probs in run_windows(
                self.network, windows, batch_samples=batch_samples
            ):
                recording, window = jobs[position]
                recording.add(window, log_probs)
                if on_progress is not None:
                    on_progress(window.num_frames * self._reader.frame_s)
                yield position

        for recording in iter_finished(pieces, run, batch_samples=batch_samples):
            yield recording.finish()
