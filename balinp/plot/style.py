"""What all pictures share: colours, markers, new axes, the diagonal of calibration plots."""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp._types import Array
from balinp.asking import names_of
from balinp.validation import as_array

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart with any kind of colour vision (Okabe and Ito); markers differ too."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def axes_or_new(ax: Any) -> Any:
    """Return the axes given, or those of a new figure for None.

    Raises
    ------
    TypeError
        If `ax` is neither None nor Matplotlib axes.
    """
    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(layout="constrained")[1]
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"ax: expected Matplotlib axes or None, got {type(ax).__name__}")
    return ax


def shade(colour: str, strength: float) -> Any:
    """A colour mixed with white: opaque, so that a key shows what the picture does.

    Examples
    --------
    >>> shade("#000000", 0.5)
    (0.5, 0.5, 0.5)
    """
    from matplotlib.colors import to_rgb

    return tuple(1.0 - strength * (1.0 - part) for part in to_rgb(colour))


def as_levels(levels: Any) -> Array:
    """Return probabilities of intervals, each between 0 and 1, in increasing order."""
    array = as_array(levels, "levels")
    if array.ndim != 1 or not array.size or array.min() <= 0 or array.max() >= 1:
        raise ValueError(f"levels: expected numbers between 0 and 1, got {array.tolist()}")
    return np.sort(array)


def label_axes(axes: Any, model: Any, x: Any, data: Any, target: str) -> None:
    """Name the input and the target: by their own names, if the arguments know them."""
    names = names_of(model, x)
    inputs, targets = (None, None) if data is None else data
    names = names or names_of(None, inputs)
    known = names_of(None, targets)
    axes.set_xlabel(names[0] if names and len(names) == 1 else "input")
    axes.set_ylabel(known[0] if known and len(known) == 1 else target)


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
