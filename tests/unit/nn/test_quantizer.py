"""The quantizer: choices, their vectors, and how many entries are in use."""

import math

import pytest
import torch

from wav2vec2_conformer.nn.quantizer import GumbelVectorQuantizer

GROUPS, ENTRIES, DIM = 2, 5, 6


@pytest.fixture
def quantizer(randomize):
    return randomize(
        GumbelVectorQuantizer(7, num_groups=GROUPS, num_entries=ENTRIES, codevector_dim=DIM)
    )


def vectors_of(quantizer, codes):
    """Look codes up, one codebook after the other."""
    books = quantizer.codevectors[0].view(GROUPS, ENTRIES, DIM // GROUPS)
    return torch.cat([books[group][codes[..., group]] for group in range(GROUPS)], dim=-1)


def test_evaluation_chooses_the_best(quantizer):
    features = torch.randn(2, 9, 7)
    out = quantizer.eval()(features)
    logits = quantizer.weight_proj(features).view(2, 9, GROUPS, ENTRIES)
    assert torch.equal(out.codes, logits.argmax(3))
    torch.testing.assert_close(out.codevectors, vectors_of(quantizer, out.codes))


def test_training_chooses_by_chance_and_one_entry_of_each_book(quantizer):
    features = torch.randn(2, 9, 7)
    first, second = quantizer(features), quantizer(features)
    for out in (first, second):
        torch.testing.assert_close(out.codevectors, vectors_of(quantizer, out.codes))
    assert not torch.equal(first.codes, second.codes)
    torch.testing.assert_close(first.perplexity, second.perplexity)


def test_chances_are_those_of_the_softmax(quantizer):
    """Of the argmax, whatever the temperature."""
    features = torch.randn(1, 1, 7)
    shares = quantizer.weight_proj(features).view(GROUPS, ENTRIES).softmax(1)
    codes = quantizer(features.expand(1, 8_000, 7)).codes[0]
    for group in range(GROUPS):
        found = codes[:, group].bincount(minlength=ENTRIES) / 8_000
        torch.testing.assert_close(found, shares[group], atol=0.03, rtol=0.0)


def test_cold_training_follows_the_temperature(quantizer):
    """The colder, the larger the gradient of a choice that is nearly certain not."""
    features = torch.randn(2, 50, 7)
    norms = []
    for temperature in (100.0, 1.0):
        quantizer.zero_grad()
        quantizer.temperature = temperature
        quantizer(features).codevectors.sum().backward()
        norms.append(quantizer.weight_proj.weight.grad.norm())
    assert norms[1] > 10 * norms[0]


def test_gradient_reaches_scores_and_codebooks(quantizer):
    quantizer(torch.randn(2, 9, 7)).codevectors.sum().backward()
    for parameter in (*quantizer.weight_proj.parameters(), quantizer.codevectors):
        assert parameter.grad.abs().sum() > 0


def test_perplexity_of_all_entries_used_alike():
    codes = torch.arange(ENTRIES).repeat(3)
    choices = torch.eye(ENTRIES)[codes][:, None].expand(-1, GROUPS, -1)
    for probabilities in (choices, torch.full((4, GROUPS, ENTRIES), 1 / ENTRIES)):
        found = GumbelVectorQuantizer._compute_perplexity(probabilities)
        assert found.item() == pytest.approx(GROUPS * ENTRIES, rel=1e-5)


def test_perplexity_of_one_entry():
    choices = torch.eye(ENTRIES)[torch.zeros(8, dtype=torch.long)][:, None].expand(-1, GROUPS, -1)
    found = GumbelVectorQuantizer._compute_perplexity(choices)
    assert found.item() == pytest.approx(GROUPS)


def test_perplexity_by_its_definition():
    probabilities = torch.tensor([[[0.5, 0.5, 0.0]], [[0.0, 0.5, 0.5]]])
    found = GumbelVectorQuantizer._compute_perplexity(probabilities)
    entropy = 2 * 0.25 * math.log(4) + 0.5 * math.log(2)
    assert found.item() == pytest.approx(math.exp(entropy), rel=1e-6)


def test_perplexity_of_the_references_own_test():
    probabilities = torch.arange(100).reshape(2, 5, 10) / 100
    found = GumbelVectorQuantizer._compute_perplexity(probabilities)
    assert found.item() == pytest.approx(141.4291, abs=1e-3)
    mask = torch.tensor([False, True])
    found = GumbelVectorQuantizer._compute_perplexity(probabilities, mask)
    assert found.item() == pytest.approx(58.6757, abs=1e-3)


@pytest.mark.parametrize("training", [False, True])
def test_perplexity_is_that_of_masked_frames(quantizer, training):
    quantizer.train(training)
    features, mask = torch.randn(2, 9, 7), torch.rand(2, 9) < 0.5
    garbage = torch.where(mask[:, :, None], features, 10.0)
    found = quantizer(features, mask).perplexity
    torch.testing.assert_close(quantizer(garbage, mask).perplexity, found)
    alone = quantizer(features[mask][None]).perplexity
    torch.testing.assert_close(alone, found)
    assert not torch.isclose(quantizer(garbage).perplexity, found, rtol=1e-3)


def test_perplexity_of_no_masked_frame_is_finite(quantizer):
    mask = torch.zeros(2, 9, dtype=torch.bool)
    assert quantizer(torch.randn(2, 9, 7), mask).perplexity.isfinite()


def test_half_precision_chooses_in_full(quantizer):
    quantizer.to(torch.bfloat16)
    out = quantizer(torch.randn(2, 9, 7).bfloat16())
    assert out.codevectors.dtype == torch.bfloat16
    assert out.perplexity.dtype == torch.float32


def test_entries_without_any_chance_leave_the_gradient_finite(quantizer):
    """A share that float32 rounds to 0 is worth nothing, and not NaN, to the diversity loss."""
    with torch.no_grad():
        quantizer.weight_proj.bias[3] = -1_000.0
    features = torch.randn(2, 9, 7, requires_grad=True)
    assert quantizer.weight_proj(features).view(18, GROUPS, ENTRIES).softmax(2)[:, 0, 3].max() == 0
    perplexity = quantizer(features).perplexity
    assert 1 < perplexity < GROUPS * ENTRIES - 1
    perplexity.backward()
    for gradient in (features.grad, quantizer.weight_proj.weight.grad):
        assert gradient.isfinite().all()
        assert gradient.any()
