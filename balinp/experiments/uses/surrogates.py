"""Models of a function that say how sure they are of it: BALI's network and a Gaussian process."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np

from balinp._types import Array
from balinp.predictive import GaussianPredictive

EPOCHS = 100
"""Passes of BALI's training, a quarter of the estimator's: it is trained anew at every choice."""

LITTLE = 1e-4
"""Share of the variance of y that is noise, where there is said to be next to none."""

LEAST_VARIANCE = 1e-18
"""Below what a rounding leaves of a variance."""


class Surrogate(Protocol):
    """What data are chosen by."""

    def predictive(self, X: Array) -> GaussianPredictive:
        """Predictive of noisy targets at X (B, n_in); its epistemic part is the function's."""

    def between_rows(self, X: Array) -> Array:
        """Covariance (B, B) of the function at the rows of X."""


class Network:
    """`BALIRegressor` trained on X (N, n_in) and y (N,); it learns the noise."""

    def __init__(self, X: Array, y: Array, seed: int, noise: float | None = None) -> None:
        from balinp import BALIRegressor

        self.model = BALIRegressor(epochs=EPOCHS, noise_variance=noise, random_state=seed)
        self.model.fit(X, y)

    def predictive(self, X: Array) -> GaussianPredictive:
        """Predictive of noisy targets at X (B, n_in)."""
        return self.model.predict_distribution(X)

    def between_rows(self, X: Array) -> Array:
        """Covariance (B, B) of the function at the rows of X."""
        return self.model.between_rows(X)


class ExactNetwork(Network):
    """The same, told that there is next to no noise: `LITTLE` of the variance of y."""

    def __init__(self, X: Array, y: Array, seed: int) -> None:
        super().__init__(X, y, seed, LITTLE * float(y.var()))


class GaussianProcess:
    """A Gaussian process of scikit-learn: Matern 5/2, a length scale an input, evidence maximised.

    Source: Snoek, Larochelle and Adams (2012), Practical Bayesian optimization of machine learning
    algorithms, for the kernel.
    """

    def __init__(self, X: Array, y: Array, seed: int) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        self.centre, self.unit = X.mean(axis=0), X.std(axis=0)
        scales = np.ones(X.shape[1])
        kernel = ConstantKernel() * Matern(scales, (1e-2, 1e3), nu=2.5) + WhiteKernel(
            1e-2, (1e-8, 10.0)
        )
        self.model: Any = GaussianProcessRegressor(kernel, normalize_y=True)
        with warnings.catch_warnings():  # an input that does not matter goes to the bound
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit((X - self.centre) / self.unit, y)
        self.noise = float(self.model.kernel_.k2.noise_level * y.var())

    def predictive(self, X: Array) -> GaussianPredictive:
        """Predictive of noisy targets at X (B, n_in)."""
        mean, std = self.model.predict((X - self.centre) / self.unit, return_std=True)
        epistemic = np.maximum(std**2 - self.noise, LEAST_VARIANCE)
        return GaussianPredictive(mean[:, None], epistemic[:, None, None], np.eye(1) * self.noise)

    def between_rows(self, X: Array) -> Array:
        """Covariance (B, B) of the function at the rows of X."""
        _, covariance = self.model.predict((X - self.centre) / self.unit, return_cov=True)
        return np.asarray(covariance - self.noise * np.eye(len(X)))
