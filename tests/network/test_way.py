"""How a step goes: the table of what is decided before it begins."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from balinp import BALI, Categorical, Gaussian
from balinp.damping import SPECTRAL, Spectral
from balinp.data import EVERY_ROW, Batch, Data
from balinp.direct_solves import Direct
from balinp.likelihood import Likelihood
from balinp.linearised import Linearised, LinearisedClasses, LinearisedLabels
from balinp.passes import Mean
from balinp.step import Way
from balinp.way import LARGEST_RATE, LEAST_RATE, chosen_way

N = 100


def way(
    likelihood: str | Likelihood,
    rows: int,
    steps: int,
    *,
    hidden: tuple[int, ...] = (3,),
    K: int = 3,
    rate: float | None = None,
    n_data: float = N,
    damping: float = 0.0,
    **options: Any,
) -> Way:
    """The way of a step, its model laid out for data of K outputs."""
    X, Y = np.zeros((N, 2)), np.eye(K)[np.arange(N) % K]
    model = BALI(hidden, likelihood, **options).fit(X, Y, epochs=0)
    model.steps, model.damping = steps, damping
    batch = Batch(Data(X, Y, None), np.arange(rows), is_all=rows == n_data)
    return chosen_way(model, batch, n_data, rate)


class Own(Gaussian):
    """A likelihood whose curvature nobody knows."""

    def known_precision(self, K: int) -> None:  # type: ignore[override]
        return None


DIRECT = Direct(0.0)
CASES = [
    # likelihood, options, rows, step: pass, two directions, solver
    ("gaussian", {}, N, 1, Mean, True, DIRECT),
    ("gaussian", {}, N, 50, Mean, True, DIRECT),
    ("gaussian", {"prior": "conjugate"}, N, 50, Mean, True, DIRECT),
    ("gaussian", {"forward": "linearised"}, N, 50, Mean, True, DIRECT),
    ("gaussian", {}, 20, 1, Mean, False, DIRECT),
    ("gaussian", {}, 20, 50, Mean, False, DIRECT),
    ("gaussian", {"damping": 0.3}, N, 50, Mean, True, Direct(0.3)),
    ("gaussian", {"damping": 0.3}, 20, 50, Mean, False, DIRECT),
    ("categorical", {}, N, 1, Mean, True, DIRECT),
    ("categorical", {}, N, 50, LinearisedClasses, True, DIRECT),
    ("categorical", {"forward": "mean"}, N, 50, Mean, True, DIRECT),
    ("categorical", {"prior": "conjugate"}, N, 1, Mean, True, DIRECT),
    ("categorical", {"prior": "conjugate"}, N, 50, LinearisedClasses, False, DIRECT),
    ("categorical", {"prior": "conjugate", "forward": "mean"}, N, 50, Mean, True, DIRECT),
    ("categorical", {}, 20, 1, Mean, False, DIRECT),
    ("categorical", {}, 20, 50, LinearisedClasses, False, SPECTRAL),
    ("categorical", {"damping": 0.3}, N, 50, LinearisedClasses, True, DIRECT),
    ("categorical", {"damping": 0.3, "forward": "mean"}, N, 50, Mean, True, Direct(0.3)),
    ("categorical", {"K": 5}, 20, 50, LinearisedClasses, False, SPECTRAL),
    ("categorical", {"K": 6}, 20, 50, LinearisedLabels, False, SPECTRAL),
    ("categorical", {"K": 6}, N, 50, LinearisedLabels, True, DIRECT),
    ("categorical", {"hidden": ()}, 20, 50, LinearisedClasses, False, SPECTRAL),
    (Categorical(), {}, 20, 50, LinearisedClasses, False, SPECTRAL),
    (Own(1.0), {"forward": "linearised"}, 20, 50, Linearised, False, SPECTRAL),
]


@pytest.mark.equation("FP-2", "JS-2", "JS-4", "JS-5", "KR-6")
@pytest.mark.parametrize(
    ("likelihood", "options", "rows", "steps", "forward", "two", "solver"), CASES
)
def test_the_way_of_a_step(
    likelihood: str | Likelihood,
    options: dict[str, Any],
    rows: int,
    steps: int,
    forward: type[Mean],
    two: bool,
    solver: Spectral,
) -> None:
    found = way(likelihood, rows, steps, **options)
    assert type(found.forward) is forward
    assert found.two_directions is two
    assert found.solver == solver


@pytest.mark.equation("NP-4")
@pytest.mark.parametrize(
    ("options", "rows", "steps", "rate"),
    [
        ({}, 20, 1, 1.0),
        ({}, 20, 4, 0.5),
        ({}, 20, 10**6, 0.2),
        ({}, N, 10**6, LARGEST_RATE),
        ({"n_data": 1e5}, 20, 10**6, LEAST_RATE),
        ({"rate": 0.7}, 20, 1, 0.7),  # what the caller says counts
    ],
)
def test_the_weight_of_a_batch(options: dict[str, Any], rows: int, steps: int, rate: float) -> None:
    assert way("gaussian", rows, steps, **options).rate == rate


@pytest.mark.equation("NP-4")
def test_the_memory_grows_with_the_passes_in_batches() -> None:
    X, Y = np.zeros((N, 2)), np.zeros((N, 1))
    model = BALI((3,)).fit(X, Y, epochs=0)
    model.steps = 10**6
    for passes, rate in ((0.2, 0.2), (50, 0.2), (200, 0.1), (1250, 0.04), (10**6, LEAST_RATE)):
        model.data_seen = passes * N
        batch = Batch(Data(X, Y, None), np.arange(20))
        assert chosen_way(model, batch, N, None).rate == pytest.approx(rate)
        whole = Batch(Data(X, Y, None), EVERY_ROW, is_all=True)
        assert chosen_way(model, whole, N, None).rate == LARGEST_RATE


@pytest.mark.equation("NP-4")
def test_a_models_own_rate_is_the_least() -> None:
    X, Y = np.zeros((N, 2)), np.eye(3)[np.arange(N) % 3]
    model = BALI((3,), rate=0.6).fit(X, Y, epochs=0)
    for steps, rate in ((1, 1.0), (2, 1 / np.sqrt(2)), (3, 0.6), (10**6, 0.6)):
        model.steps = steps
        batch = Batch(Data(X, Y, None), np.arange(20))
        assert chosen_way(model, batch, N, None).rate == rate


def test_a_way_is_a_value() -> None:
    with pytest.raises(FrozenInstanceError):
        way("gaussian", 20, 3).rate = 0.5  # type: ignore[misc]
