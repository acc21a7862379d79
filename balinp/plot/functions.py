"""Functions drawn from a posterior, over one input."""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp._types import Array
from balinp.asking import asked, column, is_model
from balinp.diagnostics.residuals import as_output
from balinp.model import Model
from balinp.plot.predictions import curve_data, finished, one_input
from balinp.plot.style import COLOURS, axes_or_new, label_axes
from balinp.validation import as_array, as_count


def functions(
    draws: Any,
    x: Any,
    *,
    size: int = 20,
    seed: int = 0,
    data: tuple[Any, Any] | None = None,
    output: int | None = None,
    ax: Any = None,
) -> Any:
    """Draw functions over one input, each a line of its own.

    Where a band only says how far a prediction may be off at each input, functions show how it may
    be off at all of them together: whether they wiggle or move as one.

    Parameters
    ----------
    draws : array
        (S, B, K) array, as from `BALI.sample_functions` with a size; (B, S), as a `BALIRegressor`
        of one target returns them; or a model to draw from.
    x : array_like
        (B,) or (B, 1) inputs, in any order.
    size, seed : int, optional
        Of the draws that a model is asked for: their number, and that of the generator.
    data : tuple, optional
        Inputs (N,) or (N, 1) and targets (N, K) or (N,), drawn as points; or None.
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
    >>> axes = functions(np.zeros((4, 3, 1)), [0.0, 2.0, 1.0])
    >>> len(axes.get_lines()), axes.get_lines()[0].get_xdata()
    (4, array([0., 1., 2.]))
    """
    model, inputs = draws, x
    draws = as_array(_drawn(model, x, size, seed) if is_model(model) else draws, "draws")
    if draws.ndim == 2:
        draws = draws.T[:, :, None]
    if draws.ndim != 3 or draws.size == 0:
        raise ValueError(f"draws: expected an array of shape (S, B, K), got {draws.shape}")
    _, B, K = draws.shape
    k, x = as_output(output, K), one_input(x, "x", rows=B)
    points = None if data is None else curve_data(data, K, k)
    axes = axes_or_new(ax)
    order = np.argsort(x, kind="stable")
    label: str | None = "functions drawn"
    for draw in draws[:, order, k]:
        axes.plot(x[order], draw, color=COLOURS[0], linewidth=0.8, alpha=0.6, label=label)
        label = None
    label_axes(axes, model, inputs, data, "output" if output is None else f"output {k}")
    return finished(axes, points)


def _drawn(model: Any, x: Any, size: int, seed: int) -> Array:
    """Functions (S, B, K) drawn from a model at inputs (B,) or (B, 1)."""
    size, seed = as_count(size, "size"), as_count(seed, "seed", minimum=0)
    if isinstance(model, Model):
        return model.sample_functions(column(x), np.random.default_rng(seed), size)
    inputs = x if hasattr(x, "columns") else column(x)
    draws = asked(model, inputs, "sample_functions", n_samples=size, random_state=seed)
    return np.moveaxis(draws.reshape(len(inputs), -1, size), 2, 0)
