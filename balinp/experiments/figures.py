"""One figure an evaluation: the compared score of every split, calibration, and detection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from balinp import calibration
from balinp._types import Array
from balinp.experiments import REGRESSION
from balinp.experiments.dataset import Dataset
from balinp.experiments.runner import Outcome
from balinp.experiments.scores import COMPARED, Record
from balinp.experiments.table import by_split, mean_and_error, method_names
from balinp.plot.style import COLOURS, MARKERS, diagonal, open_frame

BINS = 10
"""Equal bins of confidence in a reliability diagram."""

FEWEST = 10
"""A bin with fewer predictions than this is not drawn: its accuracy is mostly chance."""

MARKED_PASSES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Where curves of convergence have markers, so that passes can be found against seconds too."""


def save_figure(outcomes: Sequence[Outcome], dataset: Dataset, path: Path) -> None:
    """Draw the compared score by method and split, calibration and, with data for it, detection.

    Parameters
    ----------
    outcomes : of one data set.
    dataset : the data set.
    path : of the file to write; its ending chooses the format.
    """
    detects = dataset.outside is not None
    figure = Figure(figsize=(15.5 if detects else 11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right, *rest = figure.subplots(1, 2 + detects, width_ratios=(1.35, 1, 1)[: 2 + detects])
    n_splits = len({outcome.record["split"] for outcome in outcomes})
    splits = "1 split" if n_splits == 1 else f"{n_splits} splits"
    figure.suptitle(f"{dataset.name}: {splits}", fontweight="bold")
    _draw_scores(left, outcomes, dataset.kind)
    if dataset.kind == REGRESSION:
        _draw_coverage(right, outcomes)
    else:
        _draw_reliability(right, outcomes)
    for axes in rest:
        _draw_roc(axes, outcomes, dataset)
    for axes in (left, right, *rest):
        open_frame(axes)
    figure.savefig(path, dpi=160)


LEAST_DISTANCE = 1e-3
"""Nats below the highest objective that a picture of convergence still shows."""


def save_convergence_figure(records: Sequence[Record], path: Path) -> None:
    """Draw objectives against passes and against seconds.

    The distance to the highest objective of all is drawn on a logarithmic axis, for the start is
    orders of magnitude away; points nearer than `LEAST_DISTANCE` are not drawn.

    Parameters
    ----------
    records : from `balinp.experiments.convergence.compare`.
    path : of the file to write; its ending chooses the format.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    figure.suptitle(f"{records[0]['dataset']}: split {records[0]['split']}", fontweight="bold")
    top = max(max(record["log_joint"]) for record in records)
    for (name, colour, marker), record in zip(
        _styles([curve_title(record) for record in records]), records, strict=True
    ):
        below = top - np.array(record["log_joint"])
        below[below < LEAST_DISTANCE] = np.nan
        passes = np.arange(len(below))
        marked = [t - 1 for t in MARKED_PASSES if t < len(below)]
        for axes, x in ((left, passes), (right, np.array(record["seconds"]))):
            axes.plot(x[1:], below[1:], color=colour, marker=marker, markersize=5, label=name,
                      markevery=marked)  # fmt: skip
    for axes in (left, right):
        axes.axhline(top - records[0]["target"], color="0.4", linewidth=1, linestyle="--", zorder=1)
        axes.set(xscale="log", yscale="log")
        axes.grid(color="0.92")
        open_frame(axes)
    left.set(xlabel="passes over the data", ylabel="log joint: nats below the highest reached")
    right.set(xlabel="seconds spent on steps")
    left.set_title("dashes: best of Adam after 100 passes", fontsize=10)
    right.set_title("markers: after 1, 2, 5, 10, ... passes", fontsize=10)
    right.legend(loc="lower left", fontsize=8, framealpha=0.9)
    figure.savefig(path, dpi=160)


def curve_title(record: Record) -> str:
    """Name of a method, with its learning rate if it has one."""
    rate = record["learning_rate"]
    return str(record["method"]) if rate is None else f"{record['method']}, rate {rate:g}"


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
    diagonal(axes, 0.0)
    for method, colour, marker in _styles(_methods(outcomes)):
        levels, coverage = np.mean(_curves(outcomes, method, "calibration"), axis=0).T
        axes.plot(levels, coverage, color=colour, marker=marker, markersize=4, label=method)
    axes.set_xlabel("probability of the central interval")
    axes.set_ylabel("fraction of test targets inside, mean over splits")
    axes.set_title("calibration (above the dashes: too wide)", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)


def _draw_reliability(axes: Any, outcomes: Sequence[Outcome]) -> None:
    """Accuracy against confidence of the most probable class, data of all splits together."""
    start = 1.0
    for method, colour, marker in _styles(_methods(outcomes)):
        pooled = np.concatenate(_curves(outcomes, method, "calibration"))
        bins = calibration.reliability(pooled[:, 0], pooled[:, 1], BINS)
        drawn = bins.size >= FEWEST
        confidence, accuracy = bins.confidence[drawn], bins.accuracy[drawn]
        start = min([start, *confidence, *accuracy])
        axes.plot(confidence, accuracy, color=colour, marker=marker, markersize=5, label=method)
    start = max(0.0, np.floor(10 * start - 0.5) / 10)
    diagonal(axes, start)
    axes.set_xlabel(f"confidence, splits pooled (bins of {FEWEST} data or more)")
    axes.set_ylabel("accuracy")
    axes.set_title("reliability (above the dashes: under-confident)", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)


def _draw_roc(axes: Any, outcomes: Sequence[Outcome], dataset: Dataset) -> None:
    """True against false positive rate of predictive entropy, mean over splits."""
    diagonal(axes, 0.0)
    records = [outcome.record for outcome in outcomes]
    for method, colour, marker in _styles(_methods(outcomes)):
        false, true = np.mean(_curves(outcomes, method, "roc"), axis=0).T
        area = by_split(records, method, "auroc").mean()
        axes.plot([*false, 1.0], [*true, 1.0], color=colour, marker=marker, markevery=[95],
                  markersize=7, label=f"{method} (AUROC {area:.3f})")  # fmt: skip
    assert dataset.outside is not None
    axes.set_xlabel("test data flagged (false positive rate)")
    axes.set_ylabel(f"data of {dataset.outside.name} flagged (true positive rate)")
    axes.set_title("detection by entropy (markers: 95 % flagged)", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)


def _methods(outcomes: Sequence[Outcome]) -> list[str]:
    return method_names([outcome.record for outcome in outcomes])


def _curves(outcomes: Sequence[Outcome], method: str, name: str) -> list[Array]:
    return [outcome.curves[name] for outcome in outcomes if outcome.record["method"] == method]


def _styles(methods: Sequence[str]) -> list[tuple[str, str, str]]:
    """A colour and a marker for each method, by its place."""
    return [
        (method, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        for i, method in enumerate(methods)
    ]
