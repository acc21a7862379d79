"""Generated curves: defaults find what there is, and nothing in noise; targets without noise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from balinp import BALIRegressor
from balinp.defaults import Training
from balinp.experiments import UserError
from balinp.experiments.curve_cases import CURVES, drawn
from balinp.experiments.curves import (
    CLEAR,
    FOUND,
    LOST,
    METHODS,
    MLP,
    NETWORKS,
    curves,
    report,
    run,
    verdict,
)

ONE, TWO, THREE = NETWORKS
BY_NAME = {curve.name: curve for curve in CURVES}
QUICK = [
    ("sin 2.5x", ONE), ("sin 4x", TWO), ("exp(-8x^2)", ONE), ("sin 2 pi x", THREE),
    ("damped wave", ONE), ("x sin x", THREE), ("x1 x2", TWO), ("cos 2|x|", ONE),
    ("sin + cos", ONE), ("sinc 2x", TWO),
    ("trend, 5 periods", TWO), ("sin x, 8 periods", TWO),
]  # fmt: skip


def test_the_suite_is_what_it_says():
    signals = [curve for curve in CURVES if not curve.is_noise]
    assert len(BY_NAME) == len(CURVES)
    assert len(signals) == 25
    assert {curve.n_in for curve in CURVES} == {1, 2, 3}
    assert min(curve.rows for curve in CURVES) == 30
    assert max(curve.rows for curve in CURVES) == 300
    assert min(curve.noise for curve in signals) == 0.01
    assert max(curve.noise for curve in signals) == 0.5


@pytest.mark.parametrize("name", BY_NAME)
def test_data_are_the_function_and_noise_of_the_stated_size(name):
    curve = BY_NAME[name]
    one, same, other = drawn(curve, 3), drawn(curve, 3), drawn(curve, 4)
    np.testing.assert_array_equal(one.Y, same.Y)
    assert (one.X[:5] != other.X[:5]).all()
    np.testing.assert_array_equal(one.truth[:, 0], curve.function(one.X_test))
    errors = np.vstack([s.Y_test - s.truth for s in (one, other)])
    assert errors.std() == pytest.approx(curve.noise, rel=0.12)
    assert one.X.shape == (curve.rows, curve.n_in)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "hidden"), QUICK, ids=str)
def test_a_curve_that_the_perceptron_finds_is_found(name, hidden):
    ours, theirs = (run(BY_NAME[name], hidden, method, seed=0) for method in ("BALI", MLP))
    assert theirs["r2"] > FOUND, "the case is one that can be learnt"
    assert ours["r2"] > FOUND
    assert ours["coverage_95"] > 0.85
    assert ours["gain"] > 0.5


@pytest.mark.slow
@pytest.mark.equation("EV-8", "EV-12")
@pytest.mark.parametrize("hidden", [ONE, THREE], ids=str)
def test_small_batches_find_a_wave_as_well(hidden):
    """Where hidden units need long to bend, averages over batches would make it noise."""
    ours = run(BY_NAME["sin 4x"], hidden, "batches of 32", seed=0)
    assert ours["r2"] > FOUND
    assert 0.9 < ours["coverage_95"]
    assert ours["gain"] > 1.5


@pytest.mark.slow
@pytest.mark.parametrize("name", [curve.name for curve in CURVES if curve.is_noise])
def test_noise_is_left_alone(name):
    for hidden in (ONE, THREE):
        assert run(BY_NAME[name], hidden, "BALI", seed=0)["gain"] > -0.02


@pytest.mark.stress
@pytest.mark.parametrize("hidden", NETWORKS, ids=str)
@pytest.mark.parametrize("method", [name for name in METHODS if name != MLP])
def test_the_whole_suite(method, hidden):
    records = [run(c, hidden, m, seed=0) for c in CURVES for m in (method, MLP)]
    mlp = {r["curve"]: r["r2"] for r in records if r["method"] == MLP}
    ours = [r for r in records if r["method"] == method]
    signals = [r for r in ours if r["r2"] is not None]
    found = [r["r2"] >= FOUND for r in signals if mlp[r["curve"]] >= FOUND]
    assert np.mean(found) >= 0.9, verdict(records, method)
    assert not [r for r in signals if r["r2"] < LOST and mlp[r["curve"]] >= CLEAR]
    assert min(r["gain"] for r in ours if r["r2"] is None) > -0.02
    assert 0.9 < np.mean([r["coverage_95"] for r in ours]) < 0.99


def test_a_table_of_two_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr("balinp.experiments.curves.NETWORKS", ((4,), (3, 3)))
    monkeypatch.setattr(
        "balinp.experiments.curves.REGRESSION_TRAINING",
        Training({"likelihood": "gaussian"}, {"epochs": 3}),
    )
    monkeypatch.setattr("balinp.experiments.curve_figure.POINTS", 5)
    records = curves(
        only=["line", "noise, 2 inputs"], methods=["BALI"], seeds=2,
        json_path=tmp_path / "records.json", figure_path=tmp_path / "curves.png",
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.count("| line") == 2
    assert "Hidden layers: 3, 3" in printed
    assert json.loads((tmp_path / "records.json").read_text()) == records
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert len(records) == 2 * 2 * 2 * 2
    for record in records:
        assert (record["r2"] is None) == (record["curve"] != "line")
        assert (record["gain"] is None) == (record["method"] == MLP)


def test_what_is_asked_for_must_be_there():
    with pytest.raises(UserError, match="unknown curve 'parabola'; .*known: sin 1.5x"):
        curves(only=["parabola"])
    with pytest.raises(UserError, match="unknown method 'kriging'; .*known: BALI"):
        curves(methods=["kriging"])


def record(curve, method, r2, coverage=None, gain=None):
    return {
        "curve": curve, "hidden": [5], "method": method, "seed": 0, "r2": r2,
        "coverage_95": coverage, "gain": gain,
    }  # fmt: skip


def test_a_verdict_counts_what_is_found_lost_and_made_of_noise():
    records = [
        record("a", "BALI", 0.96, 0.9, 1.0), record("a", MLP, 0.97),
        record("b", "BALI", 0.94, 0.8, 1.0), record("b", MLP, 0.99),
        record("c", "BALI", 0.30, 1.0, 0.1), record("c", MLP, 0.93),
        record("n", "BALI", None, 0.9, -0.5), record("n", MLP, None),
    ]  # fmt: skip
    found = verdict(records, "BALI")
    assert found.startswith("1 of the 2 ")
    assert ", 1 lost" in found
    assert "coverage 0.900" in found
    assert "-0.500 nats" in found
    table = report(records)
    assert "0.96 / 0.90 / 1.000" in table
    assert "- / 0.90 / -0.500" in table


# Noise-free targets


def smooth(X: np.ndarray) -> np.ndarray:
    return np.sin(3 * X[:, 0]) + (0.5 * X[:, -1] ** 2 if X.shape[1] > 1 else 0.0)


@pytest.mark.slow
@pytest.mark.equation("EV-8", "EV-10", "JS-5")
@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize(("n_in", "rows", "most"), [(1, 20, 0.02), (2, 60, 0.05)])
def test_targets_with_hardly_any_noise_are_interpolated(n_in, rows, most, noise):
    rng = np.random.default_rng(n_in)
    X, X_test = rng.uniform(-1, 1, (rows, n_in)), rng.uniform(-0.9, 0.9, (200, n_in))
    y = smooth(X) + noise * rng.standard_normal(rows)
    mean, std = BALIRegressor(random_state=0).fit(X, y).predict(X_test, return_std=True)
    error = np.sqrt(np.mean((mean - smooth(X_test)) ** 2))
    assert error < most * smooth(X_test).std()
    assert std.mean() < 0.1 * smooth(X_test).std()


# Search by expected improvement


def valley(X: np.ndarray) -> np.ndarray:
    """A smooth function of one or two inputs in [0, 1] with two minima along the first."""
    value = np.sin(6 * X[:, 0]) + X[:, 0]
    return value if X.shape[1] == 1 else value + 2 * (X[:, 1] - 0.3) ** 2


def search(n_in: int, first: int, steps: int) -> float:
    """How far the lowest value found is above the lowest there is, as a share of their range."""
    rng = np.random.default_rng(5)
    candidates = rng.uniform(0, 1, (2000, n_in))
    values = valley(candidates)
    seen = list(range(first))
    for _ in range(steps):
        model = BALIRegressor(random_state=0).fit(candidates[seen], values[seen])
        mean, std = model.predict(candidates, return_std=True)
        better = (values[seen].min() - mean) / std
        improvement = std * (better * norm.cdf(better) + norm.pdf(better))
        improvement[seen] = -1.0
        seen.append(int(improvement.argmax()))
    return float((values[seen].min() - values.min()) / np.ptp(values))


@pytest.mark.slow
@pytest.mark.parametrize(("n_in", "first", "steps"), [(1, 5, 8), (2, 8, 20)])
def test_expected_improvement_finds_the_minimum(n_in, first, steps):
    assert search(n_in, first, steps) < 0.01
