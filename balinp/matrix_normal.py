"""Gaussian distributions over a weight matrix, with a precision that a Kronecker basis
diagonalises.

With the precision P of `balinp.kronecker`, W ~ N(M, P^{-1}). Where its eigenvalues factorise, the
distribution is a matrix normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp._types import Array
from balinp.kronecker import KroneckerPrecision
from balinp.spectral import decompose
from balinp.validation import as_count, as_covariance, as_matrix


class KroneckerGaussian(KroneckerPrecision):
    """Gaussian over a matrix W (D, K) in a Kronecker eigenbasis.

    Parameters
    ----------
    mean : array
        (D, K) array M.
    row_basis, column_basis, precisions : array
        Bases (D, D) and (K, K), and eigenvalues (D, K), of P, as for `KroneckerPrecision`.

    Attributes
    ----------
    mean : array
        (D, K) mean M.

    Notes
    -----
    A layer makes these from its own factors; the arguments are not checked again here.

    Derivation: KR-2

    Examples
    --------
    >>> q = KroneckerGaussian(np.zeros((2, 1)), np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
    >>> q.marginal_variance()
    array([[0.25],
           [1.  ]])
    """

    def __init__(
        self, mean: Array, row_basis: Array, column_basis: Array, precisions: Array
    ) -> None:
        super().__init__(row_basis, column_basis, precisions)
        self.mean = mean

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.mean.shape})"

    def with_mean(self, mean: Array) -> KroneckerGaussian:
        """Return the distribution of the same covariance about another mean (D, K).

        Examples
        --------
        >>> q = KroneckerGaussian(np.zeros((2, 1)), np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
        >>> q.with_mean(np.ones((2, 1))).mean
        array([[1.],
               [1.]])
        """
        return KroneckerGaussian(mean, self.row_basis, self.column_basis, self.precisions)

    # -- sampling and densities ---------------------------------------------------------------

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draw matrices: M + Q_A (eps / sqrt L) Q_H^T with standard normal eps.

        Derivation: MN-3

        Parameters
        ----------
        rng : numpy.random.Generator
            What draws come from.
        size : int, optional
            Number of draws, or None for a single matrix.

        Returns
        -------
        array
            (D, K) array, or (size, D, K).

        Examples
        --------
        >>> q = MatrixNormal(np.zeros((2, 3)), np.eye(2), np.eye(3))
        >>> q.sample(np.random.default_rng(0), 5).shape
        (5, 2, 3)
        """
        shape = self.mean.shape if size is None else (as_count(size, "size"), *self.mean.shape)
        noise = rng.standard_normal(shape)
        return self.mean + self._from_basis(noise / np.sqrt(self.precisions))

    def logpdf(self, W: Any) -> float:
        """Log density at W (D, K), in nats.

        Derivation: MN-1

        Raises
        ------
        TypeError, ValueError
            If W is not a finite numeric matrix of the mean's shape.

        Examples
        --------
        >>> q = KroneckerGaussian(np.zeros((2, 1)), np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
        >>> round(float(q.logpdf(np.zeros((2, 1)))), 3)
        -1.145
        """
        D, K = self.mean.shape
        W = as_matrix(W, "W", rows=D, columns=K)
        distance = float((self.precisions * self._to_basis(W - self.mean) ** 2).sum())
        return 0.5 * (self.log_det_precision - D * K * np.log(2 * np.pi) - distance)

    def entropy(self) -> float:
        """Differential entropy, in nats.

        Derivation: MN-4

        Examples
        --------
        >>> q = KroneckerGaussian(np.zeros((2, 1)), np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
        >>> round(float(q.entropy()), 3)
        2.145
        """
        return 0.5 * (self.mean.size * (1 + np.log(2 * np.pi)) - self.log_det_precision)

    def kl(self, other: KroneckerGaussian) -> float:
        """Kullback-Leibler divergence KL(self | other), in nats.

        It is of all weights together; bayesian-torch, for one, takes the mean over weights. The two
        may have different bases: with squared overlaps (Q_A'^T Q_A)^2 and (Q_H'^T Q_H)^2, entry by
        entry, the trace term is sum(L' * (overlap_A (1/L) overlap_H^T)).

        Derivation: MN-5

        Raises
        ------
        TypeError, ValueError
            If the other is not such a distribution, or is over matrices of another shape.

        Examples
        --------
        >>> q = MatrixNormal(np.zeros((2, 3)), np.eye(2), np.eye(3))
        >>> q.kl(q)
        0.0
        """
        if not isinstance(other, KroneckerGaussian):
            raise TypeError(f"other: expected a KroneckerGaussian, got {type(other).__name__}")
        if other.mean.shape != self.mean.shape:
            raise ValueError(
                f"other: expected a distribution over matrices of shape {self.mean.shape}, "
                f"got {other.mean.shape}"
            )
        row_overlap = (other.row_basis.T @ self.row_basis) ** 2
        column_overlap = (other.column_basis.T @ self.column_basis) ** 2
        trace = (other.precisions * (row_overlap @ (1 / self.precisions) @ column_overlap.T)).sum()
        shift = other._to_basis(other.mean - self.mean)
        distance = (other.precisions * shift**2).sum()
        log_dets = self.log_det_precision - other.log_det_precision
        return float(0.5 * (trace + distance - self.mean.size + log_dets))

    # -- relation to the matrix normal --------------------------------------------------------

    @property
    def is_matrix_normal(self) -> bool:
        """Whether the covariance is a Kronecker product, i.e. L has rank one.

        Derivation: MN-7
        """
        outer = np.outer(self.precisions[:, 0], self.precisions[0]) / self.precisions[0, 0]
        return bool(np.allclose(outer, self.precisions, rtol=1e-12, atol=0.0))

    def as_matrix_normal(self) -> MatrixNormal:
        """Return the same distribution as row and column covariances.

        The scale that the two factors share is fixed by giving the row covariance the first
        entry of L: U = Q_A diag(1 / L_i0) Q_A^T, V = Q_H diag(L_00 / L_0j) Q_H^T.

        Derivation: MN-7

        Raises
        ------
        ValueError
            If L does not factorise.

        Examples
        --------
        >>> q = KroneckerGaussian(np.zeros((2, 1)), np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
        >>> p = q.as_matrix_normal()
        >>> np.kron(p.column_covariance, p.row_covariance).round(6)
        array([[0.25, 0.  ],
               [0.  , 1.  ]])
        """
        if not self.is_matrix_normal:
            raise ValueError(
                "as_matrix_normal: the precision is not a Kronecker product; "
                "under the isotropic prior a layer's posterior is Gaussian but not matrix normal"
            )
        L = self.precisions
        return MatrixNormal.in_bases(
            self.mean, self.row_basis, 1 / L[:, 0], self.column_basis, L[0, 0] / L[0]
        )


class MatrixNormal(KroneckerGaussian):
    """Matrix normal distribution MN(M, U, V): vec(W) ~ N(vec(M), V kron U).

    That is scipy's `matrix_normal`. (A row of scipy's `matrix_t` is its `multivariate_t` with the
    shape divided by the degrees of freedom.)

    Parameters
    ----------
    mean : array
        (D, K) array M.
    row_covariance : array
        (D, D) array U, symmetric positive definite.
    column_covariance : array
        (K, K) array V, symmetric positive definite.

    Attributes
    ----------
    row_covariance, column_covariance : array
        The factors U (D, D) and V (K, K).

    Raises
    ------
    TypeError, ValueError
        If an argument is not numeric and finite, a shape does not fit, or a covariance is not
        symmetric positive definite.

    Notes
    -----
    In the eigenbases of U and V the precision eigenvalues are L_ij = 1 / (u_i v_j), so all
    methods are those of `KroneckerGaussian`.

    Derivation: MN-1, MN-7

    Examples
    --------
    >>> q = MatrixNormal([[0.0, 1.0]], [[2.0]], [[1.0, 0.5], [0.5, 1.0]])
    >>> q.covariance()
    array([[2., 1.],
           [1., 2.]])
    """

    def __init__(self, mean: Any, row_covariance: Any, column_covariance: Any) -> None:
        mean = as_matrix(mean, "mean").copy()
        D, K = mean.shape
        self.row_covariance = as_covariance(row_covariance, "row_covariance", D).copy()
        self.column_covariance = as_covariance(column_covariance, "column_covariance", K).copy()
        rows = decompose(self.row_covariance, "row_covariance")
        columns = decompose(self.column_covariance, "column_covariance")
        for name, values in (("row", rows.values), ("column", columns.values)):
            if values[0] == 0:
                raise ValueError(
                    f"{name}_covariance: expected a positive definite matrix, got one that is "
                    f"singular to rounding (largest eigenvalue {values[-1]:.3g})"
                )
        precisions = 1.0 / np.outer(rows.values, columns.values)
        super().__init__(mean, rows.vectors, columns.vectors, precisions)

    @classmethod
    def in_bases(
        cls, mean: Array, row_basis: Array, u: Array, column_basis: Array, v: Array
    ) -> MatrixNormal:
        """MN(M, Q_A diag(u) Q_A^T, Q_H diag(v) Q_H^T), whose spectra are known and not sought anew.

        Derivation: MN-7

        Parameters
        ----------
        mean, row_basis, column_basis : array
            As for `KroneckerGaussian`; not checked again here.
        u, v : array
            (D,) and (K,) arrays of variances, all above zero.

        Examples
        --------
        >>> M, I, u, v = np.zeros((1, 1)), np.eye(1), np.array([2.0]), np.array([3.0])
        >>> MatrixNormal.in_bases(M, I, I, u, v).covariance()
        array([[12.]])
        """
        q = cls.__new__(cls)
        KroneckerGaussian.__init__(q, mean, row_basis, column_basis, 1.0 / np.outer(u, v))
        q.row_covariance = _symmetric((row_basis * u) @ row_basis.T)
        q.column_covariance = _symmetric((column_basis * v) @ column_basis.T)
        return q

    def covariance(self) -> Array:
        """Return V kron U, shape (D K, D K).

        Derivation: MN-2

        Examples
        --------
        >>> MatrixNormal(np.zeros((2, 1)), np.diag([1.0, 2.0]), np.eye(1)).covariance().round(6)
        array([[1., 0.],
               [0., 2.]])
        """
        return np.kron(self.column_covariance, self.row_covariance)


def _symmetric(matrix: Array) -> Array:
    return 0.5 * (matrix + matrix.T)
