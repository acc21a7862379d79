"""A likelihood averaged over outputs that are uncertain because the weights are.

About its posterior means the network is, to first order, linear in its weights, and then its
outputs are Gaussian. What a datum says to the weights is the gradient of the expected
log-likelihood, and how sharply it says it is the expected curvature. For a Gaussian likelihood
both are those at the mean, so that there is nothing to average.
"""

from __future__ import annotations

import numpy as np

from balinp._types import Array
from balinp.likelihood import DatumLikelihood
from balinp.semidefinite import semidefinite_rows
from balinp.softmax import Softmax, label_covariance


class Expected(DatumLikelihood):
    """Average of a likelihood's terms over outputs f + xi, for fixed deviations xi.

    With xi drawn from what the layers' posteriors make of the outputs this is the expected
    log-likelihood; since the draws are fixed, the averages are smooth functions of f, and
    gradients and curvatures belong to one and the same function.

    Derivation: FP-2

    Parameters
    ----------
    likelihood : DatumLikelihood
        What to average; a `balinp.likelihood.Likelihood`.
    deviations : array
        (m, B, K) array xi, m draws for each datum of the batch.

    Attributes
    ----------
    likelihood : DatumLikelihood
        Likelihood whose density is averaged.
    deviations : array
        Of the outputs from their means.

    Examples
    --------
    A sure answer becomes less sure:

    >>> from balinp.likelihood import Categorical
    >>> f, Y = np.array([[4.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> Categorical().gradient(Y, f).round(3)
    array([[-0.982,  0.982]])
    >>> e = np.array([[[2.0, -2.0]], [[-2.0, 2.0]]])
    >>> Expected(Categorical(), e).gradient(Y, f).round(3)
    array([[-0.75,  0.75]])
    """

    def __init__(self, likelihood: DatumLikelihood, deviations: Array) -> None:
        self.likelihood = likelihood
        self.deviations = deviations

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.likelihood!r}, draws={len(self.deviations)})"

    def log_density(self, Y: Array, f: Array) -> Array:
        """E log p(y_n | f_n + xi_n), shape (B,)."""
        return self._average(self.likelihood.log_density(self._repeated(Y), self._deviated(f)))

    def gradient(self, Y: Array, f: Array) -> Array:
        """Its gradient with respect to f_n: the expected gradient, shape (B, K)."""
        return self._average(self.likelihood.gradient(self._repeated(Y), self._deviated(f)))

    def curvature_rows(self, f: Array) -> Array:
        """Rows of a root S_n^T of the expected curvature: (B, K, K)."""
        B, K = f.shape
        rows = self.likelihood.curvature_rows(self._deviated(f))
        stacked = rows.reshape(-1, B, rows.shape[1], K).swapaxes(0, 1).reshape(B, -1, K)
        return semidefinite_rows(np.swapaxes(stacked, 1, 2) @ stacked / len(self.deviations))

    def known_precision(self, K: int) -> Array | None:
        """The likelihood's own: a curvature that is the same everywhere is its average."""
        return self.likelihood.known_precision(K)

    def _deviated(self, f: Array) -> Array:
        return (f + self.deviations).reshape(-1, f.shape[1])

    def _repeated(self, Y: Array) -> Array:
        return np.broadcast_to(Y, self.deviations.shape).reshape(-1, Y.shape[1])

    def _average(self, values: Array) -> Array:
        draws, B = self.deviations.shape[:2]
        return np.asarray(values.reshape(draws, B, *values.shape[1:]).mean(axis=0))


class ExpectedClasses(Expected):
    """The same for classes: from the mean of the curvatures, which has one dimension less.

    Written apart, since one softmax is then enough for all that is asked at the same outputs.

    Derivation: FP-2
    """

    def __init__(self, likelihood: DatumLikelihood, deviations: Array) -> None:
        super().__init__(likelihood, deviations)
        self._classes_first = np.ascontiguousarray(deviations.transpose(2, 0, 1))
        self._last: tuple[Array, Softmax] | None = None

    def log_density(self, Y: Array, f: Array) -> Array:
        """E log p(y_n | f_n + xi_n), shape (B,)."""
        return np.asarray(self._softmax(f).log_density(Y).mean(axis=0))

    def gradient(self, Y: Array, f: Array) -> Array:
        """The expected gradient y_n - E p_n, shape (B, K)."""
        return Y - self._softmax(f).first.mean(axis=1).T

    def curvature_rows(self, f: Array) -> Array:
        """Rows of a root S_n^T of the expected curvature: (B, K - 1, K).

        What is common to all logits has no curvature.
        """
        p = np.ascontiguousarray(self._softmax(f).first.transpose(2, 0, 1))
        curvature = label_covariance(p @ np.swapaxes(p, 1, 2) / len(self.deviations))
        return semidefinite_rows(curvature, rank=max(1, f.shape[1] - 1))

    def _softmax(self, f: Array) -> Softmax:
        """Probabilities at f + xi; a step asks several times at the same outputs."""
        if self._last is None or self._last[0] is not f:
            self._last = f, Softmax.of_classes_first(f.T[:, None] + self._classes_first)
        return self._last[1]


class ExpectedLabels(ExpectedClasses):
    """The same for many classes: the curvature is that of labels drawn from the model.

    Derivation: BP-5

    Parameters
    ----------
    likelihood, deviations : DatumLikelihood and array
        As for `Expected`.
    label_draws : array
        (L, B) array of uniform draws from [0, 1), for L labels a datum.
    """

    def __init__(self, likelihood: DatumLikelihood, deviations: Array, label_draws: Array) -> None:
        super().__init__(likelihood, deviations)
        self.label_draws = label_draws

    def curvature_rows(self, f: Array) -> Array:
        """Rows (y - p)^T / sqrt L (B, L, K), with labels y drawn from p at outputs f + xi.

        A label is the class at which the cumulated probabilities pass a uniform draw. Draws of xi
        take turns.

        Derivation: BP-5
        """
        L, B = self.label_draws.shape
        p = self._softmax(f).first[:, np.arange(L) % len(self.deviations)]
        labels = (np.cumsum(p[:-1], axis=0) <= self.label_draws).sum(axis=0)
        rows = -np.moveaxis(p, 0, 2)
        rows[np.arange(L)[:, None], np.arange(B), labels] += 1.0
        return np.swapaxes(rows, 0, 1) / np.sqrt(L)
