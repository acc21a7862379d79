"""The objective that BALI and Adam share, Adam itself, and the records of their comparison."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import norm

from balinp import MLP, Categorical, Gaussian
from balinp.experiments import KINDS, REGRESSION
from balinp.experiments.convergence import (
    COMPARED_AT,
    LEARNING_RATES,
    NOISE_VARIANCE,
    PRIOR_PRECISION,
    LogJoint,
    adam,
    bali,
    compare,
    problem,
)
from balinp.experiments.datasets import load
from balinp.experiments.figures import curve_title, save_convergence_figure


def small(kind: str, rng: np.random.Generator, bias: bool = True) -> LogJoint:
    X = rng.standard_normal((9, 2))
    if kind == REGRESSION:
        return LogJoint(
            MLP([2, 3, 2], "tanh", bias=bias), Gaussian(0.3), X, rng.standard_normal((9, 2)), 0.7
        )
    return LogJoint(
        MLP([2, 3, 3], "tanh", bias=bias), Categorical(), X, np.eye(3)[np.arange(9) % 3], 0.7
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_objective_from_its_definition_and_its_gradient(
    kind: str, bias: bool, rng: np.random.Generator
) -> None:
    objective = small(kind, rng, bias)
    shapes = objective.network.shapes
    flat = rng.standard_normal(sum(D * K for D, K in shapes))

    def unpacked(w: np.ndarray) -> list[np.ndarray]:
        first = shapes[0][0] * shapes[0][1]
        return [w[:first].reshape(shapes[0]), w[first:].reshape(shapes[1])]

    def log_joint(w: np.ndarray) -> float:
        h = objective.X
        for index, W in enumerate(unpacked(w)):
            h = h if index == 0 else np.tanh(h)
            h = np.column_stack([h, np.ones(len(h))]) @ W if bias else h @ W
        if kind == REGRESSION:
            log_likelihood = norm.logpdf(objective.Y, h, np.sqrt(0.3)).sum()
        else:
            p = np.exp(h) / np.exp(h).sum(axis=1, keepdims=True)
            log_likelihood = np.log(p[objective.Y == 1]).sum()
        return float(log_likelihood + norm.logpdf(w, 0, 1 / np.sqrt(0.7)).sum())

    assert objective(unpacked(flat)) == pytest.approx(log_joint(flat), rel=1e-12)
    gradient = np.concatenate([g.ravel() for g in objective.gradient(unpacked(flat))])
    # Forward differences are good to the square root of the precision.
    np.testing.assert_allclose(gradient, approx_fprime(flat, log_joint), rtol=1e-5, atol=1e-5)


def test_adam_is_its_recursion(rng: np.random.Generator) -> None:
    """Against the moments written as sums over all gradients so far."""
    objective = small(REGRESSION, rng)
    start = objective.network.initial_weights(rng)
    before = [W.copy() for W in start]
    curve = adam(objective, start, learning_rate=0.03, passes=5)
    for W, unchanged in zip(start, before, strict=True):
        np.testing.assert_array_equal(W, unchanged)
    weights, gradients = start, []
    assert curve.log_joint[0] == objective(weights)
    for t in range(1, 6):
        gradients.append(objective.gradient(weights))
        moved = []
        for layer, W in enumerate(weights):
            g = np.array([step[layer] for step in gradients])
            ages = np.arange(t)[::-1, None, None]
            m = (0.1 * 0.9**ages * g).sum(axis=0) / (1 - 0.9**t)
            v = (0.001 * 0.999**ages * g**2).sum(axis=0) / (1 - 0.999**t)
            moved.append(W + 0.03 * m / (np.sqrt(v) + 1e-8))
        weights = moved
        assert curve.log_joint[t] == pytest.approx(objective(weights), rel=1e-10)
    assert curve.seconds[0] == 0
    assert (np.diff(curve.seconds) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_bali_and_adam_start_alike_on_one_objective(kind: str, rng: np.random.Generator) -> None:
    toy = small(kind, rng)
    model, objective = problem(toy.X, toy.Y, kind, seed=3)
    start = objective(model.weights)
    curve = bali(model, objective, passes=4)
    assert curve.log_joint[0] == start == adam(objective, problem(toy.X, toy.Y, kind, 3)[0].weights,
                                               0.1, passes=1).log_joint[0]  # fmt: skip
    assert curve.log_joint[-1] == pytest.approx(objective(model.weights), rel=1e-10)
    assert curve.log_joint[-1] > start
    assert model.prior_precision == PRIOR_PRECISION
    if kind == REGRESSION:
        np.testing.assert_array_equal(model.likelihood.covariance(2), NOISE_VARIANCE * np.eye(2))


@pytest.mark.parametrize("name", ["diabetes", "wine"])
def test_records_and_figure(name: str, tmp_path: Path) -> None:
    records = compare(load(name), 0, COMPARED_AT)
    assert json.loads(json.dumps(records)) == records
    assert [curve_title(r) for r in records] == [
        "BALI", "Adam, rate 0.001", "Adam, rate 0.01", "Adam, rate 0.1"
    ]  # fmt: skip
    assert [r["learning_rate"] for r in records] == [None, *LEARNING_RATES]
    target = max(r["log_joint"][COMPARED_AT] for r in records[1:])
    for record in records:
        assert record["target"] == target
        assert len(record["log_joint"]) == len(record["seconds"]) == COMPARED_AT + 1
        first = next((t for t, value in enumerate(record["log_joint"]) if value >= target), None)
        assert record["passes_to_target"] == first
        assert record["seconds_to_target"] == (None if first is None else record["seconds"][first])
    if name == "diabetes":  # wine is so easy that all come to the same optimum, in some order
        assert records[0]["passes_to_target"] < COMPARED_AT / 4
    path = tmp_path / "figure.png"
    save_convergence_figure(records, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 20_000
