"""The command line: what it prints, writes and refuses, and what it does not import."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from image_files import write_images
from processes import python

import balinp
from balinp.cli import command, main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_evaluate_diabetes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [
        "BALI (isotropic)",
        "BALI (conjugate)",
        "Bayesian linear regression",
        "BayesianRidge",
    ]
    arguments = ["evaluate", "diabetes", "--splits", "2", "--json", "records.json"]
    assert main([*arguments, "--methods", *names]) == 0
    output = capsys.readouterr()
    assert output.err == ""  # silence in a pipe
    lines = output.out.splitlines()
    assert len(lines) == 10  # header, rule, four methods, explanation, leakage; two empty lines
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:6]] == names
    records = json.loads((here / "records.json").read_text())
    assert len(records) == 8
    assert {record["split"] for record in records} == {0, 1}
    assert {record["dataset"] for record in records} == {"diabetes"}
    assert all(record["rmse"] < 100 for record in records)
    assert (here / "evaluate_diabetes.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in here.iterdir()) == [
        "evaluate_diabetes.png",
        "records.json",
        "records.json.journal",
    ]


def test_chosen_methods_and_figure(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "wine", "--splits", "1", "--figure", "wine.pdf"]
    assert main([*arguments, "--methods", "MLP", "logistic regression"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| MLP ")
    assert lines[3].startswith("| logistic regression ")
    assert (here / "wine.pdf").read_bytes().startswith(b"%PDF")


def test_gaps_jobs_and_resume(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "diabetes", "--gap", "--json", "gap.json", "--resume", "--jobs", "2"]
    arguments += ["--methods", "BayesianRidge"]
    assert main([*arguments, "--splits", "2"]) == 0
    two = json.loads((here / "gap.json").read_text())
    assert main(arguments) == 0
    records = json.loads((here / "gap.json").read_text())
    assert records[:2] == two
    assert [record["split"] for record in records] == list(range(9))
    assert [record["gap_input"] for record in records] == [0, *range(2, 10)]
    assert all(record["epistemic_ratio"] > 0 for record in records)
    assert {record["dataset"] for record in records} == {"diabetes-gap"}
    output = capsys.readouterr().out
    assert "epistemic ratio, median" in output
    assert "over 9 gaps" in output
    assert f"| 4               | {records[3]['gap_rows']:>17} |" in output
    assert "No gap along input 1: too few distinct values." in output
    assert (here / "evaluate_diabetes-gap.png").exists()


def test_images_and_data_from_outside(
    here: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(here / "in", rng, 60)
    write_images(here / "out", rng, 20)
    arguments = ["evaluate", "mnist:in", "--ood", "out", "--json", "r.json"]
    assert main([*arguments, "--methods", "logistic regression", "MLP"]) == 0
    assert "| AUROC |" in capsys.readouterr().out.splitlines()[0]
    records = json.loads((here / "r.json").read_text())
    assert [record["split"] for record in records] == [0, 0]
    assert all(0 <= record["auroc"] <= 1 and 0 <= record["fpr95"] <= 1 for record in records)
    assert (here / "evaluate_mnist_in.png").exists()


def test_convergence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["convergence", "diabetes", "--passes", "100", "--json", "records.json"]
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:6]] == [
        "BALI",
        "Adam, rate 0.001",
        "Adam, rate 0.01",
        "Adam, rate 0.1",
    ]
    records = json.loads((here / "records.json").read_text())
    passes = records[0]["passes_to_target"]
    assert passes < 100
    assert lines[2].split("|")[-4].strip() == str(passes)
    assert (here / "convergence_diabetes.png").read_bytes().startswith(b"\x89PNG")


def test_convergence_of_records_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["convergence", "Diabetes", "--passes", "100", "--json", "-", "--no-figure"]
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert {record["method"] for record in json.loads(output.out)} == {"BALI", "Adam"}
    assert output.err.startswith("| method ")
    assert list(here.iterdir()) == []


def test_demo_without_a_figure(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--no-figure"]) == 0
    assert "Figure" not in capsys.readouterr().out
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("evaluate", ["data sets:", "  csv:FILE", "methods for regression:", "  BALI (isotropic)"]),
        ("benchmark", ["8-50-1", "64-100-10"]),
        ("curves", ["curves:", "  sin 1.5x", "methods:", "  BALI"]),
    ],
)
def test_names_are_listed(
    command: str, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--list"])
    assert end.value.code == 0
    lines = dict.fromkeys(capsys.readouterr().out.splitlines())  # methods of both kinds come twice
    assert [line for line in lines if line in names] == names


def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "diabetes", "--splits", "1", "--no-figure"]
    command += ["--methods", "bayesianridge", "bayesian linear regression"]
    assert main(command) == 0
    piped = capsys.readouterr().out
    assert max(map(len, piped.splitlines())) > 80

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(command) == 0
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("| method") for line in lines) > 1


@pytest.mark.parametrize("options", [["--no-figure", "--json"], ["--figure"]])
def test_what_cannot_be_written_is_said_before_the_work(
    options: list[str],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The superuser may write anywhere, so the answer of the system is made up."""
    monkeypatch.setattr("balinp.experiments.output.os.access", lambda place, mode: False)
    monkeypatch.setattr("balinp.experiments.evaluate.run", None)  # it does not come to that
    assert main(["evaluate", "diabetes", "--methods", "MLP", *options, "r.png"]) == 2
    assert capsys.readouterr().err == "balinp: r.png: cannot be written, . is not writable\n"
    assert list(here.iterdir()) == []


def test_progress_on_a_terminal(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["evaluate", "diabetes", "--splits", "1", "--methods", "BayesianRidge"]) == 0
    written = terminal.getvalue()
    assert re.match(
        r"diabetes: 1 fit, about [.\d]+ s of the processor by stored records\n", written
    )
    assert "1/1" in written
    assert "wrote evaluate_diabetes.png" in written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nothing"], "unknown data set 'nothing'; known: diabetes, digits"),
        (["evaluate", "uci:nowhere"], "no directory nowhere"),
        (["evaluate", "uci:."], "data.txt: no such file"),
        (["evaluate", "diabetis"], "unknown data set 'diabetis'; did you mean 'diabetes'?"),
        (["evaluate", "diabetes", "--methods", "mlb"], "'mlb'; did you mean 'MLP'?"),
        (["evaluate", "diabetes", "--target", "y"], "expected csv:FILE to go with, got diabetes"),
        (["evaluate", "csv:none.csv"], "no file none.csv"),
        (["evaluate", "diabetes", "--json", "."], "expected the name of a file to write"),
        (["evaluate", "diabetes", "--resume", "--json", "-"], "--resume: needs --json FILE"),
        (["evaluate", "diabetes", "--method", "nothere:x"], "importing 'nothere' failed with"),
        (["evaluate", "diabetes", "--method", "sklearn"], "expected MODULE:OBJECT"),
        (["evaluate", "diabetes", "--method", "sklearn.svm:SVX"], "no attribute 'SVX'"),
        (["evaluate", "diabetes", "--method", "sklearn.svm:SVC"], "an estimator for regression"),
        (["evaluate", "diabetes", "--method", "math:pi"], "got float, which has no fit"),
        (["curves", "--only", "sin"], "unknown curve 'sin'"),
        (["benchmark", "--only", "8-50"], "unknown shape '8-50'; did you mean '8-50-1'?"),
        (["evaluate", "diabetes", "--json", "no/where.json"], "no directory no to write to"),
        (["evaluate", "diabetes", "--figure", "no/where.png"], "no directory no to write to"),
        (["evaluate", "diabetes", "--figure", "figure.doc"], "expected a name with one of"),
        (["evaluate", "mnist:nowhere"], "no directory nowhere"),
        (["evaluate", "mnist:."], "no file t10k-images-idx3-ubyte"),
        (["evaluate", "wine", "--gap"], "--gap: needs a regression data set"),
        (["evaluate", "diabetes", "--ood", "."], "--ood: needs classes"),
        (["evaluate", "diabetes", "--resume"], "--resume: needs --json FILE"),
        (["evaluate", "diabetes", "--gap", "--splits", "11", "--json", "r"], "has 9 splits"),
        (["convergence", "nothing"], "unknown data set 'nothing'"),
        (["convergence", "diabetes", "--json", "no/where.json"], "no directory no to write to"),
        (["demo", "--figure", "no/where.png"], "no directory no to write to"),
        (["demo", "--figure", "figure"], "expected a name with one of the endings"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("balinp: ")
    assert message in output.err
    assert output.err.count("\n") == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["train"], "invalid choice: 'train'"),
        (["evaluate"], "NAME"),
        (["evaluate", "wine", "--splits", "0"], "expected an integer of at least 1, got '0'"),
        (["evaluate", "wine", "--jobs", "two"], "expected an integer of at least 1, got 'two'"),
        (["convergence", "wine", "--passes", "99"], "expected an integer of at least 100"),
        (["convergence", "wine", "--split", "-1"], "--split"),
        (["demo", "--seed", "-1"], "--seed"),
    ],
)
def test_what_cannot_be_parsed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "package"), [("sklearn", "scikit-learn"), ("joblib", "joblib"), ("tqdm", "tqdm")]
)
def test_missing_extras(
    module: str,
    package: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["evaluate", "diabetes"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"balinp: {package} is not installed")
    assert "pip install 'balinp[experiments]'" in error
    assert error.count("\n") == 1


def test_missing_extras_of_a_module(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the command's own module cannot be imported without them."""
    for name in [name for name in sys.modules if name.startswith("balinp.estimators")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "balinp.experiments.curves", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    assert main(["curves"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("balinp: scikit-learn is not installed")
    assert error.count("\n") == 1


INTERRUPTED = """
import signal, sys
from balinp.cli import command

class Lost:  # as NumPy takes any failure of its parts for its own
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("a part of numpy") from None

sys.meta_path.insert(0, Lost())
sys.argv = ["balinp", "demo"]
sys.exit(command())
"""


def test_ctrl_c_while_importing_is_one_line(here: Path) -> None:
    """An exception would get lost there, and a library half-imported may not survive it."""
    done = python("-c", INTERRUPTED)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "balinp: stopped; nothing is kept; the same command begins anew\n"
    assert list(here.iterdir()) == []


QUICK = ["evaluate", "diabetes", "--splits", "2", "--methods", "BayesianRidge", "--no-figure"]


def test_a_reader_that_has_gone_is_no_error(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "argv", ["balinp", *QUICK])
    assert command() == 141
    assert sys.stdout.name == os.devnull
    sys.stdout.close()
    assert capsys.readouterr().err == ""


def test_closed_streams_and_terminals_without_all_signs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(sys, "argv", ["balinp", *QUICK, "--json", "-"])
    assert command() == 0
    sys.stdout.close()
    table = written.getvalue().decode("ascii")
    assert re.search(r"\| BayesianRidge \| \d\d\.\d\d \? \d\.\d\d \|", table)


def test_version_and_module() -> None:
    done = python("-m", "balinp", "--version")
    assert (done.returncode, done.stdout) == (0, f"balinp {balinp.__version__}\n")
    failed = python("-m", "balinp", "evaluate", "nothing")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1


def test_imports_are_light() -> None:
    """Neither the package nor the command line nor the demo needs an extra, or pyplot's state."""
    heavy = {"sklearn", "joblib", "tqdm", "matplotlib.pyplot", "torch", "laplace"}
    done = python(
        "-c",
        "import sys, balinp, balinp.cli, balinp.demo\n"
        "import balinp.experiments.evaluate, balinp.experiments.methods\n"
        f"print(sorted({heavy!r} & sys.modules.keys()))",
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    light = python("-c", "import sys, balinp.cli.parser; print('numpy' in sys.modules)")
    assert (light.stdout, light.stderr) == ("False\n", "")  # --help does not keep one waiting


def test_importing_the_package_loads_no_more_than_it_says() -> None:
    """NumPy, SciPy's linear algebra and special functions, Numba: nothing else but itself.

    NumPy's own modules may be more: before 2.0 its names of types are not there until asked for.
    """
    done = python(
        "-c",
        "import sys, numpy, scipy.linalg, scipy.special, numba\n"
        "known = set(sys.modules)\n"
        "from balinp import BALI\n"
        "new = [name for name in sys.modules if name not in known]\n"
        "others = {name.partition('.')[0] for name in new} - sys.stdlib_module_names - {'numpy'}\n"
        "parts = {'plot', 'diagnostics', 'estimators', 'experiments', 'demo', 'cli', 'metrics'}\n"
        "print(sorted(others | {name for name in new if name.startswith(('scipy', 'numba'))}))\n"
        "print(sorted(parts & {name.split('.')[1] for name in new if name.startswith('balinp.')}))",
    )
    assert (done.stdout, done.stderr) == ("['balinp']\n[]\n", "")
