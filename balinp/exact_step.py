"""The training step of a single Gaussian layer, which is Bayesian linear regression: exact.

Its pseudo-targets are the observations, from any weights (PT-2), so that they never become stale.
All that is needed of the data are sums, however the data come; and from these sums the posterior
and the evidence's fixed point for lam and V are worked out anew in every step. No step has a
length: the change is the whole one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from balinp._types import Array
from balinp.data import Batch
from balinp.evidence import effective_parameters, exact_noise_target, less_correlated
from balinp.hyper_parameters import HyperParameters
from balinp.joint_step import JointStep, Outcome
from balinp.layer import MatrixNormalLayer
from balinp.layer_state import LayerState, frozen
from balinp.learnt_noise import learnt_noise
from balinp.likelihood import Gaussian
from balinp.moments import Moments
from balinp.natural_parameters import Factors
from balinp.passes import Mean, Present
from balinp.pseudo_targets import Trace
from balinp.spectral import decompose
from balinp.step import told
from balinp.sums import Said, total

MOST_UPDATES, RESOLUTION = 2000, 1e-11
"""Updates of lam and V at most, and the relative change at which they have settled."""

WHOLE = JointStep(factor=1.0, momentum=0.0, slope=0.0, curvature=0.0)


def take_exact_step(
    now: Present, batch: Batch, rate: float | None, hyper: HyperParameters
) -> tuple[Outcome, Gaussian, float]:
    """Fold a batch into the layer's moments; solve for its posterior, lam and V.

    With the weight B / (data so far) of each batch the posterior is that of all of them at once,
    to rounding, whatever their sizes and their order.

    Derivation: EX-1, EX-2, EX-3, PT-2

    Parameters
    ----------
    now : Present
        The network, of a single layer, which is changed.
    batch : Batch
        The data; they stand for `now.n_data` of them.
    rate : float or None
        Weight of the batch, or None for that of its data among all so far.
    hyper : HyperParameters
        Prior precision and noise, given or to be learnt.

    Returns
    -------
    tuple of Outcome and Gaussian and float
        What the step was, the likelihood with the noise that the evidence asks for, and the rate.
    """
    layer, N = now.layers[0], now.n_data
    moments = folded(layer.state.moments, told(batch, now, Mean()), batch, rate)
    assert isinstance(now.likelihood, Gaussian)
    likelihood = hyper.restarted(now.likelihood, moments)
    likelihood = fixed_point(layer, moments, N, likelihood, hyper)
    squares = moments.residual_squares(layer.mean)
    log_joint = _log_joint(layer, squares, N, likelihood)
    rate = batch.amount / moments.amount if rate is None else rate
    return Outcome(WHOLE, 1.0, log_joint, batch.amount * squares), likelihood, rate


def folded(old: Moments | None, said: Said, batch: Batch, rate: float | None) -> Moments:
    """The moving average of the moments of inputs and pseudo-targets after a batch.

    Derivation: EX-2, PT-2
    """
    (new,) = total(said, _moments)
    if rate is None and (old is None or batch.is_all):
        return new
    if old is None:
        D = new.n_in
        old = Moments.none(D, new.root.shape[1] - D)
    return old + new if rate is None else old.averaged(new, rate)


def _moments(piece: Trace) -> tuple[Moments]:
    T, w = piece.pseudo_targets[0], piece.sample_weight
    return (Moments.of(piece.designs[0], T, w),)


def fixed_point(
    layer: MatrixNormalLayer,
    moments: Moments,
    N: float,
    likelihood: Gaussian,
    hyper: HyperParameters,
) -> Gaussian:
    """Update lam and V, and the posterior with them, until the evidence asks for no other.

    Given lam and V the posterior is exact, so that the updates have the evidence's stationary
    points as fixed points.

    Derivation: EX-3
    """
    inputs, products = moments.spectrum()
    A, before = moments.A, layer.mean
    for _ in range(MOST_UPDATES):
        H = likelihood.known_precision(layer.n_out)
        hyper.set_priors([layer], H)
        factors = Factors(A, H, inputs, decompose(H, "output_precision"), N)
        layer.state = regression(layer, factors, products, moments, before)
        change = 0.0
        if hyper.learns_precision:
            change = hyper.replace_precision([layer])
        if hyper.learns_noise:
            V = likelihood.covariance(layer.n_out)
            squares = moments.residual_squares(layer.mean)
            target = exact_noise_target(layer, squares, N, hyper.noise_prior, hyper.noise_units)
            target = less_correlated(target, N)
            sd = np.sqrt(np.diag(V))
            change = max(change, float(np.abs((target - V) / np.outer(sd, sd)).max()))
            likelihood = learnt_noise(target)
        hyper.unsettled = change
        if change < RESOLUTION:
            break
    hyper.parameters = [effective_parameters(layer)]
    return likelihood


def regression(
    layer: MatrixNormalLayer, factors: Factors, products: Array, moments: Moments, before: Array
) -> LayerState:
    """The layer with the exact posterior of P vec(M) = N X^T T H / B + Lam0 vec(M0).

    Derivation: EX-2

    Parameters
    ----------
    layer : MatrixNormalLayer
        The layer, with its prior.
    factors : Factors
        Factors of the posterior precision.
    products : array
        (D, K) array Q_A^T X^T T / B.
    moments, before : Moments and array
        State that is kept, and the mean (D, K) before the step.
    """
    prior, Q, H = layer.state.prior, factors.inputs.vectors, factors.outputs
    L = factors.posterior(before, prior).precisions
    right = factors.n_data * (products @ H.vectors) * H.values
    right += (Q.T @ layer.prior_mean @ H.vectors) * prior.eigenvalues(H)
    mean = frozen(Q @ (right / L) @ H.vectors.T)
    return replace(
        layer.state,
        mean=mean,
        last_change=mean - before,
        factors=factors,
        remembered=(factors.n_data, prior.precision),
        regression=None,
        settled=None,
        moments=moments,
    )


def _log_joint(
    layer: MatrixNormalLayer, residual_squares: Array, N: float, likelihood: Gaussian
) -> float:
    """Log p(Y, M), the average of r r^T over the data standing for N of them, in nats."""
    H = likelihood.known_precision(layer.n_out)
    log_det = float(np.linalg.slogdet(H)[1]) - layer.n_out * np.log(2 * np.pi)
    log_likelihood = 0.5 * N * (log_det - float((H * residual_squares).sum()))
    state = layer.state
    normaliser = state.prior.log_normaliser(layer.mean.shape, state.observed.outputs)
    return log_likelihood + normaliser - 0.5 * layer.prior_squares
