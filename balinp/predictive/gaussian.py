"""Predictive distributions of regression: one Gaussian a datum, or an equal mixture of such.

`GaussianPredictive`: outputs f ~ N(m, E) plus noise V. `MixturePredictive`: an equal mixture of
such, for sampled outputs (E = 0) or for several networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

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
        taken without an error for that of another distribution.
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

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.logpdf([[0.0]]).round(3)
        array([-1.612])
        """
        return self.logpdf_gaussian(Y)

    def logpdf_gaussian(self, Y: Any) -> Array:
        """Log density of the Gaussian with this mean and covariance, shape (B,).

        Derivation: PR-4

        Examples
        --------
        >>> p = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1))
        >>> p.logpdf_gaussian([[0.0]]).round(3)
        array([-1.612])
        """
        return _gaussian_log_density(self._checked(Y) - self.mean, self.covariance)

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
        roots = np.asarray(np.linalg.cholesky(self.covariance))
        draws = _gaussian_draws(self.mean, roots, rng, size)
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


class MixturePredictive(GaussianPredictive):
    """Equal mixture of S Gaussian components: y ~ (1/S) sum_s N(f_s, E_s + V_s).

    Sampled outputs of one network are components with E_s = 0 and its one noise; networks that
    were trained apart are put together by `of`. `mean`, `epistemic`, `aleatoric` and `covariance`
    are the mixture's own moments.

    Derivation: PR-3, PR-4, PR-5

    Parameters
    ----------
    outputs : array
        (S, B, K) array f_s, the means of the components.
    noise_covariance : array
        (K, K) array V common to all components, or (S, K, K) array of their own.
    spread : array, optional
        (S, B, K, K) array E_s, the epistemic covariance of each component; None for zero.

    Attributes
    ----------
    outputs : array
        (S, B, K) means of the components.
    noise_covariances : array
        (S or 1, K, K) noise of the components.
    spread : array or None
        (S, B, K, K) epistemic covariance of the components; None for zero.

    Examples
    --------
    >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
    >>> p.mean, p.epistemic
    (array([[0.]]), array([[[1.]]]))
    """

    def __init__(
        self, outputs: Array, noise_covariance: Array, spread: Array | None = None
    ) -> None:
        noises = noise_covariance if noise_covariance.ndim == 3 else noise_covariance[None]
        centred = outputs - outputs.mean(axis=0)
        epistemic = np.einsum("sbi,sbj->bij", centred, centred) / len(centred)
        covariances = noises[:, None]
        if spread is not None:
            epistemic = epistemic + spread.mean(axis=0)
            covariances = covariances + spread
        super().__init__(outputs.mean(axis=0), epistemic, noises.mean(axis=0))
        self.outputs = outputs
        self.noise_covariances = noises
        self.spread = spread
        self._covariances = covariances  # of the components, broadcast to (S, B, K, K)

    @classmethod
    def of(cls, members: Sequence[GaussianPredictive]) -> MixturePredictive:
        """The equal mixture of Gaussian predictives for the same data.

        Derivation: PR-5

        Examples
        --------
        >>> sure = GaussianPredictive(np.zeros((1, 1)), np.zeros((1, 1, 1)), np.eye(1))
        >>> unsure = GaussianPredictive(np.full((1, 1), 2.0), np.full((1, 1, 1), 4.0), np.eye(1))
        >>> p = MixturePredictive.of([sure, unsure])
        >>> p.mean, p.epistemic, p.aleatoric  # 3 = 4 / 2 + 1, the last from unequal means
        (array([[1.]]), array([[[3.]]]), array([[[1.]]]))
        """
        return cls(
            np.stack([member.mean for member in members]),
            np.stack([member.noise_covariance for member in members]),
            np.stack([member.epistemic for member in members]),
        )

    def rescaled(self, mean: Array, std: Array) -> MixturePredictive:
        """The distribution of std y + mean, for (K,) arrays.

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> far = p.rescaled(np.array([10.0]), np.array([2.0]))
        >>> far.mean, far.std
        (array([[10.]]), array([[2.82842712]]))
        """
        squares = np.outer(std, std)
        return MixturePredictive(
            self.outputs * std + mean,
            self.noise_covariances * squares,
            None if self.spread is None else self.spread * squares,
        )

    def logpdf(self, Y: Any) -> Array:
        """Log density of the mixture at each row of Y (B, K), in nats, shape (B,).

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> p.logpdf([[0.0]]).round(3)
        array([-1.419])
        """
        return self.logpdf_mixture(Y)

    def logpdf_mixture(self, Y: Any) -> Array:
        """Log (1/S) sum_s N(y; f_s, E_s + V_s), shape (B,).

        Derivation: PR-4, PR-5

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> p.logpdf_mixture([[0.0]]).round(3)
        array([-1.419])
        """
        residuals = self._checked(Y) - self.outputs
        log_densities = _gaussian_log_density(residuals, self._covariances)
        return np.asarray(logsumexp(log_densities, axis=0) - np.log(len(self.outputs)))

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper ends (B, K) of the central interval of the mixture of each output.

        Derivation: PR-5

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> low, high = p.interval(0.95)
        >>> high.round(2)
        array([[2.65]])
        """
        tail = 0.5 * (1.0 - as_level(level))
        return self._lower_end(self.outputs, tail), -self._lower_end(-self.outputs, tail)

    def cdf(self, Y: Any) -> Array:
        """Distribution function (B, K) of the mixture of each output at Y (B, K).

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> p.cdf([[1.0]]).round(3)
        array([[0.739]])
        """
        return np.asarray(ndtr((self._checked(Y) - self.outputs) / self.component_std).mean(axis=0))

    def quantile(self, q: float) -> Array:
        """Quantile (B, K) of the mixture of each output; errors as for `GaussianPredictive`.

        Derivation: PR-5

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> p.quantile(0.9).round(2)
        array([[1.85]])
        """
        q = as_level(q, "q")
        if q > 0.5:  # from its own end: the distribution function has no digits next to 1
            return -self._lower_end(-self.outputs, 1.0 - q)
        return self._lower_end(self.outputs, q)

    @property
    def component_std(self) -> Array:
        """(S, B, K) standard deviations of the components, noise included; S or B may be 1."""
        return np.sqrt(np.diagonal(self._covariances, axis1=2, axis2=3))

    def _lower_end(self, centres: Array, tail: float) -> Array:
        """Where the mixture about these centres (S, B, K) has the probability `tail` below."""
        std = self.component_std
        reach = (1.0 + abs(float(ndtri(tail)))) * std
        low, high = (centres - reach).min(axis=0), (centres + reach).max(axis=0)
        return bisected(lambda y: ndtr((y - centres) / std).mean(axis=0), tail, low, high)

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draws of Y, noise included: (B, K), or (size, B, K).

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> p.sample(np.random.default_rng(0), size=100).shape
        (100, 1, 1)
        """
        count = as_count(1 if size is None else size, "size")
        S, B, K = self.outputs.shape
        chosen, data = rng.integers(S, size=(count, B)), np.arange(B)
        roots = np.broadcast_to(np.linalg.cholesky(self._covariances), (S, B, K, K))
        noise = rng.standard_normal((count, B, K))
        noise = np.einsum("sbij,sbj->sbi", roots[chosen, data], noise)
        draws = self.outputs[chosen, data] + noise
        return draws[0] if size is None else draws


def bisected(cdf: Callable[[Array], Array], q: float, low: Array, high: Array) -> Array:
    """Where distribution functions have the value q, each between its ends low and high.

    Bisection, until no number is left in between.
    """
    while True:
        middle = 0.5 * (low + high)
        if ((middle == low) | (middle == high)).all():
            return middle
        below = cdf(middle) < q
        low, high = np.where(below, middle, low), np.where(below, high, middle)


def _gaussian_log_density(residuals: Array, covariance: Array) -> Array:
    """Log N(r; 0, covariance) for residuals (..., K), shape (...)."""
    C = np.linalg.cholesky(covariance)
    white = np.linalg.solve(C, residuals[..., None])[..., 0]
    log_det = 2 * np.log(np.diagonal(C, axis1=-2, axis2=-1)).sum(axis=-1)
    K = residuals.shape[-1]
    return -0.5 * ((white**2).sum(axis=-1) + log_det + K * np.log(2 * np.pi))


def _gaussian_draws(mean: Array, roots: Array, rng: np.random.Generator, size: int | None) -> Array:
    """(size, B, K) draws mean + root noise, for roots (B, K, K)."""
    count = as_count(1 if size is None else size, "size")
    noise = rng.standard_normal((count, *mean.shape))
    return np.asarray(mean + np.einsum("bij,sbj->sbi", roots, noise))
