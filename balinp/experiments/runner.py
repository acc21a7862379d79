"""Methods on splits: every pair is one job that gives one record."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

from balinp._types import Array
from balinp.experiments.dataset import Dataset
from balinp.experiments.methods import Method, warm_up
from balinp.experiments.scores import (
    Record,
    calibration,
    detection,
    epistemic_ratio,
    roc,
    scores,
)
from balinp.experiments.stopping import deaf_children
from balinp.predictive import CategoricalPredictive

Job: TypeAlias = tuple[int, str]
"""Number of a split and name of a method."""


class Outcome(NamedTuple):
    """A record, and what pictures need of the same prediction.

    Attributes
    ----------
    record : Record
        See `balinp.experiments.scores`.
    curves : mapping of str to array
        Arrays by name: ``"calibration"`` and, with data from outside, ``"roc"``.
    """

    record: Record
    curves: Mapping[str, Array]

    @property
    def job(self) -> Job:
        """What this is the outcome of."""
        return self.record["split"], self.record["method"]


def run(
    dataset: Dataset,
    methods: Sequence[Method],
    splits: Sequence[int],
    *,
    jobs: int | None = None,
    done: Collection[Job] = (),
) -> Iterator[Outcome]:
    """Yield an outcome for each split and method as soon as it is there, in any order.

    Parameters
    ----------
    dataset, methods : Dataset and sequence of Method
        What to run.
    splits : sequence of int
        Numbers of the splits; each is also the seed of the methods on it.
    jobs : int, optional
        Number of workers; None is what joblib's context says, or one.
    done : Collection, default ()
        What to leave out.

    Notes
    -----
    Workers are processes on this machine unless joblib's context says otherwise. Every backend
    gives the same scores: a job depends on nothing but its split and its method. A backend that
    cannot return results one by one, such as ``"multiprocessing"``, gives all of them at the end.

    Examples
    --------
    With threads in place of processes:

    >>> import joblib
    >>> from balinp.experiments.datasets import load
    >>> from balinp.experiments.methods import select
    >>> methods = select("regression", ["BayesianRidge"])
    >>> with joblib.parallel_config(backend="threading", n_jobs=2):
    ...     outcomes = list(run(load("diabetes"), methods, range(3)))
    >>> sorted(outcome.job for outcome in outcomes)
    [(0, 'BayesianRidge'), (1, 'BayesianRidge'), (2, 'BayesianRidge')]
    """
    import joblib
    from threadpoolctl import threadpool_limits

    pairs = [(split, method) for split in splits for method in methods]
    tasks = [
        joblib.delayed(run_one)(dataset, method, split)
        for split, method in pairs
        if (split, method.name) not in done
    ]
    backend, _ = joblib.parallel.get_active_backend()
    order = "generator_unordered" if backend.supports_return_generator else "list"
    parallel = joblib.Parallel(n_jobs=jobs, return_as=order)
    # Threads share one limit: set here, it is not lifted when the first of them is done.
    with threadpool_limits(limits=1):
        with deaf_children():
            outcomes = parallel(tasks)
        yield from _with_progress(_ended(outcomes), len(pairs), len(pairs) - len(tasks))


def run_one(dataset: Dataset, method: Method, split: int) -> Outcome:
    """Train a method on one split and score its prediction.

    ``seconds`` is the wall time of training and prediction at the test inputs, without imports
    and compilation, on one thread: the matrices are small, and roundings then do not depend on how
    many processes run beside this one (nor on the machine's number of cores). ``cpu_seconds`` is
    the processor's time for the same, which a machine that others use does not lengthen: of the
    process, or of the thread where jobs are threads beside each other.
    """
    from threadpoolctl import threadpool_limits

    _warm_up_once(method.peers)
    train, test = dataset.split(split)
    X, Y = dataset.X, dataset.Y
    with threadpool_limits(limits=1):
        alone = threading.current_thread() is threading.main_thread()
        clocks = (time.perf_counter, time.process_time if alone else time.thread_time)
        starts = [clock() for clock in clocks]
        predict = method.fit(X[train], Y[train], split, dataset.input_scale)
        predictive = predict(X[test])
        seconds, cpu = (clock() - start for clock, start in zip(clocks, starts, strict=True))
        record = {
            "dataset": dataset.name,
            "split": split,
            "method": method.name,
            "settings": method.digest,
            "seconds": seconds,
            "cpu_seconds": cpu,
            **scores(predictive, Y[test]),
        }
        curves = {"calibration": calibration(predictive, Y[test])}
        if dataset.gap_columns is not None:
            record |= {"gap_input": dataset.gap_columns[split], "gap_rows": len(test)}
            record["epistemic_ratio"] = epistemic_ratio(predictive, predict(X[train]))
        if dataset.outside is not None:
            outside = predict(dataset.outside.X)
            assert isinstance(predictive, CategoricalPredictive)
            assert isinstance(outside, CategoricalPredictive)
            record |= detection(predictive, outside)
            curves["roc"] = roc(predictive, outside)
    return Outcome(record, curves)


@cache
def _warm_up_once(modules: tuple[str, ...]) -> None:
    """Once in each process."""
    warm_up(modules)


def _ended(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """The outcomes; if whoever takes them stops, joblib is not to tell of those that are left."""
    try:
        yield from (outcome for outcome in outcomes)  # which does not close them by itself
    except GeneratorExit:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* tasks which were still being processed")
            getattr(outcomes, "close", list)()
        raise


def _with_progress(outcomes: Iterator[Outcome], total: int, done: int) -> Iterator[Outcome]:
    """Show a progress bar where someone may be watching: on a terminal."""
    import tqdm

    yield from tqdm.tqdm(
        outcomes, total=total, initial=done, unit="fit", disable=not sys.stderr.isatty()
    )
