"""The command ``balinp demo``: a curve with a gap in its data.

Shows in a few seconds what this package does: one layer is exact, a network converges without
tuning, it is less sure where there are no data, and what the layerwise posterior leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from balinp import dense
from balinp._types import Array
from balinp.bali import BALI
from balinp.layer import MatrixNormalLayer
from balinp.plot.style import COLOURS
from balinp.prediction import linearised_outputs
from balinp.predictive import GaussianPredictive

CLUSTERS = ((-3.0, -1.5), (1.5, 3.0))
"""Where the inputs lie; between the two is the gap."""

NOISE_STD = 0.15
EPOCHS = 200
SHOWN_STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200)
INPUTS = np.linspace(-4.0, 4.0, 401)[:, None]
FUNCTIONS = 8
"""Functions drawn in the picture."""

BLUE, ORANGE = COLOURS[0], COLOURS[4]


def demo(*, seed: int = 0, figure_path: Path | None = None) -> None:
    """Print the demonstration and draw its figure.

    Parameters
    ----------
    seed : int, default 0
        Seed of data and initial weights.
    figure_path : Path, optional
        Path of the file to write, whose ending chooses the format; None draws none.
    """
    X, Y = curve_data(seed)
    print("1. One layer is exact: largest difference from the dense posterior")
    mean, covariance = differences_from_dense(X, seed)
    print(f"   mean {mean:.1e}   covariance {covariance:.1e}\n")

    print(f"2. Training: {len(X)} data, 1 x 50 tanh units, full batch, lam and noise learnt")
    evidences: list[float] = []
    model = trained(X, Y, seed, lambda m: evidences.append(m.log_evidence(X, Y)))
    print(convergence_table(model))
    print(f"   (true noise std {NOISE_STD}; the log joint may fall as lam and noise are learnt)\n")

    believed = beliefs(model)
    print("3. What the weights do not know: mean epistemic std, of all weights together")
    in_data, in_gap = (believed.joint[place].mean() for place in data_and_gap())
    ratio = in_gap / in_data
    print(f"   in the data {in_data:.3f}   in the gap {in_gap:.3f}   ratio {ratio:.1f}\n")

    print("4. What the layers' own posteriors leave out: correlations between layers, and")
    print("   which input met which curvature")
    print(comparison_table(believed.layerwise, believed.joint))
    in_data, in_gap = (
        (believed.layerwise / believed.joint)[place].mean() for place in data_and_gap()
    )
    print(f"   Mean ratio {in_data:.2f} in the data, {in_gap:.2f} in the gap; 1 would mean that it")
    print("   does not matter. Beyond the data both are too sure: tanh units are flat there.")

    if figure_path is None:
        return
    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    left, top, bottom = _three_axes(figure)
    functions = model.sample_functions(INPUTS, np.random.default_rng(seed), FUNCTIONS)
    _draw_prediction(left, X, Y, believed, functions[:, :, 0])
    _draw_convergence(top, [record.log_joint for record in model.history], evidences)
    _draw_comparison(bottom, believed.layerwise, believed.joint)
    figure.savefig(figure_path, dpi=160)
    print(f"\nFigure: {figure_path}")


def trained(X: Array, Y: Array, seed: int, callback: Callable[[BALI], None] | None = None) -> BALI:
    """The network of the demonstration, with the covariance of all its weights."""
    model = BALI(hidden=(50,), activation="tanh", covariance="joint", seed=seed)
    return model.fit(X, Y, epochs=EPOCHS, callback=callback)


class Beliefs(NamedTuple):
    """What a trained network says at `INPUTS`.

    Attributes
    ----------
    predictive : GaussianPredictive
        Its predictive distribution, by the covariance of all weights together.
    joint, layerwise : array
        (B,) epistemic standard deviations, by that covariance and by the layers'.
    """

    predictive: GaussianPredictive
    joint: Array
    layerwise: Array


def beliefs(model: BALI) -> Beliefs:
    """What a network says at `INPUTS`, with either covariance."""
    predictive = model.predict(INPUTS)
    _, apart = linearised_outputs(model.network, model.layers, INPUTS, combinations=np.eye(1))
    return Beliefs(predictive, epistemic_std(predictive.epistemic), epistemic_std(apart))


def curve(X: Array) -> Array:
    """The function that the data are drawn from."""
    return np.sin(1.5 * X)


def curve_data(seed: int) -> tuple[Array, Array]:
    """Inputs (100, 1) in two clusters beside the gap, and noisy values of the curve (100, 1)."""
    rng = np.random.default_rng(seed)
    X = np.concatenate([rng.uniform(*cluster, (50, 1)) for cluster in CLUSTERS])
    return X, curve(X) + NOISE_STD * rng.standard_normal(X.shape)


def differences_from_dense(X: Array, seed: int) -> tuple[float, float]:
    """Largest absolute differences of one layer's mean and covariance from `dense.posterior`.

    The layer has eight fixed tanh features as inputs, and two outputs with correlated noise.
    """
    rng = np.random.default_rng(seed)
    features = np.tanh(X @ rng.standard_normal((1, 8)) + rng.standard_normal(8))
    T = features @ rng.standard_normal((8, 2)) + rng.standard_normal((len(X), 2))
    V, precision = np.array([[0.5, 0.2], [0.2, 0.3]]), 2.0
    layer = MatrixNormalLayer(8, 2, prior_precision=precision)
    layer.observe(features, T, np.linalg.inv(V), n_data=len(X))

    D, K = layer.mean.shape
    design = np.concatenate([features, np.ones((len(X), 1))], axis=1)
    mean, covariance = dense.posterior(
        design, T, V, prior_mean=np.zeros((D, K)), prior_covariance=np.eye(D * K) / precision
    )
    return (
        float(np.abs(layer.mean - mean).max()),
        float(np.abs(layer.posterior.covariance() - covariance).max()),
    )


def convergence_table(model: BALI) -> str:
    """A few steps of the history, one a line."""
    lines = ["   step   log joint   step factor   gain ratio   noise std"]
    for step in SHOWN_STEPS:
        record = model.history[step - 1]
        assert record.noise_variances is not None
        noise_std = np.sqrt(record.noise_variances.item())
        lines.append(
            f"   {step:4d}   {record.log_joint:9.2f}   {record.step:11.3f}   "
            f"{record.gain_ratio:10.3f}   {noise_std:9.4f}"
        )
    return "\n".join(lines)


def comparison_table(layerwise: Array, joint: Array) -> str:
    """Epistemic std at a few inputs: by layers, and with all weights jointly."""
    lines = ["      x   layerwise           joint   ratio"]
    for x in (-3.5, -2.0, -1.0, 0.0, 1.0, 2.0, 3.5):
        i = int(np.abs(INPUTS[:, 0] - x).argmin())
        ratio = layerwise[i] / joint[i]
        lines.append(f"   {x:4.1f}   {layerwise[i]:9.3f}   {joint[i]:13.3f}   {ratio:5.2f}")
    return "\n".join(lines)


def epistemic_std(covariance: Array) -> Array:
    """Standard deviations (B,) of a single output from its covariances (B, 1, 1)."""
    return np.sqrt(covariance[:, 0, 0])


def data_and_gap() -> tuple[Any, Any]:
    """Which of `INPUTS` lie in a cluster of data, and which in the gap between the two."""
    x, ((start, left), (right, end)) = INPUTS[:, 0], CLUSTERS
    gap = (x > left) & (x < right)
    return (x >= start) & (x <= end) & ~gap, gap


# -- the figure -----------------------------------------------------------------------------------


def _three_axes(figure: Figure) -> list[Any]:
    """A large panel on the left, two small ones on the right."""
    grid = figure.add_gridspec(2, 5)
    places = [grid[:, :3], grid[0, 3:], grid[1, 3:]]
    panels = [figure.add_subplot(place) for place in places]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return panels


def _draw_prediction(axes: Any, X: Array, Y: Array, believed: Beliefs, functions: Array) -> None:
    x, predictive = INPUTS[:, 0], believed.predictive
    mean = predictive.mean[:, 0]
    for std, alpha, label in [
        (predictive.std[:, 0], 0.15, "± 2 std, with noise"),
        (believed.joint, 0.25, "± 2 epistemic std"),
    ]:
        axes.fill_between(x, mean - 2 * std, mean + 2 * std, color=BLUE, alpha=alpha,
                          linewidth=0, label=label)  # fmt: skip
    lines = axes.plot(x, functions.T, color=BLUE, linewidth=0.8, alpha=0.7)
    lines[0].set_label("functions drawn")
    axes.plot(x, mean, color=BLUE, linewidth=2.4, label="predictive mean")
    axes.plot(x, curve(x), color="black", linestyle=":", linewidth=1.8, label="true curve")
    axes.plot(X[:, 0], Y[:, 0], "o", color="black", markersize=3.5, alpha=0.7, label="data")
    axes.set(xlabel="x", ylabel="y", xlim=(x[0], x[-1]), ylim=(-3.2, 3.0))
    axes.set_title("BALI, 1 x 50 tanh: unsure in the gap, too sure outside", fontsize=12)
    axes.legend(loc="upper left", frameon=False, ncols=2)


def _draw_convergence(axes: Any, log_joints: Sequence[float], evidences: Sequence[float]) -> None:
    steps = np.arange(1, len(log_joints) + 1)
    axes.plot(steps, evidences, color=BLUE, linewidth=2, label="log evidence (Laplace)")
    axes.plot(steps, log_joints, color=ORANGE, linewidth=2, linestyle="--", label="log joint")
    axes.set(xscale="log", xlabel="step (full batch)", ylabel="nats")
    axes.set_title("convergence, hyper-parameters learnt on the way", fontsize=11.5)
    axes.grid(color="0.92")
    axes.legend(loc="lower right", frameon=False)


def _draw_comparison(axes: Any, layerwise: Array, joint: Array) -> None:
    x = INPUTS[:, 0]
    axes.axvspan(CLUSTERS[0][1], CLUSTERS[1][0], color="0.93", linewidth=0)
    axes.plot(x, joint, color=ORANGE, linewidth=2, linestyle="--", label="all weights together")
    axes.plot(x, layerwise, color=BLUE, linewidth=2, label="layers' own posteriors")
    axes.set(xlabel="x (grey: gap in the data)", ylabel="epistemic std", xlim=(x[0], x[-1]))
    axes.set_ylim(0, 1.4 * max(layerwise.max(), joint.max()))
    axes.set_title("without and with all layers together", fontsize=12)
    axes.legend(loc="upper left", frameon=False)
