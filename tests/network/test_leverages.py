"""Leverages of few data, exact: against the dense Gauss-Newton matrix of all layers."""

from __future__ import annotations

import numpy as np
import pytest

from balinp import BALI, Gaussian
from balinp.evidence import HyperPrior, noise_target
from balinp.leverages import MOST_ROWS, are_cheap, summed_leverages

NONE = HyperPrior(0.0, 0.0)


def trained(rng, N, K, weights=None, prior="isotropic"):
    X, Y = rng.standard_normal((N, 2)), rng.standard_normal((N, K))
    V = np.eye(K) + 0.3
    model = BALI((4, 3), Gaussian(V), prior_precision=0.8, prior=prior, seed=2)
    model.fit(X, Y, epochs=3, sample_weight=weights)
    return model, model.trace(X, Y, sample_weight=weights), X, Y, V


def dense_spread(model, X, V, w):
    """C Gamma C^T: sum of w times the outputs' posterior covariances, Jacobians by differences."""
    weights = [W.copy() for W in model.weights]
    columns = []
    for W in weights:
        for index in np.ndindex(W.shape):
            sides = []
            for h in (1e-6, -1e-6):
                W[index] += h
                sides.append(model.network.forward(weights, X).outputs[-1])
                W[index] -= h
            columns.append((sides[0] - sides[1]) / 2e-6)
    J = np.stack(columns, axis=2)
    H = np.linalg.inv(V)
    P = np.einsum("n,nkp,kj,njq->pq", w, J, H, J) + 0.8 * np.eye(J.shape[2])
    return np.einsum("n,nkp,pq,njq->kj", w, J, np.linalg.inv(P), J)


@pytest.mark.equation("EV-11", "EV-3")
@pytest.mark.parametrize("K", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_spread_of_all_layers_is_that_of_the_dense_posterior(K, weighted, rng):
    w = np.array([2.0, 0.5, 1.0, 3.0, 1.0, 0.2, 1.0]) if weighted else np.ones(7)
    model, said, X, Y, V = trained(rng, 7, K, w if weighted else None)
    C = np.linalg.cholesky(V)
    expected = dense_spread(model, X, V, w)
    found = C @ summed_leverages(model.layers, said) @ C.T
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # differences have seven digits
    R = np.sqrt(w)[:, None] * (Y - said.outputs[-1])
    target = noise_target(model.layers, said, R.T @ R, V, w.sum(), NONE)
    np.testing.assert_allclose(target, (R.T @ R + expected) / w.sum(), rtol=1e-6)


@pytest.mark.equation("EV-11")
def test_no_more_parameters_than_data_are_determined(rng):
    model, said, *_ = trained(rng, 5, 2)
    assert np.trace(summed_leverages(model.layers, said)) < 10
    repeated = BALI((4, 3), Gaussian(1e-8 * np.eye(2)), prior_precision=0.8, seed=2)
    X, Y = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    repeated.fit(X, Y, epochs=3)
    gamma = np.trace(summed_leverages(repeated.layers, repeated.trace(X, Y)))
    assert gamma == pytest.approx(10, rel=1e-6)  # noise of 1e-8 leaves little else


@pytest.mark.equation("EV-11")
def test_they_are_used_for_few_data_all_at_once_and_an_isotropic_prior(rng):
    model, said, *_ = trained(rng, MOST_ROWS // 2, 2)
    assert are_cheap(model.layers, said, MOST_ROWS / 2)
    assert not are_cheap(model.layers, said, MOST_ROWS)
    more = trained(rng, MOST_ROWS // 2 + 1, 2)
    assert not are_cheap(more[0].layers, more[1], MOST_ROWS / 2 + 1)
    conjugate = trained(rng, 9, 2, prior="conjugate")
    assert not are_cheap(conjugate[0].layers, conjugate[1], 9)
