"""Why a learnt conjugate prior fails in a network: what training makes of it, beside the isotropic.

    python -m balinp.experiments.conjugate_prior uci:DIR ...

The training part of split 0 is cut once more, 80 to 20, so that no test part is looked at. A
network is trained under each prior, and the table shows what became of its first hidden layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from balinp._types import Array
from balinp.bali import BALI
from balinp.defaults import REGRESSION_TRAINING
from balinp.evidence import effective_parameters
from balinp.experiments.datasets import load
from balinp.experiments.splits import random_split
from balinp.experiments.table import markdown
from balinp.standardise import Scale
from balinp.uncertainty import noise_covariance

RUNS = (("isotropic", 400), ("conjugate", 20), ("conjugate", 400))
"""Prior and steps of each training."""

SEED = 1000
"""Seed of the cut into data to train on and to validate on."""

WEAKEST = 5
"""Directions of the smallest curvature in which the means are looked at."""

ROWS = (
    "log-likelihood of the validation data",
    "mean squared error, training / validation",
    "noise variance",
    "parameters determined, of all",
    "of one output direction, largest / median / smallest",
    "prior std along directions of H, smallest / median / largest",
    "rms of the means along the weakest directions",
    "share of pre-activations beyond 2",
)


def described(model: BALI, X: Array, Y: Array, X_held: Array, Y_held: Array) -> list[str]:
    """What became of a trained network, in the order of `ROWS`; data in standardised units."""
    layer = model.layers[0]
    posterior, state = layer.exact_posterior, layer.state
    prior = state.prior.eigenvalues(state.observed.outputs)
    determined = (1 - prior / posterior.precisions).sum(axis=0)
    weakest = (layer.mean @ posterior.column_basis)[:, :WEAKEST]
    forward = model.network.forward(model.weights, X)
    errors = [
        float(np.mean((y - model.predict(x).mean) ** 2)) for x, y in ((X, Y), (X_held, Y_held))
    ]
    stds = 1 / np.sqrt(prior)
    return [
        f"{model.predict(X_held).logpdf(Y_held).mean():.2f}",
        f"{errors[0]:.2g} / {errors[1]:.2g}",
        f"{noise_covariance(model).item():.2g}",
        f"{effective_parameters(layer):.0f} of {layer.mean.size}",
        f"{determined.max():.1f} / {np.median(determined):.2g} / {determined.min():.2g}",
        f"{stds.min():.2g} / {np.median(stds):.2g} / {stds.max():.2g}",
        f"{np.sqrt(np.mean(weakest**2)):.2g}",
        f"{100 * np.mean(np.abs(forward.outputs[0]) > 2):.0f} %",
    ]


def conjugate_prior(names: Sequence[str]) -> str:
    """The table, a Markdown text, for regression sets of these names."""
    columns, titles = [list(ROWS)], [""]
    for name in names:
        dataset = load(name)
        train = dataset.split(0).train
        inner = random_split(SEED, n=len(train), test_fraction=0.2)
        fitted, held = train[inner.train], train[inner.test]
        inputs, targets = Scale.of(dataset.X[fitted]), Scale.of(dataset.Y[fitted])
        X, X_held = (inputs.to_standard(dataset.X[rows]) for rows in (fitted, held))
        Y, Y_held = (targets.to_standard(dataset.Y[rows]) for rows in (fitted, held))
        for prior, steps in RUNS:
            model = BALI(
                REGRESSION_TRAINING.model["hidden"], prior=prior, covariance="layerwise"
            ).fit(X, Y, epochs=steps)
            columns.append(described(model, X, Y, X_held, Y_held))
            titles.append(f"{dataset.name.removeprefix('uci:')}, {prior}, {steps} steps")
    return markdown(titles, columns)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="uci:DIR", help="regression data sets")
    print(conjugate_prior(parser.parse_args(arguments).names))


if __name__ == "__main__":
    main()
