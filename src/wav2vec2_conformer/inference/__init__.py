"""What users call: audio in, transcripts out."""

from wav2vec2_conformer.inference.transcriber import Transcriber
from wav2vec2_conformer.inference.transcript import Failure, Transcript, Word

__all__ = ["Failure", "Transcriber", "Transcript", "Word"]
