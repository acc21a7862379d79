"""Weights of data: w_n is the row w_n times, in every sum that a training step takes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from cases import (
    Case,
    Regression,
    assert_close,
    assert_same_posterior,
    both_priors,
    condition,
    every_case,
    regression,
)

from balinp import BALI, dense
from balinp._types import Array
from balinp.history import Record
from balinp.kernels import amount, curvature_sum, weighted_sum
from balinp.natural_parameters import Terms

pytestmark = pytest.mark.equation("LR-6")


def whole_weights(rng: np.random.Generator, n: int) -> Array:
    """Whole numbers from 0 to 3, not all of them 0."""
    w = rng.integers(0, 4, n).astype(float)
    w[0] = 2.0
    return w


def repeated(w: Array) -> Array:
    return np.repeat(np.arange(len(w)), w.astype(int))


# One layer --------------------------------------------------------------------------------------


@both_priors
@every_case
def test_posterior_of_a_layer_is_the_dense_one(case, prior, rng):
    r: Regression = regression(case, prior)
    w = rng.uniform(0.2, 3.0, len(r.X))
    layer = r.layer()
    layer.observe(r.inputs, r.T, r.H, n_data=w.sum(), sample_weight=w)
    # weights up to 3 raise the largest eigenvalue of the precision, and at most that much
    assert_same_posterior(layer.posterior, r.posterior(w), 3 * r.condition)


@both_priors
@every_case
def test_evidence_of_a_layer_is_that_of_repeated_rows(case, prior, rng):
    r: Regression = regression(case, prior)
    w = whole_weights(rng, len(r.X))
    rows = repeated(w)
    layer = r.layer()
    layer.observe(r.inputs, r.T, r.H, n_data=w.sum(), sample_weight=w)
    plain = r.layer()
    plain.observe(r.inputs[rows], r.T[rows], r.H)
    assert_close(layer.log_evidence(), plain.log_evidence(), 3 * r.condition)
    # The reference inverts the covariance of the targets, in which repeated rows are all but equal.
    expected = dense.log_evidence(r.X[rows], r.T[rows], r.V, r.M0, r.prior_covariance())
    G = np.kron(np.eye(case.K), r.X[rows])
    of_targets = np.kron(r.V, np.eye(len(rows))) + G @ r.prior_covariance() @ G.T
    assert_close(layer.log_evidence(), expected, max(3 * r.condition, condition(of_targets)))


@both_priors
def test_one_pass_of_weighted_ragged_batches_is_exact(prior, rng):
    X, T, w = rng.normal(size=(11, 3)), rng.normal(size=(11, 2)), rng.uniform(0.1, 2, 11)
    V = np.array([[0.5, 0.2], [0.2, 0.4]])
    model = BALI((), prior=prior, prior_precision=0.8, noise_variance=V)
    for batch in np.split(np.arange(11), [4, 9]):
        model.step(X[batch], T[batch], n_data=w.sum(), sample_weight=w[batch])
    design = np.hstack([X, np.ones((11, 1))])
    scale = V if prior == "conjugate" else np.eye(2)
    prior_covariance = np.kron(scale, np.eye(4) / 0.8)
    expected = dense.posterior(design, T, V, np.zeros((4, 2)), prior_covariance, weights=w)
    assert_same_posterior(model.layers[0].posterior, expected)


def test_sums_over_data_are_those_of_repeated_rows(rng):
    w = whole_weights(rng, 7)
    rows = repeated(w)
    X, G, S = rng.normal(size=(7, 3)), rng.normal(size=(7, 4)), rng.normal(size=(7, 2, 4))
    weighted = Terms.of(X, G, curvature_sum(S, w), w)
    plain = Terms.of(X[rows], G[rows], curvature_sum(S[rows]))
    assert weighted.amount == plain.amount == amount(X, w) == len(rows)
    for name in ("inputs", "curvature", "gradient", "A", "H"):
        assert_close(getattr(weighted, name), getattr(plain, name))
    for factor in (weighted.A, weighted.H):
        np.testing.assert_array_equal(factor, factor.T)
    assert_close(weighted_sum(G[:, 0], w), G[rows, 0].sum())


def fractional_weights(seed: int, n: int) -> Array:
    """Weights that are no whole numbers, with about a third of them zero."""
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.1, 2, n)
    w[rng.random(n) < 0.3] = 0
    w[0] = 1.0
    return w


@both_priors
def test_a_batch_that_stands_for_itself_up_to_rounding_is_all_the_data(prior):
    """Sums of the same weights in another order differ by rounding, and mean the same."""
    r: Regression = regression(Case("weighed", N=40), prior)
    rounded = 0
    for seed in range(100):
        w = fractional_weights(seed, 40)
        kept = w > 0
        rows = r.inputs[kept], r.T[kept], r.H
        expected = r.layer()
        expected.observe(*rows, sample_weight=w[kept])
        for n_data in (None, w.sum(), w[kept].sum(), sum(w.tolist())):
            layer = r.layer()
            layer.observe(r.inputs, r.T, r.H, n_data=n_data, sample_weight=w)
            assert_close(layer.log_evidence(), expected.log_evidence())
            assert layer.factors.n_data == w.sum()
            rounded += n_data is not None and n_data != w.sum()
    assert rounded > 100  # of 300: not all sums are the same number
    layer = r.layer()
    layer.observe(r.inputs, r.T, r.H, n_data=w.sum() * (1 + 1e-9), sample_weight=w)
    with pytest.raises(ValueError, match="log_evidence: expected"):
        layer.log_evidence()


@both_priors
@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_without_a_number_of_data_a_batch_stands_for_itself(prior, rate, rng):
    r: Regression = regression(Case("itself"), prior)
    weights = rng.uniform(0.2, 3.0, 9)
    for w, given in ((None, 9), (weights, weights.sum())):
        layers = [r.layer() for _ in range(2)]
        for layer, n_data in zip(layers, (None, given), strict=True):
            layer.observe(r.inputs, r.T, r.H, n_data=n_data, rate=rate, sample_weight=w)
        np.testing.assert_array_equal(layers[0].mean, layers[1].mean)
        assert layers[0].factors.n_data == layers[1].factors.n_data == given


# A network --------------------------------------------------------------------------------------


def targets(rng: np.random.Generator, X: Array, likelihood: str) -> Array:
    if likelihood == "categorical":
        return np.eye(3)[rng.integers(0, 3, len(X))]
    return np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1) + 0.1 * rng.normal(size=(24, 2))


@both_priors
@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_training_is_that_on_repeated_rows(likelihood, prior, rng):
    """Steps on all data and on batches of them, with all that is learnt; in the mean pass."""
    X, w = rng.normal(size=(24, 3)), whole_weights(rng, 24)
    Y = targets(rng, X, likelihood)
    weighted, plain = (BALI((6,), likelihood, forward="mean", prior=prior) for _ in range(2))
    rows = repeated(w)
    weighted.fit(X, Y, epochs=3, sample_weight=w)
    plain.fit(X[rows], Y[rows], epochs=3)
    for batch in np.split(np.arange(24), 3):
        rows_of_batch = batch[repeated(w[batch])]
        weighted.step(X[batch], Y[batch], n_data=w.sum(), sample_weight=w[batch])
        plain.step(X[rows_of_batch], Y[rows_of_batch], n_data=w.sum())
    # Where hidden curvature is floored (1e-8 of its mean), eight digits of rounding are lost
    # in its inverse, and training passes some of them on: 1e-7 is far below any forgotten weight.
    for ours, theirs in zip(weighted.history, plain.history, strict=True):
        assert_close(ours.log_joint, theirs.log_joint, rtol=1e-7)
        assert_close(ours.effective_parameters, theirs.effective_parameters, rtol=1e-7)
        assert ours.rate == pytest.approx(theirs.rate, rel=1e-12)
        if ours.noise_variances is not None:
            assert_close(ours.noise_variances, theirs.noise_variances, rtol=1e-7)
    if likelihood == "gaussian":
        V, same = (model.likelihood.covariance(2) for model in (weighted, plain))
        assert_close(V, same, rtol=1e-7)
    # A shift common to all logits has no curvature but the floor's, and under the conjugate prior
    # no other hold: rounding moves it by about 1e-7, and no probability changes.
    for ours, theirs in zip(weighted.weights, plain.weights, strict=True):
        assert_close(ours, theirs, rtol=1e-6)
    evidence = weighted.log_evidence(X, Y, sample_weight=w)
    assert_close(evidence, plain.log_evidence(X[rows], Y[rows]), rtol=1e-7)


@pytest.mark.parametrize("batch_size", [None, 5])
def test_rows_of_weight_zero_are_absent_also_from_a_pass_that_draws(batch_size, rng):
    X, w = rng.normal(size=(24, 3)), whole_weights(rng, 24)
    Y, kept = targets(rng, X, "categorical"), w > 0
    models = [BALI((6,), "categorical") for _ in range(2)]
    models[0].fit(X, Y, epochs=4, batch_size=batch_size, sample_weight=w)
    models[1].fit(X[kept], Y[kept], epochs=4, batch_size=batch_size, sample_weight=w[kept])
    for ours, theirs in zip(models[0].weights, models[1].weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def assert_same_training(ours: BALI, theirs: BALI) -> None:
    """Weights to 1e-12, and every number of the history; the outputs' noise as well.

    A log joint density near zero is a difference of sums of nats, hence the absolute tolerance.
    """
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12 * np.abs(other).max())
    assert len(ours.history) == len(theirs.history)
    for one, other in zip(ours.history, theirs.history, strict=True):
        for field in fields(Record):
            ours_value, other_value = getattr(one, field.name), getattr(other, field.name)
            if other_value is None:
                assert ours_value is None
            else:
                np.testing.assert_allclose(ours_value, other_value, rtol=1e-12, atol=1e-12)


@both_priors
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("batch_size", [None, 5, 24])
@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_training_is_that_on_the_rows_of_positive_weight(likelihood, batch_size, seed, prior):
    """Though the sums of weights with and without zeros need not be the same number."""
    rng, w = np.random.default_rng(seed), fractional_weights(seed, 24)
    X, kept = rng.normal(size=(24, 3)), w > 0
    Y = targets(rng, X, likelihood)
    ours, theirs = (BALI((6,), likelihood, prior=prior) for _ in range(2))
    ours.fit(X, Y, epochs=6, batch_size=batch_size, sample_weight=w)
    theirs.fit(X[kept], Y[kept], epochs=6, batch_size=batch_size, sample_weight=w[kept])
    assert_same_training(ours, theirs)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_batches_that_come_are_all_the_data_where_they_are(hidden, seed):
    """By steps and by an iterable, whose numbers of data are sums that others have made."""
    rng, w = np.random.default_rng(seed), fractional_weights(seed, 24)
    X, kept = rng.normal(size=(24, 3)), w > 0
    Y = targets(rng, X, "gaussian")
    plain = BALI(hidden).fit(X[kept], Y[kept], epochs=4, sample_weight=w[kept])
    for n_data in (None, w.sum(), w[kept].sum(), sum(w.tolist())):
        stepped = BALI(hidden)
        for _ in range(4):
            stepped.step(X, Y, n_data=n_data, sample_weight=w)
        assert_same_training(stepped, plain)
        streamed = BALI(hidden).fit([(X, Y, w)], epochs=4, n_data=n_data)
        assert_same_training(streamed, plain)


@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_weights_of_one_are_no_weights(likelihood, rng):
    X = rng.normal(size=(24, 3))
    Y = targets(rng, X, likelihood)
    models = [BALI((6,), likelihood) for _ in range(2)]
    models[0].fit(X, Y, epochs=5, batch_size=10, sample_weight=np.ones(24))
    models[1].fit(X, Y, epochs=5, batch_size=10)
    for ours, theirs in zip(models[0].weights, models[1].weights, strict=True):
        assert_close(ours, theirs, rtol=1e-9)  # sums in another order, several steps long


def test_a_trace_keeps_all_rows_and_weighs_its_means(rng):
    X, w = rng.normal(size=(24, 3)), whole_weights(rng, 24)
    Y = targets(rng, X, "categorical")
    model = BALI((6,), "categorical").fit(X, Y, epochs=1)
    t, plain = model.trace(X, Y, sample_weight=w), model.trace(X[repeated(w)], Y[repeated(w)])
    assert len(t.log_densities) == 24
    for ours, theirs in zip(t.output_precisions, plain.output_precisions, strict=True):
        assert_close(ours, theirs)


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(5), r"expected shape \(6,\), got \(5,\)"),
        (np.ones((6, 1)), r"expected shape \(6,\), got \(6, 1\)"),
        (np.zeros(6), "at least zero, not all zero, got values from 0 to 0"),
        (np.array([1, 1, 1, 1, 1, -1.0]), "got values from -1 to 1"),
        (np.array([1, 1, 1, 1, 1, np.nan]), "expected finite numbers"),
    ],
)
def test_weights_that_are_none(weights, message, rng):
    X, Y = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    with pytest.raises(ValueError, match=f"sample_weight: .*{message}"):
        BALI().fit(X, Y, epochs=1, sample_weight=weights)
    with pytest.raises(ValueError, match=f"sample_weight: .*{message}"):
        BALI(()).step(X, Y, sample_weight=weights)


def test_weights_are_not_changed(rng):
    X, Y, w = rng.normal(size=(6, 2)), rng.normal(size=(6, 1)), whole_weights(rng, 6)
    given = w.copy()
    BALI((3,)).fit(X, Y, epochs=2, sample_weight=w)
    np.testing.assert_array_equal(w, given)
