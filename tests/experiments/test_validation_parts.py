"""Choosing without test data: parts of training data, and commands that compare rules on them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from balinp import BALI, dense
from balinp._types import Array
from balinp.cli import main
from balinp.data import Data
from balinp.evidence import effective_parameters
from balinp.experiments import (
    UserError,
    conjugate_prior,
    gap_rules,
    joint_cost,
)
from balinp.experiments.dataset import Dataset
from balinp.experiments.datasets import for_validation, load, training_part, with_gaps
from balinp.experiments.methods import select
from balinp.joint_posterior import JointPosterior
from balinp.uncertainty import noise_covariance


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Sixty rows of diabetes with two inputs, by its name."""
    whole = load("diabetes")
    few = replace(whole, X=whole.X[:60, :2], Y=whole.Y[:60])
    few = replace(few, split=lambda k: type(whole.split(0))(np.arange(50), np.arange(50, 60)))
    for module in (conjugate_prior, gap_rules):
        monkeypatch.setattr(module, "load", lambda name: few)
    return few


@pytest.mark.parametrize("name", ["diabetes", "wine"])
def test_validation_parts_are_parts_of_training_data(name: str) -> None:
    data = load(name)
    inner = for_validation(data)
    for k in range(3):
        outer, (train, test) = data.split(k), inner.split(k)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), outer.train)
        share = 0.2 if name == "diabetes" else 0.25
        assert len(test) == pytest.approx(share * len(outer.train), abs=2)
        if name == "wine":
            shares = [data.Y[rows].mean(axis=0) for rows in (train, test)]
            np.testing.assert_allclose(*shares, atol=0.03)
    np.testing.assert_array_equal(inner.split(2).test, for_validation(load(name)).split(2).test)
    assert inner.name == f"{name}-validation"


def test_gaps_for_validation_are_of_the_training_part() -> None:
    data = load("diabetes")
    part = training_part(data)
    np.testing.assert_array_equal(part.X, data.X[data.split(0).train])
    np.testing.assert_array_equal(part.Y, data.Y[data.split(0).train])
    gaps = with_gaps(part)
    assert gaps.name == "diabetes-validation-gap"
    assert len(gaps.split(0).train) + len(gaps.split(0).test) == len(data.split(0).train)
    train, test = part.split(1)
    assert len(train) + len(test) == len(part.X)


def test_the_command_tests_on_them_and_divides_as_asked(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rest = ["--splits", "1", "--methods", "BayesianRidge", "--json", "records.json"]
    data = load("diabetes")
    train, test = for_validation(data).split(0)
    method = select("regression", ["BayesianRidge"])[0]
    found = {}
    for scale in ("common", "column"):
        assert main(["evaluate", "diabetes", "--validation", "--input-scale", scale, *rest]) == 0
        (record,) = json.loads((tmp_path / "records.json").read_text())
        predictive = method.fit(data.X[train], data.Y[train], 0, scale)(data.X[test])
        found[scale] = np.sqrt(np.mean((predictive.mean - data.Y[test]) ** 2))
        assert record["rmse"] == pytest.approx(found[scale], rel=1e-9)
    assert found["common"] != pytest.approx(found["column"], rel=1e-4)
    capsys.readouterr()
    assert (tmp_path / "evaluate_diabetes-validation.png").exists()
    assert main(["evaluate", "diabetes", "--validation", "--gap", *rest]) == 0
    assert "rows tested in it" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["evaluate", "diabetes", "--input-scale", "rows"])


def trained(X: Array, Y: Array, **options: Any) -> BALI:
    return BALI((4,), seed=1, **options).fit(X, Y, epochs=30)


@pytest.fixture
def curve(rng: np.random.Generator) -> tuple[Array, Array]:
    X = rng.normal(size=(40, 2))
    return X, np.sin(2 * X[:, :1]) + 0.1 * rng.normal(size=(40, 1))


@pytest.mark.equation("EV-1")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
def test_what_is_said_of_a_hidden_layer(prior: str, curve: tuple[Array, Array]) -> None:
    X, Y = curve
    model = trained(X, Y, prior=prior)
    said = conjugate_prior.hidden_layer(model, X)
    layer, factors = model.layers[0], model.layers[0].state.reported
    assert factors is not None
    gamma = effective_parameters(layer)  # from averages that have nearly come to rest
    assert float(said["gamma of the hidden layer"].split()[0]) == pytest.approx(gamma, abs=1)
    variance = noise_covariance(model).item()
    J = dense.jacobian(model, X)[:, 0, :12]  # type: ignore[arg-type]
    A, prior_matrix = J.T @ J / variance, model.prior_precisions[0]
    exact = np.trace(np.linalg.inv(A + prior_matrix) @ A)
    assert conjugate_prior.exact_gamma(model, X) == pytest.approx(exact, rel=1e-9)
    _, _, largest = (float(v) for v in reversed(_numbers(said, "prior std along")))
    G = layer.state.prior_output_precision
    assert largest == pytest.approx(1 / np.sqrt(np.linalg.eigvalsh(G)[0]), rel=0.05)
    h = np.linalg.eigvalsh(factors.H)
    rank = float(said["effective rank of H"].split()[0])
    assert rank == pytest.approx(h.sum() ** 2 / (h**2).sum(), abs=0.006)
    z = X @ layer.mean[:-1] + layer.mean[-1]
    assert float(said["rms pre-activation"]) == pytest.approx(np.sqrt((z**2).mean()), abs=0.006)


def _numbers(said: dict[str, str], start: str) -> list[str]:
    (value,) = (value for key, value in said.items() if key.startswith(start))
    return value.split(", ")


def test_the_table_of_the_conjugate_prior(
    toy: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(conjugate_prior, "RUNS", (("isotropic", 3), ("conjugate", 2)))
    conjugate_prior.main(["toy"])
    lines = capsys.readouterr().out.splitlines()
    assert "toy, isotropic, 3 steps" in lines[0]
    assert "toy, conjugate, 2 steps" in lines[0]
    found = conjugate_prior.column("toy", "isotropic", 3)
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines[2:]]
    assert [(row[0], row[1]) for row in cells] == list(found.items())
    monkeypatch.setattr(conjugate_prior, "load", lambda name: load("wine"))
    with pytest.raises(UserError, match="expected a data set of regression"):
        conjugate_prior.column("wine", "isotropic", 1)


@pytest.mark.equation("JP-5")
def test_scales_of_layers_maximise_the_evidence(curve: tuple[Array, Array]) -> None:
    X, Y = curve
    model = trained(X, Y)
    J = dense.jacobian(model, X)[:, 0]  # type: ignore[arg-type]
    A = J.T @ J / noise_covariance(model).item()
    sizes = [W.size for W in model.weights]
    prior = np.repeat([layer.prior_precision for layer in model.layers], sizes)
    w = np.concatenate([W.ravel(order="F") for W in model.weights])

    def loss(log_scales: Array) -> float:
        p = prior / np.repeat(np.exp(log_scales), sizes)
        log_det = np.linalg.slogdet(A + np.diag(p))[1] - np.log(p).sum()
        return 0.5 * float(p @ w**2 + log_det)

    best = minimize(loss, [0.5, 0.5], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-11})
    assert (best.x > 0).all()  # else there is the bound of 1
    np.testing.assert_allclose(gap_rules.layer_scales(model, X), np.exp(best.x), rtol=1e-4)


def test_rules_for_gaps(toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = toy.X[:40] * 20, (toy.Y[:40] - 150) / 80
    model = BALI((4,), covariance="auto", noise="student").fit(X, Y, epochs=20)
    found = gap_rules.predictives(model, X, Y, X[:3])
    default = found["the same, scale in doubt by 8"]
    np.testing.assert_allclose(default.covariance, model.predict(X[:3]).covariance, rtol=1e-9)
    narrow = found["joint, prior as in training, Student"]
    wide = found["the same, prior variance times 4"]
    assert (wide.epistemic > narrow.epistemic).all()
    G = [layer.state.prior_output_precision for layer in model.layers]
    args = (model.network, model.weights, G, noise_covariance(model), Data(X, Y, None))
    expected = JointPosterior.of(*args, prior_scale=4.0).epistemic(X[:3])
    np.testing.assert_allclose(wide.epistemic, expected, rtol=1e-9)

    short = replace(gap_rules.REGRESSION_TRAINING, fit={"epochs": 3})
    monkeypatch.setattr(gap_rules, "REGRESSION_TRAINING", short)
    monkeypatch.setattr(gap_rules, "PEERS", ("BayesianRidge",))
    lines = gap_rules.report(["toy"], peers=True).splitlines()
    assert len(lines) == 2 + 6 + 3 + 1
    assert len(gap_rules.report(["toy"], rows=40).splitlines()) == len(lines) - 1
    gaps = with_gaps(training_part(toy))
    assert f"toy ({gaps.n_splits})" in lines[0]
    ridge = select("regression", ["BayesianRidge"])[0]
    values = []
    for k in range(gaps.n_splits or 0):
        train, test = gaps.split(k)
        p = ridge.fit(gaps.X[train], gaps.Y[train], 0)(gaps.X[test])
        values.append(p.logpdf(gaps.Y[test]).mean())
    last = [c.strip() for c in lines[-1].strip("|").split("|")]
    shown = f"{np.mean(values):.2f} / {np.median(values):.2f} / {np.min(values):.2f}"
    assert last == ["BayesianRidge", shown]


def test_cost_of_the_pass_after_training() -> None:
    text = joint_cost.report([joint_cost.Size(2, 3, 30)], repeats=1, steps=2)
    row = [c.strip() for c in text.splitlines()[2].strip("|").split("|")]
    assert row[:3] == ["2-3-1", "13", "30"]
    assert float(row[4]) > 0
