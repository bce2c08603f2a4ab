"""Recordings to vectors: of each frame, or one for the whole."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from wav2vec2_conformer.audio import AudioSource
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.batching import HELD_WINDOWS, iter_finished, iter_pieces
from wav2vec2_conformer.inference.embedding import Embedding, Layer, Level
from wav2vec2_conformer.inference.head_loading import LoadedEncoder, load_encoder
from wav2vec2_conformer.inference.hidden_frames import HiddenFrames
from wav2vec2_conformer.inference.pooled_recording import PooledRecording
from wav2vec2_conformer.inference.transcript import Failure
from wav2vec2_conformer.inference.windows import Window


class Embedder:
    """Turns recordings into vectors with the encoder of any checkpoint.

    The same audio gives the same vectors, alone or among others, up to rounding. Audio longer
    than a window runs in overlapping windows whose frames are joined.

    A recording's vector is the mean of its frames; or, where the checkpoint has a speaker head
    (`Wav2Vec2ConformerForXVector`) and no layer is named, what that head makes of them.

    Args:
        encoder: What `head_loading.load_encoder` returned.
        layer: A layer's number: 0 is what goes into the first block, k the output of the k-th,
            -1 the last, after the final layer norm; never after an adapter. `weighted`: the
            mean of all layers with the checkpoint's learned weights. `all`: each of them. None:
            what the checkpoint was trained for, or else the last layer.
        window_s: Longest piece of audio that the model sees at once, in seconds.
        context_s: Part of it on each side that is context only.

    Attributes:
        layer: Where the vector comes from, never negative; `xvector` for the speaker head.
        num_layers: Blocks of the encoder: the number of the last layer.
        dim: Numbers in a vector.
        sample_rate_hz: Rate that the model wants.
        fingerprint: The same for embedders whose vectors can be compared.

    Raises:
        InputError: When there is no such layer, or a window is not longer than its context.
    """

    def __init__(
        self,
        encoder: LoadedEncoder,
        *,
        layer: int | str | None = None,
        window_s: float = 30.0,
        context_s: float = 3.0,
    ) -> None:
        self.num_layers: int = encoder.model.config.num_hidden_layers
        frames_layer = _choose_layer(layer, encoder)
        self._frames = HiddenFrames(encoder, frames_layer, window_s=window_s, context_s=context_s)
        self._xvector = encoder.xvector if layer is None else None
        self.layer: Layer = frames_layer if self._xvector is None else "xvector"
        config = encoder.model.config
        self.dim: int = config.xvector_output_dim if self._xvector else config.hidden_size
        self.sample_rate_hz = self._frames.sample_rate_hz
        self.fingerprint = f"{encoder.fingerprint}/{self.layer}"

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        layer: int | str | None = None,
        device: str = "auto",
        compute_type: str = "float32",
        window_s: float = 30.0,
        context_s: float = 3.0,
    ) -> "Embedder":
        """Load a checkpoint.

        Args:
            model: A folder or a model of the Hugging Face hub, of any task; None for the
                English speech recognizer that is part of this package.
            layer: See the class.
            device: `auto` (CUDA where there is one), or a torch device such as `cpu`.
            compute_type: `float32`, `bfloat16`, `float16`, `int8` (on CPUs), or `auto`.
            window_s: See the class.
            context_s: See the class.

        Raises:
            CheckpointError: When the checkpoint cannot be read.
            InputError: When the device, compute type or layer does not exist here.
        """
        encoder = load_encoder(model, device=device, compute_type=compute_type)
        return cls(encoder, layer=layer, window_s=window_s, context_s=context_s)

    def embed(
        self,
        audio: AudioSource,
        sample_rate_hz: float | None = None,
        *,
        level: Level = "utterance",
        batch_seconds: float = 60.0,
    ) -> Embedding:
        """Embed one recording of any length.

        Args:
            audio: Anything that `audio.AudioBlocks` takes: a path, `-`, bytes, a binary file,
                an array or tensor, a row of a Hugging Face dataset.
            sample_rate_hz: Rate of an array or tensor; not used for other sources.
            level: `frame` keeps the frames too, `utterance` the vector alone.
            batch_seconds: Seconds of audio that the model sees at once.

        Raises:
            AudioError: When the audio cannot be used, or is shorter than one frame.
            InputError: When an argument is out of range.
            CheckpointError: When the model's output is not finite.
        """
        [result] = self.embed_many(
            [audio], sample_rate_hz=sample_rate_hz, level=level, batch_seconds=batch_seconds
        )
        if isinstance(result, Failure):
            raise result.error
        return result

    def embed_many(
        self,
        sources: Iterable[AudioSource],
        *,
        sample_rate_hz: float | None = None,
        level: Level = "utterance",
        batch_seconds: float = 60.0,
        on_progress: Callable[[float], None] | None = None,
    ) -> Iterator[Embedding | Failure]:
        """Embed recordings, batched by length, and yield results in their order.

        Sources are read as they are needed: memory holds a few batches of audio, and the
        frames of a recording only where they are asked for or the speaker head needs them.

        Args:
            sources: Recordings as for `embed`.
            sample_rate_hz: Rate of arrays and tensors; not used for other sources.
            level: See `embed`.
            batch_seconds: Largest padded length of a batch in seconds.
            on_progress: Called with the seconds of audio done since its last call.

        Yields:
            An embedding for each source, or a failure that says why there is none. One failing
            source does not stop the others.

        Raises:
            InputError: When `batch_seconds` is not positive, or there is no such level.
        """
        if not batch_seconds > 0:
            raise InputError(f"batch_seconds must be positive, but is {batch_seconds:g}.")
        if level not in {"utterance", "frame"}:
            raise InputError(f"level must be utterance or frame, but is {level!r}.")
        return self._iter_results(
            sources, sample_rate_hz, level == "frame", batch_seconds, on_progress
        )

    def _iter_results(
        self,
        sources: Iterable[AudioSource],
        sample_rate_hz: float | None,
        keeps_frames: bool,
        batch_seconds: float,
        on_progress: Callable[[float], None] | None,
    ) -> Iterator[Embedding | Failure]:
        batch_samples = int(batch_seconds * self.sample_rate_hz)
        pieces = iter_pieces(
            sources,
            sample_rate_hz,
            target_rate_hz=self.sample_rate_hz,
            max_held_samples=HELD_WINDOWS * self._frames.windowing.window_samples,
            start=lambda name: PooledRecording(
                name,
                layer=self.layer,
                frame_s=self._frames.frame_s,
                keeps_frames=keeps_frames,
                xvector=self._xvector,
            ),
            cut=lambda _, blocks: self._frames.cut(blocks),
        )

        def run(jobs: Sequence[tuple[PooledRecording, Window]]) -> Iterator[int]:
            windows = [window for _, window in jobs]
            for position, frames in self._frames.run(windows, batch_samples=batch_samples):
                recording, window = jobs[position]
                recording.add(window, frames)
                if on_progress is not None:
                    on_progress(window.num_frames * self._frames.frame_s)
                yield position

        for recording in iter_finished(pieces, run, batch_samples=batch_samples):
            yield recording.finish()


def _choose_layer(
    layer: int | str | None, encoder: LoadedEncoder
) -> int | Literal["all", "weighted"]:
    """Return the layer whose frames are wanted, never negative.

    Raises:
        InputError: When there is no such layer.
    """
    last = encoder.model.config.num_hidden_layers
    has_weights = encoder.layer_weights is not None
    if layer is None:
        return "weighted" if has_weights else last
    if layer == "all":
        return "all"
    if layer == "weighted":
        if has_weights:
            return "weighted"
        raise InputError(
            "the checkpoint holds no learned weights of its layers (use_weighted_layer_sum), so "
            "there is no weighted layer. Name a layer by its number."
        )
    if isinstance(layer, bool) or not isinstance(layer, int) or not -last - 1 <= layer <= last:
        raise InputError(
            f"layer must be a number from 0 to {last}, or from -1 (the last) to {-last - 1}, or "
            f"all or weighted, but is {layer!r}."
        )
    return layer % (last + 1)
