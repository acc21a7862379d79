"""One layer of a network as one multivariate Bayesian linear regression.

Given inputs X, targets T and an output precision H, the posterior over the layer's weights is
exact. With a batch that is all the data that is the whole story. With mini-batches the layer
keeps moving averages of what the posterior is made of, so that old data are gradually
forgotten: state is the mean M, the input factor A and the output factor H.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.damping import SPECTRAL, Spectral
from balinp.kernels import amount, design, is_same_amount
from balinp.layer_posterior import LayerPosterior
from balinp.layer_state import LayerState, Proposal, Regression, combined
from balinp.natural_parameters import Terms, averages, log_prior_to_posterior
from balinp.validation import (
    LARGEST,
    as_finite,
    as_matrix,
    as_positive,
    as_rate,
    as_weights,
)


# Its parameters are those of the constructor in `LayerPosterior`, where numpydoc does not look.
class MatrixNormalLayer(LayerPosterior):  # numpydoc ignore=PR02
    """A layer's Bayesian regression t = W^T x + e, e ~ N(0, V), with H = V^{-1} known.

    Two priors, both with any mean M0 and a precision lam:

    - ``"conjugate"``: W ~ MN(M0, I / lam, V). The posterior is matrix normal, V kron U with
      U^{-1} = lam I + X^T X.
    - ``"isotropic"``: vec(W) ~ N(vec(M0), I / lam), what weight decay stands for. The posterior
      precision H kron X^T X + lam I is not a Kronecker product, but it is diagonal in the same
      Kronecker eigenbasis and inverted at the same cost.

    Parameters
    ----------
    n_in, n_out : int
        Widths. With a bias the weights are (D, K) = (n_in + 1, n_out), bias last.
    prior : str, default "isotropic"
        ``"isotropic"`` or ``"conjugate"``.
    prior_precision : float, default 1.0
        lam > 0.
    prior_mean : array, optional
        (D, K) array M0, or None for zero.
    initial_mean : array, optional
        (D, K) array where the mean starts, or None for the prior mean. An exact regression ends at
        the same posterior from any start; a hidden layer needs one that breaks the symmetry between
        its units.
    bias : bool, default True
        Whether a 1 is appended to the inputs.
    exact : bool, default True
        Whether `posterior` is the regression's exact posterior, or the matrix normal nearest to it
        (MN-8), as for the layers of a network whose targets are not observations.

    Attributes
    ----------
    n_in, n_out : int
        Widths.
    bias, exact : bool
        As given.
    prior_mean : array
        (D, K) mean M0 of the prior.
    state : LayerState
        All that changes: mean, averages, prior precision.

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

    _proposal: Proposal | None = None

    # -- the regression ------------------------------------------------------------------------

    def design(self, inputs: Array) -> Array:
        """Return X (B, D): the inputs (B, n_in), with a trailing 1 if the layer has a bias.

        Examples
        --------
        >>> MatrixNormalLayer(1, 1).design(np.array([[0.0], [2.0]]))
        array([[0., 1.],
               [2., 1.]])
        """
        return design(inputs, self.bias)

    def propose(
        self,
        inputs: Any,
        pseudo_targets: Any,
        output_precision: Any,
        *,
        n_data: float | None = None,
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
        inputs : array
            (B, n_in) array.
        pseudo_targets : array
            (B, K) array T.
        output_precision : array
            (K, K) array H_batch, symmetric positive semi-definite; positive definite for the
            conjugate prior.
        n_data : float, optional
            Number N of data that the batch stands for; None is its own B.
        rate : float, default 1.0
            Weight of the new batch in (0, 1]; the forgetting factor is 1 - rate. Before the first
            batch there is nothing to average with: A starts from zero, H from H_batch.
        precision_is_known : bool, default False
            Whether H_batch is the noise model's own precision rather than an estimate from the
            batch. A known precision is used as it is and not averaged with earlier ones, which
            matters once it is learnt and changes.
        sample_weight : array_like, optional
            (B,) weights, or None for ones. A datum of weight 2 is that datum twice, and one of
            weight 0 is none.

        Raises
        ------
        TypeError, ValueError
            If an argument is not of the form above.

        Examples
        --------
        >>> layer = MatrixNormalLayer(1, 1, prior_precision=1.0)
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> layer.propose(x, 2 * x, np.eye(1)).change.round(3)
        array([[1.744],
               [0.308]])
        >>> layer.mean
        array([[0.],
               [0.]])
        """
        X, T, H_batch, w = self._checked(inputs, pseudo_targets, output_precision, sample_weight)
        rate, B = as_rate(rate), amount(X, w)
        N = B if n_data is None else as_positive(n_data, "n_data")
        is_all = is_same_amount(N, B, len(X))
        gradients = (T - X @ self.mean) @ H_batch
        terms = Terms.of(X, gradients, B * H_batch, w, precision_is_known=precision_is_known)
        proposal = self.propose_from(terms, n_data=B if is_all else N, rate=rate)
        if is_all and rate == 1:
            batch = X.copy(), T.copy(), None if w is None else w.copy(), H_batch.copy()
            regression = Regression(*batch, self.prior_precision)
            self._proposal = proposal = replace(proposal, regression=regression)
        return proposal

    def _checked(
        self, inputs: Any, pseudo_targets: Any, output_precision: Any, sample_weight: Any
    ) -> tuple[Array, Array, Array, Array | None]:
        """X, T, H_batch and the weights of a batch from outside."""
        K = self.n_out
        inputs = as_matrix(inputs, "inputs", columns=self.n_in, largest=LARGEST)
        T = as_matrix(pseudo_targets, "pseudo_targets", rows=len(inputs), columns=K)
        H = as_matrix(output_precision, "output_precision", rows=K, columns=K)
        if np.abs(H - H.T).max() > 1e-10 * np.abs(H).max():
            raise ValueError("output_precision: expected a symmetric matrix, got one that is not")
        return self.design(inputs), T, H, as_weights(sample_weight, "sample_weight", len(inputs))

    def propose_from(
        self, terms: Terms, *, n_data: float, rate: float = 1.0, solver: Spectral = SPECTRAL
    ) -> Proposal:
        """`propose`, from the sums over a batch, which may have been added up from many pieces.

        Derivation: LR-3, NP-2, NP-5

        Parameters
        ----------
        terms : Terms
            The sums.
        n_data, rate : float
            As for `propose`.
        solver : Spectral, optional
            How the regression is solved.
        """
        state, prior = self.state, self.state.prior
        factors = averages(state.factors, terms, n_data, rate)
        if prior.follows_noise and factors.outputs.values.min() == 0:
            h = factors.outputs.values
            raise ValueError(
                "output_precision: expected a positive definite matrix, since the conjugate "
                f"prior has covariance V = H^-1, got eigenvalues from 0 to {h.max():.3g}"
            )
        likelihood_gradient = (n_data / terms.amount) * terms.gradient
        prior_gradient = prior.times(self.shift, factors.outputs)
        gradient = likelihood_gradient - prior_gradient
        c, right = state.remembered_share(n_data, rate), rate * gradient
        if c != 1 - rate:  # in a network it always is
            right += (rate - 1 + c) * prior_gradient
        change, factors = solver.solved(right, factors, prior)
        self._proposal = Proposal(state.mean, change, gradient, factors, prior, self._centre)
        return self._proposal

    def accept(self, step: float = 1.0, momentum: float = 0.0) -> None:
        """Take the last proposal: its factors, and `step` times its change of the mean.

        Derivation: JS-1, JS-2

        Parameters
        ----------
        step : float, default 1.0
            Factor of the proposed change; 1 is the exact regression.
        momentum : float, default 0.0
            Factor of the change that was accepted before, the second direction of the joint step.

        Raises
        ------
        TypeError, ValueError
            If there is no proposal, or a factor is not a finite number.

        Examples
        --------
        >>> layer = MatrixNormalLayer(1, 1, prior_precision=1.0)
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> proposal = layer.propose(x, 2 * x, np.eye(1))
        >>> layer.accept(0.5)
        >>> bool(np.allclose(layer.mean, 0.5 * proposal.change))
        True
        """
        if self._proposal is None:
            raise ValueError("accept: expected a call of propose before it, got none")
        step, momentum = as_finite(step, "step"), as_finite(momentum, "momentum")
        p = self._proposal
        self.move(step, momentum)
        remembered = p.factors.n_data, p.prior.precision
        regression = p.regression if step == 1 and momentum == 0 else None
        self.state = replace(self.state, remembered=remembered, regression=regression)

    def move(self, step: float, momentum: float) -> None:
        """`accept` and `rebalance` as a network's step does them, whose numbers need no check.

        Derivation: JS-1, JS-2, NP-5

        Parameters
        ----------
        step, momentum : float
            As for `accept`, after a call of `propose_from`.
        """
        p, self._proposal = self._proposal, None
        assert p is not None
        before = self.state
        change = combined(step, p.change, momentum, before.last_change)
        mean = before.mean + change
        mean.flags.writeable = False
        self.state = LayerState(before.prior, mean, change, p.factors)

    def rebalance(self) -> None:
        """Declare that the remembered data balance the prior at the current mean.

        After an exact regression they do, and remain what they were when N or the prior
        precision changes. In a deep network the mean rests wherever the joint step has left it,
        and the memory is only what it is re-expressed to be: calling this after `accept` keeps
        the next proposal along the gradient of the log joint whatever N and the prior precision
        have become.

        Derivation: NP-2, NP-5
        """
        self.state = replace(self.state, remembered=None)

    def observe(
        self,
        inputs: Any,
        pseudo_targets: Any,
        output_precision: Any,
        *,
        n_data: float | None = None,
        rate: float = 1.0,
        precision_is_known: bool = False,
        sample_weight: Any = None,
    ) -> None:
        """Propose, then accept the whole change: the exact regression update.

        Examples
        --------
        >>> layer = MatrixNormalLayer(1, 1, prior_precision=1.0)
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> layer.observe(x, 2 * x, np.eye(1))
        >>> layer.posterior.marginal_variance().round(3)
        array([[0.128],
               [0.385]])
        """
        self.propose(
            inputs, pseudo_targets, output_precision, n_data=n_data, rate=rate,
            precision_is_known=precision_is_known, sample_weight=sample_weight,
        )  # fmt: skip
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

        Examples
        --------
        >>> layer = MatrixNormalLayer(1, 1, prior_precision=1.0)
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> layer.observe(x, 2 * x, np.eye(1))
        >>> round(float(layer.log_evidence()), 3)
        -7.251
        """
        regression, factors = self.state.regression, self.state.factors
        if regression is None or factors is None:
            raise ValueError(
                "log_evidence: expected the last accepted batch to be all the data "
                "(n_data = B, rate = 1, step = 1), got another one or none"
            )
        if regression.prior_precision != self.prior_precision:
            raise ValueError(
                "log_evidence: expected the prior precision under which the data were observed, "
                f"{regression.prior_precision:.6g}, got {self.prior_precision:.6g}"
            )
        log_likelihood = regression.log_likelihood(self.mean)
        return log_likelihood + log_prior_to_posterior(self.shift, factors, self.state.prior)
