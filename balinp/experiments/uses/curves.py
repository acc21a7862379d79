"""Means and standard errors over seeds, drawn as curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from balinp._types import Array
from balinp.experiments.table import mean_and_error


def new_figure(width: float, height: float) -> Any:
    """A figure that needs no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_curves(axes: Any, x: npt.ArrayLike, curves: Mapping[str, Array], every: int = 1) -> None:
    """Curves (seeds, points) of several methods against x (points,), with ± a standard error.

    Parameters
    ----------
    axes
        Matplotlib axes.
    x : array_like
        (points,) array.
    curves : mapping of str to array
        (seeds, points) array by name of the method, in an order that all axes of a figure share.
    every : int, default 1
        Every so many points there is a marker.
    """
    from balinp.experiments.figures import styles
    from balinp.plot.style import open_frame

    for style, values in zip(styles(list(curves)), curves.values(), strict=True):
        mean, error = np.array([mean_and_error(column) for column in values.T]).T
        axes.plot(x, mean, **style.line, markersize=4, linewidth=1.4, markevery=every)
        axes.fill_between(x, mean - error, mean + error, color=style.colour, alpha=0.15, lw=0)
    axes.grid(color="0.92")
    open_frame(axes)
