"""What no estimator can read, refused in words: no arrays, text, dates and missing targets."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

import numpy as np
from scipy.sparse import issparse

from balinp._types import Array
from balinp.validation import LARGEST, column_names, dimensions, refuse_masked

TIMES = (date, time, timedelta, np.datetime64, np.timedelta64)
"""What is a date or a duration, also in pandas."""

IN_DAYS = "say it in numbers, such as days since a first day"
ONE_HOT = "one-hot encode it, as sklearn.preprocessing.OneHotEncoder does"
FOR_CLASSES = "for classes there is BALIClassifier"
"""What to do with dates, with text among inputs and among targets."""


def refuse_text(value: Any, name: str, hint: str = ONE_HOT) -> None:
    """Raise on what would be read as numbers but is text, dates, or masked, and on no arrays.

    Objects that are numbers pass, as scikit-learn's rules for estimators demand.

    Parameters
    ----------
    value
        A matrix or a vector, of any kind.
    name : str
        Name of the argument.
    hint : str, optional
        What to do with text.

    Raises
    ------
    TypeError, ValueError
        If it is such; the message names the column if there is one.
    """
    refuse_masked(value, name)
    names = column_names(value)
    if names is not None and not hasattr(value, "iloc"):
        # As a whole, tables other than those of pandas make numbers of dates.
        for place, key in enumerate(names):
            _refuse(np.asarray(value[key]), name, found_in(value, place), hint)
        return
    raw = _raw(value, name)
    if raw is None:
        return
    if raw.ndim == 2 and raw.dtype.kind == "O":
        for place, column in enumerate(raw.T):
            _refuse(column, name, found_in(value, place), hint)
    else:
        is_table_of_dates = raw.ndim == 2 and raw.dtype.kind in "Mm"
        _refuse(raw, name, found_in(value, 0) if is_table_of_dates else "", hint)


def _raw(value: Any, name: str) -> Array | None:
    """The value as an array of any type; None of what scikit-learn is to judge."""
    if issparse(value) and name == "y":  # the classifier reads such targets, and does not ask here
        raise TypeError("y: expected an ordinary array, got a sparse matrix; y.toarray() is one")
    if value is None or issparse(value):
        return None
    try:
        raw = np.asarray(value)
    except TypeError:
        return None
    except ValueError:
        raise ValueError(f"{name}: expected rows of equal length, got some that differ") from None
    if raw.dtype.names:
        fields = ", ".join(raw.dtype.names)
        raise TypeError(
            f"{name}: expected real numbers, got a structured array of fields {fields}; "
            "numpy.lib.recfunctions.structured_to_unstructured makes columns of them"
        )
    if raw.ndim == 0 and raw.dtype.kind == "O":
        kind = type(value).__name__
        raise TypeError(f"{name}: expected an array, a frame or a nested list, got {kind}")
    return raw


def refuse_targets(y: Any) -> None:
    """Raise ValueError on targets that are neither a vector nor a matrix.

    Examples
    --------
    >>> refuse_targets(3.0)
    Traceback (most recent call last):
    ValueError: y: expected shape (n,) or (n, n_outputs), got shape ()
    """
    if y is not None and dimensions(y) not in (None, 1, 2):
        raise ValueError(f"y: expected shape (n,) or (n, n_outputs), got shape {np.shape(y)}")


def refuse_vector(X: Any, n_features: int | None = None) -> None:
    """Raise ValueError on inputs that are no matrix.

    Parameters
    ----------
    X
        Inputs, of any kind.
    n_features : int, optional
        Number of columns, if it is known.

    Examples
    --------
    >>> refuse_vector([1.0, 2.0, 3.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: X: expected a matrix of shape (n, n_features), got shape (3,). Reshape your data...
    """
    found = None if issparse(X) else dimensions(X)
    if found in (None, 2):
        return
    shape = tuple(X.shape) if hasattr(X, "shape") else np.shape(X)
    todo = "X.reshape(-1, 1) if it is one feature, X.reshape(1, -1) if it is one row"
    raise ValueError(
        f"X: expected a matrix of shape (n, {n_features or 'n_features'}), got shape {shape}"
        + (f". Reshape your data: {todo}" if found == 1 else "")
    )


def _refuse(raw: Array, name: str, column: str, hint: str) -> None:
    """Raise TypeError on text and on dates in an array of any shape, or in one column."""
    if not (raw.size and raw.dtype.kind in "USMmO"):
        return
    expected = f"{name}: expected real numbers, got"
    if raw.dtype.kind in "US":
        found = f"the text {raw.item(0)!r}{column}" if column else f"text, dtype {raw.dtype}"
        raise TypeError(f"{expected} {found}; {hint}")
    if raw.dtype.kind in "Mm":
        raise TypeError(f"{expected} {_time(raw.flat[0])}{column}; {IN_DAYS}")
    for row, entry in enumerate(raw.ravel() if raw.dtype.kind == "O" and raw.ndim else ()):
        if isinstance(entry, (str, bytes)):
            raise TypeError(f"{expected} the text {entry!r}{column}; {hint}")
        if isinstance(entry, TIMES):
            raise TypeError(f"{expected} {_time(entry)}{column}; {IN_DAYS}")
        if not (is_missing(entry) or hasattr(entry, "__float__") or hasattr(entry, "__index__")):
            raise TypeError(  # its end is what scikit-learn's checks expect
                f"{expected} {entry!r}{column}, row {row}; to NumPy an argument must be a string "
                "or a real number"
            )
        if isinstance(entry, int) and abs(entry) > LARGEST:
            raise ValueError(
                f"{name}: expected numbers from -{LARGEST:g} to {LARGEST:g}, got one of "
                f"{entry.bit_length()} bits{column}, row {row}"
            )


def is_missing(entry: Any) -> bool:
    """Whether an object stands for a value that is not there: None, NaN, NaT or pandas' NA.

    Examples
    --------
    >>> [is_missing(entry) for entry in (None, float("nan"), np.datetime64("NaT"), 0, "")]
    [True, True, True, False, False]
    """
    try:
        return entry is None or bool(entry != entry)
    except TypeError:  # NA says neither yes nor no
        return True
    except ValueError:  # an array
        return False


def refuse_missing(targets: Any, name: str) -> None:
    """Raise ValueError unless each row has a target.

    Examples
    --------
    >>> refuse_missing(["a", None], "y")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: y: expected a value in every row, got none in 1 of 2, the first in row 1; leave ...
    """
    try:
        raw = np.asarray(targets)
    except (TypeError, ValueError):
        return
    if not raw.ndim:
        return
    if raw.dtype.kind == "O":
        missing = np.array([is_missing(entry) for entry in raw.ravel()], dtype=bool)
    elif raw.dtype.kind in "fcMm":
        missing = (np.isnan(raw) if raw.dtype.kind in "fc" else np.isnat(raw)).ravel()
    else:
        return
    if missing.any():
        row, column = divmod(int(missing.argmax()), raw.size // len(raw))
        where = f"{found_in(targets, column)}," if raw.ndim == 2 and raw.shape[1] > 1 else " in"
        raise ValueError(
            f"{name}: expected a value in every row, got none in {missing.sum()} of {raw.size}, "
            f"the first{where} row {row}; leave such rows out"
        )


def found_in(source: Any, column: int, names: Any = None) -> str:
    """Where a number was found, in words: its column by name if there are names.

    Examples
    --------
    >>> found_in(np.ones((2, 2)), 1), found_in(np.ones((2, 2)), 1, ["age", "weight"])
    (' in column 1', " in column 'weight'")
    """
    own = column_names(source)
    names = names if own is None else own
    return f" in column {column if names is None else repr(names[column])}"


def _time(entry: Any) -> str:
    is_span = isinstance(entry, (timedelta, np.timedelta64))
    return f"{'the duration' if is_span else 'the date'} {entry}"
