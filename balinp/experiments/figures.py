"""One figure an evaluation: the compared score of every split, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from balinp._types import Array
from balinp.experiments import REGRESSION
from balinp.experiments.datasets import Dataset
from balinp.experiments.runner import Outcome
from balinp.experiments.scores import COMPARED
from balinp.experiments.table import by_split, mean_and_error, method_names

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart with any kind of colour vision (Okabe and Ito); markers differ too."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

BINS = 10
"""Equal bins of confidence in a reliability diagram."""

FEWEST = 10
"""A bin with fewer predictions than this is not drawn: its accuracy is mostly chance."""


def save_figure(outcomes: Sequence[Outcome], dataset: Dataset, path: Path) -> None:
    """Draw the compared score by method and split beside a calibration plot.

    Parameters
    ----------
    outcomes : of one data set.
    dataset : the data set.
    path : of the file to write; its ending chooses the format.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    n_splits = len({outcome.record["split"] for outcome in outcomes})
    splits = "1 split" if n_splits == 1 else f"{n_splits} splits"
    figure.suptitle(f"{dataset.name}: {splits}", fontweight="bold")
    _draw_scores(left, outcomes, dataset.kind)
    if dataset.kind == REGRESSION:
        _draw_coverage(right, outcomes)
    else:
        _draw_reliability(right, outcomes)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=160)


def _draw_scores(axes: Any, outcomes: Sequence[Outcome], kind: str) -> None:
    """A row a method: a point a split, points of one split joined, mean and standard error."""
    records = [outcome.record for outcome in outcomes]
    methods = method_names(records)
    values = np.array([by_split(records, method, COMPARED[kind].key) for method in methods])
    axes.plot(values, np.arange(len(methods)), color="0.8", linewidth=0.8, zorder=1)
    for row, (method, colour, marker) in enumerate(_styles(methods)):
        axes.scatter(values[row], np.full(values.shape[1], row), s=22, color=colour, alpha=0.55,
                     marker=marker, linewidths=0, zorder=2)  # fmt: skip
        mean, error = mean_and_error(values[row])
        axes.errorbar(mean, row - 0.22, xerr=error, fmt=marker, color=colour, markersize=7,
                      capsize=4, linewidth=1.8, label=method, zorder=3)  # fmt: skip
    axes.set_yticks(range(len(methods)), methods)
    for label, (_, colour, _) in zip(axes.get_yticklabels(), _styles(methods), strict=True):
        label.set_color(colour)
    axes.set_ylim(len(methods) - 0.5, -0.6)
    better = "higher" if kind == REGRESSION else "lower"
    title = COMPARED[kind].title
    axes.set_xlabel(f"test {title}, nats a datum ({better} is better)")
    axes.set_title("each split (joined across methods); above it, mean ± s.e.", fontsize=10)
    axes.grid(axis="x", color="0.92")


def _draw_coverage(axes: Any, outcomes: Sequence[Outcome]) -> None:
    """Coverage of central intervals against their probability, mean over splits."""
    _diagonal(axes, 0.0)
    for method, colour, marker in _styles(_methods(outcomes)):
        levels, coverage = np.mean(_calibrations(outcomes, method), axis=0).T
        axes.plot(levels, coverage, color=colour, marker=marker, markersize=4, label=method)
    axes.set_xlabel("probability of the central interval")
    axes.set_ylabel("fraction of test targets inside, mean over splits")
    axes.set_title("calibration (above the dashes: too wide)", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)


def _draw_reliability(axes: Any, outcomes: Sequence[Outcome]) -> None:
    """Accuracy against confidence of the most probable class, data of all splits together."""
    start = 1.0
    for method, colour, marker in _styles(_methods(outcomes)):
        confidence, accuracy = reliability(np.concatenate(_calibrations(outcomes, method)))
        start = min([start, *confidence, *accuracy])
        axes.plot(confidence, accuracy, color=colour, marker=marker, markersize=5, label=method)
    start = max(0.0, np.floor(10 * start - 0.5) / 10)
    _diagonal(axes, start)
    axes.set_xlabel(f"confidence, splits pooled (bins of {FEWEST} data or more)")
    axes.set_ylabel("accuracy")
    axes.set_title("reliability (above the dashes: under-confident)", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)


def reliability(predictions: Array) -> tuple[Array, Array]:
    """Mean confidence and accuracy of the bins that have enough predictions.

    Parameters
    ----------
    predictions : (N, 2) array: confidence, and 1 if the class was right or 0.

    Returns
    -------
    Two arrays of the same length, in the order of bins.
    """
    confidence = predictions[:, 0]
    bins = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    kept = [chosen for b in range(BINS) if (chosen := bins == b).sum() >= FEWEST]
    means = np.array([predictions[chosen].mean(axis=0) for chosen in kept]).reshape(-1, 2)
    return means[:, 0], means[:, 1]


def _diagonal(axes: Any, start: float) -> None:
    axes.plot([start, 1], [start, 1], color="0.6", linewidth=1, linestyle="--", zorder=1)
    axes.set_xlim(start, 1.01)
    axes.set_ylim(start, 1.01)
    axes.set_aspect("equal")
    axes.grid(color="0.92")


def _methods(outcomes: Sequence[Outcome]) -> list[str]:
    return method_names([outcome.record for outcome in outcomes])


def _calibrations(outcomes: Sequence[Outcome], method: str) -> list[Array]:
    return [outcome.calibration for outcome in outcomes if outcome.record["method"] == method]


def _styles(methods: Sequence[str]) -> list[tuple[str, str, str]]:
    """A colour and a marker for each method, by its place."""
    return [
        (method, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        for i, method in enumerate(methods)
    ]
