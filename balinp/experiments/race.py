"""Time to equal test log-likelihood: BALI and PyTorch's Adam, a part of ``balinp benchmark``.

Both train the same network on the same generated data, with the same batches in the same order,
and are looked at on the same held-out data at times that grow geometrically. BALI has the default
settings of `balinp.defaults`, and what is scored is its predictive distribution, which is what
users get. Adam maximises the log-likelihood (of a regression with a learnt noise variance) without
weight decay, in float32; the point estimate is scored.

Adam has the advantage wherever the comparison allows one: of its learning rates the best on the
held-out data counts, without the time of the others; so does the best moment of its training,
before it over-fits. BALI's best moment is not chosen: its level is the one at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from balinp.experiments.benchmark_cases import Case, Underway
from balinp.experiments.scores import Record
from balinp.experiments.step_parts import CLOCK
from balinp.experiments.torch_steps import Adam

Rows: TypeAlias = NDArray[np.intp]

LEARNING_RATES = (1e-2, 1e-3, 1e-4)

ADAM_STEPS = 3000
"""Of Adam, whatever the batches: 10 passes in batches of 32, 77 in batches of 256."""

SECONDS = 6.0
"""Of training, after which a run ends before its steps are taken."""

LOST, SETTLED = 0.5, 100
"""Adam's run ends, too, when it has over-fitted so many nats away from its best, after so many
steps; in the first ones a large rate may do worse before it does better."""

BALI_GROWTH, ADAM_GROWTH = 1.4, 1.1
"""Factor by which the number of steps grows from one look at the held-out data to the next; with
BALI a look takes long, and Adam's best of many is the better for it."""

TOLERANCE = 0.01
"""A level is reached within so many nats of it."""


class Curve(NamedTuple):
    """Test log-likelihood on the way.

    Attributes
    ----------
    steps, seconds : list of int and list of float
        Taken and spent on steps so far, at each look.
    log_likelihood : list of float
        Mean over the held-out data, in nats.
    """

    steps: list[int]
    seconds: list[float]
    log_likelihood: list[float]


def trained(
    step: Callable[[Rows], object],
    log_likelihood: Callable[[], float],
    batches: Iterator[Rows],
    *,
    steps: int,
    seconds: float,
    growth: float,
    lost: float = np.inf,
    spent: float = 0.0,
    clock: Callable[[], float] = CLOCK,
) -> Curve:
    """Take steps until their number or their seconds are reached; looking costs no time.

    Parameters
    ----------
    step : callable
        Takes the rows of a batch.
    log_likelihood : callable
        What is looked at, after the first step, the last, and some between.
    batches : iterator of slice or array of int
        Rows of each.
    steps, seconds : int and float
        Largest number of steps, and time after which no other is begun.
    growth : float
        Factor of the number of steps from one look to the next.
    lost : float, optional
        After `SETTLED` steps, end as well when the log-likelihood is so far below its best.
    spent : float, optional
        Seconds spent before the first step, which count.
    clock : callable, optional
        Returns the time in seconds.

    Examples
    --------
    >>> ticks, rows = iter(range(20)), batches(5, 5)
    >>> curve = trained(
    ...     len, lambda: 0.5, rows, steps=6, seconds=99, growth=1.4, clock=lambda: next(ticks)
    ... )
    >>> curve.steps, curve.seconds
    ([1, 2, 3, 5, 6], [1.0, 2.0, 3.0, 5.0, 6.0])
    """
    curve, look = Curve([], [], []), 1.0
    for taken, rows in enumerate(islice(batches, steps), start=1):
        begin = clock()
        step(rows)
        spent += clock() - begin
        over = taken == steps or spent >= seconds
        if over or taken >= look:
            curve.steps.append(taken)
            curve.seconds.append(spent)
            curve.log_likelihood.append(log_likelihood())
            look = growth * taken
            fallen = max(curve.log_likelihood) - curve.log_likelihood[-1]
            over = over or (taken > SETTLED and fallen > lost)
        if over:
            break
    return curve


def batches(n_data: int, size: int) -> Iterator[Rows]:
    """Rows of batch after batch without end, drawn without replacement in each pass.

    Examples
    --------
    >>> first, second, third = islice(batches(5, 3), 3)
    >>> np.sort(np.concatenate([first, second])), len(third)
    (array([0, 1, 2, 3, 4]), 3)
    """
    rng = np.random.default_rng(0)
    while True:
        order = np.arange(n_data) if size == n_data else rng.permutation(n_data)
        for start in range(0, n_data, size):
            yield order[start : start + size]


def race_record(case: Case) -> Record:
    """Curves of both, and when each reaches the other's level; see `compared`."""
    bali = bali_curve(case)
    adam = {rate: adam_curve(case, rate) for rate in LEARNING_RATES}
    return {
        "measured": "race",
        "shape": case.shape,
        "batch": case.batch,
        "n_data": case.n_data,
        "truth": case.held_out()[2],
        **compared(bali, adam),
        "bali": bali._asdict(),
        "adam": [{"learning_rate": rate, **curve._asdict()} for rate, curve in adam.items()],
    }


def bali_curve(case: Case) -> Curve:
    """BALI's training, as long as its default is for such data; what `fit` prepares counts."""
    X_test, Y_test, _ = case.held_out()
    for step in islice(case.steps()[1], 2):  # compiles; the first is a mean pass
        step()
    start = CLOCK()
    fit = Underway(case)
    spent = CLOCK() - start
    epochs = case.training.epochs_for(case.n_data, case.batch_size)
    return trained(
        fit.step,
        lambda: float(fit.model.predict(X_test).logpdf(Y_test).mean()),
        batches(case.n_data, case.batch),
        steps=epochs * -(-case.n_data // case.batch),
        seconds=SECONDS,
        growth=BALI_GROWTH,
        spent=spent,
    )


def adam_curve(case: Case, learning_rate: float) -> Curve:
    """Adam's training with a learning rate, from PyTorch's usual initial weights."""
    network = case.model().network
    adam, unused = (Adam(network, case.kind, learning_rate) for _ in range(2))
    X, Y = adam.tensors(*case.data())
    held_out = adam.tensors(*case.held_out()[:2])
    unused.step(X[: case.batch], Y[: case.batch])  # the first step in a process loads modules
    return trained(
        lambda rows: adam.step(X[rows], Y[rows]),
        lambda: adam.log_likelihood(*held_out),
        batches(case.n_data, case.batch),
        steps=ADAM_STEPS,
        seconds=SECONDS,
        growth=ADAM_GROWTH,
        lost=LOST,
    )


def compared(bali: Curve, adam: Mapping[float, Curve]) -> dict[str, Any]:
    """When each reaches the level of the other, within `TOLERANCE`.

    Keys: learning_rate, adam_best and adam_seconds, of the best moment of Adam with any rate;
    bali_best, the best of BALI, and bali_seconds until it has what Adam has in its best moment;
    bali_final and bali_final_seconds, what BALI has at the end, and adam_final_seconds until Adam
    has that, with whichever rate has it first. Seconds are None where a level is not reached.

    Examples
    --------
    >>> bali = Curve([1, 2], [4.0, 8.0], [-2.0, -1.0])
    >>> adam = {0.1: Curve([1, 2], [0.5, 1.0], [-3.0, -1.5])}
    >>> record = compared(bali, adam)
    >>> record["adam_seconds"], record["bali_seconds"], record["adam_final_seconds"]
    (1.0, 8.0, None)
    """
    rate = max(adam, key=lambda rate: max(adam[rate].log_likelihood))
    best, final = max(adam[rate].log_likelihood), bali.log_likelihood[-1]
    times = [reached(curve, final) for curve in adam.values()]
    return {
        "learning_rate": rate,
        "adam_best": best,
        "adam_seconds": reached(adam[rate], best),
        "bali_best": max(bali.log_likelihood),
        "bali_seconds": reached(bali, best),
        "bali_final": final,
        "bali_final_seconds": reached(bali, final),
        "adam_final_seconds": min((t for t in times if t is not None), default=None),
    }


def reached(curve: Curve, level: float) -> float | None:
    """Seconds until the first look within `TOLERANCE` of a level, or above; None if there is none.

    Examples
    --------
    >>> reached(Curve([1, 2, 3], [0.1, 0.2, 0.3], [-2.0, -1.005, -1.5]), -1.0)
    0.2
    """
    there = (
        seconds
        for seconds, value in zip(curve.seconds, curve.log_likelihood, strict=True)
        if value >= level - TOLERANCE
    )
    return next(there, None)
