"""Curves of calibration, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from balinp.metrics.calibration import LEVELS, coverage, coverage_curve, reliability
from balinp.predictive import GaussianPredictive, MixturePredictive


@pytest.mark.equation("SC-3")
@pytest.mark.parametrize("n_bins", [1, 3, 10])
def test_reliability_counts_each_bin(n_bins: int, rng: np.random.Generator) -> None:
    confidence = np.concatenate([rng.uniform(0.35, 1.0, 200), [0.1, 1.0, 0.5, 0.7]])
    correct = (rng.random(len(confidence)) < 0.6).astype(float)
    expected = []
    for b in range(1, n_bins + 1):
        inside = [
            (c, k)
            for c, k in zip(confidence, correct, strict=True)
            if (b - 1) / n_bins < c <= b / n_bins
        ]
        if inside:
            expected.append([len(inside), *np.mean(inside, axis=0)])
    found = reliability(confidence, correct, n_bins)
    np.testing.assert_allclose(np.stack(found, axis=1), expected, rtol=1e-12)
    assert found.size.sum() == len(confidence)


@pytest.mark.equation("SC-3")
def test_error_is_the_weighted_mean_gap() -> None:
    found = reliability(np.array([0.9, 0.9, 0.9, 0.6]), np.array([1.0, 1.0, 0.0, 0.0]), 5)
    assert found.error == pytest.approx(3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.6, rel=1e-12)


@pytest.mark.equation("SC-2")
def test_coverage_curve_is_the_coverage_of_each_level(rng: np.random.Generator) -> None:
    Y = 1.5 * rng.standard_normal((200, 1))
    gaussian = GaussianPredictive(np.zeros((200, 1)), np.zeros((200, 1, 1)), np.eye(1))
    expected = [np.mean(np.abs(Y) <= norm.ppf(0.5 + 0.5 * level)) for level in LEVELS]
    np.testing.assert_array_equal(coverage_curve(gaussian, Y), expected)
    assert 0 < expected[0] < expected[-1] < 0.95
    assert coverage_curve(gaussian, Y, np.array([0.5])) == coverage(gaussian, Y, 0.5)


@pytest.mark.equation("SC-2")
def test_coverage_of_a_mixture_is_that_of_its_own_quantiles(rng: np.random.Generator) -> None:
    Y, mean = rng.standard_normal((50, 1)), np.zeros((50, 1))
    modes = MixturePredictive(np.stack([mean - 9, mean + 9]), np.eye(1))
    # Half the mass lies between the medians of the two modes, and so do all targets.
    assert coverage(modes, Y, 0.5) == 1.0
    assert coverage(modes, Y + 9, 0.5) == np.mean(Y <= 0)


@pytest.mark.parametrize("n_bins", [0, 1.5])
def test_bad_number_of_bins(n_bins: float) -> None:
    with pytest.raises((TypeError, ValueError), match="n_bins: expected"):
        reliability(np.ones(3), np.ones(3), n_bins)
