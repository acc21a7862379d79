"""One's own table: how columns are read, what is refused in one line, and that nothing leaks."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import limited
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from balinp.cli import main
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError
from balinp.experiments.dataset import SCALES, Dataset
from balinp.experiments.datasets import load, with_gaps
from balinp.experiments.evaluate import evaluate
from balinp.experiments.frames import from_frame
from balinp.experiments.methods import select
from balinp.experiments.runner import run
from balinp.experiments.stopping import stoppable, undisturbed

N = 60


@pytest.fixture
def table(rng: np.random.Generator) -> pd.DataFrame:
    """Numbers with some missing, categories of two and of three, true and false, a target."""
    age = rng.uniform(20, 80, N).round(1)
    site = rng.choice(["north", "south, east", "west"], N)
    frame = pd.DataFrame(
        {
            "age": age,
            "dose": rng.integers(1, 9, N),
            "site": site,
            "sex": rng.choice(["f", "m"], N),
            "smokes": rng.random(N) < 0.3,
            "outcome": 0.1 * age + 2.0 * (site == "west") + 0.3 * rng.standard_normal(N),
        }
    ).round(2)  # pandas before 3 reads long numbers with a wrong last bit
    frame.loc[[3, 10, 59], "age"] = np.nan
    frame["group"] = np.where(frame["outcome"] > frame["outcome"].median(), "high", "low")
    return frame


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- what is read ----------------------------------------------------------------------------------


def test_methods_see_what_scikit_learns_transformers_make_of_the_training_rows(
    table: pd.DataFrame,
) -> None:
    """Means and standard deviations of training rows alone; an indicator of what was missing."""
    before = table.copy()
    dataset = from_frame(table, "outcome", drop=["group"])
    pd.testing.assert_frame_equal(table, before)
    for train, test in (dataset.split(0), dataset.split(1)):
        numbers = ["age", "dose", "smokes"]
        names = ["site", "sex"]
        expected = make_pipeline(
            ColumnTransformer(
                [
                    ("numbers", SimpleImputer(add_indicator=True), numbers),
                    ("names", OneHotEncoder(drop="if_binary", sparse_output=False), names),
                ],
                verbose_feature_names_out=False,
            ),
            StandardScaler(),
        )
        inputs = table.astype({"smokes": float})
        expected[0].fit(inputs)  # which categories there are; then statistics of training rows
        expected[0].named_transformers_["numbers"].fit(inputs.loc[train, numbers])
        in_train = expected[0].transform(inputs.loc[train])
        expected[1].fit(in_train)
        columns = {name: column for column, name in enumerate(expected[0].get_feature_names_out())}
        same = {"age missing": "missingindicator_age", "sex = m": "sex_m", "smokes": "smokes"}
        same |= {f"site = {s}": f"site_{s}" for s in ("north", "south, east", "west")}
        order = [columns[same.get(name, name)] for name in dataset.inputs]
        scale = SCALES[dataset.input_scale](dataset.X[train])
        for rows in (train, test):
            got = scale.to_standard(dataset.X[rows])
            wanted = expected[1].transform(expected[0].transform(inputs.loc[rows]))[:, order]
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(dataset.Y[:, 0], table["outcome"])
    assert dataset.note == (
        "60 rows; numbers: age, dose, smokes; categories: site (3), sex (2); missing: age (3)."
    )


def test_test_rows_have_no_say_in_what_is_put_for_missing_values(table: pd.DataFrame) -> None:
    dataset = from_frame(table, "outcome")
    train, test = dataset.split(0)
    changed = dataset.X.copy()
    changed[test] *= 1e6
    before, after = (SCALES[dataset.input_scale](X[train]) for X in (dataset.X, changed))
    np.testing.assert_array_equal(
        before.to_standard(dataset.X[train]), after.to_standard(dataset.X[train])
    )


@pytest.mark.parametrize(
    ("values", "inputs"),
    [
        (pd.array([1, None] * 10, dtype="Int64"), ("c", "c missing")),
        (pd.array([True, None] * 10, dtype="boolean"), ("c", "c missing")),
        ([True, None] * 10, ("c", "c missing")),
        ([decimal.Decimal("1.5")] * 20, ("c",)),
        (pd.Categorical([1, 2] * 10), ("c = 2",)),
        (["a", None, "b", "c"] * 5, ("c = a", "c = b", "c = c", "c = missing")),
        (["a", None] * 10, ("c = missing",)),
    ],
    ids=str,
)
def test_columns_of_other_types(values: object, inputs: tuple[str, ...]) -> None:
    frame = pd.DataFrame({"c": values, "y": np.arange(20)}, index=range(5, 25))
    dataset = from_frame(frame, "y")
    assert dataset.inputs == inputs
    missing = frame["c"].isna().to_numpy()
    if inputs[-1].endswith("missing"):
        np.testing.assert_array_equal(dataset.X[:, -1], missing)
    for k, name in enumerate(inputs):
        _, _, level = name.partition(" = ")
        if level not in ("", "missing"):
            np.testing.assert_array_equal(dataset.X[:, k], frame["c"].astype(str) == level)


def test_classes_are_in_order_of_their_values_and_every_split_has_their_shares() -> None:
    frame = pd.DataFrame({"x": np.arange(40.0), "y": [10, 2, 2, 2] * 10})
    dataset = from_frame(frame, "y", classes=True)
    assert dataset.kind == CLASSIFICATION
    np.testing.assert_array_equal(dataset.Y.argmax(axis=1), (frame["y"] == 10).astype(int))
    for k in range(3):
        np.testing.assert_array_equal(dataset.Y[dataset.split(k).test].sum(axis=0), [9, 3])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_is_the_frame_that_was_written(
    separator: str, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.to_csv(tmp_path / "Own.csv", index=False, sep=separator, encoding="utf-8-sig")
    monkeypatch.setenv("BALINP_DATA", str(tmp_path))
    dataset, expected = load("CSV:Own.csv", "outcome"), from_frame(table, "outcome")
    assert (dataset.name, dataset.inputs) == ("csv:Own", expected.inputs)
    np.testing.assert_array_equal(dataset.X, expected.X)
    np.testing.assert_array_equal(dataset.Y, expected.Y)


def test_gaps_are_along_complete_columns(table: pd.DataFrame) -> None:
    dataset = from_frame(table, "outcome")
    assert [dataset.inputs[k] for k in with_gaps(dataset).gap_columns or ()] == ["dose"]
    with pytest.raises(UserError, match="--published-gap: needs all inputs of all rows"):
        with_gaps(dataset, "published")


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([f"name {i}" for i in range(20)], "got 20 different ones in 20 rows, the first 'name 0'"),
        ([None] * 20, "expected values, it is empty; --drop 'c'"),
        (["1", "2", "?", "4"] * 5, "expected numbers, got '?' in row 3, 5 such in all"),
        (["1,5", "2,5"] * 10, "expected numbers with a decimal point, got '1,5'"),
        ([np.inf, 1.0] * 10, "expected finite numbers, got inf in row 1"),
        (["2024-01-05", "1/2/24"] * 10, "got dates such as '2024-01-05'"),
        (pd.date_range("2024", periods=20), "got dates such as '2024-01-01"),
        ([datetime.date(2024, 1, 1)] * 20, "got dates"),
        (pd.period_range("2024-01", periods=20, freq="M"), "got dates"),
        ([1, "a"] * 10, "expected numbers or text, got mixed-integer"),
        ([1j] * 20, "expected numbers or text, got complex"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_columns_are_refused_by_name(values: object, message: str) -> None:
    frame = pd.DataFrame({"c": values, "x": np.arange(20.0), "y": np.arange(20.0)})
    with pytest.raises(UserError) as refusal:
        from_frame(frame, "y")
    text = str(refusal.value)
    assert text.startswith("column 'c': ")
    assert message in text
    assert "\n" not in text
    assert from_frame(frame, "y", drop=["c"]).inputs == ("x",)


def test_frames_that_are_none() -> None:
    frame = pd.DataFrame({"x": np.arange(20.0), "y": np.arange(20.0)})
    for given, message in (
        (frame.to_numpy(), "expected a pandas data frame, got ndarray"),
        (frame[["y"]], "expected a column besides the target 'y'"),
        (frame[["x", "y", "x"]], "two are called 'x'"),
        (frame.assign(y=3.0), "expected numbers that differ, all are 3"),
        (frame.rename(columns={"x": "Unnamed: 0"}), "it has no name and counts the rows"),
    ):
        with pytest.raises(UserError, match=message):
            from_frame(given, "y")
    with pytest.raises(UserError, match="expected columns other than the target"):
        from_frame(frame, "y", drop=["y"])
    with pytest.raises(UserError, match="target: expected the name of a column"):
        evaluate(frame)
    with pytest.raises(UserError, match="expected a data frame to go with, got a Dataset"):
        evaluate(from_frame(frame, "y"), target="y")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("x,price\n" + "1,2\n" * 20, ["--target", "prise"], "did you mean 'price'? columns: x, pr"),
        ("x,price\n" + "1,2\n" * 20, [], "which column is to be predicted? --target COLUMN"),
        ("x,price\n1,2\n", ["--target", "price"], "expected at least 10 rows, got 1"),
        ("x,y\n" + "1,2\n3,\n" * 10, ["--target", "y"], "in 10 of 20, the first of them row 2"),
        ("x,y\n" + "1,a\n2,b\n" * 9, ["--target", "y"], "for classes add --classes"),
        ("x,y\n" + "".join(f"1,{i}.5\n" for i in range(20)), ["--target", "y", "--classes"],
         "got 20 classes in 20 rows; for a number leave --classes out"),
        ("x,y\n" + "1,a\n" * 20, ["--target", "y", "--classes"], "at least two classes, got 'a'"),
        ("x,y\n" + "1,2\n" * 20, ["--target", "y", "--drop", "z"], "unknown column for --drop 'z'"),
        ("", ["--target", "y"], "not a table of values in UTF-8 (No columns"),
        ("x,y\n1,2,3,4\n1,2\n1,2,3,4,5\n", ["--target", "y"], "not a table of values in UTF-8"),
        ("x,y\n\xff,2\n", ["--target", "y"], "not a table of values in UTF-8"),
        ("x, x,y\n" + "1,2,3\n" * 20, ["--target", "y"], "different names, two are called 'x'"),
    ],
)  # fmt: skip
def test_bad_tables_are_one_line_and_leave_nothing(
    content: str,
    options: list[str],
    message: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "own.csv").write_bytes(content.encode("latin-1"))
    assert main(["evaluate", "csv:own.csv", *options, "--json", "r.json"]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert message in output.err
    assert [path.name for path in here.iterdir()] == ["own.csv"]


def test_records_do_not_take_the_place_of_anything_else(
    here: Path, table: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table itself, by a slip of the tab key; the figure; a link; a pipe."""
    command = ["evaluate", "diabetes", "--methods", "BayesianRidge", "--splits", "1"]
    table.to_csv("own.csv", index=False)
    before = (here / "own.csv").read_bytes()
    assert main(["evaluate", "csv:own.csv", "--target", "outcome", "--json", "own.csv"]) == 2
    assert main([*command, "--json", "./r.png", "--figure", "r.png"]) == 2
    own, figure = capsys.readouterr().err.splitlines()
    assert own == "balinp: own.csv: expected a new file or one of records, got one of another kind"
    assert figure == "balinp: r.png: expected another file for the figure than for the records"
    assert [path.name for path in here.iterdir()] == ["own.csv"]
    assert (here / "own.csv").read_bytes() == before

    (here / "there").mkdir()
    (here / "link.json").symlink_to(here / "there" / "r.json")
    assert main([*command, "--no-figure", "--json", "link.json"]) == 0
    assert (here / "link.json").is_symlink()
    kept = json.loads((here / "there" / "r.json").read_text())

    records = evaluate("diabetes", methods=["BayesianRidge"], splits=1, json_path="r.json",
                       figure_path=None)  # fmt: skip
    assert json.loads((here / "r.json").read_text())[0]["rmse"] == records[0]["rmse"]

    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDWR | os.O_NONBLOCK)  # it waits for nobody
    assert main([*command, "--no-figure", "--json", "pipe"]) == 0
    (record,) = json.loads(os.read(reader, 2**16))
    os.close(reader)
    assert record["rmse"] == kept[0]["rmse"]
    assert (here / "pipe").is_fifo()
    assert not (here / "pipe.journal").exists()


def test_pandas_is_asked_for_by_name(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "own.csv").write_text("x,y\n1,2\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert main(["evaluate", "csv:own.csv", "--target", "y"]) == 2
    assert "pandas, which reads tables, is not installed: pip install" in capsys.readouterr().err


# -- evaluated -------------------------------------------------------------------------------------


def test_own_table_on_the_command_line(
    here: Path, table: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also that the scores are those of the frame in Python, of its classes, and in gaps."""
    table.to_csv("own.csv", index=False)
    common = ["evaluate", "csv:own.csv", "--target", "outcome", "--drop", "group", "--splits", "2"]
    assert main([*common, "--methods", "bayesianridge", "--json", "-"]) == 0
    output = capsys.readouterr()
    records = json.loads(output.out)  # and nothing besides
    assert "csv:own: 60 rows; numbers: age, dose" in output.err
    assert (here / "evaluate_csv_own.png").read_bytes().startswith(b"\x89PNG")

    again = evaluate(
        table, target="outcome", drop=["group"], splits=2, methods=["BayesianRidge"],
        figure_path=None,
    )  # fmt: skip
    times = {"dataset": "", "seconds": 0, "cpu_seconds": 0}
    assert [record | times for record in again] == [record | times for record in records]
    assert all(record["rmse"] < 1.5 for record in records)
    capsys.readouterr()

    classes = ["evaluate", "csv:own.csv", "--target", "group", "--classes", "--drop", "outcome"]
    assert main([*classes, "--splits", "1", "--methods", "mlp", "--no-figure"]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert main([*common[:-2], "--gap", "--methods", "bayesianridge", "--no-figure"]) == 0
    assert "| dose " in capsys.readouterr().out
    assert sorted(path.name for path in here.iterdir()) == ["evaluate_csv_own.png", "own.csv"]


def test_a_data_set_of_ones_own_making(table: pd.DataFrame) -> None:
    dataset = from_frame(table, "outcome", name="mine")
    own = Dataset("mine", REGRESSION, dataset.X[:, 1:2], dataset.Y, dataset.split)
    (record,) = evaluate(own, splits=1, methods=["BayesianRidge"], figure_path=None)
    assert (record["dataset"], record["split"]) == ("mine", 0)
    with pytest.raises(ValueError, match="kind: expected one of regression, classification"):
        replace(own, kind="ranking")
    with pytest.raises(ValueError, match="Y: expected a matrix with a row for each datum"):
        replace(own, Y=own.Y[1:])


# -- stopped ---------------------------------------------------------------------------------------

SLOW = """
import time
from sklearn.linear_model import LinearRegression

class Slow(LinearRegression):
    '''Takes an interruption for the end of its training, as scikit-learn's networks do.'''

    def fit(self, X, y):
        for _ in range(10):
            try:
                time.sleep(0.02)
            except KeyboardInterrupt:
                break
        return super().fit(X, y)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_is_one_line_that_says_what_is_kept(
    here: Path, table: pd.DataFrame, workers: str
) -> None:
    table.to_csv("own.csv", index=False)
    (here / "mine.py").write_text(SLOW)
    command = [sys.executable, "-m", "balinp", "evaluate", "csv:own.csv", "--target", "outcome"]
    command += ["--methods", "BayesianRidge", "--method", "mine:Slow", "--splits", "20"]
    command += ["--json", "r.json", "--jobs", workers]
    process = subprocess.Popen(
        limited(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    journal = here / "r.json.journal"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(0.1)
    # To all processes, as a terminal does; the shell above them has become the first.
    os.killpg(process.pid, signal.SIGINT)
    output, error = process.communicate()
    kept = journal.read_bytes().count(b"\n") - 1
    assert process.returncode == 130
    assert (output, error) == (
        "",
        f"balinp: stopped; {kept} of 40 outcomes are kept in r.json.journal; "
        "go on with the same command and --resume\n",
    )
    assert not (here / "r.json").exists()


def test_what_is_begun_to_be_kept_is_kept() -> None:
    """Ctrl-C while an outcome is written: it counts. Joblib says nothing of the others."""
    outcomes = run(load("diabetes"), select("regression", ["BayesianRidge"]), range(30), jobs=2)
    assert next(outcomes).record["method"] == "BayesianRidge"
    outcomes.close()
    done: list[str] = []

    def stopped_while_writing() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append("kept")
        done.append("gone on")

    with pytest.raises(KeyboardInterrupt), stoppable():
        stopped_while_writing()
    assert done == ["kept"]


def test_ctrl_c_without_records(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(*arguments: object, **others: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("balinp.experiments.evaluate.run", pressed)
    handler = signal.getsignal(signal.SIGINT)
    assert main(["evaluate", "diabetes"]) == 130
    assert capsys.readouterr().err == (
        "balinp: stopped; nothing is kept; with --json FILE finished outcomes are, and --resume "
        "goes on\n"
    )
    assert signal.getsignal(signal.SIGINT) is handler
    monkeypatch.setattr("balinp.demo.demo", pressed)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == (
        "balinp: stopped; nothing is kept; the same command begins anew\n"
    )
