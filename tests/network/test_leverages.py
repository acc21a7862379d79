"""Leverages of few data, exact: against the dense Gauss-Newton matrix of all layers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from balinp import BALI, Gaussian
from balinp.evidence import HyperPrior, noise_target
from balinp.leverages import FEW_ROWS, MOST_ROWS, are_cheap, exact_leverages, gain_in_evidence

NONE = HyperPrior(0.0, 0.0)


def trained(rng, N, K, weights=None, prior="isotropic"):
    X, Y = rng.standard_normal((N, 2)), rng.standard_normal((N, K))
    V = np.eye(K) + 0.3
    model = BALI((4, 3), Gaussian(V), prior_precision=0.8, prior=prior, seed=2)
    model.fit(X, Y, epochs=3, sample_weight=weights)
    return model, model.trace(X, Y, sample_weight=weights), X, Y, V


def jacobian(model, X):
    """(N, K, P), by differences."""
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
    return np.stack(columns, axis=2)


def dense_spread(model, X, V, w):
    """C Gamma C^T: sum of w times the outputs' posterior covariances."""
    J, H = jacobian(model, X), np.linalg.inv(V)
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
    found = C @ exact_leverages(model.layers, said, w.sum()) @ C.T
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # differences have seven digits
    R = np.sqrt(w)[:, None] * (Y - said.outputs[-1])
    target = noise_target(model.layers, said, R.T @ R, V, w.sum(), NONE)
    np.testing.assert_allclose(target, (R.T @ R + expected) / w.sum(), rtol=1e-6)


@pytest.mark.equation("EV-11")
def test_no_more_parameters_than_data_are_determined(rng):
    model, said, *_ = trained(rng, 5, 2)
    assert np.trace(exact_leverages(model.layers, said, 5)) < 10
    repeated = BALI((4, 3), Gaussian(1e-8 * np.eye(2)), prior_precision=0.8, seed=2)
    X, Y = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    repeated.fit(X, Y, epochs=3)
    gamma = np.trace(exact_leverages(repeated.layers, repeated.trace(X, Y), 5))
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


@pytest.mark.equation("EV-11")
@pytest.mark.parametrize("weighted", [False, True])
def test_gain_in_evidence_is_that_of_dense_determinants(weighted, rng):
    w = rng.uniform(0.3, 2.0, 9) if weighted else np.ones(9)
    model, said, X, Y, V = trained(rng, 9, 2, w if weighted else None)
    J, H, m = jacobian(model, X), np.linalg.inv(V), np.concatenate([*map(np.ravel, model.weights)])
    G = np.einsum("nkp,mlp->nkml", J, J) / 0.8
    C = np.linalg.cholesky(H)
    G = np.einsum("n,ka,nkml,lb,m->namb", np.sqrt(w), C, G, C, np.sqrt(w)).reshape(18, 18)
    P = np.einsum("n,nkp,kj,njq->pq", w, J, H, J) / 0.8 + np.eye(len(m))
    network = w @ multivariate_normal(np.zeros(2), V).logpdf(Y - said.outputs[-1])
    network -= 0.5 * (0.8 * m @ m + np.linalg.slogdet(P)[1])
    centred = Y - w @ Y / w.sum()
    without = w @ norm(0, np.sqrt(w @ centred**2 / w.sum())).logpdf(centred).sum(axis=1)
    found = gain_in_evidence(model.layers, said, np.linalg.eigvalsh(G))
    np.testing.assert_allclose(found, network - without, rtol=1e-6)


@pytest.mark.equation("EV-11")
def test_of_more_than_few_rows_they_are_used_where_the_evidence_is_for_the_network(rng):
    """A network whose outputs are far off has less evidence than none; of few rows all count."""
    for N, V, used in (
        (FEW_ROWS + 8, 0.01, True),
        (FEW_ROWS + 8, 1e-6, False),
        (FEW_ROWS, 1e-6, True),
    ):
        X = rng.uniform(-1, 1, (N, 1))
        Y = np.sin(2 * X) + 0.1 * rng.standard_normal(X.shape)
        model = BALI((4, 3), Gaussian(0.01), prior_precision=0.3).fit(X, Y, epochs=40)
        model.likelihood = Gaussian(V)
        assert (exact_leverages(model.layers, model.trace(X, Y), N) is not None) is used
    Y = np.zeros_like(Y)  # nothing to explain: a Gaussian of its own has all evidence there is
    assert gain_in_evidence(model.layers, model.trace(X, Y), np.ones(N)) == -np.inf


@pytest.mark.equation("EV-11")
def test_deep_networks_of_few_data_do_not_follow_heavy_tails():
    """With exact leverages throughout it ends 1.8 nats behind the constant."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((180, 3))
    Y = np.sin(2 * X[:, :1]) + X[:, 1:2] * X[:, 2:] + rng.standard_t(1.5, (180, 1))
    Y /= Y[:80].std()
    model = BALI((10, 10, 10)).fit(X[:80], Y[:80], epochs=200)
    mean = model.predict(X[80:]).logpdf(Y[80:]).mean()
    constant = norm(Y[:80].mean(), Y[:80].std()).logpdf(Y[80:]).mean()
    assert mean > constant - 0.1
