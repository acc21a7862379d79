"""Standardised residuals, and permutation tests of what they depend on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri_exp
from scipy.stats import rankdata

from balinp._types import Array
from balinp.asking import as_targets
from balinp.predictive import GaussianPredictive
from balinp.validation import as_count

PERMUTATIONS = 999
"""Random orders that an observed one is compared with; the least p-value is one in a thousand."""


def standardised_residuals(
    predictive: GaussianPredictive, Y: Any, *, output: int | None = None
) -> Array:
    """Residuals (N,) of one output as normal scores: standard normal where all is right.

    (y - mean) / std for a Gaussian predictive. For a mixture, and for Student tails, the normal
    quantile of its distribution function at y, worked out from the nearer tail and in logarithms,
    so that targets far outside keep their digits.

    Derivation: DG-1

    Parameters
    ----------
    predictive : GaussianPredictive
        Predictive of regression, at N inputs.
    Y : array_like
        (N, K) targets, or of one output (N,).
    output : int, optional
        Which of K outputs; None where there is one.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above.

    Examples
    --------
    >>> p = GaussianPredictive(np.zeros((2, 1)), np.full((2, 1, 1), 3.0), np.eye(1))
    >>> standardised_residuals(p, [[2.0], [-1.0]])
    array([ 1. , -0.5])
    """
    predictive = as_regression(predictive)
    B, K = predictive.mean.shape
    y, k = as_targets(Y, "Y", rows=B, columns=K), as_output(output, K)
    if type(predictive) is GaussianPredictive:  # a subclass has another distribution
        return np.asarray((y[:, k] - predictive.mean[:, k]) / predictive.std[:, k])
    mirrored = predictive.rescaled(np.zeros(K), -np.ones(K))
    below, above = predictive.logcdf(y)[:, k], mirrored.logcdf(-y)[:, k]
    return np.where(below < above, ndtri_exp(below), -ndtri_exp(above))


def as_regression(predictive: Any) -> GaussianPredictive:
    """Return a predictive of regression, Gaussian or a mixture; raise TypeError otherwise."""
    if not isinstance(predictive, GaussianPredictive):
        raise TypeError(
            "predictive: expected a GaussianPredictive or a MixturePredictive, or a model of "
            f"regression, got {_named(predictive)}"
        )
    return predictive


def _named(value: Any) -> str:
    """The first class of a value's that is not private."""
    return next(kind.__name__ for kind in type(value).__mro__ if not kind.__name__.startswith("_"))


def as_output(output: int | None, K: int) -> int:
    """Return which of K outputs is meant: the one there is for None, or a number below K."""
    if output is None:
        if K > 1:
            raise ValueError(f"output: expected which of the {K} outputs, from 0, got None")
        return 0
    k = as_count(output, "output", minimum=0)
    if k >= K:
        raise ValueError(f"output: expected a number below {K}, the outputs, got {k}")
    return k


class Association(NamedTuple):
    """A rank correlation, what it is with, and how often chance makes one as strong.

    Attributes
    ----------
    correlation : float
        Rank correlation, in [-1, 1].
    relation : str
        What it is with, in words.
    p_value : float
        How often chance makes one as strong.
    """

    correlation: float
    relation: str
    p_value: float


def strongest_association(
    scores: Array, features: dict[str, Array], rng: np.random.Generator
) -> Association | None:
    """The strongest rank correlation of scores (N,) with any feature (N,), or with its square.

    Squares of centred ranks find what differs between the middle and the ends. The p-value is
    that of the largest absolute correlation under random orders of the scores, so it allows for
    the number of features and for their dependence. None if no feature varies.

    Derivation: DG-2

    Examples
    --------
    >>> x = np.linspace(-1, 1, 30)
    >>> found = strongest_association(x**2, {"x": x}, np.random.default_rng(0))
    >>> found.relation, found.p_value, found.correlation > 0.9
    ('larger at both ends of x', 0.001, True)
    """
    ranks = {name: _standard(rankdata(x)) for name, x in features.items() if np.ptp(x) > 0}
    signed = {("rising with", "falling with", name): rank for name, rank in ranks.items()}
    for name, rank in ranks.items():
        if np.ptp(rank**2) > 1e-9:  # the squares of two balanced values are all 1
            signed["larger at both ends of", "larger in the middle of", name] = _standard(rank**2)
    if not signed:
        return None
    columns, response = np.stack(list(signed.values()), axis=1), _standard(rankdata(scores))
    correlations = response @ columns / len(response)
    best = int(np.argmax(np.abs(correlations)))
    chance = [
        np.abs(rng.permutation(response) @ columns).max() / len(response)
        for _ in range(PERMUTATIONS)
    ]
    rises, falls, name = list(signed)[best]
    found = float(correlations[best])
    relation = f"{rises if found > 0 else falls} {name}"
    return Association(found, relation, monte_carlo_p(abs(found), np.array(chance)))


def pair_association(
    scores: Array, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp],
    rng: np.random.Generator,
) -> tuple[float, float]:  # fmt: skip
    """Rank correlation of scores (N,) over pairs of data, and its one-sided p-value.

    The p-value is how often pairs that are given scores in a random order agree as much.

    Derivation: DG-2

    Examples
    --------
    >>> i = np.arange(29)
    >>> slow = np.sin(np.arange(30) / 5)
    >>> correlation, p = pair_association(slow, i, i + 1, np.random.default_rng(0))
    >>> correlation > 0.8, p
    (True, 0.001)
    """
    ranks = _standard(rankdata(scores))
    found = float(np.mean(ranks[first] * ranks[second]))
    chance = [
        np.mean(order[first] * order[second])
        for order in (rng.permutation(ranks) for _ in range(PERMUTATIONS))
    ]
    return found, monte_carlo_p(found, np.array(chance))


def monte_carlo_p(observed: float, chance: Array) -> float:
    """(1 + number of draws at least as large) / (1 + number of draws): never below chance.

    Derivation: DG-2

    Examples
    --------
    >>> monte_carlo_p(2.0, np.array([0.0, 1.0, 2.0]))
    0.5
    """
    # A draw that differs by rounding alone is as large: sums in another order are not the same.
    slack = 1e-12 * (abs(observed) if np.isfinite(observed) else 0.0)
    return float(1 + np.sum(chance >= observed - slack)) / (1 + len(chance))


def _standard(values: Array) -> Array:
    centred = values - values.mean()
    return np.asarray(centred / np.sqrt(np.mean(centred**2)))
