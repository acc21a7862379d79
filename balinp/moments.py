"""Second moments of inputs and targets, through a triangular root of them.

Where targets are observations they never become stale, and all that a Bayesian linear regression
needs of its data are sums: X^T X, X^T T and T^T T. Here they are kept as a root of their average,
which orthogonal transformations update. So no difference of large numbers is ever taken: residuals
have all their digits where they are smaller than the targets by ten orders of magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.kernels import amount, root_weighted
from balinp.spectral import Spectrum, singular


@dataclass(frozen=True)
class Moments:
    """Average over data of (x_n, t_n)(x_n, t_n)^T = R^T R, weights of data counted.

    Derivation: EX-1

    Attributes
    ----------
    root : array
        (C, D + K) array R, with C at most D + K.
    n_in : int
        D.
    amount : float
        Number of data that were averaged, with weights their sum.

    Examples
    --------
    >>> X, T = np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]])
    >>> moments = Moments.of(X, T)
    >>> (moments.root.T @ moments.root).round(12)
    array([[ 2.5,  5. ],
           [ 5. , 10. ]])
    """

    root: Array
    n_in: int
    amount: float

    @classmethod
    def of(cls, X: Array, T: Array, w: Array | None = None) -> Moments:
        """From X (B, D), T (B, K) and weights (B,), or None for ones."""
        B = amount(X, w)
        rows = root_weighted(np.column_stack([X, T]), w) / np.sqrt(B)
        return cls(triangle(rows), X.shape[1], B)

    def averaged(self, new: Moments, rate: float) -> Moments:
        """The moving average (1 - rate) old + rate new.

        Derivation: NP-1, EX-1
        """
        rows = [np.sqrt(1 - rate) * self.root, np.sqrt(rate) * new.root]
        return Moments(triangle(np.concatenate(rows)), self.n_in, self.amount + new.amount)

    def __add__(self, other: Moments) -> Moments:
        """The average over the data of both."""
        return self.averaged(other, other.amount / (self.amount + other.amount))

    @classmethod
    def none(cls, n_in: int, n_out: int) -> Moments:
        """Those of no data at all, from which a moving average starts."""
        return cls(np.zeros((0, n_in + n_out)), n_in, 0.0)

    @property
    def A(self) -> Array:
        """X^T X / B."""
        return self.inputs.T @ self.inputs

    @property
    def inputs(self) -> Array:
        """R_X (C, D), a root of A."""
        return self.root[:, : self.n_in]

    @property
    def targets(self) -> Array:
        """R_T (C, K), with R_X^T R_T = X^T T / B."""
        return self.root[:, self.n_in :]

    def residual_squares(self, M: Array) -> Array:
        """(T - X M)^T (T - X M) / B, for a mean M (D, K): the square of R_T - R_X M."""
        residuals = self.targets - self.inputs @ M
        return residuals.T @ residuals

    def spectrum(self) -> tuple[Spectrum, Array]:
        """Spectrum of A, and the (D, K) array Q_A^T X^T T / B.

        From the singular values of R_X, whose squares are A's eigenvalues: of these, half as many
        digits would be left.

        Derivation: EX-1, KR-2
        """
        U, s, Q = singular(self.inputs)
        return Spectrum(s**2, Q), s[:, None] * (U.T @ self.targets)


def triangle(rows: Array) -> Array:
    """R (C, n), triangular, with R^T R = rows^T rows."""
    return np.asarray(np.linalg.qr(rows, mode="r"), dtype=np.float64)
