"""How well labels can be told from other data, and whether a network has fitted them as well.

What a regression says of a label that it has not seen, the inputs do tell. A network that fits the
labels it has seen less well than that has not learnt what there is, whatever its evidence says:
then the prior is taken for what holds it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import xlogy

from balinp._types import Array
from balinp.data import Batch
from balinp.kernels import weighted_sum
from balinp.likelihood import Likelihood
from balinp.noise_ceiling import MOST_DATA, differing, errors_left_out
from balinp.pseudo_targets import Trace
from balinp.sums import Said, total
from balinp.threads import few_threads

LEAST_PROBABILITY = 0.05
"""Share of 1 / K to which smaller probabilities of a regression are raised, also negative ones."""

DOUBT = 2.0
"""Standard errors that are taken off: the best of 88 regressions is one that had luck."""

BEHIND_FROM, BEHIND_UNTIL = 0.1, 0.5
"""Shares of the steps of a fit between which it is asked whether the network is behind: what learns
at all has by the first, and what is learnt by the second has time to settle."""

LEAST_STEPS, MOST_BEGINNINGS = 10, 5
"""Steps that are waited for at least, and beginnings that there are at most."""

BEHIND_SHARE = 2.0
"""Change of the prior precision in a step while it is, in units of the largest that the evidence
makes."""

NOTHING = 0.01
"""Variance of the logits over the data below which a network that has had time has learnt nothing:
it has come to rest where all weights are zero."""

WEAKER = 0.5
"""What the first prior precision is multiplied with for another beginning."""

WIDEST_OUTPUTS = 1000.0
"""Standard deviation of the outputs under the prior beyond which it is not weakened so."""


@dataclass(frozen=True)
class Fit:
    """How well a network fits labels, beside how well they can be told when left out.

    Derivation: GA-4

    Attributes
    ----------
    precisions : sequence of float
        lam of each layer at the beginning.
    least : float
        lam of the first layer below which it is not moved, see `least_precision`.
    attainable, ignorance : float
        What can be told of labels left out, in nats a datum, see `attainable_fit`; and what the
        frequencies of the classes tell.
    steps : float
        Number of steps of the fit; 0 if nothing is asked.
    value : float
        Mean log density of the labels at the network's means, averaged over steps.
    taken : int
        Number of steps so far.
    is_behind, was_behind : bool
        Whether the network has fitted less than is attainable, now and a step ago.
    is_lost : bool
        Whether its outputs did not vary at the first look.
    beginnings : int
        How often it has begun.

    Examples
    --------
    >>> fit = Fit(attainable=-0.3, ignorance=-0.7, steps=100.0)
    >>> for value in [-0.65] * 10 + [-0.5, -0.2]:
    ...     fit = fit.after(value, 1.0, rate=1.0)
    ...     if fit.taken >= 10:
    ...         print(fit.is_behind, fit.has_caught_up)
    False False
    True False
    False True
    """

    precisions: Sequence[float] = ()
    least: float = 0.0
    attainable: float = -np.inf
    ignorance: float = -np.inf
    steps: float = 0.0
    value: float = -np.inf
    taken: int = 0
    is_behind: bool = False
    was_behind: bool = False
    is_lost: bool = False
    beginnings: int = 1

    @classmethod
    def of(cls, batch: Batch, steps: float, precisions: Sequence[float]) -> Fit:
        """Before a fit of so many steps to all the data, from these prior precisions."""
        if BEHIND_UNTIL * steps <= LEAST_STEPS:
            return cls()  # there is no time for it
        X, Y, w = batch.some(MOST_DATA)
        least = least_precision(X.shape[1], len(precisions))
        if precisions[0] <= least:
            return cls()  # the prior holds nothing back
        with few_threads([MOST_DATA]):
            attainable = attainable_fit(X, Y, w)
        return cls(precisions, least, attainable, ignorance(Y, w), steps)

    def again(self, steps: float) -> Fit:
        """Before another beginning, from weaker priors."""
        weaker = [WEAKER * precision for precision in self.precisions]
        known = self.least, self.attainable, self.ignorance
        return Fit(weaker, *known, steps, beginnings=self.beginnings + 1)

    @property
    def is_asked(self) -> bool:
        """Whether it is to be known how well the network fits."""
        is_time = self.is_behind or self.taken < BEHIND_UNTIL * self.steps
        return is_time and self.attainable > self.ignorance

    def after(self, value: float, variance: float, rate: float) -> Fit:
        """The fit after a step, from `fit_at_means`, with the weight `rate` in the average."""
        value = value if self.taken == 0 else (1 - rate) * self.value + rate * value
        begins, ends = max(LEAST_STEPS, BEHIND_FROM * self.steps), BEHIND_UNTIL * self.steps
        taken = self.taken + 1
        is_first_look = begins <= taken < begins + 1 and begins < ends
        is_lost = is_first_look and variance < NOTHING and self.beginnings < MOST_BEGINNINGS
        return replace(
            self,
            value=value,
            taken=taken,
            is_behind=begins < taken <= ends and value < self.attainable,
            was_behind=self.is_behind,
            is_lost=self.is_lost or is_lost,
        )

    @property
    def has_caught_up(self) -> bool:
        """Whether it was behind until now."""
        return self.was_behind and not self.is_behind


def least_precision(n_in: int, layers: int) -> float:
    """Prior precision of a first layer of n_in inputs with which outputs are `WIDEST_OUTPUTS` wide.

    Their variance is (n_in / lam)^L under the prior of L layers, for inputs of unit size.

    Derivation: GA-4

    Examples
    --------
    >>> least_precision(8, layers=2), round(least_precision(8, layers=3), 2)
    (0.008, 0.08)
    """
    return n_in * WIDEST_OUTPUTS ** (-2 / layers)


def fit_at_means(batch: Batch, said: Said, likelihood: Likelihood) -> tuple[float, float]:
    """Mean log density of labels at the network's means, and the variance of the logits there.

    The first is in nats a datum; the second is over the data, of the logits less their mean over
    classes, summed over classes.

    Derivation: GA-4, LR-6
    """
    density, total_logits, squares = total(said, _sums_at_means, likelihood)
    A = batch.amount
    return float(density / A), float(squares / A - (total_logits / A) @ (total_logits / A))


def _sums_at_means(piece: Trace, likelihood: Likelihood) -> tuple[float, Array, float]:
    f, w = piece.outputs[-1], piece.sample_weight
    contrasts = f - f.mean(axis=1, keepdims=True)
    return (
        weighted_sum(likelihood.log_density(piece.targets, f), w),
        contrasts.sum(axis=0) if w is None else w @ contrasts,
        weighted_sum((contrasts**2).sum(axis=1), w),
    )


def ignorance(Y: Array, w: Array | None) -> float:
    """Mean log density of labels Y (N, K) with weights w (N,) under the classes' frequencies.

    Derivation: GA-4, LR-6

    Examples
    --------
    >>> round(ignorance(np.eye(3)[[0, 1]], None), 3)
    -0.693
    """
    p = np.average(Y, axis=0, weights=w)
    return float(xlogy(p, p).sum())


def attainable_fit(X: Array, Y: Array, w: Array | None) -> float:
    """What regressions tell of labels left out, in nats a datum, less what may be luck.

    They are those of `balinp.noise_ceiling.errors_left_out`; of each, the log of the probability
    that it gives the label, less `DOUBT` standard errors. Minus infinity if
    there are none.

    Derivation: GA-4, LR-6

    Parameters
    ----------
    X, Y : array
        (N, n_in) inputs, and (N, K) labels, one-hot.
    w : array or None
        (N,) weights, or None for ones.

    Examples
    --------
    >>> X = np.linspace(0.0, 1.0, 200)[:, None]
    >>> stripes = np.eye(2)[(8 * X[:, 0]).astype(int) % 2]
    >>> coins = np.eye(2)[np.random.default_rng(0).integers(0, 2, 200)]
    >>> [bool(attainable_fit(X, Y, None) > ignorance(Y, None)) for Y in (stripes, coins)]
    [True, False]
    """
    X, Y, w = differing(X, Y, w)
    return max((_surely(Y, e, w) for e in errors_left_out(X, Y)), default=-np.inf)


def _surely(Y: Array, errors: Array, w: Array) -> float:
    """Mean log probability of the labels, less `DOUBT` standard errors: of data that differ."""
    p = np.maximum(Y - errors, LEAST_PROBABILITY / Y.shape[1])
    logs = np.log((p * Y).sum(axis=1) / p.sum(axis=1))
    mean = w @ logs / w.sum()
    return float(mean - DOUBT * np.sqrt(w @ (logs - mean) ** 2 / w.sum() / len(w)))
