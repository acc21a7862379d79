"""What becomes of a hidden layer under the isotropic prior, and under the conjugate one (EV-4).

    python -m balinp.experiments.conjugate_prior uci:uci/boston uci:uci/energy uci:uci/yacht

One network of 50 tanh units with seed 0, trained on four fifths of the training part of split 0 and
scored on the other fifth: the test part is not looked at. Printed is what the layer and its
prior look like after training, in standardised units.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from balinp import dense
from balinp._types import Array
from balinp.bali import BALI
from balinp.defaults import REGRESSION_TRAINING
from balinp.experiments import REGRESSION, UserError
from balinp.experiments.datasets import for_validation, load
from balinp.experiments.table import markdown
from balinp.standardise import Scale

RUNS = (("isotropic", 400), ("conjugate", 20), ("conjugate", 400))
"""Prior and number of steps."""

SATURATED = 2.0
"""Size of a pre-activation from which tanh has lost nine tenths of its slope."""

WEAKEST = 5
"""Directions of the smallest curvature along which the mean is looked at."""


def trained(X: Array, Y: Array, prior: str, steps: int) -> BALI:
    """The default network for regression with another prior; the layers' posteriors predict."""
    options = {**REGRESSION_TRAINING.model, "covariance": "layerwise", "noise": "gaussian"}
    return BALI(**{**options, "prior": prior}).fit(X, Y, epochs=steps)


def column(name: str, prior: str, steps: int) -> dict[str, str]:
    """What is printed of one network.

    Raises
    ------
    UserError
        If the data set is not one of regression.
    """
    data = for_validation(load(name))
    if data.kind != REGRESSION:
        raise UserError(f"{name}: expected a data set of regression")
    train, test = data.split(0)
    inputs, targets = Scale.of(data.X[train]), Scale.of(data.Y[train])
    X, Y = inputs.to_standard(data.X[train]), targets.to_standard(data.Y[train])
    model = trained(X, Y, prior, steps)
    predictive = model.predict(inputs.to_standard(data.X[test]))
    residuals = targets.to_standard(data.Y[test]) - predictive.mean
    score = targets.to_original(predictive).logpdf(data.Y[test]).mean()
    return {
        "validation log-likelihood": f"{score:.2f}",
        "validation MSE": f"{np.mean(residuals**2):.4f}",
        "training MSE": f"{np.mean((Y - model.predict(X).mean) ** 2):.4f}",
        "noise variance": f"{model.likelihood.covariance(1).item():.4f}",  # type: ignore[attr-defined]
        **hidden_layer(model, X),
    }


def hidden_layer(model: BALI, X: Array) -> dict[str, str]:
    """What is printed of the first layer of a network trained on X.

    Derivation: EV-1, EV-4
    """
    layer = model.layers[0]
    factors, lam = layer.state.reported, layer.prior_precision
    assert factors is not None
    h, (D, K) = factors.outputs.values, layer.mean.shape
    L = factors.posterior(layer.mean, layer.state.prior).precisions
    by_direction = (factors.likelihood_eigenvalues / L).sum(axis=0)
    spread = 1 / np.sqrt(layer.state.prior.eigenvalues(factors.outputs) * np.ones(K))
    along = np.sqrt(np.mean((layer.mean @ factors.outputs.vectors[:, :WEAKEST]) ** 2, axis=0))
    z = np.column_stack([X, np.ones(len(X))]) @ layer.mean
    silent = factors.n_data * factors.inputs.values.mean() * h < lam
    return {
        "prior precision": f"{lam:.3g}",
        "gamma of the hidden layer": f"{by_direction.sum():.0f} of {D * K}",
        "the same from its exact block": f"{exact_gamma(model, X):.0f}",
        "gamma of an output direction: largest, median, smallest": _three(by_direction),
        "effective rank of H": f"{h.sum() ** 2 / (h**2).sum():.2f} of {K}",
        "directions with N mean(a) h < lam": f"{100 * silent.mean():.0f} %",
        "prior std along eigenvectors of H: largest, median, smallest": _three(spread),
        f"rms of the mean along the {WEAKEST} weakest: largest, median, smallest": _three(along),
        "rms pre-activation": f"{np.sqrt(np.mean(z**2)):.2f}",
        f"pre-activations beyond {SATURATED:g}": f"{100 * np.mean(np.abs(z) > SATURATED):.0f} %",
    }


def exact_gamma(model: BALI, X: Array) -> float:
    """Parameters of the first layer that the data determine, by its exact Gauss-Newton block.

    Derivation: EV-1
    """
    prior = model.prior_precisions[0]
    J = dense.jacobian(model, X)[:, :, : len(prior)]  # type: ignore[arg-type]
    curvature = model.output_curvature(model.predict(X).mean)
    precision = np.einsum("nkp,nkl,nlq->pq", J, curvature, J, optimize=True)
    return float(np.trace(np.linalg.solve(precision + prior, precision)))


def _three(values: Array) -> str:
    return ", ".join(f"{v:.2g}" for v in (values.max(), np.median(values), values.min()))


def report(names: Sequence[str]) -> str:
    """A Markdown table, a column for each data set, prior and number of steps."""
    columns = {
        f"{name.split('/')[-1]}, {prior}, {steps} steps": column(name, prior, steps)
        for name in names
        for prior, steps in RUNS
    }
    rows = list(next(iter(columns.values())))
    cells = [[found[row] for row in rows] for found in columns.values()]
    return markdown(["", *columns], [rows, *cells]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of the named data sets."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.conjugate_prior", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="as of `balinp evaluate`")
    print(report(parser.parse_args(arguments).names), end="")


if __name__ == "__main__":
    main()
