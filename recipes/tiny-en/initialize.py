"""Write the checkpoint that training starts from: random, but for two things.

    python recipes/tiny-en/initialize.py recipes/tiny-en/config.json OUTPUT_FOLDER

The first convolution gets a filter bank: sines and cosines under a 25 ms window at frequencies
spaced as the ear's (mel), each in four phases, so that rectified outputs add up to the energy
of a band. And the convolution modules begin almost silent, so that at first a frame's letter
depends on that frame. README.md says what either is worth.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import LIBRISPEECH_VOCABULARY, build_processor

SAMPLE_RATE_HZ = 16_000
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_600.0
PHASES = 4
CONV_MODULE_SHARE = 0.1


def mel_filters(num_filters: int, kernel_size: int) -> np.ndarray:
    """Return windowed sinusoids [num_filters, 1, kernel_size], four phases per frequency."""
    mel = 2595 * np.log10(1 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
    centers = np.linspace(*mel, num_filters // PHASES)
    frequencies = 700 * (10 ** (centers / 2595) - 1)
    times = (np.arange(kernel_size) - (kernel_size - 1) / 2) / SAMPLE_RATE_HZ
    phases = np.arange(PHASES) * 2 * np.pi / PHASES
    angles = 2 * np.pi * frequencies[:, None, None] * times + phases[:, None]
    # Speech has less energy at higher frequencies: level the bands.
    gains = (frequencies / 1_000) ** 0.7 / np.sqrt(kernel_size)
    filters = gains[:, None, None] * np.hanning(kernel_size) * np.cos(angles)
    return filters.reshape(num_filters, 1, kernel_size)


def main(config_path: Path, output: Path) -> None:
    """Build the model and save it with its processor."""
    processor = build_processor(LIBRISPEECH_VOCABULARY)
    config = json.loads(config_path.read_text(encoding="utf-8"))
    torch.manual_seed(0)
    model = Wav2Vec2ConformerForCTC(
        Wav2Vec2ConformerConfig(**{**config, "vocab_size": len(processor.tokenizer)})
    )
    first = model.wav2vec2_conformer.feature_extractor.conv_layers[0].conv
    filters = mel_filters(first.out_channels, first.kernel_size[0])
    with torch.no_grad():
        first.weight.copy_(torch.from_numpy(filters))
        for layer in model.wav2vec2_conformer.encoder.layers:
            layer.conv_module.pointwise_conv2.weight.mul_(CONV_MODULE_SHARE)
    model.save_pretrained(output)
    processor.save_pretrained(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
