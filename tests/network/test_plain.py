"""The whole method, dense and in one file, against the package: every step of a training."""

from __future__ import annotations

import numpy as np
import pytest

from balinp import BALI, Gaussian, plain

STEPS = 40
RELATIVE = 1e-9
"""Largest relative difference after so many steps: rounding that training carries on and
amplifies; single steps agree to 1e-12."""


def data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """60 data of 3 inputs and 2 outputs whose noise is correlated, and its covariance."""
    V = np.array([[0.04, 0.01], [0.01, 0.09]])
    X = rng.standard_normal((60, 3))
    f = np.stack([np.sin(X[:, 0] + X[:, 1]), X[:, 2] ** 2 - 1], axis=1)
    return X, f + rng.standard_normal((60, 2)) @ np.linalg.cholesky(V).T, V


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / np.abs(other).max())


@pytest.mark.equation(
    "BP-1", "BP-2", "BP-3", "BP-4", "PT-1", "PT-2", "PT-3", "PT-4", "PT-5", "LR-1", "LR-3",
    "NP-1", "NP-2", "NP-4", "JS-1", "JS-2", "JS-3", "JS-4", "JS-5", "PR-1",
    "MN-8", "KR-1", "KR-2", "KR-3",
)  # fmt: skip
@pytest.mark.parametrize("batch", [15, 60], ids=["batches", "full batches"])
@pytest.mark.parametrize("hidden", [(6,), (6, 5)], ids=str)
@pytest.mark.parametrize("noise", [1.0, 0.1], ids=["noise", "little noise"])
def test_every_step_is_that_of_the_plain_method(noise, hidden, batch, rng):
    X, Y, V = data(rng)
    V, damped = noise * V, False
    seed = 4 if noise == 1 else len(hidden) * 2 - 1  # starts that break promises, and so damp
    options = {"activation": "tanh", "prior_precision": 1.5, "seed": seed}
    model = BALI(hidden, Gaussian(V), **options)
    order = rng.permutation(60)
    memories, weights = [None] * (len(hidden) + 1), None
    for t in range(STEPS):
        rows = order[(batch * t) % 60 :][:batch]
        rate = max(0.2, 1 / np.sqrt(t + 1))
        if weights is None:
            start = BALI(hidden, Gaussian(V), **options).fit(X[rows], Y[rows], epochs=0)
            weights = [W.copy() for W in start.weights]
        model.step(X[rows], Y[rows], n_data=60, rate=rate)
        damped |= model.damping > 0
        weights, memories, precisions = plain.step(
            weights, memories, X[rows], Y[rows], V, 60, 1.5, rate
        )
        for ours, theirs in zip(model.weights, weights, strict=True):
            assert difference(ours, theirs) < RELATIVE, t
    assert damped == (batch == 60 and noise < 1)
    mean, covariance = plain.predict(weights, precisions, X[:7] + 0.5, V)
    predictive = model.predict(X[:7] + 0.5)
    assert difference(predictive.mean, mean) < RELATIVE
    assert difference(predictive.covariance, covariance) < RELATIVE
