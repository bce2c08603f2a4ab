"""`Wav2Vec2ConformerModel`: waveform in, frames in context out."""

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.models.bare_network import BareNetwork
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel


class Wav2Vec2ConformerModel(Wav2Vec2ConformerPreTrainedModel, BareNetwork):
    """The bare model.

    Args:
        config: Its configuration.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(config)
        self.build_parts(config)
        self.post_init()


def build_base(config: Wav2Vec2ConformerConfig) -> Wav2Vec2ConformerModel:
    """Return a bare model of the class that a configuration belongs to."""
    return Wav2Vec2ConformerModel.class_for(config.model_type)(config)
