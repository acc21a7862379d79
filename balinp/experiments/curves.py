"""What anybody tries first: do default settings find generated curves, and nothing in noise?

Every method sees the same data. Its mean is compared with the noiseless truth, its intervals and
densities with noisy targets at new inputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from balinp._types import Array
from balinp.defaults import REGRESSION_TRAINING
from balinp.estimators import BALIRegressor
from balinp.experiments import REGRESSION
from balinp.experiments.curve_cases import CURVES, Curve, Sample, drawn
from balinp.experiments.methods import Method, Network
from balinp.experiments.names import find
from balinp.experiments.output import announce, show, write_records
from balinp.experiments.table import markdown
from balinp.standardise import Scale

Record = dict[str, Any]
Hidden = tuple[int, ...]

NETWORKS: tuple[Hidden, ...] = ((50,), (50, 50), (20, 20, 20))
"""Widths of the hidden layers."""

MLP, MLP_STEPS = "MLP", 500
"""The method that the others are compared with, and its largest number of steps."""

FOUND, LOST = 0.95, 0.5
"""R^2 from which a curve counts as found, and below which it counts as lost where the multilayer
perceptron has at least `CLEAR`."""

CLEAR = 0.9


class Prediction(NamedTuple):
    """Predictive mean (B, 1) and, unless a method has none, distribution at the test inputs."""

    mean: Array
    distribution: Any = None


def bali(sample: Sample, hidden: Hidden, seed: int, batch_size: int | None = None) -> Prediction:
    """A `BALI` of the default settings on standardised data, in batches of a size or in full."""
    training = replace(REGRESSION_TRAINING, model={**REGRESSION_TRAINING.model, "hidden": hidden})
    if batch_size is not None:
        training = replace(training, batch_size=batch_size, full_batch_up_to=0)
    method = Method("BALI", REGRESSION, Network(training))
    distribution = method.fit(sample.X, sample.Y, seed)(sample.X_test)
    return Prediction(distribution.mean, distribution)


def estimator(sample: Sample, hidden: Hidden, seed: int, n_members: int = 1) -> Prediction:
    """The estimator of the default settings."""
    model = BALIRegressor(hidden, n_members=n_members, random_state=seed)
    distribution = model.fit(sample.X, sample.Y).predict_distribution(sample.X_test)
    return Prediction(distribution.mean, distribution)


def perceptron(sample: Sample, hidden: Hidden, seed: int) -> Prediction:
    """Scikit-learn's `MLPRegressor` of the same layers on standardised data, by L-BFGS."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    scales = Scale.of(sample.X), Scale.of(sample.Y)
    model = MLPRegressor(
        hidden_layer_sizes=hidden,
        activation="tanh",
        solver="lbfgs",
        max_iter=MLP_STEPS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the steps are as many as agreed
        model.fit(scales[0].to_standard(sample.X), scales[1].to_standard(sample.Y)[:, 0])
    mean = model.predict(scales[0].to_standard(sample.X_test))[:, None]
    return Prediction(mean * scales[1].std + scales[1].mean)


METHODS: dict[str, Callable[[Sample, Hidden, int], Prediction]] = {
    "BALI": bali,
    "batches of 32": lambda sample, hidden, seed: bali(sample, hidden, seed, batch_size=32),
    "estimator": estimator,
    "ensemble of 3": lambda sample, hidden, seed: estimator(sample, hidden, seed, n_members=3),
    MLP: perceptron,
}


def run(curve: Curve, hidden: Hidden, method: str, seed: int) -> Record:
    """One method on the data of one curve.

    Returns
    -------
    Record
        A record: what was run; ``r2`` of the noiseless truth, None for noise; and, None for a
        method without a distribution, ``coverage_95``, the share of test targets in 95 % intervals,
        and ``gain``, the mean log-likelihood in nats a datum above that of a Gaussian with the
        training targets' mean and variance.
    """
    sample = drawn(curve, seed)
    prediction = METHODS[method](sample, hidden, seed)
    record: Record = {
        "curve": curve.name, "hidden": list(hidden), "method": method, "seed": seed,
        "r2": None, "coverage_95": None, "gain": None,
    }  # fmt: skip
    if not curve.is_noise:
        error = ((prediction.mean - sample.truth) ** 2).sum()
        total = ((sample.truth - sample.truth.mean()) ** 2).sum()
        record["r2"] = float(1 - error / total)
    if prediction.distribution is not None:
        low, high = prediction.distribution.interval(0.95)
        record["coverage_95"] = float(np.mean((low <= sample.Y_test) & (sample.Y_test <= high)))
        variance = float(sample.Y.var())
        squares = (sample.Y_test - sample.Y.mean()) ** 2
        constant = -0.5 * (squares / variance + np.log(2 * np.pi * variance))
        densities = prediction.distribution.logpdf(sample.Y_test)
        record["gain"] = float(np.mean(densities - constant[:, 0]))
    return record


def curves(
    *,
    only: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: int = 1,
    json_path: Path | None = None,
    figure_path: Path | None = None,
) -> list[Record]:
    """Run methods on curves; print a table for each network, write records and a figure.

    Parameters
    ----------
    only : sequence of str, optional
        Names of curves; None is all.
    methods : sequence of str, optional
        Names of methods; None is all. The perceptron always runs.
    seeds : int, default 1
        How many data sets are drawn of each curve.
    json_path, figure_path : Path, optional
        Files to write, or None.

    Raises
    ------
    UserError
        If there is no curve or method of a name.
    """
    names = [curve.name for curve in CURVES]
    chosen_curves = [CURVES[names.index(n)] for n in _chosen(only, names, "curve")]
    chosen = _chosen(methods, list(METHODS), "method")
    if MLP not in chosen:
        chosen.append(MLP)
    records = []
    for hidden in NETWORKS:
        mine = [
            run(curve, hidden, method, seed)
            for curve in chosen_curves
            for method in chosen
            for seed in range(seeds)
        ]
        show(report(mine) + "\n", json_path)
        records += mine
    if json_path is not None:
        write_records(records, json_path)
    if figure_path is not None:
        from balinp.experiments.curve_figure import save_curves

        save_curves(chosen_curves, figure_path)
        announce(figure_path)
    return records


def _chosen(asked: Sequence[str] | None, there: Sequence[str], what: str) -> list[str]:
    return list(there) if asked is None else [find(name, there, what) for name in asked]


# -- table -----------------------------------------------------------------------------------------


def report(records: Sequence[Record]) -> str:
    """A Markdown table of one network's records, and how many curves each method finds."""
    methods = list(dict.fromkeys(r["method"] for r in records))
    names = list(dict.fromkeys(r["curve"] for r in records))
    columns = [names] + [
        [_cell([r for r in records if (r["curve"], r["method"]) == (n, m)]) for n in names]
        for m in methods
    ]
    layers = ", ".join(map(str, records[0]["hidden"]))
    lines = [f"- {method}: {verdict(records, method)}" for method in methods if method != MLP]
    explanation = (
        "R^2 of the noiseless truth / coverage of 95 % intervals / log-likelihood above the "
        "constant predictor's, nats a datum; means over seeds."
    )
    table = markdown(["curve", *methods], columns)
    return f"Hidden layers: {layers}\n\n{table}\n\n{explanation}\n\n" + "\n".join(lines) + "\n"


def _cell(records: Sequence[Record]) -> str:
    cells = []
    for key, digits in (("r2", 2), ("coverage_95", 2), ("gain", 3)):
        values = [r[key] for r in records]
        cells.append("-" if None in values else f"{np.mean(values):.{digits}f}")
    return " / ".join(cells)


def verdict(records: Sequence[Record], method: str) -> str:
    """How many curves a method finds that the perceptron finds, loses, and makes of noise."""
    mlp = {(r["curve"], r["seed"]): r["r2"] for r in records if r["method"] == MLP}
    mine = [r for r in records if r["method"] == method]
    signals = [(r["r2"], mlp[r["curve"], r["seed"]]) for r in mine if r["r2"] is not None]
    found = [r2 >= FOUND for r2, theirs in signals if theirs >= FOUND]
    lost = sum(r2 < LOST and theirs >= CLEAR for r2, theirs in signals)
    gains = [r["gain"] for r in mine if r["r2"] is None]
    coverage = np.mean([r["coverage_95"] for r in mine])
    noise = f", at least {min(gains):+.3f} nats on noise" if gains else ""
    return (
        f"{sum(found)} of the {len(found)} that the perceptron finds (R^2 of at least {FOUND}), "
        f"{lost} lost (below {LOST} where it has {CLEAR}), mean coverage {coverage:.3f}{noise}"
    )
