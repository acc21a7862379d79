"""Test rows that occur in training, and groups that are held out whole."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from balinp import cli
from balinp._types import Array
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError, seen_rows
from balinp.experiments import groups as groups_module
from balinp.experiments.dataset import Dataset
from balinp.experiments.datasets import load
from balinp.experiments.evaluate import evaluate
from balinp.experiments.groups import GROUPS, group_numbers, group_report, shown, with_groups
from balinp.experiments.leakage import leakage, leakage_table, main
from balinp.experiments.methods import Method, Predictor
from balinp.experiments.seen_rows import scores_apart, seen_table
from balinp.experiments.splits import Split, group_split
from balinp.predictive import GaussianPredictive

PAGE = Path(__file__).resolve().parents[2] / "balinp/experiments/leakage.md"


def random_data(rng: np.random.Generator, kind: str = REGRESSION) -> Dataset:
    """Few values, so that rows repeat, zeros of both signs among them."""
    X = rng.integers(-1, 3, (90, 3)) * 0.1
    X[rng.random(X.shape) < 0.2] *= -0.0
    labels = rng.integers(0, 3, 90)
    Y = labels[:, None] / 3 if kind == REGRESSION else np.eye(3)[labels]
    return Dataset("toy", kind, X, Y, lambda k: Split(np.arange(k, 60), np.arange(60, 90)))


@pytest.mark.parametrize("kind", [REGRESSION, CLASSIFICATION])
def test_shares_are_those_of_every_pair_of_rows(rng: np.random.Generator, kind: str) -> None:
    data = random_data(rng, kind)
    for k, found in enumerate(leakage(data, range(4))):
        train, test = data.split(k)
        differ = data.X[test][:, None] != data.X[train][None]
        same = ~differ.any(axis=2)
        target = (data.Y[test][:, None] == data.Y[train][None]).all(axis=2)
        rows = (same & target).any(axis=1)
        one = (differ.sum(axis=2) == 1) & ~same.any(axis=1)[:, None]
        assert found.rows == pytest.approx(rows.mean(), rel=1e-12)
        assert found.inputs == pytest.approx((same.any(axis=1) & ~rows).mean(), rel=1e-12)
        assert found.one_off == pytest.approx(one.any(axis=1).mean(), rel=1e-12)
        by_input = [(one & differ[:, :, j]).any(axis=1).sum() for j in range(3)]
        assert by_input[found.input] == max(by_input)
        assert 0 < found.rows < 1
        assert found.inputs > 0


def test_nothing_leaks_from_distinct_rows(rng: np.random.Generator) -> None:
    halves = Split(np.arange(10), np.arange(10, 20))
    X = rng.standard_normal((20, 4))
    data = Dataset("toy", REGRESSION, X, np.zeros((20, 1)), lambda k: halves)
    assert leakage(data, [0]) == [(0.0, 0.0, 0.0, None)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.99])
def test_groups_are_whole_and_as_many_as_asked_for(rng: np.random.Generator, share: float) -> None:
    groups = rng.integers(0, 12, 200) * 5
    sizes = np.bincount(groups)
    tested = set()
    for k in range(5):
        train, test = group_split(k, groups=groups, test_fraction=share)
        assert not set(groups[train]) & set(groups[test])
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(200))
        off = abs(len(test) - share * 200)
        assert len(train) > 0
        assert len(test) > 0
        assert off <= max(sizes)
        np.testing.assert_array_equal(group_split(k, groups=groups, test_fraction=share).test, test)
        tested.add(tuple(np.unique(groups[test])))
    assert len(tested) > 1, "every split draws groups of its own"


def test_the_share_is_the_nearest_that_whole_groups_allow() -> None:
    groups = np.repeat([0, 1, 2, 3], [5, 5, 5, 5])
    for share, expected in ((0.0, 5), (0.37, 5), (0.38, 10), (0.62, 10), (0.63, 15), (1.0, 15)):
        assert len(group_split(3, groups=groups, test_fraction=share).test) == expected


def test_one_group_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="groups: expected at least two, got 1"):
        group_split(0, groups=np.zeros(4, dtype=np.intp), test_fraction=0.1)


def test_data_with_groups(rng: np.random.Generator) -> None:
    data = random_data(rng)
    held = with_groups(data, "0-1")
    assert (held.name, held.n_splits, held.group_columns) == ("toy-groups-0-1", None, (0, 1))
    numbers = group_numbers(data, (0, 1))
    assert len(np.unique(numbers)) == len(np.unique(data.X[:, :2] + 0.0, axis=0))
    for k in range(3):
        train, test = held.split(k)
        assert not set(numbers[train]) & set(numbers[test])
        assert 0.2 < len(test) / 90 < 0.5, "about the third that the own splits have"
    assert with_groups(data, "2,0").group_columns == (0, 2)
    assert max(one.rows + one.inputs for one in leakage(with_groups(data, "0-2"), range(5))) == 0
    sizes = np.bincount(numbers)
    assert f"{len(sizes)} groups of {sizes.min()} to {sizes.max()} rows" in group_report(held)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ("3", "expected columns from 0 to 2, got 3"),
        ("0,2-5", "expected columns from 0 to 2, got 2-5"),
        ("2-1", "expected columns from 0 to 2, got 2-1"),
        ("-1", "expected columns such as 0-4,6 or known, got '-1'"),
        ("0,,1", "expected columns such as 0-4,6 or known"),
        ("known", "needs the columns, since no groups of toy are known; there are those of uci:"),
    ],
)
def test_columns_that_are_none_are_named(
    rng: np.random.Generator, columns: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=re.escape(f"--groups: {sentence}")):
        with_groups(random_data(rng), columns)


def test_groups_that_do_not_fit_are_named() -> None:
    data = Dataset("uci:yacht", REGRESSION, np.zeros((4, 2)), np.zeros((4, 1)), lambda k: k)
    with pytest.raises(UserError, match="uci:yacht has 2 inputs and is not the one"):
        with_groups(data, "known")
    with pytest.raises(UserError, match="all rows of uci:yacht agree in inputs 0"):
        with_groups(data, "0")


def test_the_form_of_columns() -> None:
    for columns in ((0,), (0, 1), (3, 5, 6, 7, 10)):
        assert set(range(11)) >= set(columns)
        data = Dataset("toy", REGRESSION, np.eye(11), np.eye(11), lambda k: Split(*np.eye(2, 2)))
        assert with_groups(data, shown(columns)).group_columns == columns


def test_the_command_says_what_leaks_and_holds_out_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ridge = ["--splits", "2", "--methods", "BayesianRidge"]
    assert cli.main(["evaluate", "diabetes", *ridge]) == 0
    assert "\n\nNo test row occurs in training, not even" in capsys.readouterr().out
    assert cli.main(["evaluate", "diabetes", *ridge, "--groups", "1,0"]) == 0
    ages = len(np.unique(load("diabetes").X[:, :2], axis=0))
    assert f"{ages} groups of 1 to " in capsys.readouterr().out
    assert (tmp_path / "evaluate_diabetes-groups-0-1.png").exists()
    assert cli.main(["evaluate", "diabetes", *ridge, "--groups"]) == 2
    assert "no groups of diabetes are known" in capsys.readouterr().err
    assert main(["diabetes", "nothing"]) == 2
    assert "unknown data set 'nothing'" in capsys.readouterr().err


def test_records_have_the_shares_of_their_split(
    rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.arange(90)
    data = replace(random_data(rng), split=lambda k: Split(rows[20 * k : 60], rows[60:]))
    records = evaluate(data, splits=3, methods=["BayesianRidge"], figure_path=None)
    shares = [
        (record["seen_rows"], record["seen_inputs"], record["seen_but_one"]) for record in records
    ]
    assert shares == [found[:3] for found in leakage(data, range(3))]
    assert len(set(shares)) > 1
    assert "test rows" in capsys.readouterr().out


def test_two_runs_side_by_side(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Means, standard errors and ranks by the mean; a method that one run lacks is left out."""
    files, means = [], []
    for name, methods in (("own", "ABC"), ("grouped", "CAD")):
        records = [
            {
                "method": method,
                "split": split,
                "rmse": rng.random(),
                "log_likelihood_gaussian": float(rng.standard_normal() + 3 * (method == "C")),
            }
            for split in range(3)
            for method in methods
        ]
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(records))
        means.append({m: np.mean([r["log_likelihood_gaussian"] for r in records
                                  if r["method"] == m]) for m in methods})  # fmt: skip
    assert groups_module.main([str(file) for file in files]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells] == ["method", cells[1][0], "A", "C"]
    for row in cells[2:]:
        assert float(row[1].split(" ±")[0]) == pytest.approx(means[0][row[0]], abs=0.06)
        assert float(row[2].split(" ±")[0]) == pytest.approx(means[1][row[0]], abs=0.06)
    assert [row[3:5] for row in cells[2:]] == [["2", "2"], ["1", "1"]]
    assert groups_module.main([]) == 2
    assert "expected two files of records" in capsys.readouterr().err


def test_scores_of_seen_and_new_rows(rng: np.random.Generator) -> None:
    """What remembers its training rows is right on the first kind alone."""
    X = np.append(np.arange(40.0), np.arange(10.0))[:, None]
    Y = rng.standard_normal((50, 1))
    Y[40:] = Y[:10]
    split = Split(np.arange(30), np.arange(30, 50))
    data = Dataset("toy", REGRESSION, X, Y, lambda k: split)

    def remembers(X: Array, Y: Array, seed: int) -> Predictor:
        def predict(X_new: Array) -> GaussianPredictive:
            near = np.abs(X_new - X.T).argmin(axis=1)
            return GaussianPredictive(Y[near], np.zeros((len(X_new), 1, 1)), np.eye(1))

        return predict

    seen, new = scores_apart(data, Method("memory", REGRESSION, remembers), 0)
    unit = Y[:30].std()
    assert seen == pytest.approx(norm.logpdf(0, scale=unit), rel=1e-12)
    off = Y[30:40] - Y[29]
    assert new == pytest.approx(norm.logpdf(off, scale=unit).mean(), rel=1e-12)
    table = seen_table(data, [Method("memory", REGRESSION, remembers)], 2)
    assert f"{seen - new:.3f}" in table.splitlines()[2]


def test_scores_apart_need_rows_of_both_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert seen_rows.main(["diabetes", "--methods", "BayesianRidge"]) == 2
    assert "diabetes: split 0 has 0 of 44 rows seen" in capsys.readouterr().err
    assert seen_rows.main(["iris", "--methods", "MLP"]) == 2
    assert "iris: expected a regression data set" in capsys.readouterr().err


SIZES = {
    "boston": (78, 506),
    "concrete": (427, 1030),
    "energy": (192, 768),
    "wine": (1359, 1599),
    "yacht": (22, 308),
}


@pytest.mark.parametrize("name", SIZES)
def test_known_groups(data_directory: Path, name: str) -> None:
    """As many as the data have; nothing of a test row's group is in training."""
    data = load(f"uci:uci/{name}")
    held = with_groups(data, "known")
    numbers = group_numbers(data, GROUPS[data.name].columns)
    assert (numbers.max() + 1, len(numbers)) == SIZES[name]
    assert all(one.rows == one.inputs == 0 for one in leakage(held, range(10)))


def test_the_table_of_the_page_is_that_of_the_data(data_directory: Path) -> None:
    names = ("boston", "concrete", "energy", "wine", "yacht")
    rows = leakage_table([load(f"uci:uci/{name}") for name in names]).splitlines()[2:]
    squeezed = {re.sub(r" +", " ", line) for line in PAGE.read_text("utf-8").splitlines()}
    assert {re.sub(r" +", " ", row) for row in rows} <= squeezed
