"""Runs that were stopped go on: nothing finished is lost, doubled, or mixed with anything else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import limited

import balinp
from balinp.bali import BALI
from balinp.defaults import Training
from balinp.experiments import UserError
from balinp.experiments.dataset import Dataset, Outside
from balinp.experiments.datasets import load
from balinp.experiments.evaluate import evaluate
from balinp.experiments.journal import Journal
from balinp.experiments.methods import Network, select
from balinp.experiments.methods.scikit import GaussianProcess
from balinp.experiments.runner import Outcome, run

METHODS = ["BayesianRidge", "Bayesian linear regression"]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("diabetes")


@pytest.fixture(scope="module")
def outcomes(dataset: Dataset) -> list[Outcome]:
    return list(run(dataset, select("regression", METHODS), range(3)))


@pytest.fixture
def journal(tmp_path: Path, dataset: Dataset, outcomes: list[Outcome]) -> Journal:
    """Six outcomes of two methods."""
    journal = Journal(tmp_path / "journal", dataset, select("regression", METHODS))
    journal.start()
    for outcome in outcomes:
        journal.append(outcome)
    return journal


def assert_same(found: dict[Any, Outcome], expected: list[Outcome]) -> None:
    assert list(found) == [outcome.job for outcome in expected]
    for outcome in expected:
        assert found[outcome.job].record == outcome.record
        assert found[outcome.job].curves.keys() == outcome.curves.keys()
        for name, curve in outcome.curves.items():
            np.testing.assert_array_equal(found[outcome.job].curves[name], curve)


def test_outcomes_come_back_to_the_last_bit(journal: Journal, outcomes: list[Outcome]) -> None:
    assert_same(journal.resume(), outcomes)


def test_infinite_scores_come_back(journal: Journal) -> None:
    record = {"split": 9, "method": METHODS[0], "settings": journal.digests[METHODS[0]]}
    journal.append(Outcome({**record, "nll": float("inf")}, {}))
    assert journal.resume()[9, METHODS[0]].record["nll"] == float("inf")


def test_a_journal_cut_anywhere_keeps_its_whole_lines(
    journal: Journal, outcomes: list[Outcome]
) -> None:
    content = journal.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    cuts = {0, 1, *(end + shift for end in ends for shift in (-2, -1, 0, 1, 30))}
    for cut in sorted(cut for cut in cuts if cut <= len(content)):
        journal.path.write_bytes(content[:cut])
        whole = max(sum(end <= cut for end in ends) - 1, 0)
        assert_same(journal.resume(), outcomes[:whole])
        journal.append(outcomes[whole] if whole < len(outcomes) else outcomes[0])
        lines = journal.path.read_bytes().splitlines()
        assert len(lines) == whole + 2
        assert [json.loads(line) for line in lines]


def test_no_journal_is_an_empty_one(journal: Journal) -> None:
    journal.path.unlink()
    assert journal.resume() == {}
    assert len(journal.path.read_bytes().splitlines()) == 1


def test_other_methods_and_splits_may_be_added(
    journal: Journal, dataset: Dataset, outcomes: list[Outcome]
) -> None:
    """Those not asked for stay in the file; only their own settings matter."""
    one = Journal(journal.path, dataset, select("regression", METHODS[:1]))
    assert_same(one.resume(), [o for o in outcomes if o.record["method"] == METHODS[0]])
    assert_same(journal.resume(), outcomes)


@pytest.mark.parametrize("what", ["version", "name", "data", "targets", "outside"])
def test_records_of_another_configuration_are_refused(
    journal: Journal, dataset: Dataset, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "its records are of "
    if what == "version":
        monkeypatch.setattr(balinp, "__version__", "99")
        message += "balinp .*, now it is 99"
    elif what == "name":
        dataset = replace(dataset, name="diabetes-gap")
        message += "dataset diabetes, now it is diabetes-gap"
    elif what == "data":
        dataset = replace(dataset, X=dataset.X + 1e-12)
        message += "other data;"
    elif what == "targets":
        dataset = replace(dataset, Y=-dataset.Y)
        message += "other data;"
    else:
        dataset = replace(dataset, outside=Outside("far", dataset.X))
        message += "ood None, now it is far"
    before = journal.path.read_bytes()
    with pytest.raises(UserError, match=message):
        Journal(journal.path, dataset, select("regression", METHODS)).resume()
    assert journal.path.read_bytes() == before


@pytest.mark.parametrize("what", ["BALI's default", "BALI's training", "a peer's setting"])
def test_what_depends_on_a_change_is_made_again_and_nothing_else(
    journal: Journal,
    dataset: Dataset,
    outcomes: list[Outcome],
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    methods = select("regression", METHODS)
    changed = METHODS[1]
    if what == "BALI's default":
        monkeypatch.setitem(BALI.__init__.__kwdefaults__, "rate", 0.2)
    elif what == "BALI's training":
        methods[1] = replace(methods[1], train=Network(Training({"hidden": ()}, {"epochs": 7})))
    else:
        changed = METHODS[0]
        methods[0] = replace(methods[0], train=GaussianProcess())
    other = Journal(journal.path, dataset, methods)
    assert_same(other.resume(), [o for o in outcomes if o.record["method"] != changed])
    again = [
        Outcome({**o.record, "settings": other.digests[changed], "rmse": 7.0}, o.curves)
        for o in outcomes
        if o.record["method"] == changed
    ]
    for outcome in again:
        other.append(outcome)
    assert len(other.resume()) == len(outcomes)
    assert all(other.resume()[outcome.job].record["rmse"] == 7.0 for outcome in again)
    monkeypatch.undo()
    assert_same(journal.resume(), outcomes)


@pytest.mark.parametrize(
    ("number", "line", "message"),
    [
        (0, b"{}", "not a journal of balinp"),
        (0, b"[1]", "line 1 is damaged"),
        (2, b'{"record": {"split', "line 3 is damaged"),
        (2, b"\xff\xfe", "line 3 is damaged"),
        (2, b"{}", "line 3 is not an outcome"),
        (2, b'{"record": 3, "curves": {}}', "line 3 is not an outcome"),
        (2, b'{"record": {"split": 0, "method": "MLP"}, "curves": {}}', "line 3 is not an outcome"),
    ],
)
def test_damaged_journals_are_refused(
    journal: Journal, number: int, line: bytes, message: str
) -> None:
    lines = journal.path.read_bytes().splitlines()
    lines[number] = line
    journal.path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(UserError, match=message):
        journal.resume()


def test_an_outcome_that_comes_twice_is_refused(journal: Journal, outcomes: list[Outcome]) -> None:
    journal.append(outcomes[1])
    with pytest.raises(UserError, match="line 8 repeats the outcome"):
        journal.resume()


def test_settings_are_words_that_tell_methods_apart() -> None:
    for kind in ("regression", "classification"):
        settings = [method.settings for method in select(kind)]
        assert len(set(settings)) == len(settings)
        assert not any(" at 0x" in text for text in settings)


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle, then the same command with --resume, and half a line in between."""
    command = [sys.executable, "-m", "balinp", "evaluate", "diabetes", "--json", "r.json"]
    command += ["--methods", *METHODS, "--figure", "r.png"]
    journal = tmp_path / "r.json.journal"
    endless = limited([*command, "--splits", "500"])
    process = subprocess.Popen(endless, cwd=tmp_path, stderr=subprocess.PIPE)
    while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "r.json").exists()

    finished = [json.loads(x)["record"] for x in journal.read_bytes().split(b"\n")[1:-1]]
    assert len(finished) >= 3
    with journal.open("ab") as file:
        file.write(b'{"record": {"dataset": "diabetes", "spl')
    splits = finished[-1]["split"] + 2
    again = [*command, "--splits", str(splits), "--resume"]
    done = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    records = json.loads((tmp_path / "r.json").read_text())
    assert [(r["split"], r["method"]) for r in records] == [
        (split, method) for split in range(splits) for method in METHODS
    ]
    # Also the seconds are those of the run that was killed: nothing was computed again.
    made = {(r["split"], r["method"]): r for r in records}
    assert all(r.items() <= made[r["split"], r["method"]].items() for r in finished)
    lines = journal.read_bytes().splitlines()
    assert len(lines) == 1 + len(records)

    # All is there now: the same command computes nothing, and one without --resume begins anew.
    subprocess.run(again, cwd=tmp_path, capture_output=True, check=True)
    assert json.loads((tmp_path / "r.json").read_text()) == records
    assert journal.read_bytes().splitlines() == lines


def test_without_resume_a_run_begins_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def records(resume: bool) -> list[dict[str, Any]]:
        return evaluate(
            "diabetes",
            splits=1,
            methods=METHODS[:1],
            json_path=tmp_path / "r.json",
            figure_path=tmp_path / "r.png",
            resume=resume,
        )

    first = records(resume=False)
    assert records(resume=True) == first
    assert records(resume=False) != first  # seconds never repeat
    assert len((tmp_path / "r.json.journal").read_text().splitlines()) == 2
    with pytest.raises(UserError, match="--resume: needs --json FILE"):
        evaluate("diabetes", resume=True)
