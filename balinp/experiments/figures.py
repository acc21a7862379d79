"""Pictures of experiments: of an evaluation, of convergence, of three posteriors.

An evaluation is one figure: differences of the compared score on every split, calibration with the
range that chance leaves it, and detection.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from balinp._types import Array
from balinp.experiments import REGRESSION
from balinp.experiments.dataset import Dataset
from balinp.experiments.methods import REFERENCE
from balinp.experiments.runner import Outcome
from balinp.experiments.scores import COMPARED, Record
from balinp.experiments.table import by_split, mean_and_error, method_names
from balinp.metrics import calibration
from balinp.plot.calibration import TWO_SIDED
from balinp.plot.style import COLOURS, MARKERS, diagonal, open_frame

BINS = 10
"""Equal bins of confidence in a reliability diagram."""

FEWEST = 10
"""A bin with fewer predictions than this is not drawn: its accuracy is mostly chance."""

FARTHEST = 10.0
"""Interquartile ranges beyond the quartiles that a picture of scores still shows."""

MARKED_PASSES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Where curves of convergence have markers, so that passes can be found against seconds too."""


def save_figure(outcomes: Sequence[Outcome], dataset: Dataset, path: Path) -> None:
    """Draw how methods differ by split, their calibration and, with data for it, detection.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Outcomes of one data set.
    dataset : Dataset
        The data set.
    path : Path
        Path of the file to write; its ending chooses the format.
    """
    detects = dataset.outside is not None
    height = max(4.6, 1.4 + 0.36 * len(_methods(outcomes)))
    figure = Figure(figsize=(18 if detects else 13, height), layout="constrained")
    FigureCanvasAgg(figure)
    left, right, *rest = figure.subplots(1, 2 + detects, width_ratios=(1.35, 1, 1)[: 2 + detects])
    n_splits = len({outcome.record["split"] for outcome in outcomes})
    splits = "1 split" if n_splits == 1 else f"{n_splits} splits"
    figure.suptitle(f"{dataset.name}: {splits}", fontweight="bold")
    _draw_scores(left, outcomes, dataset.kind)
    if dataset.kind == REGRESSION:
        _draw_coverage(right, outcomes, dataset)
    else:
        _draw_reliability(right, outcomes, dataset)
    for axes in rest:
        _draw_roc(axes, outcomes, dataset)
    for axes in (left, right, *rest):
        open_frame(axes)
    handles, labels = (right, *rest)[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=9, frameon=False)
    figure.savefig(path, dpi=160)


LEAST_DISTANCE = 1e-3
"""Nats below the highest objective that a picture of convergence still shows."""


def save_convergence_figure(records: Sequence[Record], path: Path) -> None:
    """Draw objectives against passes and against seconds.

    The distance to the highest objective of all is drawn on a logarithmic axis, for the start is
    orders of magnitude away; points nearer than `LEAST_DISTANCE` are not drawn.

    Parameters
    ----------
    records : sequence of Record
        Records from `balinp.experiments.convergence.compare`.
    path : Path
        Path of the file to write; its ending chooses the format.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    figure.suptitle(f"{records[0]['dataset']}: split {records[0]['split']}", fontweight="bold")
    top = max(max(record["log_joint"]) for record in records)
    for style, record in zip(
        styles([curve_title(record) for record in records]), records, strict=True
    ):
        below = top - np.array(record["log_joint"])
        below[below < LEAST_DISTANCE] = np.nan
        passes = np.arange(len(below))
        marked = [t - 1 for t in MARKED_PASSES if t < len(below)]
        for axes, x in ((left, passes), (right, np.array(record["seconds"]))):
            axes.plot(x[1:], below[1:], **style.line, markersize=5, markevery=marked)
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
    """A row a method: a point a split, and above them mean and standard error.

    What is drawn is the difference to the reference on the same split, which says more than two
    means do: splits that are hard are hard for all. A single method has its scores drawn.
    """
    records = [outcome.record for outcome in outcomes]
    methods = method_names(records)
    values, reference = _compared(records, methods, kind)
    low, high = window(values[[method != reference for method in methods]])
    if reference is not None:  # whose own place, 0, is always shown
        low, high = min(low, 0.0), max(high, 0.0)
    shown = np.clip(values, low, high)
    for row, style in enumerate(styles(methods)):
        if style.name == reference:
            axes.annotate("reference", (0.0, row), (4, 0), textcoords="offset points",
                          va="center", fontsize=9, color=style.colour)  # fmt: skip
            continue
        axes.scatter(shown[row], np.full(values.shape[1], row), s=22, facecolors=style.face,
                     edgecolors=style.colour, alpha=0.55, marker=style.marker, linewidths=0.8,
                     zorder=2)  # fmt: skip
        mean, error = mean_and_error(values[row])
        has_bar = low <= mean <= high and np.isfinite(error)  # one split has no standard error
        axes.errorbar(np.clip(mean, low, high), row - 0.22, xerr=error if has_bar else None,
                      fmt=style.marker, color=style.colour, markerfacecolor=style.face,
                      markersize=7, capsize=4, linewidth=1.8, zorder=3)  # fmt: skip
    axes.set_yticks(range(len(methods)), methods)
    for label, style in zip(axes.get_yticklabels(), styles(methods), strict=True):
        label.set_color(style.colour)
    axes.set_ylim(len(methods) - 0.5, -0.6)
    margin = 0.05 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    _name_scores(axes, kind, reference, int(np.sum((values != shown) & ~np.isnan(values))))


def _compared(records: Sequence[Record], methods: list[str], kind: str) -> tuple[Array, str | None]:
    """Scores (methods, splits) less those of a method, and which; of one method, its scores."""
    values = np.array([by_split(records, method, COMPARED[kind].key) for method in methods])
    if len(methods) == 1:
        return values, None
    reference = REFERENCE if REFERENCE in methods else methods[0]
    with np.errstate(invalid="ignore"):  # two infinite scores have no difference: NaN
        return values - values[methods.index(reference)], reference


def _name_scores(axes: Any, kind: str, reference: str | None, beyond: int) -> None:
    """The axis of the scores, its title, and how many lie beyond it."""
    better = "higher" if kind == REGRESSION else "lower"
    note = f"\n{beyond} at the edge lie{'s' * (beyond == 1)} beyond it" if beyond else ""
    title, less = f"test {COMPARED[kind].title}", ""
    if reference is not None:
        axes.axvline(0.0, color="0.4", linewidth=1, zorder=1)
        less = f" minus that of {reference}"
    axes.set_xlabel(f"{title}{less},\nnats a datum ({better} is better){note}")
    what = "each split" if reference is None else "differences, split by split"
    axes.set_title(f"{what}; above, mean ± s.e.", fontsize=10)
    axes.grid(axis="x", color="0.92")


def window(values: Array) -> tuple[float, float]:
    """Where to draw scores (methods, splits): most of them, however far off a few are.

    All finite values, but no more than `FARTHEST` interquartile ranges beyond the quartiles. One
    method that fails on one split would otherwise press all others into a point.

    Examples
    --------
    >>> window(np.array([[0.0, 1.0, 2.0, 3.0, -1000.0]]))
    (-20.0, 3.0)
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    lower, upper = np.quantile(finite, [0.25, 0.75])
    reach = FARTHEST * (upper - lower)
    low, high = max(finite.min(), lower - reach), min(finite.max(), upper + reach)
    return (float(low), float(high)) if low < high else (float(low) - 0.5, float(low) + 0.5)


def independent_rows(outcomes: Sequence[Outcome], dataset: Dataset) -> float:
    """How many independent rows a mean over test rows of all splits is worth, at least.

    Splits test some rows more than once. If a row has weight a_i in the mean, and the same says the
    same whenever it is tested, the mean has the variance of 1 / sum_i a_i^2 rows.
    """
    splits = sorted({outcome.record["split"] for outcome in outcomes})
    weights = np.zeros(len(dataset.X))
    for split in splits:
        test = dataset.split(split).test
        weights[test] += 1.0 / (len(splits) * len(test))
    return float(1.0 / np.sum(weights**2))


def _draw_coverage(axes: Any, outcomes: Sequence[Outcome], dataset: Dataset) -> None:
    """Coverage of central intervals against their probability, mean over splits.

    Derivation: SC-2
    """
    n = independent_rows(outcomes, dataset)
    spread = TWO_SIDED * np.sqrt(calibration.LEVELS * (1 - calibration.LEVELS) / n)
    axes.fill_between(calibration.LEVELS, calibration.LEVELS - spread,
                      calibration.LEVELS + spread, color="0.87", linewidth=0)  # fmt: skip
    diagonal(axes, 0.0)
    for style in styles(_methods(outcomes)):
        levels, coverage = np.mean(_curves(outcomes, style.name, "calibration"), axis=0).T
        axes.plot(levels, coverage, **style.line, markersize=4)
    axes.set_xlabel("probability of the central interval")
    axes.set_ylabel("targets inside, mean over splits")
    axes.set_title("calibration (grey: 95 % range of chance;\nabove: too wide)", fontsize=10)


def _draw_reliability(axes: Any, outcomes: Sequence[Outcome], dataset: Dataset) -> None:
    """Accuracy against confidence of the most probable class, data of all splits together.

    The range that chance leaves a bin is that of the method with the fewest data in it.

    Derivation: SC-3
    """
    start, share, fewest = 1.0, 1.0, np.full(BINS, np.inf)
    centres = (np.arange(BINS) + 0.5) / BINS
    for style in styles(_methods(outcomes)):
        pooled = np.concatenate(_curves(outcomes, style.name, "calibration"))
        share = min(1.0, independent_rows(outcomes, dataset) / len(pooled))
        bins = calibration.reliability(pooled[:, 0], pooled[:, 1], BINS)
        drawn = bins.size >= FEWEST
        confidence, accuracy = bins.confidence[drawn], bins.accuracy[drawn]
        start = min([start, *confidence, *accuracy])
        places = np.ceil(BINS * confidence).astype(int) - 1
        fewest[places] = np.minimum(fewest[places], bins.size[drawn])
        axes.plot(confidence, accuracy, **style.line, markersize=5)
    there = np.isfinite(fewest)
    centres, rows = centres[there], share * fewest[there]
    spread = TWO_SIDED * np.sqrt(centres * (1 - centres) / rows)
    low, high = np.maximum(centres - spread, 0.0), np.minimum(centres + spread, 1.0)
    axes.vlines(centres, low, high, color="0.87", linewidth=9, zorder=0.5)
    start = max(0.0, np.floor(10 * start - 0.5) / 10)
    diagonal(axes, start)
    axes.set_xlabel(f"confidence, splits pooled\n(bins of {FEWEST} data or more)")
    axes.set_ylabel("accuracy")
    axes.set_title("reliability (grey: 95 % range of chance;\nabove: under-confident)", fontsize=10)


def _draw_roc(axes: Any, outcomes: Sequence[Outcome], dataset: Dataset) -> None:
    """True against false positive rate of predictive entropy, mean over splits."""
    diagonal(axes, 0.0)
    records = [outcome.record for outcome in outcomes]
    for style in styles(_methods(outcomes)):
        false, true = np.mean(_curves(outcomes, style.name, "roc"), axis=0).T
        area = by_split(records, style.name, "auroc").mean()
        named = style.line | {"label": f"{style.name} (AUROC {area:.3f})"}
        axes.plot([*false, 1.0], [*true, 1.0], **named, markevery=[95], markersize=7)
    assert dataset.outside is not None
    axes.set_xlabel("test data flagged (false positive rate)")
    axes.set_ylabel(f"data of {dataset.outside.name} flagged (true positive rate)")
    axes.set_title("detection by entropy (markers: 95 % flagged)", fontsize=10)


def _methods(outcomes: Sequence[Outcome]) -> list[str]:
    return method_names([outcome.record for outcome in outcomes])


def _curves(outcomes: Sequence[Outcome], method: str, name: str) -> list[Array]:
    return [outcome.curves[name] for outcome in outcomes if outcome.record["method"] == method]


class Style(NamedTuple):
    """How a method is drawn; no two of the first 21 have the same colour and the same dashes."""

    name: str
    colour: str
    marker: str
    dashes: str
    face: str

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of `plot`."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.dashes,
            "markerfacecolor": self.face,
            "label": self.name,
        }


def styles(names: Sequence[str]) -> list[Style]:
    """A style for each method, by its place.

    Once all colours are used they come again with other markers, dashed and hollow; then with
    others still, dotted and grey inside.

    Examples
    --------
    >>> [(style.colour, style.dashes) for style in styles([f"method {i}" for i in range(8)])][::7]
    [('#0072B2', '-'), ('#0072B2', '--')]
    """
    found = []
    for i, name in enumerate(names):
        again, place = divmod(i, len(COLOURS))
        colour, marker = COLOURS[place], MARKERS[(i + again) % len(MARKERS)]
        dashes, face = (("-", colour), ("--", "white"), (":", "0.8"))[again % 3]
        found.append(Style(name, colour, marker, dashes, face))
    return found


# -- three posteriors ------------------------------------------------------------------------------


class Panel(NamedTuple):
    """A posterior of a function of one input.

    Attributes
    ----------
    title : str
        Title of the panel.
    x, mean, std : array
        (B,) arrays; std without noise.
    curves : array
        (S, B) array, functions drawn from it.
    """

    title: str
    x: Array
    mean: Array
    std: Array
    curves: Array


def save_truths_figure(X: Array, Y: Array, panels: Sequence[Panel], path: Path) -> None:
    """Draw posteriors side by side, the band of the first also in the others.

    Parameters
    ----------
    X, Y : array
        (N, 1) arrays, the data.
    panels : sequence of Panel
        The exact posterior first.
    path : Path
        Path of the file to write; its ending chooses the format.
    """
    figure = Figure(figsize=(4.4 * len(panels), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    exact = panels[0]
    for axes, panel, style in zip(
        figure.subplots(1, len(panels), sharey=True),
        panels,
        styles([panel.title for panel in panels]),
        strict=True,
    ):
        band = panel.mean - 2 * panel.std, panel.mean + 2 * panel.std
        axes.fill_between(panel.x, *band, color=style.colour, alpha=0.22, linewidth=0,
                          label="mean ± 2 std")  # fmt: skip
        axes.plot(panel.x, panel.curves.T, color=style.colour, linewidth=0.7, alpha=0.6)
        axes.plot(panel.x, panel.mean, color=style.colour, linewidth=2.2)
        if panel is not exact:
            for sign, label in ((-2, f"± 2 std of {exact.title}"), (2, None)):
                axes.plot(exact.x, exact.mean + sign * exact.std, color="black", linestyle="--",
                          linewidth=1.2, label=label)  # fmt: skip
        axes.plot(X[:, 0], Y[:, 0], "o", color="black", markersize=4, label="data")
        axes.set(xlabel="x", title=panel.title, xlim=(exact.x[0], exact.x[-1]))
        axes.legend(loc="best", fontsize=8, frameon=False)
        open_frame(axes)
    figure.axes[0].set_ylabel("network's output")
    figure.savefig(path, dpi=160)
