"""One layer of a network as one multivariate Bayesian linear regression.

Given inputs X, targets T and an output precision H, the posterior over the layer's weights is
exact. With a batch that is all the data that is the whole story. With mini-batches the layer
keeps moving averages of what the posterior is made of, so that old data are gradually
forgotten: state is the mean M, the input factor A and the output factor H.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from balinp._types import Array
from balinp.factors import amount, gram, root_weighted
from balinp.matrix_normal import KroneckerGaussian
from balinp.natural_parameters import Factors, Terms, averaged
from balinp.spectral import Spectrum
from balinp.validation import (
    LARGEST,
    as_choice,
    as_count,
    as_covariance,
    as_finite,
    as_flag,
    as_matrix,
    as_positive,
    as_rate,
    as_weights,
)

PRIORS = ("isotropic", "conjugate")


@dataclass(frozen=True)
class Proposal:
    """What a layer would do with a batch, before the network has chosen how far to go.

    Attributes
    ----------
    change : (D, K) array, the change of the mean that the regression asks for.
    gradient : (D, K) array, gradient of the log joint density with respect to the mean, the
        batch standing for all n_data data.
    posterior : KroneckerGaussian about mean + change.
    factors : the factors and their spectra that accepting will store.
    prior, prior_precision : name and lam of the prior.
    prior_mean : (D, K) array M0.
    """

    change: Array
    gradient: Array
    posterior: KroneckerGaussian
    factors: Factors
    prior: str
    prior_precision: float
    prior_mean: Array

    def prior_times(self, W: Array) -> Array:
        """Lam0 vec(W), the prior precision times a change (D, K) of the mean, as a matrix."""
        return self.factors.prior_times(W, self.prior, self.prior_precision)

    @cached_property
    def _log_normaliser(self) -> float:
        p = self.factors.prior_eigenvalues(self.prior, self.prior_precision)
        return 0.5 * len(self.change) * float(np.log(p / (2 * np.pi)).sum())

    def log_prior(self, mean: Array) -> float:
        """Log density of the layer's prior at a mean (D, K), in nats."""
        shift = mean - self.prior_mean
        return self._log_normaliser - 0.5 * float((shift * self.prior_times(shift)).sum())


class Regression(NamedTuple):
    """A batch that was all the data, kept for its evidence: X, T, weights, H and lam."""

    X: Array
    T: Array
    sample_weight: Array | None
    output_precision: Array
    prior_precision: float


class MatrixNormalLayer:
    """A layer's Bayesian regression t = W^T x + e, e ~ N(0, V), with H = V^{-1} known.

    Two priors, both with any mean M0 and a precision lam:

    - ``"conjugate"``: W ~ MN(M0, I / lam, V). The posterior is matrix normal, V kron U with
      U^{-1} = lam I + X^T X.
    - ``"isotropic"``: vec(W) ~ N(vec(M0), I / lam), what weight decay stands for. The posterior
      precision H kron X^T X + lam I is not a Kronecker product, but it is diagonal in the same
      Kronecker eigenbasis and inverted at the same cost.

    Parameters
    ----------
    n_in, n_out : widths. With a bias the weights are (D, K) = (n_in + 1, n_out), bias last.
    prior : ``"isotropic"`` or ``"conjugate"``.
    prior_precision : lam > 0.
    prior_mean : (D, K) array M0, or None for zero.
    initial_mean : (D, K) array where the mean starts, or None for the prior mean. An exact
        regression ends at the same posterior from any start; a hidden layer needs one that
        breaks the symmetry between its units.
    bias : whether a 1 is appended to the inputs.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the form above.

    Notes
    -----
    Source: the abstract of arXiv 2411.12102 fixes the matrix normal posterior and the moving
    average; the isotropic prior and the state (M, A, H) are this project's.

    Derivation: LR-1, LR-2, NP-2

    Examples
    --------
    The posterior of a regression with four data, in one step:

    >>> layer = MatrixNormalLayer(1, 1, prior_precision=1.0)
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> layer.observe(x, 2 * x, np.eye(1), n_data=4)
    >>> layer.mean.round(3)
    array([[1.744],
           [0.308]])
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
    ) -> None:
        self.bias = as_flag(bias, "bias")
        self.n_in = as_count(n_in, "n_in")
        self.n_out = as_count(n_out, "n_out")
        self.prior = as_choice(prior, "prior", PRIORS)
        self.prior_precision = prior_precision
        D, K = self.n_in + self.bias, self.n_out
        zero = np.zeros((D, K))
        self.prior_mean = _frozen(
            zero if prior_mean is None else as_matrix(prior_mean, "prior_mean", rows=D, columns=K)
        )
        self._mean = (
            self.prior_mean
            if initial_mean is None
            else _frozen(as_matrix(initial_mean, "initial_mean", rows=D, columns=K))
        )
        self._factors: Factors | None = None
        self._working_posterior: KroneckerGaussian | None = None
        self._posterior: KroneckerGaussian | None = None
        self._proposal: Proposal | None = None
        self._remembered: tuple[float, float] | None = None
        self._last_change = zero
        self._regression: Regression | None = None
        self._proposed_regression: Regression | None = None

    def __repr__(self) -> str:
        return (
            f"MatrixNormalLayer({self.n_in}, {self.n_out}, prior={self.prior!r}, "
            f"prior_precision={self.prior_precision:.4g}, bias={self.bias})"
        )

    @property
    def prior_precision(self) -> float:
        """Prior precision lam; setting it changes the posterior's covariance at once and its
        mean from the next proposal on (NP-5).
        """
        return self._prior_precision

    @prior_precision.setter
    def prior_precision(self, value: float) -> None:
        value = as_positive(value, "prior_precision")
        if value != getattr(self, "_prior_precision", None):
            self._prior_precision = value
            self._posterior = self._working_posterior = None

    @property
    def mean(self) -> Array:
        """Posterior mean M (D, K), read-only; the bias is its last row."""
        return self._mean

    @property
    def factors(self) -> Factors | None:
        """The factors of all data seen so far, or None before the first batch."""
        return self._factors

    @property
    def last_change(self) -> Array:
        """The change of the mean (D, K) that was accepted last; zero before that."""
        return self._last_change

    @property
    def remembered(self) -> tuple[float, float] | None:
        """N and lam that the remembered data balance the prior under; None: the current ones."""
        return self._remembered

    def restore(
        self, factors: Factors, last_change: Array, remembered: tuple[float, float] | None
    ) -> None:
        """Put back a state that was read from these attributes earlier, as from a file."""
        self._factors, self._last_change, self._remembered = factors, last_change, remembered
        self._posterior = self._working_posterior = None

    @property
    def posterior(self) -> KroneckerGaussian:
        """The layer's distribution over its weights: the prior's covariance before any data.

        Raises
        ------
        ValueError
            For the conjugate prior before any data: its covariance V / lam is not yet known.
        """
        if self._factors is not None:
            if self._posterior is None:  # worked out once for each state
                exact = self._factors.exact
                self._posterior = (
                    self.working_posterior
                    if exact is self._factors
                    else self._posterior_about(self._mean, exact)
                )
            return self._posterior
        if self.prior == "conjugate":
            raise ValueError(
                "posterior: expected at least one observed batch, got none; the covariance of "
                "the conjugate prior follows the output precision of the data"
            )
        D, K = self._mean.shape
        spectrum = np.full((D, K), self.prior_precision)
        return KroneckerGaussian(self._mean, np.eye(D), np.eye(K), spectrum)

    @property
    def working_posterior(self) -> KroneckerGaussian:
        """The posterior in the bases that training works in: `posterior` itself, unless bases
        were kept in `propose_from` (NP-7).
        """
        if self._factors is None:
            return self.posterior
        if self._working_posterior is None:
            self._working_posterior = self._posterior_about(self._mean, self._factors)
        return self._working_posterior

    def _posterior_about(self, mean: Array, factors: Factors) -> KroneckerGaussian:
        p = factors.prior_eigenvalues(self.prior, self.prior_precision)
        L = factors.likelihood_eigenvalues + p
        return KroneckerGaussian(mean, factors.inputs.vectors, factors.outputs.vectors, L)

    def design(self, inputs: Array) -> Array:
        """Return X (B, D): the inputs (B, n_in), with a trailing 1 if the layer has a bias."""
        if not self.bias:
            return inputs
        return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)

    def propose(
        self,
        inputs: Any,
        pseudo_targets: Any,
        output_precision: Any,
        *,
        n_data: float,
        rate: float = 1.0,
        precision_is_known: bool = False,
        sample_weight: Any = None,
    ) -> Proposal:
        """Solve the layer's regression on a batch; nothing moves until `accept`.

        With X the inputs and their 1, A and H the moving averages after this batch, and P the
        posterior precision that they give, the proposed change of the mean is

            P^{-1} vec( rate (N/B) X^T (T - X M) H_batch - Lam0((1 - c) (M - M0)) ),

        with c = (1 - rate) (N / N_before) (lam_before / lam): 1 - rate while N and lam stay as
        they are. For a fixed H this is the moving average of the natural parameters N X^T X / B
        and N X^T T / B, with the prior outside it, solved anew. With weights w, all sums over
        the batch are sums of w_n times a datum's term, and B = sum_n w_n.

        Derivation: LR-3, LR-6, NP-2, NP-5

        Parameters
        ----------
        inputs : (B, n_in) array.
        pseudo_targets : (B, K) array T.
        output_precision : (K, K) array H_batch, symmetric positive semi-definite; positive
            definite for the conjugate prior.
        n_data : number N of data that the batch stands for.
        rate : weight of the new batch in (0, 1]; the forgetting factor is 1 - rate. Before the
            first batch there is nothing to average with: A starts from zero, H from H_batch.
        precision_is_known : whether H_batch is the noise model's own precision rather than an
            estimate from the batch. A known precision is used as it is and not averaged with
            earlier ones, which matters once it is learnt and changes.
        sample_weight : (B,) weights, or None for ones. A datum of weight 2 is that datum twice,
            and one of weight 0 is none.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of the form above.
        """
        inputs = as_matrix(inputs, "inputs", columns=self.n_in, largest=LARGEST)
        T = as_matrix(pseudo_targets, "pseudo_targets", rows=len(inputs), columns=self.n_out)
        H_batch = as_matrix(
            output_precision, "output_precision", rows=self.n_out, columns=self.n_out
        )
        if np.abs(H_batch - H_batch.T).max() > 1e-10 * np.abs(H_batch).max():
            raise ValueError("output_precision: expected a symmetric matrix, got one that is not")
        n_data, rate = as_positive(n_data, "n_data"), as_rate(rate)
        w = as_weights(sample_weight, "sample_weight", len(inputs))

        X, B = self.design(inputs), amount(inputs, w)
        pulls = (T - X @ self._mean) @ H_batch
        terms = self._terms(X, pulls, B * H_batch, w)
        proposal = self.propose_from(
            terms, n_data=n_data, rate=rate, precision_is_known=precision_is_known
        )
        if rate == 1 and n_data == B:
            kept_w = None if w is None else w.copy()
            self._proposed_regression = Regression(
                X.copy(), T.copy(), kept_w, H_batch.copy(), self.prior_precision
            )
        return proposal

    def terms(
        self,
        X: Array,
        residuals: Array,
        precision: Spectrum,
        curvature: Array,
        *,
        sample_weight: Array | None = None,
        squares: Array | None = None,
    ) -> Terms:
        """What a batch of pseudo-targets adds to the natural parameters; not checked again.

        Derivation: LR-1, LR-6, PT-1, PT-3

        Parameters
        ----------
        X : (B, D) array, the inputs and their 1 (`design`).
        residuals : (B, K) array T - X M of the pseudo-targets T.
        precision : the output precision H under which the targets were written.
        curvature : (K, K) array sum_n w_n S_n S_n^T, what the batch adds to B H.
        sample_weight : (B,) weights, or None for ones.
        squares : (B, D) array of `working_posterior.input_squares`, if the bases may be kept.
        """
        pulls = precision.times_rows(residuals)
        return self._terms(X, pulls, curvature, sample_weight, squares)

    def _terms(
        self,
        X: Array,
        pulls: Array,
        curvature: Array,
        w: Array | None,
        squares: Array | None = None,
    ) -> Terms:
        along_basis = None
        if squares is not None:
            along_basis = squares.sum(axis=0) if w is None else w @ squares
        weighted = root_weighted(X, w)
        pull = weighted.T @ root_weighted(pulls, w)
        return Terms(amount(X, w), gram(weighted), curvature, pull, along_basis)

    def _solved(
        self, pull: Array, factors: Factors, basis_tolerance: float
    ) -> tuple[Array, KroneckerGaussian, Factors]:
        """P^{-1} pull, in the factors' bases if its error there is within the tolerance.

        What the change leaves of the pull, as P really is, tells the error of the change; solving
        for it as well squares the error.

        Derivation: NP-7
        """
        posterior = self._posterior_about(self._mean, factors)
        change = posterior.solve(pull)
        if factors.is_exact:
            return change, posterior, factors
        left = pull - factors.precision_times(change, self.prior, self.prior_precision)
        correction = posterior.solve(left)
        if _inner(left, correction) > basis_tolerance**2 * _inner(pull, change):
            return self._solved(pull, factors.exact, 0.0)
        return change + correction, posterior, factors

    def propose_from(
        self,
        terms: Terms,
        *,
        n_data: float,
        rate: float = 1.0,
        precision_is_known: bool = False,
        floor: float = 0.0,
        basis_tolerance: float = 0.0,
    ) -> Proposal:
        """`propose`, from the sums over a batch, which may have been added up from many pieces.

        Derivation: LR-3, NP-2, NP-5, NP-7

        Parameters
        ----------
        terms : the sums.
        n_data, rate, precision_is_known : as for `propose`.
        floor : smallest eigenvalue of H, as a fraction of their mean (PT-5); 0 for none.
        basis_tolerance : relative error, in [0, 1), that the change may have in the bases of older
            averages, before it is squared by one refinement. They are kept within it if the terms
            have squares; else the averages are decomposed anew.
        """
        M = self._mean
        factors = averaged(
            self._factors,
            terms,
            n_data,
            rate,
            precision_is_known=precision_is_known,
            keep_outputs=self.prior == "isotropic",  # the conjugate prior itself is made of H
            floor=floor,
        )
        h = factors.outputs.values
        if self.prior == "conjugate" and h.min() == 0:
            raise ValueError(
                "output_precision: expected a positive definite matrix, since the conjugate "
                f"prior has covariance V = H^-1, got eigenvalues from 0 to {h.max():.3g}"
            )
        likelihood_pull = (n_data / terms.count) * terms.pull
        prior_pull = factors.prior_times(M - self.prior_mean, self.prior, self.prior_precision)
        c = self._remembered_share(n_data, rate)
        pull = rate * likelihood_pull - (1 - c) * prior_pull
        change, posterior, factors = self._solved(pull, factors, basis_tolerance)
        self._proposed_regression = None
        self._proposal = Proposal(
            change=change,
            gradient=likelihood_pull - prior_pull,
            posterior=posterior.with_mean(M + change),
            factors=factors,
            prior=self.prior,
            prior_precision=self.prior_precision,
            prior_mean=self.prior_mean,
        )
        return self._proposal

    def _remembered_share(self, n_data: float, rate: float) -> float:
        """Share c of the prior's pull that the remembered data already balance."""
        if self._remembered is None:
            return 1 - rate
        n_before, precision_before = self._remembered
        return (1 - rate) * (n_data / n_before) * (precision_before / self.prior_precision)

    def accept(self, step: float = 1.0, momentum: float = 0.0) -> None:
        """Take the last proposal: its factors, and `step` times its change of the mean.

        Parameters
        ----------
        step : factor of the proposed change; 1 is the exact regression.
        momentum : factor of the change that was accepted before, the second direction of the
            joint step.

        Derivation: JS-1, JS-2

        Raises
        ------
        TypeError, ValueError
            If there is no proposal, or a factor is not a finite number.
        """
        if self._proposal is None:
            raise ValueError("accept: expected a call of propose before it, got none")
        step, momentum = as_finite(step, "step"), as_finite(momentum, "momentum")
        proposal, self._proposal = self._proposal, None
        self._last_change = step * proposal.change + momentum * self._last_change
        self._mean = _frozen(self._mean + self._last_change)
        self._factors, self._posterior = proposal.factors, None
        self._working_posterior = (
            proposal.posterior.with_mean(self._mean)
            if proposal.prior_precision == self.prior_precision
            else None
        )
        self._remembered = (proposal.factors.n_data, self.prior_precision)
        exact = step == 1 and momentum == 0
        self._regression = self._proposed_regression if exact else None

    def rebalance(self) -> None:
        """Declare that the remembered data balance the prior at the current mean.

        After an exact regression they do, and remain what they were when N or the prior
        precision changes. In a deep network the mean rests wherever the joint step has left it,
        and the memory is only what it is re-expressed to be: calling this after `accept` keeps
        the next proposal along the gradient of the log joint whatever N and the prior precision
        have become.

        Derivation: NP-2, NP-5
        """
        self._remembered = None

    def observe(
        self,
        inputs: Any,
        pseudo_targets: Any,
        output_precision: Any,
        *,
        n_data: float,
        rate: float = 1.0,
        precision_is_known: bool = False,
        sample_weight: Any = None,
    ) -> None:
        """Propose, then accept the whole change: the exact regression update."""
        self.propose(
            inputs,
            pseudo_targets,
            output_precision,
            n_data=n_data,
            rate=rate,
            precision_is_known=precision_is_known,
            sample_weight=sample_weight,
        )
        self.accept(1.0)

    def log_evidence(self) -> float:
        """Log marginal likelihood log p(T | X) of a batch that was all the data, in nats.

        log p(T | X, M) + log p(M) - log q(M) at the posterior mean M, where p is the prior and
        q the posterior. With weights it is that of the data repeated w_n times.

        Derivation: LR-4, LR-6

        Raises
        ------
        ValueError
            If the last accepted batch was not all the data (n_data = B, rate = 1, step = 1), or
            the prior precision has been changed since.
        """
        if self._regression is None or self._factors is None:
            raise ValueError(
                "log_evidence: expected the last accepted batch to be all the data "
                "(n_data = B, rate = 1, step = 1), got another one or none"
            )
        X, T, w, H, observed_under = self._regression
        if observed_under != self.prior_precision:
            raise ValueError(
                "log_evidence: expected the prior precision under which the data were observed, "
                f"{observed_under:.6g}, got {self.prior_precision:.6g}"
            )
        as_covariance(H, "output_precision")
        residual = root_weighted(T - X @ self._mean, w)
        log_likelihood = 0.5 * (
            amount(X, w) * (np.linalg.slogdet(H)[1] - self.n_out * np.log(2 * np.pi))
            - float((residual * (residual @ H)).sum())
        )
        return log_likelihood + log_prior_to_posterior(self)


def log_prior_to_posterior(layer: MatrixNormalLayer) -> float:
    """Log p(M) - log q(M) at the layer's mean M, with p its prior and q its posterior.

    -1/2 vec(M - M0)^T Lam0 vec(M - M0) + 1/2 sum_ij log(p_j / L_ij); the constants cancel.

    Derivation: LR-4, EV-5
    """
    if layer.factors is None:
        return 0.0
    posterior = layer.posterior
    p = layer.factors.prior_eigenvalues(layer.prior, layer.prior_precision)
    shift = (layer.mean - layer.prior_mean) @ posterior.column_basis
    log_ratio = (np.log(p) - np.log(posterior.precisions)).sum()
    return 0.5 * float(log_ratio - (shift**2 @ p).sum())


def _inner(left: Array, right: Array) -> float:
    return float(np.vdot(left, right))


def _frozen(array: Array) -> Array:
    """A copy that cannot be written to, so that a mean handed out stays what it was."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy
