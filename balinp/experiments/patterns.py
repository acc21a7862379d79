"""Labels in fine patterns, noisy labels and coin tosses: what is learnt of them by default.

``python -m balinp.experiments.patterns`` prints the held-out log loss of `BALIClassifier` with one,
two and three hidden layers, beside a perceptron of scikit-learn, on generated classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from balinp._types import Array
from balinp.experiments.table import markdown

LAYERS = ((50,), (50, 50), (50, 50, 50))
HELD_OUT = 2000

Labelled: TypeAlias = tuple[Array, NDArray[Any]]
"""Inputs and labels."""


def spirals(rng: np.random.Generator, rows: int, turns: float) -> Labelled:
    """Two arms of so many turns."""
    t, y = np.sqrt(rng.uniform(0.02, 1, rows)), rng.integers(2, size=rows)
    angle = np.pi * (2 * turns * t + y)
    X = np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1)
    return X + 0.02 * rng.normal(size=X.shape), y


def stripes(rng: np.random.Generator, rows: int, turned: float) -> Labelled:
    """Eight stripes along one input, two classes in turn, some labels turned."""
    X = rng.uniform(0, 8, (rows, 1))
    return X, (X[:, 0].astype(int) + (rng.uniform(size=rows) < turned)) % 2


def squares(rng: np.random.Generator, rows: int, turned: float) -> Labelled:
    """A board of four by four squares, some labels turned."""
    X = rng.uniform(0, 4, (rows, 2))
    return X, (X.astype(int).sum(axis=1) + (rng.uniform(size=rows) < turned)) % 2


def rings(rng: np.random.Generator, rows: int) -> Labelled:
    """Five rings of three classes in turn."""
    r, angle = rng.uniform(0, 5, rows), rng.uniform(0, 2 * np.pi, rows)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1), r.astype(int) % 3


def intervals(rng: np.random.Generator, rows: int, classes: int) -> Labelled:
    """As many intervals of one input as classes."""
    X = rng.uniform(0, classes, (rows, 1))
    return X, X[:, 0].astype(int)


def wave(rng: np.random.Generator, rows: int) -> Labelled:
    """Logits of 4 sin 4x, for x from -3 to 3."""
    X = rng.uniform(-3, 3, (rows, 1))
    return X, _drawn(rng, 4 * np.sin(4 * X[:, 0]))


def logistic(rng: np.random.Generator, rows: int, inputs: int) -> Labelled:
    """Logits that are the sum of standard normal inputs."""
    X = rng.normal(size=(rows, inputs))
    return X, _drawn(rng, X.sum(axis=1))


def coins(rng: np.random.Generator, rows: int, inputs: int) -> Labelled:
    """Labels that do not follow the inputs."""
    return rng.normal(size=(rows, inputs)), _drawn(rng, np.zeros(rows))


def _drawn(rng: np.random.Generator, logits: Array) -> NDArray[Any]:
    return (rng.uniform(size=len(logits)) < 1 / (1 + np.exp(-logits))).astype(int)


CASES: tuple[tuple[Callable[..., Labelled], int, tuple[float, ...]], ...] = (
    (spirals, 300, (1.5,)),
    (spirals, 400, (2.5,)),
    (spirals, 1000, (2.5,)),
    (stripes, 200, (0.0,)),
    (stripes, 200, (0.1,)),
    (squares, 500, (0.0,)),
    (squares, 500, (0.1,)),
    (rings, 600, ()),
    (intervals, 400, (20,)),
    (wave, 300, ()),
    (logistic, 50, (2,)),
    (logistic, 100, (5,)),
    (logistic, 200, (20,)),
    (coins, 100, (2,)),
    (coins, 400, (10,)),
)
"""Makers of data, numbers of rows, and what else they are told."""


def log_loss(model: Any, data: Labelled, new: Labelled) -> float:
    """Mean log loss on new rows, of the classes that were in the data, in nats."""
    model.fit(*data)
    X, y = new[0], new[1]
    known = np.isin(y, model.classes_)
    p = model.predict_proba(X[known])[np.arange(known.sum()), model.classes_.searchsorted(y[known])]
    return float(-np.log(np.maximum(p, np.finfo(float).tiny)).mean())


def perceptron(seed: int) -> Any:
    """Scikit-learn's, on inputs of unit spread."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    settings = {"solver": "lbfgs", "alpha": 0.01, "max_iter": 2000}
    return make_pipeline(StandardScaler(), MLPClassifier((50,), random_state=seed, **settings))


def report(cases: Sequence[Any] = CASES, seeds: int = 4, layers: Sequence[Any] = LAYERS) -> str:
    """A Markdown table, a row a case; in each cell the losses of all seeds."""
    from balinp.estimators import BALIClassifier

    made = [lambda seed, h=hidden: BALIClassifier(h, random_state=seed) for hidden in layers]
    lines = []
    for maker, rows, told in cases:
        losses = np.zeros((len(made) + 1, seeds))
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            data, new = maker(rng, rows, *told), maker(rng, HELD_OUT, *told)
            losses[:, seed] = [log_loss(one(seed), data, new) for one in [*made, perceptron]]
        name = ", ".join(map(str, (maker.__name__, rows, *told)))
        lines.append([name, *(" ".join(f"{loss:.2f}" for loss in cell) for cell in losses)])
    titles = ["labels", *(", ".join(map(str, hidden)) for hidden in layers), "MLPClassifier"]
    return markdown(titles, [list(column) for column in zip(*lines, strict=True)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; None takes the arguments of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.patterns",
        description="Held-out log loss of default settings on labels in fine patterns, noisy "
        "labels and coin tosses, by seed. Takes some five minutes.",
    )
    parser.add_argument("--seeds", metavar="N", type=int, default=4)
    print(report(seeds=parser.parse_args(arguments).seeds))


if __name__ == "__main__":
    main()
