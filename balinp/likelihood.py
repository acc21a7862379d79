"""Likelihoods of one datum given the network's outputs f: density, gradient, curvature root.

A likelihood is anything with the methods of `Likelihood`. Sums over data are left to the caller,
so nothing here is divided by a number of data.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy.linalg import helmert
from scipy.linalg.lapack import dtrtri
from scipy.special import log_softmax, softmax

from balinp._types import Array
from balinp.validation import as_array, as_covariance, as_matrix, as_one_hot


class Likelihood(Protocol):
    """What the training path and the prediction need of a likelihood."""

    def check_targets(self, Y: Any, rows: int, columns: int | None) -> Array:
        """Return Y (B, K) validated, or raise naming what is wrong."""

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p(y_n | f_n), shape (B,), normalised, in nats."""

    def gradient(self, Y: Array, f: Array) -> Array:
        """D log p(y_n | f_n) / d f_n, shape (B, K)."""

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S_n^T (B, C, K), with S_n S_n^T = -d^2 log p / df^2 or its expectation."""

    def largest_curvature_rows(self, K: int) -> Array:
        """Rows (C, K) of an S^T whose S S^T bounds the curvature at any K outputs whatever."""

    def known_precision(self, K: int) -> Array | None:
        """Output precision (K, K) if it is the same for all f and exact, else None."""


class Gaussian:
    """y ~ N(f, V) with a known or a learnt noise covariance.

    Parameters
    ----------
    noise_variance : a scalar (the same for each output), (K,) variances, a (K, K) covariance, or
        None. With None the covariance is learnt by `BALI`, and starts from the data.

    Raises
    ------
    TypeError, ValueError
        If the noise is not numeric, not positive, or not a positive definite covariance.

    Derivation: BP-4

    Examples
    --------
    >>> noise = Gaussian([1.0, 4.0])
    >>> noise.gradient(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    array([[1. , 0.5]])
    """

    def __init__(self, noise_variance: Any = None) -> None:
        self.noise_variance = None if noise_variance is None else _noise(noise_variance)
        self._roots: dict[int, tuple[Array, float]] = {}
        self._precisions: dict[int, Array] = {}

    def __repr__(self) -> str:
        shown = None if self.noise_variance is None else self.noise_variance.tolist()
        return f"Gaussian(noise_variance={shown})"

    def covariance(self, K: int) -> Array:
        """Noise covariance V as a (K, K) matrix.

        Raises
        ------
        ValueError
            If the noise is still to be learnt, or was given for another number of outputs.
        """
        noise = self.noise_variance
        if noise is None:
            raise ValueError("noise_variance: expected a value, got None (not learnt yet)")
        if noise.ndim and len(noise) != K:
            raise ValueError(f"noise_variance: expected size {K}, got shape {noise.shape}")
        if noise.ndim == 2:
            return noise
        return np.diag(np.broadcast_to(noise, K))

    def _inverse_root(self, K: int) -> tuple[Array, float]:
        """C^{-1} with V = C C^T, lower triangular, and log det V; worked out once for each K."""
        if K not in self._roots:
            C = np.linalg.cholesky(self.covariance(K))
            inverse, _ = dtrtri(C, lower=1)
            self._roots[K] = inverse, 2 * float(np.log(np.diag(C)).sum())
        return self._roots[K]

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) as a finite matrix that fits the noise."""
        Y = as_matrix(Y, "Y", rows=rows, columns=columns)
        if self.noise_variance is not None:
            self.covariance(Y.shape[1])
        return Y

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log N(y_n; f_n, V), shape (B,)."""
        inverse_root, log_det = self._inverse_root(Y.shape[1])
        white = (Y - f) @ inverse_root.T
        return -0.5 * ((white**2).sum(axis=1) + log_det + Y.shape[1] * np.log(2 * np.pi))

    def gradient(self, Y: Array, f: Array) -> Array:
        """V^{-1} (y_n - f_n), shape (B, K)."""
        return (Y - f) @ self.known_precision(Y.shape[1])

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S^T = C^{-1}, with V = C C^T, the same for each datum: (B, K, K)."""
        B, K = f.shape
        return np.broadcast_to(self._inverse_root(K)[0], (B, K, K))

    def largest_curvature_rows(self, K: int) -> Array:
        """The curvature is the same everywhere, C^{-1} the rows of its root."""
        return self._inverse_root(K)[0]

    def known_precision(self, K: int) -> Array:
        """V^{-1}, exactly symmetric; worked out once for each K."""
        if K not in self._precisions:
            inverse_root, _ = self._inverse_root(K)
            self._precisions[K] = inverse_root.T @ inverse_root
        return self._precisions[K]


class Categorical:
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
        """Return Y (B, K) as a one-hot matrix."""
        return as_one_hot(Y, "Y", rows=rows, columns=columns)

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p of the true class, shape (B,)."""
        return (Y * log_softmax(f, axis=1)).sum(axis=1)

    def gradient(self, Y: Array, f: Array) -> Array:
        """y_n - p_n, shape (B, K)."""
        return Y - softmax(f, axis=1)

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S^T for S = diag(sqrt p) - p sqrt(p)^T, so that S S^T = diag(p) - p p^T.

        Row c is sqrt(p_c) (e_c - p). Shape (B, K, K).
        """
        p = softmax(f, axis=1)
        return np.sqrt(p)[:, :, None] * (np.eye(f.shape[1]) - p[:, None, :])

    def mean_curvature(self, f: Array) -> Array:
        """diag(p) - p p^T, averaged over draws of outputs f (S, B, K): shape (B, K, K)."""
        p = np.moveaxis(softmax(f, axis=2), 0, 1)
        return label_covariance(np.swapaxes(p, 1, 2) @ p / len(f))

    def largest_curvature_rows(self, K: int) -> Array:
        """(I - 1 1^T / K) / sqrt 2: no eigenvalue of diag(p) - p p^T exceeds 1/2.

        Where the softmax is saturated the local curvature vanishes and says nothing about how
        far its quadratic can be believed; this bound does.
        """
        return contrasts(K) / np.sqrt(2.0)

    def known_precision(self, K: int) -> None:
        """The curvature depends on f."""
        return None


def label_covariance(products: Array) -> Array:
    """Average of diag(p) - p p^T, from averages (..., K, K) of p p^T, with sum_k p_k = 1.

    p_k (1 - p_k) is the sum of p_k p_j over the other classes: no difference of numbers near 1,
    which rounding can turn negative where a class is all but certain.

    Examples
    --------
    >>> label_covariance(np.array([[0.25, 0.25], [0.25, 0.25]]))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    identity = np.eye(products.shape[-1])
    others = products * (1.0 - identity)
    return np.asarray(others.sum(axis=-1)[..., None] * identity - others)


def contrasts(K: int) -> Array:
    """I - 1 1^T / K: rows that take from each of K logits the mean of all.

    Class probabilities are functions of these alone.
    """
    return np.eye(K) - 1.0 / K


def orthonormal_contrasts(K: int) -> Array:
    """Rows (K - 1, K), orthonormal and orthogonal to 1: R^T R is `contrasts`.

    Logits have a singular covariance of contrasts, and as a rule a regular one of these.

    Examples
    --------
    >>> orthonormal_contrasts(2).round(3)
    array([[ 0.707, -0.707]])
    """
    return np.asarray(helmert(K))


def _noise(noise_variance: Any) -> Array:
    """The noise as a private float64 copy: scalar (), per output (K,), or covariance (K, K)."""
    noise = as_array(noise_variance, "noise_variance").copy()
    if noise.ndim > 2:
        raise ValueError(
            f"noise_variance: expected a number, (K,) or (K, K), got shape {noise.shape}"
        )
    if noise.ndim == 2:
        return as_covariance(noise, "noise_variance")
    if noise.size == 0 or not (noise > 0).all():
        raise ValueError(f"noise_variance: expected values above 0, got {noise_variance!r}")
    return noise
