"""Predictive distributions, with what the weights do not know kept apart from the noise.

`GaussianPredictive`: outputs f ~ N(m, E) plus noise V. `MixturePredictive`: an equal mixture of
such, for sampled outputs (E = 0) or for several networks. `CategoricalPredictive`: class
probabilities under uncertain logits, Gaussian or sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from scipy.special import expit, logsumexp, ndtr, ndtri, softmax

from balinp._types import Array
from balinp.softmax import contrasts, label_covariance
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
    """Equal mixture of S Gaussian components: y ~ (1/S) sum_s N(f_s, E_s + V_s).

    Sampled outputs of one network are components with E_s = 0 and its one noise; networks that
    were trained apart are put together by `of`. `mean`, `epistemic`, `aleatoric` and `covariance`
    are the mixture's own moments.

    Parameters
    ----------
    outputs : (S, B, K) array f_s, the means of the components.
    noise_covariance : (K, K) array V common to all components, or (S, K, K) array of their own.
    spread : (S, B, K, K) array E_s, the epistemic covariance of each component; None for zero.

    Derivation: PR-3, PR-4, PR-5

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

    def logpdf(self, Y: Any) -> Array:
        """Log density of the mixture at each row of Y (B, K), in nats, shape (B,)."""
        return self.logpdf_mixture(Y)

    def logpdf_mixture(self, Y: Any) -> Array:
        """Log (1/S) sum_s N(y; f_s, E_s + V_s), shape (B,).

        Derivation: PR-4, PR-5
        """
        residuals = self._checked(Y) - self.outputs
        log_densities = _gaussian_log_density(residuals, self._covariances)
        return np.asarray(logsumexp(log_densities, axis=0) - np.log(len(self.outputs)))

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper ends (B, K) of the central interval of the mixture of each output.

        The quantiles are found by bisection of the mixture's distribution function.
        """
        tail = 0.5 - 0.5 * _level(level)
        return self._quantile(tail), self._quantile(1 - tail)

    def _quantile(self, probability: float) -> Array:
        std = np.sqrt(np.diagonal(self._covariances, axis1=2, axis2=3))
        reach = (1.0 + abs(float(ndtri(probability)))) * std
        low = (self.outputs - reach).min(axis=0)
        high = (self.outputs + reach).max(axis=0)
        for _ in range(80):  # halves the bracket to rounding
            middle = 0.5 * (low + high)
            below = ndtr((middle - self.outputs) / std).mean(axis=0) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draws of Y, noise included: (B, K), or (size, B, K)."""
        count = as_count(1 if size is None else size, "size")
        S, B, K = self.outputs.shape
        chosen, data = rng.integers(S, size=(count, B)), np.arange(B)
        roots = np.broadcast_to(np.linalg.cholesky(self._covariances), (S, B, K, K))
        noise = rng.standard_normal((count, B, K))
        noise = np.einsum("sbij,sbj->sbi", roots[chosen, data], noise)
        draws = self.outputs[chosen, data] + noise
        return draws[0] if size is None else draws


class CategoricalPredictive:
    """Class probabilities when the logits are uncertain, from draws of the probabilities.

    Made by `from_gaussian` (linearised network) or `from_samples` (sampled networks). With p the
    class probabilities of a single draw, the moments are those of the one-hot label: `mean` is
    `probabilities`, E[p]; `epistemic` is Cov(p); `aleatoric` is E[diag(p) - p p^T].

    Parameters
    ----------
    probability_draws : (S, B, K) array, p of each of S draws.
    weights : (S,) array of the draws' weights, of sum 1; None for equal ones.

    Derivation: PR-2, PR-3

    Examples
    --------
    >>> p = CategoricalPredictive(np.array([[[0.9, 0.1]], [[0.5, 0.5]]]))
    >>> p.probabilities
    array([[0.7, 0.3]])
    >>> p.epistemic[0].round(2)
    array([[ 0.04, -0.04],
           [-0.04,  0.04]])
    >>> p.aleatoric[0].round(2)
    array([[ 0.17, -0.17],
           [-0.17,  0.17]])
    """

    def __init__(self, probability_draws: Array, weights: Array | None = None) -> None:
        draws = len(probability_draws)
        self.probability_draws = probability_draws
        self.weights: Array = np.full(draws, 1.0 / draws) if weights is None else weights
        average = np.tensordot(self.weights, probability_draws, axes=1)
        # Rounding must not lift a sum of probabilities above 1.
        self.probabilities: Array = average / average.sum(axis=1, keepdims=True)

    def __repr__(self) -> str:
        return f"CategoricalPredictive(data={len(self.mean)}, classes={self.mean.shape[1]})"

    @classmethod
    def from_gaussian(
        cls, logits: Array, covariance: Array, *, draws: int = 512, seed: int = 0
    ) -> CategoricalPredictive:
        """From logits N(logits (B, K), covariance (B, K, K)), by draws with a fixed seed.

        The draws are of contrasts, differences to the mean logit: a shift that is common to all
        logits changes no probability, and its variance can be larger by orders of magnitude.
        Half of the draws reach further than the distribution itself, and count for less, so that
        a class that is nearly ruled out has a small probability and not that of no draw at all.
        Raises ValueError if `draws` is not a multiple of 4.

        Derivation: PR-2

        Examples
        --------
        >>> logits, none = np.array([[2.0, 0.0]]), np.zeros((1, 2, 2))
        >>> CategoricalPredictive.from_gaussian(logits, none).probabilities.round(3)
        array([[0.881, 0.119]])
        """
        contrast = contrasts(logits.shape[1])
        scale = np.abs(covariance).max(axis=(1, 2))
        roots = root(contrast @ covariance @ contrast, scale)
        # The same noise for every datum: its probabilities do not depend on its neighbours.
        noise, weights = _reaching_draws(draws, contrast, np.random.default_rng(seed))
        sampled = logits + np.einsum("bij,sj->sbi", roots, noise)
        return cls(np.asarray(softmax(sampled, axis=2)), weights)

    @classmethod
    def of(cls, members: Sequence[CategoricalPredictive]) -> CategoricalPredictive:
        """The equal mixture of predictives for the same data: draws of all of them together.

        Derivation: PR-5
        """
        weights = [member.weights / len(members) for member in members]
        draws = [member.probability_draws for member in members]
        return cls(np.concatenate(draws), np.concatenate(weights))

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
        return self._squares(centred)

    @cached_property
    def aleatoric(self) -> Array:
        """(B, K, K) average covariance of the one-hot label given a network."""
        return label_covariance(self._squares(self.probability_draws))

    def _squares(self, values: Array) -> Array:
        """Weighted average over draws of v v^T, for values (S, B, K)."""
        rows = np.moveaxis(values * np.sqrt(self.weights)[:, None, None], 0, 1)
        return np.asarray(np.swapaxes(rows, 1, 2) @ rows)

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
        order = np.argsort(self.probability_draws, axis=0)
        values = np.take_along_axis(self.probability_draws, order, axis=0)
        below = np.cumsum(self.weights[order], axis=0)
        low, high = ((below < share).sum(axis=0)[None] for share in (tail, 1 - tail))
        last = len(values) - 1  # rounding may leave the sum of all weights short of the share
        return (
            np.take_along_axis(values, np.minimum(low, last), axis=0)[0],
            np.take_along_axis(values, np.minimum(high, last), axis=0)[0],
        )

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


REACH = 2.0
"""How many times as far as the distribution itself half of the draws of contrasts reach."""


def _reaching_draws(draws: int, contrast: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draws (S, K) of contrasts from N(0, 1) and N(0, c^2) by halves, and their weights (S,).

    The weights, density of the first over that of the mixture, are those of importance sampling.
    Every second draw mirrors another.

    Derivation: PR-2
    """
    if draws < 4 or draws % 4:
        raise ValueError(f"draws: expected a multiple of 4, got {draws!r}")
    quarter = rng.standard_normal((2, draws // 4, len(contrast))) @ contrast
    noise = np.concatenate([quarter[0], -quarter[0], REACH * quarter[1], -REACH * quarter[1]])
    dimension = len(contrast) - 1
    log_odds = 0.5 * (noise**2).sum(axis=1) * (1 - REACH**-2) - dimension * np.log(REACH)
    weights = expit(-log_odds)
    return noise, weights / weights.sum()


def _level(level: float) -> float:
    if as_positive(level, "level") >= 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level!r}")
    return level
