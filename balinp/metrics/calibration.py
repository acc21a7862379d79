"""Whether stated probabilities come true: coverage of intervals, accuracy against confidence.

The curves behind `metrics.ece`, the plots and `balinp evaluate`, computed in one place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from balinp._types import Array
from balinp.asking import as_targets
from balinp.predictive import Predictive
from balinp.validation import as_count

LEVELS = np.linspace(0.05, 0.95, 19)
"""Probabilities of the central intervals whose coverage is usually looked at."""


class Reliability(NamedTuple):
    """The bins of confidence that hold data, in increasing order of confidence.

    Attributes
    ----------
    size : array of int
        (b,) numbers of data.
    confidence : array
        (b,) their mean confidence.
    accuracy : array
        (b,) the fraction of them that was right.
    """

    size: npt.NDArray[np.intp]
    confidence: Array
    accuracy: Array

    @property
    def error(self) -> float:
        """Sum_b (N_b / N) |accuracy_b - confidence_b|, the expected calibration error.

        Derivation: SC-3
        """
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.sum(self.size * gaps) / np.sum(self.size))


def reliability(confidence: Array, correct: Array, n_bins: int = 15) -> Reliability:
    """Mean confidence and accuracy in n_bins bins of equal width, those without data left out.

    `confidence` and `correct` are (N,), as `metrics.top_label` returns them. Bin b is
    ((b - 1) / n_bins, b / n_bins], closed on the right.

    Derivation: SC-3

    Raises
    ------
    TypeError, ValueError
        If the number of bins is not an integer of at least 1.

    Examples
    --------
    >>> bins = reliability(np.array([0.9, 0.7, 0.8]), np.array([1.0, 0.0, 1.0]), n_bins=5)
    >>> bins.size, bins.confidence, bins.accuracy
    (array([2, 1]), array([0.75, 0.9 ]), array([0.5, 1. ]))
    """
    n_bins = as_count(n_bins, "n_bins")
    # Quotients are correctly rounded, so a confidence written as b / n_bins meets its edge exactly.
    # The products that np.linspace forms are not, and would move some such data up one bin.
    edges = np.arange(n_bins + 1) / n_bins
    bins = np.searchsorted(edges, confidence, side="left")
    size = np.bincount(bins)
    filled = np.flatnonzero(size)
    confidences = np.bincount(bins, weights=confidence)[filled] / size[filled]
    accuracies = np.bincount(bins, weights=correct)[filled] / size[filled]
    return Reliability(size[filled], confidences, accuracies)


def coverage(predictive: Predictive, Y: Array, level: float) -> float:
    """Fraction of the entries of Y (N, K) inside the predictive's own central intervals.

    Of one output, Y may be a vector (N,).

    Derivation: SC-2

    Examples
    --------
    >>> from balinp.predictive import GaussianPredictive
    >>> p = GaussianPredictive(np.zeros((4, 1)), np.zeros((4, 1, 1)), np.eye(1))
    >>> coverage(p, np.array([[0.0], [1.9], [2.0], [-9.0]]), 0.95)
    0.5
    """
    low, high = predictive.interval(level)
    Y = as_targets(Y, "Y", rows=low.shape[0], columns=low.shape[1])
    return float(np.mean((low <= Y) & (Y <= high)))


def coverage_curve(predictive: Predictive, Y: Array, levels: Array = LEVELS) -> Array:
    """Coverage of the central intervals of each level, shape (levels,).

    Derivation: SC-2

    Examples
    --------
    >>> from balinp.predictive import GaussianPredictive
    >>> p = GaussianPredictive(np.zeros((2, 1)), np.zeros((2, 1, 1)), np.eye(1))
    >>> coverage_curve(p, np.array([[0.0], [1.0]]), np.array([0.5, 0.7]))
    array([0.5, 1. ])
    """
    return np.array([coverage(predictive, Y, float(level)) for level in levels])
