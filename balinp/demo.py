"""The command ``balinp demo``: a curve with a gap in its data.

Shows in a few seconds what this package does: one layer is exact, a network converges without
tuning, it is less sure where there are no data, and what the layerwise posterior leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from balinp import dense
from balinp._types import Array
from balinp.bali import BALI
from balinp.layer import MatrixNormalLayer
from balinp.plot.style import COLOURS
from balinp.predictive import GaussianPredictive

CLUSTERS = ((-3.0, -1.5), (1.5, 3.0))
"""Where the inputs lie; between the two is the gap."""

NOISE_STD = 0.15
EPOCHS = 200
SHOWN_STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200)
INPUTS = np.linspace(-4.0, 4.0, 401)[:, None]
BLUE, ORANGE = COLOURS[0], COLOURS[4]


def demo(*, seed: int = 0, figure_path: Path | None = None) -> None:
    """Print the demonstration and draw its figure.

    Parameters
    ----------
    seed : of data and initial weights.
    figure_path : of the file to write, whose ending chooses the format; None draws none.
    """
    X, Y = curve_data(seed)
    print("1. One layer is exact: largest difference from the dense posterior")
    mean, covariance = differences_from_dense(X, seed)
    print(f"   mean {mean:.1e}   covariance {covariance:.1e}\n")

    print(f"2. Training: {len(X)} data, 1 x 50 tanh units, full batch, lam and noise learnt")
    model, evidences = BALI(hidden=(50,), activation="tanh", seed=seed), []
    model.fit(X, Y, epochs=EPOCHS, callback=lambda m: evidences.append(m.log_evidence(X, Y)))
    print(convergence_table(model))
    print(f"   (true noise std {NOISE_STD}; the log joint may fall as lam and noise are learnt)\n")

    predictive = model.predict(INPUTS)
    assert isinstance(predictive, GaussianPredictive)
    layerwise = epistemic_std(predictive.epistemic)
    network: Any = model  # has all that `dense.Network` asks for, some of it read-only
    joint = epistemic_std(dense.ggn_posterior(network, X).epistemic(INPUTS))
    print("3. What the weights do not know: mean epistemic std")
    in_data, in_gap = (layerwise[place].mean() for place in data_and_gap())
    ratio = in_gap / in_data
    print(f"   in the data {in_data:.3f}   in the gap {in_gap:.3f}   ratio {ratio:.1f}\n")

    print("4. What a layerwise posterior leaves out: correlations between layers")
    print(comparison_table(layerwise, joint))
    in_data, in_gap = ((layerwise / joint)[place].mean() for place in data_and_gap())
    print(
        f"   Mean ratio {in_data:.2f} in the data, {in_gap:.2f} in the gap; 1 would mean that the"
    )
    print("   correlations do not matter. The joint posterior is itself an approximation: a")
    print("   Gaussian about the same means, with the same lam and noise.")

    if figure_path is None:
        return
    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    left, top, bottom = _three_axes(figure)
    _draw_prediction(left, X, Y, predictive, layerwise)
    _draw_convergence(top, [record.log_joint for record in model.history], evidences)
    _draw_comparison(bottom, layerwise, joint)
    figure.savefig(figure_path, dpi=160)
    print(f"\nFigure: {figure_path}")


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
    lines = ["      x   layerwise   joint (dense)   ratio"]
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


def _draw_prediction(
    axes: Any, X: Array, Y: Array, predictive: GaussianPredictive, layerwise: Array
) -> None:
    x, mean = INPUTS[:, 0], predictive.mean[:, 0]
    for std, alpha, label in [
        (predictive.std[:, 0], 0.18, "± 2 std, with noise"),
        (layerwise, 0.35, "± 2 epistemic std"),
    ]:
        axes.fill_between(x, mean - 2 * std, mean + 2 * std, color=BLUE, alpha=alpha,
                          linewidth=0, label=label)  # fmt: skip
    axes.plot(x, curve(x), color="black", linestyle=":", linewidth=1.5, label="true curve")
    axes.plot(x, mean, color=BLUE, linewidth=2.2, label="predictive mean")
    axes.plot(X[:, 0], Y[:, 0], "o", color="black", markersize=3.5, alpha=0.7, label="data")
    axes.set(xlabel="x", ylabel="y", xlim=(x[0], x[-1]), ylim=(-3.2, 2.6))
    axes.set_title("BALI, 1 x 50 tanh: less sure in the gap, too sure outside", fontsize=12)
    axes.legend(loc="lower left", frameon=False)


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
    axes.plot(x, joint, color=ORANGE, linewidth=2, linestyle="--", label="joint posterior (dense)")
    axes.plot(x, layerwise, color=BLUE, linewidth=2, label="layerwise posterior (BALI)")
    axes.set(xlabel="x (grey: gap in the data)", ylabel="epistemic std", xlim=(x[0], x[-1]))
    axes.set_ylim(0, 1.4 * max(layerwise.max(), joint.max()))
    axes.set_title("without and with correlations between layers", fontsize=12)
    axes.legend(loc="upper left", frameon=False)
