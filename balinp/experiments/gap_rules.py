"""How sure to be in gaps between the data: rules for the covariance of a trained network, compared.

    python -m balinp.experiments.gap_rules uci:uci/yacht uci:uci/energy uci:uci/boston

The training part of split 0, with a gap along each input in turn; the test part is not looked at.
One network with seed 0 is trained for each gap, and its weights' covariance is made in different
ways. Printed are mean, median and worst of the mean log-likelihood over the gaps of a data set.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

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
    own = layer_scales(model, X)

    def joint(factors: Array, scale: float | None) -> JointPosterior:
        scaled = [G / c for G, c in zip(priors, factors, strict=True)]
        return JointPosterior.of(model.network, means, scaled, V, data, prior_scale=scale)

    ones = np.ones(len(priors))
    evidence = joint(ones, None)
    found = {
        "layers' own, Gaussian": Uncertainty("layerwise", "gaussian"),
        "joint, Gaussian": Uncertainty("joint", "gaussian", evidence),
    }
    for name, posterior in [
        ("joint, prior as in training, Student", joint(ones, 1.0)),
        ("joint, Student (default)", evidence),
        ("joint, a scale for each layer, Student", joint(own, 1.0)),
        (f"joint, prior variance times {HINDSIGHT:g}, Student", joint(ones, HINDSIGHT)),
    ]:
        tails = fitted_tails(leave_one_out(posterior, data))
        found[name] = Uncertainty("joint", "student", posterior, tails)
    return {name: rule.predictive(model, X_new) for name, rule in found.items()}


def scores(name: str) -> dict[str, Array]:
    """For each rule the mean log-likelihood in each gap of a data set, in its own units."""
    data = with_gaps(training_part(load(name)))
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
        for method in select(data.kind, PEERS, len(train)):
            peer = method.fit(data.X[train], data.Y[train], 0)(data.X[test])
            found.setdefault(method.name, []).append(float(peer.logpdf(Y_test).mean()))
    return {rule: np.array(values) for rule, values in found.items()}


def report(names: Sequence[str]) -> str:
    """A Markdown table, one row a rule, one column a data set."""
    columns = {name: scores(name) for name in names}
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
    print(report(parser.parse_args(arguments).names), end="")


if __name__ == "__main__":
    main()
