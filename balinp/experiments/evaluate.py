"""The command ``balinp evaluate``: run, print a table, write records and a figure."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from balinp.experiments import require_extras
from balinp.experiments.datasets import load
from balinp.experiments.figures import save_figure
from balinp.experiments.methods import select
from balinp.experiments.runner import run
from balinp.experiments.scores import Record
from balinp.experiments.table import table


def evaluate(
    name: str,
    *,
    splits: int = 10,
    methods: Sequence[str] | None = None,
    jobs: int = 1,
    json_path: Path | None = None,
    figure_path: Path | None = None,
) -> list[Record]:
    """Compare methods on splits 0 to `splits` - 1 of a data set; print the table.

    Parameters
    ----------
    name : of the data set, see `balinp.experiments.datasets.load`.
    splits, jobs : numbers of splits and of processes.
    methods : their names, or None for all that fit the data set.
    json_path : where to write the records, or None.
    figure_path : where to write the figure; None names a PNG after the data set.

    Returns
    -------
    The records, as written to `json_path`.

    Raises
    ------
    UserError
        If something is missing or unknown.
    """
    require_extras()
    dataset = load(name)
    chosen = select(dataset.kind, methods)
    if figure_path is None:
        figure_path = Path(f"evaluate_{dataset.name.replace(':', '_')}.png")
    outcomes = list(run(dataset, chosen, range(splits), jobs=jobs))
    records = [outcome.record for outcome in outcomes]
    print(table(records, dataset.kind), end="")
    if json_path is not None:
        write_records(records, json_path)
        announce(json_path)
    save_figure(outcomes, dataset, figure_path)
    announce(figure_path)
    return records


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
