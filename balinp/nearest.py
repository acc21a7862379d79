"""The matrix normal nearest to a Gaussian in a Kronecker eigenbasis.

Under the isotropic prior a layer's exact posterior is Gaussian, but its covariance is no
Kronecker product. Of all matrix normals q the one with the smallest KL(q | posterior) has the
posterior's mean and bases; its two spectra balance the matrix of precisions.
"""

from __future__ import annotations

import numpy as np

from balinp._types import Array
from balinp.matrix_normal import KroneckerGaussian, MatrixNormal

BALANCED = 1e-12
"""Largest relative deviation of a column's sum in a balanced matrix; rows' sums are exact."""


def nearest_matrix_normal(posterior: KroneckerGaussian) -> MatrixNormal:
    """Return the matrix normal q of the smallest KL(q | posterior).

    Its precisions are 1 / (u_i v_j) in the posterior's own bases, with (u, v) from `balance`, and

        KL(q | posterior) = -1/2 sum_ij log(u_i L_ij v_j).

    The row covariance is U = Q_A diag(u) Q_A^T, the column covariance V = Q_H diag(v) Q_H^T.
    Of the scale that the two share, V takes none: its trace is K.

    Derivation: MN-8

    Examples
    --------
    >>> L = np.array([[2.0, 1.0], [1.0, 1.0]])
    >>> p = KroneckerGaussian(np.zeros((2, 2)), np.eye(2), np.eye(2), L)
    >>> q = nearest_matrix_normal(p)
    >>> q.row_covariance.round(3)
    array([[0.707, 0.   ],
           [0.   , 1.   ]])
    >>> round(q.kl(p), 4)
    0.0299
    """
    u, v = balance(posterior.precisions)
    p = posterior
    return MatrixNormal.in_bases(p.mean, p.row_basis, u, p.column_basis, v)


def balance(L: Array) -> tuple[Array, Array]:
    """Vectors u and v for which u_i L_ij v_j has rows of sum K and columns of sum D.

    For given v the rows say what u is. What is left is a convex function of log v, and Newton's
    steps on it are taken for the larger part only: a step that changes the log v by amounts that
    lie r apart is multiplied by log(1 + r) / r. That lowers the function from anywhere, and is
    the full step in the end. (Balancing rows and columns in turn ends at the same place, but can
    take as many sweeps as the square root of the ratios in L.)

    Derivation: MN-8

    Parameters
    ----------
    L : array
        (D, K) array of numbers above zero.

    Returns
    -------
    u : array
        (D,) array.
    v : array
        (K,) array of mean 1.

    Examples
    --------
    >>> u, v = balance(np.array([[2.0, 1.0], [1.0, 1.0]]))
    >>> (u[:, None] * np.array([[2.0, 1.0], [1.0, 1.0]]) * v).round(3)
    array([[1.172, 0.828],
           [0.828, 1.172]])
    """
    D, K = L.shape
    if K > D:  # the smaller side is solved for
        v, u = balance(L.T)
        return u * v.mean(), v / v.mean()
    v = 1.0 / L.mean(axis=0)
    while True:
        v = v / v.mean()
        u = K / (L @ v)
        balanced = u[:, None] * L * v
        sums = balanced.sum(axis=0)
        if not np.abs(sums / D - 1).max() > BALANCED:
            return u, v
        # Along (1, ..., 1) the function is constant; the last term makes that direction regular.
        hessian = np.diag(sums) - balanced.T @ balanced / K + D / K
        newton = np.linalg.solve(hessian, D - sums)
        reach = np.ptp(newton)
        v = v * np.exp(newton * np.log1p(reach) / reach)
