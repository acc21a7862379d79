"""The two priors of a layer's weights, each with all that depends on which it is.

Both are diagonal in the layer's Kronecker eigenbasis and constant along its rows: a prior is said
by the eigenvalues p (K,) of its precision, one for each column of the basis.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, prod
from typing import ClassVar

import numpy as np

from balinp._types import Array
from balinp.spectral import Spectrum


@dataclass(frozen=True)
class Isotropic:
    """vec(W) ~ N(vec(M0), I / lam): what weight decay stands for.

    Derivation: LR-1, KR-2

    Attributes
    ----------
    precision : float
        lam.
    name : str
        What the prior is called.
    follows_noise : bool
        Whether Lam0 is made of the output precision H.

    Examples
    --------
    >>> H = Spectrum(np.array([1.0, 4.0]), np.eye(2))
    >>> Isotropic(2.0).eigenvalues(H), Conjugate(2.0).eigenvalues(H)
    (array([2., 2.]), array([2., 8.]))
    """

    precision: float
    name: ClassVar[str] = "isotropic"
    follows_noise: ClassVar[bool] = False

    def eigenvalues(self, outputs: Spectrum) -> Array:
        """p_j = lam, given the spectrum of H (K, K)."""
        return np.full(len(outputs), self.precision)

    def times(self, W: Array, outputs: Spectrum) -> Array:
        """Lam0 vec(W) as a matrix (D, K): lam W."""
        return self.precision * W

    def squares(self, shift: Array, outputs: Spectrum) -> float:
        """vec(shift)^T Lam0 vec(shift): lam |shift|^2."""
        return self.precision * float(np.vdot(shift, shift))

    def log_normaliser(self, shape: tuple[int, ...], outputs: Spectrum) -> float:
        """Log density of weights (D, K) at the prior's mean, D sum_j log(p_j / 2 pi) / 2."""
        return 0.5 * prod(shape) * log(self.precision / (2 * pi))

    def column_factor(self, H: Array) -> Array:
        """The factor (K, K) of Lam0 = lam (factor kron I): I."""
        return np.eye(len(H))


class Conjugate(Isotropic):
    """W ~ MN(M0, I / lam, V) with V = H^{-1}: in units of the noise, as the outputs are.

    Derivation: LR-2, KR-2, EV-4
    """

    name: ClassVar[str] = "conjugate"
    follows_noise: ClassVar[bool] = True

    def eigenvalues(self, outputs: Spectrum) -> Array:
        """p_j = lam h_j."""
        return self.precision * outputs.values

    def times(self, W: Array, outputs: Spectrum) -> Array:
        """Lam0 vec(W) as a matrix (D, K): lam W H."""
        return self.precision * outputs.times_rows(W)

    def squares(self, shift: Array, outputs: Spectrum) -> float:
        """vec(shift)^T Lam0 vec(shift): lam tr(shift H shift^T)."""
        return float((shift * self.times(shift, outputs)).sum())

    def log_normaliser(self, shape: tuple[int, ...], outputs: Spectrum) -> float:
        """Log density of weights (D, K) at the prior's mean, D sum_j log(p_j / 2 pi) / 2."""
        return 0.5 * shape[0] * float(np.log(self.eigenvalues(outputs) / (2 * pi)).sum())

    def column_factor(self, H: Array) -> Array:
        """The factor (K, K) of Lam0 = lam (factor kron I): H."""
        return H


Prior = Isotropic
"""A prior N(vec M0, Lam0^{-1}); the conjugate one is the isotropic one in units of the noise."""

PRIORS: dict[str, type[Prior]] = {kind.name: kind for kind in (Isotropic, Conjugate)}
