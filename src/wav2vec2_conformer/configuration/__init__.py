"""Configurations of the models: every parameter, checked.

`Wav2Vec2ConformerConfig` is the one of the specification; the two others say what differs in its
neighbours. Reading a `config.json` with any of the first's methods gives the class it belongs to.
"""

from wav2vec2_conformer.configuration.conformer import (
    CTC_LOSS_REDUCTIONS,
    ENCODER_NORMS,
    FEAT_EXTRACT_NORMS,
    POSITION_EMBEDDINGS_TYPES,
    Wav2Vec2ConformerConfig,
)
from wav2vec2_conformer.configuration.wav2vec2 import Wav2Vec2Config
from wav2vec2_conformer.configuration.wav2vec2_bert import Wav2Vec2BertConfig

# What messages call a model of each type.
ARCHITECTURE_NAMES = {
    Wav2Vec2ConformerConfig.model_type: "Wav2Vec2-Conformer",
    Wav2Vec2Config.model_type: "Wav2Vec2",
    Wav2Vec2BertConfig.model_type: "Wav2Vec2-BERT",
}

__all__ = [
    "ARCHITECTURE_NAMES",
    "CTC_LOSS_REDUCTIONS",
    "ENCODER_NORMS",
    "FEAT_EXTRACT_NORMS",
    "POSITION_EMBEDDINGS_TYPES",
    "Wav2Vec2BertConfig",
    "Wav2Vec2Config",
    "Wav2Vec2ConformerConfig",
]
