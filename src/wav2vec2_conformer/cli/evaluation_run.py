"""Run a model over a test set from the command line."""

import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from wav2vec2_conformer.evaluation.recognition import Recognition
    from wav2vec2_conformer.evaluation.reference_set import Reference
    from wav2vec2_conformer.inference.decoder import DecodingOptions
    from wav2vec2_conformer.inference.exported_folder import Runtime

BUNDLED_NAME = "tiny-en (bundled)"


def run_model(
    model: str | None,
    references: Sequence["Reference"],
    *,
    device: str,
    compute_type: str,
    runtime: "Runtime",
    batch_seconds: float,
    decode: "Callable[[str | None], DecodingOptions | None]",
    is_quiet: bool,
) -> "tuple[Recognition, Collection[str]]":
    """Transcribe a test set with a progress bar.

    Args:
        model: Checkpoint folder or hub name; None for the bundled model.
        references: The test set.
        device: See `Transcriber.from_pretrained`.
        compute_type: See there.
        runtime: See there.
        batch_seconds: Seconds of audio in the model at once.
        decode: Says for the model how its output becomes text; None is the folder's way.
        is_quiet: No progress bar.

    Returns:
        What the model recognizes, and its vocabulary.
    """
    from transformers.utils import logging

    from wav2vec2_conformer.audio import TruncatedAudioWarning
    from wav2vec2_conformer.cli.progress import AudioProgress
    from wav2vec2_conformer.evaluation.model_run import recognize
    from wav2vec2_conformer.inference import Transcriber

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transcriber = Transcriber.from_pretrained(
        model, device=device, compute_type=compute_type, runtime=runtime, decoding=decode(model)
    )
    total_s = sum(reference.duration_s for reference in references)
    is_shown = not is_quiet and sys.stderr.isatty()
    with (
        warnings.catch_warnings(record=True) as caught,
        AudioProgress(len(references), total_s, is_shown=is_shown) as progress,
    ):
        warnings.simplefilter("always", TruncatedAudioWarning)

        def count_utterance() -> None:
            progress.add_file()
            for warning in caught:
                typer.echo(f"warning: {warning.message}", err=True)
            caught.clear()

        recognition = recognize(
            transcriber,
            references,
            name=model or BUNDLED_NAME,
            batch_seconds=batch_seconds,
            on_progress=progress.add_audio,
            on_utterance=count_utterance,
        )
    return recognition, transcriber.vocabulary
