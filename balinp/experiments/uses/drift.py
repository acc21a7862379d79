"""Drift in a stream: what was learnt becomes wrong, gradually or at once.

A method predicts the next ten data, is told their targets, and goes on. Scores are of predictions
made before the targets were known. Where a method has no noise of its own, its log-likelihood is
that of a Gaussian whose variance is an exponential average of its past squared errors.

Methods: BALI's `partial_fit`, with a hidden layer and without one (which forgets nothing: exact
regression on all data so far); recursive least squares that forgets; scikit-learn's `partial_fit`
of a network and of a linear model; networks retrained on the last 300 data after every 300; and the
running mean of the targets.

The Bayesian linear regression of the package river is no method here: with a smoothing it averages
over rows where it should sum, and all of them count as one.

Source: Haykin, Adaptive filter theory, for recursive least squares.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from balinp._types import Array
from balinp.experiments.scores import Record
from balinp.experiments.table import column_cells, markdown, method_names
from balinp.experiments.uses.curves import draw_curves, new_figure

ROWS, CHUNK, N_IN, NOISE = 3000, 10, 5, 0.1
SHIFT = 1500
"""Where the streams that change at once do so, and where others begin to."""

BLOCK = 100
"""Data over which a record's curves are means."""

WINDOW, EVERY = 300, 300
"""Data that networks are retrained on, and after how many."""

MEMORY = 0.98
"""Of the exponential average of squared errors, a datum."""

KINDS = ("linear, at once", "linear, gradual", "network, at once", "network, gradual")


def stream(kind: str, seed: int) -> tuple[Array, Array, Array]:
    """Inputs (ROWS, N_IN), targets (ROWS,), and the part of these that is no noise.

    A linear function, or a random tanh network of ten units, of standard deviation about 1; from
    `SHIFT` on it turns into another one, at once or in 1,000 steps.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    X = rng.standard_normal((ROWS, N_IN))
    functions = np.array([_function(kind.startswith("linear"), rng)(X) for _ in range(2)])
    ahead = np.arange(ROWS) - SHIFT
    share = np.clip(ahead / 1000, 0, 1) if kind.endswith("gradual") else (ahead >= 0) * 1.0
    f = (1 - share) * functions[0] + share * functions[1]
    return X, f + NOISE * rng.standard_normal(ROWS), f


def _function(linear: bool, rng: np.random.Generator) -> Callable[[Array], Array]:
    if linear:
        w = rng.standard_normal(N_IN) / np.sqrt(N_IN)
        return lambda X: np.asarray(X @ w)
    W, v = rng.standard_normal((N_IN, 10)), rng.standard_normal(10) / 2
    return lambda X: np.asarray(np.tanh(X @ W) @ v)


class Learner(Protocol):
    """What follows a stream."""

    def predict(self, X: Array) -> tuple[Array, Array | None]:
        """Means (B,) and variances (B,) of targets, noise included, or None in their place."""

    def learn(self, X: Array, y: Array) -> None:
        """Take new data."""


class PartialFit:
    """`partial_fit` of a regressor; one of ours has variances of its own."""

    def __init__(self, model: Any) -> None:
        self.model, self.sees = model, False

    def predict(self, X: Array) -> tuple[Array, Array | None]:
        """Zero before any data."""
        if not self.sees:
            return np.zeros(len(X)), None
        if not hasattr(self.model, "predict_distribution"):
            return self.model.predict(X), None
        mean, std = self.model.predict(X, return_std=True)
        return mean, std**2

    def learn(self, X: Array, y: Array) -> None:
        """One step on new data."""
        self.model.partial_fit(X, y)
        self.sees = True


class Retrained:
    """A regressor trained anew on the last `WINDOW` data after every `EVERY`; first after 20."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make, self.model = make, None
        self.X, self.y, self.seen, self.due = np.empty((0, N_IN)), np.empty(0), 0, 20

    def predict(self, X: Array) -> tuple[Array, Array | None]:
        """As `PartialFit`."""
        if self.model is None:
            return np.zeros(len(X)), None
        fitted = PartialFit(self.model)
        fitted.sees = True
        return fitted.predict(X)

    def learn(self, X: Array, y: Array) -> None:
        """Keep new data, and train when it is time."""
        self.X = np.vstack([self.X, X])[-WINDOW:]
        self.y = np.append(self.y, y)[-WINDOW:]
        self.seen += len(y)
        if self.seen >= self.due:
            with warnings.catch_warnings():  # so few data may not end a training early
                warnings.simplefilter("ignore", UserWarning)
                self.model = self.make().fit(self.X, self.y)
            self.due = self.seen + EVERY


class RecursiveLeastSquares:
    """Weights of the least sum of memory^age times squared error, and of a little ridge.

    Its noise variance is the weighted mean of squared errors of prediction, each divided by what
    the weights add to it.
    """

    def __init__(self, memory: float) -> None:
        self.memory, D = memory, N_IN + 1
        self.w, self.P = np.zeros(D), 100.0 * np.eye(D)
        self.count, self.errors = 1.0, 1.0

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Mean and variance, noise included."""
        X = np.column_stack([X, np.ones(len(X))])
        return X @ self.w, self.errors / self.count * (1 + ((X @ self.P) * X).sum(axis=1))

    def learn(self, X: Array, y: Array) -> None:
        """One datum after the other."""
        for x, target in zip(np.column_stack([X, np.ones(len(X))]), y, strict=True):
            Px = self.P @ x
            spread = self.memory + x @ Px
            error = target - x @ self.w
            self.w = self.w + Px / spread * error
            self.P = (self.P - np.outer(Px, Px) / spread) / self.memory
            self.count = self.memory * self.count + 1
            self.errors = self.memory * self.errors + error**2 * self.memory / spread


class RunningMean:
    """The mean of all targets so far: what a method must beat."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def predict(self, X: Array) -> tuple[Array, None]:
        """The same everywhere."""
        return np.full(len(X), self.total / max(self.count, 1)), None

    def learn(self, X: Array, y: Array) -> None:
        """Add new targets."""
        self.total, self.count = self.total + y.sum(), self.count + len(y)


def learners(seed: int) -> dict[str, Learner]:
    """A new learner of each kind, by name."""
    from sklearn.linear_model import SGDRegressor
    from sklearn.neural_network import MLPRegressor

    from balinp import BALIRegressor

    def network() -> Any:
        return MLPRegressor(
            hidden_layer_sizes=(50,), early_stopping=True, max_iter=500, random_state=seed
        )

    return {
        "BALI partial_fit": PartialFit(BALIRegressor(random_state=seed)),
        "BALI partial_fit, no hidden layer": PartialFit(BALIRegressor((), random_state=seed)),
        "BALI retrained": Retrained(lambda: BALIRegressor(random_state=seed)),
        "least squares, memory .99": RecursiveLeastSquares(0.99),
        "least squares, memory .998": RecursiveLeastSquares(0.998),
        "SGDRegressor partial_fit": PartialFit(SGDRegressor(random_state=seed)),
        "MLPRegressor partial_fit": PartialFit(
            MLPRegressor(hidden_layer_sizes=(50,), random_state=seed)
        ),
        "MLPRegressor retrained": Retrained(network),
        "running mean": RunningMean(),
    }


def follow(learner: Learner, X: Array, y: Array, f: Array) -> tuple[Array, Array]:
    """Squared errors from the noiseless f, and log densities of y, each (ROWS,)."""
    squares, densities, spread = np.empty(len(y)), np.empty(len(y)), 1.0
    for start in range(0, len(y), CHUNK):
        rows = slice(start, start + CHUNK)
        mean, variance = learner.predict(X[rows])
        errors = (y[rows] - mean) ** 2
        if variance is None:
            variance = np.full(len(errors), spread)
        squares[rows] = (f[rows] - mean) ** 2
        densities[rows] = -0.5 * (errors / variance + np.log(2 * np.pi * variance))
        for error in errors:
            spread = MEMORY * spread + (1 - MEMORY) * error
        learner.learn(X[rows], y[rows])
    return squares, densities


def run(seeds: int = 3) -> list[Record]:
    """A record for each stream, seed and method: means over blocks of `BLOCK` data."""
    records: list[Record] = []
    for kind in KINDS:
        for seed in range(seeds):
            X, y, f = stream(kind, seed)
            for name, learner in learners(seed).items():
                squares, densities = follow(learner, X, y, f)
                blocks = [values.reshape(-1, BLOCK).mean(axis=1) for values in (squares, densities)]
                found = {"squared_error": blocks[0].tolist(), "log_density": blocks[1].tolist()}
                records.append({"stream": kind, "seed": seed, "method": name, **found})
    return records


def curves(records: Sequence[Record], kind: str, key: str) -> dict[str, Array]:
    """Means over blocks (seeds, blocks) by method."""
    return {
        name: np.array(
            [r[key] for r in records if (r["stream"], r["method"]) == (kind, name)], np.float64
        )
        for name in method_names(records)
    }


PERIODS = {"before": slice(10, 15), "after": slice(15, 20), "late": slice(25, 30)}
"""Blocks of the table: the last 500 data before the change, the first after it, the last of all."""


def report(records: Sequence[Record]) -> str:
    """Two Markdown tables: squared errors and log-likelihoods, by stream and period."""
    names, parts = method_names(records), []
    for key in ("squared_error", "log_density"):
        titles, columns = ["method"], []
        for kind in KINDS:
            found = curves(records, kind, key)
            for period, blocks in PERIODS.items():
                titles.append(f"{kind}: {period}")
                values = [found[name][:, blocks].mean(axis=1) for name in names]
                if key == "squared_error":
                    values = [np.sqrt(value) for value in values]
                columns.append(column_cells(values))
        parts.append(markdown(titles, [names, *columns]))
    seeds = len({record["seed"] for record in records})
    return (
        "RMSE from the noiseless function:\n\n"
        f"{parts[0]}\n\nLog-likelihood of the targets, nats a datum:\n\n{parts[1]}\n\n"
        f"Means over {seeds} streams of {ROWS:,} data ± standard error, noise std {NOISE:g}; "
        "before: the last 500 data before the change, after: the first 500 from there on, late: "
        "the last 500.\n"
    )


def save_figure(records: Sequence[Record], path: Path) -> None:
    """Root mean squares and log-likelihoods against the number of data, streams side by side."""
    figure = new_figure(15, 6.4)
    all_axes = figure.subplots(2, len(KINDS), sharex=True, sharey="row")
    x = BLOCK * (np.arange(ROWS // BLOCK) + 0.5)
    for column, kind in zip(all_axes.T, KINDS, strict=True):
        roots = {m: np.sqrt(v) for m, v in curves(records, kind, "squared_error").items()}
        draw_curves(column[0], x, roots, every=5)
        draw_curves(column[1], x, curves(records, kind, "log_density"), every=5)
        column[0].set(title=kind, yscale="log")
        column[1].set(xlabel="data so far", ylim=(-6, 1.2))
        for axes in column:
            axes.axvline(SHIFT, color="0.6", linestyle="--", linewidth=1)
    all_axes[0, 0].set_ylabel("RMSE from the noiseless function")
    all_axes[1, 0].set_ylabel("log-likelihood, nats a datum")
    handles, labels = all_axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=9, frameon=False)
    figure.savefig(path, dpi=100)
