"""The model classes, of the specification and its neighbours. They alone read the configuration."""

# The classes of the specification find their neighbours among their subclasses.
from wav2vec2_conformer.models import wav2vec2, wav2vec2_bert

__all__ = ["wav2vec2", "wav2vec2_bert"]
