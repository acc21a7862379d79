"""The first layer in the eigenbasis of its inputs: the same training, and their A for good."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from cases import both_priors

from balinp import BALI, coordinates, data, training
from balinp._types import Array
from balinp.coordinates import Coordinates, InputEigenbasis, TurnedRows
from balinp.data import PIECE
from balinp.natural_parameters import KnownFactor
from balinp.spectral import decompose

pytestmark = pytest.mark.equation("NP-9")

N, RTOL = 40, 1e-8

with_and_without_bias = pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
with_and_without_weights = pytest.mark.parametrize(
    "weighted", [False, True], ids=["plain", "weighted"]
)


def problem(weighted: bool) -> tuple[Array, Array, Array | None]:
    """Correlated inputs of unequal scale, two outputs, and weights of which some are 0."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((N, 3)) @ [[1.0, 0.5, 0.0], [0.0, 0.4, 0.2], [0.0, 0.0, 3.0]] + 0.3
    Y = np.sin(X[:, :2]) + 0.1 * rng.standard_normal((N, 2))
    w = rng.uniform(0.2, 3, N) * (np.arange(N) % 7 > 0)
    return X, Y, w if weighted else None


def second_moment(X: Array, w: Array | None, bias: bool) -> Array:
    """sum_n w_n x_n x_n^T / sum_n w_n, row by row."""
    rows = np.hstack([X, np.ones((len(X), 1))]) if bias else X
    weights = np.ones(len(X)) if w is None else w
    total = sum(v * np.outer(x, x) for v, x in zip(weights, rows, strict=True))
    return np.asarray(total / weights.sum())


def assert_same(ours: BALI, theirs: BALI, rtol: float = RTOL) -> None:
    """Means, last changes, predictions with their covariance, and what was learnt of scales."""
    X = problem(False)[0] + 0.5

    def assert_near(one: Array, other: Array) -> None:
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * np.abs(other).max())

    for one, other in zip(ours.layers, theirs.layers, strict=True):
        assert_near(one.mean, other.mean)
        tolerance = rtol * np.abs(other.mean).max()  # it is small beside the mean by now
        np.testing.assert_allclose(one.last_change, other.last_change, rtol=0, atol=tolerance)
        assert_near(one.state.observed.A, other.state.observed.A)
        assert_near(one.exact_posterior.covariance(), other.exact_posterior.covariance())
    assert_near(ours.predict(X).covariance, theirs.predict(X).covariance)
    assert_near(np.array(ours.prior_precision), np.array(theirs.prior_precision))
    if ours.hyper.learns_noise:
        assert_near(ours.likelihood.covariance(2), theirs.likelihood.covariance(2))  # type: ignore[attr-defined]
    for record, other in zip(ours.history, theirs.history, strict=True):
        assert_near(np.array(record.log_joint), np.array(other.log_joint))
        assert_near(np.array(record.effective_parameters), np.array(other.effective_parameters))


def stepped(model: BALI, steps: int, weighted: bool) -> BALI:
    """Trained by steps on all data, whose coordinates are the data's own."""
    X, Y, w = problem(weighted)
    for _ in range(steps):
        model.step(X, Y, sample_weight=w)
    return model


@with_and_without_bias
@with_and_without_weights
@both_priors
def test_fit_with_all_data_at_once_is_so_many_steps(prior: str, weighted: bool, bias: bool) -> None:
    X, Y, w = problem(weighted)
    ours, theirs = (BALI((5, 4), bias=bias, prior=prior, seed=2) for _ in range(2))  # type: ignore[arg-type]
    ours.fit(X, Y, epochs=8, sample_weight=w)
    assert_same(ours, stepped(theirs, 8, weighted))


@pytest.mark.parametrize("likelihood", ["bernoulli", "categorical"])
def test_so_it_is_for_classes(likelihood: Any) -> None:
    """In the mean pass, which draws nothing."""
    X, Y, _ = problem(False)
    labels = np.eye(2)[(Y[:, 0] > Y[:, 1]).astype(int)]
    ours, theirs = (BALI((5, 4), likelihood, forward="mean") for _ in range(2))
    ours.fit(X, labels, epochs=8)
    for _ in range(8):
        theirs.step(X, labels)
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=RTOL, atol=RTOL)


@with_and_without_bias
def test_training_goes_on_after_it_whichever_way(bias: bool) -> None:
    """The last change is the second direction of the next step: it is turned there and back."""
    X, Y, _ = problem(False)
    theirs = stepped(BALI((5, 4), bias=bias), 8, weighted=False)
    fits = BALI((5, 4), bias=bias).fit(X, Y, epochs=3).fit(X, Y, epochs=5)
    then_steps = stepped(BALI((5, 4), bias=bias).fit(X, Y, epochs=3), 5, weighted=False)
    for ours in (fits, then_steps):
        assert_same(ours, theirs)
        momenta = [record.momentum for record in ours.history]
        assert np.abs(momenta[3:]).max() > 1e-3, "the second direction is of use"


@with_and_without_bias
@with_and_without_weights
@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_after_batches_the_first_factor_is_that_of_all_rows(
    likelihood: Any, weighted: bool, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From pieces of a few rows, too; both what training goes on with and what is reported."""
    monkeypatch.setattr(data, "PIECE", 16)
    X, Y, w = problem(weighted)
    labels = np.eye(2)[(Y[:, 0] > 0).astype(int)]
    model = BALI((5,), likelihood, bias=bias)
    targets = Y if likelihood == "gaussian" else labels
    model.fit(X, targets, epochs=2, batch_size=7, sample_weight=w)
    first, A = model.layers[0], second_moment(X, w, bias)
    assert first.factors is not first.state.observed
    for factors in (first.factors, first.state.observed):
        assert factors is not None
        np.testing.assert_allclose(factors.A, A, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(factors.inputs.matrix(), A, rtol=1e-12, atol=1e-12)
        assert factors.outputs.values.shape == (5,)
    P = np.kron(first.factors.H, first.factors.n_data * A)  # type: ignore[union-attr]
    P += first.prior_precision * np.eye(len(P))
    np.testing.assert_allclose(
        first.exact_posterior.covariance() @ P, np.eye(len(P)), atol=1e-7
    )  # H has eigenvalues of 1e-8 of their mean


@with_and_without_bias
@with_and_without_weights
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
def test_batches_train_as_with_the_same_factor_in_the_coordinates_of_the_data(
    prior: Any, weighted: bool, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y, w = problem(weighted)
    ours, theirs = (BALI((5, 4), bias=bias, prior=prior) for _ in range(2))
    ours.fit(X, Y, epochs=2, batch_size=9, sample_weight=w)

    @contextmanager
    def as_they_are(model: BALI, rows: data.Data, epochs: int) -> Iterator[Coordinates]:
        A = second_moment(X, w, bias)
        yield Coordinates(model.network, model.layers, rows, KnownFactor(A, decompose(A, "A")))

    monkeypatch.setattr(training, "coordinates_of", as_they_are)
    theirs.fit(X, Y, epochs=2, batch_size=9, sample_weight=w)
    assert_same(ours, theirs, rtol=1e-7)  # ten steps, each of which divides by small eigenvalues


@with_and_without_bias
@pytest.mark.parametrize("batch_size", [None, 9])
def test_rows_turned_when_they_are_read_are_those_of_the_copy(
    batch_size: int | None, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y, w = problem(True)
    kept = []
    original = InputEigenbasis.of

    def seen(*arguments: Any) -> InputEigenbasis:
        kept.append(original(*arguments))
        return kept[-1]

    monkeypatch.setattr(InputEigenbasis, "of", seen)
    D = 3 + bias
    models = []
    for largest in (N * D, N * D - 1):
        monkeypatch.setattr(coordinates, "COPIED_PIECES", largest / PIECE)
        model = BALI((5,), bias=bias)
        models.append(model.fit(X, Y, epochs=3, batch_size=batch_size, sample_weight=w))
    assert [isinstance(c.data.X, TurnedRows) for c in kept] == [False, True]  # type: ignore[union-attr]
    assert_same(*models, rtol=1e-10)


@with_and_without_bias
def test_turned_rows_are_rows_of_the_design_times_a_matrix(bias: bool) -> None:
    X = np.arange(12, dtype=np.float32).reshape(4, 3)
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((3 + bias, 3 + bias)))[0]
    rows = TurnedRows(X, Q, bias)
    assert (len(rows), rows.shape) == (4, (4, 3 + bias))
    for chosen in (slice(None), slice(1, 3), np.array([3, 0, 0])):
        expected = [[*x, 1.0][: 3 + bias] @ Q for x in X[chosen]]
        np.testing.assert_allclose(rows[chosen], expected, rtol=1e-13)
        assert rows[chosen].dtype == np.float64


@with_and_without_bias
def test_a_callback_sees_the_layers_as_they_are(bias: bool) -> None:
    X, Y, _ = problem(False)
    theirs, epochs = BALI((5, 4), bias=bias), []

    def look(model: BALI) -> None:
        theirs.step(X, Y)
        assert_same(model, theirs)
        assert model.weights[0].shape == (3 + bias, 5)
        epochs.append(model.steps)

    BALI((5, 4), bias=bias).fit(X, Y, epochs=6, callback=look)
    assert epochs == [1, 2, 3, 4, 5, 6]


def test_training_that_is_broken_off_keeps_what_it_has_learnt() -> None:
    X, Y, _ = problem(False)
    model = BALI((5, 4))

    def stop(model: BALI) -> None:
        if model.steps == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=6, callback=stop)
    assert_same(model, stepped(BALI((5, 4)), 3, weighted=False))


def test_nothing_is_turned_without_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y, _ = problem(False)
    model = BALI((5,)).fit(X, Y, epochs=2)
    before = [layer.state for layer in model.layers]

    def refuse(*_: Any) -> None:
        raise AssertionError("no coordinates are needed")

    monkeypatch.setattr(InputEigenbasis, "of", refuse)
    model.fit(X, Y, epochs=0)
    assert all(layer.state is state for layer, state in zip(model.layers, before, strict=True))
    BALI((5,)).fit([(X, Y)], epochs=2)  # nor of batches that come
    BALI(()).fit(X, Y, epochs=2)  # nor of a single Gaussian layer, which needs no steps


def test_coordinates_before_the_first_step_have_nothing_to_write_back() -> None:
    X, Y, _ = problem(False)
    model = BALI((5,)).fit(X, Y, epochs=0)
    state = model.layers[0].state
    rows = data.Data(X, Y, None)
    InputEigenbasis.of(model.network, model.layers, rows).write_back()
    assert model.layers[0].state is state


def test_the_network_in_them_is_the_network() -> None:
    """Outputs of every layer, from rows and weights that are turned."""
    X, Y, _ = problem(False)
    model = BALI((5, 4)).fit(X, Y, epochs=2)
    turned = InputEigenbasis.of(model.network, model.layers, data.Data(X, Y, None))
    ours = turned.network.forward(turned.means, turned.data.X)  # type: ignore[union-attr]
    theirs = model.network.forward(model.weights, X)
    for one, other in zip(ours.outputs, theirs.outputs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    assert turned.means[1] is model.weights[1], "the other layers are the model's own"


def test_a_step_touches_few_new_pages() -> None:
    """8-50-1 and 1,000 rows at once: arrays of a step lie where those of the last one lay."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 8))
    Y = np.sin(X[:, :1]) + 0.1 * rng.standard_normal((1000, 1))
    faults: list[int] = []
    BALI((50,)).fit(
        X,
        Y,
        epochs=60,
        callback=lambda _: faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt),
    )
    assert (faults[-1] - faults[9]) / 50 <= 10
