"""Active learning: which data to label next, by what a model is unsure of, or at random.

Regression: from ten labels to fifty of a pool, five at a time. The one of the largest variance of
the function is taken, the variances of the others given its label are worked out from their
covariance, and so on: no training in between. Classes: from twenty digits to 120, twenty at a
time, those of the largest predictive entropy, or of the largest mutual information of label and
weights. With two labels a class BALI's classifier reads as many digits as logistic regression.

Source: MacKay (1992), Information-based objective functions for active data selection; Houlsby et
al. (2011), Bayesian active learning for classification and preference learning, arXiv 1112.5745.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from balinp import metrics
from balinp._types import Array
from balinp.experiments.datasets import load
from balinp.experiments.scores import Record
from balinp.experiments.table import column_cells, markdown
from balinp.experiments.uses.curves import draw_curves, new_figure
from balinp.experiments.uses.optimisation import hartmann
from balinp.experiments.uses.surrogates import GaussianProcess, Network, Surrogate
from balinp.predictive import CategoricalPredictive
from balinp.standardise import Scale

START, MORE, ROUNDS = 10, 5, 8
POOL, TEST, NOISE = 300, 500, 0.1
"""Inputs to choose from and to test on, and the noise in units of the function's spread."""

START_CLASSES, MORE_CLASSES, ROUNDS_CLASSES = 20, 20, 5

LOWEST, HIGHEST = -4.0, 1.5
"""Between these a picture shows log-likelihoods."""

ACTIVE, RANDOM, ENTROPY, INFORMATION = "most uncertain", "random", "entropy", "information"


def step_and_wave(X: Array) -> Array:
    """A wave with one steep step, of one input."""
    return np.sin(6 * X[:, 0]) + 2 / (1 + np.exp(-80 * (X[:, 0] - 0.7)))


def friedman(X: Array) -> Array:
    """Friedman's first function, of five inputs."""
    waves = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2
    return np.asarray(waves + 10 * X[:, 3] + 5 * X[:, 4])


FUNCTIONS: dict[str, tuple[int, Callable[[Array], Array]]] = {
    "step and wave": (1, step_and_wave),
    "Hartmann 3": (3, hartmann),
    "Friedman 1": (5, friedman),
}
SURROGATES: dict[str, Callable[[Array, Array, int], Surrogate]] = {
    "BALI": Network,
    "Gaussian process": GaussianProcess,
}


def most_uncertain(covariance: Array, noise: float, count: int) -> list[int]:
    """Rows to be labelled, one after the other, each given the labels of those before it.

    Parameters
    ----------
    covariance : array
        (B, B) covariance of the function; left as it is.
    noise : float
        Noise variance of a label.
    count : int
        How many.

    Examples
    --------
    Of two rows that are the same, one is taken:

    >>> C = np.array([[2.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    >>> most_uncertain(C, 0.1, 2)
    [0, 2]
    """
    C, chosen = covariance.copy(), list[int]()
    for _ in range(count):
        variances = np.diagonal(C).copy()
        variances[chosen] = -np.inf
        n = int(variances.argmax())
        chosen.append(n)
        C -= np.outer(C[n], C[n]) / (C[n, n] + noise)
    return chosen


def learn_function(name: str, model: str, rule: str, seed: int) -> list[Record]:
    """A record after each round: RMSE and log-likelihood of test data, in units of the spread.

    Methods of one seed have the same pool and the same first labels.
    """
    n_in, function = FUNCTIONS[name]
    rng = np.random.default_rng(seed)
    X = rng.random((POOL + TEST, n_in))
    f = function(X)
    f = (f - f.mean()) / f.std()
    y = f + NOISE * rng.standard_normal(len(f))
    labelled, rest = list(range(START)), np.arange(START, POOL)
    records = []
    for round_ in range(ROUNDS + 1):
        surrogate = SURROGATES[model](X[labelled], y[labelled], seed)
        predictive = surrogate.predictive(X[POOL:])
        records.append({
            "task": name, "seed": seed, "method": f"{model}, {rule}",
            "labels": START + MORE * round_,
            "rmse": metrics.rmse(f[POOL:, None], predictive.mean),
            "log_likelihood": float(predictive.logpdf(y[POOL:, None]).mean()),
        })  # fmt: skip
        if rule == RANDOM:
            new = rest[rng.choice(len(rest), MORE, replace=False)]
        else:
            noise = float(np.mean(predictive.aleatoric))
            new = rest[most_uncertain(surrogate.between_rows(X[rest]), noise, MORE)]
        labelled, rest = [*labelled, *new], np.setdiff1d(rest, new)
    return records


# -- classes ---------------------------------------------------------------------------------------


def information(predictive: CategoricalPredictive) -> Array:
    """Mutual information (B,) of label and weights, in nats: H(E p) - E H(p).

    Examples
    --------
    Two networks that are sure of different classes, and two that are unsure alike:

    >>> p = CategoricalPredictive(np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]))
    >>> information(p).round(4)
    array([0.6931, 0.    ])
    """
    draws = predictive.probability_draws
    expected = [metrics.predictive_entropy(p / p.sum(axis=1, keepdims=True)) for p in draws]
    return metrics.predictive_entropy(predictive.probabilities) - predictive.weights @ expected


def bali_classifier(X: Array, y: Array, seed: int) -> Callable[[Array], Any]:
    """`BALIClassifier` for images, whose pixels have one unit."""
    from balinp import BALIClassifier

    return BALIClassifier(input_scale="common", random_state=seed).fit(X, y).predict_distribution


def scikit_classifier(kind: str) -> Callable[[Array, Array, int], Any]:
    """A classifier of scikit-learn on inputs divided by one number."""

    def train(X: Array, y: Array, seed: int) -> Callable[[Array], Any]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessClassifier
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel
        from sklearn.linear_model import LogisticRegression

        scale = Scale.of(X, common=True)
        if kind == "gp":
            kernel = ConstantKernel(10.0) * RBF(np.sqrt(X.shape[1]), (1e-1, 1e3))
            model = GaussianProcessClassifier(kernel, max_iter_predict=20)
        else:
            model = LogisticRegression(max_iter=1000)
        with warnings.catch_warnings():  # a class of few digits sends its scale to the bound
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scale.to_standard(X), y)
        return lambda X_new: CategoricalPredictive(
            model.predict_proba(scale.to_standard(X_new))[None]
        )

    return train


CLASSIFIERS = {
    "BALI": bali_classifier,
    "Gaussian process": scikit_classifier("gp"),
    "logistic regression": scikit_classifier("logistic"),
}
DIGITS_METHODS = (
    ("BALI", ENTROPY),
    ("BALI", INFORMATION),
    ("BALI", RANDOM),
    ("Gaussian process", ENTROPY),
    ("Gaussian process", RANDOM),
    ("logistic regression", ENTROPY),
    ("logistic regression", RANDOM),
)
DIGITS = "digits"


def learn_digits(model: str, rule: str, seed: int) -> list[Record]:
    """A record after each round: accuracy and NLL of the test digits of a split.

    The first labels are two of each class.
    """
    digits = load("digits")
    train, test = digits.split(seed)
    y = digits.Y.argmax(axis=1)
    rng = np.random.default_rng(seed)
    first = [rng.choice(train[y[train] == k], START_CLASSES // 10, False) for k in range(10)]
    labelled = np.concatenate(first)
    records = []
    for round_ in range(ROUNDS_CLASSES + 1):
        predict = CLASSIFIERS[model](digits.X[labelled], y[labelled], seed)
        p = predict(digits.X[test]).probabilities
        records.append({
            "task": DIGITS, "seed": seed, "method": f"{model}, {rule}",
            "labels": START_CLASSES + MORE_CLASSES * round_,
            "accuracy": metrics.accuracy(digits.Y[test], p),
            "nll": metrics.nll(digits.Y[test], p),
        })  # fmt: skip
        rest = np.setdiff1d(train, labelled)
        values = _urgency(predict, digits.X[rest], rule, rng)
        labelled = np.append(labelled, rest[np.argsort(-values, kind="stable")[:MORE_CLASSES]])
    return records


def _urgency(predict: Any, X: Array, rule: str, rng: np.random.Generator) -> Array:
    """How much each row (B,) is wanted."""
    if rule == RANDOM:
        return rng.random(len(X))
    predictive = predict(X)
    if rule == INFORMATION:
        return information(predictive)
    return metrics.predictive_entropy(predictive.probabilities)


# -- all -------------------------------------------------------------------------------------------


def run(seeds: int = 3) -> list[Record]:
    """Records of all tasks, methods and seeds."""
    records: list[Record] = []
    for seed in range(seeds):
        for name in FUNCTIONS:
            for model in SURROGATES:
                for rule in (ACTIVE, RANDOM):
                    records += learn_function(name, model, rule, seed)
        for model, rule in DIGITS_METHODS:
            records += learn_digits(model, rule, seed)
    return records


def curves(records: Sequence[Record], task: str, key: str) -> tuple[Array, dict[str, Array]]:
    """Numbers of labels, and a score (seeds, rounds) by method."""
    chosen = [r for r in records if r["task"] == task]
    labels = sorted({r["labels"] for r in chosen})
    seeds = sorted({r["seed"] for r in chosen})
    found = {
        method: np.full((len(seeds), len(labels)), np.nan)
        for method in dict.fromkeys(r["method"] for r in chosen)
    }
    for r in chosen:
        found[r["method"]][seeds.index(r["seed"]), labels.index(r["labels"])] = r[key]
    return np.array(labels, dtype=np.float64), found


def report(records: Sequence[Record]) -> str:
    """Two Markdown tables: functions, and digits."""
    parts = []
    for tasks, keys in (
        (tuple(FUNCTIONS), {"rmse": "RMSE", "log_likelihood": "log-likelihood"}),
        ((DIGITS,), {"accuracy": "accuracy", "nll": "NLL"}),
    ):
        titles, columns, methods = ["method"], [], list[str]()
        for task in tasks:
            for key, title in keys.items():
                labels, found = curves(records, task, key)
                methods = list(found)
                for k in {len(labels) // 2, len(labels) - 1} if len(tasks) == 1 else {-1}:
                    titles.append(f"{task}: {title}, {labels[k]:.0f} labels")
                    columns.append(column_cells([found[m][:, k] for m in methods]))
        parts.append(markdown(titles, [methods, *columns]))
    seeds = len({record["seed"] for record in records})
    return (
        f"{parts[0]}\n\n{parts[1]}\n\nMeans over {seeds} pools ± standard error. RMSE from the "
        "noiseless function and log-likelihood of noisy targets in units of its spread; NLL in "
        "nats a datum.\n"
    )


def save_figure(records: Sequence[Record], path: Path) -> None:
    """Scores against the number of labels, tasks side by side."""
    figure = new_figure(14, 6.4)
    all_axes = figure.subplots(2, 4)
    for column, task in zip(all_axes.T, [*FUNCTIONS, DIGITS], strict=True):
        keys = ("accuracy", "nll") if task == DIGITS else ("rmse", "log_likelihood")
        for axes, key in zip(column, keys, strict=True):
            draw_curves(axes, *curves(records, task, key))
            axes.set_ylabel({"rmse": "RMSE", "nll": "NLL"}.get(key, key.replace("_", "-")))
            if key == "log_likelihood":
                axes.set_ylim(max(axes.get_ylim()[0], LOWEST), HIGHEST)
        column[0].set_title(task)
        column[1].set_xlabel("labels")
    for axes in (all_axes[0, 0], all_axes[0, 3]):
        axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=100)
