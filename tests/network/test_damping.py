"""Damped regressions: their changes, when they are damped, and what that is good for."""

from __future__ import annotations

import numpy as np
import pytest

from balinp import BALI, Categorical
from balinp.damping import LARGEST_DAMPING, LEAST_DAMPING, Spectral, next_damping
from balinp.natural_parameters import Factors
from balinp.priors import PRIORS
from balinp.spectral import decompose

RTOL = 1e-10


def factors(rng: np.random.Generator, D: int, K: int) -> tuple[Factors, np.ndarray]:
    """Factors of 7 data, and the dense precision that they give to the weights."""
    A, H = (B @ B.T / n for B, n in ((rng.standard_normal((n, n)), n) for n in (D, K)))
    spectra = decompose(A, "A"), decompose(H, "H")
    return Factors(A, H, *spectra, 7.0), np.kron(H, 7.0 * A)


@pytest.mark.equation("JS-5", "KR-3")
@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("damping", [0.0, 1e-4, 0.3, 10.0])
def test_a_damped_change_is_that_of_the_dense_sum_of_precisions(name, damping, rng):
    D, K, lam = 4, 3, 0.8
    found, likelihood = factors(rng, D, K)
    prior = PRIORS[name](lam)
    Lam0 = lam * np.kron(found.H if prior.follows_noise else np.eye(K), np.eye(D))
    right = rng.standard_normal((D, K))
    change, kept = Spectral(damping).solved(right, found, prior)
    P = likelihood + Lam0 + damping * np.trace(likelihood) / (D * K) * np.eye(D * K)
    expected = np.linalg.solve(P, right.ravel(order="F")).reshape(D, K, order="F")
    np.testing.assert_allclose(change, expected, rtol=RTOL, atol=RTOL * np.abs(expected).max())
    assert kept is found, "the posterior is not damped"


@pytest.mark.equation("JS-5")
def test_damping_doubles_where_promises_break_and_halves_where_they_are_kept():
    damping, kept = 0.0, []
    for ratio in [1.0, 0.5, 0.2, 0.0, -3.0, 0.5, 0.8, 0.74, 0.26]:
        damping = next_damping(damping, ratio)
        kept.append(damping / LEAST_DAMPING)
    assert kept == [0, 0, 1, 2, 4, 4, 2, 2, 2]
    for _ in range(60):
        damping = next_damping(damping, 0.1)
    assert damping == LARGEST_DAMPING
    for _ in range(60):
        damping = next_damping(damping, 1.0)
    assert damping == 0.0


def wave(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X = rng.uniform(-1.7, 1.7, (60, 1))
    return X, np.sin(4 * X) + 0.05 * rng.standard_normal((60, 1))


@pytest.mark.equation("JS-5")
def test_a_broken_promise_damps_the_next_step_of_a_network(rng):
    X, Y = wave(rng)
    model = BALI((20,), noise_variance=0.01, prior_precision=1.0, seed=1)
    before = 0.0
    for _ in range(30):
        record = model.step(X, Y)
        assert model.damping == next_damping(before, record.gain_ratio)
        before = model.damping
    assert before > 0, "the case is one in which steps are damped"
    damped = BALI((20,), noise_variance=0.01, prior_precision=1.0, seed=1).fit(X, Y, epochs=30)
    undamped = BALI((20,), noise_variance=0.01, prior_precision=1.0, seed=1)
    for _ in range(30):
        undamped.step(X, Y)
        undamped.damping = 0.0
    assert damped.history[-1].log_joint > undamped.history[-1].log_joint + 10


def test_batches_classes_and_single_layers_are_not_damped(rng):
    X, Y = wave(rng)
    classes = np.hstack([Y > 0, Y <= 0]).astype(float)
    assert BALI((20,), noise_variance=0.01).fit(X, Y, epochs=5, batch_size=20).damping == 0
    assert BALI((20,), Categorical()).fit(X, classes, epochs=20).damping == 0
    assert BALI((), noise_variance=0.01).fit(X, Y, epochs=5).damping == 0


def test_training_goes_on_as_damped_as_it_was_saved(tmp_path, rng):
    X, Y = wave(rng)
    model = BALI((20,), noise_variance=0.01, prior_precision=1.0, seed=1)
    while model.damping == 0:
        model.step(X, Y)
    model.save(tmp_path / "model.npz")
    other = BALI.load(tmp_path / "model.npz")
    assert other.damping == model.damping
    for one in (model, other):
        one.fit(X, Y, epochs=3)
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, two)
