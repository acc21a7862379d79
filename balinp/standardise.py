"""Standardised units for models, original units for everything that comes out.

Models see inputs, and regression targets, with mean 0 and standard deviation 1 on the training
data. With y = s * u + m for a target u in standardised units, a density transforms as
log p(y) = log p(u) - sum log s, which follows from mapping means by s * (.) + m and covariances
by diag(s) (.) diag(s); nothing else needs to be corrected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.predictive import GaussianPredictive


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each column of the training data, and the maps they give.

    A constant column has no spread to divide by: its standard deviation is taken as 1, so it
    becomes zero on the training data.

    Examples
    --------
    >>> scale = Scale.of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scale.to_standard(np.array([[4.0, 5.0]]))
    array([[2., 0.]])
    """

    mean: Array
    std: Array

    @classmethod
    def of(cls, training: Array, weights: Array | None = None) -> Scale:
        """The scale of training data (N, columns), with weights (N,) of the rows or without."""
        mean = np.average(training, axis=0, weights=weights)
        std = np.sqrt(np.average((training - mean) ** 2, axis=0, weights=weights))
        constant = training.min(axis=0) == training.max(axis=0)  # std may be off by rounding
        return cls(np.where(constant, training[0], mean), np.where(constant, 1.0, std))

    @classmethod
    def identity(cls, columns: int) -> Scale:
        """The scale that changes nothing."""
        return cls(np.zeros(columns), np.ones(columns))

    def to_standard(self, values: Array) -> Array:
        """(values - mean) / std."""
        return (values - self.mean) / self.std

    @property
    def squares(self) -> Array:
        """Factors s_i s_j (columns, columns) that take covariances to original units."""
        return np.outer(self.std, self.std)

    def to_original(self, predictive: GaussianPredictive) -> GaussianPredictive:
        """The same predictive distribution for targets in original units."""
        return predictive.rescaled(self.mean, self.std)
