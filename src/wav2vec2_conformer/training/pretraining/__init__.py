"""Pre-training: learning from speech without transcripts (wav2vec 2.0)."""
