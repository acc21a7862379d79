"""Rows of data as scikit-learn hands them on: what they are read as, their weights, their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp._types import Array
from balinp.validation import as_weights, refuse_masked

FLOATS = [np.float64, np.float32]
"""Types in which numbers are read before they become float64: what they resolve depends on it."""


def refuse_text(value: Any, name: str) -> None:
    """Raise TypeError on what scikit-learn would read as numbers but is text, dates, or masked.

    Objects that are numbers pass, as scikit-learn's rules for estimators demand.
    """
    refuse_masked(value, name)
    try:
        raw = np.asarray(value)
    except (TypeError, ValueError):
        return  # no array: scikit-learn says so
    objects = raw.ravel() if raw.dtype.kind == "O" else ()
    text = next((entry for entry in objects if isinstance(entry, (str, bytes))), None)
    if raw.dtype.kind in "USMm" or text is not None:
        found = f"dtype {raw.dtype}" if text is None else f"the text {text!r}"
        raise TypeError(f"{name}: expected real numbers, got {found}")


def resolution(values: Any) -> float:
    """Relative size eps of a rounding error in what is given: that of its dtype, if it is floating.

    Examples
    --------
    >>> resolution(np.ones(3, dtype=np.float32)) > resolution(np.ones(3, dtype=int))
    True
    """
    dtype = values.dtype
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def present(X: Array, y: Any, sample_weight: Any) -> tuple[Array, Any, Array]:
    """The rows of positive weight, and their weights; ones without weights."""
    w = as_weights(sample_weight, "sample_weight", len(X))
    if w is None:
        return X, y, np.ones(len(X))
    return X[w > 0], y[w > 0], w[w > 0]


def counted(sample_weight: Any, rows: int) -> Array | None:
    """Weights as numbers of rows: shares, which sum to 1, are multiplied by the rows they share.

    Examples
    --------
    >>> counted([0.5, 0.25, 0.25, 0.0], 4)
    array([1.5 , 0.75, 0.75, 0.  ])
    >>> counted([2.0, 1.0], 2)
    array([2., 1.])
    """
    w = as_weights(sample_weight, "sample_weight", rows)
    if w is None or abs(w.sum() - 1.0) > 1e-9:
        return w
    return w * (w > 0).sum()


def merged(X: Array, Y: Array, w: Array) -> tuple[Array, Array, Array]:
    """Rows (x, y) in lexicographic order, equal ones merged and their weights added.

    By LR-6 nothing else has to be done for weights to be repetitions. And since the order does
    not depend on how the rows came, neither do rounding errors, batches and sampled passes: equal
    rows are ordered by weight, so that even the sum of their weights is the same to the last bit.

    Derivation: LR-6

    Examples
    --------
    >>> X, Y = np.array([[2.0], [1.0], [2.0]]), np.array([[0.0], [5.0], [0.0]])
    >>> merged(X, Y, np.array([1.0, 1.0, 0.5]))
    (array([[1.],
           [2.]]), array([[5.],
           [0.]]), array([1. , 1.5]))
    """
    rows = np.hstack([X, Y])
    order = np.lexsort(np.vstack([w, rows.T[::-1]]))  # the last key is the first to sort by
    rows = rows[order]
    is_new = np.append(True, (rows[1:] != rows[:-1]).any(axis=1))
    first = np.flatnonzero(is_new)
    w = np.add.reduceat(w[order], first)
    kept = order[first]
    return X[kept], Y[kept], w


def rounded(values: Array) -> Array:
    """Numbers rounded to 30 binary digits: relatively, to 5e-10.

    Examples
    --------
    >>> rounded(np.array([0.1 + 0.2 + 0.7, 3.0]))
    array([1., 3.])
    """
    digits, exponents = np.frexp(values)
    return np.asarray(np.ldexp(np.round(digits * 2.0**30) / 2.0**30, exponents))
