"""Whether predictions come true: reliability, coverage, residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import beta

from balinp.asking import as_targets, is_model, predictive_of
from balinp.diagnostics.residuals import as_output, as_regression, standardised_residuals
from balinp.metrics import calibration, top_label
from balinp.plot.style import COLOURS, as_levels, axes_or_new, diagonal, open_frame
from balinp.predictive import BernoulliPredictive, GaussianPredictive
from balinp.validation import as_choice, as_count, as_matrix

TWO_SIDED = float(ndtri(0.975))
"""Half width, in standard errors, of the ranges in which 95 % of calibrated results lie."""


def reliability(
    probabilities: Any, Y: Any, X: Any = None, *, n_bins: int = 10, fewest: int = 10, ax: Any = None
) -> Any:
    """Draw accuracy against confidence of the most probable class.

    A point a bin of confidence. The grey bar at confidence c over n data is c ± 1.96
    sqrt(c (1 - c) / n): where 95 % of the points of a calibrated forecast lie.

    Derivation: SC-3

    Parameters
    ----------
    probabilities : array_like
        (N, K) class probabilities, a `CategoricalPredictive`, or, with X, a model; any classifier
        of scikit-learn is one, too. Of a `BernoulliPredictive` each answer is a datum.
    Y : array_like
        (N,) labels or (N, K) one-hot rows; for several answers a row (N, K) zeros and ones.
    X : array_like, optional
        Inputs (N, n_in) at which a model is asked; third, as in `balinp.diagnostics.diagnose`.
    n_bins : int, default 10
        Number of bins of equal width, closed on the right.
    fewest : int, default 10
        Bins with fewer data are not drawn.
    ax : optional
        Matplotlib axes, or None for new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above, or no bin has enough data.

    Examples
    --------
    >>> axes = reliability([[0.9, 0.1], [0.7, 0.3]], [0, 1], fewest=1)
    >>> axes.get_lines()[-1].get_xydata()
    array([[0.7, 0. ],
           [0.9, 1. ]])
    """
    fewest = as_count(fewest, "fewest")
    Y, p, classes = _answers(probabilities, Y, X)
    bins = calibration.reliability(*top_label(Y, p, classes=classes), n_bins)
    drawn = bins.size >= fewest
    if not drawn.any():
        raise ValueError(
            f"fewest: expected at most {bins.size.max()}, the data of the fullest bin, got {fewest}"
        )
    size, confidence, accuracy = (part[drawn] for part in bins)
    axes = axes_or_new(ax)
    spread = TWO_SIDED * np.sqrt(confidence * (1 - confidence) / size)
    lowest = min(*(confidence - spread), *accuracy, 0.9)
    start = max(0.0, np.floor(10 * lowest) / 10)
    diagonal(axes, start)
    axes.errorbar(confidence, confidence, yerr=spread, fmt="none", ecolor="0.72", elinewidth=6,
                  label="95 % range if calibrated")  # fmt: skip
    axes.plot(confidence, accuracy, color=COLOURS[0], marker="o", markersize=5, label="accuracy")
    axes.set(xlabel=f"confidence (bins of {fewest} data or more)", ylabel="accuracy")
    axes.legend(framealpha=0.9, fontsize="small", loc="best")
    open_frame(axes)
    return axes


def _answers(given: Any, Y: Any, X: Any) -> tuple[Any, Any, Any]:
    """Targets, class probabilities (N, K), and the labels of the classes if something knows them.

    Several answers a row are as many data of two classes.
    """
    classes = getattr(given, "classes_", None)
    is_classifier = hasattr(given, "predict_proba") and not isinstance(given, type)
    if is_classifier and X is None:
        raise TypeError("X: expected the inputs at which to ask a classifier, got None")
    if is_model(given):
        given = predictive_of(given, X)
    elif is_classifier:
        given = given.predict_proba(X)
    if isinstance(given, GaussianPredictive):
        raise TypeError("probabilities: expected those of classes, or a classifier, got regression")
    p = getattr(given, "probabilities", given)
    if not isinstance(given, BernoulliPredictive):
        return Y, p, classes
    Y = as_matrix(Y, "Y", rows=len(p), columns=p.shape[1]).ravel()
    return Y, np.stack([1 - p.ravel(), p.ravel()], axis=1), None


def coverage(
    predictive: Any,
    Y: Any,
    X: Any = None,
    *,
    levels: Any = calibration.LEVELS,
    ax: Any = None,
) -> Any:
    """Draw the fraction of targets inside the central intervals against their probability.

    The grey band is level ± 1.96 sqrt(level (1 - level) / N): where 95 % of the results of a right
    predictive lie, level by level.

    Derivation: SC-2

    Parameters
    ----------
    predictive
        Predictive of regression, at N inputs; or, with X, a model.
    Y : array_like
        (N, K) targets, of one output (N,); of several their intervals are counted together.
    X : array_like, optional
        Inputs (N, n_in) at which a model is asked; third, as in `balinp.diagnostics.diagnose`.
    levels : optional
        Probabilities of the intervals, each between 0 and 1.
    ax : optional
        Matplotlib axes, or None for new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above.

    Examples
    --------
    >>> from balinp.predictive import GaussianPredictive
    >>> p = GaussianPredictive(np.zeros((2, 1)), np.zeros((2, 1, 1)), np.eye(1))
    >>> axes = coverage(p, [[0.0], [1.0]], levels=[0.5, 0.7])
    >>> axes.get_lines()[-1].get_ydata()
    array([0.5, 1. ])
    """
    predictive = as_regression(predictive_of(predictive, X))
    Y = as_targets(Y, "Y", rows=len(predictive.mean), columns=predictive.mean.shape[1])
    levels = as_levels(levels)
    inside = calibration.coverage_curve(predictive, Y, levels)
    axes = axes_or_new(ax)
    spread = TWO_SIDED * np.sqrt(levels * (1 - levels) / len(Y))
    diagonal(axes, 0.0)
    axes.fill_between(levels, levels - spread, levels + spread, color="0.85", linewidth=0,
                      label="95 % range if right")  # fmt: skip
    axes.plot(levels, inside, color=COLOURS[0], marker="o", markersize=4, label="coverage")
    axes.set(xlabel="probability of the central interval", ylabel="fraction of targets inside")
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    open_frame(axes)
    return axes


def residuals(
    predictive: Any,
    Y: Any,
    X: Any = None,
    *,
    against: str = "mean",
    output: int | None = None,
    ax: Any = None,
) -> Any:
    """Draw standardised residuals, which are standard normal where the predictive is right.

    Derivation: DG-1

    Parameters
    ----------
    predictive
        Predictive of regression, at N inputs; or, with X, a model.
    Y : array_like
        (N, K) targets, of one output (N,).
    X : array_like, optional
        Inputs (N, n_in) at which a model is asked; third, as in `balinp.diagnostics.diagnose`.
    against : str, default "mean"
        ``"mean"`` draws them over the predicted mean, with dashed lines between which 95 % should
        lie. ``"quantiles"`` draws them in order over the normal quantiles of (i - 1/2) / N, with
        the range of 95 % of each in grey.
    output : int, optional
        Which of K outputs; None where there is one.
    ax : optional
        Matplotlib axes, or None for new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above.

    Examples
    --------
    >>> from balinp.predictive import GaussianPredictive
    >>> p = GaussianPredictive(np.array([[1.0], [2.0]]), np.full((2, 1, 1), 3.0), np.eye(1))
    >>> residuals(p, [[3.0], [2.0]]).get_lines()[-1].get_xydata()
    array([[1., 1.],
           [2., 0.]])
    """
    against = as_choice(against, "against", ("mean", "quantiles"))
    predictive = as_regression(predictive_of(predictive, X))
    z = standardised_residuals(predictive, Y, output=output)
    axes = axes_or_new(ax)
    if against == "mean":
        k = as_output(output, predictive.mean.shape[1])
        axes.axhline(0.0, color="0.6", linewidth=1)
        for edge in (-TWO_SIDED, TWO_SIDED):
            axes.axhline(edge, color="0.6", linewidth=1, linestyle="--")
        axes.plot(predictive.mean[:, k], z, "o", color=COLOURS[0], markersize=4, alpha=0.6)
        axes.set(xlabel="predicted mean, unit of the target", ylabel="standardised residual")
    else:
        rank = np.arange(1, len(z) + 1)
        normal = ndtri((rank - 0.5) / len(z))
        low, high = (ndtri(beta.ppf(tail, rank, rank[::-1])) for tail in (0.025, 0.975))
        axes.fill_between(normal, low, high, color="0.85", linewidth=0,
                          label="95 % range if right")  # fmt: skip
        axes.plot(normal[[0, -1]], normal[[0, -1]], color="0.6", linewidth=1, linestyle="--")
        axes.plot(normal, np.sort(z), "o", color=COLOURS[0], markersize=4, label="residuals")
        axes.set(xlabel="quantile of the standard normal", ylabel="standardised residual, sorted")
        axes.legend(frameon=False, fontsize="small", loc="upper left")
    open_frame(axes)
    return axes
