"""Columns of a pandas data frame as inputs and targets; what cannot be read is refused by name.

How they are read is told in `balinp.experiments.frames`. Rows in messages are counted from 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.experiments import UserError
from balinp.experiments.splits import Indices

MOST_LEVELS = 50
"""Distinct texts of a column up to which it can be one of categories."""

MISSING = "missing"
"""What the level of absent categories, and the column that says where numbers lack, are called."""

TEXT = ("string", "integer", "floating", "boolean")
"""Kinds of values, in pandas' words, that a column of categories may have; numbers if so typed."""

NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "boolean")

DATES = ("datetime64", "datetime", "date", "time", "timedelta64", "timedelta", "period")

DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?|\d{4}-\d{2}|\d{1,2}:\d{2}(:\d{2})?")
"""Days, months of a year and times of day, in figures."""


@dataclass(frozen=True)
class Column:
    """A column as it is read.

    Attributes
    ----------
    name : str
        In the table.
    values : array
        (N, n) array, NaN where a number is missing.
    names : tuple of str
        Names of the n inputs that it becomes.
    levels : int or None
        How many categories it has, or None for numbers.
    missing : int
        In how many rows it has nothing.
    """

    name: str
    values: Array
    names: tuple[str, ...]
    levels: int | None
    missing: int


def read_column(column: Any, name: str) -> Column:
    """A column of inputs; its index counts the rows from 0.

    Raises
    ------
    UserError
        If it is neither numbers nor categories.
    """
    present = column.dropna()
    missing = len(column) - len(present)
    if present.empty:
        raise UserError(f"column {name!r}: expected values, it is empty; --drop {name!r}")
    _refuse_dates(present, name)
    if _is_numeric(present):
        values = _numbers(column, name)
        if name.startswith("Unnamed:") and (np.diff(values[:, 0]) == 1).all():
            raise UserError(
                f"column {name!r}: expected inputs, it has no name and counts the rows; "
                f"--drop {name!r}"
            )
        if not missing:
            return Column(name, values, (name,), None, 0)
        there = np.isnan(values).astype(np.float64)
        return Column(name, np.hstack([values, there]), (name, f"{name} {MISSING}"), None, missing)
    return _categories(column, name, missing)


def _is_numeric(present: Any) -> bool:
    """Whether values that are there are real numbers, or true and false."""
    from pandas.api import types

    return types.is_bool_dtype(present.dtype) or types.infer_dtype(present) in NUMBERS


def _numbers(column: Any, name: str) -> Array:
    """Numbers (N, 1), NaN where they are missing, and none infinite."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.isinf(values).argmax())
        raise UserError(
            f"column {name!r}: expected finite numbers, got {values[row]} in row {row + 1}"
        )
    return values[:, None]


def _categories(column: Any, name: str, missing: int) -> Column:
    """A column of 0 and 1 for each category, or one for two; missing is a category too."""
    from pandas.api import types

    present = column.dropna()
    if types.infer_dtype(present.astype(object)) not in TEXT:
        raise UserError(
            f"column {name!r}: expected numbers or text, got {types.infer_dtype(present)} "
            f"of dtype {column.dtype}; convert it, or --drop {name!r}"
        )
    text = present.astype(str).str.strip()
    _refuse_numbers_in_text(text, name)
    known = sorted(text.unique())
    if len(known) > min(MOST_LEVELS, len(present) // 2):
        raise UserError(
            f"column {name!r}: expected numbers, or categories: at most {MOST_LEVELS} texts, each "
            f"in two rows on average; got {len(known)} different ones in {len(present)} rows, the "
            f"first {text.iloc[0]!r}; --drop {name!r}"
        )
    codes = np.full(len(column), len(known))
    codes[column.notna().to_numpy()] = np.searchsorted(known, text)
    levels = [*known, MISSING] if missing else known
    values = np.eye(len(levels))[codes]
    shown = levels[1:] if len(levels) == 2 else levels
    names = tuple(f"{name} = {level}" for level in shown)
    return Column(name, values[:, len(levels) - len(shown) :], names, len(levels), missing)


# -- targets ---------------------------------------------------------------------------------------


def read_targets(target: Any, name: str) -> Array:
    """Targets (N, 1) of a regression: numbers that differ, none missing."""
    from pandas.api import types

    _refuse_missing(target, name)
    _refuse_dates(target, name)
    if types.is_bool_dtype(target.dtype) or not _is_numeric(target):
        _refuse_numbers_in_text(target.astype(str), name)
        raise UserError(
            f"--target {name}: expected numbers, got {str(target.iloc[0])!r}; "
            "for classes add --classes"
        )
    values = _numbers(target, name)
    if np.ptp(values) == 0:
        raise UserError(f"--target {name}: expected numbers that differ, all are {values[0, 0]:g}")
    return values


def read_labels(target: Any, name: str) -> Indices:
    """Numbers (N,) of classes, in the order of their values, none missing."""
    from pandas import factorize

    _refuse_missing(target, name)
    labels, values = factorize(target, sort=True)
    if len(values) < 2:
        raise UserError(f"--target {name}: expected at least two classes, got {values[0]!r} alone")
    if len(values) > len(labels) / 2:
        raise UserError(
            f"--target {name}: expected classes of two rows or more on average, got {len(values)} "
            f"classes in {len(labels)} rows; for a number leave --classes out"
        )
    return labels


# -- what is refused -------------------------------------------------------------------------------


def _refuse_dates(present: Any, name: str) -> None:
    from pandas.api import types

    typed = types.infer_dtype(present) in DATES
    if typed or all(isinstance(entry, str) and DATE.fullmatch(entry.strip()) for entry in present):
        raise UserError(
            f"column {name!r}: expected numbers or categories, got dates such as "
            f"{str(present.iloc[0])!r}; make of them the number that matters, as days since the "
            f"first or the month, or --drop {name!r}"
        )


def _refuse_numbers_in_text(text: Any, name: str) -> None:
    """Name the entries that keep a column from being one of numbers, if most of it is numbers."""
    import pandas

    parsed = pandas.to_numeric(text, errors="coerce")
    odd = text[parsed.isna()]
    if 0 < len(odd) < len(text) / 2:
        raise UserError(
            f"column {name!r}: expected numbers, got {odd.iloc[0]!r} in row {odd.index[0] + 1}, "
            f"{len(odd)} such in all; leave the entry empty where a number is missing"
        )
    if text.str.fullmatch(r"[-+]?\d+,\d+").mean() > 0.5:
        raise UserError(
            f"column {name!r}: expected numbers with a decimal point, got {text.iloc[0]!r}"
        )


def _refuse_missing(target: Any, name: str) -> None:
    missing = target.isna().to_numpy()
    if missing.any():
        raise UserError(
            f"--target {name}: expected a value in every row, got none in {missing.sum()} of "
            f"{len(target)}, the first of them row {missing.argmax() + 1}; leave such rows out"
        )
