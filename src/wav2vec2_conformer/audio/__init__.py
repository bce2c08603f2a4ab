"""Audio in: files, bytes, streams and arrays become 16 kHz mono float32 waveforms."""

from wav2vec2_conformer.audio.blocks import AudioBlocks
from wav2vec2_conformer.audio.duration import read_duration
from wav2vec2_conformer.audio.loading import load_audio
from wav2vec2_conformer.audio.normalization import normalize_waveform
from wav2vec2_conformer.audio.source import AudioSource, source_name
from wav2vec2_conformer.audio.truncation import TruncatedAudioWarning

__all__ = [
    "AudioBlocks",
    "AudioSource",
    "TruncatedAudioWarning",
    "load_audio",
    "normalize_waveform",
    "read_duration",
    "source_name",
]
