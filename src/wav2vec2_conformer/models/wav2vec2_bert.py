"""Wav2Vec2-BERT 2.0: the model classes of log-mel features and causal convolutions.

Nothing but the configuration and the input differs from the classes of the specification. Names
are those of transformers' classes, as files have them.

Paper: Barrault et al. 2023, "Seamless", https://arxiv.org/abs/2312.05187, Section 3.2.1.
"""

from typing import Any

from torch import Tensor, nn

from wav2vec2_conformer.configuration import Wav2Vec2BertConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.models.model import Wav2Vec2ConformerModel
from wav2vec2_conformer.models.sequence_classification import (
    Wav2Vec2ConformerForSequenceClassification,
)
from wav2vec2_conformer.models.xvector import Wav2Vec2ConformerForXVector


class _LogMelInput(nn.Module):
    """What is the same for all classes here: their input may be named as in transformers.

    `input_values` are waveforms [B, L], 16 kHz, between -1 and 1, of which the model makes log-mel
    features, or such features [B, T, feature_projection_input_dim], which
    `SeamlessM4TFeatureExtractor` makes. All else is as in the class of the specification.
    """

    config_class = Wav2Vec2BertConfig
    base_model_prefix = "wav2vec2_bert"

    def __call__(self, *args: Any, input_features: Tensor | None = None, **kwargs: Any) -> Any:
        """Run the model; `input_features` is another name of `input_values`.

        Not in `forward`, so that compilers and exporters see one input of one name.

        Raises:
            InputError: Both are given, or they do not fit.
        """
        if input_features is None:
            return super().__call__(*args, **kwargs)
        if args or kwargs.get("input_values") is not None:
            raise InputError("give either input_values or input_features: they are the same input")
        return super().__call__(**{**kwargs, "input_values": input_features})


class Wav2Vec2BertModel(_LogMelInput, Wav2Vec2ConformerModel):
    """The bare model; see `Wav2Vec2ConformerModel`."""


class Wav2Vec2BertForCTC(_LogMelInput, Wav2Vec2ConformerForCTC):
    """Speech recognition; see `Wav2Vec2ConformerForCTC`."""


class Wav2Vec2BertForSequenceClassification(
    _LogMelInput, Wav2Vec2ConformerForSequenceClassification
):
    """Labels of clips; see `Wav2Vec2ConformerForSequenceClassification`."""


class Wav2Vec2BertForAudioFrameClassification(
    _LogMelInput, Wav2Vec2ConformerForAudioFrameClassification
):
    """Labels of frames; see `Wav2Vec2ConformerForAudioFrameClassification`."""


class Wav2Vec2BertForXVector(_LogMelInput, Wav2Vec2ConformerForXVector):
    """Embeddings of speakers; see `Wav2Vec2ConformerForXVector`."""
