"""Scores of predictions, as plain functions of arrays; `crps` asks a model, too.

Regression takes targets and means of shape (N, K), one datum a row; a vector (N,) is one column.
Classification takes class probabilities (N, K), right up to 1e-6, and labels 0..K-1 (N,), one-hot
rows (N, K), or with `classes` any labels, as ``classes_`` of a classifier has them. Shapes are
never broadcast: an (N,) vector against an (N, 1) column would silently score N x N pairs. Logits
are refused; torchmetrics takes a batch for logits or for probabilities by its values. There is no
pinball loss; netcal's is of the nearer bound of a central interval, not of the quantile. Every
function raises, naming the argument: TypeError for what is not real numbers, ValueError for a
wrong shape, an empty array, NaN or infinity, or values outside the domain its docstring states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import entr, erf

from balinp._types import Array
from balinp.asking import as_labels, as_targets, column, predictive_of
from balinp.metrics.calibration import reliability
from balinp.metrics.student import crps_student, crps_student_mixture
from balinp.predictive import (
    GaussianPredictive,
    MixturePredictive,
    StudentMixture,
    StudentPredictive,
)
from balinp.validation import as_array, as_matrix

__all__ = [
    "accuracy",
    "auroc",
    "brier",
    "crps",
    "crps_gaussian",
    "crps_mixture",
    "crps_student",
    "crps_student_mixture",
    "ece",
    "fpr95",
    "nll",
    "predictive_entropy",
    "rmse",
    "top_label",
]

TOLERANCE = 1e-6
"""Of probabilities, and of their sum over classes: leaves room for a softmax in float32."""


# Regression


def rmse(Y: npt.ArrayLike, mean: npt.ArrayLike) -> float:
    """Root mean squared error over all N K entries of `Y` (N, K) and `mean` (N, K).

    Both may be vectors (N,), as a regressor's targets and its ``predict``.

    Examples
    --------
    >>> rmse([[0.0], [0.0]], [[1.0], [-7.0]])
    5.0
    """
    targets, centres = _targets_and_means(Y, mean)
    return float(np.sqrt(np.mean((targets - centres) ** 2)))


def crps(Y: Any, predictive: Any, *, X: Any = None) -> float:
    """Continuous ranked probability score of what is predicted, tails and mixtures included.

    Not of the Gaussian that has its mean and covariance.

    Derivation: SC-1, SC-6, SC-7

    Parameters
    ----------
    Y : array_like
        (N, K) targets, of one output (N,).
    predictive
        Predictive of regression, at N inputs; or, with X, a model.
    X : array_like, optional
        Inputs (N, n_in) at which a model is asked.

    Returns
    -------
    float
        The score in the unit of Y, a mean over data and outputs; lower is better.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above.

    Examples
    --------
    >>> from balinp import BALI
    >>> x = np.linspace(-1, 1, 9)[:, None]
    >>> model = BALI(hidden=(), noise_variance=1.0, prior_precision=1.0).fit(x, 0 * x, epochs=1)
    >>> 0.2 < crps(0 * x, model, X=x) < 0.3
    True
    """
    p = predictive_of(predictive, X)
    if not isinstance(p, GaussianPredictive):
        raise TypeError(
            "predictive: expected one of regression, or a model of it, after the targets; "
            f"got {type(p).__name__}"
        )
    Y = as_targets(Y, "Y", rows=len(p.mean), columns=p.mean.shape[1])
    if isinstance(p, StudentPredictive):
        return crps_student(Y, p.mean, p.std, p.freedom)
    if isinstance(p, StudentMixture):
        freedoms = [getattr(member, "freedom", np.inf) for member in p.members]
        means, stds = (np.stack([getattr(m, part) for m in p.members]) for part in ("mean", "std"))
        return crps_student_mixture(Y, means, stds, freedoms)
    if not isinstance(p, MixturePredictive):
        return crps_gaussian(Y, p.mean, p.std)
    stds = np.broadcast_to(p.component_std, p.outputs.shape)
    return crps_mixture(Y, p.outputs, stds)


def crps_gaussian(Y: npt.ArrayLike, mean: npt.ArrayLike, std: npt.ArrayLike) -> float:
    """Continuous ranked probability score of Gaussian marginals, mean over all N K entries.

    `Y`, `mean` and `std` are (N, K), `std` positive. With z = (y - mean) / std the score of an
    entry, the integral of (F(t) - [t >= y])^2 over t, is
    std (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)). It has the unit of y; lower is better. A
    mixture's is `crps_mixture`.

    Source: Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation.

    Derivation: SC-1

    Examples
    --------
    >>> round(crps_gaussian([[0.0]], [[0.0]], [[1.0]]), 6)
    0.233695
    """
    targets, centres = _targets_and_means(Y, mean)
    widths = as_matrix(column(std), "std", rows=len(targets), columns=targets.shape[1])
    if np.min(widths) <= 0:
        raise ValueError(f"std: expected numbers above 0, got {np.min(widths)}")
    score = _mean_distance(targets - centres, widths) - widths / np.sqrt(np.pi)
    return float(np.mean(score))


def crps_mixture(Y: npt.ArrayLike, means: npt.ArrayLike, stds: npt.ArrayLike) -> float:
    """Continuous ranked probability score of equal mixtures of Gaussians, mean over all entries.

    `Y` is (N, K), `means` and `stds` are (S, N, K), one slice a component, `stds` positive. With
    A(m, v) the mean distance of N(m, v) from zero, the score of an entry is the average over s of
    A(y - m_s, v_s), less half of the average over s and r of A(m_s - m_r, v_s + v_r).

    Derivation: SC-6

    Examples
    --------
    >>> round(crps_mixture([[0.0]], [[[0.0]], [[0.0]]], [[[1.0]], [[1.0]]]), 6)
    0.233695
    >>> round(crps_mixture([[0.0]], [[[-2.0]], [[2.0]]], [[[1.0]], [[1.0]]]), 6)
    0.734398
    """
    targets = as_matrix(column(Y), "Y")
    centres, widths = as_array(means, "means"), as_array(stds, "stds")
    shape = (*centres.shape[:1], *targets.shape)
    for name, array in (("means", centres), ("stds", widths)):
        if array.shape != shape or not array.size:
            raise ValueError(f"{name}: expected shape (S, N, K) as {shape}, got {array.shape}")
    if np.min(widths) <= 0:
        raise ValueError(f"stds: expected numbers above 0, got {np.min(widths)}")
    score = _mean_distance(targets - centres, widths).mean(axis=0)
    for centre, width in zip(centres, widths, strict=True):
        distances = _mean_distance(centres - centre, np.hypot(widths, width))
        score -= 0.5 * distances.mean(axis=0) / len(centres)
    return float(np.mean(score))


# Classification


def accuracy(Y: npt.ArrayLike, probabilities: npt.ArrayLike, *, classes: Any = None) -> float:
    """Fraction of data whose most probable class, the first of equals, is the true one.

    `Y` is (N,) labels or (N, K) one-hot, `probabilities` (N, K).

    Examples
    --------
    >>> accuracy([0, 1], [[0.8, 0.2], [0.6, 0.4]])
    0.5
    >>> accuracy(["no", "yes"], [[0.8, 0.2], [0.6, 0.4]], classes=["no", "yes"])
    0.5
    """
    return float(np.mean(top_label(Y, probabilities, classes=classes)[1]))


def top_label(
    Y: npt.ArrayLike, probabilities: npt.ArrayLike, *, classes: Any = None
) -> tuple[Array, Array]:
    """Largest probability of each datum, and 1 where its class, the first of equals, is true.

    `Y` is (N,) labels or (N, K) one-hot, `probabilities` (N, K); both results are (N,).

    Examples
    --------
    >>> top_label([0, 1], [[0.8, 0.2], [0.6, 0.4]])
    (array([0.8, 0.6]), array([1., 0.]))
    """
    labels, p = _labels_and_probabilities(Y, probabilities, classes)
    return np.max(p, axis=1), (np.argmax(p, axis=1) == labels).astype(np.float64)


def nll(Y: npt.ArrayLike, probabilities: npt.ArrayLike, *, classes: Any = None) -> float:
    """Mean negative log probability of the true class, in nats.

    `Y` is (N,) labels or (N, K) one-hot, `probabilities` (N, K). Nothing is clipped: one true
    class of probability zero makes the score infinite.

    Examples
    --------
    >>> round(nll([0, 1], [[0.5, 0.5], [0.5, 0.5]]), 6)
    0.693147
    >>> nll([0], [[0.0, 1.0]])
    inf
    """
    labels, p = _labels_and_probabilities(Y, probabilities, classes)
    with np.errstate(divide="ignore"):  # log 0 = -inf is the answer, not an accident
        return float(np.mean(-np.log(p[np.arange(len(p)), labels])))


def brier(Y: npt.ArrayLike, probabilities: npt.ArrayLike, *, classes: Any = None) -> float:
    """Multi-class Brier score: mean over data of sum_k (p_nk - y_nk)^2, between 0 and 2.

    `Y` is (N,) labels or (N, K) one-hot, `probabilities` (N, K). For two classes both terms of the
    sum are equal, so this is twice the binary score (p_1 - y)^2 that scikit-learn's
    `brier_score_loss` returns by default; with `scale_by_half=False` the two agree.

    Source: Brier (1950), Verification of forecasts expressed in terms of probability.

    Derivation: SC-4

    Examples
    --------
    >>> brier([0, 1], [[0.5, 0.5], [0.0, 1.0]])
    0.25
    """
    labels, p = _labels_and_probabilities(Y, probabilities, classes)
    one_hot = np.arange(p.shape[1]) == labels[:, None]
    return float(np.mean(np.sum((p - one_hot) ** 2, axis=1)))


def ece(
    Y: npt.ArrayLike, probabilities: npt.ArrayLike, n_bins: int = 15, *, classes: Any = None
) -> float:
    """Expected calibration error of the top label: sum_b (N_b / N) |accuracy_b - confidence_b|.

    `Y` is (N,) labels or (N, K) one-hot, `probabilities` (N, K). The confidence of a datum is its
    largest probability. Bin b is ((b - 1) / n_bins, b / n_bins], closed on the right; averages
    are over the N_b data of a bin, and empty bins add nothing. Packages differ in their bins: MAPIE
    1.6, for one, makes one bin less than it is asked for (findings/ has the program).

    Source: Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using
    Bayesian binning; Guo et al. (2017), On calibration of modern neural networks.

    Derivation: SC-3

    Examples
    --------
    >>> ece([0, 0], [[0.75, 0.25], [0.25, 0.75]], n_bins=10)
    0.25
    """
    return reliability(*top_label(Y, probabilities, classes=classes), n_bins).error


def predictive_entropy(probabilities: npt.ArrayLike) -> Array:
    """Entropy -sum_k p_nk log p_nk of each row of `probabilities` (N, K), shape (N,), in nats.

    A zero probability contributes zero, the limit of p log p.

    Examples
    --------
    >>> predictive_entropy([[1.0, 0.0], [0.5, 0.5]]).round(6).tolist()
    [0.0, 0.693147]
    """
    entropy: Array = np.sum(entr(_probabilities(probabilities)), axis=1)
    return entropy


# Detection of data from outside the training distribution


def auroc(score_in: npt.ArrayLike, score_out: npt.ArrayLike) -> float:
    """Area under the ROC curve of a score meant to be higher outside the distribution.

    `score_in` (N_in,) are scores of data from the distribution, `score_out` (N_out,) of data from
    outside, the positives. The area is the probability that a random positive scores above a
    random negative, a tie counting one half; it is computed from ranks (Mann-Whitney).

    Source: Hanley and McNeil (1982), The meaning and use of the area under a ROC curve.

    Derivation: SC-5

    Examples
    --------
    >>> auroc([0.0, 1.0], [1.0, 2.0])
    0.875
    """
    inside, outside = _scores(score_in, "score_in"), _scores(score_out, "score_out")
    n_in, n_out = len(inside), len(outside)
    from scipy.stats import rankdata  # takes longer to import than all of balinp

    rank_sum = np.sum(rankdata(np.concatenate([inside, outside]))[n_in:])
    # A positive's rank counts the positives up to it too; over all of them that is this triangle.
    return float((rank_sum - n_out * (n_out + 1) / 2) / (n_in * n_out))


def fpr95(score_in: npt.ArrayLike, score_out: npt.ArrayLike) -> float:
    """False positive rate at a true positive rate of at least 95 %.

    `score_in` (N_in,) and `score_out` (N_out,) are as in `auroc`; a datum is flagged when its score
    is at least t. The threshold t is the largest that still flags at least 95 % of `score_out`, and
    the result is the fraction of `score_in` it flags: the smallest false positive rate any
    threshold reaches at that true positive rate. Nothing is interpolated. Some papers make data
    from the distribution the positives instead; their numbers are not comparable.

    Derivation: SC-5

    Examples
    --------
    >>> fpr95([0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    0.5
    """
    inside, outside = _scores(score_in, "score_in"), _scores(score_out, "score_out")
    n_missed = len(outside) // 20  # at most 5 %, in integers so that rounding cannot shift it
    threshold = np.sort(outside)[n_missed]
    return float(np.mean(inside >= threshold))


# Shared steps and checks


def _mean_distance(mean: Array, std: Array) -> Array:
    """E |X| of X ~ N(mean, std^2), where 2 Phi(z) - 1 is the erf.

    Derivation: SC-1, SC-6
    """
    z = mean / std
    return np.asarray(mean * erf(z / np.sqrt(2)) + std * np.sqrt(2 / np.pi) * np.exp(-0.5 * z**2))


def _targets_and_means(Y: npt.ArrayLike, mean: npt.ArrayLike) -> tuple[Array, Array]:
    targets = as_matrix(column(Y), "Y")
    rows, columns = targets.shape
    return targets, as_matrix(column(mean), "mean", rows=rows, columns=columns)


def _probabilities(probabilities: npt.ArrayLike) -> Array:
    """Class probabilities; what is off by rounding becomes what was meant, 0 or 1."""
    p = as_matrix(probabilities, "probabilities")
    if np.min(p) < -TOLERANCE or np.max(p) > 1 + TOLERANCE:
        raise ValueError(
            f"probabilities: expected numbers in [0, 1], got {np.min(p)} to {np.max(p)}"
        )
    error = np.max(np.abs(np.sum(p, axis=1) - 1))
    if error > TOLERANCE:
        raise ValueError(f"probabilities: expected rows that sum to 1, got one {error:.3g} off")
    return np.clip(p, 0.0, 1.0)


def _labels_and_probabilities(
    Y: npt.ArrayLike, probabilities: npt.ArrayLike, classes: Any
) -> tuple[npt.NDArray[np.intp], Array]:
    p = _probabilities(probabilities)
    n, k = p.shape
    return as_labels(Y, "Y", rows=n, columns=k, classes=classes), p


def _scores(scores: npt.ArrayLike, name: str) -> Array:
    array = as_array(scores, name)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: expected shape (n,) with at least one score, got {array.shape}")
    return array
