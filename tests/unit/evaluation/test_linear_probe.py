"""The linear probe against what is known of its problem."""

import numpy as np
import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.linear_probe import fit_linear_probe


def clusters(num_clips: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors (U, 1, 4) around three points, and the number of the point of each."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(3, size=num_clips)
    vectors = 5 + np.eye(4)[targets] * 2 + rng.normal(0, spread, (num_clips, 4))
    return vectors[:, None].astype(np.float32), targets


def test_what_can_be_told_apart_is() -> None:
    vectors, targets = clusters(120, 0.2)
    others, expected = clusters(60, 0.2, seed=1)
    probe = fit_linear_probe(vectors, targets, 3)
    assert (probe.predict(others) == expected).all()
    assert probe.layer_weights.tolist() == [1.0]


def test_the_fit_is_the_minimum_of_the_loss() -> None:
    vectors, targets = clusters(80, 2.0)
    l2 = 0.05
    probe = fit_linear_probe(vectors, targets, 3, l2=l2)
    inputs = (vectors[:, 0] - probe.center) / probe.scale
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(inputs.std(axis=0), 1, atol=1e-5)
    logits = inputs @ probe.weight + probe.bias
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    error = (likely - np.eye(3)[targets]) / len(targets)
    # At the minimum the gradient is zero.
    np.testing.assert_allclose(inputs.T @ error + l2 * probe.weight, 0, atol=1e-5)
    np.testing.assert_allclose(error.sum(axis=0), 0, atol=1e-5)


def test_the_size_of_vectors_does_not_matter() -> None:
    vectors, targets = clusters(80, 1.0)
    others, _ = clusters(80, 1.0, seed=1)
    small = fit_linear_probe(vectors, targets, 3).predict(others)
    large = fit_linear_probe(vectors * 1000, targets, 3).predict(others * 1000)
    np.testing.assert_array_equal(small, large)


def test_the_learned_sum_leans_on_the_layer_that_knows() -> None:
    vectors, targets = clusters(200, 0.5)
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 30, (200, 2, 4)).astype(np.float32)
    layers = np.concatenate([noise[:, :1], vectors, noise[:, 1:]], axis=1)
    probe = fit_linear_probe(layers, targets, 3, l2=1e-2)
    assert probe.layer_weights.sum() == pytest.approx(1)
    assert probe.layer_weights[1] > 0.9
    assert (probe.predict(layers) == targets).mean() > 0.95


def test_a_constant_number_does_no_harm() -> None:
    vectors, targets = clusters(60, 0.2)
    vectors[:, :, 3] = 7.0
    probe = fit_linear_probe(vectors, targets, 3)
    assert (probe.predict(vectors) == targets).all()


def test_no_regularization_is_refused() -> None:
    vectors, targets = clusters(9, 1.0)
    with pytest.raises(InputError, match="l2 must be positive"):
        fit_linear_probe(vectors, targets, 3, l2=0.0)
