"""One's own table as a data set: a CSV file or a pandas data frame, and how its columns are read.

- Numbers, and true and false, stay as they are. Where some are missing, each method sees the mean
  of the column's training rows in their place, and a further column says where: 1 for missing.
- Text is a category if it has at most 50 values and they recur: one column of 0 and 1
  for each of its values, or a single one where there are two. Missing is one more value.
- Dates, other text, infinite numbers, empty columns and unnamed row numbers are refused by name.
- Targets are numbers, or with `classes` anything; none may be missing.

What is learnt from rows, means and standard deviations, is learnt from those of a training part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from balinp.experiments import CLASSIFICATION, REGRESSION, UserError
from balinp.experiments.columns import Column, read_column, read_labels, read_targets
from balinp.experiments.dataset import Dataset
from balinp.experiments.names import find
from balinp.experiments.splits import random_split, stratified_split

FEWEST = 10
"""Rows of the smallest table: of fewer, a tenth for testing is none."""


def read_csv(
    path: Path, target: str | None, *, classes: bool = False, drop: Sequence[str] = ()
) -> Dataset:
    """A data set from a file of values with a line of names: commas, semicolons or tabs part them.

    Parameters
    ----------
    path : Path
        Path of the file.
    target, classes, drop
        See `from_frame`.

    Raises
    ------
    UserError
        If the file is not such a table, or a column cannot be read.
    """
    pandas = _pandas(str(path))
    try:
        with path.open(encoding="utf-8-sig") as file:
            names = file.readline()
        form = {
            "sep": max(",;\t", key=names.count),
            "encoding": "utf-8-sig",
            "skipinitialspace": True,
        }
        header = pandas.read_csv(path, header=None, nrows=1, dtype=str, **form).iloc[0].dropna()
        frame = pandas.read_csv(path, low_memory=False, **form)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except ValueError as error:  # pandas' own errors are of this kind, and Unicode's
        raise UserError(f"{path}: not a table of values in UTF-8 ({_line(error)})") from None
    if header.duplicated().any():  # pandas would give the second another name
        raise _twice(str(path), header[header.duplicated()].iloc[0])
    if target is None:
        raise UserError(
            f"{path}: which column is to be predicted? --target COLUMN; columns: "
            f"{', '.join(map(str, frame.columns))}"
        )
    return from_frame(frame, target, classes=classes, drop=drop, name=f"csv:{path.stem}")


def from_frame(
    frame: Any,
    target: str,
    *,
    classes: bool = False,
    drop: Sequence[str] = (),
    name: str = "table",
) -> Dataset:
    """A data set from a pandas data frame; how columns are read is told at the top of the module.

    A tenth of the rows tests, drawn at random; with classes three tenths of each.

    Parameters
    ----------
    frame
        Frame of one row a datum.
    target : str
        The column to be predicted.
    classes : bool, default False
        Whether its values are classes.
    drop : sequence of str, default ()
        Columns to leave out.
    name : str, default "table"
        What records and figures call the data.

    Raises
    ------
    UserError
        If a column is missing or cannot be read, with its name; rows are counted from 1.

    Examples
    --------
    >>> import pandas as pd
    >>> site, age = list("nnsswwnnss"), [3.0, None, *range(8)]
    >>> frame = pd.DataFrame({"site": site, "age": age, "y": range(10)})
    >>> dataset = from_frame(frame, "y")
    >>> dataset.inputs
    ('site = n', 'site = s', 'site = w', 'age', 'age missing')
    >>> print(dataset.note)
    10 rows; numbers: age; categories: site (3); missing: age (1).
    """
    pandas = _pandas(name)
    if not isinstance(frame, pandas.DataFrame):
        raise UserError(f"{name}: expected a pandas data frame, got {type(frame).__name__}")
    columns = _columns(frame.reset_index(drop=True), name)
    target = _column(target, columns, "--target")
    left_out = {target, *(_column(other, columns, "--drop") for other in drop)}
    if target in drop:
        raise UserError(f"--drop: expected columns other than the target {target!r}")
    if len(frame) < FEWEST:
        raise UserError(f"{name}: expected at least {FEWEST} rows, got {len(frame)}")
    goal = columns[target]
    labels = read_labels(goal, target) if classes else None
    Y = read_targets(goal, target) if labels is None else np.eye(labels.max() + 1)[labels]
    found = [read_column(column, key) for key, column in columns.items() if key not in left_out]
    if not found:
        raise UserError(f"{name}: expected a column besides the target {target!r}")
    X = np.hstack([column.values for column in found])
    split = (
        partial(random_split, n=len(frame), test_fraction=0.1)
        if labels is None
        else partial(stratified_split, labels=labels, test_fraction=0.3)
    )
    return Dataset(
        name,
        REGRESSION if labels is None else CLASSIFICATION,
        X,
        Y,
        split,
        input_scale="filled" if np.isnan(X).any() else "column",
        inputs=tuple(title for column in found for title in column.names),
        note=_note(len(frame), found),
    )


def _columns(frame: Any, name: str) -> dict[str, Any]:
    """Columns by their names, as text."""
    columns = {str(key): frame.iloc[:, place] for place, key in enumerate(frame.columns)}
    if len(columns) < len(frame.columns):
        raise _twice(name, frame.columns[frame.columns.astype(str).duplicated()][0])
    return columns


def _twice(name: str, column: Any) -> UserError:
    return UserError(f"{name}: expected columns of different names, two are called {column!r}")


def _column(name: str, columns: dict[str, Any], option: str) -> str:
    return find(str(name), columns, f"column for {option}", "columns")


def _note(rows: int, columns: Sequence[Column]) -> str:
    """How the table was read, in one line."""

    def listed(title: str, entries: Iterator[str]) -> str:
        text = ", ".join(entries)
        return f"; {title}: {text}" if text else ""

    return (
        f"{rows} rows"
        + listed("numbers", (c.name for c in columns if c.levels is None))
        + listed("categories", (f"{c.name} ({c.levels})" for c in columns if c.levels is not None))
        + listed("missing", (f"{c.name} ({c.missing})" for c in columns if c.missing))
        + "."
    )


def _pandas(what: str) -> Any:
    try:
        import pandas
    except ImportError:
        raise UserError(
            f"{what}: pandas, which reads tables, is not installed: "
            "pip install 'balinp[experiments]'"
        ) from None
    return pandas


def _line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]
