"""The learnt noise: its way in logarithms, many outputs, units, and signals it must not take."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from balinp import BALI, BALIRegressor, Gaussian
from balinp.data import Data
from balinp.evidence import HyperPrior, less_correlated
from balinp.hyper_parameters import (
    ARRIVED,
    FIRST_NOISE,
    LARGEST_RISE,
    NOISE_FALL,
    NOISE_RISE,
    NOISE_SHARE,
)
from balinp.spectral import geometric_mean

RTOL = 1e-10


def covariance(rng: np.random.Generator, K: int) -> np.ndarray:
    root = rng.standard_normal((K, K + 2))
    return root @ root.T


def power(V: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(V)
    return (vectors * values**exponent) @ vectors.T


@pytest.mark.equation("EV-8")
@pytest.mark.parametrize("K", [1, 2, 5])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_geometric_mean_is_its_definition(K, share, rng):
    V, T = covariance(rng, K), covariance(rng, K)
    root, inverse = power(V, 0.5), power(V, -0.5)
    expected = root @ power(inverse @ T @ inverse, share) @ root
    found = geometric_mean(V, T, share)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=RTOL * np.abs(expected).max())


@pytest.mark.equation("EV-8")
@pytest.mark.parametrize("K", [1, 2, 5])
def test_what_is_larger_and_what_is_smaller_may_go_different_shares_of_the_way(K, rng):
    V = covariance(rng, K)
    root, inverse = power(V, 0.5), power(V, -0.5)
    for factor in (0.01, 1.0, 100.0):  # all falls, some of each, all rises
        T = factor * covariance(rng, K)
        w, Q = np.linalg.eigh(inverse @ T @ inverse)
        shares = np.where(w > 1, 0.1, 0.7)
        expected = root @ ((Q * w**shares) @ Q.T) @ root
        found = geometric_mean(V, T, 0.1, falling=0.7)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=RTOL * np.abs(expected).max())


@pytest.mark.equation("EV-8")
def test_geometric_mean_towards_a_singular_matrix_is_positive_definite(rng):
    V, r = covariance(rng, 4), rng.standard_normal((2, 4))
    assert np.linalg.eigvalsh(geometric_mean(V, r.T @ r, 0.05))[0] > 0


@pytest.mark.equation("EV-8")
def test_a_network_starts_from_a_small_noise_and_moves_in_logarithms(rng):
    X = rng.uniform(-1, 1, (40, 2))
    Y = rng.standard_normal((40, 2)) * np.array([1.0, 30.0])
    model = BALI((5,), prior_precision=1.0).fit(X, Y, epochs=0)
    first = model.likelihood.covariance(2)
    np.testing.assert_allclose(first, np.diag(FIRST_NOISE * (Y**2).mean(axis=0)), rtol=RTOL)
    model.step(X, Y)
    V = model.likelihood.covariance(2)
    log_ratio = np.linalg.slogdet(V)[1] - np.linalg.slogdet(first)[1]
    # Nothing has been learnt yet, so that all of Y is residual: about 1 / FIRST_NOISE times more.
    most = NOISE_RISE * 2 * np.log(2 / FIRST_NOISE)
    assert 0.5 * most < log_ratio < most


@pytest.mark.equation("EV-8")
@pytest.mark.parametrize(("N", "share"), [(1, 0.03), (2, 0.3), (5, 0.0625), (100, FIRST_NOISE)])
def test_the_first_noise_of_few_data_is_larger(N, share, rng):
    X, Y = rng.uniform(-1, 1, (N, 2)), rng.standard_normal((N, 1))
    V = BALI((5,)).fit(X, Y, epochs=0).likelihood.covariance(1)
    np.testing.assert_allclose(V, [[share * (Y**2).mean()]], rtol=RTOL)


@pytest.mark.equation("EV-8")
@pytest.mark.parametrize("steps", [0, 100, 4000])
def test_in_batches_the_noise_goes_to_the_average_of_what_they_ask_for(steps, rng):
    X, Y = rng.uniform(-1, 1, (40, 2)), rng.standard_normal((40, 2))
    Y[33] = 100.0  # a datum that one batch has, and the other three have not
    model = BALI((5,), prior_precision=1.0).fit(X, Y, epochs=0)
    average, rates = None, (1.0, 0.5, 0.25, 0.125)
    for rate, start in zip(rates, (0, 10, 20, 30), strict=True):
        V = model.likelihood.covariance(2)
        with model.hyper.expecting(steps):
            alone = deepcopy(model)
            alone.hyper.noise_asked = None
            for one in (model, alone):  # the same step, with and without what was asked for before
                one.step(X[start : start + 10], Y[start : start + 10], n_data=40, rate=rate)
        asked = alone.hyper.noise_asked
        average = asked if average is None else (1 - rate) * average + rate * asked
        least = min(LARGEST_RISE, ARRIVED / steps) if steps else LARGEST_RISE
        rise = max(least, NOISE_RISE * rate)
        fall = max(rise, NOISE_FALL * rate)
        if rate == 1:
            rise, fall = NOISE_RISE, NOISE_SHARE
        expected = geometric_mean(V, average, rise, falling=fall)
        np.testing.assert_allclose(model.likelihood.covariance(2), expected, rtol=RTOL)


@pytest.mark.equation("EV-8")
@pytest.mark.parametrize(
    ("epochs", "batch_size", "least"),
    [(5, 20, 0.1), (50, 20, 0.04), (4000, 20, 0.0005), (50, None, 0.08), (50, 100, 0.08)],
)
def test_a_fit_knows_how_many_steps_the_noise_has(epochs, batch_size, least, rng):
    X, Y = rng.uniform(-1, 1, (40, 2)), rng.standard_normal((40, 1))
    seen = []

    def once(model):
        seen.append([model.hyper.least_rise(amount) for amount in (1, batch_size or 40)])
        return True

    model = BALI((5,)).fit(X, Y, epochs=epochs, batch_size=batch_size, callback=once)
    assert seen == [pytest.approx([least, least])]
    assert model.hyper.least_rise(20) == LARGEST_RISE


@pytest.mark.equation("EV-8")
@pytest.mark.parametrize(("B", "share"), [(1, 0.2), (2, 0.4), (5, 1.0), (12, 1.0)])
def test_a_stream_of_few_data_a_step_is_slow_to_take_them_for_noise(B, share, rng):
    X, Y = rng.uniform(-1, 1, (B, 2)), rng.standard_normal((B, 1))
    model = BALI((5,), prior_precision=1.0).fit(X, Y, epochs=0)
    V = model.likelihood.covariance(1)
    rises = (NOISE_RISE, share * LARGEST_RISE)  # the first step has all the data so far
    for n_data, rise in zip((B, 3 * B), rises, strict=True):
        model.step(X, Y, n_data=n_data, rate=0.01)
        asked = model.hyper.noise_asked
        assert asked > V
        V = geometric_mean(V, asked, rise)
        np.testing.assert_allclose(model.likelihood.covariance(1), V, rtol=RTOL)


@pytest.mark.equation("EV-8")
@pytest.mark.parametrize(("batch_size", "epochs"), [(8, 5), (20, 12), (80, 60)])
@pytest.mark.parametrize("hidden", [(10,), (8, 8)], ids=str)
def test_few_passes_end_with_the_noise_that_there_is(hidden, batch_size, epochs, rng):
    X, Y = rng.standard_normal((80, 3)), rng.standard_normal((80, 1))
    V = BALI(hidden).fit(X, Y, epochs=epochs, batch_size=batch_size).likelihood.covariance(1)
    assert 0.5 * Y.var() < V[0, 0] < 1.5 * Y.var()


@pytest.mark.slow
@pytest.mark.equation("EV-8")
def test_few_data_far_off_are_noise_in_batches_as_well(rng):
    X = rng.standard_normal((80, 3))
    Y = rng.standard_normal((80, 1))
    Y[::40] = 20.0
    V = BALI((10,)).fit(X, Y, epochs=30, batch_size=8).likelihood.covariance(1)
    assert V[0, 0] > 0.7 * Y.var()


@pytest.mark.equation("EV-9")
@pytest.mark.parametrize(("N", "K"), [(3, 6), (6, 6), (50, 3), (5, 1)])
def test_less_correlated_is_more_data_with_independent_errors(N, K, rng):
    R = rng.standard_normal((N, K))
    V = R.T @ R / N
    rows = np.vstack([R, np.diag(np.sqrt(K * np.diag(V)))])  # K data, one output each
    expected = rows.T @ rows / (N + K)
    np.testing.assert_allclose(less_correlated(V, N), expected, rtol=RTOL, atol=1e-15)


@pytest.mark.equation("EV-10")
@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3])
def test_the_learnt_noise_follows_the_units(unit, rng):
    X = rng.standard_normal((60, 2))
    Y = X @ np.array([[1.0], [0.5]]) + 0.1 * rng.standard_normal((60, 1))
    one, other = (BALI(()).fit(X, scale * Y, epochs=50).likelihood for scale in (1.0, unit))
    assert other.covariance(1)[0, 0] == pytest.approx(unit**2 * one.covariance(1)[0, 0], rel=1e-6)
    units = BALI((4,)).fit(X, unit * Y, epochs=1).hyper.noise_units
    np.testing.assert_allclose(units, unit**2 * (Y**2).mean(axis=0), rtol=1e-8)


@pytest.mark.equation("EV-10")
def test_the_prior_of_a_network_s_noise_is_in_units_of_the_targets(rng):
    X = rng.standard_normal((30, 1))
    for unit in (1e-4, 1.0):  # no noise at all: what is left is the prior
        model = BALI((3,), prior_precision=1e-3).fit(X, 0 * X, epochs=1)
        model.hyper.noise_units[:] = unit**2
        model.hyper.noise_asked = None
        data = Data(X, 0 * X, None)
        now = model._present(data.whole, 30.0, model.as_it_is(data))
        now.likelihood = Gaussian.learnt(1e-40 * np.eye(1))
        model.hyper.learn_noise(now, model.trace(X, 0 * X), np.zeros((1, 1)), share=1.0)
        expected = 2 * model.hyper.noise_prior.rate * unit**2 / 30.0
        assert model.hyper.noise_asked == pytest.approx(expected, rel=1e-5)


@pytest.mark.equation("EV-10")
def test_a_given_noise_prior_is_literal(rng):
    X, Y = rng.standard_normal((50, 1)), 1e-3 * rng.standard_normal((50, 2))
    strong = HyperPrior(shape=1e6, rate=1e6)
    for hidden, epochs in (((), 1), ((3,), 400)):
        model = BALI(hidden, noise_prior=strong).fit(X, Y, epochs=epochs)
        np.testing.assert_allclose(model.likelihood.covariance(2), np.eye(2), atol=1e-3)


def many_outputs(N: int, K: int, seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    X, X_test = rng.standard_normal((N, 3)), rng.standard_normal((200, 3))
    W = rng.standard_normal((3, K))
    return X, X @ W + 0.1 * rng.standard_normal((N, K)), X_test, X_test @ W


@pytest.mark.slow
@pytest.mark.equation("EV-9")
@pytest.mark.parametrize(("N", "K"), [(50, 50), (50, 100), (20, 40)])
@pytest.mark.parametrize(("hidden", "least"), [((), 0.99), ((50,), 0.9)], ids=["linear", "network"])
def test_many_outputs_do_not_make_noise_of_the_signal(N, K, hidden, least):
    X, Y, X_test, truth = many_outputs(N, K, seed=N + K)
    model = BALIRegressor(hidden, random_state=0, epochs=60).fit(X, Y)
    error = ((model.predict(X_test) - truth) ** 2).sum()
    assert 1 - error / ((truth - truth.mean(axis=0)) ** 2).sum() > least


@pytest.mark.equation("EV-2", "EV-3")
def test_a_fit_says_whether_lam_and_the_noise_have_settled(rng: np.random.Generator) -> None:
    X = rng.standard_normal((60, 2))
    Y = np.sin(X[:, :1]) + 0.3 * rng.standard_normal((60, 1))
    model = BALI((5,)).fit(X, Y, epochs=3)
    assert model.history[-1].unsettled > 0.5
    model.fit(X, Y, epochs=1500)
    assert model.history[-1].unsettled < 0.01
    given = BALI((5,), prior_precision=1.0, noise_variance=0.1).fit(X, Y, epochs=2)
    assert [record.unsettled for record in given.history] == [0.0, 0.0]
    exact = BALI(()).fit(X, Y, epochs=1)
    assert exact.history[-1].unsettled < 1e-10
