"""What training on several machines costs: whether it is the same, what travels, what it takes.

    python -m balinp.experiments.machines

trains on dask arrays with processes of this machine as workers, which it starts on the loopback
address, and prints tables. Seconds are those of processors, and so hardly depend on what else the
machine does: of this process, which is client and scheduler, and of the workers. Bytes are all that
these processes have written to their sockets.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from balinp import BALI, cluster
from balinp._types import Array, LikelihoodName, Pass
from balinp.cluster import GROUP
from balinp.experiments.table import markdown

STEPS = 4
"""Steps that are measured, after as many unmeasured ones."""

WORKERS = (2, 10, 100)
"""Numbers of workers of which is told what they would do."""

PASSES = 5
"""Sums over all chunks in a step: terms, products along directions, the likelihood before and after
it, and what the noise follows, or for classes the density without weights."""

MEASURED_WORKERS = 2
"""Workers of which costs are measured."""

LATENCY, BANDWIDTH = 5e-4, 1.25e8
"""Seconds of a message between two machines, and bytes a second: a network of 1 Gbit/s."""


class Case(NamedTuple):
    """A network, its likelihood, and rows that take a while: data are drawn."""

    name: str
    widths: tuple[int, ...]
    likelihood: LikelihoodName
    rows: int

    def data(self, rows: int, chunks: int) -> tuple[Any, Any]:
        """Inputs and targets, dask arrays that the workers draw themselves."""
        import dask.array

        n_in, K = self.widths[0], self.widths[-1]
        rng = dask.array.random.default_rng(0)
        X = rng.standard_normal((rows, n_in), chunks=(-(-rows // chunks), n_in))
        weights = np.random.default_rng(0).standard_normal((n_in, K))
        noise = rng.standard_normal((rows, K), chunks=(X.chunks[0], K))
        Y = dask.array.sin(X @ weights) + 0.1 * noise
        return X, Y.map_blocks(one_hot, dtype=float) if self.likelihood == "categorical" else Y

    def model(self, forward: Pass | None = None) -> BALI:
        """A network before training."""
        return BALI(self.widths[1:-1], self.likelihood, forward=forward)

    @property
    def numbers(self) -> int:
        """D^2 + K^2 + D K, summed over layers."""
        shapes = [(n_in + 1, n_out) for n_in, n_out in pairwise(self.widths)]
        return sum(D**2 + K**2 + D * K for D, K in shapes)


CASES = (
    Case("8-50-1", (8, 50, 1), "gaussian", 12_000),
    Case("64-100-10 classes", (64, 100, 10), "categorical", 12_000),
)


def one_hot(scores: Array) -> Array:
    """The class of the largest score in each row (B, K)."""
    return np.eye(scores.shape[1])[scores.argmax(axis=1)]


class Cost(NamedTuple):
    """Of one step: seconds of processors and on the clock, and bytes.

    Attributes
    ----------
    here, workers : float
        Processors' seconds of client and scheduler, and of all workers.
    tasks : float
        Those of workers without dask's own threads, which take some by the clock.
    seconds : float
        On the clock.
    bytes : float
        That are written to sockets.
    """

    here: float
    workers: float
    tasks: float
    seconds: float
    bytes: float


# -- the cluster -----------------------------------------------------------------------------------


def local_cluster(n_workers: int, *, processes: bool = True) -> Any:
    """Workers of a thread each on this machine, on the loopback address and without dashboard."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=processes,
        host="127.0.0.1" if processes else None,
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    )


class Spent(NamedTuple):
    """Of a process: its seconds, and from the first call those in tasks and bytes written."""

    processor: float
    tasks: float
    bytes: int


def spent() -> Spent:
    """What this process has spent."""
    from distributed.comm.tcp import TCP

    if not hasattr(TCP, "bytes_of_balinp"):
        usual = TCP.write

        async def write(self: Any, *arguments: Any, **options: Any) -> int:
            written = await usual(self, *arguments, **options)
            TCP.bytes_of_balinp += written
            return int(written)

        TCP.write, TCP.bytes_of_balinp, TCP.tasks_of_balinp = write, 0, 0.0
    return Spent(time.process_time(), TCP.tasks_of_balinp, TCP.bytes_of_balinp)


def watch_tasks() -> None:
    """Let this worker count the seconds of its tasks; not for the client, which sends them."""
    from distributed.comm.tcp import TCP

    usual = cluster._applied
    if usual.__name__ == "timed":
        return

    def timed(one: Any, asked: Any) -> Any:
        start = time.thread_time()
        try:
            return usual(one, asked)
        finally:
            TCP.tasks_of_balinp += time.thread_time() - start

    cluster._applied = timed


def cost(client: Any, case: Case, rows: int, chunks: int, steps: int = STEPS) -> Cost:
    """What a step costs on the workers of a client, for so many rows in so many chunks."""
    arrays = case.data(rows, chunks)
    marks: list[Cost] = []

    def mark(model: BALI) -> None:
        if model.steps in (steps, 2 * steps):
            there, here = client.run(spent).values(), spent()
            seconds, tasks, written = (sum(values) for values in zip(*there, strict=True))
            clock = time.perf_counter()
            marks.append(Cost(here.processor, seconds, tasks, clock, written + here.bytes))

    spent(), client.run(spent), client.run(watch_tasks)
    case.model().fit(*arrays, epochs=2 * steps, callback=mark)
    before, after = marks
    return Cost(*((b - a) / steps for a, b in zip(before, after, strict=True)))


# -- what is shown ---------------------------------------------------------------------------------


def difference(case: Case, rows: int = 2000) -> float:
    """Largest relative difference of a weight from that of training in memory, on a cluster.

    In mean passes: in others chunks of many classes have draws of their own.
    """
    X, Y = case.data(rows, chunks=3)
    memory = case.model("mean").fit(X.compute(), Y.compute(), epochs=STEPS)
    model = case.model("mean").fit(X, Y, epochs=STEPS)
    pairs = zip(model.weights, memory.weights, strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def bits_after_a_kill(client: Any, case: Case, rows: int = 2000) -> tuple[int, float, float]:
    """Weights that differ in any bit when a worker is killed, and seconds with and without."""
    arrays = case.data(rows, chunks=3)
    case.model().fit(*arrays, epochs=2)  # compiles

    def kill(model: BALI) -> None:
        if model.steps == STEPS // 2:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    start = time.perf_counter()
    model = case.model().fit(*arrays, epochs=STEPS)
    middle = time.perf_counter()
    killed = case.model().fit(*arrays, epochs=STEPS, callback=kill)
    end = time.perf_counter()
    pairs = zip(model.weights, killed.weights, strict=True)
    return sum(int((a != b).sum()) for a, b in pairs), end - middle, middle - start


class Rates(NamedTuple):
    """What a step's seconds are made of.

    Attributes
    ----------
    fixed, each_chunk : float
        Of client and scheduler, which wait for nothing, and for each chunk.
    each_worker : float
        Of a worker, whatever it holds: messages, and what it does by the clock.
    task : float
        Task of a worker, for each chunk, whatever its rows.
    row, memory_row : float
        Of tasks on workers, and of training in memory, for each row.
    """

    fixed: float
    each_chunk: float
    each_worker: float
    task: float
    row: float
    memory_row: float

    def step(self, case: Case, rows: float, workers: int) -> float:
        """Seconds of a step on so many workers, a chunk each, from a network's speed as well.

        A pass sends its question out and sums up and back in two messages a level; what travels
        at each level arrives at one worker from `GROUP` others.
        """
        levels = int(np.ceil(np.log(workers) / np.log(GROUP)))
        travel = levels * GROUP * 8 * case.numbers / BANDWIDTH
        waiting = PASSES * 2 * (levels + 2) * LATENCY
        here = self.fixed + self.each_chunk * workers
        # As in memory: where a chunk is more than a piece, a worker keeps no more of it than that.
        there = self.each_worker + self.task + self.memory_row * rows / workers
        return here + there + travel + waiting


def rates(costs: Sequence[tuple[int, int, Cost]], memory_row: float) -> Rates:
    """From costs with their numbers of rows and chunks, by least squares."""
    rows, chunks, found = zip(*costs, strict=True)
    each = np.full(len(costs), MEASURED_WORKERS)
    fixed, each_chunk = _fitted([np.ones(len(costs)), chunks], [c.here for c in found])
    each_worker, task = _fitted([each, chunks], [c.workers - c.tasks for c in found])
    asked, row = _fitted([chunks, rows], [c.tasks for c in found])
    return Rates(fixed, each_chunk, each_worker, task + asked, row, memory_row)


def _fitted(parts: Sequence[Any], seconds: Sequence[float]) -> tuple[float, float]:
    """What each of two parts takes, by least squares."""
    first, second = np.linalg.lstsq(np.column_stack(parts), seconds, rcond=None)[0]
    return float(first), float(second)


def in_memory(case: Case, rows: int, steps: int = STEPS) -> float:
    """Processor's seconds of a step in memory for each row."""
    X, Y = (array.compute() for array in case.data(rows, chunks=1))
    model = case.model().fit(X, Y, epochs=steps)
    start = time.process_time()
    model.fit(X, Y, epochs=steps)
    return (time.process_time() - start) / steps / rows


FEWEST_ROWS, CHUNKS = 2_000, (2, 16)
"""Rows and chunks of which costs are measured, besides a case's own rows in two chunks."""


def grid(client: Any, case: Case) -> list[tuple[int, int, Cost]]:
    """Costs on the workers of a client, with their rows and chunks."""
    pairs = [(case.rows, CHUNKS[0]), *((FEWEST_ROWS, chunks) for chunks in CHUNKS)]
    return [(rows, chunks, cost(client, case, rows, chunks)) for rows, chunks in pairs]


def same_table() -> str:
    """Whether the model is that of memory, and what a killed worker does to it."""
    from distributed import Client

    cells: list[list[str]] = [[], [], [], []]
    for case in CASES:
        with local_cluster(MEASURED_WORKERS) as made, Client(made) as client:
            largest = difference(case)
            bits, killed, usual = bits_after_a_kill(client, case)
        row = case.name, f"{largest:.1e}", str(bits), f"{killed - usual:.1f}"
        for column, cell in zip(cells, row, strict=True):
            column.append(cell)
    titles = ["network", "largest difference", "weights changed by a kill", "seconds it cost"]
    return markdown(titles, cells)


def cost_table(found: Sequence[tuple[Case, int, int, Cost]]) -> str:
    """What travels in a step, next to the sums of one chunk, and what a step takes."""
    titles = [
        "network", "rows", "chunks", "kB a step", "in sums of a chunk", "client and scheduler, ms",
        "workers, ms", "in tasks, ms", "clock, ms",
    ]  # fmt: skip
    rows = [
        (
            case.name, f"{rows:,}", str(chunks), f"{c.bytes / 1e3:.0f}",
            f"{c.bytes / 8 / case.numbers:.1f}", f"{1e3 * c.here:.0f}", f"{1e3 * c.workers:.0f}",
            f"{1e3 * c.tasks:.0f}", f"{1e3 * c.seconds:.0f}",
        )
        for case, rows, chunks, c in found
    ]  # fmt: skip
    return markdown(titles, [list(column) for column in zip(*rows, strict=True)])


def forecast_table(found: Sequence[tuple[Case, Rates]]) -> str:
    """Seconds of a step in memory and on more and more workers, as they follow from the costs."""
    titles = [
        "network",
        "rows",
        "in memory",
        *(f"{w} workers" for w in WORKERS),
        "gain of the last",
    ]
    cells: list[list[str]] = [[] for _ in titles]
    for case, made in found:
        for rows in (10**5, 10**6, 10**7, 10**8):
            memory = made.memory_row * rows
            spread = [made.step(case, rows, w) for w in WORKERS]
            shown = [f"{s:.2g}" for s in (memory, *spread)]
            row = case.name, f"{rows:.0e}", *shown, f"{memory / spread[-1]:.1f}"
            for column, cell in zip(cells, row, strict=True):
                column.append(cell)
    return markdown(titles, cells)


def main() -> int:
    """Print everything."""
    from distributed import Client

    found: list[tuple[Case, int, int, Cost]] = []
    forecast: list[tuple[Case, Rates]] = []
    print(same_table(), flush=True)
    with local_cluster(MEASURED_WORKERS) as made, Client(made) as client:
        for case in CASES:
            costs = grid(client, case)
            found += [(case, *one) for one in costs]
    print(cost_table(found), flush=True)
    for case in CASES:
        costs = [one[1:] for one in found if one[0] is case]
        forecast.append((case, rates(costs, in_memory(case, case.rows))))
    print(forecast_table(forecast))
    for case, made_of in forecast:
        there, here = 1e6 * made_of.row, 1e6 * made_of.memory_row
        print(f"{case.name}: a row takes {there:.1f} us on a worker, {here:.1f} us in memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
