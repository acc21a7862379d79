"""Probabilities of several answers, yes or no, under uncertain logits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit

from balinp._types import Array
from balinp.predictive.draws import weighted_quantiles
from balinp.predictive.expected_softmax import expected_softmax
from balinp.predictive.outputs import Density, OutputPredictive
from balinp.validation import as_count, as_level


class BernoulliPredictive(OutputPredictive):
    """Answers 0 or 1 of networks that differ, independent of each other given a network.

    `probabilities` need no draw: that of each answer is an average over one Gaussian logit. What
    goes over several answers of a datum (`logpdf`, `epistemic`, `aleatoric`) is averaged over draws
    of its logits, as in `OutputPredictive`.

    It is made of what `OutputPredictive` is made of; the outputs f are logits.

    Derivation: PR-2, PR-3

    Examples
    --------
    >>> from balinp.likelihood import Bernoulli
    >>> logits = np.array([[2.0, 2.0]])
    >>> p = BernoulliPredictive(Bernoulli(), logits, np.array([[[0.0, 0.0], [0.0, 9.0]]]))
    >>> p.probabilities.round(3)
    array([[0.881, 0.717]])
    """

    @classmethod
    def of(cls, members: Sequence[BernoulliPredictive]) -> BernoulliPredictive:
        """The equal mixture of predictives for the same data.

        Derivation: PR-5
        """
        return _OfMembers(members)

    def __repr__(self) -> str:
        B, K = self.output_mean.shape
        return f"{type(self).__name__}(data={B}, answers={K})"

    @cached_property
    def probabilities(self) -> Array:
        """(B, K) probability that an answer is 1: of the two classes whose logits are 0 and f.

        Derivation: PR-2, CP-1, CP-2
        """
        if self._given is not None:
            return np.asarray(expit(self._given).mean(axis=0))
        B, K = self.output_mean.shape
        logits, variances = np.zeros((B * K, 2)), np.zeros((B * K, 2, 2))
        logits[:, 1] = self.output_mean.ravel()
        variances[:, 1, 1] = np.diagonal(self.output_covariance, axis1=1, axis2=2).ravel()
        return expected_softmax(logits, variances)[:, 1].reshape(B, K)

    @property
    def mean(self) -> Array:
        """(B, K) mean of the answers: their probabilities."""
        return self.probabilities

    @property
    def std(self) -> Array:
        """(B, K) standard deviations of the answers."""
        return np.sqrt(self.probabilities * (1.0 - self.probabilities))

    @cached_property
    def epistemic(self) -> Array:
        """(B, K, K) covariance of the answers' probabilities over networks."""
        return np.concatenate([_covariances(self.draws_of(rows)) for rows in self._pieces()])

    @property
    def aleatoric(self) -> Array:
        """(B, K, K) average covariance of the answers given a network, which is diagonal."""
        within = self.std**2 - np.diagonal(self.epistemic, axis1=1, axis2=2)
        return np.maximum(within, 0.0)[:, :, None] * np.eye(within.shape[1])

    @property
    def covariance(self) -> Array:
        """(B, K, K) covariance of the answers, the sum of both parts."""
        return self.epistemic + self.aleatoric

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Central interval (B, K) of each answer's probability over networks."""
        tail = 0.5 * (1.0 - as_level(level))
        low, high = self.quantile(tail), self.quantile(1.0 - tail)
        return np.asarray(expit(low)), np.asarray(expit(high))

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draws of all answers: (B, K), or (size, B, K), each from a network drawn for it."""
        count = as_count(1 if size is None else size, "size")
        B, K = self.output_mean.shape
        answers = np.empty((count, B, K))
        for rows in self._pieces():
            p = expit(self.draws_of(rows))
            chosen = p[rng.integers(len(p), size=(count, p.shape[1])), np.arange(p.shape[1])]
            answers[:, rows] = rng.random(chosen.shape) < chosen
        return answers[0] if size is None else answers


class _OfMembers(BernoulliPredictive):
    """See `BernoulliPredictive.of`."""

    def __init__(self, members: Sequence[BernoulliPredictive]) -> None:
        self.members = list(members)
        self.likelihood: Density = self.members[0].likelihood
        means = np.stack([member.output_mean for member in self.members])
        self.output_mean = means.mean(axis=0)
        centred = np.moveaxis(means - self.output_mean, 0, 2)
        within = sum(member.output_covariance for member in self.members)
        between = centred @ np.swapaxes(centred, 1, 2)
        self.output_covariance = (within + between) / len(self.members)
        self._given = None

    @cached_property
    def probabilities(self) -> Array:
        """(B, K) averages over the members."""
        return np.asarray(np.mean([member.probabilities for member in self.members], axis=0))

    def draws_of(self, rows: slice) -> Array:
        """The members' draws (S, b, K), which are as many of each."""
        return np.concatenate([member.draws_of(rows) for member in self.members])

    def cdf(self, F: Any) -> Array:
        """Distribution function (B, K) of each logit at F (B, K)."""
        return np.asarray(np.mean([member.cdf(F) for member in self.members], axis=0))

    def quantile(self, q: float) -> Array:
        """Quantile (B, K) of each logit, of its draws."""
        q = as_level(q, "q")
        found = []
        for rows in self._pieces():
            draws = np.sort(self.draws_of(rows), axis=0)
            found.append(weighted_quantiles(draws, np.full(draws.shape, 1.0 / len(draws)), q)[0])
        return np.concatenate(found)


def _covariances(logits: Array) -> Array:
    """Covariances (b, K, K) of probabilities over draws of logits (S, b, K)."""
    p = np.moveaxis(expit(logits), 0, 2)
    centred = p - p.mean(axis=2, keepdims=True)
    return np.asarray(centred @ np.swapaxes(centred, 1, 2) / p.shape[2])
