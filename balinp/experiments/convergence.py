"""The command ``balinp convergence``: BALI and Adam on the same log joint density.

Data, start, prior and noise are the same and fixed, so that both maximise the same function of
the weights; each step is one pass over all data. A step of BALI does more work than one of Adam:
it carries curvature back as well as gradients, factorises, and checks its gain with another
forward pass. That is why the objective is also given against seconds (of the processor).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from balinp._types import Array
from balinp.bali import BALI
from balinp.experiments import REGRESSION, require_extras
from balinp.experiments.dataset import SCALES, Dataset
from balinp.experiments.datasets import load
from balinp.experiments.figures import curve_title, save_convergence_figure
from balinp.experiments.methods import warm_up
from balinp.experiments.output import announce, check_writable, figure_for, show, write_records
from balinp.experiments.scores import Record
from balinp.experiments.table import markdown
from balinp.likelihood import Categorical, Gaussian, Likelihood
from balinp.mlp import MLP
from balinp.standardise import Scale

HIDDEN: Final = (50,)
ACTIVATION: Final = "relu"
PRIOR_PRECISION, NOISE_VARIANCE = 1.0, 0.01
"""Fixed for all data sets; the noise is that of standardised targets of a regression."""

FIGURE = "convergence_{name}.png"
"""Where the figure goes unless told."""

LEARNING_RATES = (0.001, 0.01, 0.1)
COMPARED_AT = 100
"""Adam's best learning rate is the one with the highest objective after so many passes."""


class Curve(NamedTuple):
    """An objective on the way.

    Attributes
    ----------
    log_joint : array
        (passes + 1,) array, in nats, from the start on.
    seconds : array
        (passes + 1,) array, the processor's time spent on steps; reading off the objective
        is not counted.
    """

    log_joint: Array
    seconds: Array


@dataclass(frozen=True)
class LogJoint:
    """log p(Y, W) of a network, as a function of its weights.

    Attributes
    ----------
    network, likelihood : MLP and Likelihood
        Of the model.
    X, Y : array
        All data, (N, n_in) and (N, K).
    prior_precision : float
        lam of the isotropic prior N(0, 1 / lam) on every weight and bias.
    """

    network: MLP
    likelihood: Likelihood
    X: Array
    Y: Array
    prior_precision: float

    def __call__(self, weights: Sequence[Array]) -> float:
        """sum_n log p(y_n | f_n) + sum log N(w; 0, 1 / lam), in nats."""
        lam = self.prior_precision
        outputs = self.network.forward(weights, self.X).outputs[-1]
        log_prior = sum(
            0.5 * float((np.log(lam / (2 * np.pi)) - lam * W**2).sum()) for W in weights
        )
        return float(self.likelihood.log_density(self.Y, outputs).sum()) + log_prior

    def gradient(self, weights: Sequence[Array]) -> list[Array]:
        """For each layer h^T g - lam W (D, K), with g the back-propagated gradients."""
        forward = self.network.forward(weights, self.X)
        output_rows = self.likelihood.gradient(self.Y, forward.outputs[-1])[:, None, :]
        rows = self.network.backward(weights, forward, output_rows)
        return [
            self._with_bias(h).T @ g[:, 0] - self.prior_precision * W
            for h, g, W in zip(forward.inputs, rows, weights, strict=True)
        ]

    def _with_bias(self, h: Array) -> Array:
        return np.hstack([h, np.ones((len(h), 1))]) if self.network.bias else h


def adam(objective: LogJoint, start: Sequence[Array], learning_rate: float, passes: int) -> Curve:
    """Full-batch Adam going up an objective, with the constants of the paper.

    m <- .9 m + .1 g, v <- .999 v + .001 g^2, and with both divided by 1 - .9^t and 1 - .999^t,
    W <- W + rate m / (sqrt v + 1e-8).

    Source: Kingma and Ba (2015), Adam: a method for stochastic optimization.

    Examples
    --------
    >>> X = np.array([[1.0], [2.0]])
    >>> objective = LogJoint(MLP([1, 1]), Gaussian(1.0), X, X, prior_precision=1.0)
    >>> curve = adam(objective, [np.zeros((2, 1))], learning_rate=0.1, passes=3)
    >>> bool(np.all(np.diff(curve.log_joint) > 0))
    True
    """
    weights = [W.copy() for W in start]
    first = [np.zeros_like(W) for W in weights]
    second = [np.zeros_like(W) for W in weights]
    log_joint, seconds = [objective(weights)], [0.0]
    for t in range(1, passes + 1):
        begin = time.process_time()
        for W, m, v, g in zip(weights, first, second, objective.gradient(weights), strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            W += learning_rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        seconds.append(seconds[-1] + time.process_time() - begin)
        log_joint.append(objective(weights))
    return Curve(np.array(log_joint), np.array(seconds))


def bali(model: BALI, objective: LogJoint, passes: int) -> Curve:
    """Full-batch steps of BALI from the model's present state."""
    log_joint, seconds = [objective(model.weights)], [0.0]
    for _ in range(passes):
        begin = time.process_time()
        record = model.step(objective.X, objective.Y)
        seconds.append(seconds[-1] + time.process_time() - begin)
        log_joint.append(record.log_joint)
    return Curve(np.array(log_joint), np.array(seconds))


def problem(X: Array, Y: Array, kind: str, seed: int) -> tuple[BALI, LogJoint]:
    """A model at its random start, and the objective that it maximises on standardised data."""
    likelihood = Gaussian(NOISE_VARIANCE) if kind == REGRESSION else Categorical()
    model = BALI(
        HIDDEN,
        likelihood,
        activation=ACTIVATION,
        forward="mean",
        prior_precision=PRIOR_PRECISION,
        seed=seed,
    ).fit(X, Y, epochs=0)
    return model, LogJoint(model.network, likelihood, X, Y, PRIOR_PRECISION)


def compare(dataset: Dataset, split: int, passes: int) -> list[Record]:
    """Records of BALI and of Adam with each learning rate, on the training data of a split.

    Keys: dataset, split, method (``"BALI"`` or ``"Adam"``), learning_rate (None for BALI),
    log_joint and seconds (lists, after 0, 1, ... passes); passes_to_target and seconds_to_target,
    when target was first reached, or None; and target itself, the objective that Adam with its
    best learning rate has after `COMPARED_AT` passes.
    """
    from threadpoolctl import threadpool_limits

    warm_up()
    train = dataset.split(split).train
    X, Y = dataset.X[train], dataset.Y[train]
    X = SCALES[dataset.input_scale](X).to_standard(X)
    if dataset.kind == REGRESSION:
        Y = Scale.of(Y).to_standard(Y)
    with threadpool_limits(limits=1):
        bali(*problem(X, Y, dataset.kind, seed=split), 1)  # kernels are loaded when first called
        model, objective = problem(X, Y, dataset.kind, seed=split)
        start = model.weights
        curves: dict[tuple[str, float | None], Curve] = {
            ("Adam", rate): adam(objective, start, rate, passes) for rate in LEARNING_RATES
        }
        curves = {("BALI", None): bali(model, objective, passes), **curves}
    target = max(float(c.log_joint[COMPARED_AT]) for (m, _), c in curves.items() if m == "Adam")
    return [
        {
            "dataset": dataset.name,
            "split": split,
            "method": method,
            "learning_rate": rate,
            "target": target,
            **_reached(curve, target),
            "log_joint": curve.log_joint.tolist(),
            "seconds": curve.seconds.tolist(),
        }
        for (method, rate), curve in curves.items()
    ]


def _reached(curve: Curve, target: float) -> dict[str, Any]:
    there = np.flatnonzero(curve.log_joint >= target)
    first = int(there[0]) if len(there) else None
    seconds = None if first is None else float(curve.seconds[first])
    return {"passes_to_target": first, "seconds_to_target": seconds}


def convergence(
    name: str,
    *,
    target: str | None = None,
    classes: bool = False,
    drop: Sequence[str] = (),
    split: int = 0,
    passes: int = 300,
    json_path: str | Path | None = None,
    figure_path: str | Path | None = FIGURE,
) -> list[Record]:
    """Compare BALI with Adam on the training data of a split; print a table, draw both.

    Parameters
    ----------
    name, target, classes, drop
        Of the data set, see `balinp.experiments.datasets.load`.
    split : int, default 0
        Its number, also the seed of the initial weights.
    passes : int, default 300
        Over the data, at least `COMPARED_AT`.
    json_path : str or Path, optional
        Where to write the records of `compare`, or None.
    figure_path : str or Path or None, optional
        Where to draw the figure, ``{name}`` in it being the name of the data set; None draws none.

    Raises
    ------
    UserError
        If something is missing or unknown.
    """
    require_extras()
    dataset = load(name, target, classes=classes, drop=drop)
    dataset.first_splits(split + 1)
    figure = figure_for(figure_path, dataset.name)
    json_path = None if json_path is None else Path(json_path)
    check_writable(json_path, figure)
    records = compare(dataset, split, passes)
    show(_table(records), json_path)
    if json_path is not None:
        write_records(records, json_path)
    if figure is not None:
        save_convergence_figure(records, figure)
        announce(figure)
    return records


def _table(records: Sequence[Record]) -> str:
    passes = len(records[0]["log_joint"]) - 1
    columns = {"method": [curve_title(record) for record in records]}
    for t in sorted({20, COMPARED_AT, passes}):
        columns[f"log joint after {t}"] = [f"{r['log_joint'][t]:.1f}" for r in records]
    columns["passes to target"] = [
        "-" if r["passes_to_target"] is None else str(r["passes_to_target"]) for r in records
    ]
    columns["seconds to target"] = [
        "-" if r["seconds_to_target"] is None else f"{r['seconds_to_target']:.3f}" for r in records
    ]
    columns["ms a pass"] = [f"{1000 * r['seconds'][-1] / passes:.2f}" for r in records]
    line = (
        f"Log joint density in nats after so many passes over the data; target: "
        f"{records[0]['target']:.1f}, Adam's best after {COMPARED_AT}; prior precision "
        f"{PRIOR_PRECISION:g}, noise variance {NOISE_VARIANCE:g} where there is noise, "
        f"{HIDDEN[0]} {ACTIVATION} units, one start."
    )
    return markdown(list(columns), list(columns.values())) + f"\n\n{line}\n"
