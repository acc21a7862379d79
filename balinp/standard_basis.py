"""Eigenvectors of a matrix that is diagonal: a product with them costs nothing.

A first reader can skip this module.
"""

from __future__ import annotations

from typing import Any

from balinp._types import Array


class StandardBasis:
    """The standard basis in place of a matrix of eigenvectors: a product with it costs nothing.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.ones((2, 3))
    >>> X @ STANDARD is X and STANDARD.T @ X is X
    True
    """

    __array_ufunc__ = None  # NumPy leaves products to the two methods below

    @property
    def T(self) -> StandardBasis:
        """Its transpose: itself."""
        return self

    def __matmul__(self, right: Array) -> Array:
        return right

    def __rmatmul__(self, left: Array) -> Array:
        return left


STANDARD: Any = StandardBasis()
"""Eigenvectors of a matrix that is diagonal."""
