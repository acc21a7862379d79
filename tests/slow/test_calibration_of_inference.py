"""Simulation-based calibration: exact inference in the linear case is calibrated, and it shows.

Weights are drawn from the prior and data from the likelihood. Then the true weights are one more
draw from the posterior: their rank among posterior draws is uniform, and so is the share of the
posterior that is nearer to its mean than they are. Nothing here is computed a second way, so an
error that the dense reference shares with the layer would be found as well.

Source: Talts et al. (2018), Validating Bayesian inference algorithms with simulation-based
calibration, arXiv 1804.06788.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from cases import both_priors, vec
from scipy import stats

from balinp import BALI, KroneckerGaussian, MatrixNormalLayer
from balinp._types import Array
from balinp.predictive import GaussianPredictive

LEVEL = 1e-3
"""Chance that a test of this file fails for right code, if its seed were drawn anew."""

RUNS, DRAWS = 1200, 99
N, N_IN, K, LAM = 6, 3, 2, 0.7
V = np.array([[0.5, 0.2], [0.2, 0.3]])
D = N_IN + 1


def prior_root(prior: str) -> Array:
    """Root of the prior covariance of vec W: I / lam, or V kron I / lam."""
    column = np.eye(K) if prior == "isotropic" else V
    return np.kron(np.linalg.cholesky(column), np.eye(D)) / np.sqrt(LAM)


def simulated(
    rng: np.random.Generator, prior: str, mean: Array, rows: int = N
) -> tuple[Array, Array, Array]:
    """Weights (D, K) from the prior, inputs (rows, n_in), and targets (rows, K) from both."""
    W = mean + (prior_root(prior) @ rng.standard_normal(D * K)).reshape(D, K, order="F")
    inputs = rng.standard_normal((rows, N_IN)) * [0.3, 1.0, 3.0]
    noise = rng.standard_normal((rows, K)) @ np.linalg.cholesky(V).T
    return W, inputs, inputs @ W[:-1] + W[-1] + noise


@cache
def posteriors(prior: str, batches: int) -> list[tuple[Array, KroneckerGaussian]]:
    """True weights and the layer's posterior in every run, its data given in batches."""
    rng = np.random.default_rng([20241118, batches, len(prior)])
    M0, H = np.arange(D * K).reshape(D, K) / 4, np.linalg.inv(V)
    H = (H + H.T) / 2
    found = []
    for _ in range(RUNS):
        W, inputs, T = simulated(rng, prior, M0)
        layer = MatrixNormalLayer(N_IN, K, prior=prior, prior_precision=LAM, prior_mean=M0)
        seen = 0
        for rows in np.array_split(np.arange(N), batches):
            seen += len(rows)
            layer.observe(inputs[rows], T[rows], H, n_data=N, rate=len(rows) / seen)
        found.append((W, layer.posterior))
    return found


def p_value_of_distances(pairs: list[tuple[Array, KroneckerGaussian]]) -> float:
    """Kolmogorov-Smirnov test that squared distances from the mean are chi-square."""
    # twice how far the log density falls from its top: (W - M)^T P (W - M), as a vector
    distances = [2 * (q.logpdf(q.mean) - q.logpdf(W)) for W, q in pairs]
    return float(stats.kstest(distances, stats.chi2(D * K).cdf).pvalue)


def p_value_of_ranks(pairs: list[tuple[Array, KroneckerGaussian]]) -> float:
    """Smallest p-value of chi-square tests of each weight's ranks, times their number."""
    rng = np.random.default_rng(1)
    ranks = np.array([vec((q.sample(rng, DRAWS) < W).sum(axis=0)) for W, q in pairs])
    counts = [np.bincount(column // 5, minlength=20) for column in ranks.T]  # 0 to 99, by fives
    return float(min(stats.chisquare(count).pvalue for count in counts) * D * K)


both_tests = pytest.mark.parametrize("p_value", [p_value_of_distances, p_value_of_ranks])


@pytest.mark.equation("LR-1", "LR-2", "NP-3", "MN-1", "MN-3")
@both_priors
@pytest.mark.parametrize("batches", [1, 3])
@both_tests
def test_true_weights_are_one_more_draw(p_value: Callable, batches: int, prior: str) -> None:
    assert p_value(posteriors(prior, batches)) > LEVEL


def with_precision(q: KroneckerGaussian, factor: float) -> KroneckerGaussian:
    return KroneckerGaussian(q.mean, q.row_basis, q.column_basis, factor * q.precisions)


@both_priors
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_precision_that_is_off_by_a_tenth_is_found(factor: float, prior: str) -> None:
    pairs = [(W, with_precision(q, factor)) for W, q in posteriors(prior, 1)]
    assert p_value_of_distances(pairs) < LEVEL


@both_priors
def test_a_mean_that_is_off_by_a_fifth_of_its_deviation_is_found(prior: str) -> None:
    pairs = [
        (W, q.with_mean(q.mean + 0.2 * np.sqrt(q.marginal_variance())))
        for W, q in posteriors(prior, 1)
    ]
    assert p_value_of_ranks(pairs) < LEVEL


# Predictions -------------------------------------------------------------------------------------

LEVELS = (0.5, 0.8, 0.95)


@cache
def predicted(prior: str) -> tuple[Array, GaussianPredictive]:
    """One new target (K,) of each run, and what a fit on the run's other data says of it."""
    rng = np.random.default_rng([20241119, len(prior)])
    targets, means, epistemic = [], [], []
    for _ in range(RUNS):
        _, inputs, T = simulated(rng, prior, np.zeros((D, K)), rows=N + 1)
        model = BALI((), prior=prior, prior_precision=LAM, noise_variance=V)
        model.step(inputs[:N], T[:N])
        predictive = model.predict(inputs[N:])
        targets.append(T[N])
        means.append(predictive.mean[0])
        epistemic.append(predictive.epistemic[0])
    return np.array(targets), GaussianPredictive(np.array(means), np.array(epistemic), V)


def p_value_of_coverage(targets: Array, predictive: GaussianPredictive) -> float:
    """Smallest p-value of exact binomial tests of each level and output, times their number."""
    tests = []
    for level in LEVELS:
        low, high = predictive.interval(level)
        hits = ((low < targets) & (targets < high)).sum(axis=0)
        tests += [stats.binomtest(int(count), RUNS, level).pvalue for count in hits]
    return float(min(tests) * len(tests))


@pytest.mark.equation("LR-5", "PR-1")
@both_priors
def test_intervals_hold_new_targets_as_often_as_they_say(prior: str) -> None:
    assert p_value_of_coverage(*predicted(prior)) > LEVEL


@both_priors
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_intervals_that_misjudge_the_weights_are_found(factor: float, prior: str) -> None:
    targets, right = predicted(prior)
    wrong = GaussianPredictive(right.mean, factor * right.epistemic, V)
    assert p_value_of_coverage(targets, wrong) < LEVEL
