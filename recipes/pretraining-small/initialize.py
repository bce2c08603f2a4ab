"""Write the model that pre-training starts from: random, but for its two convolutions.

    python recipes/pretraining-small/initialize.py OUTPUT_FOLDER

The first is the filter bank of `recipes/tiny-en`. The second adds up the four phases of each
band over its kernel, which gives the band's energy, its rise or fall, and its difference to a
band further up. So a frame's features say from the start what it sounds like and not where in a
period it begins, and the codes that the quantizer chooses are worth predicting. README.md has
what happens without.
"""

import runpy
import sys
from pathlib import Path

import torch
from torch import Tensor
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForPreTraining

HERE = Path(__file__).parent
PHASES = 4
BANDS_APART = 4


def band_filters(out_channels: int, in_channels: int, kernel_size: int) -> Tensor:
    """Return filters [out_channels, in_channels, kernel_size] over four phases of each band."""
    num_bands = in_channels // PHASES
    filters = torch.zeros(out_channels, num_bands, PHASES, kernel_size)
    energy = torch.full((PHASES, kernel_size), 1 / (PHASES * kernel_size))
    slope = torch.arange(kernel_size) - (kernel_size - 1) / 2
    third = out_channels // 3
    bands = torch.linspace(0, num_bands - 1, third).round().long().tolist()
    for index, band in enumerate(bands):
        filters[index, band] = energy
        filters[third + index, band] = slope / (PHASES * slope.abs().sum())
        filters[2 * third + index, band] = energy
        filters[2 * third + index, (band + BANDS_APART) % num_bands] = -energy
    return filters.flatten(1, 2)


def main(output: Path) -> None:
    """Build the model and save it with its feature extractor."""
    mel_filters = runpy.run_path(str(HERE.parent / "tiny-en" / "initialize.py"))["mel_filters"]
    torch.manual_seed(0)
    config = Wav2Vec2ConformerConfig.from_json_file(HERE / "config.json")
    model = Wav2Vec2ConformerForPreTraining(config)
    first, second = (layer.conv for layer in model.wav2vec2_conformer.feature_extractor.conv_layers)
    with torch.no_grad():
        first.weight.copy_(torch.from_numpy(mel_filters(*first.weight.shape[::2])))
        second.weight.copy_(band_filters(*second.weight.shape))
        for convolution in (first, second):
            convolution.bias.zero_()
    model.save_pretrained(output)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
