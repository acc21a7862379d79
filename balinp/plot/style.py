"""What all pictures share: colours, markers, new axes, the diagonal of calibration plots."""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp._types import Array
from balinp.validation import as_array

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart with any kind of colour vision (Okabe and Ito); markers differ too."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def axes_or_new(axes: Any) -> Any:
    """Return the axes given, or those of a new figure for None.

    Raises
    ------
    TypeError
        If `axes` is neither None nor Matplotlib axes.
    """
    if axes is None:
        from matplotlib import pyplot

        return pyplot.subplots(layout="constrained")[1]
    from matplotlib.axes import Axes

    if not isinstance(axes, Axes):
        raise TypeError(f"axes: expected Matplotlib axes or None, got {type(axes).__name__}")
    return axes


def as_levels(levels: Any) -> Array:
    """Return probabilities of intervals, each between 0 and 1, in increasing order."""
    array = as_array(levels, "levels")
    if array.ndim != 1 or not array.size or array.min() <= 0 or array.max() >= 1:
        raise ValueError(f"levels: expected numbers between 0 and 1, got {array.tolist()}")
    return np.sort(array)


def open_frame(axes: Any) -> None:
    """Take the upper and the right line off the frame."""
    axes.spines[["top", "right"]].set_visible(False)


def diagonal(axes: Any, start: float) -> None:
    """The dashed line on which a calibrated forecast lies, from `start` to 1, and equal scales."""
    axes.plot([start, 1], [start, 1], color="0.6", linewidth=1, linestyle="--", zorder=1)
    axes.set_xlim(start, 1.01)
    axes.set_ylim(start, 1.01)
    axes.set_aspect("equal")
    axes.grid(color="0.92")
