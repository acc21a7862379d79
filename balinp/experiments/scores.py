"""From a prediction and the truth to the numbers of a record.

A record is a flat dictionary: dataset, split, method, seconds and the scores of its kind.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from balinp import metrics
from balinp._types import Array
from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.predictive import CategoricalPredictive, Predictive

Record: TypeAlias = dict[str, Any]

LEVELS = np.linspace(0.05, 0.95, 19)
"""Probabilities of the central intervals whose coverage a calibration plot shows."""


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
        "crps": metrics.crps_gaussian(Y, predictive.mean, predictive.std),
    }


def calibration(predictive: Predictive, Y: Array) -> Array:
    """What a calibration plot of this prediction needs, one row an entry.

    Regression: (levels, 2), the probability of a central interval and its coverage.
    Classification: (N, 2), the largest class probability of a datum and whether that class
    was right.
    """
    if isinstance(predictive, CategoricalPredictive):
        p = predictive.probabilities
        correct = p.argmax(axis=1) == Y.argmax(axis=1)
        return np.stack([p.max(axis=1), correct], axis=1)
    return np.array([[level, coverage(predictive, Y, level)] for level in LEVELS])


def coverage(predictive: Predictive, Y: Array, level: float) -> float:
    """Fraction of the entries of Y inside the predictive's own central intervals.

    Derivation: SC-2
    """
    low, high = predictive.interval(level)
    return float(np.mean((low <= Y) & (Y <= high)))
