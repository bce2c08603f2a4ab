"""What of a checkpoint is exported: its head's outputs, or the encoder's frames."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import torch

from wav2vec2_conformer.checkpoints.adapters_lora import is_lora_folder
from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.processor import load_feature_extractor
from wav2vec2_conformer.checkpoints.quiet_loading import quiet_for_heads
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference.loading import load_ctc
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector

HeadName: TypeAlias = Literal[
    "ctc", "classification", "frame-classification", "xvector", "features"
]

_HEADS_OF_TASKS: dict[str, HeadName] = {
    "CTC": "ctc",
    "SequenceClassification": "classification",
    "AudioFrameClassification": "frame-classification",
    "XVector": "xvector",
}
_CLASSES: dict[HeadName, Any] = {
    "classification": Wav2Vec2ConformerForSequenceClassification,
    "frame-classification": Wav2Vec2ConformerForAudioFrameClassification,
    "xvector": Wav2Vec2ConformerForXVector,
    "features": Wav2Vec2ConformerModel,
}


@dataclass(frozen=True, slots=True, eq=False)
class LoadedHead:
    """A model to export.

    Attributes:
        name: Which of its outputs are exported.
        model: In eval mode on the CPU, in float32.
        preprocessing: Its processor (of CTC models) or feature extractor.
        place: Where the checkpoint is: a folder, or a name on the hub.
    """

    name: HeadName
    model: Any
    preprocessing: Any
    place: str | Path

    @property
    def feature_extractor(self) -> Any:
        """Says which rate and normalization the model wants."""
        return getattr(self.preprocessing, "feature_extractor", self.preprocessing)


def load_head(checkpoint: str | Path | None, head: HeadName | None = None) -> LoadedHead:
    """Load a checkpoint of any task.

    Args:
        checkpoint: A folder, a name on the hub, or None for the bundled English model.
        head: What to export; None for the head that the checkpoint has, and for the encoder's
            frames (`features`) where it has none.

    Raises:
        CheckpointError: It cannot be read, or does not have that head.
        InputError: There is no such head.
    """
    if head is not None and head not in get_args(HeadName):
        raise InputError(f"head must be one of {', '.join(get_args(HeadName))}, but is {head!r}.")
    place = locate_checkpoint(checkpoint)
    found = "ctc" if is_lora_folder(place) else _find_head(place)
    name = head or found
    if name not in {found, "features"}:
        raise CheckpointError(
            f"{place}: has no head for {name}; its weights are for {found}. Export that, or the "
            "encoder's frames (features)."
        )
    if name == "ctc":
        model, processor = load_ctc(place, device="cpu", compute_type="float32", runtime="torch")
        return LoadedHead(name, model, processor, place)
    try:
        with quiet_for_heads(place):
            model = _CLASSES[name].from_pretrained(place, dtype=torch.float32)
        extractor = load_feature_extractor(place)
    except OSError as error:
        raise CheckpointError(
            f"{place}: the model and its preprocessor_config.json cannot be loaded: "
            f"{' '.join(str(error).split())}"
        ) from error
    return LoadedHead(name, model.eval(), extractor, place)


def _find_head(place: str | Path) -> HeadName:
    try:
        values, _ = Wav2Vec2ConformerConfig.get_config_dict(place)
    except OSError as error:
        raise CheckpointError(f"{place}: config.json cannot be read: {error}") from error
    architectures = values.get("architectures") or [""]
    return _HEADS_OF_TASKS.get(architectures[0].partition("For")[2], "features")
