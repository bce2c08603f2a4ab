"""The processor of a checkpoint: its tokenizer and feature extractor."""

from pathlib import Path
from typing import Any

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.nn.log_mel import SAMPLE_RATE_HZ, SPECTRA_PER_FRAME


def load_processor(place: str | Path) -> Any:
    """Load the processor of a checkpoint.

    Args:
        place: What `location.locate_checkpoint` returned.

    Returns:
        A `Wav2Vec2Processor` or, of Wav2Vec2-BERT, a `Wav2Vec2BertProcessor`; its feature
        extractor is as `load_feature_extractor` returns it.

    Raises:
        CheckpointError: Its files are missing or cannot be read.
    """
    from transformers import (  # noqa: PLC0415 - slow: with all of transformers' models
        SeamlessM4TFeatureExtractor,
        Wav2Vec2BertProcessor,
        Wav2Vec2Processor,
    )

    try:
        extractor = load_feature_extractor(place)
        takes_log_mel = isinstance(extractor, SeamlessM4TFeatureExtractor)
        kind = Wav2Vec2BertProcessor if takes_log_mel else Wav2Vec2Processor
        processor = kind.from_pretrained(place)
    except (OSError, TypeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{place}: the processor (vocab.json and preprocessor_config.json) cannot be "
            f"loaded: {' '.join(str(error).split())}"
        ) from error
    processor.feature_extractor = extractor
    return processor


def load_feature_extractor(place: str | Path) -> Any:
    """Load what says which rate and normalization a checkpoint wants.

    Args:
        place: What `location.locate_checkpoint` returned.

    Returns:
        A `Wav2Vec2FeatureExtractor` or, of Wav2Vec2-BERT, a `SeamlessM4TFeatureExtractor`, whose
        `do_normalize` is False: that model normalizes log-mel features, not samples.

    Raises:
        CheckpointError: The log-mel features are not those that this package computes.
        OSError: The files cannot be read.
        ValueError: The same.
    """
    from transformers import (  # noqa: PLC0415 - slow, see above
        AutoFeatureExtractor,
        SeamlessM4TFeatureExtractor,
    )

    extractor: Any = AutoFeatureExtractor.from_pretrained(place)
    if isinstance(extractor, SeamlessM4TFeatureExtractor):
        computed = {"sampling_rate": SAMPLE_RATE_HZ, "stride": SPECTRA_PER_FRAME}
        for name, value in computed.items():
            if getattr(extractor, name) != value:
                raise CheckpointError(
                    f"{place}: log-mel features with {name}={getattr(extractor, name)} are not "
                    f"supported, only with {name}={value}."
                )
        extractor.do_normalize = False
    return extractor
