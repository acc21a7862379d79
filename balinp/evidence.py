"""Hyper-parameters by evidence: prior precision and noise covariance without tuning.

After each step the layers' posteriors say how many parameters the data determine (gamma) and
how far the means have moved from the prior's. The updates below set both hyper-parameters to
where the derivative of the evidence vanishes, given the current posterior. They are the
classical fixed-point equations of Bayesian linear regression, summed over layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf

from balinp._types import Array
from balinp.kernels import root_weighted
from balinp.layer import MatrixNormalLayer
from balinp.leverages import exact_leverages
from balinp.natural_parameters import averages, log_prior_to_posterior
from balinp.pseudo_targets import Trace
from balinp.sums import Said, summed, total
from balinp.validation import as_finite


@dataclass(frozen=True)
class HyperPrior:
    """Gamma prior on a precision, lam or 1 / sigma^2.

    `shape` a and `rate` b enter the updates as 2a pseudo-counts and 2b pseudo-squares. Weak ones
    keep precisions finite where the data alone would not: constant targets, or as many
    determined parameters as data.

    Derivation: EV-2, EV-3

    Attributes
    ----------
    shape, rate : float
        Of the Gamma distribution; the mean is shape / rate.

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
    """Number of the layer's parameters that the data determine; 0 before any data.

    gamma = sum_ij N a_i h_j / L_ij = sum_ij (1 - p_j / L_ij), between 0 and D K.

    Derivation: EV-1
    """
    if layer.state.factors is None:
        return 0.0
    return layer.state.parameters


def prior_precision_target(
    layers: Sequence[MatrixNormalLayer],
    prior_precision: float,
    hyper: HyperPrior,
    counted: float = 1.0,
) -> float:
    """Common prior precision lam that the current posteriors ask for.

    The layers' precisions are lam_l = c_l lam with fixed c_l. The target is

        (sum_l gamma_l + 2a) / (sum_l c_l s_l + 2b),

    with s_l = |M - M0|^2 for the isotropic prior and tr((M - M0) H (M - M0)^T) for the conjugate
    one.

    Derivation: EV-2, EV-4

    Parameters
    ----------
    layers : sequence of MatrixNormalLayer
        Layers of the network; those without data say nothing.
    prior_precision : float
        Current lam, to which the layers' precisions are in proportion.
    hyper : HyperPrior
        Hyper-prior on lam.
    counted : float
        Part of gamma that counts (EV-12).
    """
    gamma = counted * sum(map(effective_parameters, layers))
    squares = sum(layer.prior_squares for layer in layers) / prior_precision
    return (gamma + 2 * hyper.shape) / (squares + 2 * hyper.rate)


def noise_target(
    layers: Sequence[MatrixNormalLayer],
    said: Said,
    residual_squares: Array,
    noise_covariance: Array,
    n_data: float,
    hyper: HyperPrior,
    units: Array | None = None,
    counted: float = 1.0,
) -> Array:
    """Noise covariance (K, K) that the current posteriors ask for.

    V <- (E^T E N/B + C Gamma C^T + 2b diag(u)) / (N + 2a), with C the Cholesky factor of the
    current V and Gamma what the residuals at the mean leave out, in whitened units: the spread of
    the outputs that the weights' uncertainty causes (isotropic prior), or the prior's gradient,
    whose scale is the noise's own (conjugate prior). Weights of the data, from the trace, are
    factors in every sum over them.

    Derivation: EV-3, EV-4, EV-10, EV-12, LR-6

    Parameters
    ----------
    layers : sequence of MatrixNormalLayer
        Layers of the network.
    said : Said
        What the batch says that they have last seen.
    residual_squares : array
        (K, K) array E^T E of the batch's residuals E = Y - f.
    noise_covariance : array
        (K, K) array, the current V.
    n_data : float
        N.
    hyper : HyperPrior
        Hyper-prior on the noise precision.
    units : array, optional
        (K,) array u, the squares in which its rate is stated; None for ones.
    counted : float
        Part of Gamma that counts (EV-12).
    """
    B, Gamma = _spread_of_all(layers, said, n_data)
    C, _ = dpotrf(noise_covariance, lower=1)
    squares = (n_data / B) * residual_squares + counted * C @ Gamma @ C.T
    return noise_from_squares(squares, n_data, hyper, units)


def _spread_of_all(
    layers: Sequence[MatrixNormalLayer], said: Said, n_data: float
) -> tuple[float, Array]:
    """B, and Gamma (K, K): of all layers together where that is known, else of each by itself.

    Derivation: EV-3, EV-11
    """
    together = exact_leverages(layers, said, n_data)
    if together is not None:
        return n_data, together
    B, Gamma = total(said, _spread, [_left_out(layer) for layer in layers])
    return B, Gamma / B


def exact_noise_target(
    layer: MatrixNormalLayer,
    residual_squares: Array,
    n_data: float,
    hyper: HyperPrior,
    units: Array | None = None,
) -> Array:
    """`noise_target` of a single Gaussian layer, for which C Gamma C^T is the layer's own Psi.

    Derivation: EV-3, EV-4

    Parameters
    ----------
    layer : MatrixNormalLayer
        The layer.
    residual_squares : array
        (K, K) array, the average of r r^T over the data.
    n_data, hyper, units
        As for `noise_target`.
    """
    squares = n_data * residual_squares + _left_out(layer)
    return noise_from_squares(squares, n_data, hyper, units)


def noise_from_squares(
    squares: Array, n_data: float, hyper: HyperPrior, units: Array | None = None
) -> Array:
    """V (K, K) of N errors with the given squares (K, K).

    (squares + 2b diag(u)) / (N + 2a), with u = 1 for units of None.

    Derivation: EV-3, EV-10
    """
    with_prior = squares.copy()
    with_prior.reshape(-1)[:: len(squares) + 1] += (
        2 * hyper.rate * (1.0 if units is None else units)
    )
    return with_prior / (n_data + 2 * hyper.shape)


def less_correlated(V: Array, n_data: float) -> Array:
    """(N V + K diag(V)) / (N + K): a covariance (K, K) whose outputs are correlated less.

    With K or fewer data some combinations of the outputs have no residuals, and V would be
    singular. For a single output, and for many data, nothing changes.

    Derivation: EV-9

    Examples
    --------
    >>> less_correlated(np.array([[4.0, 2.0], [2.0, 1.0]]), n_data=2.0)
    array([[4., 1.],
           [1., 1.]])
    """
    if len(V) == 1:
        return V
    diagonal = np.diag(np.diag(V))
    return (n_data * V + len(V) * diagonal) / (n_data + len(V))


def _spread(piece: Trace, left_out: Sequence[Array]) -> tuple[float, Array]:
    """B, and sum_n w_n S_n^T Psi S_n (C, C), added up over layers with their matrices Psi."""
    shares = [_share(piece, index, Psi) for index, Psi in enumerate(left_out)]
    return piece.amount, sum(shares, start=np.zeros(()))


def _share(piece: Trace, index: int, Psi: Array) -> Array:
    """sum_n w_n S_n^T Psi S_n (C, C) of a layer, for its matrix Psi (K, K).

    For a single output that is a number, and the trace of Psi times the sum of S_n S_n^T, which
    has been worked out already.
    """
    if piece.output_rows.shape[1] == 1:
        return np.array([[Psi.ravel() @ piece.curvature_sums[index].ravel()]])
    rows = root_weighted(piece.curvature_rows[index], piece.sample_weight)
    return np.tensordot(rows @ Psi, rows, axes=([0, 2], [0, 2]))


def _left_out(layer: MatrixNormalLayer) -> Array:
    """Matrix Psi (K, K) of a layer whose mean_n S_n^T Psi S_n is its share of Gamma."""
    if layer.state.factors is None:
        return np.zeros((layer.n_out, layer.n_out))
    if layer.state.prior.follows_noise:
        return layer.prior_precision * layer.shift.T @ layer.shift
    return layer.state.determined.left_out


def evidence_bound(log_joint: float, layers: Sequence[MatrixNormalLayer]) -> float:
    """Lower bound on the log evidence of the network linearised about its means, in nats.

    With q the product of the layers' posteriors,

        E_q log p(Y, W) - E_q log q = log_joint + sum_l [ H(q_l) - sum_ij p_j / (2 L_ij) ].

    Derivation: EV-7

    Parameters
    ----------
    log_joint : float
        E log p(Y | f) + log p(M), the likelihood averaged over the outputs of the linearised
        network (`balinp.expected.Expected`), the prior at the means M.
    layers : sequence of MatrixNormalLayer
        Layers of the network, at these means.
    """
    bound = log_joint
    for layer in layers:
        if layer.state.factors is not None:
            # sum_ij p_j / L_ij = D K - gamma
            undetermined = layer.mean.size - effective_parameters(layer)
            bound += layer.state.working_posterior.entropy() - 0.5 * undetermined
    return bound


def network_log_evidence(layers: Sequence[MatrixNormalLayer], said: Said) -> float:
    """Laplace-type log evidence of a network at its means, in nats.

    sum_n log p(y_n | f_M) + sum_l [log p(M_l) - log q(M_l)], with every layer's posterior taken
    about its mean from factors of exactly these data. Exact for one Gaussian layer; for deeper
    networks neither a bound nor the integral itself.

    Derivation: EV-5, LR-6

    Parameters
    ----------
    layers : sequence of MatrixNormalLayer
        Layers of the network; they are not changed.
    said : Said
        What all the data say in a mean pass.
    """
    (evidence,) = total(said, Trace.log_likelihood)
    for layer, terms in zip(layers, summed(said), strict=True):
        factors = averages(None, terms, terms.amount, 1.0)
        evidence += log_prior_to_posterior(layer.shift, factors, layer.state.prior)
    return evidence
