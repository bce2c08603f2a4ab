"""Wav2Vec2-Conformer: the speech model, its heads, and what people do with them.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2vec2_conformer.configuration import (
        Wav2Vec2BertConfig,
        Wav2Vec2Config,
        Wav2Vec2ConformerConfig,
    )
    from wav2vec2_conformer.inference.aligner import (
        Aligner,
    )
    from wav2vec2_conformer.inference.analyzer import (
        Analyzer,
    )
    from wav2vec2_conformer.inference.classifier import (
        Classifier,
    )
    from wav2vec2_conformer.inference.decoder import (
        DecodingOptions,
    )
    from wav2vec2_conformer.inference.diarizer import (
        Diarizer,
    )
    from wav2vec2_conformer.inference.embedder import (
        Embedder,
    )
    from wav2vec2_conformer.inference.transcriber import (
        Transcriber,
    )
    from wav2vec2_conformer.inference.verifier import (
        Verifier,
    )
    from wav2vec2_conformer.models.audio_frame_classification import (
        Wav2Vec2ConformerForAudioFrameClassification,
    )
    from wav2vec2_conformer.models.ctc import (
        Wav2Vec2ConformerForCTC,
    )
    from wav2vec2_conformer.models.encoder import (
        Wav2Vec2ConformerEncoder,
    )
    from wav2vec2_conformer.models.model import (
        Wav2Vec2ConformerModel,
    )
    from wav2vec2_conformer.models.pretraining import (
        Wav2Vec2ConformerForPreTraining,
        Wav2Vec2ConformerForPreTrainingOutput,
    )
    from wav2vec2_conformer.models.registration import (
        register,
    )
    from wav2vec2_conformer.models.sampling import (
        _compute_mask_indices,
        _sample_negative_indices,
    )
    from wav2vec2_conformer.models.sequence_classification import (
        Wav2Vec2ConformerForSequenceClassification,
    )
    from wav2vec2_conformer.models.wav2vec2 import (
        Wav2Vec2ForAudioFrameClassification,
        Wav2Vec2ForCTC,
        Wav2Vec2ForPreTraining,
        Wav2Vec2ForSequenceClassification,
        Wav2Vec2ForXVector,
        Wav2Vec2Model,
    )
    from wav2vec2_conformer.models.wav2vec2_bert import (
        Wav2Vec2BertForAudioFrameClassification,
        Wav2Vec2BertForCTC,
        Wav2Vec2BertForSequenceClassification,
        Wav2Vec2BertForXVector,
        Wav2Vec2BertModel,
    )
    from wav2vec2_conformer.models.xvector import (
        Wav2Vec2ConformerForXVector,
    )

__version__ = "0.1.0"

_HOMES = {
    "Aligner": "inference.aligner",
    "Analyzer": "inference.analyzer",
    "Classifier": "inference.classifier",
    "DecodingOptions": "inference.decoder",
    "Diarizer": "inference.diarizer",
    "Embedder": "inference.embedder",
    "Transcriber": "inference.transcriber",
    "Verifier": "inference.verifier",
    "Wav2Vec2BertConfig": "configuration",
    "Wav2Vec2BertForAudioFrameClassification": "models.wav2vec2_bert",
    "Wav2Vec2BertForCTC": "models.wav2vec2_bert",
    "Wav2Vec2BertForSequenceClassification": "models.wav2vec2_bert",
    "Wav2Vec2BertForXVector": "models.wav2vec2_bert",
    "Wav2Vec2BertModel": "models.wav2vec2_bert",
    "Wav2Vec2Config": "configuration",
    "Wav2Vec2ConformerConfig": "configuration",
    "Wav2Vec2ConformerEncoder": "models.encoder",
    "Wav2Vec2ConformerForAudioFrameClassification": "models.audio_frame_classification",
    "Wav2Vec2ConformerForCTC": "models.ctc",
    "Wav2Vec2ConformerForPreTraining": "models.pretraining",
    "Wav2Vec2ConformerForPreTrainingOutput": "models.pretraining",
    "Wav2Vec2ConformerForSequenceClassification": "models.sequence_classification",
    "Wav2Vec2ConformerForXVector": "models.xvector",
    "Wav2Vec2ConformerModel": "models.model",
    "Wav2Vec2ForAudioFrameClassification": "models.wav2vec2",
    "Wav2Vec2ForCTC": "models.wav2vec2",
    "Wav2Vec2ForPreTraining": "models.wav2vec2",
    "Wav2Vec2ForSequenceClassification": "models.wav2vec2",
    "Wav2Vec2ForXVector": "models.wav2vec2",
    "Wav2Vec2Model": "models.wav2vec2",
    "_compute_mask_indices": "models.sampling",
    "_sample_negative_indices": "models.sampling",
    "register": "models.registration",
}

__all__ = [
    "Aligner",
    "Analyzer",
    "Classifier",
    "DecodingOptions",
    "Diarizer",
    "Embedder",
    "Transcriber",
    "Verifier",
    "Wav2Vec2BertConfig",
    "Wav2Vec2BertForAudioFrameClassification",
    "Wav2Vec2BertForCTC",
    "Wav2Vec2BertForSequenceClassification",
    "Wav2Vec2BertForXVector",
    "Wav2Vec2BertModel",
    "Wav2Vec2Config",
    "Wav2Vec2ConformerConfig",
    "Wav2Vec2ConformerEncoder",
    "Wav2Vec2ConformerForAudioFrameClassification",
    "Wav2Vec2ConformerForCTC",
    "Wav2Vec2ConformerForPreTraining",
    "Wav2Vec2ConformerForPreTrainingOutput",
    "Wav2Vec2ConformerForSequenceClassification",
    "Wav2Vec2ConformerForXVector",
    "Wav2Vec2ConformerModel",
    "Wav2Vec2ForAudioFrameClassification",
    "Wav2Vec2ForCTC",
    "Wav2Vec2ForPreTraining",
    "Wav2Vec2ForSequenceClassification",
    "Wav2Vec2ForXVector",
    "Wav2Vec2Model",
    "_compute_mask_indices",
    "_sample_negative_indices",
    "register",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Name what can be loaded."""
    return sorted({*globals(), *_HOMES})
