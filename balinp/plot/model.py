"""What a model has learnt: its way there, its weights, its spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.asking import last_step, names_of, network_of, networks_of
from balinp.bali import BALI, Record
from balinp.layer import MatrixNormalLayer
from balinp.plot.style import COLOURS, axes_or_new, open_frame
from balinp.validation import as_count

STYLES: dict[str, dict[str, Any]] = {
    "A": {"linestyle": ":", "linewidth": 1.6},
    "H": {"linestyle": "--", "linewidth": 1.6},
    "L": {"linestyle": "-", "linewidth": 2.2},
    "prior": {"linestyle": "-", "linewidth": 0.8},
}
"""Of the spectra of a layer: its two factors, its posterior precision, its prior precision."""

MOST_NAMES = 40
"""Inputs whose names are written beside an image of their weights."""


def convergence(history: Any, *, ax: Any = None) -> Any:
    """Draw the log joint density, the prior precision and the noise over training steps.

    The log joint is in nats, on the left. Prior precision and noise standard deviations are on a
    logarithmic axis of their own on the right. The log joint may fall while these are learnt.
    Each member of an estimator has lines of its own.

    Parameters
    ----------
    history
        `BALI.history`, or a part of it; or a model, also an estimator.
    ax : optional
        Matplotlib axes, or None for new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The axes on the left.

    Raises
    ------
    TypeError, ValueError
        If the history is not a sequence of records, or is empty.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> axes = convergence(BALI(hidden=()).fit(X, X, epochs=3).history)
    >>> axes.get_lines()[0].get_xdata()
    array([1, 2, 3])
    """
    histories = _histories(history)
    axes = axes_or_new(ax)
    right = axes.twinx()
    for number, records in enumerate(histories):
        _draw_history(axes, right, records, named=number == 0)
    axes.set(xlabel="step", ylabel="log joint, nats", xscale="log")
    right.set(yscale="log")
    from matplotlib.ticker import LogLocator, NullFormatter

    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # labels within one decade too
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter(NullFormatter())
    unit = "standardised" if getattr(last_step(history), "standardize", False) else "target's unit"
    noise = f", noise std ({unit})" if right.get_lines()[1:] else ""
    right.set(ylabel=f"prior precision{noise}")
    for side in (axes, right):
        side.spines["top"].set_visible(False)
    lines = [line for side in (axes, right) for line in side.get_lines()]
    named = [line for line in lines if not str(line.get_label()).startswith("_")]
    right.legend(handles=named, framealpha=0.9, fontsize="small", loc="center right")
    return axes


def _histories(history: Any) -> list[Sequence[Record]]:
    """The records of a model, or of each member of an estimator."""
    found = [getattr(one, "history", one) for one in networks_of(history, "history")]
    for records in found:
        if not isinstance(records, Sequence) or not all(isinstance(r, Record) for r in records):
            raise TypeError(
                "history: expected a sequence of records, as in BALI.history, or a model"
            )
        if not records:
            raise ValueError("history: expected at least one record, got none")
    return found


def _draw_history(axes: Any, right: Any, history: Sequence[Record], *, named: bool) -> None:
    """The lines of one network, with labels or without."""
    steps = np.arange(1, len(history) + 1)
    axes.plot(steps, [record.log_joint for record in history], color=COLOURS[0], linewidth=2,
              label="log joint" if named else None)  # fmt: skip
    right.plot(steps, [record.prior_precision for record in history], color=COLOURS[1],
               linestyle="--", label="prior precision" if named else None)  # fmt: skip
    for k, std in enumerate(_noise_stds(history)):
        right.plot(steps, std, color=COLOURS[2], linestyle="-.",
                   label="noise std" if named and k == 0 else None)  # fmt: skip


def weights(model: Any, *, layer: int | None = None, bins: int = 40, ax: Any = None) -> Any:
    """Draw posterior means of weights over their posterior standard deviations, with sign.

    Parameters
    ----------
    model
        A model that has been trained, also an estimator of one member.
    layer : int, optional
        None draws a histogram of each layer, with bins in common, counts logarithmic. A number,
        from 0, draws that layer's (D, K) matrix as an image, inputs down, outputs across; with a
        bias, it is the last row. Inputs of an estimator are called by their names.
    bins : int, default 40
        Number of bins of the histograms.
    ax : optional
        Matplotlib axes, or None for new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above, or nothing has been learnt yet.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = BALI(hidden=()).fit(X, X, epochs=3)
    >>> weights(model, layer=0).images[0].get_array().shape
    (2, 1)
    """
    layers = _fitted_layers(model)
    bins = as_count(bins, "bins")
    ratios = [layer.mean / np.sqrt(layer.posterior.marginal_variance()) for layer in layers]
    if layer is not None:
        chosen = as_count(layer, "layer", minimum=0)
        if chosen >= len(layers):
            raise ValueError(f"layer: expected at most {len(layers) - 1}, got {chosen}")
        axes = _draw_image(axes_or_new(ax), ratios[chosen], f"layer {chosen}")
        names = names_of(last_step(model)) if chosen == 0 else None
        if names is not None and len(ratios[0]) <= MOST_NAMES:
            rows = names + ["bias"] * (len(ratios[0]) - len(names))
            # As large as usual where they have room, in the axes as they are now.
            room = 72 * axes.bbox.height / axes.figure.dpi / len(rows)
            usual = axes.yaxis.get_ticklabels()[0].get_size()
            axes.set_yticks(range(len(rows)), rows, fontsize=min(usual, 0.85 * room))
            axes.set_ylabel("")
        return axes
    axes = axes_or_new(ax)
    reach = max(float(np.abs(ratio).max()) for ratio in ratios) or 1.0  # all may be zero
    edges = np.linspace(-reach, reach, bins + 1)
    histograms = [np.histogram(ratio, edges)[0] for ratio in ratios]
    for index, (ratio, counts) in enumerate(zip(ratios, histograms, strict=True)):
        axes.stairs(counts, edges, color=COLOURS[index % len(COLOURS)], linewidth=1.6,
                    linestyle=("-", "--", ":")[index % 3],
                    label=f"layer {index} ({ratio.size} weights)")  # fmt: skip
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(0.7, 5 * max(counts.max() for counts in histograms))  # room for the legend
    axes.set(xlabel="posterior mean / posterior std of a weight", ylabel="weights in a bin")
    axes.legend(fontsize="small", framealpha=0.9, loc="upper right")
    open_frame(axes)
    return axes


def spectra(model: Any, *, ax: Any = None) -> Any:
    """Draw the eigenvalues of both factors and of the posterior precision of each layer.

    Every spectrum runs from its largest value on the left to its smallest on the right. A colour a
    layer; dotted: the input factor A; dashed: the output precision H; solid: the posterior
    precision L, which with N a_i h_j + p_j holds what the data and the prior say; a thin line: the
    prior precision p. Where L lies on p, the data say nothing. Zeros are not drawn.

    Derivation: KR-2

    Parameters
    ----------
    model
        A model that has been trained, also an estimator of one member.
    ax : optional
        Matplotlib axes, or None for new ones.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    TypeError, ValueError
        If the model is not a `BALI`, or nothing has been learnt yet.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> axes = spectra(BALI(hidden=()).fit(X, X, epochs=3))
    >>> [line.get_label() for line in axes.get_lines()]
    ['layer 0: A', 'layer 0: H', 'layer 0: L', 'layer 0: prior']
    """
    layers = _fitted_layers(model)
    axes = axes_or_new(ax)
    for index, layer in enumerate(layers):
        colour = COLOURS[index % len(COLOURS)]
        for name, values in _spectra_of(layer).items():
            place = (np.arange(values.size) + 0.5) / values.size
            axes.plot(place, np.sort(values, axis=None)[::-1], color=colour, **STYLES[name],
                      marker="." if values.size == 1 else None,
                      label=f"layer {index}: {name}")  # fmt: skip
    axes.set_yscale("log", nonpositive="mask")
    axes.set(xlabel="share of the eigenvalues, largest first", ylabel="eigenvalue", xlim=(0, 1))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.25)  # room for the key
    _add_key(axes, len(layers))
    open_frame(axes)
    return axes


def _add_key(axes: Any, n_layers: int) -> None:
    """A legend of colours and line styles, which is shorter than one of all their pairs."""
    from matplotlib.lines import Line2D

    layers = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], label=f"layer {i}") for i in range(n_layers)
    ]
    kinds = [Line2D([], [], color="0.3", label=name, **style) for name, style in STYLES.items()]
    axes.legend(handles=[*kinds, *layers], fontsize="small", framealpha=0.9, ncols=2,
                loc="upper right")  # fmt: skip


def _spectra_of(layer: MatrixNormalLayer) -> dict[str, Array]:
    """Eigenvalues of A (D,), of H (K,), of the posterior and of the prior precision (D, K)."""
    assert layer.factors is not None
    factors = layer.factors
    prior = layer.state.prior.eigenvalues(factors.outputs)
    return {
        "A": factors.inputs.values,
        "H": factors.outputs.values,
        "L": layer.posterior.precisions,
        "prior": np.broadcast_to(prior, layer.mean.shape),
    }


def _draw_image(axes: Any, ratio: Array, title: str) -> Any:
    reach = float(np.abs(ratio).max())
    image = axes.imshow(ratio, cmap="PuOr", vmin=-reach, vmax=reach, aspect="auto",
                        interpolation="nearest")  # fmt: skip
    axes.figure.colorbar(image, ax=axes, label="posterior mean / posterior std")
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.set(xlabel="output of the layer", ylabel="input of the layer (bias last)", title=title)
    return axes


def _noise_stds(history: Sequence[Record]) -> Array:
    """Noise standard deviations (K, steps); (0, steps) for classes, which have none."""
    variances = [r.noise_variances for r in history if r.noise_variances is not None]
    return np.sqrt(variances).T if variances else np.empty((0, len(history)))


def _fitted_layers(model: Any) -> list[MatrixNormalLayer]:
    model = network_of(model)
    if not isinstance(model, BALI):
        raise TypeError(f"model: expected a BALI or a fitted estimator, got {type(model).__name__}")
    if not model.layers or any(layer.factors is None for layer in model.layers):
        raise ValueError("model: expected a trained model, got one that has seen no data")
    return model.layers
