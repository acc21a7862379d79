"""The command ``balinp benchmark``: what a training step costs, by part, and next to what.

Each step is measured by part (`step_parts`), next to the same step with plain NumPy in place of the
compiled kernels, to its arithmetic limit (`limits`), to a step of PyTorch's Adam and, for what
remains after training, to a Kronecker fit of laplace-torch (`torch_steps`, if installed).

Times are those of this process's processor with one thread. What is repeated is summarised by the
mean over the middle half of the repeats, which is as robust as a median and keeps sums: parts add
up to the whole.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from balinp import factors
from balinp._types import Array
from balinp.experiments import CLASSIFICATION, UserError, require_extras
from balinp.experiments.benchmark_cases import BASE, CASES, SWEEPS, Case
from balinp.experiments.benchmark_report import report, save_benchmark_figure
from balinp.experiments.evaluate import announce, write_records
from balinp.experiments.limits import decomposed, dgemm_rate, eigen_seconds, products
from balinp.experiments.scores import Record
from balinp.experiments.step_parts import CLOCK, PARTS, Function, timed_parts
from balinp.experiments.torch_steps import adam_step, available, kronecker_fit
from balinp.layer import MatrixNormalLayer
from balinp.pseudo_targets import trace

REPEATS, FEWEST, LONGEST = 40, 3, 2.5
"""Steps that are timed; fewer, but at least `FEWEST`, where they take longer than seconds."""

WARM_UP = 3
"""Steps before the first that is timed: the first of all compiles, and is a mean pass."""

TWINS: Mapping[Function, Function] = {
    factors.input_factor: lambda X, weights=None: factors.input_factor_reference(X),
    factors.output_factor: lambda rows, weights=None: factors.output_factor_reference(rows),
    factors.forget: factors.forget_reference,
    factors.semidefinite_rows: factors.semidefinite_rows_reference,
}
"""The plain NumPy twins of the compiled kernels, for data without weights."""

POSTERIORS = ("8-50-1", "64-100-10")
"""Shapes whose posterior is compared with a Kronecker fit, on all rows."""


def benchmark(
    *,
    only: Sequence[str] | None = None,
    repeats: int = REPEATS,
    json_path: Path | None = None,
    figure_path: Path,
) -> list[Record]:
    """Measure steps of some networks; print tables, draw where the time goes.

    Parameters
    ----------
    only : shapes such as ``"8-50-1"``; None takes all, and the sweeps over sizes.
    repeats : largest number of steps that are timed for each figure.
    json_path : where to write the records, or None. Each says what it is of under ``"measured"``:
        a step, a posterior, or an exponent.
    figure_path : where to write the figure.

    Raises
    ------
    UserError
        If a package is missing, or there is no such shape.
    """
    require_extras("threadpoolctl")
    from threadpoolctl import threadpool_limits

    known = list(dict.fromkeys(case.shape for case in CASES))
    for name in only or []:
        if name not in known:
            raise UserError(f"unknown shape {name!r}; known: {', '.join(known)}")
    chosen = known if only is None else only
    with threadpool_limits(limits=1):
        rate = dgemm_rate()
        records = [step_record(case, repeats, rate) for case in CASES if case.shape in chosen]
        if available("torch", "laplace"):
            shapes = {case.shape: case for case in CASES if case.shape in POSTERIORS}
            records += [
                posterior_record(case, repeats) for shape, case in shapes.items() if shape in chosen
            ]
        if only is None:
            records += [exponent_record(varied, cases, repeats) for varied, cases in SWEEPS.items()]
    print(report(records), end="")
    if json_path is not None:
        write_records(records, json_path)
        announce(json_path)
    save_benchmark_figure(records, figure_path)
    announce(figure_path)
    return records


def step_record(case: Case, repeats: int, rate: float) -> Record:
    """What a step costs, next to its twin, its limit and Adam's step (None without PyTorch).

    Seconds, of the parts as a dictionary; flops of the limit; the rate in flops a second; and the
    largest amount of memory, in MB of 10^6 bytes, that NumPy holds during a step beyond what it
    held before. (What LAPACK and the compiled kernels allocate for themselves is not seen.)
    """
    parts = step_parts(case, repeats)
    model, steps = case.steps()
    for _ in range(WARM_UP):
        next(steps)()
    matrices = decomposed(next(steps))
    directions = 2 if case.batch == case.n_data else 1
    categorical = case.kind == CLASSIFICATION
    flops = sum(
        products(case.widths, case.batch, categorical=categorical, directions=directions).values()
    )
    eigen = repeated(lambda: eigen_seconds(matrices), repeats)
    adam = None
    if available("torch"):
        X, Y = case.data()
        adam = seconds_of(
            adam_step(model.network, X[: case.batch], Y[: case.batch], case.kind), repeats
        )
    return {
        "measured": "step",
        "shape": case.shape,
        "batch": case.batch,
        "n_data": case.n_data,
        "seconds": sum(parts.values()),
        "parts": parts,
        "twin_seconds": sum(step_parts(case, repeats, TWINS).values()),
        "limit_seconds": flops / rate + eigen,
        "limit_flops": flops,
        "limit_eigen_seconds": eigen,
        "dgemm_rate": rate,
        "adam_seconds": adam,
        "peak_mb": peak_memory(next(steps)),
    }


def step_parts(
    case: Case, repeats: int, twins: Mapping[Function, Function] | None = None
) -> dict[str, float]:
    """Seconds of a step by part, all of `PARTS`."""
    _, steps = case.steps()
    with timed_parts(twins) as watch:
        for _ in range(WARM_UP):
            next(steps)()

        def timed() -> list[float]:
            step = next(steps)
            watch.read()
            step()
            seconds = watch.read()
            return [seconds.get(part, 0.0) for part in PARTS]

        middle = middle_mean(_repeat(timed, repeats))
    return {part: float(seconds) for part, seconds in zip(PARTS, middle, strict=True)}


def _repeat(timed: Callable[[], list[float]], repeats: int) -> Array:
    """Rows of seconds (repeats, parts), fewer rows where they take long."""
    rows: list[list[float]] = []
    while len(rows) < min(FEWEST, repeats) or (
        len(rows) < repeats and sum(map(sum, rows)) < LONGEST
    ):
        rows.append(timed())
    return np.array(rows)


def middle_mean(rows: Array) -> Array:
    """Mean of the middle half of rows (R, P), in the order of their sums.

    Examples
    --------
    >>> middle_mean(np.array([[1.0, 2.0], [1.0, 1.0], [90.0, 9.0], [2.0, 1.0]]))
    array([1.5, 1.5])
    """
    cut = len(rows) // 4
    order = np.argsort(rows.sum(axis=1))
    return np.asarray(rows[order[cut : len(rows) - cut]].mean(axis=0))


def repeated(measure: Callable[[], float], repeats: int) -> float:
    """Seconds of a measurement that returns its own, the middle of several."""
    return float(middle_mean(_repeat(lambda: [measure()], repeats))[0])


def seconds_of(call: Callable[[], object], repeats: int) -> float:
    """Seconds of a call, the middle of several, after some that are not timed."""
    for _ in range(WARM_UP):
        call()

    def timed() -> float:
        start = CLOCK()
        call()
        return CLOCK() - start

    return repeated(timed, repeats)


def peak_memory(call: Callable[[], object]) -> float:
    """Largest memory that Python and NumPy hold in a call beyond what they held before, in MB."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def posterior_record(case: Case, repeats: int) -> Record:
    """Seconds from a trained network to its posterior, by BALI and by laplace-torch.

    Both have the same weights and the same rows. BALI: a mean pass and every layer's proposal.
    """
    X, Y = case.data()
    model, steps = case.steps()
    for _ in range(20):
        next(steps)()
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

    fit = kronecker_fit(model.network, model.weights, X, Y, case.kind)
    return {
        "measured": "posterior",
        "shape": case.shape,
        "n_data": case.n_data,
        "seconds": seconds_of(posterior, repeats),
        "laplace_seconds": seconds_of(fit, repeats),
    }


def exponent_record(varied: str, cases: Mapping[int, Case], repeats: int) -> Record:
    """Seconds of a step at several sizes, and the exponent of the power law through them."""
    sizes = list(cases)
    seconds = [sum(step_parts(case, min(repeats, 7)).values()) for case in cases.values()]
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
