"""A layer's regression solved without eigenvectors, where fewer numbers tell as much.

Eigendecompositions of both factors are the definition (`balinp.damping.Spectral`). A layer
of one output needs a Cholesky factor only; where the other factor is diagonal in a basis that is
known, or small, tridiagonal form is enough. Both give the same change, and exactly what the data
determine, at a fraction of the time. A first reader can skip this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dorgqr, dpotrf, dpotri, dpotrs, dsytrd

from balinp._types import Array
from balinp.compiled import compiled
from balinp.damping import Spectral, added_precision
from balinp.natural_parameters import Determined, Factors
from balinp.priors import Prior
from balinp.spectral import rounding


@dataclass(eq=False)
class SolvedFactors(Factors):
    """Averages of which is known what they determine under one prior precision.

    Attributes
    ----------
    precision : float
        That precision, lam.
    solved : Determined or None
        What they determine.
    """

    precision: float = 0.0
    solved: Determined | None = None

    def determined(self, prior: Prior) -> Determined:
        """What has been worked out with the change, if it is asked for under the same prior."""
        return self._under(prior) or super().determined(prior)

    def parameters(self, prior: Prior) -> float:
        """The number of them, alike."""
        found = self._under(prior)
        return super().parameters(prior) if found is None else found.parameters

    def _under(self, prior: Prior) -> Determined | None:
        return self.solved if prior.precision == self.precision else None


@dataclass(frozen=True)
class Direct(Spectral):
    """How a layer's regression is solved: by the form that costs least. For isotropic priors.

    Derivation: KR-6
    """

    def solved(self, right: Array, factors: Factors, prior: Prior) -> tuple[Array, Factors]:
        """(P + delta I)^{-1} vec(right), and the factors with what they determine."""
        D, K = right.shape
        if prior.follows_noise or 1 < K < 2 * D:
            return super().solved(right, factors, prior)
        delta = added_precision(self.damping, factors) if self.damping else 0.0
        solve = one_output if K == 1 else tridiagonal
        solution = solve(factors, right, prior.precision, delta)
        if solution is None:
            return super().solved(right, factors, prior)
        change, determined = solution
        values = (factors.A, factors.H, factors.inputs, factors.outputs, factors.n_data)
        return change, SolvedFactors(*values, prior.precision, determined)


def one_output(
    factors: Factors, right: Array, lam: float, delta: float = 0.0
) -> tuple[Array, Determined] | None:
    """(P + delta I)^{-1} right (D, 1), P = N h A + lam I, and gamma = N h tr(A P^{-1}).

    By Cholesky's method. None where P is singular to rounding.

    Derivation: KR-6, EV-1
    """
    data = factors.n_data * factors.H[0, 0] * factors.A
    C, failed = _root_with(data, lam)
    if failed or C.diagonal().min() ** 2 < rounding(len(data), data.trace()):
        return None
    change, _ = dpotrs(_root_with(data, lam + delta)[0] if delta else C, right, lower=1)
    inverse, _ = dpotri(C, lower=1, overwrite_c=1)  # its lower triangle; zeros above
    gamma = 2.0 * float(data.ravel() @ inverse.T.ravel())
    gamma -= float(data.diagonal() @ inverse.diagonal())
    return change, Determined(gamma, np.array([[gamma / factors.H[0, 0]]]))


def _root_with(data: Array, lam: float) -> tuple[Array, int]:
    """Cholesky factor of data + lam I, and whether there is none."""
    P = data.copy()
    P.reshape(-1)[:: len(P) + 1] += lam
    return dpotrf(P.T, lower=1, overwrite_a=1)  # the transpose, as LAPACK wants it


def tridiagonal(
    factors: Factors, right: Array, lam: float, delta: float = 0.0
) -> tuple[Array, Determined]:
    """(P + delta I)^{-1} vec(right) as (D, K), and what is determined, with H = Q T Q^T.

    T is tridiagonal. In A's eigenbasis row i of the change solves
    (N a_i T + (lam + delta) I) x_i = r_i, and what the data determine is told by
    Psi = sum_i N a_i (N a_i H + lam I)^{-1}: gamma = tr(Psi H).

    Derivation: KR-6, EV-1, EV-3
    """
    Q_A = factors.inputs.vectors
    diagonal, below, Q = _tridiagonal_form(factors.H)
    T = factors.n_data * factors.inputs.values, diagonal, below
    solution = _solved_rows(*T, lam + delta, (Q_A.T @ right) @ Q)
    gamma, Psi = _determined(*T, lam)
    return Q_A @ (solution @ Q.T), Determined(gamma, Q @ Psi @ Q.T)


def _tridiagonal_form(H: Array) -> tuple[Array, Array, Array]:
    """Diagonal (K,), numbers below it (K - 1,) and Q of H = Q T Q^T, by Householder's method."""
    reflectors, diagonal, below, scales, _ = dsytrd(H.T, lower=1)
    Q = np.zeros(H.shape, order="F")  # as LAPACK has it
    Q[0, 0] = 1.0
    Q[1:, 1:], _, _ = dorgqr(reflectors[1:, :-1], scales)
    return diagonal, below, Q


@compiled
def _solved_rows(  # pragma: no cover - jitted
    scales: Array, diagonal: Array, below: Array, lam: float, right: Array
) -> Array:
    """Rows x_i (D, K) with (s_i T + lam I) x_i = r_i, by elimination."""
    D, K = right.shape
    solution, pivots = np.empty((D, K)), np.empty(K)
    for i in range(D):
        s = scales[i]
        pivots[0] = s * diagonal[0] + lam
        solution[i, 0] = right[i, 0]
        for j in range(1, K):
            factor = s * below[j - 1] / pivots[j - 1]
            pivots[j] = s * diagonal[j] + lam - factor * s * below[j - 1]
            solution[i, j] = right[i, j] - factor * solution[i, j - 1]
        solution[i, K - 1] /= pivots[K - 1]
        for j in range(K - 2, -1, -1):
            solution[i, j] = (solution[i, j] - s * below[j] * solution[i, j + 1]) / pivots[j]
    return solution


@compiled
def _determined(  # pragma: no cover - jitted
    scales: Array, diagonal: Array, below: Array, lam: float
) -> tuple[float, Array]:
    """Gamma = tr(Psi T), and Psi = sum_i s_i (s_i T + lam I)^{-1} (K, K)."""
    K = len(diagonal)
    Psi, down, up, ratio = np.zeros((K, K)), np.empty(K), np.empty(K), np.empty(K)
    for s in scales:  # pivots from either end
        down[0] = s * diagonal[0] + lam
        for j in range(1, K):
            down[j] = s * diagonal[j] + lam - (s * below[j - 1]) ** 2 / down[j - 1]
        up[K - 1] = s * diagonal[K - 1] + lam
        for j in range(K - 2, -1, -1):
            ratio[j + 1] = -s * below[j] / up[j + 1]
            up[j] = s * diagonal[j] + lam + s * below[j] * ratio[j + 1]
        for j in range(K):
            # A diagonal entry of the inverse; those beside it follow one from another.
            entry = s / (down[j] + up[j] - (s * diagonal[j] + lam))
            Psi[j, j] += entry
            for k in range(j + 1, K):
                entry *= ratio[k]
                Psi[j, k] += entry
    gamma = 0.0
    for j in range(K):
        gamma += Psi[j, j] * diagonal[j]
        if j + 1 < K:
            gamma += 2.0 * Psi[j, j + 1] * below[j]
        for k in range(j + 1, K):
            Psi[k, j] = Psi[j, k]
    return gamma, Psi
