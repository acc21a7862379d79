"""Hyper-parameters by evidence: prior precision and noise covariance without tuning.

After each step the layers' posteriors say how many parameters the data determine (gamma) and
how far the means have moved from the prior's. The updates below set both hyper-parameters to
where the derivative of the evidence vanishes, given the current posterior. They are the
classical fixed-point equations of Bayesian linear regression, summed over layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.factors import amount, root_weighted, weighted_sum
from balinp.layer import MatrixNormalLayer, log_prior_to_posterior
from balinp.pseudo_targets import Trace
from balinp.validation import as_finite


@dataclass(frozen=True)
class HyperPrior:
    """Gamma prior on a precision, lam or 1 / sigma^2.

    `shape` a and `rate` b enter the updates as 2a pseudo-counts and 2b pseudo-squares. Weak ones
    keep precisions finite where the data alone would not: constant targets, or as many
    determined parameters as data.

    Derivation: EV-2, EV-3

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of at least 0; zeros stand for no prior at all.

    Examples
    --------
    >>> HyperPrior(shape=2.0, rate=4.0)
    HyperPrior(shape=2.0, rate=4.0)
    """

    shape: float = 1e-6
    rate: float = 1e-6

    def __post_init__(self) -> None:
        for name, value in (("shape", self.shape), ("rate", self.rate)):
            if as_finite(value, name) < 0:
                raise ValueError(f"{name}: expected a number of at least 0, got {value!r}")


def effective_parameters(layer: MatrixNormalLayer) -> float:
    """Number of the layer's parameters that the data determine.

    gamma = sum_ij N a_i h_j / L_ij = sum_ij (1 - p_j / L_ij), between 0 and D K.

    Derivation: EV-1
    """
    if layer.factors is None:
        return 0.0
    precisions = layer.working_posterior.precisions
    return float((layer.factors.likelihood_eigenvalues / precisions).sum())


def prior_precision_target(
    layers: Sequence[MatrixNormalLayer], prior_precision: float, hyper: HyperPrior
) -> float:
    """Common prior precision lam that the current posteriors ask for.

    The layers' precisions are lam_l = c_l lam with fixed c_l. The target is

        (sum_l gamma_l + 2a) / (sum_l c_l s_l + 2b),

    with s_l = |M - M0|^2 for the isotropic prior and tr((M - M0) H (M - M0)^T) for the conjugate
    one.

    Derivation: EV-2, EV-4

    Parameters
    ----------
    layers : the network's layers.
    prior_precision : the current lam, to which the layers' precisions are in proportion.
    hyper : hyper-prior on lam.
    """
    gamma = sum(effective_parameters(layer) for layer in layers)
    squares = sum(_prior_squares(layer) for layer in layers) / prior_precision
    return (gamma + 2 * hyper.shape) / (squares + 2 * hyper.rate)


def _prior_squares(layer: MatrixNormalLayer) -> float:
    """vec(M - M0)^T Lam0 vec(M - M0) = lam_l s_l."""
    shift = layer.mean - layer.prior_mean
    if layer.prior == "conjugate" and layer.factors is not None:
        pull = layer.factors.prior_times(shift, layer.prior, layer.prior_precision)
        return float((shift * pull).sum())
    return layer.prior_precision * float((shift**2).sum())


def noise_target(
    layers: Sequence[MatrixNormalLayer],
    trace: Trace | Iterable[Trace],
    residual_squares: Array,
    noise_covariance: Array,
    n_data: float,
    hyper: HyperPrior,
    *,
    sampled: bool = False,
) -> Array:
    """Noise covariance (K, K) that the current posteriors ask for.

    V <- (R^T R N/B + C G C^T + 2b I) / (N + 2a), with C the Cholesky factor of the current V
    and G what the residuals at the mean leave out, in whitened units: the spread of the outputs
    that the weights' uncertainty causes (isotropic prior), or the prior's pull, whose scale is
    the noise's own (conjugate prior). Weights of the data, from the trace, are factors in every
    sum over them.

    Derivation: EV-3, EV-4, EV-6, LR-6

    Parameters
    ----------
    layers, trace : the network's layers and the batch they have last seen, whole or in pieces.
    residual_squares : (K, K) array R^T R of the batch's residuals R = Y - f.
    noise_covariance : (K, K) array, the current V.
    n_data : N.
    hyper : hyper-prior on the noise precision.
    sampled : whether R comes from a sample pass, whose residuals already contain the
        uncertainty of all layers but the last.
    """
    K, B = len(noise_covariance), 0.0
    missing = {
        index: _missing_squares(layers[index])
        for index in ([len(layers) - 1] if sampled else range(len(layers)))
    }
    spread = np.zeros((K, K))
    for piece in [trace] if isinstance(trace, Trace) else trace:
        B += amount(piece.targets, piece.sample_weight)
        for index, squares in missing.items():
            spread += _spread(piece, index, squares)
    C = np.linalg.cholesky(noise_covariance)
    squares = (n_data / B) * residual_squares + C @ (spread / B) @ C.T
    return (squares + 2 * hyper.rate * np.eye(K)) / (n_data + 2 * hyper.shape)


def _spread(trace: Trace, index: int, missing: Array) -> Array:
    """sum_n w_n S_n^T B S_n (C, C) of a layer, for its matrix B (K, K).

    For a single output that is a number, and the trace of B times the sum of S_n S_n^T, which
    has been worked out already.
    """
    if trace.output_rows.shape[1] == 1:
        return np.array([[float((missing * trace.curvature_sums[index]).sum())]])
    rows = root_weighted(trace.curvature_rows[index], trace.sample_weight)
    return np.tensordot(rows @ missing, rows, axes=([0, 2], [0, 2]))


def _missing_squares(layer: MatrixNormalLayer) -> Array:
    """Matrix B (K, K) of a layer whose mean_n S_n^T B S_n is its share of G."""
    if layer.factors is None:
        return np.zeros((layer.n_out, layer.n_out))
    if layer.prior == "conjugate":
        shift = layer.mean - layer.prior_mean
        return layer.prior_precision * shift.T @ shift
    posterior = layer.working_posterior
    N, a = layer.factors.n_data, layer.factors.inputs.values
    variances = N * (a @ (1.0 / posterior.precisions))
    return (posterior.column_basis * variances) @ posterior.column_basis.T


def evidence_bound(log_joint: float, layers: Sequence[MatrixNormalLayer]) -> float:
    """Lower bound on the log evidence of the network linearised about its means, in nats.

    With q the product of the layers' posteriors,

        E_q log p(Y, W) - E_q log q = log_joint + sum_l [ H(q_l) - sum_ij p_j / (2 L_ij) ].

    Derivation: EV-7

    Parameters
    ----------
    log_joint : E log p(Y | f) + log p(M), the likelihood averaged over the outputs of the
        linearised network (`balinp.expected.Expected`), the prior at the means M.
    layers : the network's layers, at these means.
    """
    bound = log_joint
    for layer in layers:
        if layer.factors is not None:
            posterior = layer.working_posterior
            p = layer.factors.prior_eigenvalues(layer.prior, layer.prior_precision)
            bound += posterior.entropy() - 0.5 * float((p / posterior.precisions).sum())
    return bound


def network_log_evidence(layers: Sequence[MatrixNormalLayer], trace: Trace) -> float:
    """Laplace-type log evidence of a network at its means, in nats.

    sum_n log p(y_n | f_M) + sum_l [log p(M_l) - log q(M_l)], with every layer's posterior taken
    about its mean from factors of exactly the data in `trace`. Exact for one Gaussian layer; for
    deeper networks neither a bound nor the integral itself.

    Derivation: EV-5, LR-6

    Parameters
    ----------
    layers : the network's layers; they are not changed.
    trace : a mean pass over all the data.
    """
    total = weighted_sum(trace.log_densities, trace.sample_weight)
    for index, layer in enumerate(layers):
        fresh = MatrixNormalLayer(
            layer.n_in,
            layer.n_out,
            prior=layer.prior,
            prior_precision=layer.prior_precision,
            prior_mean=layer.prior_mean,
            initial_mean=layer.mean,
            bias=layer.bias,
        )
        fresh.propose(
            trace.inputs[index],
            trace.pseudo_targets[index],
            trace.output_precisions[index],
            n_data=amount(trace.log_densities, trace.sample_weight),
            sample_weight=trace.sample_weight,
        )
        fresh.accept(step=0.0)
        total += log_prior_to_posterior(fresh)
    return total
