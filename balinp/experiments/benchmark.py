"""The command ``balinp benchmark``: what a training step costs, by part, and next to what.

Steps are those of `BALI.fit` on arrays. Each is measured by part (`step_parts`), next to the same
step with plain NumPy in place of the compiled kernels, to its arithmetic limit (`limits`), in turns
with a step of another build and of PyTorch's Adam (`turns`) and, for what remains after training,
next to a Kronecker fit of laplace-torch (`torch_steps`, if installed).

Times are those of this process's processor with one thread. Milliseconds a step are means over
runs of many consecutive steps, once training is under way, so that what is done in a few steps only
counts by its share; a mean also keeps sums: parts add up to the whole. `race` holds whole trainings
against Adam's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from balinp import direct_solves, semidefinite
from balinp._types import Array
from balinp.experiments import CLASSIFICATION, UserError, require_extras
from balinp.experiments.benchmark_cases import BASE, CASES, SWEEPS, Case
from balinp.experiments.benchmark_report import report, save_benchmark_figure
from balinp.experiments.limits import decomposed, dgemm_rate, eigen_seconds, products
from balinp.experiments.memory import peak_memory, process_peak
from balinp.experiments.names import find
from balinp.experiments.output import announce, show, write_records
from balinp.experiments.race import race_record
from balinp.experiments.scores import Record
from balinp.experiments.step_parts import CLOCK, PARTS, Function, timed_parts
from balinp.experiments.torch_steps import available, kronecker_fit
from balinp.experiments.turns import turns
from balinp.layer import MatrixNormalLayer
from balinp.pseudo_targets import trace

REPEATS, FEWEST, LONGEST = 200, 10, 2.5
"""Steps that are timed; fewer, but at least `FEWEST`, where they take longer than seconds."""

WARM_UP, FEWEST_WARM_UP, LONGEST_WARM_UP = 30, 3, 5.0
"""Steps before the first that is timed; fewer, but at least some, where they take longer."""

RUNS, SHORTEST = 3, 20
"""Timed steps are divided into runs, unless these were shorter than so many steps."""

GROWTH_STEPS = 20
"""Steps that are timed for each size of a sweep, after half as many."""

WIDEST = CASES[-1]
"""The case whose training is also run in a process of its own, to see all of its memory."""

TWINS: Mapping[Function, Function] = {
    semidefinite.semidefinite_rows: lambda matrices, rank=None: (
        semidefinite.semidefinite_rows_reference(matrices)
    ),
    direct_solves.tridiagonal: lambda factors, right, lam, delta: None,
}
"""The plain NumPy twins of the compiled kernels; where there is no tridiagonal form, layers are
solved by eigendecompositions."""

POSTERIORS = ("8-50-1", "64-100-10")
"""Shapes whose posterior is compared with a Kronecker fit, on all rows."""


SHAPES = tuple(dict.fromkeys(case.shape for case in CASES))
"""Networks that are measured."""


def benchmark(
    *,
    only: Sequence[str] | None = None,
    repeats: int = REPEATS,
    other: Path | None = None,
    json_path: Path | None = None,
    figure_path: Path | None = None,
) -> list[Record]:
    """Measure steps of some networks; print tables, draw where the time goes.

    Parameters
    ----------
    only : sequence of str, optional
        Shapes such as ``"8-50-1"``; None takes all, and the sweeps over sizes.
    repeats : int, optional
        Largest number of steps that are timed for each figure.
    other : Path, optional
        Directory of another build of balinp, such as a clone of an older commit, whose steps take
        turns with those of this one; or None.
    json_path : Path, optional
        Where to write the records, or None. Each says what it is of under ``"measured"``: a step, a
        posterior, a race, or an exponent.
    figure_path : Path, optional
        Where to draw the figure, or None.

    Raises
    ------
    UserError
        If a package is missing, there is no such shape, or no package in `other`.
    """
    if other is not None and not (other / "balinp" / "__init__.py").exists():
        raise UserError(f"--against: expected a directory that holds balinp, got {other}")
    require_extras("threadpoolctl")
    from threadpoolctl import threadpool_limits

    chosen = SHAPES if only is None else [find(name, SHAPES, "shape") for name in only]
    with threadpool_limits(limits=1):
        rate = dgemm_rate()
        cases = [case for case in CASES if case.shape in chosen]
        records = [step_record(case, repeats, rate, other) for case in cases]
        if available("torch", "laplace"):
            shapes = {case.shape: case for case in cases if case.shape in POSTERIORS}
            records += [posterior_record(case, repeats) for case in shapes.values()]
        if available("torch"):
            records += [race_record(case) for case in cases]
        if only is None:
            records += [exponent_record(varied, sizes) for varied, sizes in SWEEPS.items()]
    show(report(records), json_path)
    if json_path is not None:
        write_records(records, json_path)
    if figure_path is not None:
        save_benchmark_figure(records, figure_path)
        announce(figure_path)
    return records


def step_record(case: Case, repeats: int, rate: float, other: Path | None = None) -> Record:
    """What a step costs, next to its twin and its limit, and what `turns` says of it.

    Seconds, of the parts as a dictionary; flops of the limit; the rate in flops a second; and in MB
    of 10^6 bytes the largest memory that NumPy holds in the first steps beyond what it held before,
    and for the widest case that of a whole process (None for others).
    """
    _, steps = case.steps()
    next(steps)()  # compiles, and is a mean pass
    peak = peak_memory(lambda: warm_up(steps))
    parts = step_parts(steps, repeats)
    seconds = sum(parts.values())
    twin = step_parts(steps, repeats, TWINS, fewest=FEWEST_WARM_UP)
    run = min(repeats, max(FEWEST, int(LONGEST / seconds)))
    eigen = eigen_seconds(decomposed(lambda: warm_up(steps, run))) / run
    flops = step_flops(case)
    return {
        "measured": "step",
        "shape": case.shape,
        "batch": case.batch,
        "n_data": case.n_data,
        "seconds": seconds,
        "parts": parts,
        "twin_seconds": sum(twin.values()),
        "limit_seconds": flops / rate + eigen,
        "limit_flops": flops,
        "limit_eigen_seconds": eigen,
        "dgemm_rate": rate,
        "peak_mb": peak,
        "process_peak_mb": process_peak(case, FEWEST) if case == WIDEST else None,
        **turns(case, repeats, other),
    }


def step_flops(case: Case) -> float:
    """Floating-point operations of all matrix products of a step."""
    by_part = products(
        case.widths,
        case.batch,
        categorical=case.kind == CLASSIFICATION,
        directions=2 if case.batch == case.n_data else 1,
    )
    return sum(by_part.values())


def warm_up(steps: Iterator[Callable[[], object]], count: int = WARM_UP) -> None:
    """Take steps that are not timed, so many or until they have taken long."""
    start = CLOCK()
    for taken, step in enumerate(islice(steps, count), start=1):
        step()
        if taken >= FEWEST_WARM_UP and CLOCK() - start >= LONGEST_WARM_UP:
            break


def step_parts(
    steps: Iterator[Callable[[], object]],
    repeats: int,
    twins: Mapping[Function, Function] | None = None,
    fewest: int = FEWEST,
) -> dict[str, float]:
    """Mean seconds of the next steps by part, all of `PARTS`."""
    with timed_parts(twins) as watch:

        def timed() -> list[float]:
            step = next(steps)
            watch.read()
            step()
            seconds = watch.read()
            return [seconds.get(part, 0.0) for part in PARTS]

        means = run_mean(_repeat(timed, repeats, fewest))
    return {part: float(seconds) for part, seconds in zip(PARTS, means, strict=True)}


def _repeat(timed: Callable[[], list[float]], repeats: int, fewest: int = FEWEST) -> Array:
    """Rows of seconds (repeats, parts), fewer rows where they take long."""
    rows: list[list[float]] = []
    while len(rows) < min(fewest, repeats) or (
        len(rows) < repeats and sum(map(sum, rows)) < LONGEST
    ):
        rows.append(timed())
    return np.array(rows)


def run_mean(rows: Array) -> Array:
    """Mean row of a run of consecutive rows (R, P): of `RUNS`, the one with the median sum.

    Within a run a rare expensive step counts as often as it comes; a run in which the machine did
    something else does not count. Fewer rows than are needed for that are one run.

    Examples
    --------
    >>> rows = np.ones((60, 2))
    >>> rows[::10, 1] = 11.0  # every tenth step does more
    >>> rows[50] = 1000.0  # and one was disturbed
    >>> run_mean(rows)
    array([1., 2.])
    """
    runs = RUNS if len(rows) >= RUNS * SHORTEST else 1
    means = np.array([run.mean(axis=0) for run in np.array_split(rows, runs)])
    return np.asarray(means[np.argsort(means.sum(axis=1))[runs // 2]])


def seconds_of(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call that does the same each time, after some that are not timed."""
    for _ in range(FEWEST_WARM_UP):
        call()

    def timed() -> list[float]:
        start = CLOCK()
        call()
        return [CLOCK() - start]

    return float(np.median(_repeat(timed, repeats)))


def posterior_record(case: Case, repeats: int) -> Record:
    """Seconds from a trained network to its posterior, by BALI and by laplace-torch.

    Both have the same weights and the same rows. BALI: a mean pass and every layer's proposal.
    """
    X, Y = case.data()
    fit, steps = case.steps()
    warm_up(steps, 20)
    model = fit.model
    likelihood: Any = model.likelihood
    layers = [
        MatrixNormalLayer(
            old.n_in, old.n_out, prior_precision=old.prior_precision, initial_mean=old.mean
        )
        for old in model.layers
    ]

    def posterior() -> None:
        batch = trace(model.network, likelihood, model.weights, X, Y)
        for layer, *regression in zip(
            layers, batch.inputs, batch.pseudo_targets, batch.output_precisions, strict=True
        ):
            layer.propose(*regression, n_data=len(X))

    laplace = kronecker_fit(model.network, model.weights, X, Y, case.kind)
    return {
        "measured": "posterior",
        "shape": case.shape,
        "n_data": case.n_data,
        "seconds": seconds_of(posterior, repeats),
        "laplace_seconds": seconds_of(laplace, repeats),
    }


def exponent_record(varied: str, cases: Mapping[int, Case]) -> Record:
    """Seconds of a step at several sizes, and the exponent of the power law through them."""
    sizes, seconds = list(cases), []
    for case in cases.values():
        _, steps = case.steps()
        warm_up(steps, GROWTH_STEPS // 2)
        seconds.append(sum(step_parts(steps, GROWTH_STEPS).values()))
    return {
        "measured": "exponent",
        "varied": varied,
        "shape": BASE.shape,
        "batch": BASE.batch,
        "sizes": sizes,
        "seconds": seconds,
        "exponent": fitted_exponent(sizes, seconds),
    }


def fitted_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Exponent p of the power law c size^p that is nearest to the seconds in logarithms.

    Examples
    --------
    >>> round(fitted_exponent([1, 2, 4], [3.0, 12.0, 48.0]), 6)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
