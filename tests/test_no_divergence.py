"""No default may diverge: short runs over a random grid that covers every pair of settings.

``pytest -m stress`` runs all of them; a small part of them is always run. A run has failed if
anything in it is not finite, a predictive variance is below the noise's, or held-out data are
predicted worse than by the constant predictor by more than `MARGIN` nats a datum.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from sklearn import datasets

from balinp import BALI
from balinp.standardise import Scale

MARGIN = 0.5
RUNS, ALWAYS = 500, 24
LEAST_PASSES, LEAST_STEPS = 4, 60

SETS = ("diabetes", "noiseless", "outliers", "breast_cancer", "wine", "digits")
AXES = {
    "dataset": SETS,
    "batch_size": (1, 7, 32, None),
    "width": (1, 10, 50),
    "depth": (0, 1, 2, 3, 4),
    "activation": ("tanh", "relu"),
    "forward": (None, "mean", "sample"),
    "prior": ("isotropic", "conjugate"),
}


class Run(NamedTuple):
    dataset: str
    batch_size: int | None
    width: int
    depth: int
    activation: str
    forward: str | None
    prior: str
    seed: int


def grid(runs: int, seed: int = 20261124) -> list[Run]:
    """Random settings, each drawn among a few such that pairs not seen yet come first."""
    rng = np.random.default_rng(seed)
    seen: set[tuple[int, object, int, object]] = set()
    chosen = []
    for number in range(runs):
        candidates = [
            tuple(values[rng.integers(len(values))] for values in AXES.values()) for _ in range(20)
        ]
        fresh = [len(_pairs(candidate) - seen) for candidate in candidates]
        best = candidates[int(np.argmax(fresh))]
        seen |= _pairs(best)
        chosen.append(Run(*best, seed=number))
    return chosen


def _pairs(values: tuple) -> set:
    return {(i, a, j, b) for (i, a), (j, b) in itertools.combinations(enumerate(values), 2)}


@cache
def data(name: str) -> tuple[np.ndarray, ...]:
    """Standardised training inputs, targets and held-out ones: 150 and 100 rows at most."""
    rng = np.random.default_rng(0)
    if name in ("noiseless", "outliers"):
        X = rng.standard_normal((250, 3))
        Y = np.sin(2 * X[:, :1]) + X[:, 1:2] * X[:, 2:]
        if name == "outliers":
            Y = Y + rng.standard_t(1.5, Y.shape)
            Y[::50] += 30.0
    else:
        loaded = getattr(datasets, f"load_{name}")()
        X = loaded.data
        Y = loaded.target[:, None] if name == "diabetes" else np.eye(10)[loaded.target]
        if name != "diabetes":
            Y = Y[:, : loaded.target.max() + 1]
    order = rng.permutation(len(X))
    train, test = order[:150], order[150:250] if len(X) > 200 else order[120:]
    if len(X) <= 200:
        train = order[:120]
    scale = Scale.of(X[train])
    X_train, X_test = scale.to_standard(X[train]), scale.to_standard(X[test])
    if is_classes(name):
        return X_train, Y[train], X_test, Y[test]
    scale = Scale.of(Y[train])
    return X_train, scale.to_standard(Y[train]), X_test, scale.to_standard(Y[test])


def is_classes(name: str) -> bool:
    return name in ("breast_cancer", "wine", "digits")


def constant_log_likelihood(name: str) -> float:
    """Mean log density of held-out targets under what the training targets alone say."""
    _, Y, _, Y_test = data(name)
    if is_classes(name):
        shares = (Y.sum(axis=0) + 1) / (len(Y) + Y.shape[1])
        return float((Y_test @ np.log(shares)).mean())
    variance = float(Y.var())
    return float(
        (-0.5 * ((Y_test - Y.mean()) ** 2 / variance + np.log(2 * np.pi * variance))).mean()
    )


def outcome(run: Run) -> tuple[str, float]:
    """What is wrong with a run ('' if nothing) and how far it is below the constant predictor."""
    X, Y, X_test, Y_test = data(run.dataset)
    likelihood = "categorical" if is_classes(run.dataset) else "gaussian"
    model = BALI(
        (run.width,) * run.depth,
        likelihood,
        activation=run.activation,
        forward=run.forward,
        prior=run.prior,
        seed=run.seed,
    )
    B = len(X) if run.batch_size is None else run.batch_size
    passes = max(LEAST_PASSES, -(-LEAST_STEPS * B // len(X)))
    model.fit(X, Y, epochs=passes, batch_size=run.batch_size)
    predictive = model.predict(X_test)
    arrays = [predictive.mean, predictive.covariance, *model.weights]
    if not all(np.isfinite(array).all() for array in arrays):
        return "not finite", np.inf
    if not all((layer.posterior.precisions > 0).all() for layer in model.layers):
        return "posterior not positive definite", np.inf
    if not is_classes(run.dataset) and (predictive.covariance < predictive.aleatoric).any():
        return "variance below the noise's", np.inf
    behind = constant_log_likelihood(run.dataset) - float(predictive.logpdf(Y_test).mean())
    return ("worse than constant" if not behind <= MARGIN else ""), behind


def expected_to_hold(run: Run) -> bool:
    """Whether a run must predict no worse than the constant; the others must only stay finite.

    The conjugate prior over-fits small data in deep networks (derivations/12). So does the sample
    pass, which no default takes, with single data that are drawn from a heavy-tailed noise.
    """
    drawn_one_by_one = run.forward == "sample" and run.batch_size == 1
    return run.prior == "isotropic" and not drawn_one_by_one


def _check(run: Run) -> None:
    wrong, behind = outcome(run)
    if expected_to_hold(run):
        assert not wrong, (wrong, behind)
    else:
        assert wrong in ("", "worse than constant"), (wrong, behind)


def test_the_grid_covers_every_pair() -> None:
    pairs = set().union(*(_pairs(run[:-1]) for run in grid(RUNS)))
    every = {
        (i, a, j, b)
        for (i, A), (j, B) in itertools.combinations(enumerate(AXES.values()), 2)
        for a in A
        for b in B
    }
    assert pairs == every


@pytest.mark.slow
@pytest.mark.parametrize("run", grid(RUNS)[:ALWAYS], ids=str)
def test_no_run_diverges(run: Run) -> None:
    _check(run)


@pytest.mark.stress
@pytest.mark.parametrize("run", grid(RUNS)[ALWAYS:], ids=str)
def test_no_run_of_the_whole_grid_diverges(run: Run) -> None:
    _check(run)
