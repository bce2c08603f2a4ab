"""Rung: the quantizer; in training with a Gumbel softmax that draws nothing."""

import pytest
import torch


@pytest.fixture(params=[(2, 6, 8), (1, 5, 8), (4, 3, 12)], ids=str)
def quantizers(build_pair, request):
    groups, entries, dim = request.param
    pair = build_pair(
        "ForPreTraining",
        num_codevector_groups=groups,
        num_codevectors_per_group=entries,
        codevector_dim=dim,
    )
    return tuple(model.quantizer for model in pair)


@pytest.fixture(params=[False, True], ids=["all", "masked"])
def mask(request):
    return torch.rand(2, 41) < 0.3 if request.param else None


def test_evaluation(quantizers, assert_equal, mask):
    ours, theirs = quantizers
    features = torch.randn(2, 41, 16)
    vectors, perplexity = theirs(features, mask)
    out = ours(features, mask)
    assert_equal(out.codevectors, vectors)
    assert_equal(out.perplexity, perplexity)


@pytest.mark.usefixtures("without_gumbel_noise")
@pytest.mark.parametrize("temperature", [2.0, 0.5])
def test_training(quantizers, assert_equal, mask, temperature):
    features = torch.randn(2, 41, 16)
    results = []
    for quantizer in quantizers:
        quantizer.train()
        quantizer.temperature = temperature
        vectors, perplexity = (out := quantizer(features, mask))[0], out[-1]
        (vectors.square().sum() + perplexity).backward()
        gradients = {name: p.grad for name, p in quantizer.named_parameters()}
        results.append((vectors, perplexity, gradients))
    (vectors, perplexity, gradients), (their_vectors, their_perplexity, their_gradients) = results
    assert_equal(vectors, their_vectors)
    assert_equal(perplexity, their_perplexity)
    assert_equal(gradients, their_gradients, tolerance=1e-4)


def test_first_temperature(quantizers):
    ours, theirs = quantizers
    assert ours.temperature == theirs.temperature
