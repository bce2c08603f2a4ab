"""A checkpoint of any task to the bare model, its head for speakers, and its layer weights."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.processor import load_feature_extractor
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference.compute_type import (
    check_compute_type,
    finish_loading,
    load_model,
)
from wav2vec2_conformer.inference.loading import choose_device
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector

# The tasks whose heads may hold learned weights of the layers. Of all others the bare model is
# enough.
_HEADS = {
    head.__name__.partition("For")[2]: head
    for head in (
        Wav2Vec2ConformerForXVector,
        Wav2Vec2ConformerForSequenceClassification,
        Wav2Vec2ConformerForAudioFrameClassification,
    )
}
# Values of each weight that tell one model from another.
_FINGERPRINT_VALUES = 8


@dataclass(frozen=True, slots=True, eq=False)
class LoadedEncoder:
    """The parts of a checkpoint that embeddings are made with.

    Attributes:
        model: The bare model, in eval mode on its device.
        feature_extractor: Says rate and normalization.
        layer_weights: Learned weights of the hidden states before their softmax, (L + 1,);
            None where the checkpoint has none.
        xvector: The whole model, for its head; None for checkpoints of another task.
        fingerprint: Tells this model from others; the same for every compute type.
    """

    model: Wav2Vec2ConformerModel
    feature_extractor: Any
    layer_weights: Tensor | None
    xvector: Wav2Vec2ConformerForXVector | None
    fingerprint: str


def load_encoder(
    checkpoint: str | Path | None, *, device: str = "auto", compute_type: str = "float32"
) -> LoadedEncoder:
    """Load the encoder of a checkpoint of any task.

    Args:
        checkpoint: As for `locate_checkpoint`.
        device: `auto` (CUDA where there is one), or a torch device such as `cpu` or `cuda:1`.
        compute_type: As for `load_ctc`.

    Raises:
        CheckpointError: When it cannot be read, or is of another architecture.
        InputError: When the device or the compute type does not exist here.
    """
    check_compute_type(compute_type)
    torch_device = choose_device(device)
    place = locate_checkpoint(checkpoint)
    try:
        config = Wav2Vec2ConformerConfig.from_pretrained(place)
        task = (config.architectures or [""])[0].partition("For")[2]
        loaded = _load_quietly(_HEADS.get(task, Wav2Vec2ConformerModel), place)
        feature_extractor = load_feature_extractor(place)
    except CheckpointError:
        raise
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{place}: the model cannot be loaded: {' '.join(str(error).split())}"
        ) from error
    fingerprint = _compute_fingerprint(loaded)
    loaded = finish_loading(loaded, device=torch_device, compute_type=compute_type)
    has_head = task in _HEADS
    return LoadedEncoder(
        model=loaded.base_model,
        feature_extractor=feature_extractor,
        layer_weights=loaded.layer_weights if has_head else None,
        xvector=loaded if isinstance(loaded, Wav2Vec2ConformerForXVector) else None,
        fingerprint=fingerprint,
    )


def _load_quietly(model_class: Any, place: str | Path) -> Any:
    """Load a model without a word about the heads of other tasks, which are left out.

    Raises:
        CheckpointError: When weights are missing that embeddings are made with.
        OSError: When the checkpoint cannot be read.
        ValueError: The same.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        cpu = torch.device("cpu")
        model, report = load_model(model_class, place, device=cpu, compute_type="float32")
    finally:
        logging.set_verbosity(verbosity)
    needed = ["layer_weights"]
    if model_class is Wav2Vec2ConformerForXVector:
        needed += ["projector.", "tdnn.", "feature_extractor."]
    missing = sorted(key for key in report["missing_keys"] if key.startswith(tuple(needed)))
    if missing:
        raise CheckpointError(
            f"{place}: its config.json promises a head whose weights are missing: "
            f"{', '.join(missing)}. Use the files that belong together."
        )
    return model


def _compute_fingerprint(model: torch.nn.Module) -> str:
    """Return a digest of the first few values of every weight."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.flatten()[:_FINGERPRINT_VALUES].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
