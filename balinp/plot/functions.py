"""Functions drawn from a posterior, over one input."""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp.diagnostics.residuals import as_output
from balinp.plot.predictions import curve_data, finished, one_input
from balinp.plot.style import COLOURS, axes_or_new
from balinp.validation import as_array


def functions(
    draws: Any,
    x: Any,
    *,
    data: tuple[Any, Any] | None = None,
    output: int | None = None,
    axes: Any = None,
) -> Any:
    """Draw functions over one input, each a line of its own.

    Where a band only says how far a prediction may be off at each input, functions show how it may
    be off at all of them together: whether they wiggle or move as one.

    Parameters
    ----------
    draws : (S, B, K) array, as from `BALI.sample_functions` with a size.
    x : (B,) or (B, 1) inputs, in any order.
    data : inputs (N,) or (N, 1) and targets (N, K), drawn as points; or None.
    output : which of K outputs; None where there is one.
    axes : Matplotlib axes, or None for new ones.

    Returns
    -------
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
    draws = as_array(draws, "draws")
    if draws.ndim != 3 or draws.size == 0:
        raise ValueError(f"draws: expected an array of shape (S, B, K), got {draws.shape}")
    _, B, K = draws.shape
    k, x = as_output(output, K), one_input(x, "x", rows=B)
    points = None if data is None else curve_data(data, K, k)
    axes = axes_or_new(axes)
    order = np.argsort(x, kind="stable")
    label: str | None = "functions drawn"
    for draw in draws[:, order, k]:
        axes.plot(x[order], draw, color=COLOURS[0], linewidth=0.8, alpha=0.6, label=label)
        label = None
    return finished(axes, points, "output" if output is None else f"output {k}")
