"""How a trial is written down, and data and models that most of them use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import numpy as np

Run = Callable[[], str | None]


class Trial(NamedTuple):
    """What is asked of a tool.

    Attributes
    ----------
    requirement : str
        Package and version, as pip takes them.
    also : tuple of str
        What it needs besides, and does not say.
    asked : str
        In words.
    run : callable
        Raises if it did not work; may return a remark.
    fails : str
        Why it does not work and whose fault that is, where this is known; else empty.
    number : int
        Its place among those of its topic.
    """

    requirement: str
    also: tuple[str, ...]
    asked: str
    run: Run
    fails: str
    number: int


TRIALS: list[Trial] = []


def tool(
    requirement: str, asked: str, *, also: tuple[str, ...] = (), fails: str = ""
) -> Callable[[Run], Run]:
    """Note a function down as a trial."""

    def noted(run: Run) -> Run:
        number = sum(trial.run.__module__ == run.__module__ for trial in TRIALS)
        TRIALS.append(Trial(requirement, also, asked, run, fails, number))
        return run

    return noted


SEED = 0
QUICK = {"hidden": (5,), "epochs": 20, "random_state": SEED}


def regressor(**options: Any) -> Any:
    """A small network for `numbers`."""
    from balinp import BALIRegressor

    return BALIRegressor(**QUICK | options)


def classifier(**options: Any) -> Any:
    """A small network for `classes` and `three_classes`."""
    from balinp import BALIClassifier

    return BALIClassifier(**QUICK | options)


def numbers(rows: int = 120) -> tuple[Any, Any]:
    """A frame of four columns, and a series of targets."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True, as_frame=True)
    return X[["age", "bmi", "bp", "s5"]][:rows], y[:rows]


def classes(rows: int = 120) -> tuple[Any, Any]:
    """A frame of four columns, and labels 0 and 1."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    columns = ["mean radius", "mean texture", "mean smoothness", "mean symmetry"]
    return X[columns][:rows], y[:rows]


def three_classes() -> tuple[Any, Any]:
    """A frame of two columns, and labels 0, 1 and 2."""
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True, as_frame=True)
    return X.iloc[:, :2], y


def series(length: int = 80) -> Any:
    """A monthly series with a season."""
    import pandas as pd

    t = np.arange(length)
    values = (
        10 + np.sin(2 * np.pi * t / 12) + 0.1 * np.random.default_rng(0).standard_normal(length)
    )
    return pd.Series(values, index=pd.period_range("2015-01", periods=length, freq="M"), name="y")


def treatments(rows: int = 200) -> tuple[Any, Any, Any, Any]:
    """Outcomes, treatments 0 and 1, their effect by row, and inputs of an experiment."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, 3))
    T = rng.integers(0, 2, rows)
    effect = 1 + X[:, 0]
    return X[:, 1] + effect * T + 0.1 * rng.standard_normal(rows), T, effect, X


def folder() -> Path:
    """A new directory."""
    return Path(mkdtemp())


def near(found: Any, expected: Any, rtol: float = 1e-7) -> None:
    """Raise unless arrays are equal, up to rounding."""
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=rtol)
