"""Predictive distributions, with what the weights do not know kept apart from the noise.

`GaussianPredictive`: outputs f ~ N(m, E) plus noise V. `MixturePredictive`: sampled outputs,
each with noise V, as a mixture. `CategoricalPredictive`: class probabilities under uncertain
logits, Gaussian or sampled.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri, softmax

from balinp._types import Array
from balinp.spectral import root
from balinp.validation import as_count, as_matrix, as_one_hot, as_positive


class GaussianPredictive:
    """y ~ N(m, E + V) for each datum: the predictive of a linearised network.

    Parameters
    ----------
    mean : (B, K) array m.
    epistemic : (B, K, K) array E, the covariance that uncertain weights cause.
    noise_covariance : (K, K) array V.

    Derivation: PR-1, PR-4

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
        """(B, K, K) epistemic + aleatoric covariance."""
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
        """
        half = float(ndtri(0.5 + 0.5 * _level(level))) * self.std
        return self.mean - half, self.mean + half

    def logpdf(self, Y: Any) -> Array:
        """Log density of each row of Y (B, K), in nats, shape (B,)."""
        return self.logpdf_gaussian(Y)

    def logpdf_gaussian(self, Y: Any) -> Array:
        """Log density of the Gaussian with this mean and covariance, shape (B,).

        Derivation: PR-4
        """
        return _gaussian_log_density(self._checked(Y) - self.mean, self.covariance)

    def logpdf_mixture(self, Y: Any) -> Array:
        """Log density of the mixture over uncertain outputs, shape (B,).

        Gaussian outputs plus Gaussian noise are one Gaussian, so here it equals
        `logpdf_gaussian`; for sampled outputs the two differ.

        Derivation: PR-4
        """
        return self.logpdf_gaussian(Y)

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draws of Y, noise included: (B, K), or (size, B, K)."""
        roots = np.asarray(np.linalg.cholesky(self.covariance))
        draws = _gaussian_draws(self.mean, roots, rng, size)
        return draws[0] if size is None else draws

    def _checked(self, Y: Any) -> Array:
        return as_matrix(Y, "Y", rows=self.mean.shape[0], columns=self.mean.shape[1])


class MixturePredictive(GaussianPredictive):
    """Equal mixture of S sampled outputs with Gaussian noise: y ~ (1/S) sum_s N(f_s, V).

    `mean`, `epistemic` and `covariance` are the mixture's own moments.

    Parameters
    ----------
    outputs : (S, B, K) array of sampled outputs f_s.
    noise_covariance : (K, K) array V.

    Derivation: PR-3, PR-4

    Examples
    --------
    >>> p = MixturePredictive(np.array([[[-1.0]], [[1.0]]]), np.eye(1))
    >>> p.mean, p.epistemic
    (array([[0.]]), array([[[1.]]]))
    """

    def __init__(self, outputs: Array, noise_covariance: Array) -> None:
        centred = outputs - outputs.mean(axis=0)
        epistemic = np.einsum("sbi,sbj->bij", centred, centred) / len(centred)
        super().__init__(outputs.mean(axis=0), epistemic, noise_covariance)
        self.outputs = outputs

    def logpdf(self, Y: Any) -> Array:
        """Log density of the mixture at each row of Y (B, K), in nats, shape (B,)."""
        return self.logpdf_mixture(Y)

    def logpdf_mixture(self, Y: Any) -> Array:
        """Log (1/S) sum_s N(y; f_s, V), shape (B,).

        Derivation: PR-4
        """
        residuals = self._checked(Y) - self.outputs
        log_densities = _gaussian_log_density(residuals, self.noise_covariance)
        return np.asarray(logsumexp(log_densities, axis=0) - np.log(len(self.outputs)))

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper ends (B, K) of the central interval of the mixture of each output.

        The quantiles are found by bisection of the mixture's distribution function.
        """
        tail = 0.5 - 0.5 * _level(level)
        return self._quantile(tail), self._quantile(1 - tail)

    def _quantile(self, probability: float) -> Array:
        noise_std = np.sqrt(np.diag(self.noise_covariance))
        reach = 1.0 + abs(float(ndtri(probability)))
        low = self.outputs.min(axis=0) - reach * noise_std
        high = self.outputs.max(axis=0) + reach * noise_std
        for _ in range(80):  # halves the bracket to rounding
            middle = 0.5 * (low + high)
            below = ndtr((middle - self.outputs) / noise_std).mean(axis=0) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draws of Y, noise included: (B, K), or (size, B, K)."""
        count = as_count(1 if size is None else size, "size")
        B, K = self.mean.shape
        chosen = self.outputs[rng.integers(len(self.outputs), size=(count, B)), np.arange(B)]
        noise = rng.standard_normal((count, B, K)) @ np.linalg.cholesky(self.noise_covariance).T
        return (chosen + noise)[0] if size is None else chosen + noise


class CategoricalPredictive:
    """Class probabilities when the logits are uncertain, from draws of the probabilities.

    Made by `from_gaussian` (linearised network) or `from_samples` (sampled networks). With p the
    class probabilities of a single draw, the moments are those of the one-hot label: `mean` is
    `probabilities`, E[p]; `epistemic` is Cov(p); `aleatoric` is E[diag(p) - p p^T].

    Parameters
    ----------
    probability_draws : (S, B, K) array, p of each of S draws.

    Derivation: PR-2, PR-3

    Examples
    --------
    >>> p = CategoricalPredictive(np.array([[[0.9, 0.1]], [[0.5, 0.5]]]))
    >>> p.probabilities
    array([[0.7, 0.3]])
    >>> p.epistemic[0, 0, 0].round(2), p.aleatoric[0, 0, 0].round(2)
    (np.float64(0.04), np.float64(0.17))
    """

    def __init__(self, probability_draws: Array) -> None:
        self.probability_draws = probability_draws
        self.probabilities: Array = np.asarray(probability_draws.mean(axis=0))

    def __repr__(self) -> str:
        return f"CategoricalPredictive(data={len(self.mean)}, classes={self.mean.shape[1]})"

    @classmethod
    def from_gaussian(
        cls, logits: Array, covariance: Array, *, draws: int = 256, seed: int = 0
    ) -> CategoricalPredictive:
        """From logits N(logits (B, K), covariance (B, K, K)), by draws with a fixed seed.

        The draws are of contrasts, differences to the mean logit: a shift that is common to all
        logits changes no probability, and its variance can be larger by orders of magnitude.

        Derivation: PR-2

        Examples
        --------
        >>> logits, none = np.array([[2.0, 0.0]]), np.zeros((1, 2, 2))
        >>> CategoricalPredictive.from_gaussian(logits, none).probabilities.round(3)
        array([[0.881, 0.119]])
        """
        contrast = np.eye(logits.shape[1]) - 1.0 / logits.shape[1]
        scale = np.abs(covariance).max(axis=(1, 2))
        roots = root(contrast @ covariance @ contrast, scale)
        # The same noise for every datum: its probabilities do not depend on its neighbours.
        noise = np.random.default_rng(seed).standard_normal((draws, logits.shape[1]))
        sampled = logits + np.einsum("bij,sj->sbi", roots, noise)
        return cls(np.asarray(softmax(sampled, axis=2)))

    @classmethod
    def from_samples(cls, logits: Array) -> CategoricalPredictive:
        """From sampled logits (S, B, K): the probabilities are the average softmax."""
        return cls(np.asarray(softmax(logits, axis=2)))

    @property
    def mean(self) -> Array:
        """(B, K) mean of the one-hot label: the class probabilities."""
        return self.probabilities

    @cached_property
    def epistemic(self) -> Array:
        """(B, K, K) covariance of the class probabilities over networks."""
        centred = self.probability_draws - self.probabilities
        return np.asarray(np.einsum("sbi,sbj->bij", centred, centred) / len(centred))

    @cached_property
    def aleatoric(self) -> Array:
        """(B, K, K) average covariance of the one-hot label given a network."""
        p = self.probability_draws
        squares = np.einsum("sbi,sbj->bij", p, p) / len(p)
        return np.asarray(self.probabilities[:, :, None] * np.eye(p.shape[2]) - squares)

    @property
    def covariance(self) -> Array:
        """(B, K, K) epistemic + aleatoric covariance of the one-hot label."""
        return self.epistemic + self.aleatoric

    @property
    def std(self) -> Array:
        """(B, K) standard deviations of the one-hot label's entries."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Central interval (B, K) of each class's probability over networks."""
        tail = 0.5 - 0.5 * _level(level)
        low, high = np.quantile(self.probability_draws, [tail, 1 - tail], axis=0)
        return low, high

    def logpdf(self, Y: Any) -> Array:
        """Log probability of each one-hot row of Y (B, K), in nats, shape (B,)."""
        B, K = self.probabilities.shape
        Y = as_one_hot(Y, "Y", rows=B, columns=K)
        with np.errstate(divide="ignore"):  # a class of probability zero has log density -inf
            return np.asarray(np.log((Y * self.probabilities).sum(axis=1)))

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """One-hot draws of Y: (B, K), or (size, B, K)."""
        count = as_count(1 if size is None else size, "size")
        B, K = self.probabilities.shape
        edges = np.cumsum(self.probabilities, axis=1)[:, :-1]
        labels = (rng.random((count, B, 1)) > edges).sum(axis=2)
        draws = np.eye(K)[labels]
        return draws[0] if size is None else draws


Predictive: TypeAlias = GaussianPredictive | MixturePredictive | CategoricalPredictive
"""What `BALI.predict` returns: a Gaussian or a mixture for regression, else categorical."""


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


def _level(level: float) -> float:
    if as_positive(level, "level") >= 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level!r}")
    return level
