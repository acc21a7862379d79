"""The benchmark: a watch whose parts add up, names that are restored, flops that are counted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count, islice, repeat
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest

from balinp import coordinates, pseudo_targets, semidefinite, spectral
from balinp import step as training_step
from balinp.bali import BALI
from balinp.cli import main
from balinp.experiments import CLASSIFICATION, KINDS, REGRESSION, UserError, memory, race
from balinp.experiments.benchmark import TWINS, fitted_exponent, run_mean, step_parts, warm_up
from balinp.experiments.benchmark_cases import (
    CASES,
    HELD_OUT,
    NOISE,
    Case,
    Underway,
    generated,
)
from balinp.experiments.limits import decomposed, dgemm_rate, products
from balinp.experiments.memory import STATUS, own_peak, peak_memory, process_peak, resident_peak
from balinp.experiments.race import Curve, bali_curve, batches, compared, race_record, trained
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
from balinp.experiments.torch_steps import Adam, adam_step, available, kronecker_fit
from balinp.experiments.turns import Take, Taken, build, turn_length, turns
from balinp.likelihood import Categorical, Gaussian
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import MLP
from balinp.single import single_squares
from balinp.standard_basis import STANDARD

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
            assert training_step.joint_step is not before[id(training_step), "joint_step"]
            assert MLP.forward is not before[id(MLP), "forward"]
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    after = names()
    assert before.keys() == after.keys()
    assert all(after[key] is value for key, value in before.items())


def test_a_function_is_replaced_wherever_it_is_known() -> None:
    with replaced({spectral.decompose: lambda matrix, name: name}):
        for module in (spectral, coordinates, pseudo_targets):
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
    watched, steps = SMALL[kind].steps()
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
    drawn = set() if kind == REGRESSION else {DEVIATIONS}
    assert seconds.keys() == set(PARTS) - {DEVIATIONS} | drawn
    assert all(value > 0 for value in seconds.values())
    for W, same in zip(watched.model.weights, plain.model.weights, strict=True):
        np.testing.assert_array_equal(W, same)


@pytest.mark.parametrize("kind", KINDS)
def test_the_twin_takes_the_same_step(kind: str) -> None:
    plain, steps = SMALL[kind].steps()
    for _ in range(3):
        next(steps)()
    watched, steps = SMALL[kind].steps()
    with replaced(TWINS):
        for _ in range(3):
            next(steps)()
        assert semidefinite.semidefinite_rows is next(iter(TWINS.values()))
    for W, same in zip(watched.model.weights, plain.model.weights, strict=True):
        np.testing.assert_allclose(W, same, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("repeats", [1, 4])
def test_step_parts_has_all_parts(repeats: int) -> None:
    fit, steps = SMALL[REGRESSION].steps()
    warm_up(steps, 3)
    parts = step_parts(steps, repeats)
    assert fit.model.steps == 3 + repeats
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


LIMIT = {REGRESSION: Case((3, 5, 4, 1), 6, 12), CLASSIFICATION: Case((3, 5, 4, 6), 6, 12)}
"""Neither has a layer wide enough for tridiagonal form."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("directions", [1, 2])
def test_products_are_those_of_the_step(kind: str, directions: int, flops: Any) -> None:
    case = LIMIT[kind]
    categorical = kind == CLASSIFICATION
    widths, B, outputs = case.widths, case.batch, case.widths[-1]
    C = 4 if categorical else outputs  # labels
    formula = products(widths, B, categorical=categorical, directions=directions)
    network = MLP(widths).of_designs()
    weights = [W.view(Counted) for W in network.initial_weights(np.random.default_rng(0))]
    X = np.ones((B, widths[0] + 1)).view(Counted)

    forward = network.forward(weights, X)
    assert formula[FORWARD] == flops()
    rows = network.backward(weights, forward, np.ones((B, 1 + C, outputs)).view(Counted))
    assert formula[BACKWARD] == flops()
    for _ in range(directions):
        first = network.first_change(forward, weights)
        network.tangent(weights, forward, weights, first)
    network.forward(weights, X, first=forward.outputs[0])
    assert formula[JOINT] == flops()

    factors, solve, hyper = 0, 0, 0
    for index, (row, design, W) in enumerate(
        zip(rows, network.designs(forward), weights, strict=True)
    ):
        D, K = W.shape
        right = design.view(Counted).T @ row[:, 0, :]
        is_known = not categorical and index + 1 == len(weights)
        factors += flops() + (0 if is_known else triangle(K, B * C))
        factors += triangle(D, B) if index else 0
        if K == 1:
            solve += D**3 + 2 * D**2
            continue
        basis = np.eye(D) if index else STANDARD
        posterior = KroneckerGaussian(W, basis, np.eye(K), np.ones((D, K)))
        posterior.solve(right.view(Counted))
        solve += flops()
        if not categorical:  # gamma alone is enough
            (np.eye(K).view(Counted) * np.ones(K)) @ np.eye(K).T
        hyper += flops()
    assert (formula[FACTORS], formula[SOLVE], formula[HYPER]) == (factors, solve, hyper)


def test_products_of_tridiagonal_form() -> None:
    D, K = 3, 50
    both = products([2, K, 1], 10, categorical=False)[SOLVE]
    rest = products([2, 5, 1], 10, categorical=False)[SOLVE] - (4 * D * 5**2)  # 5 < 2 D
    assert rest == 6**3 + 2 * 6**2
    form = 8 * K**3 / 3 + 2 * (2 * D * K**2) + 2 * (2 * K**3)
    assert both == pytest.approx(form + (K + 1) ** 3 + 2 * (K + 1) ** 2, rel=1e-12)


@pytest.mark.parametrize("outputs", [5, 6])
def test_products_of_the_output_deviations(outputs: int, flops: Any) -> None:
    """All but the combinations that matter is in single precision, which counts half."""
    widths, B, draws = (3, 5, 4, outputs), 6, 8
    network = MLP(widths).of_designs()
    weights = network.initial_weights(np.random.default_rng(0))
    forward = network.forward(weights, np.ones((B, 4)))
    total = 0.0
    dz = np.ones((draws // 2, B, widths[1])).view(Counted)
    for index, (design, W) in enumerate(zip(network.designs(forward), weights, strict=True)):
        D, K = W.shape
        basis = np.eye(D) if index else STANDARD
        posterior = KroneckerGaussian(W, basis, np.eye(K), np.ones((D, K)))
        squares = single_squares(posterior, design.view(Counted))
        assert squares.dtype == np.float32
        design.view(Counted) @ np.ones((D, K))
        dz = network.carried(weights, forward, index, dz) if index else dz
        np.ones((draws // 2 * B, K)).view(Counted) @ np.eye(K).T
        total += flops() / 2
    R = np.ones((outputs - 1, outputs)).view(Counted)
    np.ones((draws // 2, B, outputs)).view(Counted) @ (R.T @ R)
    formula = products(widths, B, categorical=True, draws=draws)
    assert formula[DEVIATIONS] == total + flops()
    assert products(widths, B, categorical=False)[DEVIATIONS] == 0


def test_products_of_the_noise(flops: Any) -> None:
    widths, B, C = (3, 5, 4, 2), 6, 2
    total = 0
    for K in widths[1:]:
        rows = np.ones((B, C, K)).view(Counted)
        spread = (rows @ np.eye(K)).reshape(B * C, K).T
        assert (spread @ np.ones((B * C, C))).shape == (K, C)
        np.eye(K).view(Counted) @ np.eye(K)
        total += flops()
    assert products(widths, B, categorical=False)[HYPER] == total


def test_the_matrices_that_a_step_decomposes() -> None:
    """H of both layers and A of the second; of a layer with one output neither.

    A softmax has no curvature along its last direction: the spectrum of the floored H is kept.
    """
    for K, output_layer in ((1, []), (4, [4, 6])):
        _, steps = Case((3, 5, K), 32, 320).steps()
        for _ in range(10):
            sizes = sorted(len(matrix) for matrix in decomposed(next(steps)))
            assert sizes == sorted([5, *output_layer])


def test_rate_is_that_of_a_processor() -> None:
    assert 1e8 < dgemm_rate() < 1e13


# -- memory ----------------------------------------------------------------------------------------


def test_peak_memory_is_that_of_an_array() -> None:
    assert peak_memory(lambda: (np.ones(10**6), np.ones(10**6))) == pytest.approx(16, rel=0.01)
    assert peak_memory(lambda: np.ones(10**6).sum()) == pytest.approx(8, rel=0.01)


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux")
def test_process_peak_is_that_of_its_own_data() -> None:
    array = np.ones(2 * 10**8 // 8)  # 200 MB here, which must not count there
    here = resident_peak()
    small = process_peak(SMALL[REGRESSION], 2)
    large = process_peak(Case((3, 5, 4, 1), 6, 2 * 10**6), 2)
    assert small is not None
    assert large is not None
    assert 30 < small < here > 1e-6 * array.nbytes
    assert 48 + 16 < large - small < 1000  # X, Y; and what making them takes


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux")
def test_memory_of_a_fit_from_a_map(capsys: pytest.CaptureFixture[str]) -> None:
    memory.main(["20000", "--batch-size", "5000", "--map"])
    found = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(found["rows"]) == 20_000
    assert 30 < float(found["before_mb"]) < float(found["own_peak_mb"])
    assert float(found["own_peak_mb"]) < float(found["peak_mb"])


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux")
def test_own_memory_is_without_files(tmp_path: Path) -> None:
    np.save(tmp_path / "zeros.npy", np.zeros(10**7))
    mapped = np.load(tmp_path / "zeros.npy", mmap_mode="r")
    before = own_peak(lambda: None)
    assert own_peak(lambda: mapped.sum()) - before < 20

    def hold() -> None:
        array = np.ones(10**7)
        sleep(0.1)
        assert array[0] == 1

    assert 75 < own_peak(hold) - before < 100


# -- summaries -------------------------------------------------------------------------------------


def test_exponent_of_a_power_law(rng: np.random.Generator) -> None:
    sizes = [50.0, 100.0, 300.0, 800.0]
    assert fitted_exponent(sizes, [3e-5 * s**1.7 for s in sizes]) == pytest.approx(1.7, rel=1e-10)
    design = np.stack([np.log(sizes), np.ones(4)], axis=1)
    seconds = rng.uniform(1, 2, 4)
    slope = np.linalg.solve(design.T @ design, design.T @ np.log(seconds))[0]
    assert fitted_exponent(sizes, seconds.tolist()) == pytest.approx(slope, rel=1e-10)


def test_run_mean_is_the_run_of_median_sum(rng: np.random.Generator) -> None:
    rows = rng.uniform(1, 2, (60, 3))
    rows[0] += 1000
    rows[59] -= 1000
    np.testing.assert_allclose(run_mean(rows), rows[20:40].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(run_mean(rows[:59]), rows[:59].mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(run_mean(rows[:1]), rows[0])


def test_warm_up_ends_when_it_has_taken_long(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    monkeypatch.setattr("balinp.experiments.benchmark.CLOCK", time)
    for seconds, expected in ((0.1, 30), (0.5, 10), (60, 3)):
        before = time.now
        warm_up(repeat(partial(time.spend, seconds)))
        assert time.now - before == pytest.approx(expected * seconds)


# -- data ------------------------------------------------------------------------------------------


def test_inputs_have_principal_variances_that_fall() -> None:
    X, _, _ = generated(20_000, 6, 1, REGRESSION)
    variances = np.linalg.eigvalsh(X.T @ X / len(X))[::-1]
    k = np.arange(1, 7)
    np.testing.assert_allclose(variances, 1 / k / np.mean(1 / k), rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_noisy_and_not_linear(kind: str) -> None:
    N, K = 20_000, 1 if kind == REGRESSION else 4
    X, Y, log_densities = generated(N, 6, K, kind)
    design = np.hstack([X, np.ones((N, 1))])
    residuals = Y - design @ np.linalg.lstsq(design, Y, rcond=None)[0]
    assert log_densities.shape == (N,)
    if kind == REGRESSION:
        expected = -0.5 * np.log(2 * np.pi * np.e * NOISE**2)
        assert abs(log_densities.mean() - expected) < 5 * np.sqrt(0.5 / N)
        assert residuals.var() > 5 * NOISE**2
    else:
        # E[1 / p(y)] counts the classes, whatever p: the labels come from these probabilities.
        inverse = np.exp(-log_densities)
        assert abs(inverse.mean() - K) < 5 * inverse.std() / np.sqrt(N)
        assert residuals.var() > 0.6 * Y.var()
        assert -1 < log_densities.mean() < -0.4  # nats; log 4 is 1.39


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [5, 12])
def test_steps_are_those_of_a_fit(kind: str, batch: int) -> None:
    """Those of the first pass; before later ones in batches `fit` looks at all its data (EV-12)."""
    case = replace(SMALL[kind], batch=batch)
    passes: list[list[Any]] = []
    model = BALI(**case.arguments())
    model.fit(
        *case.data(),
        epochs=1 if batch < 12 else 2,
        batch_size=batch,
        callback=lambda model: passes.append([W.copy() for W in model.weights]),
    )
    fit = Underway(case)
    for weights in passes:
        order = fit.model.rng.permutation(np.arange(12)) if batch < 12 else np.arange(12)
        for start in range(0, 12, batch):
            fit.step(order[start : start + batch])
        for W, same in zip(weights, fit.model.weights, strict=True):
            np.testing.assert_array_equal(W, same)


def test_held_out_data_are_not_trained_on() -> None:
    case = SMALL[REGRESSION]
    X, Y, log_densities = generated(case.n_data + HELD_OUT, 3, 1, REGRESSION)
    held_out = case.held_out()
    np.testing.assert_array_equal(np.vstack([case.data()[0], held_out[0]]), X)
    np.testing.assert_array_equal(np.vstack([case.data()[1], held_out[1]]), Y)
    assert held_out[2] == log_densities[case.n_data :].mean()


# -- race ------------------------------------------------------------------------------------------


def test_training_ends_by_steps_or_seconds_and_looking_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = Time()

    def log_likelihood() -> float:
        time.spend(1000)
        return -time.now

    def run(steps: int, seconds: float, lost: float = np.inf, spent: float = 0.0) -> Curve:
        return trained(
            lambda rows: time.spend(float(rows[0])),
            log_likelihood,
            (np.array([2]) for _ in count()),
            steps=steps,
            seconds=seconds,
            growth=1.4,
            lost=lost,
            spent=spent,
            clock=time,
        )

    curve = run(steps=100, seconds=19.0)
    assert curve.steps == [1, 2, 3, 5, 7, 10]
    assert curve.seconds == [2 * n for n in curve.steps]
    assert curve.log_likelihood[:2] == [-1012, -2014]
    assert run(steps=4, seconds=19.0).steps == [1, 2, 3, 4]
    assert run(steps=4, seconds=0.0).steps == [1]
    assert run(steps=9, seconds=19.0, spent=13.0).seconds == [15, 17, 19]
    monkeypatch.setattr(race, "SETTLED", 2)
    assert run(steps=9, seconds=99.0, lost=0.0).steps == [1, 2, 3]
    assert run(steps=9, seconds=99.0, lost=2003.0).steps == [1, 2, 3]  # where it has lost 2004
    assert run(steps=9, seconds=99.0, lost=2005.0).steps == [1, 2, 3, 5]


def test_batches_are_passes_over_the_data() -> None:
    first, second = (
        np.concatenate([*islice(stream, 3)]) for stream in [batches(10, 4)] for _ in range(2)
    )
    np.testing.assert_array_equal(np.sort(first), np.arange(10))
    np.testing.assert_array_equal(np.sort(second), np.arange(10))
    assert (first != second).any()
    assert [len(rows) for rows in islice(batches(10, 4), 4)] == [4, 4, 2, 4]
    np.testing.assert_array_equal(next(batches(10, 10)), np.arange(10))


def test_levels_of_the_race() -> None:
    bali = Curve([1, 2, 3, 4], [1, 2, 3, 4], [-3.0, -1.505, -1.2, -1.3])
    worse = Curve([1, 2], [0.1, 0.2], [-5.0, -1.305])
    best = Curve([1, 2, 3, 4], [0.5, 0.6, 0.7, 0.8], [-4.0, -1.508, -1.5, -2.0])
    sooner = Curve([1, 2], [0.05, 0.1], [-1.309, -1.308])  # there first, but not the best
    record = compared(bali, {0.01: sooner, 0.1: worse})
    assert record == {
        "learning_rate": 0.1,
        "adam_best": -1.305,
        "adam_seconds": 0.2,
        "bali_best": -1.2,
        "bali_seconds": 3,
        "bali_final": -1.3,
        "bali_final_seconds": 3,
        "adam_final_seconds": 0.05,
    }
    record = compared(bali, {0.01: best})
    assert (record["adam_best"], record["adam_seconds"]) == (-1.5, 0.6)
    assert (record["bali_seconds"], record["adam_final_seconds"]) == (2, None)
    behind = Curve([1], [1.0], [-1.52])
    record = compared(behind, {0.01: best})
    assert (record["bali_seconds"], record["bali_best"]) == (None, -1.52)
    assert (record["bali_final_seconds"], record["adam_final_seconds"]) == (1.0, 0.6)


@pytest.mark.parametrize("kind", KINDS)
def test_bali_races_at_its_default_settings(kind: str) -> None:
    case = SMALL[kind]
    epochs = {REGRESSION: 400, CLASSIFICATION: 200}[kind]  # of few rows
    curve = bali_curve(case)
    fit = Underway(case)
    model = fit.model
    assert (model.forward, model.activation) == {
        REGRESSION: ("mean", "tanh"),
        CLASSIFICATION: ("linearised", "relu"),
    }[kind]
    assert model.network.widths == case.widths
    for rows in islice(batches(12, 6), 2 * epochs):
        fit.step(rows)
    X_test, Y_test, _ = case.held_out()
    assert curve.steps[-1] == fit.model.steps == 2 * epochs
    assert curve.log_likelihood[-1] == fit.model.predict(X_test).logpdf(Y_test).mean()
    assert (np.diff(curve.seconds) > 0).all()


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


@needs_peers
@pytest.mark.parametrize("kind", KINDS)
def test_adam_maximises_the_log_likelihood(kind: str) -> None:
    case = Case(SMALL[kind].widths, 12, 12)
    adam = Adam(case.model().network, kind, 0.01)
    X, Y = case.data()
    tensors = adam.tensors(X, Y)
    losses = [float(adam.step(*tensors)) for _ in range(300)]
    assert losses[-1] < losses[0] - 0.3
    f = adam.model(tensors[0]).detach().numpy().astype(float)
    variance = float(adam.log_sigma.detach().exp()) ** 2
    likelihood = Gaussian(variance) if kind == REGRESSION else Categorical()
    expected = likelihood.log_density(Y, f).mean()
    assert (variance != 1) == (kind == REGRESSION)
    assert adam.log_likelihood(*tensors) == pytest.approx(expected, rel=1e-4)


@needs_peers
def test_race_of_a_small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "ADAM_STEPS", 50)
    case = Case((3, 8, 1), 100, 100)
    record = race_record(case)
    steps = [curve["steps"][-1] for curve in (record["bali"], *record["adam"])]
    assert steps == [400, 50, 50, 50]
    assert [curve["learning_rate"] for curve in record["adam"]] == [0.01, 0.001, 0.0001]
    assert record["adam_best"] == max(max(curve["log_likelihood"]) for curve in record["adam"])
    assert record["bali_final"] == record["bali"]["log_likelihood"][-1] > record["adam_best"]
    assert record["adam_final_seconds"] is None
    assert record["truth"] > record["bali_best"]


# -- the command -----------------------------------------------------------------------------------


def columns(output: str, title: str) -> list[str]:
    """Cells of a column, in the first table that has it."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in output.splitlines()]
    head = next(index for index, row in enumerate(rows) if title in row)
    end = rows.index([], head)
    return [row[rows[head].index(title)] for row in rows[head + 2 : end]]


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
    monkeypatch.setattr(race, "SECONDS", 0.05)
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
        assert step["other_ratio"] is None
        assert step["process_peak_mb"] is None  # of the widest network only
    others = [record["measured"] for record in records[3:]]
    assert others == (["posterior"] + 3 * ["race"]) * with_peers
    assert ("BALI's last" in output.out) == with_peers
    assert columns(output.out, "network, batch") == ["8-50-1, 32", "8-50-1, 256", "8-50-1, all"]
    ratios = columns(output.out, "step / limit")
    for cell, step in zip(ratios, steps, strict=True):
        assert cell == f"{step['seconds'] / step['limit_seconds']:.2g}"
    assert all(cell == "-" for cell in columns(output.out, "Adam")) != with_peers


def test_turns_with_another_build(tmp_path: Path) -> None:
    """Its steps are taken by its own code: here one whose steps take a tenth of a second longer."""
    package = tmp_path / "balinp"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "bali.py").write_text(
        "import time\n"
        "class BALI:\n"
        "    def __init__(self, **arguments):\n"
        "        assert arguments['hidden'] == [5, 4]\n"
        "        self.history = []\n"
        "    def fit(self, X, Y, *, epochs, batch_size):\n"
        "        assert (X.shape, Y.shape, batch_size) == ((12, 3), (12, 1), 6)\n"
        "        for _ in range(epochs):\n"
        "            end = time.process_time() + 0.1\n"
        "            while time.process_time() < end:\n"
        "                pass\n"
        "            self.history.append(None)\n"
    )
    record = turns(SMALL[REGRESSION], 5, tmp_path)
    assert 0.1 < record["other_seconds"] < 0.15
    assert record["first_seconds"] > record["fit_seconds"] / 2 > 0
    assert record["other_ratio"] > 5
    assert (record["adam_ratio"] is None) == (not available("torch"))
    assert record["page_faults"] < 50
    (package / "bali.py").write_text("class BALI:\n    pass\n")
    with pytest.raises(UserError, match="its fit ended with code 1"), build(tmp_path, {}, {}, {}):
        pass


def test_turns_are_long_enough_and_not_too_many() -> None:
    def steps_of(seconds: float) -> tuple[list[int], Take]:
        asked: list[int] = []

        def take(steps: int) -> Taken:
            asked.append(steps)
            return Taken(seconds * steps, 0)

        return asked, take

    asked, take = steps_of(0.01)
    assert turn_length(take, 1000) == 20  # of TURN seconds
    assert asked == [2, 20]
    asked, take = steps_of(0.01)
    assert turn_length(take, 25) == 5
    asked, take = steps_of(10.0)
    assert turn_length(take, 1000) == 2
    assert asked == [2]


def test_a_directory_without_balinp_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "--only", "8-50-1", "--against", str(tmp_path)]) == 2
    assert "--against: expected a directory that holds balinp" in capsys.readouterr().err


def test_unknown_shape(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--only", "8-50"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("balinp: unknown shape '8-50'; did you mean '8-50-1'? known: 8-50-1, ")


def test_cases_are_regressions_and_classes() -> None:
    for case in CASES:
        X, Y = case.data()
        assert X.shape == (case.n_data, case.widths[0])
        assert Y.shape == (case.n_data, case.widths[-1])
        if case.kind == CLASSIFICATION:
            assert (Y.sum(axis=1) == 1).all()
            assert (Y.sum(axis=0) > 0).all()
    np.testing.assert_array_equal(CASES[0].data()[0], CASES[0].data()[0])
