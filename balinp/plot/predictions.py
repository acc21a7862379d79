"""Predictions over one or two inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri

from balinp._types import Array
from balinp.asking import (
    as_labels,
    as_targets,
    column,
    is_model,
    names_of,
    predictive_of,
)
from balinp.diagnostics.residuals import as_output, as_regression
from balinp.metrics import predictive_entropy
from balinp.plot.style import (
    COLOURS,
    MARKERS,
    as_levels,
    axes_or_new,
    label_axes,
    open_frame,
    shade,
)
from balinp.predictive import CategoricalPredictive, GaussianPredictive
from balinp.validation import as_array, as_choice, as_count, as_matrix, dimensions

QUANTITIES = ("entropy", "total_std", "epistemic_std")


def predictive_band(
    predictive: Any,
    x: Any,
    *,
    levels: Sequence[float] = (0.95,),
    data: tuple[Any, Any] | None = None,
    output: int | None = None,
    ax: Any = None,
) -> Any:
    """Draw the predictive mean over one input, what the weights do not know, and all there is.

    The blue bands are the central intervals of the levels, noise included, the narrower the darker.
    The orange band is mean ± q epistemic std, with q the normal quantile of the largest level.

    Parameters
    ----------
    predictive
        Predictive of regression, at B inputs; or a model of one input, to be asked there.
    x : array_like
        (B,) or (B, 1) inputs, in any order.
    levels : sequence of float, default (0.95,)
        Probabilities of the intervals, each between 0 and 1.
    data : tuple, optional
        Inputs (N,) or (N, 1) and targets (N, K) or (N,), drawn as points; or None. The axes are
        called what a frame, a series or a fitted estimator calls them.
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
    >>> p = GaussianPredictive(np.zeros((3, 1)), np.full((3, 1, 1), 3.0), np.eye(1))
    >>> axes = predictive_band(p, [0.0, 1.0, 2.0])
    >>> axes.get_xlabel(), axes.get_lines()[0].get_ydata()
    ('input', array([0., 0., 0.]))
    """
    model, inputs = predictive, x
    predictive = as_regression(predictive_of(model, x if hasattr(x, "columns") else column(x)))
    k = as_output(output, predictive.mean.shape[1])
    x = one_input(x, "x", rows=len(predictive.mean))
    ordered = as_levels(levels)
    points = None if data is None else curve_data(data, predictive.mean.shape[1], k)
    axes = axes_or_new(ax)
    order = np.argsort(x, kind="stable")
    x, mean = x[order], predictive.mean[order, k]
    for level, strength in zip(ordered[::-1].tolist(), strengths(len(ordered)), strict=True):
        low, high = (ends[order, k] for ends in predictive.interval(level))
        axes.fill_between(x, low, high, color=shade(COLOURS[0], strength), linewidth=0,
                          label=f"{100 * level:g} % interval, with noise")  # fmt: skip
    largest = float(ordered[-1])
    half = ndtri(0.5 + 0.5 * largest) * np.sqrt(predictive.epistemic[order, k, k])
    axes.fill_between(x, mean - half, mean + half, color=COLOURS[4], alpha=0.55, linewidth=0,
                      label=f"{100 * largest:g} %, weights alone")  # fmt: skip
    axes.plot(x, mean, color=COLOURS[0], linewidth=2, label="predictive mean")
    label_axes(axes, model, inputs, data, "target" if output is None else f"target {k}")
    return finished(axes, points)


def finished(axes: Any, points: tuple[Array, Array] | None) -> Any:
    """The axes of curves over one input, with data as points and a legend."""
    if points is not None:
        axes.plot(*points, "o", color="black", markersize=3.5, alpha=0.7, label="data")
    open_frame(axes)
    axes.legend(fontsize="small", framealpha=0.9)
    return axes


def strengths(count: int) -> Array:
    """Of the colours of so many bands, the widest first; told apart where they lie on each other.

    Examples
    --------
    >>> strengths(1), strengths(2)
    (array([0.2]), array([0.2, 0.5]))
    """
    return np.linspace(0.2, 0.5, count)


def uncertainty_map(
    model: Any,
    bounds: Any,
    *,
    quantity: str | None = None,
    output: int | None = None,
    data: tuple[Any, Any] | None = None,
    resolution: int = 80,
    colour_bar: bool = True,
    label: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw how uncertain a prediction is over two inputs.

    Parameters
    ----------
    model
        A `BALI`, an estimator or a pipeline, or anything else whose `predict` turns inputs (B, 2)
        into a predictive; or a function of inputs (B, 2) to values (B,), which are drawn as they
        are.
    bounds : array_like
        ((lowest, highest) of the first input, the same of the second).
    quantity : str, optional
        Quantity of a model's prediction. ``"entropy"`` of the class probabilities, in nats;
        ``"total_std"`` or ``"epistemic_std"`` of one output (for classes: of its entry of the
        one-hot label). None is the entropy for classes and the epistemic std otherwise.
    output : int, optional
        Which of K outputs a standard deviation is of; None where there is one.
    data : tuple, optional
        Inputs (N, 2), and targets or None. One-hot targets of two or more classes, and labels that
        a classifier knows, give each class its colour and marker; others are not shown.
    resolution : int, default 80
        Points of the grid along each input.
    colour_bar : bool, default True
        Whether to add one beside the axes.
    label : str, optional
        Label of the colour bar; None names the quantity.
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
    >>> axes = uncertainty_map(lambda X: X[:, 0], ((0, 1), (0, 1)), resolution=2, label="height")
    >>> axes.collections[0].get_array().ravel()
    masked_array(data=[0., 1., 0., 1.], mask=False, fill_value=1e+20)
    """
    bounds = as_matrix(bounds, "bounds", rows=2, columns=2)
    if (bounds[:, 0] >= bounds[:, 1]).any():
        raise ValueError(f"bounds: expected lowest below highest, got {bounds.tolist()}")
    resolution = as_count(resolution, "resolution", minimum=2)
    points = None if data is None else _map_data(data, getattr(model, "classes_", None))
    first, second = (np.linspace(low, high, resolution) for low, high in bounds)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(first, second)], axis=1)
    values, name = _map_values(model, grid, quantity, output)
    axes = axes_or_new(ax)
    mesh = axes.pcolormesh(first, second, values.reshape(resolution, resolution), cmap="viridis",
                           shading="nearest", rasterized=True)  # fmt: skip
    if points is not None:
        _draw_points(axes, *points)
    names = names_of(model, None if data is None else data[0]) or ["input 0", "input 1"]
    axes.set(xlabel=names[0], ylabel=names[1], xlim=bounds[0], ylim=bounds[1])
    if colour_bar:
        axes.figure.colorbar(mesh, ax=axes, label=name if label is None else label)
    return axes


def _map_values(
    model: Any, grid: Array, quantity: str | None, output: int | None
) -> tuple[Array, str]:
    """The values (B,) to draw and their name."""
    if quantity is not None:
        as_choice(quantity, "quantity", QUANTITIES)
    if not hasattr(model, "predict"):
        if not callable(model):
            raise TypeError(f"model: expected a model or a function, got {type(model).__name__}")
        if quantity is not None or output is not None:
            raise ValueError("quantity, output: expected None for a function, which has its own")
        values = as_array(model(grid), "model")
        if values.shape != (len(grid),):
            raise ValueError(f"model: expected values ({len(grid)},), got shape {values.shape}")
        return values, "value"
    predictive = predictive_of(model, grid) if is_model(model) else model.predict(grid)
    if not isinstance(predictive, (GaussianPredictive, CategoricalPredictive)):
        raise TypeError(
            f"model: expected predict to return a predictive, got {type(predictive).__name__}"
        )
    classes = isinstance(predictive, CategoricalPredictive)
    quantity = quantity or ("entropy" if classes else "epistemic_std")
    if quantity == "entropy":
        if not isinstance(predictive, CategoricalPredictive):
            raise ValueError(
                "quantity: expected a standard deviation for regression, got 'entropy'"
            )
        return predictive_entropy(predictive.probabilities), "entropy of the classes, nats"
    k = as_output(output, predictive.mean.shape[1])
    named = class_name(getattr(model, "classes_", range(k + 1))[k])
    unit = f"probability of {named}" if classes else "unit of the target"
    if quantity == "total_std":
        return predictive.std[:, k], f"predictive std, {unit}"
    return np.sqrt(predictive.epistemic[:, k, k]), f"epistemic std, {unit}"


def _draw_points(axes: Any, X: Array, labels: Any, names: Any) -> None:
    """Points with white edges, so that they are seen on dark and on light ground."""
    if labels is None:
        axes.scatter(X[:, 0], X[:, 1], s=14, color="black", edgecolors="white", linewidths=0.5,
                     label="data")  # fmt: skip
    else:
        colours = COLOURS[1:]  # the first is too near the dark end of the map
        for k in np.unique(labels):
            chosen = X[labels == k]
            axes.scatter(chosen[:, 0], chosen[:, 1], s=22, color=colours[k % len(colours)],
                         marker=MARKERS[k % len(MARKERS)], edgecolors="white", linewidths=0.6,
                         label=class_name(k if names is None else names[k]))  # fmt: skip
    axes.legend(fontsize="small", framealpha=0.9, loc="upper right")  # "best" looks at the map, too


def class_name(label: Any) -> str:
    """A class as it is called in a picture: words as they are, numbers with a word before them.

    Examples
    --------
    >>> class_name("setosa"), class_name(2)
    ('setosa', 'class 2')
    """
    return str(label) if isinstance(label, str) else f"class {label}"


def _map_data(data: Any, classes: Any) -> tuple[Array, Any, Any]:
    """Inputs (N, 2); numbers (N,) of classes or None; names of the classes or None."""
    X, Y = _pair(data)
    X = as_matrix(X, "data", columns=2)
    if Y is None or (dimensions(Y) == 1 and classes is None):
        return X, None, None
    if dimensions(Y) == 1:
        labels = as_labels(Y, "data", rows=len(X), columns=len(classes), classes=classes)
        return X, labels, classes
    Y = as_matrix(Y, "data", rows=len(X))
    one_hot = Y.shape[1] > 1 and bool((np.sort(Y, axis=1) == np.eye(Y.shape[1])[-1]).all())
    return X, Y.argmax(axis=1) if one_hot else None, classes


def curve_data(data: Any, columns: int, k: int) -> tuple[Array, Array]:
    """Inputs (N,) and the k-th of the targets (N, columns), of a pair."""
    X, Y = _pair(data)
    x = one_input(X, "data")
    return x, as_targets(Y, "data", rows=len(x), columns=columns)[:, k]


def _pair(data: Any) -> tuple[Any, Any]:
    if not isinstance(data, tuple) or len(data) != 2:
        raise TypeError(f"data: expected a pair (X, Y), got {type(data).__name__}")
    return data


def one_input(x: Any, name: str, rows: int | None = None) -> Array:
    """Inputs (B,) or (B, 1), as (B,)."""
    x = as_array(x, name)
    matrix = as_matrix(x[:, None] if x.ndim == 1 else x, name, rows=rows, columns=1)
    return matrix[:, 0]
