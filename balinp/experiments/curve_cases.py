"""Generated regressions of one to three inputs: smooth, sharp, wiggly, sparse, and pure noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from balinp._types import Array

TEST_ROWS = 500
"""Inputs at which predictions are compared with the truth."""


class Curve(NamedTuple):
    """A function, where its inputs lie, and the data drawn from it.

    Attributes
    ----------
    name : str
        What tables call it.
    function : callable
        Maps inputs (B, n_in) to the noiseless truth (B,).
    ends : tuple of float
        Low and high end of the interval that every input is uniform on.
    n_in : int
        Number of inputs.
    rows : int
        Number of training data.
    noise : float
        Standard deviation of the noise, in units of the targets.
    """

    name: str
    function: Callable[[Array], Array]
    ends: tuple[float, float]
    n_in: int
    rows: int
    noise: float

    @property
    def is_noise(self) -> bool:
        """Whether there is nothing to learn: the targets do not depend on the inputs."""
        return self.function is nothing


class Sample(NamedTuple):
    """Training data of a curve, and test inputs with the truth and noisy targets there.

    Attributes
    ----------
    X, Y : array
        (N, n_in) and (N, 1) arrays to train on.
    X_test, truth, Y_test : array
        (TEST_ROWS, n_in) inputs and (TEST_ROWS, 1) truth without and with noise.
    """

    X: Array
    Y: Array
    X_test: Array
    truth: Array
    Y_test: Array


def drawn(curve: Curve, seed: int) -> Sample:
    """Data of a curve, the same for the same seed.

    Examples
    --------
    >>> sample = drawn(CURVES[0], seed=0)
    >>> sample.X.shape, sample.Y_test.shape
    ((100, 1), (500, 1))
    """
    rng = np.random.default_rng([seed, sum(curve.name.encode())])
    low, high = curve.ends
    X = rng.uniform(low, high, (curve.rows + TEST_ROWS, curve.n_in))
    truth = curve.function(X)[:, None]
    Y = truth + curve.noise * rng.standard_normal(truth.shape)
    N = curve.rows
    return Sample(X[:N], Y[:N], X[N:], truth[N:], Y[N:])


def nothing(X: Array) -> Array:
    """The function 0."""
    return np.zeros(len(X))


def _norm(X: Array) -> Array:
    return np.asarray(np.sqrt((X**2).sum(axis=1)))


def _trend(X: Array) -> Array:
    return np.asarray(np.sin(np.pi * X[:, 0]) + 0.3 * X[:, 0])


CURVES = (
    Curve("sin 1.5x", lambda X: np.sin(1.5 * X[:, 0]), (-3, 3), 1, 100, 0.05),
    Curve("sin 2.5x", lambda X: np.sin(2.5 * X[:, 0]), (-3, 3), 1, 100, 0.05),
    Curve("sin 4x", lambda X: np.sin(4 * X[:, 0]), (-3, 3), 1, 100, 0.05),
    Curve("sinc 2x", lambda X: np.sinc(2 * X[:, 0]), (-3, 3), 1, 100, 0.05),
    Curve("exp(-8x^2)", lambda X: np.exp(-8 * X[:, 0] ** 2), (-3, 3), 1, 100, 0.05),
    Curve("abs x", lambda X: np.abs(X[:, 0]), (-3, 3), 1, 100, 0.05),
    Curve("sin 2 pi x", lambda X: np.sin(2 * np.pi * X[:, 0]), (0, 1), 1, 30, 0.1),
    Curve("sin x, long", lambda X: np.sin(X[:, 0]), (0, 10), 1, 60, 0.1),
    Curve("x sin x", lambda X: X[:, 0] * np.sin(X[:, 0]), (0, 10), 1, 50, 0.5),
    Curve("tanh 8x", lambda X: np.tanh(8 * X[:, 0]), (-1, 1), 1, 60, 0.2),
    Curve("x^3", lambda X: X[:, 0] ** 3, (-1.5, 1.5), 1, 40, 0.3),
    Curve("damped wave", lambda X: np.exp(-X[:, 0]) * np.cos(5 * X[:, 0]), (0, 4), 1, 120, 0.02),
    Curve("line", lambda X: X[:, 0], (-1.7, 1.7), 1, 30, 0.5),
    Curve("sin 2x, sharp", lambda X: np.sin(2 * X[:, 0]), (-3, 3), 1, 30, 0.01),
    Curve("x1 x2", lambda X: X[:, 0] * X[:, 1], (-2, 2), 2, 100, 0.1),
    Curve("x1^2 - x2^2", lambda X: X[:, 0] ** 2 - X[:, 1] ** 2, (-1, 1), 2, 60, 0.1),
    Curve("cos 2|x|", lambda X: np.cos(2 * _norm(X)), (-2, 2), 2, 200, 0.05),
    Curve("sin + cos", lambda X: np.sin(2 * X[:, 0]) + np.cos(2 * X[:, 1]), (-2, 2), 2, 150, 0.1),
    Curve("exp(-2|x|^2)", lambda X: np.exp(-2 * _norm(X) ** 2), (-2, 2), 2, 300, 0.01),
    Curve("one of three", lambda X: np.sin(3 * X[:, 0]), (-2, 2), 3, 150, 0.1),
    Curve("x1 x2 x3", lambda X: X[:, 0] * X[:, 1] * X[:, 2], (-1.5, 1.5), 3, 300, 0.05),
    Curve(
        "wave of a product",
        lambda X: np.sin(np.pi * X[:, 0] * X[:, 1]) + 2 * (X[:, 2] - 0.5) ** 2,
        (0, 1), 3, 200, 0.1,
    ),
    Curve("trend, 5 periods", _trend, (0, 10), 1, 120, 0.1),
    Curve("sin x, 8 periods", lambda X: np.sin(X[:, 0]), (0, 50), 1, 300, 0.1),
    Curve("square wave", lambda X: np.floor(X[:, 0]) % 2, (0, 10), 1, 150, 0.1),
    Curve("noise, 1 input", nothing, (-1, 1), 1, 100, 1.0),
    Curve("noise, 2 inputs", nothing, (-1, 1), 2, 30, 1.0),
    Curve("noise, 3 inputs", nothing, (-1, 1), 3, 300, 1.0),
)  # fmt: skip
"""25 functions and three times nothing but noise."""
