"""A checkpoint to a model that labels recordings, and what its configuration says of labels."""

from pathlib import Path
from typing import Any, get_args

from wav2vec2_conformer.checkpoints.bundled import BUNDLED, DIGIT_HEAD
from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.processor import load_feature_extractor
from wav2vec2_conformer.checkpoints.quiet_loading import quiet_for_heads
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference.classification import ProblemType
from wav2vec2_conformer.inference.compute_type import check_compute_type, load_model
from wav2vec2_conformer.inference.loading import choose_device
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)


def load_classifier(
    checkpoint: str | Path | None, *, device: str, compute_type: str
) -> tuple[Wav2Vec2ConformerForSequenceClassification, Any]:
    """Load a model with a classification head and its feature extractor.

    Args:
        checkpoint: As for `locate_checkpoint`; None for the bundled head for spoken digits.
        device: `auto` (CUDA where there is one), or a torch device such as `cpu` or `cuda:1`.
        compute_type: As for `load_ctc`.

    Returns:
        The model in eval mode on its device, and its `Wav2Vec2FeatureExtractor`.

    Raises:
        CheckpointError: When it cannot be read, or has no classification head.
        InputError: When the device or the compute type does not exist here.
    """
    check_compute_type(compute_type)
    torch_device = choose_device(device)
    place = locate_checkpoint(f"{BUNDLED}{DIGIT_HEAD}" if checkpoint is None else checkpoint)
    try:
        with quiet_for_heads(place):
            model, report = load_model(
                Wav2Vec2ConformerForSequenceClassification,
                place,
                device=torch_device,
                compute_type=compute_type,
            )
        feature_extractor = load_feature_extractor(place)
    except OSError as error:
        raise CheckpointError(
            f"{place}: the model and its preprocessor_config.json cannot be loaded: "
            f"{' '.join(str(error).split())}"
        ) from error
    if any(key.startswith(("projector", "classifier")) for key in report["missing_keys"]):
        raise CheckpointError(
            f"{place}: has no classification head (projector, classifier), so it is a "
            "pre-trained checkpoint, or one of another task. Fine-tune it for classification "
            "first."
        )
    return model, feature_extractor


def label_names(config: Wav2Vec2ConformerConfig) -> tuple[str, ...]:
    """Return the names of the outputs, in their order.

    Raises:
        CheckpointError: When two have the same name.
    """
    names = tuple(str(config.id2label[i]) for i in range(config.num_labels))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CheckpointError(
            f"the configuration's id2label names several outputs {', '.join(twice)}; give each "
            "output a name of its own in config.json."
        )
    return names


def problem_type(config: Wav2Vec2ConformerConfig) -> ProblemType:
    """Return what the scores mean; regression with one label where nothing says it.

    Raises:
        CheckpointError: When there is no such problem type.
    """
    given = config.problem_type
    if given is None:
        return "regression" if config.num_labels == 1 else "single_label_classification"
    for known in get_args(ProblemType):
        if given == known:
            return known
    raise CheckpointError(
        f"the configuration's problem_type must be one of {', '.join(get_args(ProblemType))}, or "
        f"left out, but is {given!r}."
    )
