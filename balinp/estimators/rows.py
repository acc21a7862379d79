"""Rows of data as scikit-learn hands them on: what they are read as, their weights, their order."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import validate_data

from balinp._types import Array
from balinp.estimators.refused import found_in, refuse_targets, refuse_vector
from balinp.validation import LARGEST, as_level, as_matrix, as_weights, dimensions

FLOATS = [np.float64, np.float32]
"""Types in which numbers are read before they become float64: what they resolve depends on it."""

Rows = tuple[Array, Array, Array]
"""Inputs, targets and weights."""

SPARSE = ("csr", "csc")
"""Forms of sparse matrices that are taken, as scikit-learn's own networks take them."""

IMPUTE = "impute what is missing, as sklearn.impute.SimpleImputer does"
"""What to do with missing inputs."""


def read(estimator: Any, X: Any, y: Any, *, first: bool, **options: Any) -> tuple[Any, Any]:
    """X and y as scikit-learn reads them; what is not finite may still be among them.

    Parameters
    ----------
    estimator, X, y
        Of `fit` or `partial_fit`.
    first : bool
        Whether number and names of the features are these from now on.
    **options : Any
        Of scikit-learn's `validate_data`.
    """
    refuse_vector(X, None if first else estimator.n_features_in_)
    refuse_targets(y)
    return validate_data(
        estimator, X, y, reset=first, dtype=FLOATS, accept_sparse=SPARSE, ensure_all_finite=False,
        **options,
    )  # fmt: skip


def finite(matrix: Any, name: str, source: Any, names: Any = None) -> Array:
    """The numbers as a float64 matrix; a complaint about one of them names its row and column.

    Parameters
    ----------
    matrix
        Matrix of numbers.
    name : str
        Name of the argument.
    source
        What the argument was: a frame knows the names of its columns.
    names : optional
        Names of the columns, for a source that does not; None is their numbers.

    Raises
    ------
    ValueError
        If a number is not finite, or too large for sums of squares.
    """
    try:
        return as_matrix(matrix, name, largest=LARGEST)
    except ValueError as error:
        wrong = ~(np.abs(matrix) <= LARGEST)
        if not wrong.any():
            raise
        row, column = np.argwhere(wrong)[0]
        place = f"{found_in(source, column, names)}," if dimensions(source) != 1 else " in"
        todo = f"; {IMPUTE}" if name == "X" and np.isnan(matrix[row, column]) else ""
        raise ValueError(f"{error}, the first{place} row {row}{todo}") from None


def dense(X: Any) -> Any:
    """A sparse matrix as an array, and an array as it is: standardised zeros are zeros no more."""
    return X.toarray() if issparse(X) else X


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


def held_out(
    rows: int, fraction: Any, rng: np.random.RandomState, labels: Any = None
) -> tuple[Any, Any]:
    """Numbers of rows to train on, and of a fraction of them to hold out, each in their order.

    Parameters
    ----------
    rows : int
        How many there are.
    fraction
        Between 0 and 1.
    rng : numpy.random.Generator
        To draw them.
    labels : array_like, optional
        (rows,) labels, of each of which that fraction is held out; or None.

    Raises
    ------
    TypeError, ValueError
        If the fraction is no share, or there are too few rows, or too few of a label, to cut.
    """
    share = as_level(fraction, "validation_fraction")
    try:
        train, held = train_test_split(
            np.arange(rows), test_size=share, random_state=rng, stratify=labels
        )
    except ValueError as error:
        raise ValueError(f"validation_fraction: {error}") from None
    return np.sort(train), np.sort(held)


def rounded(values: Array) -> Array:
    """Numbers rounded to 30 binary digits: relatively, to 5e-10.

    Examples
    --------
    >>> rounded(np.array([0.1 + 0.2 + 0.7, 3.0]))
    array([1., 3.])
    """
    digits, exponents = np.frexp(values)
    return np.asarray(np.ldexp(np.round(digits * 2.0**30) / 2.0**30, exponents))


def joined(before: Rows | None, new: Rows) -> Rows:
    """Rows of before, if there are any, and then new ones."""
    if before is None:
        return new
    X, Y, w = (np.concatenate(pair) for pair in zip(before, new, strict=True))
    return X, Y, w


def one_row(X: Array, Y: Array, w: Array) -> Rows | None:
    """Merged rows, if all of them are the same."""
    return (X, Y, w) if len(X) == 1 else None
