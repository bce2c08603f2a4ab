"""Write the model that pre-training starts from: random, but for its convolutions and codes.

    python recipes/pretraining-small/initialize.py MANIFEST OUTPUT_FOLDER [CONFIG]

CONFIG is `config.json` beside this file by default, or another with two convolutions.
The first convolution is the filter bank of `recipes/tiny-en`. The second adds up the four phases
of each band over its kernel, which gives the band's energy, its rise or fall, and its difference
to a band further up. So a frame's features say from the start what it sounds like and not where
in a period it begins. The quantizer chooses the nearest of the centres that k-means finds among
the features of half an hour of the manifest. README.md has what happens without either.
"""

import runpy
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor
from transformers import Wav2Vec2FeatureExtractor

from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerForPreTraining
from wav2vec2_conformer.data.clip import load_utterance
from wav2vec2_conformer.data.manifest import read_manifest

HERE = Path(__file__).parent
PHASES = 4
BANDS_APART = 4
CLUSTERED_S = 1800
# Choices of codes in training are random by logits: far apart, the nearest centre always wins.
DECISIVENESS = 100.0


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


def choose_nearest_centre(
    model: Wav2Vec2ConformerForPreTraining, extractor: Wav2Vec2FeatureExtractor, manifest: Path
) -> None:
    """Make the quantizer's logits -|x - c|^2 / 2 of each centre c, but for what all share."""
    utterances = read_manifest(manifest)
    np.random.default_rng(0).shuffle(utterances)
    features, heard_s = [], 0.0
    for utterance in utterances:
        samples = load_utterance(utterance)
        inputs = extractor(samples, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            base = model.wav2vec2_conformer
            features.append(base(inputs.input_values).extract_features[0])
        heard_s += len(samples) / 16_000
        if heard_s > CLUSTERED_S:
            break
    centres, codes = kmeans2(
        torch.cat(features).numpy(), model.quantizer.num_entries, minit="++", seed=0
    )
    projection = model.quantizer.weight_proj
    with torch.no_grad():
        projection.weight.copy_(torch.from_numpy(DECISIVENESS * centres))
        projection.bias.copy_(torch.from_numpy(-DECISIVENESS * (centres**2).sum(axis=1) / 2))
    same = float(np.mean(codes[1:] == codes[:-1]))
    share = np.bincount(codes, minlength=len(centres)) / len(codes)
    perplexity = float(np.exp(-(share * np.log(np.maximum(share, 1e-12))).sum()))
    print(f"perplexity {perplexity:.0f}; {same:.0%} of neighbours have equal codes")  # noqa: T201


def main(manifest: Path, output: Path, config_path: Path = HERE / "config.json") -> None:
    """Build the model and save it with its feature extractor."""
    mel_filters = runpy.run_path(str(HERE.parent / "tiny-en" / "initialize.py"))["mel_filters"]
    torch.manual_seed(0)
    config = Wav2Vec2ConformerConfig.from_json_file(config_path)
    model = Wav2Vec2ConformerForPreTraining(config)
    first, second = (layer.conv for layer in model.wav2vec2_conformer.feature_extractor.conv_layers)
    with torch.no_grad():
        first.weight.copy_(torch.from_numpy(mel_filters(*first.weight.shape[::2])))
        second.weight.copy_(band_filters(*second.weight.shape))
        for convolution in (first, second):
            if convolution.bias is not None:
                convolution.bias.zero_()
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    choose_nearest_centre(model.eval(), extractor, manifest)
    model.save_pretrained(output)
    extractor.save_pretrained(output)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
