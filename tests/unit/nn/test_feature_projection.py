"""The projection: normed features, and frames made of them."""

import torch

from wav2vec2_conformer.nn.feature_projection import FeatureProjection


def test_features_are_normed_and_frames_made_of_them(randomize):
    module = randomize(FeatureProjection(5, 8, eps=1e-3))
    features = torch.randn(2, 7, 5) * 3.0 + 1.0
    frames, normed = module(features)
    centred = features - features.mean(2, keepdim=True)
    variance = centred.square().mean(2, keepdim=True)
    expected = centred / (variance + 1e-3).sqrt()
    expected = expected * module.layer_norm.weight + module.layer_norm.bias
    torch.testing.assert_close(normed, expected)
    torch.testing.assert_close(frames, module.projection(normed))


def test_dropout_acts_on_frames_in_training_alone():
    module = FeatureProjection(5, 8, dropout=0.5)
    frames, normed = module(torch.randn(2, 50, 5))
    assert 0.3 < (frames == 0.0).float().mean() < 0.7
    assert not (normed == 0.0).any()
    assert not (module.eval()(torch.randn(2, 50, 5))[0] == 0.0).any()
