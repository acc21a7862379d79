"""What data add to the natural parameters of a layer's regression, and their moving average.

The sums over data are additive: those of two batches are their sums, whichever way data are cut
into pieces. The average over batches forgets old data gradually. Its two factors are decomposed
whenever they are to be inverted; how often that is done anew is the caller's choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from balinp._types import Array
from balinp.factors import forget
from balinp.spectral import Spectrum, decompose, floored, floored_matrix, raised


@dataclass(frozen=True)
class Terms:
    """Sums over a batch that its layer's regression on pseudo-targets T needs, about the mean M.

    Attributes
    ----------
    count : B, with weights the sum of the weights.
    inputs : (D, D) array X^T X.
    curvature : (K, K) array B H.
    pull : (D, K) array X^T (T - X M) H, the same for whatever H the pseudo-targets are written
        with (PT-3): pieces may be added that were written with different ones.
    squares : (D,) array sum_n (Q_A^T x_n)^2 in the basis that the layer has, where it may keep
        it; else None.

    Derivation: LR-1, LR-6, PT-3
    """

    count: float
    inputs: Array
    curvature: Array
    pull: Array
    squares: Array | None = None

    def __add__(self, other: Terms) -> Terms:
        squares = None
        if self.squares is not None and other.squares is not None:
            squares = self.squares + other.squares
        return Terms(
            self.count + other.count,
            self.inputs + other.inputs,
            self.curvature + other.curvature,
            self.pull + other.pull,
            squares,
        )

    def floored(self) -> Terms:
        """The same with H floored, as the pseudo-targets' own H is.

        Derivation: PT-5
        """
        H = floored_matrix(self.curvature / self.count, "output_precision")
        return replace(self, curvature=self.count * H)


@dataclass(frozen=True)
class Factors:
    """What the posterior precision is made of: the averages A and H, in Kronecker eigenbases.

    Both priors are diagonal in the Kronecker eigenbasis and constant along its rows, so the
    posterior precision has the eigenvalues L_ij = N a_i h_j + p_j, with p_j = lam for the
    isotropic prior and p_j = lam h_j for the conjugate one.

    Attributes
    ----------
    A, H : (D, D) and (K, K) arrays, the averages.
    inputs, outputs : their spectra, or bases of older averages with the squares that the present
        ones have along them: diag(Q^T A Q) is the nearest to A that is diagonal in Q.
    n_data : N.
    is_exact : whether they are the spectra.
    floor : smallest eigenvalue of H, as a fraction of their mean (PT-5); 0 for none.

    Derivation: KR-2, LR-1, LR-2, NP-7
    """

    A: Array
    H: Array
    inputs: Spectrum
    outputs: Spectrum
    n_data: float
    is_exact: bool = True
    floor: float = 0.0

    def prior_eigenvalues(self, prior: str, prior_precision: float) -> Array:
        """Eigenvalues p (K,) of the prior precision, one for each column of the basis."""
        h = self.outputs.values
        return prior_precision * (h if prior == "conjugate" else np.ones_like(h))

    def prior_times(self, W: Array, prior: str, prior_precision: float) -> Array:
        """Prior precision times vec(W), as a matrix (D, K): lam W, or lam W H."""
        return prior_precision * (self.outputs.times_rows(W) if prior == "conjugate" else W)

    @cached_property
    def likelihood_eigenvalues(self) -> Array:
        """Eigenvalues N a_i h_j (D, K) of what the data add to the prior precision."""
        return self.n_data * np.outer(self.inputs.values, self.outputs.values)

    def precision_times(self, W: Array, prior: str, prior_precision: float) -> Array:
        """P vec(W) as a matrix, N A W H + Lam0 W, with A and H as they are.

        Derivation: KR-1, NP-7
        """
        # The conjugate prior's H has a floor, which only its spectrum knows.
        WH = self.outputs.times_rows(W) if prior == "conjugate" else W @ self.H
        return self.n_data * (self.A @ WH) + self.prior_times(W, prior, prior_precision)

    @cached_property
    def exact(self) -> Factors:
        """The same averages in their own eigenbases."""
        if self.is_exact:
            return self
        inputs, outputs = decompose(self.A, "input factor"), _outputs(self.H, self.floor)
        return replace(self, inputs=inputs, outputs=outputs, is_exact=True)


def averaged(
    old: Factors | None,
    terms: Terms,
    n_data: float,
    rate: float,
    *,
    precision_is_known: bool = False,
    keep_outputs: bool = True,
    floor: float = 0.0,
) -> Factors:
    """The moving averages after a batch, in new bases, or in the old ones if `terms` has squares.

    A factor that has not changed at all keeps its exact spectrum. A known H is neither averaged
    with older ones nor kept in an old basis.

    Derivation: NP-1, NP-2, NP-7

    Parameters
    ----------
    old : before the batch, or None for the first one: then A starts from zero, H from the batch.
    terms : of the batch.
    n_data, rate, precision_is_known : as for `MatrixNormalLayer.propose`.
    keep_outputs : whether the basis of H may be kept, too.
    floor : see `Factors`.

    Raises
    ------
    ValueError
        If an average is not positive semi-definite.
    """
    A_batch, H_batch = terms.inputs / terms.count, terms.curvature / terms.count
    if old is None:
        A = rate * A_batch
        inputs, outputs = decompose(A, "input factor"), _outputs(H_batch, floor)
        return Factors(A, H_batch, inputs, outputs, n_data, floor=floor)
    A = forget(old.A, A_batch, rate)
    H = H_batch if precision_is_known else forget(old.H, H_batch, rate)
    keeps = terms.squares is not None
    if terms.squares is not None:
        squares = forget(old.inputs.values, terms.squares / terms.count, rate)
        inputs = Spectrum(squares, old.inputs.vectors)
    else:
        unchanged = old.is_exact and np.array_equal(A, old.A)
        inputs = old.inputs if unchanged else decompose(A, "input factor")
    if old.is_exact and np.array_equal(H, old.H) and floor == old.floor:
        outputs = old.outputs
    elif keeps and keep_outputs and not precision_is_known:
        Q = old.outputs.vectors
        squares = forget(old.outputs.values, (H_batch @ Q * Q).sum(axis=0), rate)
        outputs = Spectrum(raised(squares, floor, H), Q)
    else:
        outputs = _outputs(H, floor)
    return Factors(A, H, inputs, outputs, n_data, not keeps, floor)


def _outputs(H: Array, floor: float) -> Spectrum:
    return floored(H, "output_precision", floor) if floor else decompose(H, "output_precision")
