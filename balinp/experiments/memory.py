"""How much memory training takes: of a call, and of a whole process.

``python -m balinp.experiments.memory ROWS`` fits a network to as many rows of ten inputs in a new
process, and says what memory and time that takes. With ``--map`` the rows stay in a file, which is
made in the directory for temporary files and removed afterwards.
"""

from __future__ import annotations

import argparse
import resource
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import process_time

import numpy as np

from balinp.bali import BALI
from balinp.data import pieces
from balinp.defaults import REGRESSION_TRAINING
from balinp.experiments.benchmark_cases import Case
from balinp.experiments.scores import Record

COLUMNS, NOISE = 10, 0.1
"""Inputs of generated rows, and standard deviation of their noise."""

OFTEN = 0.02
"""Seconds from one look at a process's memory to the next."""

STATUS = Path("/proc/self/status")
"""Where Linux tells a process its largest resident memory, in kB of 1024 bytes."""


def peak_memory(call: Callable[[], object]) -> float:
    """Largest memory that Python and NumPy hold in a call beyond what they held before, in MB.

    What LAPACK and the compiled kernels allocate for themselves is not seen.
    """
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def process_peak(case: Case, steps: int) -> float | None:
    """Largest resident memory of a new process that takes some training steps, in MB.

    With interpreter, libraries, data and LAPACK's workspaces; None where the system is not Linux.
    (`resource.getrusage` would not do: its maximum begins with that of the process that starts
    the new one.)
    """
    if not STATUS.exists():
        return None
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_own_peak, case, steps).result()


def _own_peak(case: Case, steps: int) -> float:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        _, training = case.steps()
        for _ in range(steps):
            next(training)()
    return resident_peak()


def resident_peak() -> float:
    """Largest resident memory of this process so far, in MB of 10^6 bytes."""
    return _status("VmHWM")


def _status(name: str) -> float:
    """What Linux says of this process's memory, in MB of 10^6 bytes."""
    lines = STATUS.read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) * 1024 / 1e6


def own_peak(call: Callable[[], object]) -> float:
    """Largest memory in a call that is the process's own, in MB: without pages of mapped files.

    It is looked at from time to time, so that what comes and goes in between is not seen.
    """
    over, found = Event(), [_status("RssAnon")]

    def look() -> None:
        while not over.wait(OFTEN):
            found.append(_status("RssAnon"))

    watch = Thread(target=look)
    watch.start()
    try:
        call()
    finally:
        over.set()
        watch.join()
    return max(*found, _status("RssAnon"))


def fit_record(
    rows: int, batch_size: int | None, epochs: int, mapped: bool, folder: Path
) -> Record:
    """Memory in MB, processor seconds and page faults of `BALI.fit` in this process.

    Parameters
    ----------
    rows, batch_size, epochs : int, int or None, and int
        Of the data and of the fit.
    mapped : bool
        Whether the arrays stay in the files X.npy and Y.npy of the folder, or are read from there.
    folder : Path
        The folder.
    """
    X, Y = (np.load(folder / f"{name}.npy", mmap_mode="r" if mapped else None) for name in "XY")
    network = REGRESSION_TRAINING.model["hidden"]
    BALI(network).fit(X[:1000], Y[:1000], epochs=1)  # compiles
    before, start = _status("RssAnon"), process_time()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    own = own_peak(lambda: BALI(network).fit(X, Y, epochs=epochs, batch_size=batch_size))
    return {
        "rows": rows,
        "before_mb": before,
        "own_peak_mb": own,
        "peak_mb": resident_peak(),
        "seconds": process_time() - start,
        "page_faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults,
    }


def write_rows(folder: Path, rows: int) -> None:
    """Write generated inputs (rows, 10) and targets (rows, 1) piece by piece."""
    rng = np.random.default_rng(0)
    X, Y = (
        np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=float, shape=(rows, n))
        for name, n in (("X", COLUMNS), ("Y", 1))
    )
    for part in pieces(rows, 8 * COLUMNS):
        X[part] = rng.standard_normal(X[part].shape)
        f = np.sin(X[part, :3].sum(axis=1, keepdims=True))
        Y[part] = f + NOISE * rng.standard_normal(f.shape)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool; None takes the arguments of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.memory",
        description="Memory and time of a fit of 10-50-1 to many generated rows.",
    )
    parser.add_argument("rows", metavar="ROWS", type=int)
    parser.add_argument("--batch-size", metavar="N", type=int, help="(default: all rows)")
    parser.add_argument("--epochs", metavar="N", type=int, default=1)
    parser.add_argument("--map", action="store_true", help="leave the rows in a file")
    parsed = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder, parsed.rows)
        fit = parsed.rows, parsed.batch_size, parsed.epochs, parsed.map, folder
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            record = pool.submit(fit_record, *fit).result()
    for key, value in record.items():
        print(f"{key:12} {value:.6g}")


if __name__ == "__main__":
    main()
