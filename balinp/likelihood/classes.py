"""The likelihoods of labels: one class of several, or several answers, yes or no."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, log_expit

from balinp._types import Array
from balinp.likelihood.protocol import Likelihood
from balinp.predictive import BernoulliPredictive, CategoricalPredictive
from balinp.softmax import Softmax, contrasts, orthonormal_contrasts
from balinp.validation import as_matrix, as_one_hot


class Categorical(Likelihood):
    """One-hot y with class probabilities softmax(f).

    Derivation: BP-4

    Examples
    --------
    >>> Categorical().gradient(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
    array([[ 0.5, -0.5]])
    """

    def __repr__(self) -> str:
        return "Categorical()"

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) as a one-hot matrix.

        Examples
        --------
        >>> Categorical().check_targets([[0, 1], [1, 0]], rows=2)
        array([[0., 1.],
               [1., 0.]])
        """
        return as_one_hot(Y, "Y", rows=rows, columns=columns)

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p of the true class, shape (B,).

        Examples
        --------
        >>> np.exp(Categorical().log_density(np.eye(2), np.zeros((2, 2))))
        array([0.5, 0.5])
        """
        return Softmax(f).log_density(Y)

    def gradient(self, Y: Array, f: Array) -> Array:
        """y_n - p_n, shape (B, K).

        Examples
        --------
        >>> Categorical().gradient(np.array([[0.0, 1.0]]), np.zeros((1, 2)))
        array([[-0.5,  0.5]])
        """
        return Y - Softmax(f).probabilities

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S^T for S = diag(sqrt p) - p sqrt(p)^T, so that S S^T = diag(p) - p p^T.

        Row c is sqrt(p_c) (e_c - p). Shape (B, K, K).

        Examples
        --------
        >>> rows = Categorical().curvature_rows(np.zeros((1, 2)))
        >>> (np.swapaxes(rows, 1, 2) @ rows).round(3)
        array([[[ 0.25, -0.25],
                [-0.25,  0.25]]])
        """
        p = Softmax(f).probabilities
        return np.sqrt(p)[:, :, None] * (np.eye(f.shape[1]) - p[:, None, :])

    def largest_curvature_rows(self, K: int) -> Array:
        """(I - 1 1^T / K) / sqrt 2: no eigenvalue of diag(p) - p p^T exceeds 1/2.

        Where the softmax is saturated the local curvature vanishes and says nothing about how
        far its quadratic can be believed; this bound does.
        """
        return contrasts(K) / np.sqrt(2.0)

    def combinations(self, K: int) -> Array:
        """Differences of logits: a shift that is common to all changes no probability."""
        return orthonormal_contrasts(K)

    def predictive(self, f: Array, covariance: Array | None = None) -> CategoricalPredictive:
        """Class probabilities under uncertain logits.

        Examples
        --------
        >>> Categorical().predictive(np.zeros((1, 2)), np.eye(2)[None]).probabilities.round(6)
        array([[0.5, 0.5]])
        """
        if covariance is None:
            return CategoricalPredictive.from_samples(f)
        return CategoricalPredictive.from_gaussian(f, covariance)


class Bernoulli(Likelihood):
    """Answers y_k, each 0 or 1, with probabilities sigmoid(f_k): several labels of one datum.

    Given the outputs the answers are independent. What they have in common is in the network, and
    in what is uncertain of its weights.

    Derivation: BP-4

    Examples
    --------
    >>> Bernoulli().gradient(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
    array([[ 0.5, -0.5]])
    """

    def __repr__(self) -> str:
        return "Bernoulli()"

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) as a matrix of zeros and ones."""
        Y = as_matrix(Y, "Y", rows=rows, columns=columns)
        wrong = Y[(Y != 0) & (Y != 1)]
        if wrong.size:
            raise ValueError(f"Y: expected zeros and ones, got {wrong[0]:.6g}")
        return Y

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p of all answers, shape (B,)."""
        return log_expit(np.where(Y == 1, f, -f)).sum(axis=1)

    def gradient(self, Y: Array, f: Array) -> Array:
        """y_n - p_n, shape (B, K)."""
        return Y - expit(f)

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S^T = diag(sqrt(p (1 - p))), shape (B, K, K)."""
        return np.sqrt(expit(f) * expit(-f))[:, :, None] * np.eye(f.shape[1])

    def largest_curvature_rows(self, K: int) -> Array:
        """I / 2: no p (1 - p) exceeds 1/4."""
        return np.eye(K) / 2

    def predictive(self, f: Array, covariance: Array | None = None) -> BernoulliPredictive:
        """Probabilities of the answers under uncertain logits."""
        return BernoulliPredictive(self, f, covariance)
