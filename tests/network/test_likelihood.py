"""Likelihoods: densities against SciPy, gradients and curvature against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import DIFFERENCE_RTOL, assert_close, random_covariance, slope
from scipy import stats

from balinp import Bernoulli, Categorical, Gaussian
from balinp._types import Array
from balinp.likelihood import Likelihood

COVARIANCE = random_covariance(np.random.default_rng(8), 3)
NOISES = {
    "scalar": 0.4,
    "one per output": [0.01, 1.0, 30.0],
    "full": COVARIANCE,
    "full, small": 1e-4 * COVARIANCE,
}
LIKELIHOODS = [*map(Gaussian, NOISES.values()), Categorical(), Bernoulli()]
NAMES = [*NOISES, "classes", "answers"]
every_likelihood = pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=NAMES)
every_noise = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)


def batch(likelihood: Likelihood, rng: np.random.Generator, n: int = 5) -> tuple[Array, Array]:
    """Targets and outputs of three columns."""
    f = rng.normal(size=(n, 3))
    if isinstance(likelihood, Bernoulli):
        return rng.integers(2, size=(n, 3)).astype(float), f
    classes = isinstance(likelihood, Categorical)
    return np.eye(3)[rng.integers(3, size=n)] if classes else rng.normal(size=(n, 3)), f


def dense_covariance(noise: Any) -> Array:
    """The covariance that a scalar, a list of variances or a matrix stands for."""
    if np.ndim(noise) == 2:
        return np.asarray(noise)
    return np.array(
        [[float(i == j) * np.broadcast_to(noise, 3)[i] for j in range(3)] for i in range(3)]
    )


@pytest.mark.equation("BP-4")
@every_noise
def test_gaussian_density(noise: Any, rng: np.random.Generator) -> None:
    likelihood = Gaussian(noise)
    Y, f = batch(likelihood, rng)
    V = dense_covariance(noise)
    np.testing.assert_array_equal(likelihood.covariance(3), V)
    expected = [stats.multivariate_normal.logpdf(y, m, V) for y, m in zip(Y, f, strict=True)]
    assert_close(likelihood.log_density(Y, f), expected)


@pytest.mark.equation("BP-4")
@every_noise
def test_gaussian_precision_is_known(noise: Any) -> None:
    H = Gaussian(noise).known_precision(3)
    V = dense_covariance(noise)
    assert_close(H @ V, np.eye(3), np.linalg.cond(V))
    np.testing.assert_array_equal(H, H.T)
    rows = Gaussian(noise).curvature_rows(np.zeros((4, 3)))
    for S_T in rows:
        assert_close(S_T.T @ S_T, np.linalg.inv(V), np.linalg.cond(V))


@pytest.mark.equation("BP-4")
def test_class_probabilities(rng: np.random.Generator) -> None:
    f = np.vstack([rng.normal(size=(4, 3)), [[900.0, 0.0, -900.0]]])  # no overflow either
    each = [np.exp(Categorical().log_density(np.tile(e, (5, 1)), f)) for e in np.eye(3)]
    weights = np.exp(f - f.max(axis=1, keepdims=True))
    assert_close(np.array(each).T, weights / weights.sum(axis=1, keepdims=True))
    assert Categorical().known_precision(3) is None


@pytest.mark.equation("BP-4")
def test_probabilities_of_answers(rng: np.random.Generator) -> None:
    f = np.vstack([rng.normal(size=(4, 3)), [[900.0, 0.0, -900.0]]])  # no overflow either
    Y = rng.integers(2, size=f.shape).astype(float)
    p = 1 / (1 + np.exp(-np.clip(f, -700, 700)))
    with np.errstate(divide="ignore"):
        expected = stats.bernoulli.logpmf(Y[:4], p[:4]).sum(axis=1)
    assert_close(Bernoulli().log_density(Y, f)[:4], expected)
    assert Bernoulli().log_density(np.array([[0.0, 1.0, 0.0]]), f[4:])[0] == -900 + np.log(0.5)
    assert Bernoulli().known_precision(3) is None
    # one answer is a class of two
    two = np.stack([0 * f[:, 0], f[:, 0]], axis=1)
    of_two = Categorical().log_density(np.stack([1 - Y[:, 0], Y[:, 0]], axis=1), two)
    assert_close(Bernoulli().log_density(Y[:, :1], f[:, :1]), of_two)
    for wrong in (0.5, 2.0, -1.0):
        with pytest.raises(ValueError, match=f"^Y: expected zeros and ones, got {wrong:g}"):
            Bernoulli().check_targets([[0.0, wrong]], 1)


@pytest.mark.equation("JS-4")
def test_the_bound_of_answers_is_reached_where_they_are_even(rng: np.random.Generator) -> None:
    bound = Bernoulli().largest_curvature_rows(3)
    f = np.vstack([np.zeros(3), rng.normal(size=(50, 3))])
    rows = Bernoulli().curvature_rows(f)
    excess = bound.T @ bound - np.swapaxes(rows, 1, 2) @ rows
    assert np.linalg.eigvalsh(excess).min() > -1e-15
    np.testing.assert_allclose(excess[0], 0, atol=1e-15)


@pytest.mark.equation("BP-4")
@every_likelihood
def test_gradient(likelihood: Likelihood, rng: np.random.Generator) -> None:
    Y, f = batch(likelihood, rng)
    e = np.eye(3)
    expected = [slope(lambda h, k=k: likelihood.log_density(Y, f + h * e[k])) for k in range(3)]
    # Errors of differences are relative to the density's own size.
    size = np.abs(likelihood.log_density(Y, f)).max() / np.abs(expected).max()
    rtol = DIFFERENCE_RTOL * max(1.0, size)
    assert_close(likelihood.gradient(Y, f), np.array(expected).T, rtol=rtol)


@pytest.mark.equation("BP-4")
@every_likelihood
def test_curvature_root(likelihood: Likelihood, rng: np.random.Generator) -> None:
    Y, f = batch(likelihood, rng)
    e = np.eye(3)
    # Column k of minus the Hessian of each datum, from differences of the gradient.
    columns = [slope(lambda h, k=k: -likelihood.gradient(Y, f + h * e[k])) for k in range(3)]
    rows = likelihood.curvature_rows(f)
    assert rows.shape[::2] == (5, 3)
    products = np.array([S_T.T @ S_T for S_T in rows])
    assert_close(products, np.moveaxis(columns, 0, 2), rtol=DIFFERENCE_RTOL)


@pytest.mark.equation("BP-4")
def test_curvature_of_saturated_classes_is_finite() -> None:
    rows = Categorical().curvature_rows(np.array([[900.0, 0.0, -900.0]]))
    np.testing.assert_array_equal(rows, np.zeros((1, 3, 3)))


def test_noise_that_is_not_known_yet() -> None:
    with pytest.raises(ValueError, match="noise_variance: expected a value, got None"):
        Gaussian().covariance(2)
    assert Gaussian().check_targets([[1.0, 2.0]], 1).shape == (1, 2)
    with pytest.raises(ValueError, match=r"noise_variance: expected size 2, got shape \(3,\)"):
        Gaussian([1.0, 2.0, 3.0]).check_targets([[1.0, 2.0]], 1)


@pytest.mark.parametrize("noise", [np.array(0.4), np.ones(3), COVARIANCE.copy()])
def test_the_noise_is_the_likelihoods_own(noise: Array) -> None:
    likelihood = Gaussian(noise)
    before = likelihood.covariance(3).copy()
    noise *= 2
    np.testing.assert_array_equal(likelihood.covariance(3), before)


@pytest.mark.equation("JS-4")
def test_largest_curvature_bounds_the_curvature_anywhere(rng: np.random.Generator) -> None:
    """No softmax, however sharp, is more curved; two equal classes and no other reach the bound."""
    for K in (2, 3, 10):
        f = rng.standard_normal((500, K)) * np.exp(rng.uniform(-3, 3, (500, 1)))
        bound = Categorical().largest_curvature_rows(K)
        rows = Categorical().curvature_rows(f)
        excess = bound.T @ bound - np.swapaxes(rows, 1, 2) @ rows
        assert np.linalg.eigvalsh(excess).min() > -1e-14
        pair = np.full((1, K), -800.0)
        pair[0, :2] = 0.0
        sharp = Categorical().curvature_rows(pair)[0]
        u = np.zeros(K)
        u[:2] = np.sqrt(0.5), -np.sqrt(0.5)
        assert np.sum((sharp @ u) ** 2) == pytest.approx(0.5, rel=1e-14)
        assert np.sum((bound @ u) ** 2) == pytest.approx(0.5, rel=1e-14)
    # That of a Gaussian is the same everywhere: the local one is the largest.
    rows = Gaussian([[2.0, 0.5], [0.5, 1.0]]).curvature_rows(rng.standard_normal((4, 2)))
    np.testing.assert_array_equal(rows, np.broadcast_to(rows[0], rows.shape))
    assert Gaussian(1.0).largest_curvature_rows(2) is None
