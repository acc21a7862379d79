"""Equal mixtures of Gaussian predictives: of sampled outputs (E = 0), or of several networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri

from balinp._types import Array
from balinp.predictive.gaussian import GaussianPredictive, gaussian_log_density
from balinp.validation import as_count, as_level


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
        return cls(*stacked(members))

    @property
    def parts(self) -> list[GaussianPredictive]:
        """The predictives of which it is the equal mixture."""
        S, B, K = self.outputs.shape
        noises = np.broadcast_to(self.noise_covariances, (S, K, K))
        spread = np.zeros((S, B, K, K)) if self.spread is None else self.spread
        components = zip(self.outputs, spread, noises, strict=True)
        return [GaussianPredictive(*component) for component in components]

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
        log_densities = gaussian_log_density(residuals, self._covariances)
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
        return self._lower_end(tail), -self._mirrored._lower_end(tail)

    def cdf(self, Y: Any) -> Array:
        """Distribution function (B, K) of the mixture of each output at Y (B, K).

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> p.cdf([[1.0]]).round(3)
        array([[0.739]])
        """
        return np.asarray(ndtr((self._checked(Y) - self.outputs) / self.component_std).mean(axis=0))

    def logcdf(self, Y: Any) -> Array:
        """Logarithm of `cdf`, (B, K), which keeps its digits where that underflows.

        Examples
        --------
        >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
        >>> p.logcdf([[-100.0]]).round(3)
        array([[-4906.707]])
        """
        logs = log_ndtr((self._checked(Y) - self.outputs) / self.component_std)
        return np.asarray(logsumexp(logs, axis=0) - np.log(len(self.outputs)))

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
            return -self._mirrored._lower_end(1.0 - q)
        return self._lower_end(q)

    @property
    def component_std(self) -> Array:
        """(S, B, K) standard deviations of the components, noise included; S or B may be 1."""
        return np.sqrt(np.diagonal(self._covariances, axis1=2, axis2=3))

    @property
    def _mirrored(self) -> MixturePredictive:
        """The distribution of -y."""
        K = self.mean.shape[1]
        return self.rescaled(np.zeros(K), -np.ones(K))

    def _lower_end(self, tail: float) -> Array:
        """Where the mixture has the probability `tail` below."""
        centres, std = self.outputs, self.component_std
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


def stacked(members: Sequence[GaussianPredictive]) -> tuple[Array, Array, Array]:
    """Means (S, B, K), noise (S, K, K) and epistemic covariances (S, B, K, K) of predictives."""
    return (
        np.stack([member.mean for member in members]),
        np.stack([member.noise_covariance for member in members]),
        np.stack([member.epistemic for member in members]),
    )


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
