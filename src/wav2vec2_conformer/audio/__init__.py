"""Audio in: files, bytes, streams and arrays become 16 kHz mono float32 waveforms."""

from wav2vec2_conformer.audio.duration import read_duration
from wav2vec2_conformer.audio.loading import AudioSource, load_audio, source_name
from wav2vec2_conformer.audio.normalization import normalize_waveform
from wav2vec2_conformer.audio.truncation import TruncatedAudioWarning

__all__ = [
    "AudioSource",
    "TruncatedAudioWarning",
    "load_audio",
    "normalize_waveform",
    "read_duration",
    "source_name",
]
