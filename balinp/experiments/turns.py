"""Steps of `BALI.fit` in turns with those of another build and with Adam's.

What else a machine does changes how fast it is, from one second to the next. So those that are
compared take a few steps each, one after the other, for some rounds, and the median of the rounds
counts. Builds are in processes of their own (`fit_steps`), of which one works at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import balinp
from balinp._types import Array
from balinp.experiments import UserError, fit_steps
from balinp.experiments.benchmark_cases import Case
from balinp.experiments.scores import Record
from balinp.experiments.step_parts import CLOCK
from balinp.experiments.torch_steps import adam_step, available

ROUNDS = 5
"""Turns of each."""

FEWEST, TURN = 2, 0.2
"""Steps of a turn, and the seconds that it should last."""

WARM_UP, LONGEST_WARM_UP = 20, 3.0
"""Steps before the first round, and seconds that the first two must stay within for all of them."""

ENDLESS = 10**9
"""Passes: the fit ends when it is no longer asked for steps."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

HERE = Path(balinp.__file__).parents[1]
"""Directory of the package that measures."""


class Taken(NamedTuple):
    """What some steps or passes have cost.

    Attributes
    ----------
    seconds : float
        Of the processor.
    page_faults : int
        Pages of memory that the system had to give.
    log_likelihood : float or None
        Mean of held-out data after passes, in nats; None after steps.
    """

    seconds: float
    page_faults: int
    log_likelihood: float | None = None


Take: TypeAlias = Callable[[int], Taken]
"""Takes so many steps, or passes."""


def turns(case: Case, repeats: int, other: Path | None = None) -> Record:
    """What a step costs here, in another build and with Adam, and the ratios.

    Parameters
    ----------
    case : Case
        Network and batch.
    repeats : int
        Largest number of steps of each that are timed.
    other : Path, optional
        Directory that holds another build's package ``balinp``, or None.

    Returns
    -------
    Record
        ``fit_seconds``, ``other_seconds`` and ``adam_seconds``, of a step; ``other_ratio`` and
        ``adam_ratio``, of the former to here and of here to the latter; ``first_seconds``, of all
        up to the first step; ``page_faults`` and ``other_page_faults`` of a step. None for what is
        not there.
    """
    X, Y = case.data()
    options = {"epochs": ENDLESS, "batch_size": case.batch_size}
    fit = {"X": X, "Y": Y}, case.arguments(), options
    with ExitStack() as stack:
        first, here = stack.enter_context(build(HERE, *fit))
        takers = {"fit": here}
        if other is not None:
            takers["other"] = stack.enter_context(build(other, *fit))[1]
        if available("torch"):
            takers["adam"] = adam_steps(case)
        sizes = {name: turn_length(take, repeats) for name, take in takers.items()}
        rounds = [{name: take(sizes[name]) for name, take in takers.items()} for _ in range(ROUNDS)]
    seconds = {
        name: np.array([taken[name].seconds for taken in rounds]) / sizes[name] for name in takers
    }
    faults = {name: sum(taken[name].page_faults for taken in rounds) for name in takers}

    def median(values: Array | None) -> float | None:
        return None if values is None else float(np.median(values))

    def ratio(name: str, below: str) -> float | None:
        both = {name, below} <= seconds.keys()
        return median(seconds[name] / seconds[below]) if both else None

    def faults_of(name: str) -> float | None:
        return faults[name] / (ROUNDS * sizes[name]) if name in faults else None

    return {
        **{f"{name}_seconds": median(seconds.get(name)) for name in ("fit", "other", "adam")},
        "other_ratio": ratio("other", "fit"),
        "adam_ratio": ratio("fit", "adam"),
        "first_seconds": first.seconds,
        "page_faults": faults_of("fit"),
        "other_page_faults": faults_of("other"),
    }


def turn_length(take: Take, repeats: int) -> int:
    """Steps of a turn, after some that warm up."""
    seconds = take(FEWEST).seconds
    if WARM_UP * seconds < FEWEST * LONGEST_WARM_UP:
        seconds = take(WARM_UP).seconds / WARM_UP * FEWEST
    enough = int(np.ceil(TURN * FEWEST / max(seconds, 1e-9)))
    return max(1, min(max(FEWEST, enough), repeats // ROUNDS))


@contextmanager
def build(
    tree: Path, data: Mapping[str, Array], arguments: Mapping[str, Any], options: Mapping[str, Any]
) -> Iterator[tuple[Taken, Take]]:
    """A fit of the package in a directory: what it takes to begin with, and what takes more.

    Parameters
    ----------
    tree : Path
        The directory.
    data : mapping of str to array
        X and Y, and X_held and Y_held if the fit goes on pass by pass.
    arguments, options : mapping
        Of `BALI` and of its `fit`, such as JSON can hold.

    Raises
    ------
    UserError
        If the package cannot train.
    """
    program = Path(fit_steps.__file__).read_text(encoding="utf-8")
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": str(tree.resolve())}
    with TemporaryDirectory() as folder:
        path = Path(folder, "data.npz")
        np.savez(path, **dict(data))  # type: ignore[arg-type]
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path), json.dumps([arguments, options])],
            cwd=tree, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            lines = process.stdout

            def answer() -> Taken:
                line = lines.readline()
                if not line:
                    raise UserError(f"{tree}: its fit ended with code {process.wait()}")
                return Taken(*json.loads(line))

            def take(count: int) -> Taken:
                print(count, file=process.stdin, flush=True)
                return answer()

            try:
                yield answer(), take
            finally:
                process.stdin.close()


def adam_steps(case: Case) -> Take:
    """Steps of PyTorch's Adam in this process."""
    X, Y = case.data()
    step = adam_step(case.model().network, X[: case.batch], Y[: case.batch], case.kind)

    def take(steps: int) -> Taken:
        start = CLOCK()
        for _ in range(steps):
            step()
        return Taken(CLOCK() - start, 0)

    return take
