"""What data add to the natural parameters of a layer's regression, and their moving average.

The sums over data are additive: those of two batches are their sums, whichever way data are cut
into pieces. The average over batches forgets old data gradually. Its two factors, decomposed, are
all that is needed to invert the posterior precision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.kernels import amount, forget, gram, root_weighted
from balinp.lazily import lazily
from balinp.matrix_normal import KroneckerGaussian
from balinp.priors import Prior
from balinp.spectral import Spectrum, Undecomposed, with_floor


class KnownFactor(NamedTuple):
    """A of inputs that never become stale: that of all data, decomposed once (NP-9)."""

    matrix: Array
    spectrum: Spectrum


@dataclass(eq=False)
class Terms:
    """Sums over a batch that its layer's regression on pseudo-targets T needs, about the mean M.

    Derivation: LR-1, LR-6, PT-3, NP-9

    Attributes
    ----------
    amount : float
        B, with weights the sum of the weights.
    inputs : array or None
        (D, D) array X^T X, or None where A is known.
    curvature : array
        (K, K) array B H.
    gradient : array
        (D, K) array X^T (T - X M) H = X^T G, the same for whatever H the pseudo-targets are written
        with (PT-3): pieces may be added that were written with different ones.
    precision_is_known : bool
        Whether H is the likelihood's own, which is not averaged.
    floor : float
        Smallest eigenvalue of H, as a fraction of their mean (PT-5); 0 for none.
    known_inputs : KnownFactor or None
        A of all data, which is not averaged, or None.
    """

    amount: float
    inputs: Array | None
    curvature: Array
    gradient: Array
    precision_is_known: bool = False
    floor: float = 0.0
    known_inputs: KnownFactor | None = None

    @classmethod
    def of(
        cls,
        X: Array,
        gradients: Array,
        curvature: Array,
        w: Array | None = None,
        *,
        precision_is_known: bool = False,
        floor: float = 0.0,
        known_inputs: KnownFactor | None = None,
    ) -> Terms:
        """From X (B, D), (T - X M) H (B, K), sum_n w_n S_n S_n^T (K, K), weights (B,) or None."""
        X_w = root_weighted(X, w)
        gradient = X_w.T @ root_weighted(gradients, w)
        inputs = gram(X_w) if known_inputs is None else None
        return cls(
            amount(X, w), inputs, curvature, gradient, precision_is_known, floor, known_inputs
        )

    def __add__(self, other: Terms) -> Terms:
        inputs = self.inputs
        if inputs is not None and other.inputs is not None:
            inputs = inputs + other.inputs
        return replace(
            self,
            amount=self.amount + other.amount,
            inputs=inputs,
            curvature=self.curvature + other.curvature,
            gradient=self.gradient + other.gradient,
        )

    @property
    def A(self) -> Array:
        """X^T X / B, where A is not known."""
        assert self.inputs is not None
        return self.inputs / self.amount

    @property
    def H(self) -> Array:
        """The batch's output precision, not floored."""
        return self.curvature / self.amount


class Determined(NamedTuple):
    """What the data determine of a layer's weights.

    Derivation: EV-1, EV-3

    Attributes
    ----------
    parameters : float
        Gamma, how many of them.
    left_out : array
        (K, K) array Psi, of which mean_n S_n^T Psi S_n is the layer's share of what the residuals
        at the mean leave out.
    """

    parameters: float
    left_out: Array


@dataclass(eq=False)
class Factors:
    """What the posterior precision is made of: the averages A and H, in Kronecker eigenbases.

    Derivation: KR-2, LR-1, LR-2

    Attributes
    ----------
    A, H : array
        (D, D) and (K, K) arrays, the averages.
    inputs, outputs : Spectrum
        Their spectra.
    n_data : float
        N.
    """

    A: Array
    H: Array
    inputs: Spectrum
    outputs: Spectrum
    n_data: float

    @classmethod
    def of(cls, A: Array, H: Array, n_data: float) -> Factors:
        """The averages, decomposed when that is first needed."""
        inputs = Undecomposed(A, "input factor")
        return Factors(A, H, inputs, Undecomposed(H, "output_precision"), n_data)

    @lazily
    def likelihood_eigenvalues(self) -> Array:
        """Eigenvalues N a_i h_j (D, K) of what the data add to the prior precision."""
        return (self.n_data * self.inputs.values)[:, None] * self.outputs.values

    def determined(self, prior: Prior) -> Determined:
        """Gamma = sum_ij N a_i h_j / L_ij, and Psi = Q_H diag_j(N sum_i a_i / L_ij) Q_H^T.

        Derivation: EV-1, EV-3
        """
        variances, Q = self._variances(prior), self.outputs.vectors
        return Determined(self._gamma(variances), (Q * variances) @ Q.T)

    def parameters(self, prior: Prior) -> float:
        """Gamma alone: Psi takes a product of the size of H, and is for learning noise.

        Derivation: EV-1
        """
        return self._gamma(self._variances(prior))

    def _variances(self, prior: Prior) -> Array:
        L = self.likelihood_eigenvalues + prior.eigenvalues(self.outputs)
        return self.n_data * (self.inputs.values @ (1.0 / L))

    def _gamma(self, variances: Array) -> float:
        return float(variances @ self.outputs.values)

    def posterior(self, mean: Array, prior: Prior) -> KroneckerGaussian:
        """N(M, P^{-1}) with P = H kron N A + Lam0, whose eigenvalues are L_ij = N a_i h_j + p_j.

        Derivation: KR-2, LR-1, LR-2
        """
        L = self.likelihood_eigenvalues + prior.eigenvalues(self.outputs)
        return KroneckerGaussian(mean, self.inputs.vectors, self.outputs.vectors, L)


def averages(old: Factors | None, terms: Terms, n_data: float, rate: float) -> Factors:
    """The averages after a batch: (1 - rate) of the old and rate of the batch's.

    Before the first batch A starts from zero, and H from the batch. Known ones are not averaged.
    The average of H is floored, as pseudo-targets written under it need it to be.

    Derivation: NP-1, NP-2, NP-9, PT-5
    """
    H = terms.H if old is None or terms.precision_is_known else forget(old.H, terms.H, rate)
    H, outputs = with_floor(H, "output_precision", terms.floor)
    if terms.known_inputs is not None:
        return Factors(terms.known_inputs.matrix, H, terms.known_inputs.spectrum, outputs, n_data)
    A = rate * terms.A if old is None else forget(old.A, terms.A, rate)
    return Factors(A, H, Undecomposed(A, "input factor"), outputs, n_data)


def log_prior_to_posterior(shift: Array, factors: Factors, prior: Prior) -> float:
    """Log p(M) - log q(M) at a layer's mean M, with p its prior and q its posterior.

    -1/2 vec(M - M0)^T Lam0 vec(M - M0) + 1/2 sum_ij log(p_j / L_ij); the constants cancel.

    Derivation: LR-4, EV-5

    Parameters
    ----------
    shift : array
        (D, K) array M - M0.
    factors, prior : Factors and Prior
        Of the layer.
    """
    L, p = factors.posterior(shift, prior).precisions, prior.eigenvalues(factors.outputs)
    along = shift @ factors.outputs.vectors
    return 0.5 * float((np.log(p) - np.log(L)).sum() - (along**2 @ p).sum())
