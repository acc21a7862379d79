"""Shorter changes where layers promise more than a step brings: a damped regression.

A layer's regression takes its features and the layers above it as they are. In a network of few
inputs, or with little noise, a change that is right for each layer bends the features of the next
far beyond that, and a common factor can only shorten all of it. So the regressions are damped: a
Gaussian about the present mean is multiplied to their posteriors, and the changes alone, not the
posteriors, are those of the product. How narrow it is follows from how earlier steps have kept
their promises, as in the method of Levenberg and Marquardt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.kronecker import KroneckerPrecision
from balinp.natural_parameters import Factors
from balinp.priors import Prior

LEAST_DAMPING, LARGEST_DAMPING = 1e-4, 10.0
"""Where damping begins, as a share of the data's mean precision of a weight, and where it ends."""

DAMPED_BELOW, RELAXED_ABOVE = 0.25, 0.75
"""Gain ratios of a step below which the next is damped more, and above which less."""

NOTICEABLE = 1e-6
"""Share below which damping is given up."""


@dataclass(frozen=True)
class Spectral:
    """How a layer's regression is solved: through the spectra of both factors, damped or not.

    The other way is `balinp.direct_solves.Direct`.

    Derivation: KR-3, JS-5

    Attributes
    ----------
    damping : float
        Precision of a Gaussian about the present mean, as a share of the mean eigenvalue of the
        precision that the data give to the layer's weights; 0 for none.
    """

    damping: float = 0.0

    def solved(self, right: Array, factors: Factors, prior: Prior) -> tuple[Array, Factors]:
        """(P + delta I)^{-1} vec(right) as a matrix (D, K), and the factors that tell of P.

        Derivation: KR-3, JS-5
        """
        P = factors.posterior(right, prior)
        if self.damping:
            L = P.precisions + added_precision(self.damping, factors)
            return KroneckerPrecision(P.row_basis, P.column_basis, L).solve(right), factors
        return P.solve(right), factors


SPECTRAL = Spectral()


def added_precision(damping: float, factors: Factors) -> float:
    """Precision delta = damping tr(N H kron A) / (D K) of the Gaussian that is added.

    Derivation: JS-5
    """
    mean_curvature = np.trace(factors.A) * np.trace(factors.H) / (len(factors.A) * len(factors.H))
    return float(damping * factors.n_data * mean_curvature)


def next_damping(damping: float, gain_ratio: float) -> float:
    """Damping of the next step: doubled after a broken promise, halved after a kept one.

    Derivation: JS-5

    Examples
    --------
    >>> next_damping(0.0, gain_ratio=1.0), next_damping(0.0, gain_ratio=0.1)
    (0.0, 0.0001)
    >>> next_damping(0.02, gain_ratio=0.1), next_damping(0.02, gain_ratio=0.9)
    (0.04, 0.01)
    """
    if gain_ratio < DAMPED_BELOW:
        return min(max(2 * damping, LEAST_DAMPING), LARGEST_DAMPING)
    if gain_ratio > RELAXED_ABOVE:
        return 0.5 * damping if damping > NOTICEABLE else 0.0
    return damping
