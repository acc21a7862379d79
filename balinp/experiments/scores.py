"""From a prediction and the truth to the numbers of a record.

A record is a flat dictionary: dataset, split, method, the digest of its settings, seconds,
cpu_seconds, the scores of its kind, and the shares of the split's test rows that occur in training;
with data from outside also the scores of detection, with gaps also the epistemic ratio.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from balinp import metrics
from balinp._types import Array
from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.metrics.calibration import LEVELS, coverage, coverage_curve
from balinp.predictive import (
    CategoricalPredictive,
    Predictive,
)

Record: TypeAlias = dict[str, Any]


class Column(NamedTuple):
    """A key of records and the title of its column in a table."""

    key: str
    title: str


SCORES = {
    REGRESSION: (
        Column("rmse", "RMSE"),
        Column("log_likelihood_gaussian", "log-likelihood (Gaussian)"),
        Column("log_likelihood_mixture", "log-likelihood (mixture)"),
        Column("coverage_95", "95 % coverage"),
        Column("crps", "CRPS"),
    ),
    CLASSIFICATION: (
        Column("accuracy", "accuracy"),
        Column("nll", "NLL"),
        Column("brier", "Brier"),
        Column("ece", "ECE"),
    ),
}

EXTRAS = (
    Column("auroc", "AUROC"),
    Column("fpr95", "FPR at 95 % TPR"),
    Column("epistemic_ratio", "epistemic ratio"),
)
"""Scores that records have only where a data set gives cause for them."""

TIMES = (Column("seconds", "seconds"), Column("cpu_seconds", "CPU seconds"))
"""Wall-clock and processor's time of a fit; older records lack the second."""

COMPARED = {
    REGRESSION: Column("log_likelihood_gaussian", "log-likelihood"),
    CLASSIFICATION: Column("nll", "NLL"),
}
"""The score that methods are compared by, split by split, and how a figure labels it."""


def scores(predictive: Predictive, Y: Array) -> dict[str, float]:
    """All scores of a prediction of targets Y (N, K), in the units of Y and in nats."""
    if isinstance(predictive, CategoricalPredictive):
        p = predictive.probabilities
        return {
            "accuracy": metrics.accuracy(Y, p),
            "nll": metrics.nll(Y, p),
            "brier": metrics.brier(Y, p),
            "ece": metrics.ece(Y, p),
        }
    return {
        "rmse": metrics.rmse(Y, predictive.mean),
        "log_likelihood_gaussian": float(predictive.logpdf_gaussian(Y).mean()),
        "log_likelihood_mixture": float(predictive.logpdf_mixture(Y).mean()),
        "coverage_95": coverage(predictive, Y, 0.95),
        "crps": metrics.crps(Y, predictive),
    }


def calibration(predictive: Predictive, Y: Array) -> Array:
    """What a calibration plot of this prediction needs, one row an entry.

    Regression: (levels, 2), the probability of a central interval and its coverage.
    Classification: (N, 2), the largest class probability of a datum and whether that class
    was right.
    """
    if isinstance(predictive, CategoricalPredictive):
        return np.stack(metrics.top_label(Y, predictive.probabilities), axis=1)
    return np.stack([LEVELS, coverage_curve(predictive, Y)], axis=1)


def detection(inside: CategoricalPredictive, outside: CategoricalPredictive) -> dict[str, float]:
    """How well predictive entropy tells data from outside from test data.

    Derivation: SC-5
    """
    entropies = _entropies(inside, outside)
    return {"auroc": metrics.auroc(*entropies), "fpr95": metrics.fpr95(*entropies)}


def roc(inside: CategoricalPredictive, outside: CategoricalPredictive) -> Array:
    """The ROC curve of predictive entropy, (101, 2): false and true positive rates.

    Row i has the lowest false positive rate that any threshold reaches when it flags i % of the
    data from outside or more; row 95 is `metrics.fpr95`.

    Derivation: SC-5
    """
    test, positives = _entropies(inside, outside)
    percent = np.arange(101)
    thresholds = np.append(np.sort(positives), np.inf)  # the last flags nothing
    missed = (100 - percent) * len(positives) // 100
    above = test >= thresholds[missed][:, None]
    return np.stack([above.mean(axis=1), percent / 100], axis=1)


def _entropies(
    inside: CategoricalPredictive, outside: CategoricalPredictive
) -> tuple[Array, Array]:
    return (
        metrics.predictive_entropy(inside.probabilities),
        metrics.predictive_entropy(outside.probabilities),
    )


def epistemic_ratio(in_gap: Predictive, in_data: Predictive) -> float:
    """Mean epistemic standard deviation in a gap over that at the training inputs.

    With E_n the epistemic covariance at datum n, for output k it is the mean over test data of
    sqrt((E_n)_kk) divided by the same mean over training data; with several outputs, the mean of
    their ratios. It has no unit. Above 1, the weights say that less is known in the gap.

    Examples
    --------
    >>> from balinp.predictive import GaussianPredictive
    >>> sure = GaussianPredictive(np.zeros((2, 1)), np.full((2, 1, 1), 0.25), np.eye(1))
    >>> unsure = GaussianPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 4.0), np.eye(1))
    >>> epistemic_ratio(unsure, sure)
    4.0
    """
    gap, data = (
        np.sqrt(np.diagonal(predictive.epistemic, axis1=1, axis2=2)).mean(axis=0)
        for predictive in (in_gap, in_data)
    )
    return float(np.mean(gap / data))
