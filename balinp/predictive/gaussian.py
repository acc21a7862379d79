"""The predictive distribution of regression: Gaussian outputs f ~ N(m, E) plus noise V."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from balinp._types import Array
from balinp.validation import as_count, as_level, as_matrix


class GaussianPredictive:
    """y ~ N(m, E + V) for each datum: the predictive of a linearised network.

    Derivation: PR-1, PR-4

    Parameters
    ----------
    mean : array
        (B, K) array m.
    epistemic : array
        (B, K, K) array E, the covariance that uncertain weights cause.
    noise_covariance : array
        (K, K) array V.

    Attributes
    ----------
    mean : array
        (B, K) means m.
    epistemic : array
        (B, K, K) covariance E.
    noise_covariance : array
        (K, K) covariance V.

    Examples
    --------
    >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
    >>> p.std
    array([[2.]])
    >>> p.interval(0.95)[1].round(2)
    array([[3.92]])
    """

    def __init__(self, mean: Array, epistemic: Array, noise_covariance: Array) -> None:
        self.mean = mean
        self.epistemic = epistemic
        self.noise_covariance = noise_covariance

    def __repr__(self) -> str:
        return f"{type(self).__name__}(data={len(self.mean)}, outputs={self.mean.shape[1]})"

    @property
    def aleatoric(self) -> Array:
        """(B, K, K) noise covariance, the same for each datum."""
        return np.broadcast_to(self.noise_covariance, self.epistemic.shape)

    @property
    def covariance(self) -> Array:
        """(B, K, K) epistemic + aleatoric covariance.

        `scipy.stats.Covariance.from_cholesky` takes the lower factor of one of them, as
        `numpy.linalg.cholesky` gives it. The upper one, which `scipy.linalg.cholesky` gives, is
        taken without an error for that of another distribution; linear_operator, which has an
        option for it, solves with one matrix then and multiplies by another.
        """
        return self.epistemic + self.noise_covariance

    @property
    def std(self) -> Array:
        """(B, K) predictive standard deviations, noise included."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper ends (B, K) of the central interval of each output, noise included.

        Raises
        ------
        TypeError, ValueError
            If the level is not a number between 0 and 1.

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> low, high = p.interval(0.95)
        >>> high.round(2)
        array([[3.92]])
        """
        half = -float(ndtri(0.5 * (1.0 - as_level(level)))) * self.std
        return self.mean - half, self.mean + half

    def cdf(self, Y: Any) -> Array:
        """Distribution function (B, K) of each output at Y (B, K), noise included.

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.cdf([[1.0]]).round(3)
        array([[0.691]])
        """
        return np.asarray(ndtr((self._checked(Y) - self.mean) / self.std))

    def logcdf(self, Y: Any) -> Array:
        """Logarithm of `cdf`, (B, K), which keeps its digits where that underflows.

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.logcdf([[-200.0]]).round(3)
        array([[-5005.524]])
        """
        return np.asarray(log_ndtr((self._checked(Y) - self.mean) / self.std))

    def quantile(self, q: float) -> Array:
        """Quantile (B, K) of each output, noise included.

        Raises
        ------
        TypeError, ValueError
            If q is not a number between 0 and 1.

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.quantile(0.9).round(2)
        array([[2.56]])
        """
        return self.mean + float(ndtri(as_level(q, "q"))) * self.std

    def logpdf(self, Y: Any) -> Array:
        """Log density of each row of Y (B, K), in nats, shape (B,).

        No variance is clamped, so another unit of Y adds a constant; PyTorch's `GaussianNLLLoss`
        clamps at 1e-6 in the unit of Y squared.

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.logpdf([[0.0]]).round(3)
        array([-1.612])
        """
        return self.logpdf_mixture(Y)

    def logpdf_gaussian(self, Y: Any) -> Array:
        """Log density of the Gaussian with this mean and covariance, shape (B,).

        Derivation: PR-4

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.logpdf_gaussian([[0.0]]).round(3)
        array([-1.612])
        """
        return gaussian_log_density(self._checked(Y) - self.mean, self.covariance)

    def logpdf_mixture(self, Y: Any) -> Array:
        """Log density of the mixture over uncertain outputs, shape (B,).

        Gaussian outputs plus Gaussian noise are one Gaussian, so here it equals
        `logpdf_gaussian`; for sampled outputs the two differ.

        Derivation: PR-4

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.logpdf_mixture([[0.0]]).round(3)
        array([-1.612])
        """
        return self.logpdf_gaussian(Y)

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draws of Y, noise included: (B, K), or (size, B, K).

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.sample(np.random.default_rng(0), size=100).shape
        (100, 1, 1)
        """
        count = as_count(1 if size is None else size, "size")
        noise = rng.standard_normal((count, *self.mean.shape))
        draws = self.mean + np.einsum("bij,sbj->sbi", np.linalg.cholesky(self.covariance), noise)
        return draws[0] if size is None else draws

    def rescaled(self, mean: Array, std: Array) -> GaussianPredictive:
        """The distribution of std y + mean, for (K,) arrays.

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> far = p.rescaled(np.array([10.0]), np.array([2.0]))
        >>> far.mean, far.std
        (array([[10.]]), array([[4.]]))
        """
        squares = np.outer(std, std)
        return GaussianPredictive(
            self.mean * std + mean, self.epistemic * squares, self.noise_covariance * squares
        )

    def _checked(self, Y: Any) -> Array:
        return as_matrix(Y, "Y", rows=self.mean.shape[0], columns=self.mean.shape[1])


def gaussian_log_density(residuals: Array, covariance: Array) -> Array:
    """Log N(r; 0, covariance) for residuals (..., K), shape (...)."""
    C = np.linalg.cholesky(covariance)
    white = np.linalg.solve(C, residuals[..., None])[..., 0]
    log_det = 2 * np.log(np.diagonal(C, axis1=-2, axis2=-1)).sum(axis=-1)
    K = residuals.shape[-1]
    return -0.5 * ((white**2).sum(axis=-1) + log_det + K * np.log(2 * np.pi))
