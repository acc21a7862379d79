"""Single precision, for numbers of which draws are made: these need no more digits."""

from __future__ import annotations

import numpy as np

from balinp._types import Array
from balinp.matrix_normal import KroneckerGaussian
from balinp.standard_basis import STANDARD

LARGEST_SINGLE = 1e9
"""Largest number that is taken to single precision, whose range ends at 3e38."""


def in_single(array: Array) -> Array:
    """The numbers in single precision; as they are if their products may be too large for it."""
    largest = max(float(array.max(initial=0.0)), -float(array.min(initial=0.0)))
    return array.astype(np.float32) if largest < LARGEST_SINGLE else array


def single_squares(q: KroneckerGaussian, X: Array) -> Array:
    """Squares (Q_A^T x_n)^2 (B, D) of the rows of X in the row basis; see `in_single`.

    Examples
    --------
    >>> q = KroneckerGaussian(np.zeros((2, 1)), np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
    >>> single_squares(q, np.array([[1.0, 2.0]]))
    array([[1., 4.]], dtype=float32)
    """
    rows = in_single(X)
    if q.row_basis is not STANDARD:
        rows = rows @ q.row_basis.astype(np.float32)
    return rows * rows
