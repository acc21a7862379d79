"""Labels of classes as arrays of one plain type."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from balinp.estimators.refused import refuse_missing
from balinp.validation import refuse_masked

KINDS = ((bool, np.bool_), Integral, Real, str, bytes)
"""What Python objects may be that are labels, the narrower kind first."""


def as_labels(y: Any, name: str = "y") -> Any:
    """Labels that are Python objects, or of a type of pandas' own, as NumPy has them; others as is.

    Text stays an array of objects, as scikit-learn's own classifiers leave it.

    Raises
    ------
    TypeError
        If they are of kinds that cannot be put in an order.
    ValueError
        If some are missing.

    Examples
    --------
    >>> as_labels(np.array([True, False], dtype=object))
    array([ True, False])
    """
    refuse_masked(y, name)
    refuse_missing(y, name)
    try:
        raw = np.asarray(y)
    except (TypeError, ValueError):
        return y  # no array: scikit-learn says so
    if raw.ndim != 1:
        return y
    if raw.dtype.kind in "US" and isinstance(y, (list, tuple)):  # numbers may have become text
        raw = np.array(y, dtype=object)
    if raw.dtype.kind != "O" and isinstance(y, (np.ndarray, list, tuple)):
        return y
    if raw.dtype.kind != "O":
        return raw
    found = {_kind(label): label for label in raw}
    if None in found:
        return y
    if len(found) > 1 and not found.keys() <= {Integral, Real}:
        first, second = list(found.values())[:2]
        raise TypeError(f"{name}: expected labels of one kind, got {first!r} and {second!r}")
    return y if found.keys() & {str, bytes} else np.array(raw.tolist())


def distinct(classes: Any) -> Any:
    """The different ones of some labels, in increasing order.

    Raises
    ------
    TypeError, ValueError
        If it is no sequence of labels, or of none.

    Examples
    --------
    >>> distinct(["yes", "no", "yes"]).tolist()
    ['no', 'yes']
    """
    classes = list(classes) if isinstance(classes, (set, frozenset)) else classes
    found = as_labels(classes, "classes")
    if np.ndim(found) != 1 or not len(found):
        raise ValueError(f"classes: expected a sequence of labels, got {classes!r}")
    return np.unique(found)


def _kind(label: Any) -> Any:
    """The first of `KINDS` that it is, or None."""
    return next((kind for kind in KINDS if isinstance(label, kind)), None)
