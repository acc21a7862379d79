"""Checks at the public edge: what comes in is named, expected and reported.

Inside the package arrays are float64, finite and of the right shape, so the
mathematics can stay free of checks. Nothing here changes a value; an array that is
already float64 is passed on without a copy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from balinp._types import Array

LARGEST = 1e150
"""Largest size of an input or a target.

All that is learnt goes through sums of their squares over the data: up to 1e8 squares of such
numbers stay below 1e308, where float64 ends. Small numbers need no bound: where squares vanish
next to the prior or the noise, the numbers themselves say nothing. Nor do pseudo-targets: where a
curvature is tiny they are huge, and their product with it is not.
"""


def as_matrix(
    value: Any,
    name: str,
    *,
    rows: int | None = None,
    columns: int | None = None,
    largest: float = math.inf,
) -> Array:
    """Return `value` as a float64 matrix with the given numbers of rows and columns.

    Raises
    ------
    TypeError
        If `value` is not numeric (text, objects, complex numbers).
    ValueError
        If it is not two-dimensional, is empty, has another shape than asked for, or holds NaN,
        infinity, or a number whose size is above `largest`.

    Examples
    --------
    >>> as_matrix([[1, 2]], "X", columns=2)
    array([[1., 2.]])
    """
    return _finite(as_data(value, name, rows=rows, columns=columns), name, largest)


def as_data(value: Any, name: str, *, rows: int | None = None, columns: int | None = None) -> Array:
    """Return `value` as a matrix of any real dtype, its numbers unread; errors as `as_matrix`.

    An array on disk stays there.
    """
    array = _raw(value, name)
    expected = f"({'n' if rows is None else rows}, {'m' if columns is None else columns})"
    if array.ndim != 2:
        raise ValueError(f"{name}: expected a matrix of shape {expected}, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one row and one column, got {array.shape}")
    wrong_rows = rows is not None and array.shape[0] != rows
    wrong_columns = columns is not None and array.shape[1] != columns
    if wrong_rows or wrong_columns:
        raise ValueError(f"{name}: expected shape {expected}, got {array.shape}")
    return array


def dimensions(value: Any) -> int | None:
    """Number of dimensions of an array, a frame or a nested list; None if it is ragged.

    Examples
    --------
    >>> dimensions([[1, 2], [3, 4]]), dimensions([[1], [2, 3]])
    (2, None)
    """
    try:
        return int(value.ndim if hasattr(value, "ndim") else np.asarray(value).ndim)
    except ValueError:
        return None


def as_array(value: Any, name: str, *, largest: float = math.inf) -> Array:
    """Return `value` as a finite float64 array of any shape; see `as_matrix` for the errors."""
    return _finite(_raw(value, name), name, largest)


def _raw(value: Any, name: str) -> Array:
    """Return `value` as an array of real numbers, of whatever dtype it has."""
    refuse_masked(value, name)
    try:
        raw = np.asarray(value)
    except (ValueError, TypeError) as error:  # ragged lists, objects that cannot be arrays
        raise type(error)(f"{name}: expected an array of real numbers, got {error}") from None
    if raw.dtype.kind not in "fiub":
        # What NumPy wraps whole, such as a sparse matrix, is named by what it was.
        found = f"dtype {raw.dtype}" if raw.ndim else type(value).__name__
        raise TypeError(f"{name}: expected real numbers, got {found}")
    return raw


def _finite(raw: Array, name: str, largest: float) -> Array:
    """Return an array of real numbers as float64, or raise if they are not finite, or too large."""
    with np.errstate(over="ignore"):  # a longer float that overflows is infinite, and refused
        array = raw.astype(np.float64, copy=False)
    size = float(np.abs(array).max(initial=0.0))  # NaN if any entry is
    if not math.isfinite(size):
        bad = int(array.size - np.isfinite(array).sum())
        raise ValueError(f"{name}: expected finite numbers, got {bad} NaN or infinite entries")
    if size > largest:
        raise ValueError(
            f"{name}: expected numbers from -{largest:.3g} to {largest:.3g}, whose squares can be "
            f"summed, got one of size {size:.3g}"
        )
    return array


def column_names(table: Any) -> list[Any] | None:
    """What the columns of a frame or a table are called; None of what has no columns."""
    names = getattr(table, "column_names", None)  # of Arrow's tables, whose columns are arrays
    names = getattr(table, "columns", None) if names is None else names
    return None if names is None else list(names)


def refuse_masked(value: Any, name: str) -> None:
    """Raise TypeError if `value` is a masked array, whose mask NumPy would drop in silence."""
    if np.ma.isMaskedArray(value):
        raise TypeError(f"{name}: expected an ordinary array, got a masked array")


def as_stored(
    array: Array, name: str, shape: tuple[int, ...], *, may_be_nan: bool = False
) -> Array:
    """Return an array from a file, which is float64, finite and of this shape as it was written."""
    if array.shape != shape or array.dtype != np.float64:
        raise ValueError(f"{name}: expected float64 {shape}, got {array.dtype} {array.shape}")
    if not (may_be_nan or np.isfinite(array).all()):
        raise ValueError(f"{name}: expected finite numbers")
    return array


def as_weights(value: Any, name: str, rows: int) -> Array | None:
    """Return `value` as (rows,) weights of data, or None, which stands for ones.

    Weights are finite, at least 0 and not all 0.
    """
    if value is None:
        return None
    weights = as_array(value, name, largest=LARGEST)
    if weights.shape != (rows,):
        raise ValueError(f"{name}: expected shape ({rows},), got {weights.shape}")
    if (weights < 0).any() or not (weights > 0).any():
        raise ValueError(
            f"{name}: expected numbers of at least zero, not all zero, "
            f"got values from {weights.min():.6g} to {weights.max():.6g}"
        )
    return weights


def as_covariance(value: Any, name: str, size: int | None = None) -> Array:
    """Return `value` as a symmetric positive definite matrix (size, size).

    Symmetry is asked for up to 1e-10 of the largest entry, and the matrix that is returned is
    exactly the one given. Positive definiteness is what a Cholesky factorisation says.
    """
    matrix = as_matrix(value, name, rows=size, columns=size)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name}: expected a square matrix, got shape {matrix.shape}")
    asymmetry = float(np.abs(matrix - matrix.T).max())
    if asymmetry > 1e-10 * float(np.abs(matrix).max()):
        raise ValueError(f"{name}: expected a symmetric matrix, got asymmetry {asymmetry:.3g}")
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"{name}: expected a positive definite matrix, got one of shape {matrix.shape} "
            "that has no Cholesky factor"
        ) from None
    return matrix


def as_positive(value: Any, name: str) -> float:
    """Return `value` as a finite float above zero."""
    number = _as_number(value, name)
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name}: expected a finite number above 0, got {value!r}")
    return number


def as_finite(value: Any, name: str) -> float:
    """Return `value` as a finite float."""
    number = _as_number(value, name)
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return number


def as_rate(value: Any, name: str = "rate") -> float:
    """Return `value` as a float in (0, 1]."""
    number = _as_number(value, name)
    if not 0 < number <= 1:
        raise ValueError(f"{name}: expected a number in (0, 1], got {value!r}")
    return number


def as_level(value: Any, name: str = "level") -> float:
    """Return `value`, the probability of an interval, as a float between 0 and 1."""
    if as_positive(value, name) >= 1:
        raise ValueError(f"{name}: expected a number between 0 and 1, got {value!r}")
    return float(value)


def as_count(value: Any, name: str, *, minimum: int = 1) -> int:
    """Return `value` as an integer of at least `minimum`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{name}: expected an integer of at least {minimum}, got {value}")
    return int(value)


def as_flag(value: Any, name: str) -> bool:
    """Return `value`, which is True or False, as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def as_callback(value: Any, name: str = "callback") -> Any:
    """Return `value`, which can be called or is None."""
    if not (value is None or callable(value)):
        raise TypeError(f"{name}: expected a function of a model, got {type(value).__name__}")
    return value


def is_true(value: Any) -> bool:
    """Whether `value` is True, Python's or NumPy's: what merely counts as true is not.

    Examples
    --------
    >>> is_true(np.float64(2.0) > 1), is_true("yes")
    (True, False)
    """
    return isinstance(value, (bool, np.bool_)) and bool(value)


def as_widths(value: Any, name: str) -> tuple[int, ...]:
    """Return `value`, an integer of at least 1 or a sequence of such, as a tuple."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)):
        return (as_count(value, name),)
    try:
        items = None if isinstance(value, (str, Set, Mapping)) else tuple(value)
    except TypeError:
        items = None
    if items is None:
        raise TypeError(f"{name}: expected an integer or a sequence of integers, got {value!r}")
    return tuple(as_count(item, name) for item in items)


def as_choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
    return str(value)


def as_one_hot(value: Any, name: str, *, rows: int, columns: int | None = None) -> Array:
    """Return `value` as a one-hot matrix: each row has a single 1 and zeros elsewhere."""
    if dimensions(value) == 1 and np.asarray(value).dtype.kind != "O":
        raise ValueError(
            f"{name}: expected one-hot rows, one column a class, got a vector of shape "
            f"{np.shape(value)}; np.eye(n_classes)[labels] makes them of labels from 0"
        )
    matrix = as_matrix(value, name, rows=rows, columns=columns)
    bad = np.flatnonzero(~(((matrix == 0) | (matrix == 1)).all(axis=1) & (matrix.sum(axis=1) == 1)))
    if bad.size:
        raise ValueError(
            f"{name}: expected one-hot rows, got {matrix[bad[0]].tolist()} in row {bad[0]}"
        )
    return matrix


def _as_number(value: Any, name: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    try:
        with np.errstate(over="ignore"):
            return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf if value > 0 else -math.inf
