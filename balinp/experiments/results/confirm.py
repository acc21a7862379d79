"""Records of earlier settings that come out again, so that they need not all be made again.

A digest changes with every default and every constant, also with those that a record does not
depend on: a constant of classes makes records of regression old. `confirm` runs the first splits of
what a run has of earlier settings; where every score agrees with the stored one in all digits that
are kept, the method's records get the digest of now, and say in ``confirmed`` how many splits that
rests on. Where any differs, nothing changes, and the run has to be made again.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from balinp import cli
from balinp.experiments import UserError
from balinp.experiments.results.state import outdated
from balinp.experiments.results.store import Results, rounded
from balinp.experiments.scores import Record

NO_SCORES = frozenset({"seconds", "cpu_seconds", "settings", "made", "confirmed"})
"""Keys of records that may differ between two runs of the same."""


def confirm(results: Results, n_splits: int, path: Path, jobs: str = "1") -> tuple[Results, str]:
    """Run the first splits of methods of earlier settings, and compare.

    Parameters
    ----------
    results : Results
        Of a run of ``balinp evaluate``.
    n_splits : int
        How many splits are run.
    path : Path
        File for the new records.
    jobs : str, default "1"
        Processes, as the command line has it.

    Returns
    -------
    Results
        With the digests of now where all scores agree.
    str
        A line for each method that was run, and what differs.

    Raises
    ------
    UserError
        If the run is of another command, or the command fails.
    """
    if not results.command.startswith("balinp evaluate "):
        raise UserError(f"{results.command}: quicker to be made again than to be confirmed")
    old = outdated(results)
    if not old:
        return results, "nothing is of earlier settings"
    _, *words = shlex.split(results.command)
    options = ["--splits", f"{n_splits}", "--methods", *old, "--jobs", jobs]  # the last ones count
    if cli.main([*words, *options, "--json", str(path), "--no-figure"]):
        raise UserError(f"the command failed: {results.command}")
    again = rounded(json.loads(path.read_text()))
    lines, records = [], results.records
    for method in old:
        found = difference(records, [record for record in again if record["method"] == method])
        lines.append(f"{method}: {found or 'the same'}")
        if not found:
            records = _stamped(records, method, again, n_splits)
    return replace(results, records=records), "\n".join(lines)


def difference(stored: Sequence[Record], again: Sequence[Record]) -> str:
    """What differs first between records and those of the same splits and methods made again.

    Examples
    --------
    >>> stored = [{"split": 0, "method": "MLP", "rmse": 1.5, "seconds": 3.0}]
    >>> difference(stored, [{"split": 0, "method": "MLP", "rmse": 1.5, "seconds": 2.0}])
    ''
    >>> difference(stored, [{"split": 0, "method": "MLP", "rmse": 1.25, "seconds": 2.0}])
    'rmse of split 0 is 1.25, was 1.5'
    """
    known = {(record["split"], record["method"]): record for record in stored}
    if not again:
        return "no record was made"
    for record in again:
        before = known.get((record["split"], record["method"]))
        if before is None:
            return f"split {record['split']} is not stored"
        for key in sorted({*record, *before} - NO_SCORES):
            if record.get(key) != before.get(key):
                of = f"{key} of split {record['split']}"
                return f"{of} is {record.get(key)}, was {before.get(key)}"
    return ""


def _stamped(
    records: Sequence[Record], method: str, again: Sequence[Record], n_splits: int
) -> list[Record]:
    """The digest of now for all records of a method; those that were run say nothing more."""
    (now,) = {record["settings"] for record in again if record["method"] == method}
    made = {record["split"] for record in again}
    new = []
    for record in records:
        if record["method"] == method:
            record = record | {"settings": now}
            if record["split"] not in made:
                record["confirmed"] = n_splits
        new.append(record)
    return new
