"""What training and prediction ask of a likelihood: density, gradient, curvature root, and more.

A likelihood is anything with the methods of `Likelihood`; a class derived from it inherits the last
four. Sums over data are left to the caller, so nothing here is divided by a number of data.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

import numpy as np

from balinp._types import Array
from balinp.predictive import OutputPredictive


class DatumLikelihood(Protocol):
    """What a training step asks about each datum, at outputs f (B, K).

    Derivation: BP-4
    """

    @abstractmethod
    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p(y_n | f_n), shape (B,), normalised, in nats."""

    @abstractmethod
    def gradient(self, Y: Array, f: Array) -> Array:
        """Gradient of log p(y_n | f_n) with respect to f_n, shape (B, K)."""

    @abstractmethod
    def curvature_rows(self, f: Array) -> Array:
        """Rows of S_n^T (B, C, K), with S_n S_n^T = -d^2 log p / df^2 or its expectation."""

    def known_precision(self, K: int) -> Array | None:
        """Output precision (K, K) if it is the same for all f and exact, else None."""
        return None


class Likelihood(DatumLikelihood, Protocol):
    """What the training path and the prediction need of a likelihood.

    The network has as many outputs as the targets that `check_targets` returns have columns. The
    curvature must be positive semi-definite. A class of one's own that is derived from this one
    needs the first four methods; the others then say that all outputs matter, and that nothing is
    known of the curvature but what it is where it is asked for.

    Derivation: BP-4, FP-2

    Examples
    --------
    Counts, with the logarithm of their rate as the output:

    >>> from scipy.special import gammaln
    >>> from balinp.validation import as_matrix
    >>> class Poisson(Likelihood):
    ...     def check_targets(self, Y, rows, columns=None):
    ...         return as_matrix(Y, "Y", rows=rows, columns=columns)
    ...     def log_density(self, Y, f):
    ...         return (Y * f - np.exp(f) - gammaln(Y + 1)).sum(axis=1)
    ...     def gradient(self, Y, f):
    ...         return Y - np.exp(f)
    ...     def curvature_rows(self, f):
    ...         return np.exp(f / 2)[:, :, None] * np.eye(f.shape[1])
    >>> from balinp import BALI
    >>> X = np.linspace(-1, 1, 100)[:, None]
    >>> Y = np.random.default_rng(0).poisson(np.exp(2 * X))
    >>> model = BALI((), Poisson()).fit(X, Y, epochs=20)
    >>> predictive = model.predict([[0.0]])
    >>> bool(abs(predictive.output_mean[0, 0]) < 3 * predictive.output_std[0, 0])
    True
    >>> predictive.logpdf([[1.0]]).round(1)
    array([-1.])
    """

    @abstractmethod
    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) validated, or raise naming what is wrong."""

    def largest_curvature_rows(self, K: int) -> Array | None:
        """Rows (C, K) of an S^T whose S S^T bounds the curvature at any K outputs whatever.

        None, where there is no such bound, or the curvature is the same everywhere: steps are
        then measured by the local one.
        """
        return None

    def combinations(self, K: int) -> Array:
        """Orthonormal rows (C, K): the combinations of the outputs that the density depends on."""
        return np.eye(K)

    def predictive(self, f: Array, covariance: Array | None = None) -> Any:
        """What `BALI.predict` returns for uncertain outputs.

        Parameters
        ----------
        f : array
            (B, K) means of Gaussian outputs; without a covariance (m, B, K) draws of outputs.
        covariance : array, optional
            (B, K, K) array; what the density does not depend on is left out of it.
        """
        return OutputPredictive(self, f, covariance)
