"""Roots of a stack of semi-definite matrices: one for the expected curvature of each datum.

Jitted is what NumPy would do more slowly; the function named `*_reference` is the same mathematics
in one line of NumPy. A first reader can skip this module.
"""

from __future__ import annotations

import numpy as np

from balinp._types import Array
from balinp.compiled import compiled
from balinp.spectral import SMALLEST_SCALE, root, rounding


@compiled
def _semidefinite_rows(  # pragma: no cover - jitted
    matrices: Array, rank: int, tolerance: float
) -> Array:
    count, n, _ = matrices.shape
    rows = np.zeros((count, rank, n))
    for b in range(count):
        left = matrices[b].copy()  # of which the lower triangle is kept up to date
        zero = max(tolerance * np.diag(left).max(), SMALLEST_SCALE)
        for r in range(rank):
            pivot = np.diag(left).argmax()
            if left[pivot, pivot] <= zero:
                break
            row, root_pivot = rows[b, r], np.sqrt(left[pivot, pivot])
            for i in range(n):
                row[i] = left[max(i, pivot), min(i, pivot)] / root_pivot
            for i in range(n):
                for j in range(i + 1):
                    left[i, j] -= row[i] * row[j]
            left[pivot, : pivot + 1] = 0.0  # to the last bit: this pivot is done with
            left[pivot:, pivot] = 0.0
        if np.diag(left).min() < -zero:
            rows[b, 0, 0] = np.nan
    return rows


def semidefinite_rows(matrices: Array, rank: int | None = None) -> Array:
    """Rows R (B, rank, n) with R^T R the given matrices, by Cholesky with complete pivoting.

    Where a matrix is singular to rounding, what is left of it after the last pivot that can be
    told from zero is zero, too, and so are the remaining rows: a semi-definite matrix is nowhere
    larger than on its diagonal. Numbers below 1e-280 have no digits left and count as zero.

    Parameters
    ----------
    matrices : array
        (B, n, n) array, symmetric positive semi-definite up to rounding.
    rank : int, optional
        At least the rank of all of them, from 1; None is n.

    Raises
    ------
    ValueError
        If a matrix is not.

    Examples
    --------
    >>> semidefinite_rows(np.array([[[1.0, -2.0], [-2.0, 4.0]]]))
    array([[[-1.,  2.],
            [ 0.,  0.]]])
    """
    n = matrices.shape[-1]
    rank = n if rank is None else rank
    rows = _semidefinite_rows(np.ascontiguousarray(matrices), rank, rounding(n, 1.0))
    (failed,) = np.isnan(rows).any(axis=(1, 2)).nonzero()
    if failed.size:
        raise ValueError(
            "curvature: expected positive semi-definite matrices, got one with the diagonal "
            f"{np.diag(matrices[failed[0]])}"
        )
    return rows


def semidefinite_rows_reference(matrices: Array) -> Array:
    """Plain twin of `semidefinite_rows`, by eigendecompositions: other rows, the same product."""
    return root(matrices)
