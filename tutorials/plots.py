"""Draw tutorials/plots.png: every function of `balinp.plot` on models that are trained here.

python tutorials/plots.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from balinp import BALI, plot
from balinp.demo import INPUTS, curve, curve_data
from balinp.predictive import CategoricalPredictive

PATH = Path(__file__).with_name("plots.png")
BOUNDS = ((-3, 3), (-3, 3))


def three_classes(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, 2) in three clouds that overlap, and their one-hot classes (n, 3)."""
    labels = rng.integers(3, size=n)
    centres = np.array([[-1.2, -0.8], [1.2, -0.8], [0.0, 1.2]])
    return centres[labels] + 0.7 * rng.standard_normal((n, 2)), np.eye(3)[labels]


def main(path: Path = PATH) -> None:
    """Train a network for a curve and one for classes, and draw both from all sides."""
    rng = np.random.default_rng(1)
    X, Y = curve_data(0)
    network = BALI(hidden=(50,), activation="tanh").fit(X, Y, epochs=200)
    X_test = rng.choice(X, 300) + 0.2 * rng.standard_normal((300, 1))
    Y_test = curve(X_test) + 0.15 * rng.standard_normal((300, 1))
    predictive = network.predict(X_test)

    X_classes, Y_classes = three_classes(rng, 150)
    classifier = BALI(hidden=(30,), likelihood="categorical").fit(X_classes, Y_classes, epochs=100)
    X_new, Y_new = three_classes(rng, 1000)
    classes = classifier.predict(X_new)
    assert isinstance(classes, CategoricalPredictive)

    figure = Figure(figsize=(17, 12.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = {
        "predictive_band": lambda axes: plot.predictive_band(
            network.predict(INPUTS), INPUTS, levels=(0.5, 0.95), data=(X, Y), ax=axes
        ),
        "coverage": lambda axes: plot.coverage(predictive, Y_test, ax=axes),
        "residuals": lambda axes: plot.residuals(predictive, Y_test, ax=axes),
        "residuals, quantiles": lambda axes: plot.residuals(
            predictive, Y_test, against="quantiles", ax=axes
        ),
        "uncertainty_map": lambda axes: plot.uncertainty_map(
            classifier, BOUNDS, data=(X_classes, Y_classes), ax=axes
        ),
        "uncertainty_map, epistemic": lambda axes: plot.uncertainty_map(
            classifier, BOUNDS, quantity="epistemic_std", output=0, ax=axes
        ),
        "reliability": lambda axes: plot.reliability(classes.probabilities, Y_new, ax=axes),
        "convergence": lambda axes: plot.convergence(network.history, ax=axes),
        "weights": lambda axes: plot.weights(network, ax=axes),
        "weights, one layer": lambda axes: plot.weights(classifier, layer=0, ax=axes),
        "spectra": lambda axes: plot.spectra(network, ax=axes),
        "spectra, classifier": lambda axes: plot.spectra(classifier, ax=axes),
    }
    for axes, (title, draw) in zip(figure.subplots(3, 4).flat, panels.items(), strict=True):
        draw(axes).set_title(title, fontsize=11, fontweight="bold")
    figure.axes[0].set_ylim(-2.6, 4.6)  # room for the legend
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
