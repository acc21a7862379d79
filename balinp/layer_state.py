"""What a layer knows, and what it proposes: values that nothing changes once they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.kernels import amount, root_weighted
from balinp.lazily import lazily
from balinp.matrix_normal import KroneckerGaussian, MatrixNormal
from balinp.moments import Moments
from balinp.natural_parameters import Determined, Factors
from balinp.nearest import nearest_matrix_normal
from balinp.priors import Prior
from balinp.validation import as_covariance


class Regression(NamedTuple):
    """A batch that was all the data, kept for its evidence: X, T, weights, H and lam.

    Attributes
    ----------
    X, T : array
        Design and targets of the batch.
    sample_weight : array or None
        Weights of its rows.
    output_precision : array
        (K, K) matrix H.
    prior_precision : float
        The lam with which it was solved.
    """

    X: Array
    T: Array
    sample_weight: Array | None
    output_precision: Array
    prior_precision: float

    def log_likelihood(self, mean: Array) -> float:
        """Log N(T; X M, V) at a mean M (D, K), in nats.

        Derivation: LR-4, LR-6
        """
        X, T, w, H, _ = self
        as_covariance(H, "output_precision")
        residual = root_weighted(T - X @ mean, w)
        return 0.5 * (
            amount(X, w) * float(np.linalg.slogdet(H)[1] - len(H) * np.log(2 * np.pi))
            - float((residual * (residual @ H)).sum())
        )


@dataclass(frozen=True)
class LayerState:
    """What a layer knows. A new state takes the place of an old one; none is ever changed.

    Attributes
    ----------
    prior : Prior
        The prior, with its precision lam.
    mean : array
        (D, K) array M, read-only.
    last_change : array
        (D, K) array, the change of the mean that was accepted last; zero before that.
    factors : Factors or None
        Factors of all data seen so far, or None before the first batch.
    remembered : tuple of float or None
        N and lam under which the remembered data balance the prior (NP-5), or None for the current
        ones.
    regression : Regression or None
        The last batch, if it was all the data and the whole change was accepted.
    settled : Factors or None
        Factors of exactly all the data at this mean, where training has ended with them.
    moments : Moments or None
        Moments of inputs and observed targets, where a single Gaussian layer was trained.
    """

    prior: Prior
    mean: Array
    last_change: Array
    factors: Factors | None = None
    remembered: tuple[float, float] | None = None
    regression: Regression | None = None
    settled: Factors | None = None
    moments: Moments | None = None

    def with_prior_precision(self, precision: float) -> LayerState:
        """The state with another lam; itself if it is the same."""
        if precision == self.prior.precision:
            return self
        return LayerState(
            type(self.prior)(precision), self.mean, self.last_change, self.factors,
            self.remembered, self.regression, self.settled, self.moments,
        )  # fmt: skip

    def remembered_share(self, n_data: float, rate: float) -> float:
        """Share c of the prior's gradient that the remembered data already balance.

        Derivation: NP-5
        """
        if self.remembered is None:
            return 1 - rate
        n_before, precision_before = self.remembered
        return (1 - rate) * (n_data / n_before) * (precision_before / self.prior.precision)

    @property
    def observed(self) -> Factors:
        """The factors; ValueError before the first batch."""
        if self.factors is None:
            raise ValueError("layer: expected at least one observed batch, got none")
        return self.factors

    @property
    def reported(self) -> Factors | None:
        """The factors of the posterior: of all the data at this mean, if training has ended."""
        return self.factors if self.settled is None else self.settled

    @lazily
    def working_posterior(self) -> KroneckerGaussian:
        """The posterior that training goes on from: that of the averages, also after training."""
        if self.factors is not None:
            return self._posterior(self.factors)
        if self.prior.follows_noise:
            raise ValueError(
                "posterior: expected at least one observed batch, got none; the covariance of "
                "the conjugate prior follows the output precision of the data"
            )
        D, K = self.mean.shape
        L = np.full((D, K), self.prior.precision)
        return KroneckerGaussian(self.mean, np.eye(D), np.eye(K), L)

    @lazily
    def parameters(self) -> float:
        """How many of the weights all data seen so far determine."""
        return self.observed.parameters(self.prior)

    @lazily
    def determined(self) -> Determined:
        """What all data seen so far determine of the weights."""
        return self.observed.determined(self.prior)

    @lazily
    def posterior(self) -> KroneckerGaussian:
        """The layer's distribution over its weights; see `MatrixNormalLayer.posterior`."""
        return self.working_posterior if self.settled is None else self._posterior(self.settled)

    @property
    def prior_output_precision(self) -> Array:
        """The factor lam (I or H) (K, K) of Lam0, whose other factor is I (D, D)."""
        return self.prior.precision * self.prior.column_factor(self.observed.H)

    @property
    def prior_precision_matrix(self) -> Array:
        """Lam0 = lam (I or H) kron I, dense (D K, D K)."""
        matrix = np.kron(self.prior_output_precision, np.eye(len(self.mean)))
        return np.asarray(matrix, dtype=np.float64)

    @lazily
    def nearest(self) -> MatrixNormal:
        """The matrix normal nearest to `posterior` (MN-8)."""
        return nearest_matrix_normal(self.posterior)

    def _posterior(self, factors: Factors) -> KroneckerGaussian:
        return factors.posterior(self.mean, self.prior)


@dataclass(frozen=True)
class Proposal:
    """What a layer would do with a batch, before the network has chosen how far to go.

    Attributes
    ----------
    mean : array
        (D, K) array M, where the layer is.
    change : array
        (D, K) array, the change of the mean that the regression asks for.
    gradient : array
        (D, K) array, gradient of the log joint density with respect to the mean, the batch standing
        for all n_data data.
    factors : Factors
        The factors and their spectra that accepting will store.
    prior : Prior
        Under which this was proposed.
    prior_mean : array or None
        (D, K) array M0, or None where it is zero.
    regression : Regression or None
        The batch, if it was all the data.
    """

    mean: Array
    change: Array
    gradient: Array
    factors: Factors
    prior: Prior
    prior_mean: Array | None
    regression: Regression | None = None

    @property
    def posterior(self) -> KroneckerGaussian:
        """The proposed posterior, about mean + change."""
        return self.factors.posterior(self.mean + self.change, self.prior)

    def prior_times(self, W: Array) -> Array:
        """Lam0 vec(W), the prior precision times a change (D, K) of the mean, as a matrix."""
        return self.prior.times(W, self.factors.outputs)

    @lazily
    def _log_normaliser(self) -> float:
        return self.prior.log_normaliser(self.change.shape, self.factors.outputs)

    def log_prior(self, mean: Array) -> float:
        """Log density of the layer's prior at a mean (D, K), in nats."""
        squares = self.prior.squares(shifted(mean, self.prior_mean), self.factors.outputs)
        return self._log_normaliser - 0.5 * squares


def combined(factor: float, change: Array, momentum: float, last: Array) -> Array:
    """The change (D, K) that a step makes along its directions, of which the second may be none."""
    return factor * change + momentum * last if momentum else factor * change


def shifted(mean: Array, prior_mean: Array | None) -> Array:
    """M - M0 (D, K), with None for an M0 of zero."""
    return mean if prior_mean is None else mean - prior_mean


def frozen(array: Array) -> Array:
    """A copy that cannot be written to, so that a mean handed out stays what it was."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy
