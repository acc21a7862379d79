"""Class probabilities under uncertain logits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from balinp._types import Array
from balinp.softmax import contrasts, label_covariance
from balinp.spectral import root
from balinp.validation import as_count, as_level, as_one_hot


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
        tail = 0.5 - 0.5 * as_level(level)
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
