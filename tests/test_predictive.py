"""Predictive distributions against SciPy, root finding, and samples in standard errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from cases import Case, assert_close, random_covariance, regression, worst_error
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, softmax

from balinp import dense
from balinp._types import Array
from balinp.predictive import (
    CategoricalPredictive,
    GaussianPredictive,
    MixturePredictive,
    mean_field_probabilities,
)

B, K, S = 4, 3, 7
NOISE = random_covariance(np.random.default_rng(8), K)


def covariances(rng: np.random.Generator, scale: float = 1.0) -> Array:
    return scale * np.array([random_covariance(rng, K) for _ in range(B)])


def gaussian(rng: np.random.Generator) -> GaussianPredictive:
    return GaussianPredictive(rng.normal(size=(B, K)), covariances(rng), NOISE)


def mixture(rng: np.random.Generator) -> MixturePredictive:
    return MixturePredictive(2 * rng.normal(size=(S, B, K)), NOISE)


def classes(rng: np.random.Generator) -> CategoricalPredictive:
    return CategoricalPredictive.from_samples(2 * rng.normal(size=(S, B, K)))


def scipy_logpdf(Y: Array, means: Array, covariances: Sequence[Array] | Array) -> Array:
    rows = zip(Y, means, covariances, strict=True)
    return np.array([stats.multivariate_normal.logpdf(*row) for row in rows])


def sample_covariance(draws: Array) -> Array:
    centred = draws - draws.mean(axis=0)
    return np.einsum("sbi,sbj->bij", centred, centred) / len(draws)


def worst_correlation_between_data(draws: Array) -> float:
    """Largest correlation of different data's draws (S, B, K), in standard errors 1 / sqrt S."""
    standard = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    correlations = np.einsum("sbi,scj->bcij", standard, standard) / len(draws)
    apart = ~np.eye(draws.shape[1], dtype=bool)
    return float(np.abs(correlations[apart]).max() * np.sqrt(len(draws)))


# Regression -------------------------------------------------------------------------------------


@pytest.mark.equation("PR-1", "LR-5")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
def test_predictive_of_a_linear_layer_is_the_dense_one(prior: str) -> None:
    r = regression(Case("predicted"), prior)
    layer = r.observed()
    p = GaussianPredictive(r.X @ layer.mean, layer.posterior.predictive_covariance(r.X), r.V)
    mean, covariance = dense.predictive(r.X, *r.posterior(), r.V)
    assert_close(p.mean, mean)
    assert_close(p.covariance, covariance)
    assert_close(p.epistemic + p.aleatoric, covariance)
    assert p.aleatoric.shape == p.epistemic.shape
    assert_close(p.logpdf(r.T), scipy_logpdf(r.T, mean, covariance))


@pytest.mark.equation("PR-4")
def test_gaussian_density_and_interval(rng: np.random.Generator) -> None:
    p = gaussian(rng)
    Y = rng.normal(size=(B, K))
    expected = scipy_logpdf(Y, p.mean, [E + NOISE for E in p.epistemic])
    for density in (p.logpdf, p.logpdf_gaussian, p.logpdf_mixture):
        assert_close(density(Y), expected)
    sd = np.sqrt([np.diag(E + NOISE) for E in p.epistemic])
    assert_close(p.std, sd)
    for level in (0.5, 0.95, 0.999):
        tail = (1 - level) / 2
        low, high = p.interval(level)
        assert_close(low, stats.norm.ppf(tail, p.mean, sd))
        assert_close(high, stats.norm.isf(tail, p.mean, sd))


@pytest.mark.equation("PR-3", "PR-4")
def test_mixture_moments_and_densities(rng: np.random.Generator) -> None:
    p = mixture(rng)
    Y = rng.normal(size=(B, K))
    assert_close(p.mean, sum(p.outputs) / S)
    outer = np.mean([f[:, :, None] * f[:, None, :] for f in p.outputs], axis=0)
    assert_close(p.epistemic, outer - p.mean[:, :, None] * p.mean[:, None, :])
    assert_close(p.covariance, p.epistemic + NOISE)
    densities = [np.exp(scipy_logpdf(Y, f, [NOISE] * B)) for f in p.outputs]
    assert_close(p.logpdf_mixture(Y), np.log(sum(densities) / S))
    np.testing.assert_array_equal(p.logpdf(Y), p.logpdf_mixture(Y))
    assert_close(p.logpdf_gaussian(Y), scipy_logpdf(Y, p.mean, p.covariance))
    assert np.isfinite(p.logpdf(Y + 1e3)).all()  # far away, where every density underflows


@pytest.mark.equation("PR-3")
@pytest.mark.parametrize("level", [0.1, 0.95, 0.999])
def test_mixture_interval_is_where_its_distribution_function_says(
    level: float, rng: np.random.Generator
) -> None:
    p = mixture(rng)
    ends = p.interval(level)
    for b, k in itertools.product(range(B), range(K)):
        f, sd = p.outputs[:, b, k], np.sqrt(NOISE[k, k])
        for end, probability in zip(ends, [(1 - level) / 2, (1 + level) / 2], strict=True):
            quantile = brentq(
                lambda y, q=probability, f=f, sd=sd: stats.norm.cdf(y, f, sd).mean() - q, -50, 50,
                xtol=1e-13, rtol=1e-13,
            )  # fmt: skip
            # A quantile is known up to eps over the density there, 1e-4 at these levels.
            assert abs(end[b, k] - quantile) < 1e-10


@pytest.mark.equation("PR-1", "PR-3")
@pytest.mark.parametrize("make", [gaussian, mixture])
def test_samples_have_the_moments_noise_included(
    make: Callable[[np.random.Generator], GaussianPredictive], rng: np.random.Generator
) -> None:
    p, n = make(rng), 20_000
    draws = p.sample(np.random.default_rng(1), n)
    assert draws.shape == (n, B, K)
    assert worst_error(draws.mean(axis=0), p.mean, p.std / np.sqrt(n)) < 5
    # Exact for Gaussian draws; these mixtures have lighter tails and so smaller errors.
    variances = p.std**2
    products = variances[:, :, None] * variances[:, None, :]
    error = np.sqrt((products + p.covariance**2) / n)
    assert worst_error(sample_covariance(draws), p.covariance, error) < 5
    assert worst_correlation_between_data(draws) < 5
    one = p.sample(np.random.default_rng(1))
    assert one.shape == (B, K)
    np.testing.assert_array_equal(one, p.sample(np.random.default_rng(1)))


# Classification ---------------------------------------------------------------------------------


@pytest.mark.equation("PR-2")
def test_mean_field_is_its_definition(rng: np.random.Generator) -> None:
    f, C = 2 * rng.normal(size=(B, K)), covariances(rng, 3.0)
    p = np.empty((B, K))
    for b, k in itertools.product(range(B), range(K)):
        total = 0.0
        for j in range(K):
            variance = C[b, k, k] + C[b, j, j] - 2 * C[b, k, j]
            total += np.exp(-(f[b, k] - f[b, j]) / np.sqrt(1 + np.pi / 8 * variance))
        p[b, k] = 1 / total
    p /= p.sum(axis=1, keepdims=True)
    assert_close(mean_field_probabilities(f, C), p)
    assert_close(mean_field_probabilities(f, 0 * C), softmax(f, axis=1))
    extreme = mean_field_probabilities(np.array([[800.0, 0.0]]), np.zeros((1, 2, 2)))
    np.testing.assert_array_equal(extreme, [[1.0, 0.0]])


@pytest.mark.equation("PR-2")
def test_mean_field_of_two_classes_is_the_probit_rule(rng: np.random.Generator) -> None:
    f, C = rng.normal(size=(B, 2)), covariances(rng)[:, :2, :2]
    variance = C[:, 0, 0] + C[:, 1, 1] - 2 * C[:, 0, 1]
    expected = expit((f[:, 0] - f[:, 1]) / np.sqrt(1 + np.pi / 8 * variance))
    assert_close(mean_field_probabilities(f, C)[:, 0], expected)


@pytest.mark.equation("PR-2")
def test_a_shift_common_to_all_logits_changes_nothing(rng: np.random.Generator) -> None:
    f, C = 2 * rng.normal(size=(B, K)), covariances(rng)
    shifted = C + 1e6  # c 1 1^T
    plain, moved = (CategoricalPredictive.from_gaussian(f, c) for c in (C, shifted))
    # Subtracting it again leaves errors of 1e6 eps in the covariance.
    assert_close(moved.probabilities, plain.probabilities, rtol=1e-8)
    assert_close(moved.epistemic, plain.epistemic, rtol=1e-8)
    # Here the differences of logits are known so well that nothing of them is left.
    certain = CategoricalPredictive.from_gaussian(f, 1e-12 * C + 1e6)
    assert_close(certain.probabilities, softmax(f, axis=1), rtol=1e-8)
    assert np.abs(certain.epistemic).max() < 1e-8


@pytest.mark.equation("PR-2")
@pytest.mark.parametrize(("scale", "bound"), [(0.1, 0.01), (1.0, 0.05), (10.0, 0.15)])
def test_mean_field_is_near_the_integral(
    scale: float, bound: float, rng: np.random.Generator
) -> None:
    """A closed form and not the integral: the bounds are what random logits were seen to need."""
    f, C = 2 * rng.normal(size=(B, K)), covariances(rng, scale)
    draws = rng.normal(size=(50_000, B, K))
    logits = f + np.einsum("bij,sbj->sbi", np.linalg.cholesky(C), draws)
    integral = softmax(logits, axis=2).mean(axis=0)  # its own error is 0.0022 at most
    error = np.abs(mean_field_probabilities(f, C) - integral).max()
    assert error < bound
    assert error < 0.5 * np.abs(softmax(f, axis=1) - integral).max()  # better than to ignore C


@pytest.mark.equation("PR-2", "PR-3")
def test_both_parts_of_the_label_covariance_add_up(rng: np.random.Generator) -> None:
    sampled = classes(rng)
    assert_close(sampled.probabilities, sampled.probability_draws.mean(axis=0))
    linearised = CategoricalPredictive.from_gaussian(rng.normal(size=(B, K)), covariances(rng))
    for p in (sampled, linearised):
        draws = p.probability_draws
        average = draws.mean(axis=0)
        whole = np.array([np.diag(row) - np.outer(row, row) for row in average])
        assert_close(p.epistemic + p.aleatoric, whole)
        assert_close(p.covariance, whole)
        assert_close(p.epistemic, sample_covariance(draws))
        assert_close(p.std, np.sqrt(average * (1 - average)))
        each = [
            np.mean([np.diag(q) - np.outer(q, q) for q in draws[:, b]], axis=0) for b in range(B)
        ]
        assert_close(p.aleatoric, each)
        low, high = p.interval(0.5)
        assert_close(low, np.quantile(draws, 0.25, axis=0))
        assert_close(high, np.quantile(draws, 0.75, axis=0))


@pytest.mark.equation("PR-2")
def test_logits_are_drawn_with_their_covariance(rng: np.random.Generator) -> None:
    f, C = rng.normal(size=(B, K)), covariances(rng)
    C[0] = 0.5 * np.ones((K, K))  # no uncertainty at all between classes
    n = 20_000
    p = CategoricalPredictive.from_gaussian(f, C, draws=n, seed=1)
    logs = np.log(p.probability_draws)
    contrasts = logs[:, :, 1:] - logs[:, :, :1]  # differences of logits, which are Gaussian
    D = np.hstack([-np.ones((K - 1, 1)), np.eye(K - 1)])
    variances = np.diagonal(D @ C @ D.T, axis1=1, axis2=2)
    assert_close(contrasts[:, 0], np.tile((D @ f[0]), (n, 1)), rtol=1e-7)  # root of rounding
    error = np.sqrt(variances[1:] / n)
    assert worst_error(contrasts[:, 1:].mean(axis=0), f[1:] @ D.T, error) < 5
    products = variances[1:, :, None] * variances[1:, None, :]
    expected = D @ C[1:] @ D.T
    error = np.sqrt((products + expected**2) / n)
    assert worst_error(sample_covariance(contrasts[:, 1:]), expected, error) < 5
    again = CategoricalPredictive.from_gaussian(f, C, draws=n, seed=1)
    np.testing.assert_array_equal(again.probability_draws, p.probability_draws)


@pytest.mark.equation("PR-3")
def test_labels_are_drawn_with_their_probabilities(rng: np.random.Generator) -> None:
    p, n = classes(rng), 20_000
    draws = p.sample(np.random.default_rng(1), n)
    assert draws.shape == (n, B, K)
    np.testing.assert_array_equal(draws.sum(axis=2), np.ones((n, B)))
    error = np.sqrt(p.probabilities * (1 - p.probabilities) / n)
    assert worst_error(draws.mean(axis=0), p.probabilities, error) < 5
    assert worst_correlation_between_data(draws) < 5
    assert p.sample(np.random.default_rng(1)).shape == (B, K)


@pytest.mark.equation("PR-3")
def test_class_log_probabilities() -> None:
    p = CategoricalPredictive.from_samples(np.log([[[0.25, 0.75]], [[0.75, 0.25]]]))
    assert_close(p.logpdf([[1, 0]]), [np.log(0.5)])
    sure = CategoricalPredictive.from_samples(np.array([[[0.0, 1000.0]]]))
    np.testing.assert_array_equal(sure.logpdf([[1, 0]]), [-np.inf])
    np.testing.assert_array_equal(sure.logpdf([[0, 1]]), [0.0])
