"""Whole groups held out: rows that agree in some columns are trained on or tested, never both.

Repeated rows, several measurements of one thing, or one building turned by a right angle say about
each other what a new row would not. Split at random, they end on both sides, and the test asks for
what was seen.

``python -m balinp.experiments.groups OWN.json GROUPED.json`` sets the records of two runs of
``balinp evaluate`` side by side: those of a data set's own splits and those with ``--groups``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from balinp.experiments import REGRESSION, UserError
from balinp.experiments.dataset import Dataset
from balinp.experiments.scores import COMPARED, Record
from balinp.experiments.splits import Indices, group_split
from balinp.experiments.table import by_split, column_cells, markdown, method_names

KNOWN = "known"
"""What `with_groups` takes for the columns that `GROUPS` names."""


class Groups(NamedTuple):
    """What rows with equal values in some columns are.

    Attributes
    ----------
    name : str
        Name of the groups, in the plural.
    columns : tuple of int
        Columns of the inputs, counted from 0.
    """

    name: str
    columns: tuple[int, ...]


GROUPS = {
    "uci:boston": Groups("towns", (1, 2, 8, 9, 10)),
    "uci:concrete": Groups("mixtures", tuple(range(7))),
    "uci:energy": Groups("buildings", (0, 1, 2, 3, 4, 6, 7)),
    "uci:power": Groups("repeated inputs", tuple(range(4))),
    "uci:protein": Groups("repeated inputs", tuple(range(9))),
    "uci:wine": Groups("repeated inputs", tuple(range(11))),
    "uci:yacht": Groups("hulls", tuple(range(5))),
}
"""Groups of data sets by name: what their documentation, or a look at the columns, says they are.

Left out of the columns are concrete's age (7), the building's orientation (5) in energy and the
Froude number (5) in yacht. Boston's are zoning, industry, access to highways, tax and pupils a
teacher, which are those of a town.
"""


def with_groups(dataset: Dataset, columns: str) -> Dataset:
    """The same data with whole groups held out in place of its own splits.

    Parameters
    ----------
    dataset : Dataset
        Its first split says how large a share of the rows is for testing.
    columns : str
        Inputs that rows of one group agree in, counted from 0, such as ``"0-4,6"``; or ``"known"``
        for those that `GROUPS` names.

    Raises
    ------
    UserError
        If the columns are not of that form or not there, or all rows would be one group.
    """
    chosen = _known(dataset) if columns == KNOWN else _columns(columns, dataset.X.shape[1])
    groups = group_numbers(dataset, chosen)
    if groups.max() == 0:
        raise UserError(f"--groups: all rows of {dataset.name} agree in inputs {columns}")
    share = len(dataset.split(0).test) / len(dataset.X)
    return replace(
        dataset,
        name=f"{dataset.name}-groups-{shown(chosen)}",
        split=partial(group_split, groups=groups, test_fraction=share),
        n_splits=None,
        group_columns=chosen,
    )


def group_numbers(dataset: Dataset, columns: Sequence[int]) -> Indices:
    """The group of each row, (N,): rows with equal values in the columns have the same number."""
    _, numbers = np.unique(dataset.X[:, list(columns)], axis=0, return_inverse=True)
    return numbers.reshape(-1)


def group_report(dataset: Dataset) -> str:
    """A sentence on the groups of a data set that `with_groups` gave."""
    assert dataset.group_columns is not None
    sizes = np.bincount(group_numbers(dataset, dataset.group_columns))
    least, most = sizes.min(), sizes.max()
    rows = f"{least} rows" if least == most else f"{least} to {most} rows"
    return (
        f"Whole groups are held out: {len(sizes)} groups of {rows}, "
        f"which agree in inputs {shown(dataset.group_columns)} (counted from 0).\n"
    )


def shown(columns: Sequence[int]) -> str:
    """Columns in the form that `with_groups` takes.

    Examples
    --------
    >>> shown((0, 1, 2, 5, 7, 8))
    '0-2,5,7-8'
    """
    ordered = sorted(columns)
    starts = [k for k in ordered if k - 1 not in ordered]
    ends = [k for k in ordered if k + 1 not in ordered]
    return ",".join(f"{a}-{b}" if a < b else f"{a}" for a, b in zip(starts, ends, strict=True))


def comparison(own: Sequence[Record], grouped: Sequence[Record]) -> str:
    """A Markdown table of the methods that both have, of regression: scores, and ranks by them.

    Examples
    --------
    >>> def record(method, score):
    ...     scores = {"rmse": 1.0, "log_likelihood_gaussian": score}
    ...     return {"method": method, "split": 0, **scores}
    >>> own = [record("A", -1.0), record("B", -2.0)]
    >>> print(comparison(own, [record("B", -3.0), record("A", -5.0)]), end="")
    | method | log-likelihood, own | grouped | rank, own | grouped | RMSE, own | grouped |
    | ------ | ------------------: | ------: | --------: | ------: | --------: | ------: |
    | A      |              -1.000 |  -5.000 |         1 |       2 |     1.000 |   1.000 |
    | B      |              -2.000 |  -3.000 |         2 |       1 |     1.000 |   1.000 |
    """
    methods = [name for name in method_names(own) if name in method_names(grouped)]
    titles, columns = ["method"], [methods]
    compared = COMPARED[REGRESSION].key
    for key, title in ((compared, "log-likelihood"), ("rmse", "RMSE")):
        scores = [[by_split(r, name, key) for name in methods] for r in (own, grouped)]
        titles += [f"{title}, own", "grouped"]
        columns += [column_cells(column) for column in scores]
        if key == compared:
            titles += ["rank, own", "grouped"]
            columns += [[f"{rank}" for rank in ranks(r, methods)] for r in (own, grouped)]
    return markdown(titles, columns) + "\n"


def ranks(records: Sequence[Record], methods: Sequence[str]) -> list[int]:
    """Ranks of methods by their mean log-likelihood, 1 the highest."""
    means = np.array([by_split(records, m, COMPARED[REGRESSION].key).mean() for m in methods])
    return [1 + int((means > mean).sum()) for mean in means]


def rank_summary(rows: Sequence[tuple[str, list[Record], list[Record]]]) -> str:
    """Ranks in a data set's own splits and with groups, methods in rows and data sets in columns.

    Parameters
    ----------
    rows : sequence of tuple
        Of each data set its title, the records of its own splits and those with groups; the methods
        are those that all of them have.
    """
    methods = [
        name
        for name in method_names(rows[0][1])
        if all(name in method_names(records) for _, *both in rows for records in both)
    ]
    columns = [
        [f"{a} to {b}" if a != b else f"{a}" for a, b in zip(*places, strict=True)]
        for places in ([ranks(records, methods) for records in both] for _, *both in rows)
    ]
    return markdown(["method", *(title for title, *_ in rows)], [methods, *columns])


def _known(dataset: Dataset) -> tuple[int, ...]:
    if dataset.name not in GROUPS:
        raise UserError(
            f"--groups: needs the columns, since no groups of {dataset.name} are known; there are "
            f"those of {', '.join(GROUPS)}"
        )
    columns = GROUPS[dataset.name].columns
    if max(columns) >= dataset.X.shape[1]:
        raise UserError(
            f"--groups: needs the columns, since {dataset.name} has {dataset.X.shape[1]} inputs "
            f"and is not the one whose groups are known"
        )
    return columns


def _columns(text: str, n_in: int) -> tuple[int, ...]:
    """The columns that a text such as ``"0-4,6"`` names, in order."""
    columns: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if found is None:
            raise UserError(f"--groups: expected columns such as 0-4,6 or {KNOWN}, got {text!r}")
        first = int(found[1])
        last = int(found[2] or first)
        if not first <= last < n_in:
            raise UserError(f"--groups: expected columns from 0 to {n_in - 1}, got {part.strip()}")
        columns.update(range(first, last + 1))
    return tuple(sorted(columns))


def main(files: Sequence[str]) -> int:
    """Print the comparison of two files of records."""
    if len(files) != 2:
        print("balinp: expected two files of records, OWN.json GROUPED.json", file=sys.stderr)
        return 2
    own, grouped = (json.loads(Path(file).read_text("utf-8")) for file in files)
    print(comparison(own, grouped), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
