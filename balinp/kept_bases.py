"""Eigenbases that are kept for a while, so that a layer need not decompose its averages anew.

Nothing here changes what a posterior is, only how the way to the next mean is computed in
batches, for likelihoods whose curvature is averaged and for wide layers. A first reader can skip
this module: with ``basis_tolerance=0`` it is never entered. Figures are in
derivations/12_tried_and_failed.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from balinp._types import Array
from balinp.kernels import forget
from balinp.lazily import lazily
from balinp.natural_parameters import EXACT, Exact, Factors, Terms, averages
from balinp.priors import Prior
from balinp.spectral import STANDARD, Spectrum, decompose, floored, raised

NARROW = 1024
"""Rows of A or H up to which both are decomposed in less time than refinements take, with those
that end in a decomposition all the same."""


@dataclass(eq=False)
class KeptFactors(Factors):
    """Averages in bases of older ones, with the squares that the present ones have along them.

    diag(Q^T A Q) is the nearest to A that is diagonal in Q.

    Derivation: NP-7

    Attributes
    ----------
    floor : float
        Smallest eigenvalue of H, as a fraction of their mean (PT-5); 0 for none.
    """

    floor: float = 0.0
    is_exact: ClassVar[bool] = False

    @lazily
    def exact(self) -> Factors:
        """The same averages in their own eigenbases."""
        inputs, outputs = self.inputs, _outputs(self.H, self.floor)
        if inputs.vectors is not STANDARD:
            inputs = decompose(self.A, "input factor")
        return Factors(self.A, self.H, inputs, outputs, self.n_data)

    def precision_times(self, W: Array, prior: Prior) -> Array:
        """P vec(W) as a matrix, N A W H + Lam0 W, with A and H as they are.

        Derivation: KR-1, NP-7
        """
        # The conjugate prior's H has a floor, which only its spectrum knows.
        WH = self.outputs.times_rows(W) if prior.follows_noise else W @ self.H
        is_diagonal = self.inputs.vectors is STANDARD
        AWH = self.inputs.values[:, None] * WH if is_diagonal else self.A @ WH
        return self.n_data * AWH + prior.times(W, self.outputs)


@dataclass(frozen=True)
class Kept(Exact):
    """How a layer inverts in batches: in the bases it has, as long as the error is small.

    Derivation: NP-7

    Attributes
    ----------
    tolerance : float
        Relative error that a change may have before it is squared by one refinement.
    """

    tolerance: float

    def older(self, factors: Sequence[Factors | None]) -> list[Factors | None]:
        """The factors of the layers whose bases are kept: narrow ones are decomposed as fast."""
        return [None if old is None or _is_narrow(old) else old for old in factors]

    def averaged(
        self, old: Factors | None, terms: Terms, n_data: float, rate: float, prior: Prior
    ) -> Factors:
        """The moving averages after a batch, with the values that they have along the old bases.

        The basis of H is not kept where H is known, nor where the prior itself is made of H. H is
        floored after it is averaged: to tell whether the batch's own needs to be costs as much as
        what is saved here.

        Derivation: NP-7, PT-5
        """
        known = terms.known_inputs
        if old is None or _is_narrow(old):
            return EXACT.averaged(old, terms, n_data, rate, prior)
        A, H = averages(old, terms, rate)
        if known is not None:
            inputs = known.spectrum
        else:
            assert terms.squares is not None
            a = forget(old.inputs.values, terms.squares / terms.amount, rate)
            inputs = Spectrum(a, old.inputs.vectors)
        if terms.precision_is_known or prior.follows_noise:
            same = not terms.floor and old.is_exact and np.array_equal(H, old.H)
            outputs = old.outputs if same else _outputs(H, terms.floor)
        else:
            Q = old.outputs.vectors
            h = forget(old.outputs.values, (terms.H @ Q * Q).sum(axis=0), rate)
            outputs = Spectrum(raised(h, terms.floor, H), Q)
        return KeptFactors(A, H, inputs, outputs, n_data, terms.floor)

    def solved(self, right: Array, factors: Factors, prior: Prior) -> tuple[Array, Factors]:
        """P^{-1} vec(right) after one refinement; in exact bases if kept ones are not good enough.

        With P0 the precision in the kept bases and rho = vec(right), what d0 = P0^{-1} rho leaves
        of rho, as P really is, tells its error; solving for what is left as well squares it.

        Derivation: NP-7
        """
        if not isinstance(factors, KeptFactors):
            return EXACT.solved(right, factors, prior)
        P0 = factors.posterior(right, prior)
        change = P0.solve(right)
        left = right - factors.precision_times(change, prior)
        correction = P0.solve(left)
        if np.vdot(left, correction) > self.tolerance**2 * np.vdot(right, change):
            return EXACT.solved(right, factors.exact, prior)
        return change + correction, factors


def _is_narrow(factors: Factors) -> bool:
    inputs_are_known = factors.inputs.vectors is STANDARD
    return max(0 if inputs_are_known else len(factors.A), len(factors.H)) <= NARROW


def _outputs(H: Array, floor: float) -> Spectrum:
    return floored(H, "output_precision", floor) if floor else decompose(H, "output_precision")
