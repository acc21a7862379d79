"""The benchmark: a watch whose parts add up, names that are restored, flops that are counted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from balinp import bali, factors, layer, pseudo_targets, spectral
from balinp.cli import main
from balinp.experiments import CLASSIFICATION, KINDS, REGRESSION
from balinp.experiments.benchmark import (
    TWINS,
    fitted_exponent,
    middle_mean,
    peak_memory,
    step_parts,
)
from balinp.experiments.benchmark_cases import CASES, Case
from balinp.experiments.limits import decomposed, dgemm_rate, products
from balinp.experiments.step_parts import (
    BACKWARD,
    CLOCK,
    DEVIATIONS,
    FACTORS,
    FORWARD,
    HYPER,
    JOINT,
    PARTS,
    REST,
    SOLVE,
    TARGETS,
    Entry,
    Stopwatch,
    replaced,
    timed_parts,
)
from balinp.experiments.torch_steps import adam_step, available, kronecker_fit
from balinp.likelihood import Categorical
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import MLP
from balinp.spectral import Spectrum

SMALL = {
    REGRESSION: Case((3, 5, 4, 1), 6, 12),
    CLASSIFICATION: Case((3, 5, 4, 3), 6, 12),
}

needs_peers = pytest.mark.skipif(
    not available("torch", "laplace"), reason="needs the extra 'peers': torch and laplace"
)


class Time:
    """A clock that moves only when it is told to."""

    now = 10.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


def test_a_part_is_without_the_parts_inside_it() -> None:
    time = Time()
    watch = Stopwatch(time)
    inner = watch.timed(lambda: time.spend(2), Entry(SOLVE))
    free = watch.timed(lambda: time.spend(4), Entry(FORWARD, within=TARGETS))

    def work() -> None:
        time.spend(1)
        inner()
        free()
        time.spend(8)

    watch.timed(work, Entry(TARGETS))()
    free()  # not within the targets: its caller's
    time.spend(16)
    assert watch.read() == {REST: 20, TARGETS: 9, SOLVE: 2, FORWARD: 4}
    inner()
    assert watch.read() == {REST: 0, SOLVE: 2}


def test_a_part_ends_with_an_exception() -> None:
    time = Time()
    watch = Stopwatch(time)

    def fails() -> None:
        time.spend(1)
        raise ValueError

    with pytest.raises(ValueError, match="^$"):
        watch.timed(fails, Entry(SOLVE))()
    time.spend(2)
    assert watch.read() == {SOLVE: 1, REST: 2}


def names() -> dict[tuple[int, str], Any]:
    """What every name in the package's modules and classes means."""
    modules = [m for name, m in sys.modules.items() if name.partition(".")[0] == "balinp"]
    classes = [v for m in modules for v in vars(m).values() if isinstance(v, type)]
    return {(id(o), name): value for o in [*modules, *classes] for name, value in vars(o).items()}


def test_names_mean_what_they_did_even_after_an_exception() -> None:
    before = names()

    def fails() -> None:
        with timed_parts(TWINS):
            assert bali.trace is pseudo_targets.trace is not before[id(bali), "trace"]
            assert MLP.forward is not before[id(MLP), "forward"]
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    after = names()
    assert before.keys() == after.keys()
    assert all(after[key] is value for key, value in before.items())


def test_a_function_is_replaced_wherever_it_is_known() -> None:
    with replaced({spectral.decompose: lambda matrix, name: name}):
        for module in (spectral, layer, pseudo_targets):
            assert module.decompose(np.eye(1), "A") == "A"
    with (
        pytest.raises(ValueError, match="expected functions of balinp"),
        replaced({json.dumps: str}),
    ):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_step_add_up_and_change_nothing(kind: str) -> None:
    plain, steps = SMALL[kind].steps()
    for _ in range(3):
        next(steps)()
    model, steps = SMALL[kind].steps()
    outside: list[float] = []
    inside: list[float] = []
    with timed_parts() as watch:
        for _ in range(3):
            step = next(steps)
            outside.append(CLOCK())
            watch.read()
            inside.append(CLOCK())
            step()
            inside.append(CLOCK())
            seconds = watch.read()
            outside.append(CLOCK())
    assert inside[-1] - inside[-2] <= sum(seconds.values()) <= outside[-1] - outside[-2]
    assert seconds.keys() == set(PARTS)
    assert all(value > 0 for value in seconds.values())
    for W, same in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(W, same)


@pytest.mark.parametrize("kind", KINDS)
def test_the_twin_takes_the_same_step(kind: str) -> None:
    plain, steps = SMALL[kind].steps()
    next(steps)()
    model, steps = SMALL[kind].steps()
    with replaced(TWINS):
        next(steps)()
        assert factors.forget(np.zeros((1, 1)), np.ones((1, 1)), 0.25) == 0.25
    for W, same in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_allclose(W, same, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("repeats", [1, 4])
def test_step_parts_has_all_parts(repeats: int) -> None:
    parts = step_parts(SMALL[REGRESSION], repeats)
    assert tuple(parts) == PARTS
    assert sum(parts.values()) > parts[SOLVE] > 0


# -- the limit -------------------------------------------------------------------------------------


class Counted(np.ndarray):
    """An array whose products, and those of what is made of it, are counted in flops."""

    flops = 0

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        if out is not None:
            options["out"] = tuple(np.asarray(array) for array in out)
        result = getattr(ufunc, method)(*(np.asarray(array) for array in inputs), **options)
        if ufunc is np.matmul:
            Counted.flops += 2 * result.size * inputs[0].shape[-1]
        return np.asarray(result).view(Counted)


@pytest.fixture
def flops() -> Iterator[Any]:
    """Returns the flops of products since it was last called."""
    Counted.flops = 0

    def since() -> int:
        total, Counted.flops = Counted.flops, 0
        return total

    return since


def triangle(n: int, inner: int) -> int:
    """Flops of a symmetric product (n, inner) (inner, n), entry by entry."""
    return sum(2 * inner for i in range(n) for _ in range(i + 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("directions", [1, 2])
def test_products_are_those_of_the_step(kind: str, directions: int, flops: Any) -> None:
    case = SMALL[kind]
    widths, B, C = case.widths, case.batch, case.widths[-1]
    formula = products(widths, B, categorical=kind == CLASSIFICATION, directions=directions)
    model, steps = case.steps()
    next(steps)()
    network, weights = model.network, model.weights
    X = case.data()[0][:B].view(Counted)

    forward = network.forward(weights, X)
    assert formula[FORWARD] == (once := flops())
    rows = network.backward(weights, forward, np.ones((B, 1 + C, C)).view(Counted))
    assert formula[BACKWARD] == flops()
    for _ in range(directions):
        network.tangent(weights, forward, weights)
    assert formula[JOINT] == flops() + once

    targets, solve, moments = 0, 0, 0
    for index, (row, h, now) in enumerate(zip(rows, forward.inputs, model.layers, strict=True)):
        D, K = now.mean.shape
        spectrum = Spectrum(np.ones(K), np.eye(K))
        spectrum.solve_rows(row[:, 0, :])
        targets += flops() + triangle(K, K)
        moments += triangle(D, B)
        if kind == CLASSIFICATION or index + 1 < len(model.layers):
            moments += triangle(K, B * C)
        design = now.design(h)
        pull = design.T @ (row[:, 0, :] @ np.eye(K))
        KroneckerGaussian(now.mean, np.eye(D), np.eye(K), np.ones((D, K))).solve(pull)
        solve += flops()
    assert (formula[TARGETS], formula[FACTORS], formula[SOLVE]) == (targets, moments, solve)


def test_products_of_the_output_deviations(flops: Any) -> None:
    case = SMALL[CLASSIFICATION]
    B, C = case.batch, case.widths[-1] - 1
    formula = products(case.widths, B, categorical=True)
    model, steps = case.steps()
    next(steps)()
    forward = model.network.forward(model.weights, case.data()[0][:B])
    rows = model.network.backward(model.weights, forward, np.ones((B, C, C + 1)).view(Counted))
    total = flops()
    for now, h, J in zip(model.layers, forward.inputs, rows, strict=True):
        variances = now.posterior.output_variances(now.design(h).view(Counted))
        assert (J @ now.posterior.column_basis).shape == (B, C, variances.shape[1])
        total += flops() + B * triangle(C, variances.shape[1])  # R R^T, with R of that shape
    assert formula[DEVIATIONS] == total
    assert products(case.widths, B, categorical=False)[DEVIATIONS] == 0
    assert formula[HYPER] == 0


def test_products_of_the_noise(flops: Any) -> None:
    case, C = SMALL[REGRESSION], 2  # with two outputs a matrix cannot be taken for a number
    widths, B = (*case.widths[:-1], C), case.batch
    total = 0
    for K in widths[1:]:
        rows = np.ones((B, C, K)).view(Counted)
        spread = (rows @ np.eye(K)) @ np.swapaxes(rows, 1, 2)
        assert spread.shape == (B, C, C)
        total += flops() + triangle(K, K)
    assert products(widths, B, categorical=False)[HYPER] == total


def test_the_matrices_that_a_step_decomposes() -> None:
    """H and A of both layers; before that H of hidden outputs, to floor it, and of the last."""
    for widths in ((3, 5, 1), (3, 5, 4)):
        _, steps = Case(widths, 6, 12).steps()
        next(steps)()
        sizes = sorted(len(matrix) for matrix in decomposed(next(steps)))
        assert sizes == sorted([4, 5, 6, widths[2], widths[1], widths[2]])


def test_rate_is_that_of_a_processor() -> None:
    assert 1e8 < dgemm_rate() < 1e13


def test_peak_memory_is_that_of_an_array() -> None:
    assert peak_memory(lambda: (np.ones(10**6), np.ones(10**6))) == pytest.approx(16, rel=0.01)
    assert peak_memory(lambda: np.ones(10**6).sum()) == pytest.approx(8, rel=0.01)


# -- summaries -------------------------------------------------------------------------------------


def test_exponent_of_a_power_law(rng: np.random.Generator) -> None:
    sizes = [50.0, 100.0, 300.0, 800.0]
    assert fitted_exponent(sizes, [3e-5 * s**1.7 for s in sizes]) == pytest.approx(1.7, rel=1e-10)
    design = np.stack([np.log(sizes), np.ones(4)], axis=1)
    seconds = rng.uniform(1, 2, 4)
    slope = np.linalg.solve(design.T @ design, design.T @ np.log(seconds))[0]
    assert fitted_exponent(sizes, seconds.tolist()) == pytest.approx(slope, rel=1e-10)


def test_middle_mean_ignores_the_slowest_and_the_fastest(rng: np.random.Generator) -> None:
    rows = rng.uniform(1, 2, (9, 3))
    rows[4] += 1000
    rows[2] -= 1000
    order = sorted(range(9), key=lambda i: rows[i].sum())
    np.testing.assert_allclose(middle_mean(rows), rows[order[2:7]].mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(middle_mean(rows[:1]), rows[0])


# -- PyTorch ---------------------------------------------------------------------------------------


@needs_peers
@pytest.mark.parametrize("kind", KINDS)
def test_peers_have_the_same_network_and_data(kind: str) -> None:
    case = SMALL[kind]
    X, Y = case.data()
    model, steps = case.steps()
    for _ in range(5):
        next(steps)()
    approximation = kronecker_fit(model.network, model.weights, X, Y, kind)()
    f = model.network.forward(model.weights, X).outputs[-1]
    loss = (
        0.5 * ((Y - f) ** 2).sum() if kind == REGRESSION else -Categorical().log_density(Y, f).sum()
    )
    assert float(approximation.loss) == pytest.approx(float(loss), rel=1e-4)
    step = adam_step(model.network, X, Y, kind)
    losses = [float(step()) for _ in range(200)]
    assert losses[-1] < 0.9 * losses[0]


# -- the command -----------------------------------------------------------------------------------


def columns(output: str, title: str) -> list[str]:
    """Cells of a column of the first table."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in output.splitlines()]
    place = rows[0].index(title)
    end = rows.index([])
    return [row[place] for row in rows[2:end]]


@pytest.mark.parametrize(
    "with_peers", [pytest.param(True, marks=needs_peers), False], ids=["peers", "no peers"]
)
def test_command(
    with_peers: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if not with_peers:
        monkeypatch.setitem(sys.modules, "torch", None)
    arguments = ["benchmark", "--only", "8-50-1", "--repeats", "2", "--json", "records.json"]
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    records = json.loads((tmp_path / "records.json").read_text())
    steps = [record for record in records if record["measured"] == "step"]
    assert [step["batch"] for step in steps] == [32, 256, 1000]
    for step in steps:
        assert sum(step["parts"].values()) == pytest.approx(step["seconds"], rel=1e-12)
        assert step["limit_seconds"] == pytest.approx(
            step["limit_flops"] / step["dgemm_rate"] + step["limit_eigen_seconds"], rel=1e-12
        )
        assert 0.1 < step["peak_mb"] < 20
        assert (step["adam_seconds"] is not None) == with_peers
    assert len(records) == 3 + with_peers
    assert columns(output.out, "network, batch") == ["8-50-1, 32", "8-50-1, 256", "8-50-1, all"]
    ratios = columns(output.out, "step / limit")
    for cell, step in zip(ratios, steps, strict=True):
        assert cell == f"{step['seconds'] / step['limit_seconds']:.2g}"
    assert all(cell == "-" for cell in columns(output.out, "Adam")) != with_peers


def test_unknown_shape(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--only", "8-50"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("balinp: unknown shape '8-50'; known: 8-50-1, 64-100-10")


def test_cases_are_regressions_and_classes() -> None:
    for case in CASES:
        X, Y = case.data()
        assert X.shape == (case.n_data, case.widths[0])
        assert Y.shape == (case.n_data, case.widths[-1])
        if case.kind == CLASSIFICATION:
            assert (Y.sum(axis=1) == 1).all()
            assert (Y.sum(axis=0) > 0).all()
    np.testing.assert_array_equal(CASES[0].data()[0], CASES[0].data()[0])
