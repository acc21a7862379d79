"""A picture of generated curves of one input, and what the default estimator makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from balinp.estimators import BALIRegressor
from balinp.experiments.curve_cases import Curve, drawn
from balinp.plot.style import COLOURS, open_frame

COLUMNS, POINTS, BEYOND = 4, 300, 0.15
"""Panels side by side, inputs that are drawn, and how much of the interval beyond its ends."""


def save_curves(curves: Sequence[Curve], path: Path) -> None:
    """Draw data, truth, predictive mean and 95 % intervals of all curves of one input."""
    shown = [curve for curve in curves if curve.n_in == 1] or list(curves)
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 2.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for curve, axes in zip(shown, panels, strict=False):
        sample, (low, high) = drawn(curve, 0), curve.ends
        margin = BEYOND * (high - low)
        x = np.linspace(low - margin, high + margin, POINTS)
        X = np.tile(x[:, None], curve.n_in)
        model = BALIRegressor(random_state=0).fit(sample.X, sample.Y[:, 0])
        below, above = model.predict_interval(X)
        axes.fill_between(x, below, above, color=COLOURS[0], alpha=0.2, linewidth=0)
        axes.plot(x, model.predict(X), color=COLOURS[0], label="mean, 95 % interval")
        axes.plot(x, curve.function(X), color="0.3", linestyle="--", label="truth")
        axes.plot(sample.X[:, 0], sample.Y[:, 0], ".", color=COLOURS[1], markersize=3)
        axes.set_title(curve.name)
        open_frame(axes)
    panels[0].legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)
