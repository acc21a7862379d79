"""The likelihood of regression: targets with Gaussian noise, known or learnt."""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtri

from balinp._types import Array
from balinp.likelihood.protocol import Likelihood
from balinp.predictive import GaussianPredictive, MixturePredictive
from balinp.validation import LARGEST, as_array, as_covariance, as_matrix


class Gaussian(Likelihood):
    """y ~ N(f, V) with a known or a learnt noise covariance.

    Derivation: BP-4

    Parameters
    ----------
    noise_variance : float or array_like, optional
        A scalar (the same for each output), (K,) variances, a (K, K) covariance, or None. With None
        the covariance is learnt by `BALI`, and starts from the data.

    Attributes
    ----------
    noise_variance : array or None
        The noise as given or learnt: a number, (K,) or (K, K); None before it is learnt.

    Raises
    ------
    TypeError, ValueError
        If the noise is not numeric, not positive, or not a positive definite covariance.

    Examples
    --------
    >>> noise = Gaussian([1.0, 4.0])
    >>> noise.gradient(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    array([[1. , 0.5]])
    """

    def __init__(self, noise_variance: Any = None) -> None:
        self.noise_variance = None if noise_variance is None else _noise(noise_variance)
        self._factors: dict[int, tuple[Array, float, Array]] = {}

    @classmethod
    def learnt(cls, V: Array) -> Gaussian:
        """The likelihood with a symmetric covariance V (K, K) that training has worked out.

        Raises
        ------
        ValueError
            If it is not finite or has no Cholesky factor.

        Examples
        --------
        >>> Gaussian.learnt(np.array([[4.0]]))
        Gaussian(noise_variance=[[4.0]])
        """
        C, failed = dpotrf(V, lower=1)
        if failed or not np.isfinite(C).all():
            return cls(V)  # which says what is wrong with it
        likelihood = cls()
        likelihood.noise_variance = V
        return likelihood

    def __repr__(self) -> str:
        shown = None if self.noise_variance is None else self.noise_variance.tolist()
        return f"Gaussian(noise_variance={shown})"

    def covariance(self, K: int) -> Array:
        """Noise covariance V as a (K, K) matrix.

        Raises
        ------
        ValueError
            If the noise is still to be learnt, or was given for another number of outputs.

        Examples
        --------
        >>> Gaussian([1.0, 4.0]).covariance(2)
        array([[1., 0.],
               [0., 4.]])
        """
        noise = self.noise_variance
        if noise is None:
            raise ValueError("noise_variance: expected a value, got None (not learnt yet)")
        if noise.ndim and len(noise) != K:
            raise ValueError(f"noise_variance: expected size {K}, got shape {noise.shape}")
        if noise.ndim == 2:
            return noise
        return np.diag(np.broadcast_to(noise, K))

    def _factored(self, K: int) -> tuple[Array, float, Array]:
        """C^{-1} with V = C C^T, lower triangular, log det(2 pi V), and V^{-1}; worked out once."""
        if K not in self._factors:
            C, _ = dpotrf(self.covariance(K), lower=1)
            inverse, _ = dtrtri(C, lower=1)
            root, log_det = np.ascontiguousarray(inverse), 2 * float(np.log(C.diagonal()).sum())
            self._factors[K] = root, log_det + K * log(2 * pi), root.T @ root
        return self._factors[K]

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) as a finite matrix that fits the noise.

        Examples
        --------
        >>> Gaussian(1.0).check_targets([[1], [2]], rows=2)
        array([[1.],
               [2.]])
        """
        Y = as_matrix(Y, "Y", rows=rows, columns=columns, largest=LARGEST)
        if self.noise_variance is not None:
            self.covariance(Y.shape[1])
        return Y

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log N(y_n; f_n, V), shape (B,).

        Examples
        --------
        >>> Gaussian(1.0).log_density(np.zeros((1, 1)), np.zeros((1, 1))).round(3)
        array([-0.919])
        """
        inverse_root, constant, _ = self._factored(Y.shape[1])
        white = (Y - f) @ inverse_root.T
        return -0.5 * (np.add.reduce(white * white, axis=1) + constant)

    def gradient(self, Y: Array, f: Array) -> Array:
        """V^{-1} (y_n - f_n), shape (B, K).

        Examples
        --------
        >>> Gaussian(4.0).gradient(np.array([[1.0]]), np.array([[0.0]]))
        array([[0.25]])
        """
        return (Y - f) @ self.known_precision(Y.shape[1])

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S^T = C^{-1}, with V = C C^T, the same for each datum: (B, K, K).

        Examples
        --------
        >>> Gaussian(4.0).curvature_rows(np.zeros((1, 1)))
        array([[[0.5]]])
        """
        B, K = f.shape
        root = self._factored(K)[0]
        return np.ndarray((B, K, K), buffer=root, strides=(0, *root.strides))

    def known_precision(self, K: int) -> Array:
        """V^{-1}, exactly symmetric.

        Examples
        --------
        >>> Gaussian([1.0, 4.0]).known_precision(2)
        array([[1.  , 0.  ],
               [0.  , 0.25]])
        """
        return self._factored(K)[2]

    def predictive(self, f: Array, covariance: Array | None = None) -> GaussianPredictive:
        """A Gaussian for Gaussian outputs, an equal mixture for draws; noise apart.

        Examples
        --------
        >>> Gaussian(1.0).predictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0)).std
        array([[2.]])
        """
        V = self.covariance(f.shape[-1])
        if covariance is None:
            return MixturePredictive(f, V)
        return GaussianPredictive(f, covariance, V)


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
