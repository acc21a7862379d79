"""Methods on splits: every pair is one job that gives one record."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from balinp._types import Array
from balinp.experiments import UserError
from balinp.experiments.datasets import Dataset
from balinp.experiments.methods import Method, warm_up
from balinp.experiments.scores import Record, calibration, scores


class Outcome(NamedTuple):
    """A record, and what a calibration plot needs of the same prediction."""

    record: Record
    calibration: Array


def run(
    dataset: Dataset, methods: Sequence[Method], splits: Sequence[int], *, jobs: int = 1
) -> Iterator[Outcome]:
    """Yield an outcome for each split and method, in that order, as they become available.

    Parameters
    ----------
    dataset, methods : what to run.
    splits : numbers of the splits; each is also the seed of the methods on it.
    jobs : number of processes.

    Raises
    ------
    UserError
        If the data set has fewer splits.
    """
    import joblib

    if dataset.n_splits is not None and max(splits) >= dataset.n_splits:
        raise UserError(
            f"--splits: {dataset.name} has {dataset.n_splits} splits, got {max(splits) + 1}"
        )
    tasks = [
        joblib.delayed(run_one)(dataset, method, split) for split in splits for method in methods
    ]
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    yield from _with_progress(parallel(tasks), len(tasks))


def run_one(dataset: Dataset, method: Method, split: int) -> Outcome:
    """Train a method on one split and score its prediction.

    ``seconds`` is the wall time of training and prediction, without imports and compilation, on
    one thread: the matrices are small, and times and roundings then do not depend on how many
    processes run beside this one (nor on the machine's number of cores).
    """
    from threadpoolctl import threadpool_limits

    _warm_up_once()
    train, test = dataset.split(split)
    X, Y = dataset.X, dataset.Y
    with threadpool_limits(limits=1):
        start = time.perf_counter()
        predictive = method.fit_predict(X[train], Y[train], X[test], seed=split)
        seconds = time.perf_counter() - start
    record = {
        "dataset": dataset.name,
        "split": split,
        "method": method.name,
        "seconds": seconds,
        **scores(predictive, Y[test]),
    }
    return Outcome(record, calibration(predictive, Y[test]))


@cache
def _warm_up_once() -> None:
    """Once in each process."""
    warm_up()


def _with_progress(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """Show a progress bar where someone may be watching: on a terminal."""
    import tqdm

    yield from tqdm.tqdm(outcomes, total=total, unit="fit", disable=not sys.stderr.isatty())
