"""How much memory training takes: of a call, and of a whole process."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from balinp.experiments.benchmark_cases import Case

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
    lines = STATUS.read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e6
