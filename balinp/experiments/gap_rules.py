"""How sure to be in gaps between the data: rules for the covariance of a trained network, compared.

    python -m balinp.experiments.gap_rules uci:uci/yacht uci:uci/energy uci:uci/boston --peers
    python -m balinp.experiments.gap_rules uci:uci/naval uci:uci/kin8nm --rows 600

The training part of split 0, or so many of its rows, with a gap along each input in turn; the test
part is not looked at. One network with seed 0 is trained for each gap, and its weights' covariance
is made in different ways. Printed are mean, median and worst of the mean log-likelihood over the
gaps of a data set.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from balinp import dense
from balinp._types import Array
from balinp.bali import BALI
from balinp.data import Data
from balinp.defaults import REGRESSION_TRAINING
from balinp.experiments.datasets import load, training_part, with_gaps
from balinp.experiments.methods import ENSEMBLE, select
from balinp.experiments.table import markdown
from balinp.joint_posterior import JointPosterior
from balinp.leave_one_out import fitted_tails, leave_one_out
from balinp.predictive import GaussianPredictive
from balinp.standardise import Scale
from balinp.uncertainty import Uncertainty, noise_covariance

HINDSIGHT = 4.0
"""Prior variance over training's that does well in these gaps: chosen here, and so not a rule."""

DOUBTED = (4.0, 8.0, 16.0)
"""Factors by which the prior's scale may be off; `balinp.uncertainty.DOUBTS` is the second."""

PEERS = (ENSEMBLE, "Gaussian process")


def layer_scales(model: BALI, X: Array) -> Array:
    """For each layer the factor of its prior's variance that maximises the evidence, at least 1.

    The fixed point of JP-5 with a factor for each layer: the squared size of its means in units of
    the prior, over the number of its parameters that the data determine.

    Derivation: JP-5
    """
    J = dense.jacobian(model, X)  # type: ignore[arg-type]
    curvature = model.output_curvature(np.zeros(J.shape[:2]))
    precision = np.einsum("nkp,nkl,nlq->pq", J, curvature, J, optimize=True)
    priors = [np.diag(matrix) for matrix in model.prior_precisions]
    sizes = np.array([
        prior @ W.ravel(order="F") ** 2 for prior, W in zip(priors, model.weights, strict=True)
    ])  # fmt: skip
    ends = np.cumsum([len(prior) for prior in priors])[:-1]
    scales = np.ones(len(priors))
    for _ in range(30):
        scaled = np.concatenate([p / c for p, c in zip(priors, scales, strict=True)])
        variances = np.diag(np.linalg.inv(precision + np.diag(scaled)))
        determined = [part.sum() for part in np.split(1 - scaled * variances, ends)]
        scales = np.maximum(1.0, sizes / np.array(determined))
    return scales


def predictives(model: BALI, X: Array, Y: Array, X_new: Array) -> dict[str, GaussianPredictive]:
    """What a network trained on X and Y, isotropic prior, predicts by each rule."""
    data, V = Data(X, Y, None), noise_covariance(model)
    means = [layer.mean for layer in model.layers]
    priors = [layer.state.prior_output_precision for layer in model.layers]

    def joint(
        own: Array, scale: float | None, factors: Sequence[float] = (1.0,)
    ) -> list[JointPosterior]:
        scaled = [G / c for G, c in zip(priors, own, strict=True)]
        args = model.network, means, scaled, V, data
        return JointPosterior.at_scales(*args, factors, prior_scale=scale)

    ones = np.ones(len(priors))
    found = {
        "layers' own, Gaussian": Uncertainty("layerwise", "gaussian"),
        "joint, Gaussian": Uncertainty("joint", "gaussian", joint(ones, None)[0]),
    }
    for name, posteriors in [
        ("joint, prior as in training, Student", joint(ones, 1.0)),
        ("joint, prior's scale by the evidence, Student", joint(ones, None)),
        ("the same, a scale for each layer", joint(layer_scales(model, X), 1.0)),
        (f"the same, prior variance times {HINDSIGHT:g}", joint(ones, HINDSIGHT)),
        *(
            (f"the same, scale in doubt by {b:g}", joint(ones, None, (1.0, 1 / b, b)))
            for b in DOUBTED
        ),
    ]:
        tails = fitted_tails(leave_one_out(posteriors[0], data))
        found[name] = Uncertainty("joint", "student", posteriors[0], tuple(posteriors[1:]), tails)
    return {name: rule.predictive(model, X_new) for name, rule in found.items()}


def scores(name: str, rows: int | None = None, *, peers: bool = False) -> dict[str, Array]:
    """For each rule the mean log-likelihood in each gap of a data set, in its own units."""
    whole = training_part(load(name))
    drawn = np.random.default_rng(100).permutation(len(whole.X))[:rows]
    drawn.sort()
    data = with_gaps(replace(whole, X=whole.X[drawn], Y=whole.Y[drawn]))
    found: dict[str, list[float]] = {}
    for k in data.first_splits(None):
        (train, test), Y_test = data.split(k), data.Y[data.split(k).test]
        inputs, targets = Scale.of(data.X[train]), Scale.of(data.Y[train])
        X, Y = inputs.to_standard(data.X[train]), targets.to_standard(data.Y[train])
        model = REGRESSION_TRAINING.trained(X, Y, 0)
        rules = predictives(model, X, Y, inputs.to_standard(data.X[test]))
        for rule, predictive in rules.items():
            score = targets.to_original(predictive).logpdf(Y_test).mean()
            found.setdefault(rule, []).append(float(score))
        for method in select(data.kind, PEERS, len(train)) if peers else ():
            peer = method.fit(data.X[train], data.Y[train], 0)(data.X[test])
            found.setdefault(method.name, []).append(float(peer.logpdf(Y_test).mean()))
    return {rule: np.array(values) for rule, values in found.items()}


def report(names: Sequence[str], rows: int | None = None, *, peers: bool = False) -> str:
    """A Markdown table, one row a rule, one column a data set."""
    columns = {name: scores(name, rows, peers=peers) for name in names}
    rules = list(next(iter(columns.values())))
    titles = [f"{name.split('/')[-1]} ({len(found[rules[0]])})" for name, found in columns.items()]
    cells = [
        [
            f"{v.mean():.2f} / {np.median(v):.2f} / {v.min():.2f}"
            for v in (found[rule] for rule in rules)
        ]
        for found in columns.values()
    ]
    return markdown(["predicted with", *titles], [rules, *cells]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of the named data sets."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.gap_rules", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="as of `balinp evaluate`")
    parser.add_argument("--rows", type=int, metavar="N", help="so many rows, drawn at random")
    parser.add_argument("--peers", action="store_true", help="an ensemble and a Gaussian process")
    asked = parser.parse_args(arguments)
    print(report(asked.names, asked.rows, peers=asked.peers), end="")


if __name__ == "__main__":
    main()
