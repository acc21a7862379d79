"""Tests of fit behind `balinp.diagnostics`: each yields a statistic, its p-value and its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest, chi2, kstest, kurtosistest, skewtest

from balinp._types import Array
from balinp.diagnostics.residuals import (
    PERMUTATIONS,
    monte_carlo_p,
    pair_association,
    strongest_association,
)
from balinp.metrics import predictive_entropy
from balinp.metrics.calibration import reliability
from balinp.predictive import CategoricalPredictive, GaussianPredictive

NEIGHBOURS = 3
"""Nearest data that each datum's residual is compared with."""

INTERVAL = 0.95
"""Probability of the intervals whose coverage is tested by region."""


class Result(NamedTuple):
    """A test, with its words if it fails and if it does not.

    Attributes
    ----------
    name : str
        Name of the test.
    statistic : float
        What it measures.
    p_value : float
        How often a right model gives a statistic as extreme.
    if_found, if_not : str
        Words for either outcome.
    """

    name: str
    statistic: float
    p_value: float
    if_found: str
    if_not: str


def of_distribution(z: Array) -> Iterator[Result]:
    """Whether residuals are standard normal, by what they look like all together.

    Derivation: DG-1
    """
    N, mean, rms = len(z), z.mean(), np.sqrt(np.mean(z**2))
    side = "low" if mean > 0 else "high"
    yield Result("bias", mean, 2 * ndtr(-np.sqrt(N) * abs(mean)),
                  f"predictions are too {side}, by {abs(mean):.2g} predicted std on average",
                  "no bias")  # fmt: skip
    tails = chi2.cdf(N * rms**2, N), chi2.sf(N * rms**2, N)
    size = f"errors are {rms:.3g} times as large as predicted"
    yield Result("scale", rms, min(1.0, 2 * min(tails)),
                  f"{size}: {'over' if rms > 1 else 'under'}-confident", size)  # fmt: skip
    skew = skewtest(z)
    way = "upwards" if skew.statistic > 0 else "downwards"
    yield Result("skewness", skew.statistic, skew.pvalue,
                  f"errors reach further {way}", "errors are symmetric")  # fmt: skip
    tail = kurtosistest(z)
    yield Result("tails", tail.statistic, tail.pvalue,
                  f"tails are {'heavier' if tail.statistic > 0 else 'lighter'} than Gaussian",
                  "tails are Gaussian")  # fmt: skip
    shape = kstest(z, "norm")
    yield Result("shape", shape.statistic, shape.pvalue,
                  f"the distribution is off by up to {shape.statistic:.2g}",
                  "the distribution is as predicted")  # fmt: skip
    worst = int(np.argmax(np.abs(z)))
    largest = f"the largest error, of datum {worst}, is {abs(z[worst]):.3g} predicted std"
    # 1 - (1 - 2 Phi(-t))^N, without losing the digits of a small tail
    chance = -np.expm1(N * np.log1p(-2 * ndtr(-abs(z[worst]))))
    yield Result("outlier", abs(z[worst]), chance, f"{largest}: an outlier", largest)


def of_dependence(
    z: Array,
    predictive: GaussianPredictive,
    k: int,
    X: Array | None,
    names: Sequence[str],
    rng: np.random.Generator,
) -> Iterator[Result]:
    """Whether residuals go with anything that is known about the data.

    Derivation: DG-2

    Parameters
    ----------
    z : array
        (N,) residuals.
    predictive, k : GaussianPredictive and int
        The predictive, and which of its outputs.
    X, names : array or None and sequence of str
        (N, n_in) inputs and what each is called, or None and nothing.
    rng : numpy.random.Generator
        What draws come from.
    """
    N, mean, std = len(z), predictive.mean[:, k], predictive.std[:, k]
    features = {"the predicted mean": mean, "the predicted std": std}
    if X is not None:
        features |= dict(zip(names, X.T, strict=True))
    if np.ptp(mean) > 0:
        yield from _of_regions(z, mean)
    trend = strongest_association(z, features, rng)
    if trend is not None:
        yield Result("trend", trend.correlation, trend.p_value,
                      f"errors (target minus mean) are {trend.relation}",
                      "errors go with nothing known")  # fmt: skip
    spread = strongest_association(np.abs(z), features, rng)
    if spread is not None:
        yield Result("spread", spread.correlation, spread.p_value,
                      f"the noise is {spread.relation}", "the noise is even")  # fmt: skip
    rows = np.arange(N)
    correlation, p = pair_association(z, rows[:-1], rows[1:], rng)
    yield Result("order", correlation, p,
                  f"data that follow each other agree (correlation {correlation:.2f})",
                  "the order of the data does not matter")  # fmt: skip
    if X is not None and (varying := np.ptp(X, axis=0) > 0).any():
        near = X[:, varying] / X[:, varying].std(axis=0)
        # The nearest of all is the datum itself, which the mask takes out again.
        found = cKDTree(near).query(near, NEIGHBOURS + 1)[1]
        first, second = np.repeat(rows, NEIGHBOURS + 1), found.ravel()
        other = first != second
        correlation, p = pair_association(z, first[other], second[other], rng)
        yield Result("neighbours", correlation, p,
                      f"errors of near inputs agree (correlation {correlation:.2f}): "
                      "the mean misses something, or data depend on each other",
                      "errors of near inputs are unrelated")  # fmt: skip


def _of_regions(z: Array, mean: Array) -> Iterator[Result]:
    """Coverage in the lower and the upper half of the predicted means.

    Derivation: SC-2
    """
    order, edge = np.argsort(mean, kind="stable"), ndtri(0.5 + 0.5 * INTERVAL)
    half = len(z) // 2
    for name, part in (("low", order[:half]), ("high", order[half:])):
        inside = int(np.sum(np.abs(z[part]) <= edge))
        share = inside / len(part)
        words = f"{100 * share:.3g} % of targets of {name} mean are in their 95 % interval"
        far = f"{words}: it is too {'narrow' if share < INTERVAL else 'wide'} there"
        yield Result(
            f"coverage {name}", share, binomtest(inside, len(part), INTERVAL).pvalue, far, words
        )


def of_classes(
    predictive: CategoricalPredictive,
    Y: Array,
    rng: np.random.Generator,
    classes: Sequence[Any] | None = None,
) -> Iterator[Result]:
    """Whether labels look like draws with the stated probabilities, by making such draws.

    Derivation: DG-3
    """
    p = predictive.probabilities
    rows, top, confidence = np.arange(len(p)), p.argmax(axis=1), p.max(axis=1)
    spread = np.sqrt((p * (1 - p)).sum(axis=0))
    with np.errstate(divide="ignore"):  # a label of probability zero is infinitely surprising
        log_p = np.log(p)

    def statistics(labels: Array) -> tuple[float, float, float, float]:
        correct = labels[rows, top]
        error, surplus = reliability(confidence, correct).error, np.mean(correct - confidence)
        surprise = -np.mean(log_p[rows, labels.argmax(axis=1)])
        return error, surplus, surprise, np.abs(_surpluses(labels, p, spread)).max()

    error, surplus, surprise, off = statistics(Y)
    errors, gaps, surprises, offs = np.array(
        [statistics(predictive.sample(rng)) for _ in range(PERMUTATIONS)]
    ).T
    measured = f"the calibration error is {error:.3f}; chance makes {errors.mean():.3f}"
    yield Result("calibration", error, monte_carlo_p(error, errors),
                  f"{measured} ± {errors.std():.3f}", measured)  # fmt: skip
    claimed = confidence.mean()
    said = f"{100 * (claimed + surplus):.3g} % are right, {100 * claimed:.3g} % are claimed"
    yield Result("confidence", surplus, monte_carlo_p(abs(surplus), np.abs(gaps)),
                  f"{said}: {'over' if surplus < 0 else 'under'}-confident", said)  # fmt: skip
    expected = predictive_entropy(p).mean()
    told = f"a label costs {surprise:.3g} nats, {expected:.3g} are expected"
    two_sided = 2 * min(monte_carlo_p(surprise, surprises), monte_carlo_p(-surprise, -surprises))
    yield Result("surprise", surprise, min(1.0, two_sided),
                  f"{told}: {'over' if surprise > expected else 'under'}-confident",
                  told)  # fmt: skip
    k = int(np.argmax(np.abs(_surpluses(Y, p, spread))))
    named = k if classes is None else repr(np.asarray(classes).tolist()[k])
    counted = f"class {named} occurs {Y[:, k].sum():.0f} times, {p[:, k].sum():.1f} are expected"
    yield Result("classes", off, monte_carlo_p(off, offs), counted, "all as often as predicted")


def _surpluses(labels: Array, p: Array, spread: Array) -> Array:
    """How much more often than stated each class occurs, in standard deviations, shape (K,).

    A class that is certain everywhere has no spread: it is either as stated or infinitely off.
    """
    difference = np.sum(labels - p, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(difference == 0, 0.0, difference / spread))
