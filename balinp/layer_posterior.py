"""What a layer knows of its weights; how it learns is in `balinp.layer`."""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp._types import Array
from balinp.layer_state import LayerState, frozen, shifted
from balinp.matrix_normal import KroneckerGaussian
from balinp.natural_parameters import Factors
from balinp.priors import PRIORS
from balinp.validation import as_choice, as_count, as_flag, as_matrix, as_positive


class LayerPosterior:
    """A layer's prior and posterior over its weights (D, K), as its state has them.

    Parameters
    ----------
    n_in, n_out, prior, prior_precision, prior_mean, initial_mean, bias, exact
        See `balinp.layer.MatrixNormalLayer`.

    Attributes
    ----------
    n_in, n_out : int
        Widths.
    bias, exact : bool
        Whether a 1 is appended to the inputs, and whether `posterior` is the regression's own.
    prior_mean : array
        (D, K) mean M0 of the prior.
    state : LayerState
        All that changes: mean, averages, prior precision.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        prior: str = "isotropic",
        prior_precision: float = 1.0,
        prior_mean: Any = None,
        initial_mean: Any = None,
        bias: bool = True,
        exact: bool = True,
    ) -> None:
        self.bias = as_flag(bias, "bias")
        self.exact = as_flag(exact, "exact")
        self.n_in = as_count(n_in, "n_in")
        self.n_out = as_count(n_out, "n_out")
        kind = PRIORS[as_choice(prior, "prior", tuple(PRIORS))]
        lam = as_positive(prior_precision, "prior_precision")
        D, K = self.n_in + self.bias, self.n_out

        def mean(value: Any, name: str, otherwise: Array) -> Array:
            return frozen(otherwise if value is None else as_matrix(value, name, rows=D, columns=K))

        zero = np.zeros((D, K))
        self.prior_mean = mean(prior_mean, "prior_mean", zero)
        self._centre = self.prior_mean if self.prior_mean.any() else None
        start = mean(initial_mean, "initial_mean", self.prior_mean)
        self.state = LayerState(kind(lam), start, last_change=frozen(zero))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.n_in}, {self.n_out}, prior={self.prior!r}, "
            f"prior_precision={self.prior_precision:.4g}, bias={self.bias})"
        )

    @property
    def prior(self) -> str:
        """Name of the prior."""
        return self.state.prior.name

    @property
    def prior_precision(self) -> float:
        """Prior precision lam; setting it changes the posterior's covariance at once and its
        mean from the next proposal on (NP-5).
        """
        return self.state.prior.precision

    @prior_precision.setter
    def prior_precision(self, value: float) -> None:
        self.state = self.state.with_prior_precision(as_positive(value, "prior_precision"))

    @property
    def mean(self) -> Array:
        """Posterior mean M (D, K), read-only; the bias is its last row."""
        return self.state.mean

    @property
    def shift(self) -> Array:
        """M - M0 (D, K), how far the posterior mean is from the prior's."""
        return shifted(self.state.mean, self._centre)

    @property
    def prior_squares(self) -> float:
        """vec(M - M0)^T Lam0 vec(M - M0) = lam_l s_l; 0 before any data."""
        factors = self.state.factors
        return 0.0 if factors is None else self.state.prior.squares(self.shift, factors.outputs)

    @property
    def factors(self) -> Factors | None:
        """The factors of all data seen so far, or None before the first batch."""
        return self.state.reported

    @property
    def last_change(self) -> Array:
        """The change of the mean (D, K) that was accepted last; zero before that."""
        return self.state.last_change

    @property
    def posterior(self) -> KroneckerGaussian:
        """The layer's distribution over its weights: the prior's covariance before any data.

        In a network with hidden layers a `MatrixNormal`, the one nearest to `exact_posterior`.

        Derivation: MN-8

        Raises
        ------
        ValueError
            For the conjugate prior before any data: its covariance V / lam is not yet known.
        """
        return self.state.posterior if self.exact else self.state.nearest

    @property
    def exact_posterior(self) -> KroneckerGaussian:
        """The exact posterior of the layer's regression, with which training solves changes.

        Derivation: LR-1
        """
        return self.state.posterior
