"""Eigendecompositions of symmetric positive semi-definite matrices.

This is the only module that calls an eigendecomposition. Everything the package inverts, it
inverts through the eigenvalues found here, so that the rule for numerically zero
eigenvalues is written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotrf

from balinp._types import Array
from balinp.graded import graded_root, graded_singular, is_graded
from balinp.lazily import lazily

CURVATURE_FLOOR = 1e-8
"""Smallest eigenvalue of a hidden layer's output precision, as a fraction of their mean."""


RANK_TOLERANCE = 100.0
"""Eigenvalues above -RANK_TOLERANCE n eps a_max are rounding errors of zeros.

One n eps a_max is what the eigensolver may err by; the rest is room for the rounding errors of
the Gram matrix itself, a sum over many data of products that cancel.
"""


EPS = float(np.finfo(np.float64).eps)

SMALLEST_SCALE = 1e-280
"""A curvature with a mean eigenvalue below this has no digits left and counts as zero."""


@dataclass(eq=False)
class Spectrum:
    """Eigenvalues (n,), ascending, and orthonormal eigenvectors (n, n), one a column.

    Attributes
    ----------
    values : array
        Eigenvalues.
    vectors : array
        Eigenvectors, in columns.
    """

    values: Array
    vectors: Array

    def __iter__(self) -> Iterator[Array]:
        yield self.values
        yield self.vectors

    def __len__(self) -> int:
        return len(self.values)

    def matrix(self) -> Array:
        """Return `vectors diag(values) vectors^T`."""
        return (self.vectors * self.values) @ self.vectors.T

    def times_rows(self, rows: Array) -> Array:
        """Return rows (m, n) times the matrix, through the eigenbasis like `solve_rows`."""
        return ((rows @ self.vectors) * self.values) @ self.vectors.T

    def solve_rows(self, rows: Array) -> Array:
        """Return rows (m, n) times the inverse matrix; all values must be above zero.

        Done in the eigenbasis: where eigenvalues differ by eight orders of magnitude, the
        entries of an explicit inverse would cancel to eight digits less.
        """
        return ((rows @ self.vectors) / self.values) @ self.vectors.T


class Undecomposed(Spectrum):
    """The spectrum of a matrix that is decomposed when it is first asked for.

    Parameters
    ----------
    matrix, name : array and str
        As for `decompose`.

    Examples
    --------
    >>> spectrum = Undecomposed(np.diag([2.0, 0.0]), "A")
    >>> len(spectrum), spectrum.values
    (2, array([0., 2.]))
    """

    def __init__(self, matrix: Array, name: str) -> None:
        self._matrix, self._name = matrix, name

    def __len__(self) -> int:
        return len(self._matrix)

    @lazily
    def _spectrum(self) -> Spectrum:
        return decompose(self._matrix, self._name)

    @property
    def values(self) -> Array:  # type: ignore[override]
        """Eigenvalues (n,)."""
        return self._spectrum.values

    @property
    def vectors(self) -> Array:  # type: ignore[override]
        """Eigenvectors (n, n)."""
        return self._spectrum.vectors


def decompose(matrix: Array, name: str) -> Spectrum:
    """Eigendecomposition of a matrix that is positive semi-definite up to rounding.

    With n rows and largest eigenvalue a_max, negative eigenvalues down to -100 n eps a_max are
    rounding errors of zeros and are returned as zero. A lower one means that the matrix is not
    what its caller believes. Where the diagonal spans more than ten orders of magnitude, scales
    are taken out first, and the rule holds for what is left.

    Derivation: KR-4, KR-5

    Parameters
    ----------
    matrix : array
        (n, n) array, symmetric.
    name : str
        What the matrix is, for the error message.

    Raises
    ------
    ValueError
        If an eigenvalue lies below that, or the matrix is not finite.

    Examples
    --------
    >>> decompose(np.diag([2.0, 0.0]), "A").values
    array([0., 2.])
    """
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name}: expected a finite matrix, got one with NaN or infinite entries")
    if len(matrix) == 1:  # a single output's: nothing to decompose
        return Spectrum(_semidefinite(matrix[0], name), np.ones((1, 1)))
    graded = is_graded(np.diag(matrix))
    scaled = graded_root(matrix, rounding(len(matrix), 1.0)) if graded else None
    if scaled is not None:
        _, s, Q = graded_singular(scaled)
        return Spectrum(s[::-1] ** 2, Q[:, ::-1])
    values, vectors = np.linalg.eigh(matrix)
    return Spectrum(_semidefinite(values, name), vectors)


def floored(matrix: Array, name: str, fraction: float = CURVATURE_FLOOR) -> Spectrum:
    """Spectrum of `matrix` with eigenvalues below `fraction` of their mean raised to that.

    A hidden layer's curvature is nearly singular by nature, and its inverse is needed to write
    the pseudo-targets. Raising the small eigenvalues leaves the others as they are, whereas
    adding a multiple of the identity would shift all of them. A zero matrix (a layer whose
    outputs have no effect) has no scale of its own; its mean counts as one, and all its
    eigenvalues become `fraction`.

    Derivation: PT-5

    Examples
    --------
    >>> floored(np.diag([2.0, 0.0]), "H").values
    array([1.e-08, 2.e+00])
    """
    if np.trace(matrix) < SMALLEST_SCALE * len(matrix):
        values, vectors = np.zeros(len(matrix)), np.eye(len(matrix))
    else:
        values, vectors = decompose(matrix, name)
    return Spectrum(raised(values, fraction, matrix), vectors)


def with_floor(
    matrix: Array, name: str, fraction: float = CURVATURE_FLOOR
) -> tuple[Array, Spectrum]:
    """The matrix of `floored`, and its spectrum; the matrix given if no eigenvalue is too small.

    Whether one is, a Cholesky factorisation tells, at a fraction of a decomposition's cost.

    Derivation: PT-5

    Examples
    --------
    >>> matrix, spectrum = with_floor(np.diag([2.0, 0.0]), "H")
    >>> matrix
    array([[2.e+00, 0.e+00],
           [0.e+00, 1.e-08]])
    >>> spectrum.values
    array([1.e-08, 2.e+00])
    """
    if not fraction:
        return matrix, Undecomposed(matrix, name)
    n, scale = len(matrix), matrix.trace() / len(matrix)
    if scale >= SMALLEST_SCALE:
        shifted = matrix.copy()
        shifted.reshape(-1)[:: n + 1] -= fraction * scale
        _, is_below = dpotrf(shifted.T, clean=0, overwrite_a=1)  # the transpose, as LAPACK wants it
        if not is_below:
            return matrix, Undecomposed(matrix, name)
    spectrum = floored(matrix, name, fraction)
    return spectrum.matrix(), spectrum


def raised(values: Array, fraction: float, matrix: Array) -> Array:
    """Eigenvalues of a matrix, small ones raised to a fraction of their mean; see `floored`.

    Derivation: PT-5
    """
    mean = float(np.trace(matrix)) / len(matrix)
    return np.maximum(values, fraction * (mean if mean >= SMALLEST_SCALE else 1.0))


def singular(root: Array) -> tuple[Array, Array, Array]:
    """Singular values s (n,), ascending, of a root (m, n), with the vectors of both sides.

    root = U diag(s) Q^T with U (m, n), Q (n, n): where m < n, the first n - m values are zero and
    so are their columns of U.

    Derivation: KR-4, KR-5

    Examples
    --------
    >>> U, s, Q = singular(np.array([[3.0, 0.0]]))
    >>> s, np.abs(U @ np.diag(s) @ Q.T)
    (array([0., 3.]), array([[3., 0.]]))
    """
    m, n = root.shape
    padded = np.concatenate([root, np.zeros((max(0, n - m), n))])
    if is_graded((root**2).sum(axis=0)):
        U, s, Q = graded_singular(padded)
    else:
        U, s, Qt = np.linalg.svd(padded, full_matrices=False)
        Q = Qt.T
    return U[:m, ::-1], s[::-1], Q[:, ::-1]


def covariance_root(covariance: Array) -> Array:
    """Roots R of a stack of covariances R R^T, shape (..., n, n), each determined by its matrix.

    Cholesky factors if all matrices are positive definite to rounding, else symmetric roots.
    Both are continuous: draws made with them do not turn with signs and order of eigenvectors.

    Examples
    --------
    >>> covariance_root(np.array([[4.0, 2.0], [2.0, 2.0]]))
    array([[2., 0.],
           [1., 1.]])
    """
    try:
        return np.asarray(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        return root(covariance)


def root(covariance: Array, scale: Array | None = None) -> Array:
    """Symmetric square roots of a stack of covariances, shape (..., n, n).

    Unlike a Cholesky factor it exists for singular matrices; eigenvalues that rounding has made
    negative count as zero, by the rule of `decompose`.

    Parameters
    ----------
    covariance : array
        (..., n, n) array.
    scale : array, optional
        (...) array, the size of the numbers that the covariance was computed from, where that is
        larger than its own: a difference of large numbers carries their rounding errors.

    Examples
    --------
    >>> root(np.array([[4.0, 0.0], [0.0, 0.0]]))
    array([[2., 0.],
           [0., 0.]])
    """
    values, vectors = decompose_stack(covariance, scale)
    scaled = vectors * np.sqrt(values)[..., None, :]
    return scaled @ np.swapaxes(vectors, -1, -2)


def decompose_stack(covariance: Array, scale: Array | None = None) -> Spectrum:
    """Eigenvalues (..., n) and eigenvectors (..., n, n) of a stack of covariances.

    The rule for zeros is that of `decompose`; the parameters are those of `root`.

    Derivation: KR-4
    """
    values, vectors = np.linalg.eigh(covariance)
    largest = np.abs(values[..., -1])
    tolerance = rounding(values.shape[-1], largest if scale is None else np.maximum(scale, largest))
    if (values[..., 0] < -tolerance).any():
        worst = np.unravel_index(np.argmin(values[..., 0] + tolerance), tolerance.shape)
        raise ValueError(
            "covariance: expected positive semi-definite matrices, got one with eigenvalues from "
            f"{values[worst][0]:.3g} to {values[worst][-1]:.3g} in a stack of shape "
            f"{covariance.shape}"
        )
    return Spectrum(np.maximum(values, 0.0), vectors)


def eigenvalues(matrix: Array, name: str) -> Array:
    """Eigenvalues (n,), ascending, by the rule of `decompose`; at a fraction of its cost.

    Derivation: KR-4

    Examples
    --------
    >>> eigenvalues(np.diag([2.0, 0.0]), "A")
    array([0., 2.])
    """
    return _semidefinite(np.asarray(np.linalg.eigvalsh(matrix), dtype=np.float64), name)


def rounding(size: int, largest: Any) -> Any:
    """What counts as rounding for matrices (size, size) of a given largest eigenvalue."""
    return RANK_TOLERANCE * size * EPS * largest


def _semidefinite(values: Array, name: str) -> Array:
    """Eigenvalues in ascending order, with rounding errors of zeros as zeros."""
    if values[0] < -rounding(len(values), abs(values[-1])):
        raise ValueError(
            f"{name}: expected a positive semi-definite matrix, got one of shape "
            f"{(len(values), len(values))} with eigenvalues from {values[0]:.3g} to "
            f"{values[-1]:.3g}"
        )
    return np.maximum(values, 0.0)


def geometric_mean(V: Array, T: Array, share: float, falling: float | None = None) -> Array:
    """V^(1/2) (V^(-1/2) T V^(-1/2))^share V^(1/2), on the way from V to T in logarithms.

    Between positive definite matrices this way is the shortest in the metric that no linear
    change of units alters. For numbers it is V^(1 - share) T^share.

    Derivation: EV-8

    Parameters
    ----------
    V, T : array
        (K, K) arrays, positive definite; T may be singular to rounding.
    share : float
        Share of the way, in [0, 1].
    falling : float, optional
        Share for those combinations in which T is smaller than V; None is the same for all.

    Examples
    --------
    >>> geometric_mean(np.array([[1.0]]), np.array([[16.0]]), 0.25)
    array([[2.]])
    >>> geometric_mean(np.array([[16.0]]), np.array([[1.0]]), 0.25, falling=0.5)
    array([[4.]])
    """
    falling = share if falling is None else falling
    if len(V) == 1:
        v, t = V.item(), T.item()
        way = share if t > v else falling
        return np.array([[v ** (1 - way) * t**way]])
    C = np.linalg.cholesky(V)
    ratio = np.linalg.solve(C, np.linalg.solve(C, T).T)
    w, Q = np.linalg.eigh(0.5 * (ratio + ratio.T))
    # Smaller eigenvalues, of either sign, are what rounding has left of them.
    w = np.maximum(w, len(w) * np.finfo(np.float64).eps * w[-1])
    root = C @ (Q * w ** (0.5 * np.where(w > 1, share, falling)))
    return np.asarray(root @ root.T)
