"""The command ``balinp evaluate``: run, print a table, write records and a figure."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from balinp.experiments import UserError, require_extras
from balinp.experiments.dataset import Dataset
from balinp.experiments.datasets import load, with_gaps, with_outside
from balinp.experiments.figures import save_figure
from balinp.experiments.groups import group_report, with_groups
from balinp.experiments.journal import Journal
from balinp.experiments.leakage import leakage, leakage_report
from balinp.experiments.methods import Method, select
from balinp.experiments.runner import Job, Outcome, run
from balinp.experiments.scores import Record
from balinp.experiments.table import gap_sizes, gap_table, table


def evaluate(
    name: str,
    *,
    gap: str | None = None,
    groups: str | None = None,
    ood: str | None = None,
    splits: int | None = None,
    methods: Sequence[str] | None = None,
    jobs: int | None = None,
    json_path: Path | None = None,
    resume: bool = False,
    figure_path: Path | None = None,
) -> list[Record]:
    """Compare methods on splits 0 to `splits` - 1 of a data set; print the table.

    Parameters
    ----------
    name : of the data set, see `balinp.experiments.datasets.load`.
    gap : rule of `balinp.experiments.datasets.with_gaps` for tests in gaps between training
        data, or None.
    groups : columns that make the groups to be held out whole, see
        `balinp.experiments.groups.with_groups`, or None.
    ood : directory of images to be told apart from the test data, or None.
    splits : number of splits; None is ten, or as many as there are; with gaps, all.
    methods : their names, or None for all that fit the data set and can be run here.
    jobs : number of workers, see `balinp.experiments.runner.run`.
    json_path : where to write the records, or None. Beside it, in ``NAME.journal``, outcomes are
        kept as they finish.
    resume : go on from that journal, if there is one; otherwise it is begun anew.
    figure_path : where to write the figure; None names a PNG after the data set.

    Returns
    -------
    The records, as written to `json_path`.

    Raises
    ------
    UserError
        If something is missing or unknown, or a journal is not of this configuration.

    Notes
    -----
    Jobs run on any backend of joblib, chosen by its context::

        import joblib
        from balinp.experiments.evaluate import evaluate

        with joblib.parallel_config(backend="threading", n_jobs=4):
            records = evaluate("diabetes")
    """
    require_extras()
    if resume and json_path is None:
        raise UserError("--resume: needs --json FILE, beside which finished records are kept")
    dataset = load(name)
    if gap is not None:
        dataset = with_gaps(dataset, gap)
    if groups is not None:
        dataset = with_groups(dataset, groups)
    if ood is not None:
        dataset = with_outside(dataset, ood)
    chosen = select(dataset.kind, methods, len(dataset.X))
    numbers = dataset.first_splits(splits)
    if figure_path is None:
        figure_path = Path(f"evaluate_{dataset.name.replace(':', '_')}.png")
    outcomes = _outcomes(dataset, chosen, numbers, jobs, json_path, resume)
    records = [outcome.record for outcome in outcomes]
    print(table(records, dataset.kind), end="")
    print("\n" + leakage_report(leakage(dataset, numbers)), end="")
    if dataset.group_columns is not None:
        print("\n" + group_report(dataset), end="")
    if dataset.gap_columns is not None:
        print("\n" + gap_table(records), end="")
        n, inputs = dataset.X.shape
        left_out = sorted({*range(inputs)} - {*dataset.gap_columns})
        print("\n" + gap_sizes(records, n, left_out), end="")
    if json_path is not None:
        write_records(records, json_path)
        announce(json_path)
    save_figure(outcomes, dataset, figure_path)
    announce(figure_path)
    return records


def _outcomes(
    dataset: Dataset,
    methods: Sequence[Method],
    splits: Sequence[int],
    jobs: int | None,
    json_path: Path | None,
    resume: bool,
) -> list[Outcome]:
    """All outcomes, split by split; those of the journal are not computed again."""
    done: dict[Job, Outcome] = {}
    journal = None
    if json_path is not None:
        journal = Journal(json_path.with_name(json_path.name + ".journal"), dataset, methods)
        if resume:
            done = journal.resume()
        else:
            journal.start()
    for outcome in run(dataset, methods, splits, jobs=jobs, done=done):
        if journal is not None:
            journal.append(outcome)
        done[outcome.job] = outcome
    return [done[split, method.name] for split in splits for method in methods]


def write_records(records: Sequence[Record], path: Path) -> None:
    """Write records as JSON, a flat list of dictionaries.

    The file is written beside its target and then takes its place, so that a reader finds
    either all records or what was there before.
    """
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(json.dumps(list(records), indent=1) + "\n")
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def announce(path: Path) -> None:
    """Say on a terminal that a file was written."""
    if sys.stderr.isatty():
        print(f"wrote {path}", file=sys.stderr)
