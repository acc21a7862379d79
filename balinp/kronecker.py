"""A precision matrix that a Kronecker basis diagonalises, and what its inverse is asked for.

With orthonormal bases Q_A (D, D) and Q_H (K, K) and a positive matrix L (D, K),

    P = (Q_H kron Q_A) diag(vec L) (Q_H kron Q_A)^T.

Every operation below costs O(D^2 K + D K^2): a matrix is turned into the basis, something
simple is done entry by entry, and the result is turned back. The rule behind all of them is
vec(A W B^T) = (B kron A) vec(W), with vec stacking columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp._types import Array
from balinp.validation import as_matrix


class KroneckerPrecision:
    """The precision P of a matrix W (D, K); its inverse is the covariance of vec(W).

    Parameters
    ----------
    row_basis : array
        (D, D) array Q_A, orthonormal columns.
    column_basis : array
        (K, K) array Q_H, orthonormal columns.
    precisions : array
        (D, K) array L, the eigenvalues of P, all above zero.

    Attributes
    ----------
    row_basis, column_basis, precisions : array
        As given; they are not checked again.

    Notes
    -----
    Derivation: KR-2

    Examples
    --------
    >>> P = KroneckerPrecision(np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
    >>> P.solve(np.array([[2.0], [2.0]]))
    array([[0.5],
           [2. ]])
    """

    def __init__(self, row_basis: Array, column_basis: Array, precisions: Array) -> None:
        self.row_basis = row_basis
        self.column_basis = column_basis
        self.precisions = precisions

    # -- the two maps everything is made of -------------------------------------------------

    def _to_basis(self, W: Array) -> Array:
        """(Q_H kron Q_A)^T vec(W), as a matrix.

        Derivation: KR-1
        """
        return self.row_basis.T @ W @ self.column_basis

    def _from_basis(self, W: Array) -> Array:
        """(Q_H kron Q_A) vec(W), as a matrix.

        Derivation: KR-1
        """
        return self.row_basis @ W @ self.column_basis.T

    def solve(self, R: Array) -> Array:
        """Return P^{-1} vec(R) as a (D, K) matrix.

        Derivation: KR-3

        Examples
        --------
        >>> P = KroneckerPrecision(np.eye(1), np.eye(1), np.array([[0.5]]))
        >>> P.solve(np.array([[2.0]]))
        array([[4.]])
        """
        return self._from_basis(self._to_basis(R) / self.precisions)

    # -- the covariance ---------------------------------------------------------------------------

    def covariance(self) -> Array:
        """Return the dense covariance of vec(W), shape (D K, D K).

        Derivation: MN-2

        Examples
        --------
        >>> P = KroneckerPrecision(np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
        >>> P.covariance()
        array([[0.25, 0.  ],
               [0.  , 1.  ]])
        """
        basis = np.kron(self.column_basis, self.row_basis)
        return (basis / self.precisions.ravel(order="F")) @ basis.T

    def marginal_variance(self) -> Array:
        """Return the variance of each entry of W, shape (D, K).

        Derivation: MN-2

        Examples
        --------
        >>> P = KroneckerPrecision(np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
        >>> P.marginal_variance().T
        array([[0.25, 1.  ]])
        """
        return self.row_basis**2 @ (1.0 / self.precisions) @ (self.column_basis**2).T

    def predictive_covariance(self, X: Any) -> Array:
        """Covariance of W^T x for each row x of X.

        Q_H diag_j( sum_i (Q_A^T x)_i^2 / L_ij ) Q_H^T.

        Derivation: MN-6

        Parameters
        ----------
        X : array
            (B, D) array; a bias column, if there is one, is part of it.

        Returns
        -------
        array
            (B, K, K) array.

        Raises
        ------
        TypeError, ValueError
            If X is not a finite numeric matrix with D columns.

        Examples
        --------
        >>> P = KroneckerPrecision(np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
        >>> P.predictive_covariance([[1.0, 2.0]])
        array([[[4.25]]])
        """
        X = as_matrix(X, "X", columns=len(self.precisions))
        scaled = self.column_basis * self.output_variances(X)[:, None, :]
        return scaled @ self.column_basis.T

    def output_variances(self, X: Array) -> Array:
        """Variances (B, K) of Q_H^T W^T x, which are independent in the basis Q_H.

        Derivation: MN-6

        Examples
        --------
        >>> P = KroneckerPrecision(np.eye(2), np.eye(1), np.array([[4.0], [1.0]]))
        >>> P.output_variances(np.array([[1.0, 2.0]]))
        array([[4.25]])
        """
        rotated = X @ self.row_basis
        return (rotated * rotated) @ (1.0 / self.precisions)

    @property
    def log_det_precision(self) -> float:
        """Log det P = sum_ij log L_ij."""
        return float(np.log(self.precisions).sum())
