"""Stored records: the tables of the documents are theirs, and the tool that makes them."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import sem

from balinp import BALI, BALIRegressor, gain, threads
from balinp.cli import parser
from balinp.defaults import REGRESSION_TRAINING
from balinp.experiments import UserError
from balinp.experiments.groups import rank_summary
from balinp.experiments.methods import select
from balinp.experiments.results import EARLIER, RUNS, __main__, store, tables
from balinp.experiments.results.confirm import confirm
from balinp.experiments.results.cost import cost_table
from balinp.experiments.results.state import earlier, outdated, stamped, state_table
from balinp.experiments.results.store import Results, read, rounded
from balinp.experiments.results.tables import TABLES, tables_in, with_tables
from balinp.experiments.summary import (
    best_summary,
    convergence_summary,
    difference_summary,
    gap_summary,
    lead_summary,
    score_summary,
    seconds_summary,
)

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(store.DIRECTORY.glob("*.json"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
each_document = pytest.mark.parametrize(
    "path", tables.DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def cells(text: str) -> list[list[str]]:
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


# -- what is in the repository ---------------------------------------------------------------------


@each_document
def test_tables_are_those_of_the_records(path):
    """If this fails: python -m balinp.experiments.results."""
    text = path.read_text()
    assert tables_in(text)
    assert with_tables(text) == text


@each_file
def test_file_is_of_its_run_and_shown_somewhere(path):
    results = read(path.stem)
    assert results.command == RUNS[path.stem]
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", results.date)
    assert {"python", "balinp", "numpy", "scipy", "numba", "scikit-learn"} <= set(results.versions)
    assert results.records
    assert rounded(results.records) == results.records
    documents = [document.read_text() for document in tables.DOCUMENTS]
    shown = {run for text in documents for name in tables_in(text) for run in TABLES[name].runs}
    assert path.stem in shown
    command = re.sub(r"uci/\w+", "uci/NAME", results.command)
    assert any(results.command in text or f"`{command}`" in text for text in documents)


@each_file
def test_records_are_of_the_settings_and_defaults_as_they_are(path):
    """If this fails: python -m balinp.experiments.results NAME, or say it in `EARLIER`."""
    assert bool(outdated(read(path.stem))) == (path.stem in EARLIER)


def test_every_run_is_in_a_table_and_every_command_can_be_parsed():
    runs = {run for table in TABLES.values() for run in table.runs}
    assert runs == set(RUNS)
    for command in RUNS.values():
        program, *arguments = shlex.split(command)
        assert program == "balinp"
        parser._parser().parse_args(arguments)


def test_files_are_shipped_with_the_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["balinp.experiments.results"].split(", ")
    assert FILES
    assert all(any(fnmatch(path.name, pattern) for pattern in patterns) for path in FILES)


# -- whether they are of now -----------------------------------------------------------------------


def stored(command: str, records: list[dict]) -> Results:
    return Results.of_today(command, stamped(command, records))


def test_a_changed_default_makes_its_own_records_old_and_no_others(monkeypatch):
    """The records are those of one method that trains BALI, one that does not, and of a command."""
    bali, peer = select("regression", ["BALI (conjugate)", "MLP"])
    scores = [
        {"split": 0, "method": m.name, "settings": m.digest, "rmse": 1.0} for m in (bali, peer)
    ]
    evaluated = stored(RUNS["uci_boston"], scores)
    converged = stored(RUNS["convergence_boston"], [{"method": "BALI"}, {"method": "Adam"}])
    both = [evaluated, converged]
    assert [outdated(one) for one in both] == [[], []]
    assert earlier(both) == ""
    every = [
        (BALI.__init__.__kwdefaults__, "rate", 0.3, [bali.name], ["BALI", "Adam"]),
        (BALI.fit.__kwdefaults__, "batch_size", 7, [bali.name], ["BALI", "Adam"]),
        (BALIRegressor.__init__.__kwdefaults__, "n_members", 2, [bali.name], ["BALI", "Adam"]),
        (vars(gain), "LOST_SHARE", 0.4, [bali.name], ["BALI", "Adam"]),
        (vars(threads), "WIDE", 1, [], []),
        (REGRESSION_TRAINING.fit, "epochs", 401, [bali.name], []),
        (vars(peer.train), "held_out", 0.3, [peer.name], []),
    ]
    for place, name, value, of_evaluated, of_converged in every:
        assert name in place
        with monkeypatch.context() as changed:
            changed.setitem(place, name, value)
            assert [outdated(one) for one in both] == [of_evaluated, of_converged]
    monkeypatch.setattr(gain, "LOST_SHARE", 0.4)
    line = "BALI (conjugate) in uci_boston; BALI, Adam in convergence_boston"
    assert earlier(both) == f"\n\n**Of earlier settings**: {line}."


def test_records_without_a_digest_are_old():
    results = Results.of_today(RUNS["wine"], [{"split": 0, "method": "MLP", "accuracy": 1.0}])
    assert outdated(results) == ["MLP"]


def test_state_table_by_hand():
    records = [
        {"split": k, "method": m.name, "settings": m.digest, "accuracy": 1.0, "cpu_seconds": 45.0}
        for k in range(2)
        for m in select("classification", ["MLP", "BALI (isotropic)"])
    ]
    records[-1]["confirmed"] = 1
    new = Results(RUNS["wine"], "2024-11-18", {}, records)
    old = Results(RUNS["truths"], "2024-11-17", {}, [{"method": "MCMC"}])
    _, _, *lines = cells(state_table([new, old]))
    assert lines == [
        ["wine", "2024-11-18", "4", "2", "3.0", "1", "-"],
        ["truths", "2024-11-17", "1", "1", "-", "-", "MCMC"],
    ]
    _, _, *lines = cells(cost_table([new, new, old]))
    assert lines == [["MLP", "4", "3.0"], ["BALI (isotropic)", "4", "3.0"]]
    sentence = "In all 6 minutes of the processor, without `balinp truths`, whose records"
    assert sentence in cost_table([new, new, old])


# -- files -----------------------------------------------------------------------------------------


def test_a_file_says_what_it_is_and_has_a_record_a_line(tmp_path):
    records = [{"split": 0, "rmse": 1 / 3, "curve": [1e-9 / 3, None]}, {"split": 1, "rmse": -1.5}]
    results = Results.of_today("balinp evaluate wine", records)
    path = tmp_path / "wine.json"
    results.write(path)
    assert read("wine", tmp_path) == results
    assert results.records[0] == {"split": 0, "rmse": 0.333333, "curve": [3.33333e-10, None]}
    assert results.versions["numpy"] == np.__version__
    assert set(json.loads(path.read_text())) == {"command", "date", "versions", "records"}
    assert len(path.read_text().splitlines()) == 2 + len(records) + 1
    assert records[0]["rmse"] == 1 / 3
    with pytest.raises(UserError, match=r"no such file; python -m .* iris makes it"):
        read("iris", tmp_path)


# -- tables ----------------------------------------------------------------------------------------


def regression(values: dict[str, list[float]], key: str = "rmse") -> list[dict]:
    return [
        {"split": split, "method": method, key: value}
        for method, column in values.items()
        for split, value in enumerate(column)
    ]


def test_score_summary_by_hand():
    rows = [
        ("boston", regression({"BALI": [2.0, 4.0], "GP": [30.0, 35.0]})),
        ("yacht", regression({"BALI": [0.1, 0.11], "MLP": [0.2, 0.24]})),
    ]
    header, _, *lines = cells(score_summary(rows, "rmse"))
    assert header == ["method", "boston", "yacht"]
    # standard errors 1 and 2.5: one decimal; .005 and .02: at most three
    assert lines == [
        ["BALI", f"3.0 ± {sem([2, 4]):.1f}", "0.105 ± 0.005"],
        ["GP", "32.5 ± 2.5", "-"],
        ["MLP", "-", "0.220 ± 0.020"],
    ]


def test_seconds_summary_by_hand():
    """Of the records that have the processor's time; a dash where none has."""
    rows = [("boston", regression({"BALI": [2.0, 4.0, 9.0], "GP": [1.0, 1.0]}, "cpu_seconds"))]
    for record in rows[0][1]:
        if record["method"] == "GP" or record["split"] == 2:
            del record["cpu_seconds"]
    assert cells(seconds_summary(rows))[2:] == [["BALI", "3.0 ± 1.0"], ["GP", "-"]]


def test_difference_summary_by_hand():
    values = {"MLP": [-1.5, -1.0], "BALI (isotropic)": [-1.0, -2.0]}
    records = regression(values, "log_likelihood_gaussian")
    _, _, mlp, bali = cells(difference_summary([("boston", records)], "regression"))
    assert mlp == ["MLP", f"0.25 ± {sem([-0.5, 1.0]):.2f}"]
    assert bali == ["BALI (isotropic)", "0"]


OURS = {"BALI (isotropic)": [2.0, 4.0], "BALI (ensemble of 5)": [9.0, 9.5]}


def test_best_summary_by_hand():
    """The best is that of the highest mean, of those that are not BALI."""
    rows = [
        ("boston", regression({**OURS, "GP": [1.0, 1.5], "MLP": [1.0, 2.0]})),
        ("yacht", regression({"GP": [6.0, 8.0], **OURS, "BALI (conjugate)": [10.0, 11.0]})),
    ]
    for (_, records), share in zip(rows, (0.0, 0.25), strict=True):
        for record in records:
            record["seen_rows"] = share * record["split"]
    header, _, *lines = cells(best_summary(rows, "rmse"))
    assert header == ["data set", *OURS, "best other method", "its name", "test rows in training"]
    own = [f"3.0 ± {sem([2, 4]):.1f}", f"9.25 ± {sem([9, 9.5]):.2f}"]
    assert lines == [
        ["boston", *own, f"1.50 ± {sem([1, 2]):.2f}", "MLP", "0"],
        ["yacht", *own, "7.00 ± 1.00", "GP", "12.5 %"],
    ]


def test_lead_summary_by_hand():
    """Single networks for the one, all others for the ensemble; differences by split."""
    others = {"Gaussian process": [9.0, 9.0], "MLP": [1.0, 2.5], "FOOF": [1.0, 2.0]}
    records = regression({**others, **OURS}, "log_likelihood_gaussian")
    header, _, line = cells(lead_summary([("boston", records)], "regression"))
    assert header[1::2] == ["BALI (isotropic) is ahead by", "BALI (ensemble of 5) is ahead by"]
    assert line == ["boston", "1.25 ± 0.25", "MLP", "0.25 ± 0.25", "Gaussian process"]


def test_it_is_counted_where_bali_is_ahead():
    """Differences 1.25 ± .25 and, with groups, 0 ± 2; the ensemble leads nowhere by two errors."""
    others = {"Gaussian process": [9.0, 9.0], "MLP": [1.0, 2.5], "FOOF": [1.0, 2.0]}
    own = regression({**others, **OURS}, "log_likelihood_gaussian")
    grouped = regression(
        {**OURS, "MLP": [4.0, 2.0], "Gaussian process": [10.0, 10.0]}, "log_likelihood_gaussian"
    )
    text = lead_summary([("boston", own), ("boston, groups", grouped)], "regression")
    assert text.splitlines()[-1] == (
        "BALI (isotropic) is ahead on 1 of 1 sets in their own splits (1 by more than two standard "
        "errors; behind by as much on 0) and on 0 of 1 sets with whole groups held out (0 by more "
        "than two standard errors; behind by as much on 0). "
        "BALI (ensemble of 5) is ahead on 1 of 1 sets in their own splits (0 by more than two "
        "standard errors; behind by as much on 0) and on 0 of 1 sets with whole groups held out (0 "
        "by more than two standard errors; behind by as much on 1)."
    )


def test_rank_summary_by_hand():
    """Only what all have is ranked."""

    def records(**values):
        both = {name: [value - 1.0, value + 1.0] for name, value in values.items()}
        return regression(both, "log_likelihood_gaussian")

    own = records(A=-1.0, B=-2.0, C=-3.0, D=0.0)
    grouped = records(A=-2.0, B=-1.0, C=-3.0)
    text = rank_summary([("yacht", own, grouped), ("wine", own, own)])
    assert cells(text)[0] == ["method", "yacht", "wine"]
    assert cells(text)[2:] == [["A", "1 to 2", "1"], ["B", "2 to 1", "2"], ["C", "3", "3"]]


def test_gap_summary_by_hand():
    values = {"BALI": [-1.0, -9.0, -2.0], "GP": [-1.5, -1.0, -3.25], "MLP": [-1.0, -2.0, -3.0]}
    records = regression(values, "log_likelihood_gaussian")
    ratios = [1.0, 5.0, 2.0, 7.0, 3.0, 4.0, np.nan, np.nan, np.nan]
    for record, ratio in zip(records, ratios, strict=True):
        record["epistemic_ratio"] = ratio
    records = rounded(records)
    _, _, *lines = cells(gap_summary([("yacht", records)]))
    assert lines == [
        ["BALI", "-2.00 / -9.00 / 2.0"],
        ["GP", "-1.50 / -3.25 / 4.0"],
        ["MLP", "-2.00 / -3.00 / -"],
    ]


def test_convergence_summary_by_hand():
    def record(passes, seconds, last):
        joint = [-99.0] * 100 + [last]
        return {"passes_to_target": passes, "seconds_to_target": seconds, "target": -10.0,
                "log_joint": joint}  # fmt: skip

    adams = [record(None, None, -20.0), record(98, 0.5, -10.0), record(None, None, -30.0)]
    rows = [("energy", [record(8, 0.25, -1.0), *adams]),
            ("yacht", [record(None, None, -11.0), *adams])]  # fmt: skip
    _, _, energy, yacht = cells(convergence_summary(rows))
    assert energy == ["energy", "-10", "8", "12.5", "0.250", "0.500"]
    assert yacht == ["yacht", "-10", "-", "-", "-", "0.500"]


def test_tables_are_written_between_their_markers_and_nowhere_else():
    records = [{"dataset": "wine", "split": split, "method": "MLP", "seconds": 1.0, "accuracy": 0.9,
                "nll": 0.25, "brier": 0.1, "ece": 0.1} for split in range(2)]  # fmt: skip
    results = {"wine": Results("balinp evaluate wine", "2024-11-18", {}, records)}
    text = "above\n<!-- table: wine -->\nstale\n<!-- table: end -->\nbelow\n"
    new = with_tables(text, results.__getitem__)
    assert new.startswith("above\n<!-- table: wine -->\n```sh\nbalinp evaluate wine\n```\n\n| meth")
    assert new.endswith(".\n<!-- table: end -->\nbelow\n")
    assert "stale" not in new
    assert "0.250 ± 0.000" in new
    assert with_tables(new, results.__getitem__) == new
    assert with_tables("no tables", results.__getitem__) == "no tables"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- table: nothing -->\n<!-- table: end -->", "no table 'nothing'; there are diabetes"),
        ("<!-- table: wine -->\n", "table 'wine': expected one"),
        ("<!-- table: wine -->\n<!-- table: diabetes -->\n<!-- table: end -->", "before the next"),
        ("<!-- table: end -->\n<!-- table: wine -->\n<!-- table: end -->", "beginning of a table"),
    ],
)
def test_markers_that_do_not_fit(text, message):
    with pytest.raises(UserError, match=message):
        with_tables(text, lambda name: pytest.fail("nothing is to be read"))


# -- the tool --------------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A document with one table, no records, and a quick command."""
    document = tmp_path / "README.md"
    document.write_text("<!-- table: wine -->\n<!-- table: end -->\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tables, "DOCUMENTS", (document,))
    monkeypatch.setattr(store, "DIRECTORY", tmp_path)
    quick = "balinp evaluate wine --splits 2 --methods 'logistic regression'"
    monkeypatch.setitem(__main__.RUNS, "wine", quick)
    return tmp_path


def test_tool_makes_records_and_tables(clone, capsys):
    assert __main__.main(["wine"]) == 0
    results = read("wine")
    assert results.command == RUNS["wine"]
    made = json.loads((clone / "results-work" / "wine.json").read_text())
    assert results.records == rounded(made)
    text = (clone / "README.md").read_text()
    assert "| logistic regression |" in text
    assert RUNS["wine"] in text
    assert (clone / "results-work" / "wine.png").exists()

    seconds = [record["seconds"] for record in results.records]
    assert __main__.main(["wine", "--resume"]) == 0
    assert [record["seconds"] for record in read("wine").records] == seconds
    (clone / "README.md").write_text(text.replace("0.9", "0.8"))
    assert __main__.main([]) == 0
    assert (clone / "README.md").read_text() == text


def test_tool_keeps_what_comes_out_again(clone, capsys):
    """Of earlier settings are all records; the second split's is believed for the first's sake."""
    assert __main__.main(["wine"]) == 0
    made = read("wine").records

    def aged(change):
        results = replace(read("wine"), records=[{**r, "settings": "-", **change} for r in made])
        results.write(store.DIRECTORY / "wine.json")
        assert outdated(read("wine")) == ["logistic regression"]

    aged({})
    assert __main__.main(["wine", "--confirm", "1"]) == 0
    assert "logistic regression: the same" in capsys.readouterr().err
    assert read("wine").records == [made[0], made[1] | {"confirmed": 1}]

    aged({"nll": 9.0})
    assert __main__.main(["wine", "--confirm", "1"]) == 0
    assert f"nll of split 0 is {made[0]['nll']}, was 9.0" in capsys.readouterr().err
    assert outdated(read("wine")) == ["logistic regression"]


def test_other_commands_are_not_confirmed_but_made_again(tmp_path):
    results = Results(RUNS["truths"], "2024-11-17", {}, [{"method": "MCMC"}])
    with pytest.raises(UserError, match="balinp truths: quicker to be made again"):
        confirm(results, 1, tmp_path / "truths.json")


def test_tool_says_what_cannot_be_done(clone, capsys, monkeypatch):
    assert __main__.main([]) == 2
    assert "wine.json: no such file" in capsys.readouterr().err
    assert __main__.main(["nothing"]) == 2
    assert "no run nothing; there are diabetes" in capsys.readouterr().err
    monkeypatch.setitem(__main__.RUNS, "wine", "balinp evaluate uci:nowhere")
    assert __main__.main(["wine"]) == 2
    assert "wine: the command failed" in capsys.readouterr().err
    assert not (clone / "wine.json").exists()
