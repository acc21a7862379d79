"""Class probabilities under uncertain logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import softmax

from balinp._types import Array
from balinp.data import SMALL_PIECE, pieces
from balinp.predictive.draws import balancing, reaching_draws, weighted_quantiles
from balinp.predictive.expected_softmax import expected_softmax
from balinp.softmax import contrasts, label_covariance
from balinp.spectral import root
from balinp.validation import as_count, as_level, as_matrix, as_one_hot

LEAST_WEIGHT = 1e-14
"""Weight of the class probabilities themselves among their draws."""


class CategoricalPredictive:
    """Class probabilities of networks that differ, and of their mixture.

    Made by `from_gaussian` (a linearised network), `from_samples` (drawn networks), `of` (several
    of these), or from the class probabilities of each network. With p the probabilities of one
    network, the moments are those of the one-hot label: `mean` is `probabilities`, E[p];
    `epistemic` is Cov(p); `aleatoric` is E[diag(p) - p p^T].

    Derivation: PR-2, PR-3

    Parameters
    ----------
    probability_draws : array
        (S, B, K) array, p of each of S networks.
    weights : array, optional
        (S,) array of the networks' weights, of sum 1; None for equal ones.

    Attributes
    ----------
    probabilities : array
        (B, K) class probabilities.
    weights : array or None
        Of the draws, None for equal ones.

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

    probabilities: Array
    weights: Array

    def __init__(self, probability_draws: Array, weights: Array | None = None) -> None:
        draws = len(probability_draws)
        self._draws = probability_draws
        self.weights = np.full(draws, 1.0 / draws) if weights is None else weights
        average = np.tensordot(self.weights, probability_draws, axes=1)
        # Rounding must not lift a sum of probabilities above 1.
        self.probabilities = average / average.sum(axis=1, keepdims=True)

    def __repr__(self) -> str:
        return f"CategoricalPredictive(data={len(self.mean)}, classes={self.mean.shape[1]})"

    @classmethod
    def from_gaussian(
        cls, logits: Array, covariance: Array, *, draws: int = 512, seed: int = 0
    ) -> CategoricalPredictive:
        """From logits N(logits (B, K), covariance (B, K, K)).

        `probabilities` come from no draw. What else is asked for comes from draws with a fixed
        seed, made anew when they are needed; `draws`, their number, is a multiple of 4.

        Derivation: PR-2, CP-1, CP-2, CP-3

        Examples
        --------
        >>> logits, none = np.array([[2.0, 0.0]]), np.zeros((1, 2, 2))
        >>> CategoricalPredictive.from_gaussian(logits, none).probabilities.round(3)
        array([[0.881, 0.119]])
        """
        return _OfGaussianLogits(logits, covariance, draws, seed)

    @classmethod
    def of(cls, members: Sequence[CategoricalPredictive]) -> CategoricalPredictive:
        """The equal mixture of predictives for the same data.

        Derivation: PR-5

        Examples
        --------
        >>> p = CategoricalPredictive.from_samples(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]))
        >>> CategoricalPredictive.of([p, p]).probabilities.round(2)
        array([[0.3, 0.7]])
        """
        return _OfMembers(members)

    @classmethod
    def from_samples(cls, logits: Array) -> CategoricalPredictive:
        """From sampled logits (S, B, K): the probabilities are the average softmax.

        Examples
        --------
        >>> p = CategoricalPredictive.from_samples(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]))
        >>> p.probabilities.round(2)
        array([[0.3, 0.7]])
        """
        return cls(np.asarray(softmax(logits, axis=2)))

    def draws_of(self, rows: slice) -> Array:
        """Class probabilities (S, b, K) of each network at some of the data.

        Examples
        --------
        >>> p = CategoricalPredictive.from_samples(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]))
        >>> p.draws_of(slice(0, 1))[:, 0].round(2)
        array([[0.2, 0.8],
               [0.4, 0.6]])
        """
        return self._draws[:, rows]

    @property
    def probability_draws(self) -> Array:
        """(S, B, K) class probabilities of each network, for all data at once."""
        return self.draws_of(slice(None))

    @property
    def mean(self) -> Array:
        """(B, K) mean of the one-hot label: the class probabilities."""
        return self.probabilities

    @cached_property
    def epistemic(self) -> Array:
        """(B, K, K) covariance of the class probabilities over networks."""
        return np.concatenate([self._parts(rows)[0] for rows in self._pieces()])

    @cached_property
    def aleatoric(self) -> Array:
        """(B, K, K) average covariance of the one-hot label given a network."""
        return np.concatenate([self._parts(rows)[1] for rows in self._pieces()])

    def _parts(self, rows: slice) -> tuple[Array, Array]:
        """Epistemic and aleatoric covariance at some of the data."""
        draws = np.moveaxis(self.draws_of(rows), 0, 1) * np.sqrt(self.weights)[:, None]
        centred = draws - np.sqrt(self.weights)[:, None] * self.probabilities[rows, None, :]
        epistemic = np.swapaxes(centred, 1, 2) @ centred
        return epistemic, label_covariance(np.swapaxes(draws, 1, 2) @ draws)

    def _pieces(self) -> Iterator[slice]:
        B, K = self.probabilities.shape
        return pieces(B, len(self.weights) * K, SMALL_PIECE)

    @property
    def covariance(self) -> Array:
        """(B, K, K) covariance of the one-hot label, the sum of both parts: diag(p) - p p^T."""
        p = self.probabilities
        return label_covariance(p[:, :, None] * p[:, None, :])

    @property
    def std(self) -> Array:
        """(B, K) standard deviations of the one-hot label's entries."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def cdf(self, P: Any) -> Array:
        """Share (B, K) of networks whose probability of a class is at most that in P (B, K).

        Examples
        --------
        >>> p = CategoricalPredictive.from_samples(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]))
        >>> p.cdf([[0.3, 0.7]])
        array([[0.5, 0.5]])
        """
        B, K = self.probabilities.shape
        P = as_matrix(P, "P", rows=B, columns=K)
        below = [np.tensordot(self.weights, self.draws_of(r) <= P[r], 1) for r in self._pieces()]
        return np.minimum(np.concatenate(below), 1.0)

    def quantile(self, q: float) -> Array:
        """Least number (B, K) that the share q of networks, or more, gives a class at most.

        Raises
        ------
        TypeError, ValueError
            If q is not a number between 0 and 1.

        Examples
        --------
        >>> p = CategoricalPredictive.from_samples(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]))
        >>> p.quantile(0.9).round(2)
        array([[0.4, 0.8]])
        """
        return np.concatenate([weighted_quantiles(*self._sorted(r), as_level(q, "q"))[0]
                               for r in self._pieces()])  # fmt: skip

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Central interval (B, K) of each class's probability over networks.

        Examples
        --------
        >>> p = CategoricalPredictive.from_samples(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]))
        >>> low, high = p.interval(0.9)
        >>> low.round(2), high.round(2)
        (array([[0.2, 0.6]]), array([[0.4, 0.8]]))
        """
        tail = 0.5 * (1.0 - as_level(level))
        ends = [weighted_quantiles(*self._sorted(rows), tail) for rows in self._pieces()]
        low, high = zip(*ends, strict=True)
        return np.concatenate(low), np.concatenate(high)

    def _sorted(self, rows: slice) -> tuple[Array, Array]:
        """Probabilities (S, b, K) at some of the data in increasing order, and their weights."""
        draws = self.draws_of(rows)
        order = np.argsort(draws, axis=0)
        return np.take_along_axis(draws, order, axis=0), self.weights[order]

    def logpdf(self, Y: Any) -> Array:
        """Log probability of each one-hot row of Y (B, K), in nats, shape (B,).

        Examples
        --------
        >>> p = CategoricalPredictive.from_samples(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]))
        >>> np.exp(p.logpdf([[0.0, 1.0]])).round(2)
        array([0.7])
        """
        B, K = self.probabilities.shape
        Y = as_one_hot(Y, "Y", rows=B, columns=K)
        with np.errstate(divide="ignore"):  # a class of probability zero has log density -inf
            return np.asarray(np.log((Y * self.probabilities).sum(axis=1)))

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """One-hot draws of Y: (B, K), or (size, B, K).

        Examples
        --------
        >>> p = CategoricalPredictive.from_samples(np.log([[[0.2, 0.8]], [[0.4, 0.6]]]))
        >>> p.sample(np.random.default_rng(0), size=100).shape
        (100, 1, 2)
        """
        count = as_count(1 if size is None else size, "size")
        B, K = self.probabilities.shape
        edges = np.cumsum(self.probabilities, axis=1)[:, :-1]
        labels = (rng.random((count, B, 1)) > edges).sum(axis=2)
        draws = np.eye(K)[labels]
        return draws[0] if size is None else draws


class _OfGaussianLogits(CategoricalPredictive):
    """See `CategoricalPredictive.from_gaussian`."""

    def __init__(self, logits: Array, covariance: Array, draws: int, seed: int) -> None:
        self.logits, self.logit_covariance = logits, covariance
        self._contrast = contrasts(logits.shape[1])
        # The same noise for every datum: its probabilities do not depend on its neighbours.
        rng = np.random.default_rng(seed)
        self._noise, self.weights = reaching_draws(draws, self._contrast, rng)
        self.probabilities = expected_softmax(logits, covariance)

    def draws_of(self, rows: slice) -> Array:
        covariance = self.logit_covariance[rows]
        scale = np.abs(covariance).max(axis=(1, 2))
        roots = root(self._contrast @ covariance @ self._contrast, scale)
        logits = self.logits[rows] + np.moveaxis(self._noise @ roots, 0, 1)
        return np.asarray(softmax(logits, axis=2))

    def _parts(self, rows: slice) -> tuple[Array, Array]:
        """Both covariances, from draws with the factors of `balancing`.

        Derivation: CP-3
        """
        p = self.probabilities[rows]
        draws = np.moveaxis(self.draws_of(rows), 0, 1) * np.sqrt(self.weights)[:, None]
        # The probabilities themselves, too: a class that no draw has could not be balanced.
        draws = np.concatenate([draws, np.sqrt(LEAST_WEIGHT) * p[:, None, :]], axis=1)
        draws *= balancing(np.swapaxes(draws, 1, 2) @ draws, p)[:, None, :]
        centred = draws - draws.sum(axis=2, keepdims=True) * p[:, None, :]
        epistemic = np.swapaxes(centred, 1, 2) @ centred
        return epistemic, label_covariance(np.swapaxes(draws, 1, 2) @ draws)


class _OfMembers(CategoricalPredictive):
    """See `CategoricalPredictive.of`."""

    def __init__(self, members: Sequence[CategoricalPredictive]) -> None:
        self.members = list(members)
        self.weights = np.concatenate([member.weights for member in members]) / len(members)
        average = np.mean([member.probabilities for member in members], axis=0)
        self.probabilities = average / average.sum(axis=1, keepdims=True)

    def draws_of(self, rows: slice) -> Array:
        return np.concatenate([member.draws_of(rows) for member in self.members])

    def _parts(self, rows: slice) -> tuple[Array, Array]:
        """Averages over the members, and the covariance between them.

        Derivation: PR-5
        """
        parts = [member._parts(rows) for member in self.members]
        epistemic, aleatoric = (sum(part) / len(parts) for part in zip(*parts, strict=True))
        p = np.stack([member.probabilities[rows] for member in self.members], axis=1)
        centred = p - self.probabilities[rows, None, :]
        return epistemic + np.swapaxes(centred, 1, 2) @ centred / len(parts), aleatoric
