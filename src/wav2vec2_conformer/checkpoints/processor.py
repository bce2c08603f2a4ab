"""The processor of a checkpoint: its tokenizer and feature extractor."""

from pathlib import Path

from transformers import Wav2Vec2Processor

from wav2vec2_conformer.errors import CheckpointError


def load_processor(place: str | Path) -> Wav2Vec2Processor:
    """Load the processor of a checkpoint.

    Args:
        place: What `location.locate_checkpoint` returned.

    Raises:
        CheckpointError: Its files are missing or cannot be read.
    """
    try:
        return Wav2Vec2Processor.from_pretrained(place)
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{place}: the processor (vocab.json and preprocessor_config.json) cannot be "
            f"loaded: {' '.join(str(error).split())}"
        ) from error
