"""What the pages find around them: two made-up recordings and a tiny random checkpoint."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

SAMPLE_RATE_HZ = 16_000
# The vocabulary of the released checkpoints that were fine-tuned on 960 hours.
TOKENS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]


def save_recordings(folder: Path) -> None:
    """Write `speech.wav` and `other.flac`."""
    soundfile.write(folder / "speech.wav", voice_like(2.0, 110), SAMPLE_RATE_HZ)
    soundfile.write(folder / "other.flac", voice_like(1.5, 190), SAMPLE_RATE_HZ)


def voice_like(duration_s: float, pitch_hz: float) -> np.ndarray:
    """Return a buzz whose loudness rises and falls four times a second, as syllables do."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    harmonics = sum(np.sin(2 * np.pi * pitch_hz * k * time_s) / k for k in range(1, 12))
    loudness = 0.5 - 0.5 * np.cos(2 * np.pi * 4 * time_s)
    noise = np.random.default_rng(0).normal(0, 0.005, time_s.size)
    return (0.1 * loudness * harmonics + noise).astype(np.float32)


def save_checkpoint(folder: Path) -> None:
    """Write a folder as `save_pretrained` does: random weights, real vocabulary."""
    from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({token: i for i, token in enumerate(TOKENS)}))
    processor = Wav2Vec2Processor(
        feature_extractor=Wav2Vec2FeatureExtractor(return_attention_mask=True),
        tokenizer=Wav2Vec2CTCTokenizer(
            str(vocabulary),
            pad_token="<pad>",  # noqa: S106
            unk_token="<unk>",  # noqa: S106
        ),
    )
    processor.save_pretrained(folder)
    config = Wav2Vec2ConformerConfig(**tiny_model(), vocab_size=len(TOKENS))
    torch.manual_seed(0)
    Wav2Vec2ConformerForCTC(config).save_pretrained(folder)


def tiny_model() -> dict[str, Any]:
    """Return the fields that make the model small; all others keep their defaults."""
    return {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "conv_dim": (16,) * 7,
        "feat_extract_norm": "layer",
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
        "num_codevectors_per_group": 8,
        "codevector_dim": 16,
        "proj_codevector_dim": 16,
        "num_negatives": 10,
        "classifier_proj_size": 16,
        "tdnn_dim": (16, 16, 16, 16, 32),
        "xvector_output_dim": 16,
    }
