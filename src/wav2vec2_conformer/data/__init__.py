"""From manifests and audio files to batches of padded waveforms."""
