"""What a small step costs beside its arithmetic: calls, which no load of the machine alters."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib import NumpyVersion

from balinp import BALI, training
from balinp._types import Array
from balinp.likelihood import Gaussian

MOST_CALLS = 510 if NumpyVersion(np.__version__) >= "2.0.0" else 525
"""Calls of a step of 8-50-1 in batches of 32, of Python and of C, with NumPy 2.4 on Python 3.11;
comprehensions are calls before Python 3.12, and some functions of NumPy take more before 2.0."""


def problem() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((320, 8))
    return X, np.sin(X[:, :1]) + 0.1 * rng.standard_normal((320, 1))


def calls_in(function: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    """The function, which notes how many functions are called in it."""

    def counted(*arguments: Any) -> Any:
        before = sys.getprofile()
        calls.append(0)

        def note(frame: object, event: str, argument: object) -> None:
            calls[-1] += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            return function(*arguments)
        finally:
            sys.setprofile(before)

    return counted


def test_a_small_step_makes_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    model = BALI((50,)).fit(*problem(), epochs=2, batch_size=32)  # kernels are compiled
    monkeypatch.setattr(training, "step", calls_in(training.step, calls))
    model.fit(*problem(), epochs=2, batch_size=32)
    assert len(calls) == 20
    assert np.median(calls) <= MOST_CALLS


@pytest.mark.parametrize("noise", [None, 0.1])
def test_a_step_of_a_known_curvature_leaves_the_generator_alone(noise: float | None) -> None:
    """So that its state need not be read; one that draws puts it back where it fails."""
    X, Y = problem()
    model = BALI((5,), noise_variance=noise)
    model.step(X, Y)
    before = model.rng.bit_generator.state
    model.step(X, Y)
    assert model.rng.bit_generator.state == before


@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_a_step_that_fails_leaves_model_and_generator_as_they_were(
    likelihood: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = problem()
    Y = Y if likelihood == "gaussian" else np.eye(3)[np.arange(len(X)) % 3]
    model, other = (BALI((5,), likelihood).fit(X, Y, epochs=3) for _ in range(2))

    def fails(*_: Any) -> None:
        raise FloatingPointError

    with monkeypatch.context() as patched:
        patched.setattr("balinp.hyper_parameters.HyperParameters.learn", fails)
        with pytest.raises(FloatingPointError):
            model.step(X, Y)
    assert model.rng.bit_generator.state == other.rng.bit_generator.state
    assert (model.steps, len(model.history)) == (other.steps, len(other.history))
    for one in (model, other):
        one.step(X, Y)
    for ours, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_learnt_covariance_is_checked_by_its_root() -> None:
    for V in (np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[np.nan]]), np.array([[-1.0]])):
        with pytest.raises(ValueError, match="noise_variance: expected"):
            Gaussian.learnt(V)
    V = np.array([[4.0, 1.0], [1.0, 2.0]])
    ours, checked = Gaussian.learnt(V), Gaussian(V)
    np.testing.assert_array_equal(ours.known_precision(2), checked.known_precision(2))
