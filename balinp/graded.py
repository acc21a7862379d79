"""Decompositions of matrices whose rows and columns differ in scale by many orders of magnitude.

`numpy.linalg.eigh` knows the eigenvalues of X^T X to rounding errors of the largest one. A column
of X that is smaller than another by eight orders of magnitude is lost in them, although a change of
its unit would bring it back. Jacobi's method does not lose it: with D the scales of the columns and
C = D^{-1} A D^{-1} it has relative errors of eps cond(C), whatever D is (Demmel and Veselic, 1992).
Here it is LAPACK's `gejsv`, applied to a root of the matrix.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from balinp._types import Array

GRADED = 1e10
"""Ratio of diagonal entries from which a matrix counts as graded: up to it, what `eigh` loses of
the smallest eigenvalue is n eps GRADED, a millionth."""


def is_graded(diagonal: Array) -> bool:
    """Whether the positive entries of a matrix' diagonal differ by more than `GRADED`."""
    positive = diagonal[diagonal > 0]
    return positive.size > 1 and bool(positive.max() > GRADED * positive.min())


def graded_root(matrix: Array, tolerance: float) -> Array | None:
    """A root R (n, n) of a positive semi-definite matrix R^T R, accurate in every column.

    A Cholesky factorisation with complete pivoting of C, its columns scaled back. None if C is
    singular to rounding, for then directions without data would be known no better than the
    largest entry; and if more than `tolerance` is left of C, whose diagonal is 1.

    Derivation: KR-5
    """
    d = np.diag(matrix)
    if d.min() < 0 or np.any(matrix[d == 0]):
        return None
    scale = np.sqrt(np.where(d > 0, d, 1.0))
    C = matrix / np.outer(scale, scale)
    factor, pivots, rank, _ = lapack.dpstrf(C)
    if rank < np.count_nonzero(d):
        return None
    R = np.zeros_like(C)
    R[:rank, pivots - 1] = np.triu(factor)[:rank]
    if np.abs(C - R.T @ R).max() > tolerance:
        return None
    return R * scale


def graded_singular(root: Array) -> tuple[Array, Array, Array]:
    """U (m, n), s (n,), Q (n, n) with root (m, n) = U diag(s) Q^T for m >= n, s descending.

    Derivation: KR-5

    Examples
    --------
    >>> _, s, _ = graded_singular(np.diag([1e-9, 1e9]))
    >>> bool(np.allclose(s, [1e9, 1e-9], rtol=1e-14, atol=0))
    True
    """
    s, U, Q, _, _, info = lapack.dgejsv(root, joba=0, jobu=0, jobv=0, jobr=1)
    if info != 0:
        raise np.linalg.LinAlgError(f"gejsv did not converge (info {info})")
    return U[:, : len(s)], s, Q  # only values that overflow would come scaled
