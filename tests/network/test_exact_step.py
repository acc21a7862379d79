"""One Gaussian layer: exact whatever the batches, and at the evidence's fixed point."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import BayesianRidge

from balinp import BALI, Gaussian, dense
from balinp.evidence import HyperPrior

NONE = HyperPrior(0.0, 0.0)
V = np.array([[0.3, 0.1], [0.1, 0.5]])


def data(rng, N=60, K=2):
    X = rng.standard_normal((N, 3)) + 0.5
    Y = X @ rng.standard_normal((3, K)) + 1.0 + 0.4 * rng.standard_normal((N, K))
    return X, Y, rng.uniform(0.1, 2.5, N)


def close(one: BALI, other: BALI, X, rtol=1e-9):
    p, q = one.predict(X), other.predict(X)
    assert_allclose(p.mean, q.mean, rtol=rtol, atol=rtol)
    assert_allclose(p.covariance, q.covariance, rtol=rtol, atol=rtol)
    assert_allclose(one.prior_precision, other.prior_precision, rtol=1e-8)


WAYS = {
    "batches of 1": lambda m, X, Y, w: m.fit(X, Y, epochs=1, batch_size=1, sample_weight=w),
    "batches of 59": lambda m, X, Y, w: m.fit(X, Y, epochs=1, batch_size=59, sample_weight=w),
    "three epochs": lambda m, X, Y, w: m.fit(X, Y, epochs=3, batch_size=7, sample_weight=w),
    "an iterable": lambda m, X, Y, w: m.fit(
        [(X[i : i + 17], Y[i : i + 17], w[i : i + 17]) for i in range(0, 60, 17)], epochs=1
    ),
    "backwards": lambda m, X, Y, w: m.fit(X[::-1], Y[::-1], epochs=2, sample_weight=w[::-1]),
}


@pytest.mark.equation("EX-1", "EX-2", "EX-3", "NP-3", "LR-6")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize("given", [{}, {"noise_variance": V}, {"prior_precision": 40.0}], ids=str)
def test_the_way_in_which_data_come_does_not_matter(way, prior, given, rng):
    X, Y, w = data(rng)
    whole = BALI((), prior=prior, **given).fit(X, Y, epochs=1, sample_weight=w)
    other = BALI((), prior=prior, **given)
    WAYS[way](other, X, Y, w)
    close(other, whole, X[:5] + 1)


@pytest.mark.equation("EX-2")
def test_steps_that_say_how_many_data_there_are_make_a_stream(rng):
    X, Y, _ = data(rng)
    stream, seen = BALI(()), 0
    for rows in (slice(0, 3), slice(3, 4), slice(4, 60)):
        seen += len(X[rows])
        stream.step(X[rows], Y[rows], n_data=float(seen))
    close(stream, BALI(()).fit(X, Y, epochs=1), X[:5])
    assert [record.step for record in stream.history] == [1.0] * 3


@pytest.mark.equation("EX-2", "LR-1", "LR-2")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
def test_the_posterior_is_the_dense_one(prior, rng):
    X, Y, w = data(rng)
    model = BALI((), Gaussian(V), prior=prior, prior_precision=100.0)
    model.fit(X, Y, epochs=1, batch_size=7, sample_weight=w)
    design = np.column_stack([X, np.ones(len(X))])
    C0 = np.kron(V if prior == "conjugate" else np.eye(2), np.eye(4) / 100.0)
    root = np.sqrt(w)[:, None]
    mean, covariance = dense.posterior(root * design, root * Y, V, np.zeros((4, 2)), C0)
    assert_allclose(model.weights[0], mean, rtol=1e-10, atol=1e-12)
    assert_allclose(model.layers[0].posterior.covariance(), covariance, rtol=1e-9, atol=1e-13)


@pytest.mark.equation("EX-3", "EV-2", "EV-3", "EV-4")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize("N", [6, 60])
def test_the_evidence_is_stationary(prior, N, rng):
    X, Y, _ = data(rng, N)
    hyper = HyperPrior(0.5, 0.3) if N < 10 else NONE
    model = BALI((), prior=prior, precision_prior=hyper, noise_prior=hyper).fit(X, Y, epochs=1)
    design = np.column_stack([X, np.ones(N)])
    lam, noise = model.prior_precision, model.likelihood.covariance(2)

    def log_evidence(lam, noise):
        H = np.linalg.inv(noise)
        C0 = np.kron(noise if prior == "conjugate" else np.eye(2), np.eye(4) / lam)
        value = dense.log_evidence(design, Y, noise, np.zeros((4, 2)), C0)
        value += hyper.shape * np.linalg.slogdet(H)[1] - hyper.rate * np.trace(H)
        if prior == "isotropic":
            return value + hyper.shape * np.log(lam) - hyper.rate * lam
        scale = np.trace(H) / 2  # the Gamma prior is one on lam times the mean precision
        return value + hyper.shape * np.log(lam * scale) - hyper.rate * lam * scale

    step = 1e-5
    up, down = (log_evidence(lam * np.exp(s * step), noise) for s in (1, -1))
    assert abs(up - down) / (2 * step) < 1e-5 * N
    H = np.linalg.inv(noise)
    P = np.kron(H, design.T @ design)
    P = P + lam * (np.kron(H, np.eye(4)) if prior == "conjugate" else np.eye(8))
    E, C = Y - design @ model.weights[0], np.linalg.inv(P)
    if prior == "conjugate":
        Psi = lam * model.weights[0].T @ model.weights[0]
    else:  # sum_n x_n^T Cov(w_i, w_j) x_n
        blocks = C.reshape(2, 4, 2, 4).swapaxes(1, 2)
        Psi = np.einsum("nd,ijde,ne->ij", design, blocks, design)
    V = (E.T @ E + Psi + 2 * hyper.rate * np.eye(2)) / (N + 2 * hyper.shape)
    V = (N * V + 2 * np.diag(np.diag(V))) / (N + 2)  # EV-9
    assert_allclose(noise, V, rtol=1e-8)


@pytest.mark.equation("EX-3")
def test_one_output_is_bayesian_ridge(rng):
    X, Y, _ = data(rng, K=1)
    none = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0)
    ridge = BayesianRidge(fit_intercept=False, tol=1e-14, max_iter=10000, **none).fit(X, Y[:, 0])
    model = BALI((), bias=False, precision_prior=NONE, noise_prior=NONE)
    model.fit(X, Y, epochs=1, batch_size=9)
    assert_allclose(model.weights[0][:, 0], ridge.coef_, rtol=1e-9)
    assert_allclose(model.prior_precision, ridge.lambda_, rtol=1e-8)
    assert_allclose(1 / model.likelihood.covariance(1)[0, 0], ridge.alpha_, rtol=1e-8)


@pytest.mark.equation("EX-3")
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e5])
def test_units_of_the_targets_do_not_matter(unit, rng):
    X, Y, _ = data(rng)
    one, other = (BALI(()).fit(X, c * Y, epochs=1) for c in (1.0, unit))
    p, q = one.predict(X[:5]), other.predict(X[:5])
    assert_allclose(q.mean, unit * p.mean, rtol=1e-9)
    assert_allclose(q.std, unit * p.std, rtol=1e-9)


def test_targets_that_are_all_zero_work(rng):
    model = BALI(()).fit(rng.standard_normal((9, 2)), np.zeros((9, 1)), epochs=2)
    assert np.isfinite(model.predict([[1.0, 2.0]]).std).all()


@pytest.mark.equation("EX-2")
def test_a_fit_is_of_its_own_data(rng):
    X, Y, _ = data(rng)
    for size in (None, 11):
        model = BALI(()).fit(X[:30], Y[:30], epochs=2, batch_size=size)
        model.fit(X[30:], Y[30:], epochs=1, batch_size=size)
        close(model, BALI(()).fit(X[30:], Y[30:], epochs=1), X[:5])


@pytest.mark.equation("EX-4")
@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
def test_posteriors_after_batches_are_of_all_data_at_the_final_weights(likelihood, prior, rng):
    X, Y, w = data(rng)
    if likelihood == "categorical":
        Y = np.eye(2)[(Y[:, 0] > Y[:, 1]).astype(int)]
    model = BALI((4,), likelihood, forward="mean", prior=prior, activation="tanh")
    model.fit(X, Y, epochs=2, batch_size=11, sample_weight=w)
    said = model.trace(X, Y, sample_weight=w)
    for index, layer in enumerate(model.layers):
        design = layer.design(said.inputs[index])
        A = (design.T * w) @ design / w.sum()
        S = said.curvature_roots[index]
        H = np.einsum("n,nkc,njc->kj", w, S, S) / w.sum()
        if not said.precision_is_known[index]:
            h, Q = np.linalg.eigh(H)
            H = (Q * np.maximum(h, 1e-8 * h.mean())) @ Q.T
        D, K = layer.mean.shape
        Lam0 = layer.prior_precision * np.kron(H if prior == "conjugate" else np.eye(K), np.eye(D))
        P = np.kron(H, w.sum() * A) + Lam0
        assert_allclose(
            layer.exact_posterior.covariance() @ P, np.eye(D * K), atol=1e-6
        )  # P's condition is up to 1e9


@pytest.mark.equation("EX-4")
def test_what_is_reported_does_not_change_how_training_goes_on(rng):
    X, Y, _ = data(rng)
    # A learnt noise would be held in the first half of either fit (EV-13).
    once, twice = (BALI((4,), noise_variance=0.1) for _ in range(2))
    once.fit(X, Y, epochs=4, batch_size=13)
    twice.fit(X, Y, epochs=2, batch_size=13).fit(X, Y, epochs=2, batch_size=13)
    for one, other in zip(once.weights, twice.weights, strict=True):
        # in between the first layer's mean is turned into the data's coordinates and back
        assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    close(once, twice, X[:5], rtol=1e-9)
