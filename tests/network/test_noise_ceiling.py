"""What data left out say of the noise, and that training listens to it for a while.

References are regressions made anew without each datum, as bordered linear systems.
"""

from __future__ import annotations

import numpy as np
import pytest
from cases import assert_close
from refits import kernel, refitted
from scipy.stats import chi2

from balinp import BALI
from balinp._types import Array
from balinp.data import Data
from balinp.noise_ceiling import (
    CHANCE,
    LEAST_DATA,
    LENGTHS,
    MOST_DATA,
    PENALTIES,
    held,
    left_out,
    noise_ceiling,
    noise_ceiling_of,
)


def wave(rng: np.random.Generator, N: int, n_in: int = 1) -> tuple[Array, Array]:
    X = rng.normal(size=(N, n_in))
    return X, np.c_[np.sin(3 * X[:, 0]), X[:, 0] ** 2] + 0.1 * rng.normal(size=(N, 2))


@pytest.mark.equation("EV-13")
@pytest.mark.parametrize("c", LENGTHS[[0, 3, 7]])
def test_errors_are_those_of_regressions_without_the_datum(c: float, rng) -> None:
    X, Y = wave(rng, 12, 2)
    K = kernel(X, c)
    for r, errors in zip(PENALTIES, left_out(K, Y), strict=True):
        # The wider kernels are singular to rounding but for the penalty of 1e-4.
        assert_close(errors, refitted(K, Y, r), rtol=1e-9)


@pytest.mark.equation("EV-13", "LR-6")
def test_the_ceiling_is_the_smallest_mean_square_over_a_quantile(rng) -> None:
    X, Y = wave(rng, 15, 3)
    w = rng.uniform(0.1, 2.0, 15)
    means = [w @ refitted(kernel(X, c), Y, r) ** 2 / w.sum() for c in LENGTHS for r in PENALTIES]
    expected = np.min(means, axis=0) * 15 / chi2.ppf(CHANCE, 15)
    assert_close(noise_ceiling(X, Y, w), expected, rtol=1e-9)
    assert_close(noise_ceiling(2.0**600 * X, Y, w), expected, rtol=1e-9)
    assert_close(noise_ceiling(X, Y * [1.0, 1e-3], w), expected * [1.0, 1e-6], rtol=1e-9)


@pytest.mark.equation("EV-13", "LR-6")
def test_copies_are_left_out_together(rng) -> None:
    X, Y = wave(rng, 12)
    w = np.array([1.0, 2, 3, 1, 0, 1, 2, 0, 1, 1, 4, 1])
    rows = rng.permutation(np.repeat(np.arange(12), w.astype(int)))
    expected = noise_ceiling(X[w > 0], Y[w > 0], w[w > 0])
    np.testing.assert_array_equal(noise_ceiling(X, Y, w), expected)
    np.testing.assert_array_equal(noise_ceiling(X[rows], Y[rows], None), expected)


@pytest.mark.equation("EV-13")
@pytest.mark.parametrize("N", [0, 1, LEAST_DATA - 1])
def test_of_few_data_nothing_is_said(N: int, rng) -> None:
    X, Y = wave(rng, N)
    assert (noise_ceiling(X, Y, None) == np.inf).all()
    X, Y = np.repeat(X, 11, axis=0), np.repeat(Y, 11, axis=0)
    assert (noise_ceiling(X, Y, None) == np.inf).all(), "copies are no further data"


@pytest.mark.equation("EV-13")
def test_of_equal_inputs_nothing_is_said(rng) -> None:
    for N in (LEAST_DATA - 1, LEAST_DATA):
        ceiling = noise_ceiling(np.full((N, 2), 0.1), rng.normal(size=(N, 3)), None)
        np.testing.assert_array_equal(ceiling, np.full(3, np.inf))


@pytest.mark.equation("EV-13")
def test_many_data_are_looked_at_in_part(rng) -> None:
    X, Y = wave(rng, 2 * MOST_DATA)
    chosen = np.sort(np.random.default_rng(0).choice(len(X), MOST_DATA, replace=False))
    found = noise_ceiling_of(Data(X, Y, None).whole)
    np.testing.assert_array_equal(found, noise_ceiling(X[chosen], Y[chosen], None))
    assert (0.01 < found).all(), "that is the noise"
    assert (found < 0.03).all()


@pytest.mark.equation("EV-13")
def test_variances_are_held_and_correlations_stay(rng) -> None:
    root = rng.normal(size=(3, 5))
    V, before, ceiling = root @ root.T, np.diag([1e9, 0.1, 0.1]), np.array([1.0, 1e9, 0.5])
    expected = V.copy()  # the first is above its ceiling already, the second below it
    expected[2, 2] = 0.5
    expected[2, :2] = expected[:2, 2] = V[2, :2] * np.sqrt(0.5 / V[2, 2])
    assert_close(held(V, before, ceiling), expected)


@pytest.mark.equation("EV-8", "EV-13")
@pytest.mark.parametrize("batch_size", [None, 30])
def test_noise_rises_above_the_ceiling_in_the_second_half_alone(batch_size, rng) -> None:
    """A network of one unit cannot learn the wave."""
    x = np.sort(rng.uniform(-2, 2, (60, 1)), axis=0)
    y, variances = np.sin(6 * x) + 0.2 * rng.normal(size=(60, 1)), []

    def note(model: BALI) -> None:
        (v,) = model.likelihood.covariance(1).ravel()
        variances.append(float(v))

    model = BALI((1,)).fit(x, y, epochs=60, batch_size=batch_size, callback=note)
    (ceiling,) = noise_ceiling(x, y, None)
    assert 0.02 < ceiling < 0.1
    assert max(variances[:30]) == pytest.approx(ceiling, rel=1e-12)
    assert max(variances[30:]) > 3 * ceiling
    assert model.hyper.ceiling is None, "it is of the data of one fit"
    assert model.hyper.held_steps == 0


@pytest.mark.equation("EV-13")
def test_what_stays_below_the_ceiling_is_as_without(rng, monkeypatch) -> None:
    x = rng.normal(size=(80, 1))
    y = np.abs(x) + 0.3 * rng.normal(size=(80, 1))
    as_it_is = BALI((10,)).fit(x, y, epochs=30)
    monkeypatch.setattr("balinp.hyper_parameters.HELD_SHARE", 0.0)
    without = BALI((10,)).fit(x, y, epochs=30)
    assert as_it_is.likelihood.noise_variance == without.likelihood.noise_variance
    for W, expected in zip(as_it_is.weights, without.weights, strict=True):
        np.testing.assert_array_equal(W, expected)


@pytest.mark.equation("EV-13")
def test_a_step_and_a_stream_know_no_ceiling(rng) -> None:
    x = np.linspace(-2, 2, 60)[:, None]
    y = np.sin(6 * x)
    batches = [(x[i::3], y[i::3]) for i in range(3)]
    for model in (BALI((1,)).fit(batches, epochs=30), BALI((1,))):
        for _ in range(60):
            model.step(x, y)
        assert model.likelihood.noise_variance > 10 * noise_ceiling(x, y, None)
