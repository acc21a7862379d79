"""Functions drawn from a posterior: their marginals, and what equal rows have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import DeepCase, assert_close, deep, parametrize_deep, worst_error

from balinp import KroneckerGaussian
from balinp._types import Array
from balinp.data import Data
from balinp.functions import LayerwisePosterior, MixedPosterior, sample_functions
from balinp.joint_posterior import JointPosterior

pytestmark = pytest.mark.equation("PR-6")


def layerwise(problem: Any) -> LayerwisePosterior:
    """Posteriors with no structure about the network's weights."""
    rng = np.random.default_rng(5)
    posteriors = []
    for W in problem.weights:
        rows, columns = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in W.shape)
        posteriors.append(KroneckerGaussian(W, rows, columns, np.exp(rng.normal(size=W.shape))))
    return LayerwisePosterior(problem.network, posteriors)


def dense_covariance(posterior: LayerwisePosterior, problem: Any, X: Array) -> Array:
    """J C J^T between all rows, from explicit Jacobians and covariances."""
    again = problem.__class__(problem.network, problem.likelihood, problem.weights, X, None)
    blocks = zip(again.jacobians(), posterior.posteriors, strict=True)
    return sum(np.einsum("bkp,pq,clq->bkcl", J, q.covariance(), J) for J, q in blocks)


@parametrize_deep()
def test_covariance_between_rows(case: DeepCase, rng: np.random.Generator) -> None:
    problem = deep(case)
    posterior = layerwise(problem)
    X = rng.normal(size=(5, case.widths[0]))
    X[4] = X[1]
    between = posterior.between_rows(X)
    assert_close(between, dense_covariance(posterior, problem, X))
    assert_close(between[1, :, 4], between[1, :, 1])


def joint(problem: Any) -> JointPosterior:
    G = [np.eye(W.shape[1]) for W in problem.weights]
    V = problem.likelihood.covariance(problem.Y.shape[1])
    data = Data(problem.X, problem.Y, None)
    return JointPosterior.of(problem.network, problem.weights, G, V, data)


def mixed(problem: Any) -> MixedPosterior:
    G = [np.eye(W.shape[1]) for W in problem.weights]
    V = problem.likelihood.covariance(problem.Y.shape[1])
    data, factors = Data(problem.X, problem.Y, None), (1.0, 30.0)
    return MixedPosterior(
        JointPosterior.at_scales(problem.network, problem.weights, G, V, data, factors)
    )


@pytest.mark.parametrize("make", [layerwise, joint])
def test_draws_have_the_mean_and_the_covariance(make: Any, rng: np.random.Generator) -> None:
    problem, S = deep(DeepCase("functions", (3, 4, 2))), 20_000
    posterior = make(problem)
    X = rng.normal(size=(3, 3))
    X[2] = X[0]
    draws = sample_functions(posterior, X, np.random.default_rng(1), S)
    assert draws.shape == (S, 3, 2)
    np.testing.assert_allclose(draws[:, 2], draws[:, 0], rtol=1e-12)  # one function: correlation 1
    mean = problem.network.forward(problem.weights, X).outputs[-1]
    C = posterior.between_rows(X).reshape(6, 6)
    flat = draws.reshape(S, 6)
    assert worst_error(flat.mean(axis=0), mean.ravel(), np.sqrt(np.diag(C) / S)) < 4
    error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / S)
    assert worst_error(np.cov(flat.T), C, error) < 4


@pytest.mark.equation("JP-6")
def test_draws_of_a_mixture_have_the_average_covariance(rng: np.random.Generator) -> None:
    problem, S = deep(DeepCase("functions", (3, 4, 2))), 20_000
    posterior, X = mixed(problem), rng.normal(size=(2, 3))
    flat = sample_functions(posterior, X, np.random.default_rng(1), S).reshape(S, 4)
    first, second = (part.between_rows(X).reshape(4, 4) for part in posterior.members)
    assert np.diag(second).min() > 2 * np.diag(first).min()
    C = posterior.between_rows(X).reshape(4, 4)
    assert_close(C, 0.5 * (first + second))
    deviations = flat - problem.network.forward(problem.weights, X).outputs[-1].ravel()
    assert worst_error(deviations.mean(axis=0), np.zeros(4), np.sqrt(np.diag(C) / S)) < 4
    products = deviations[:, :, None] * deviations[:, None]
    assert worst_error(products.mean(axis=0), C, products.std(axis=0) / np.sqrt(S)) < 4


def test_a_draw_is_the_linearised_network_with_these_weights(rng: np.random.Generator) -> None:
    problem = deep(DeepCase("functions", (3, 4, 2)))
    posterior = layerwise(problem)
    change = posterior.draw(np.random.default_rng(2))
    f = sample_functions(posterior, problem.X, np.random.default_rng(2))
    moved = sum(J @ D.ravel(order="F") for J, D in zip(problem.jacobians(), change, strict=True))
    assert_close(f, problem.network.forward(problem.weights, problem.X).outputs[-1] + moved)
    assert f.shape == (6, 2)
    np.testing.assert_array_equal(
        f, sample_functions(posterior, problem.X, np.random.default_rng(2), 3)[0]
    )


def test_bad_input() -> None:
    posterior = layerwise(deep(DeepCase("functions", (3, 4, 2))))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="size: expected an integer of at least 1"):
        sample_functions(posterior, np.zeros((1, 3)), rng, 0)
    with pytest.raises(ValueError, match="X: expected shape"):
        sample_functions(posterior, np.zeros((1, 2)), rng)
    with pytest.raises(ValueError, match=r"X: expected at most 8192 rows .* got 5000 rows of 2"):
        posterior.between_rows(np.zeros((5000, 3)))
