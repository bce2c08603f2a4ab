"""Wav2Vec2, XLS-R and MMS: the model classes with plain transformer blocks.

Nothing but the configuration differs from the classes of the specification. Names are those of
transformers' classes, as files have them.

Papers: wav2vec 2.0, https://arxiv.org/abs/2006.11477; XLS-R, https://arxiv.org/abs/2111.09296;
MMS, https://arxiv.org/abs/2305.13516.
"""

from wav2vec2_conformer.configuration import Wav2Vec2Config
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


class _Transformer:
    """What is the same for all classes here."""

    config_class = Wav2Vec2Config
    base_model_prefix = "wav2vec2"
    _keys_to_ignore_on_load_missing = [r"masked_spec_embed"]  # noqa: RUF012 - as in the other base


class Wav2Vec2Model(_Transformer, Wav2Vec2ConformerModel):
    """The bare model; see `Wav2Vec2ConformerModel`."""


class Wav2Vec2ForCTC(_Transformer, Wav2Vec2ConformerForCTC):
    """Speech recognition; see `Wav2Vec2ConformerForCTC`."""


class Wav2Vec2ForSequenceClassification(_Transformer, Wav2Vec2ConformerForSequenceClassification):
    """Labels of clips; see `Wav2Vec2ConformerForSequenceClassification`."""


class Wav2Vec2ForAudioFrameClassification(
    _Transformer, Wav2Vec2ConformerForAudioFrameClassification
):
    """Labels of frames; see `Wav2Vec2ConformerForAudioFrameClassification`."""


class Wav2Vec2ForXVector(_Transformer, Wav2Vec2ConformerForXVector):
    """Embeddings of speakers; see `Wav2Vec2ConformerForXVector`."""


class Wav2Vec2ForPreTraining(_Transformer, Wav2Vec2ConformerForPreTraining):
    """Pre-training; see `Wav2Vec2ConformerForPreTraining`."""
