"""Kernel regressions made anew without each datum, as bordered linear systems."""

from __future__ import annotations

import numpy as np

from balinp._types import Array


def kernel(X: Array, c: float) -> Array:
    """exp(-d^2 / (2 n_in c^2)), d in units of the spread of all inputs."""
    spread = X.std(axis=0) @ X.std(axis=0) / X.shape[1]
    squares = ((X[:, None] - X) ** 2).sum(axis=2)
    return np.asarray(np.exp(-squares / spread / (2 * X.shape[1] * c**2)))


def refitted(K: Array, Y: Array, r: float) -> Array:
    """Errors at each datum of the regression with a constant on all others."""
    errors = []
    for n in range(len(Y)):
        others = np.arange(len(Y)) != n
        ones = np.ones((len(Y) - 1, 1))
        bordered = np.block([[K[others][:, others] + r * np.eye(len(Y) - 1), ones],
                             [ones.T, np.zeros((1, 1))]])  # fmt: skip
        a = np.linalg.solve(bordered, np.r_[Y[others], np.zeros((1, Y.shape[1]))])
        errors.append(Y[n] - np.r_[K[n, others], 1.0] @ a)
    return np.array(errors)
