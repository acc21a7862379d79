"""Kernels for the Kronecker factors of a layer.

A layer's posterior is built from two small matrices: the second moment of its inputs
A = X^T X / B, and its output precision H = mean_n S_n S_n^T. Both are averages over data, and
both are kept as moving averages.
"""

from __future__ import annotations

import numpy as np

from balinp._types import Array


def amount(rows: Array, weights: Array | None) -> float:
    """Number of data that the rows are, B = sum_n w_n; how many they are without weights.

    Derivation: LR-6
    """
    return len(rows) if weights is None else float(weights.sum())


def is_same_amount(one: float, other: float, rows: int) -> bool:
    """Whether two numbers of data are sums of the same weights, added up in some order.

    Sums of so many positive numbers in different orders differ by their rounding alone.

    Examples
    --------
    >>> is_same_amount(0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 3)
    True
    """
    return bool(abs(one - other) <= rows * np.finfo(np.float64).eps * max(one, other))


def design(inputs: Array, bias: bool) -> Array:
    """X (B, D): a layer's inputs (B, n_in), with a trailing 1 if there is a bias.

    Examples
    --------
    >>> design(np.array([[2.0], [3.0]]), bias=True)
    array([[2., 1.],
           [3., 1.]])
    """
    if not bias:
        return inputs
    X = np.empty((len(inputs), inputs.shape[1] + 1))
    X[:, :-1], X[:, -1] = inputs, 1.0
    return X


def root_weighted(rows: Array, weights: Array | None) -> Array:
    """sqrt(w_n) times row n of an array (B, ...): products of two such arrays, summed over n,
    are the weighted sums over data; the rows themselves without weights.

    Derivation: LR-6

    Examples
    --------
    >>> root_weighted(np.array([[1.0], [1.0]]), np.array([4.0, 0.0]))
    array([[2.],
           [0.]])
    """
    if weights is None:
        return rows
    return rows * np.sqrt(weights).reshape(-1, *[1] * (rows.ndim - 1))


def weighted_sum(values: Array, weights: Array | None) -> float:
    """sum_n w_n v_n of values (B,); their plain sum without weights.

    Derivation: LR-6
    """
    return float(np.add.reduce(values) if weights is None else weights @ values)


def gram(rows: Array) -> Array:
    """Sum over rows x (n, d) of x x^T, exactly symmetric.

    Of a product of a matrix with itself NumPy computes one triangle only.

    Derivation: LR-1, PT-4

    Examples
    --------
    >>> gram(np.array([[1.0, 1.0], [3.0, 1.0]]))
    array([[10.,  4.],
           [ 4.,  2.]])
    """
    rows = np.ascontiguousarray(rows)
    return rows.T @ rows


def curvature_sum(root_rows: Array, weights: Array | None = None) -> Array:
    """sum_n w_n S_n S_n^T (K, K), from rows of S_n^T (B, C, K)."""
    rows = root_weighted(root_rows, weights).swapaxes(0, 1)  # as a backward pass has them
    return gram(rows.reshape(-1, rows.shape[2]))


def forget(old: Array, new: Array, rate: float) -> Array:
    """Moving average (1 - rate) old + rate new of two symmetric matrices.

    Written as old + rate (new - old), so that what does not change stays the same to the last
    bit. Each factor is averaged by itself. The average of their products would differ by
    -rate (1 - rate) (H_batch - H) kron (A_batch - A).

    Derivation: NP-1, NP-6

    Examples
    --------
    >>> forget(np.eye(2), np.zeros((2, 2)), 0.25)
    array([[0.75, 0.  ],
           [0.  , 0.75]])
    """
    if rate == 1:
        return new
    return old + rate * (new - old)
