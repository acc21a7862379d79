"""Dask arrays: chunks stay on the workers of a cluster, and the model is that of memory."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from processes import python

import balinp.data
from balinp import BALI, BALIRegressor, Likelihood, cluster, leverages, uncertainty
from balinp._types import Array
from balinp.coordinates import Coordinates
from balinp.data import Data
from balinp.experiments.machines import (
    BANDWIDTH,
    LATENCY,
    PASSES,
    Cost,
    Rates,
    cost,
    local_cluster,
    rates,
)
from balinp.experiments.machines import CASES as MEASURED
from balinp.joint_posterior import JointPosterior
from balinp.linearised import LinearisedClasses
from balinp.natural_parameters import Terms
from balinp.pseudo_targets import Trace
from balinp.spread_data import Chunk, ChunkPieces, Sent
from balinp.validation import as_matrix

da = pytest.importorskip("dask.array", reason="needs the extra 'dask'")
cloudpickle = pytest.importorskip("cloudpickle", reason="needs the extra 'dask'")
distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")

ROWS = 400

QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}
"""What dask does besides, over and over: it was .065 seconds of the processor in each second."""


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """No measurements of dask's own."""
    from dask import config

    with config.set(QUIET):
        yield


@pytest.fixture(scope="module")
def two_processes(quiet: None) -> Iterator[Any]:
    """A client of a cluster of two processes on this machine."""
    with local_cluster(2) as made, distributed.Client(made) as client:
        yield client


@pytest.fixture(scope="module")
def client_of_threads(quiet: None) -> Iterator[Any]:
    """A client of a cluster of two threads of this process."""
    with (
        local_cluster(2, processes=False) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def threads(client_of_threads: Any) -> Iterator[Any]:
    """The cluster for what needs no processes: nothing is imported and compiled once more."""
    with client_of_threads.as_current():
        yield client_of_threads


def data(kind: str = "regression") -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, 3))
    if kind == "classes":
        return X, np.eye(3)[X.argmax(axis=1)]
    noise = 0.1 * rng.standard_t(3, (ROWS, 2))
    return X, np.stack([np.sin(X[:, 0]), X[:, 1]], axis=1) + noise


def weights() -> Array:
    """Of which some are zero, and all of the first hundred."""
    w = np.random.default_rng(2).integers(0, 3, ROWS).astype(float)
    w[:100] = 0
    return w


def chunked(*arrays: Array | None, rows: Any = (100, 170, 130)) -> list[Any]:
    """The arrays as dask arrays with so many rows in their chunks."""
    return [None if a is None else da.from_array(a, chunks=(rows, *a.shape[1:])) for a in arrays]


def assert_same_model(model: BALI, other: BALI, rtol: float = 1e-8) -> None:
    """Means, covariances, noise and what comes next are the same."""
    assert (model.steps, model.data_seen) == (other.steps, pytest.approx(other.data_seen))
    assert model.rng.bit_generator.state == other.rng.bit_generator.state
    for a, b in zip(model.layers, other.layers, strict=True):
        np.testing.assert_allclose(a.mean, b.mean, rtol=0, atol=rtol * np.abs(b.mean).max())
        L, same = a.posterior.precisions, b.posterior.precisions
        np.testing.assert_allclose(L, same, rtol=rtol, atol=rtol * same.max())
    for name in ("log_joint", "gain_ratio", "prior_precision", "noise_variances"):
        ours, theirs = (getattr(m.history[-1], name) for m in (model, other))
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=rtol)


CASES = {
    "network": ((5, 4), "gaussian", {}),
    "linear": ((), "gaussian", {}),
    "conjugate": ((5,), "gaussian", {"prior": "conjugate"}),
    "classes": ((5,), "categorical", {}),
    "linear classes": ((), "categorical", {}),
    "mean pass": ((5,), "categorical", {"forward": "mean"}),
}


@pytest.mark.equation("LR-6", "FP-2")
@pytest.mark.parametrize(
    ("case", "weighted"), [*((case, False) for case in CASES), ("network", True), ("classes", True)]
)
def test_the_model_is_that_of_memory(case: str, weighted: bool, threads: Any) -> None:
    """Also with draws: chunks begin where the generator is when their rows' turn comes."""
    hidden, likelihood, options = CASES[case]
    X, Y = data("classes" if likelihood == "categorical" else "regression")
    w = weights() if weighted else None
    X_, Y_, w_ = chunked(X, Y, w)
    model = BALI(hidden, likelihood, **options).fit(X_, Y_, epochs=2, sample_weight=w_)
    memory = BALI(hidden, likelihood, **options).fit(X, Y, epochs=2, sample_weight=w)
    # Under the conjugate prior rounding is divided by the floor, as where memory holds pieces.
    assert_same_model(model, memory, 1e-4 if case == "conjugate" else 1e-8)


@pytest.mark.equation("LR-6")
def test_a_worker_remembers_nothing_that_another_would_not_know(
    threads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes over in the middle of a step works out the same bits."""
    usual, remembered = Trace.first_outputs, []

    def first_outputs(self: Trace, *factors: float) -> Any:
        remembered.append(self.first_changes)
        return usual(self, *factors)

    monkeypatch.setattr(Trace, "first_outputs", first_outputs)
    BALI((5,)).fit(*chunked(*data())[:2], epochs=2)
    assert len(remembered) > 2
    assert set(remembered) == {None}


@pytest.mark.equation("LR-6", "FP-2", "BP-5")
@pytest.mark.parametrize("rows", [80, 160])
def test_draws_of_many_classes_are_those_of_the_same_pieces(
    rows: int, threads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece draws for itself: chunks of one or two of 80 rows as pieces of 80 in memory."""
    rng = np.random.default_rng(3)
    X, classes = rng.standard_normal((2 * ROWS, 10)), 10
    Y = np.eye(classes)[(X + rng.standard_normal(X.shape)).argmax(axis=1)]
    arrays = chunked(X, Y, rows=(rows,) * (800 // rows))[:2]
    monkeypatch.setattr(balinp.data, "PIECE", 80 * (1 + classes) * 12)
    memory = BALI((12,), "categorical").fit(X, Y, epochs=2)
    if rows == 80:  # which are one piece without that, too
        monkeypatch.undo()
    model = BALI((12,), "categorical").fit(*arrays, epochs=2)
    assert_same_model(model, memory)


@pytest.mark.equation("JP-1", "JP-3", "JP-4")
@pytest.mark.parametrize("hidden", [(5,), ()])
def test_all_layers_together_and_tails_are_those_of_memory(
    hidden: tuple[int, ...], threads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = data()
    w, options = weights(), {"covariance": "auto", "noise": "student"}
    X_, Y_, w_ = chunked(X, Y, w)
    memory = BALI(hidden, **options).fit(X, Y, epochs=2, sample_weight=w)
    model = BALI(hidden, **options).fit(X_, Y_, epochs=2, sample_weight=w_)
    assert repr(model.uncertainty.joint) == repr(memory.uncertainty.joint)
    assert model.uncertainty.tails == pytest.approx(memory.uncertainty.tails, rel=1e-8)
    new = X[:9] + 0.5
    ours, theirs = model.predict(new), memory.predict(new)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-8)
    np.testing.assert_allclose(ours.epistemic, theirs.epistemic, rtol=1e-8, atol=1e-12)
    monkeypatch.setattr(uncertainty, "MOST_BROUGHT", 10)
    model.fit(X_, Y_, epochs=1, sample_weight=w_)
    assert "noise='student' (gaussian)" in repr(model)


@pytest.mark.equation("JP-1")
def test_more_weights_than_data_are_factorised_over_data(
    threads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leverages, "MOST_ROWS", 0)
    X, Y = (array[:30] for array in data())
    X_, Y_ = chunked(X, Y, rows=(10, 20))
    model = BALI((20,), covariance="joint", noise="student").fit(X_, Y_, epochs=2)
    memory = BALI((20,), covariance="joint", noise="student").fit(X, Y, epochs=2)
    assert isinstance(model.uncertainty.joint, JointPosterior)
    assert model.uncertainty.joint.form.name == "data"
    np.testing.assert_allclose(model.predict(X).std, memory.predict(X).std, rtol=1e-8)


@pytest.mark.equation("EV-11")
def test_few_rows_are_brought_here(threads: Any) -> None:
    X, Y = (array[: leverages.MOST_ROWS // 2] for array in data())
    model = BALI((4,)).fit(*chunked(X, Y, rows=30), epochs=3)
    assert_same_model(model, BALI((4,)).fit(X, Y, epochs=3), 0)


# -- where things are ------------------------------------------------------------------------------


def test_what_has_been_worked_out_does_not_travel() -> None:
    """Where a chunk is moved, its rows are; and it says the same, draws included."""
    X, Y = data("classes")
    model = BALI((5,), "categorical").fit(X, Y, epochs=2)
    rows = Data(X, Y, None)
    now = model._present(rows.whole, ROWS, Coordinates(model.network, model.layers, rows))
    made_of = Chunk(rows, slice(0, ROWS)), deepcopy(model.rng), Sent(now, LinearisedClasses(), True)
    pieces = ChunkPieces(*made_of)
    before = len(cloudpickle.dumps(pieces))
    (trace,) = pieces
    assert trace.gradients[0].shape == (ROWS, 5)
    assert len(cloudpickle.dumps(pieces)) - before < 8 * ROWS  # not a number a row
    (moved,) = cloudpickle.loads(cloudpickle.dumps(pieces))
    np.testing.assert_array_equal(moved.likelihood.deviations, trace.likelihood.deviations)


@pytest.mark.equation("NP-1", "JS-1")
@pytest.mark.parametrize("case", MEASURED, ids=lambda case: case.name)
def test_sums_are_natural_parameters_and_a_few_scalars(
    case: Any, threads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, sizes = cluster.Workers.brought, []

    def brought(workers: cluster.Workers, futures: Any) -> Any:
        results = usual(workers, futures)
        sizes.append(sum(numbers_in(result) for result in results))
        return results

    monkeypatch.setattr(cluster.Workers, "brought", brought)
    arrays = case.data(400, chunks=3)
    model = case.model().fit(*arrays, epochs=1)
    sizes.clear()
    model.fit(*arrays, epochs=1)
    K = case.widths[-1]
    *opening, terms, products = sizes[:3]
    assert opening == [2 * 3]  # rows and amount of each chunk
    assert terms == case.numbers + 3 * (len(case.widths) - 1)  # with B, and H's two properties
    assert products == 1 + 2 * 2**2  # B, and two matrices for two directions
    assert max(sizes[3:]) <= 1 + K**2


def numbers_in(result: Any) -> int:
    """Numbers in a nest of lists, arrays and natural parameters."""
    if isinstance(result, Terms):
        return numbers_in(list(vars(result).values()))
    if isinstance(result, (list, tuple)):
        return sum(map(numbers_in, result))
    return 0 if result is None else int(np.size(result))


def test_dask_is_not_imported_without_need() -> None:
    program = (
        "import sys, numpy as np; from balinp import BALI; X = np.eye(3); "
        "BALI((2,)).fit(X, X, epochs=1); print({'dask', 'balinp.cluster'} & set(sys.modules))"
    )
    assert python("-c", program).stdout.strip() == "set()"


# -- joblib's backend ------------------------------------------------------------------------------


def test_splits_are_evaluated_on_the_cluster(threads: Any) -> None:
    joblib = pytest.importorskip("joblib")
    from balinp.experiments.datasets import load
    from balinp.experiments.methods import select
    from balinp.experiments.runner import run

    methods = select("regression", ["BayesianRidge"])
    with joblib.parallel_config(backend="dask"):
        found = {o.job: o.record["rmse"] for o in run(load("diabetes"), methods, range(2))}
    assert found == {o.job: o.record["rmse"] for o in run(load("diabetes"), methods, range(2))}


# -- bad input -------------------------------------------------------------------------------------


def bad(**changes: Any) -> dict[str, Any]:
    X, Y, w = chunked(*data(), weights())
    arguments = {"X": X, "Y": Y, "epochs": 1}
    return arguments | {name: change(X, Y, w) for name, change in changes.items()}


def unknown(X: Any, Y: Any, w: Any) -> Any:
    return X[X[:, 0] > 0]


BAD = {
    "Y in other chunks": (
        {"Y": lambda X, Y, w: Y.rechunk((200, 2))},
        ValueError,
        r"^Y: expected rows in chunks of \(100, 170, 130\), as X has, got \(200, 200\); use "
        r"Y.rechunk\(\{0: X.chunks\[0\]\}\)$",
    ),
    "other rows": (
        {"Y": lambda X, Y, w: Y[:300]},
        ValueError,
        "^Y: expected 400 rows, as X has, got 300$",
    ),
    "weights in other chunks": (
        {"sample_weight": lambda X, Y, w: w.rechunk(400)},
        ValueError,
        r"^sample_weight: expected rows in chunks of \(100, 170, 130\), as X has, got \(400\)",
    ),
    "unknown chunks": (
        {"X": unknown},
        ValueError,
        "^X: expected chunks of known sizes, got unknown ones; call X.compute_chunk_sizes",
    ),
    "columns in chunks": (
        {"X": lambda X, Y, w: X.rechunk({1: 2})},
        ValueError,
        r"^X: expected chunks of whole rows, got columns in chunks of \(2, 1\); use X.rechunk\(",
    ),
    "columns of Y in chunks": (
        {"Y": lambda X, Y, w: Y.rechunk({1: 1})},
        ValueError,
        r"^Y: expected chunks of whole rows, got columns in chunks of \(1, 1\); use Y.rechunk\(",
    ),
    "Y in memory": (
        {"Y": lambda X, Y, w: np.ones((400, 2))},
        TypeError,
        "^Y: expected a dask array, as other arguments are, got numpy ndarray; see",
    ),
    "X in memory": (
        {"X": lambda X, Y, w: [[1.0]]},
        TypeError,
        "^X: expected a dask array, as other arguments are, got builtins list; see",
    ),
    "no Y": ({"Y": lambda X, Y, w: None}, TypeError, "^Y: expected targets, got None$"),
    "Y a column": (
        {"Y": lambda X, Y, w: Y[:, 0]},
        ValueError,
        r"^Y: expected a matrix of shape \(n, m\), got shape \(400,\)$",
    ),
    "text": (
        {"X": lambda X, Y, w: X.astype(str)},
        TypeError,
        "^X: expected real numbers, got dtype <U",
    ),
    "no rows": (
        {"X": lambda X, Y, w: X[:0], "Y": lambda X, Y, w: Y[:0]},
        ValueError,
        r"^X: expected at least one row and one column, got \(0, 3\)$",
    ),
    "batches": (
        {"batch_size": lambda X, Y, w: 32},
        ValueError,
        "^batch_size: expected None with dask arrays, all of whose rows make one step, got 32$",
    ),
    "no cluster": (
        {},
        ConnectionError,
        r"^X: expected a cluster for dask arrays, got no client; make one before, by "
        r"dask.distributed.Client\(\) on this machine or Client\('HOST:8786'\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_done_is_said_in_one_line(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any cluster is asked, and without one."""
    monkeypatch.setattr(distributed, "get_client", no_client)
    changes, error, message = BAD[case]
    model = BALI((4,))
    with pytest.raises(error, match=message) as raised:
        model.fit(**bad(**changes))
    assert "\n" not in str(raised.value)
    assert model.steps == 0
    assert model.layers == []


def no_client() -> Any:
    raise ValueError("No global client found and no address provided")


def test_dask_without_distributed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match="^X: expected the package distributed .* pip install"):
        BALI((4,)).fit(**bad())


def spoilt(array: Array, value: float) -> Array:
    array = array.copy()
    array[150, 0] = value
    return array


@pytest.mark.parametrize(
    ("likelihood", "spoil", "message"),
    [
        ("gaussian", "X", "^X: expected finite numbers, got 1 NaN .*, in the chunk of rows 100 to"),
        ("categorical", "Y", "^Y: expected one-hot rows, .*, in the chunk of rows 100 to 269$"),
        ("gaussian", "w", "^sample_weight: expected numbers of at least zero.* rows 100 to 269$"),
        ("gaussian", "none", "^sample_weight: expected numbers of at least zero, not all zero"),
    ],
)
def test_what_a_worker_finds_is_raised_here(
    likelihood: str, spoil: str, message: str, threads: Any
) -> None:
    X, Y = data("classes")
    w = np.zeros(ROWS) if spoil == "none" else np.ones(ROWS)
    if spoil == "w":
        w[150] = -1.0
    X = spoilt(X, np.nan) if spoil == "X" else X
    Y = spoilt(Y, 3.0) if spoil == "Y" else Y
    X_, Y_, w_ = chunked(X, Y, w)
    with pytest.raises(ValueError, match=message):
        BALI((4,), likelihood).fit(X_, Y_, epochs=1, sample_weight=w_)


def test_columns_of_another_model_are_refused(threads: Any) -> None:
    X, Y = data()
    model = BALI((4,)).fit(X, Y, epochs=1)
    with pytest.raises(ValueError, match=r"^X: expected shape \(n, 3\), got \(100, 2\)"):
        model.fit(*chunked(X[:, :2], Y)[:2], epochs=1)


def test_a_cluster_without_workers_is_told() -> None:
    with (
        local_cluster(0, processes=False) as empty,
        distributed.Client(empty),
        pytest.raises(ConnectionError, match="^X: expected a cluster with workers, got none at "),
    ):
        BALI((4,)).fit(*chunked(*data())[:2], epochs=1)


def test_a_cluster_that_loses_all_its_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    with local_cluster(1, processes=False) as made, distributed.Client(made) as client:

        def lose(model: BALI) -> None:
            made.scale(0)
            while client.nthreads():
                time.sleep(0.05)

        with pytest.raises(ConnectionError, match="^X: expected a cluster with workers, got none"):
            BALI((4,)).fit(*chunked(*data())[:2], epochs=3, callback=lose)


def test_workers_that_die_of_a_chunk_are_told() -> None:
    """As where chunks are larger than their memory, once dask has given up."""
    killed = distributed.KilledWorker("task", SimpleNamespace(address="tcp://one:1"), 3)
    future = SimpleNamespace(exception=lambda: killed)
    with pytest.raises(
        MemoryError, match="^X: expected chunks that fit .* the last at tcp://one:1"
    ):
        cluster.raise_error_of(future)


def test_a_fit_goes_on_where_its_cluster_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that was under way is undone, and made again on another cluster."""
    X, Y = data("classes")
    memory = BALI((5,), "categorical").fit(X, Y, epochs=4)
    model = BALI((5,), "categorical")
    usual, first = cluster.Workers.brought, local_cluster(2, processes=False)

    def lose(workers: cluster.Workers, futures: Any) -> Any:
        if model.steps == 3:
            first.close()
        return usual(workers, futures)

    with first, distributed.Client(first):
        monkeypatch.setattr(cluster.Workers, "brought", lose)
        with pytest.raises(ConnectionError, match="^X: expected the cluster at .* to answer"):
            model.fit(*chunked(X, Y)[:2], epochs=4)
    monkeypatch.undo()
    assert model.steps == 2
    with local_cluster(1, processes=False) as second, distributed.Client(second):
        model.fit(*chunked(X, Y)[:2], epochs=2)
    assert_same_model(model, memory)


def test_rates_are_found_again_in_costs_that_they_make() -> None:
    true = Rates(fixed=0.1, each_chunk=0.02, each_worker=0.04, task=0.03, row=1e-5, memory_row=2e-5)
    costs = [
        (
            rows,
            chunks,
            Cost(0.1 + 0.02 * chunks, 0.08 + 0.03 * chunks + 1e-5 * rows, 1e-5 * rows, 0.0, 0.0),
        )
        for rows, chunks in ((100, 2), (5000, 2), (100, 9))
    ]
    assert rates(costs, 2e-5) == pytest.approx(true)
    case = MEASURED[0]
    # Eight: one level, so that sums of eight chunks arrive at one worker.
    travel, waiting = 8 * 8 * case.numbers / BANDWIDTH, PASSES * 6 * LATENCY
    assert true.step(case, 8000, 8) == pytest.approx(0.1 + 0.16 + 0.07 + 0.02 + travel + waiting)
    assert case.numbers == 9**2 + 50**2 + 9 * 50 + 51**2 + 1 + 51


# -- in two processes ------------------------------------------------------------------------------


@pytest.mark.equation("LR-6", "FP-2")
def test_many_chunks_are_added_in_groups(two_processes: Any) -> None:
    X, Y = data("classes")
    many = chunked(X, Y, rows=(40,) * 8 + (80,))[:2]
    assert many[0].numblocks[0] > cluster.GROUP
    model = BALI((5,), "categorical").fit(*many, epochs=2)
    assert_same_model(model, BALI((5,), "categorical").fit(X, Y, epochs=2))


@pytest.mark.equation("LR-6")
def test_nothing_need_be_kept(two_processes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = chunked(*data())
    kept = BALI((5, 4)).fit(*arrays, epochs=2)
    monkeypatch.setattr(balinp.data, "PIECE", 1)  # here, where it is decided what is kept there
    assert_same_model(BALI((5, 4)).fit(*arrays, epochs=2), kept, 0)


def test_chunks_stay_where_they_are(two_processes: Any) -> None:
    X, Y = (array.repeat(40, axis=0) for array in data())
    places = []

    def look(model: BALI) -> None:
        held = two_processes.who_has()
        places.append({str(key): who for key, who in held.items() if "_chunk" in str(key)})

    BALI((4,)).fit(*chunked(X, Y, rows=4000), epochs=3, callback=look)
    assert places[0] == places[-1]
    assert [len(who) for who in places[0].values()] == [1] * 4
    deadline = time.monotonic() + 60
    while two_processes.who_has() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert two_processes.who_has() == {}  # nothing is left behind


def test_the_number_of_rows_does_not_change_what_travels(two_processes: Any) -> None:
    """Of two chunks: one's sums go to the other, and theirs here, by way of the scheduler.

    On a busy machine dask gives a chunk to an idle worker in most steps: one without will do.
    """

    def moved(rows: int) -> float:
        return cost(two_processes, MEASURED[0], rows, 2, steps=1).bytes

    few, limit = moved(500), 0.2 * 40_000 * 9 * 8  # a step may take more passes
    assert 3 * 8 * MEASURED[0].numbers < few
    assert any(moved(40_000) - few < limit for _ in range(6))


def test_likelihoods_of_ones_own_are_sent(two_processes: Any) -> None:
    class Poisson(Likelihood):
        def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
            return as_matrix(Y, "Y", rows=rows, columns=columns)

        def log_density(self, Y: Array, f: Array) -> Array:
            return (Y * f - np.exp(f)).sum(axis=1)

        def gradient(self, Y: Array, f: Array) -> Array:
            return Y - np.exp(f)

        def curvature_rows(self, f: Array) -> Array:
            return np.exp(f / 2)[:, :, None] * np.eye(f.shape[1])

    X, Y = data("classes")
    model, memory = BALI((4,), Poisson()), BALI((4,), Poisson())
    assert_same_model(model.fit(*chunked(X, Y)[:2], epochs=2), memory.fit(X, Y, epochs=2))


def test_the_page_runs(two_processes: Any) -> None:
    page = (Path(__file__).parents[2] / "tutorials/more_than_one_machine.md").read_text("utf-8")
    namespace: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE):
        exec(block, namespace)
    X, Y, model = (namespace[name] for name in ("X", "Y", "model"))
    assert_same_model(model, BALI((20,)).fit(X.compute(), Y.compute(), epochs=5))
    mapped = X.map_blocks(lambda x: model.predict(x).mean, chunks=(X.chunks[0], 2), dtype=float)
    # Products of five rows and of a chunk may be rounded differently.
    np.testing.assert_allclose(mapped[:5].compute(), namespace["predictive"].mean, rtol=1e-12)
    there, here = namespace["ensemble"], BALIRegressor(n_members=2, epochs=5, random_state=0)
    here.fit(X.compute(), Y.compute())
    np.testing.assert_array_equal(there.predict(X[:5].compute()), here.predict(X[:5].compute()))


@pytest.mark.equation("LR-6")
def test_a_killed_worker_costs_time_alone(
    two_processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a step, while a pass is under way.

    The last test of the two processes: what dask starts for the one killed costs nobody else.
    """
    X, Y = data("classes")
    arrays = chunked(X, Y)[:2]
    expected = BALI((5,), "categorical").fit(*arrays, epochs=3)
    usual, calls = cluster.Workers.brought, []

    def kill(workers: cluster.Workers, futures: Any) -> Any:
        calls.append(1)
        if len(calls) == 12:
            victim = next(iter(two_processes.run(os.getpid).values()))
            os.kill(victim, signal.SIGKILL)
        return usual(workers, futures)

    monkeypatch.setattr(cluster.Workers, "brought", kill)
    model = BALI((5,), "categorical").fit(*arrays, epochs=3)
    assert len(calls) > 14
    assert_same_model(model, expected, 0)
