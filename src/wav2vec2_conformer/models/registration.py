"""Let transformers' Auto classes and pipelines use this package's model."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForAudioClassification,
    AutoModelForAudioFrameClassification,
    AutoModelForAudioXVector,
    AutoModelForCTC,
    AutoModelForPreTraining,
)

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.pretraining import Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector

AUTO_CLASSES = (
    (AutoModel, Wav2Vec2ConformerModel),
    (AutoModelForPreTraining, Wav2Vec2ConformerForPreTraining),
    (AutoModelForCTC, Wav2Vec2ConformerForCTC),
    (AutoModelForAudioClassification, Wav2Vec2ConformerForSequenceClassification),
    (AutoModelForAudioFrameClassification, Wav2Vec2ConformerForAudioFrameClassification),
    (AutoModelForAudioXVector, Wav2Vec2ConformerForXVector),
)


def register() -> None:
    """Make `AutoModelForCTC.from_pretrained(...)` and the like build this package's classes.

    For the model type `wav2vec2-conformer` only, in the running process, any number of times.
    Tokenizer, feature extractor and processor stay transformers' own.
    """
    model_type = Wav2Vec2ConformerConfig.model_type
    AutoConfig.register(model_type, Wav2Vec2ConformerConfig, exist_ok=True)
    for auto_class, model_class in AUTO_CLASSES:
        auto_class.register(Wav2Vec2ConformerConfig, model_class, exist_ok=True)
