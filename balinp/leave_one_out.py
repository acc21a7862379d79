"""What each datum's prediction would be without the datum, for a network linearised in its weights.

Taking one datum out of a linear regression changes its prediction by an amount that its leverage
tells, so that no second fit is needed. The residuals that are left say what noise and which tails
new data will have, and not only those that the weights were fitted to.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import digamma

from balinp._types import Array
from balinp.data import Data
from balinp.joint_posterior import JointPosterior
from balinp.precision_forms import InWeights
from balinp.predictive.student_t import student_log_density
from balinp.spectral import decompose_stack, rounding
from balinp.streams import Stream

FEWEST_DATA = 5
"""Data below which their residuals say nothing about tails."""

FREEDOM = (3.0, 3000.0)
"""Degrees of freedom: from three, so that a variance exists, to what is Gaussian."""

NOISE_FACTORS = (1e-6, 1e6)
"""Factors of the noise among which the search is made."""

PRIOR_DATA = 2.0
"""Data that the prior of the factor of the noise is worth, at a factor of one."""


class LeaveOneOut(NamedTuple):
    """Residuals of data left out one at a time, whitened by the noise, in each datum's own axes.

    Attributes
    ----------
    residuals : array
        (N, K) array, in axes in which the covariance of the left out prediction is diagonal.
    variances : array
        (N, K) array of that diagonal; the noise's own is 1.
    weights : array
        (N,) array of the data's weights.
    """

    residuals: Array
    variances: Array
    weights: Array


class Tails(NamedTuple):
    """Noise that residuals ask for: a factor of its covariance, and degrees of freedom.

    Attributes
    ----------
    noise_factor : float
        Of the learnt noise covariance.
    freedom : float
        Degrees of freedom of the tails.
    """

    noise_factor: float
    freedom: float


def leave_one_out(posterior: JointPosterior, data: Data | Stream) -> LeaveOneOut:
    """Residuals of the data that a posterior was made of, each predicted without itself.

    With whitened residuals e = S^T (y - f), leverages H, and m = min(1, w) the part of a datum of
    weight w that is left out,

        residual = (I - m H)^{-1} e,      epistemic covariance = H (I - m H)^{-1}.

    A datum of weight 2 is that datum twice, and one of the two is left out. Data that alone
    determine their prediction are not among them.

    Derivation: JP-3

    Parameters
    ----------
    posterior : JointPosterior
        Posterior of the network after the data.
    data : Data or Stream
        The same data.

    Examples
    --------
    >>> from balinp.mlp import MLP
    >>> data = Data(np.zeros((2, 1)), np.array([[1.0], [2.0]]), None)
    >>> mean = [np.array([[0.0], [1.0]])]  # (1 + 2) / (2 + 1) with a prior precision of 1
    >>> fit = JointPosterior.of(MLP([1, 1]), mean, [np.eye(1)], np.eye(1), data)
    >>> left_out = leave_one_out(fit, data)
    >>> (left_out.residuals**2).round(3)  # 1 is predicted as 2 / 2, 2 as 1 / 2
    array([[0.  ],
           [2.25]])
    >>> left_out.variances.round(3)
    array([[0.5],
           [0.5]])
    """
    if data.is_elsewhere and isinstance(posterior.form, InWeights):
        assert isinstance(data, Data)
        numbers = data.Y.shape[1] * posterior.form.numbers
        (found,) = data.whole.total(numbers, _of_a_piece, posterior)
        return LeaveOneOut(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))
    parts = zip(*posterior.left_out(data), strict=True)
    whitened, complements, w = (np.concatenate(arrays) for arrays in parts)
    remaining, axes = decompose_stack(complements, np.ones(len(w)))
    turned = np.einsum("nij,ni->nj", axes, whitened)
    out = 1 / np.maximum(1.0, w)[:, None]  # the part of a datum's weight that is left out
    rest = (1 - out) + out * remaining
    counts = (rest > rounding(rest.shape[1], 1.0)).all(axis=1)
    turned, remaining, rest, w = turned[counts], remaining[counts], rest[counts], w[counts]
    leverages = np.maximum(1 - remaining, 0.0) / w[:, None]
    return LeaveOneOut(turned / rest, leverages / rest, w)


def _of_a_piece(
    X: Array, Y: Array, w: Array | None, posterior: JointPosterior
) -> tuple[list[LeaveOneOut]]:
    return ([leave_one_out(posterior, Data(X, Y, w))],)


def fitted_tails(left_out: LeaveOneOut) -> Tails | None:
    """Student tails and a factor of the noise, by maximum likelihood of the data left out.

    Of each datum the residual has the covariance that its prediction would have, with the noise
    times a factor c, in a Student t of nu degrees of freedom scaled to have this covariance. The
    weights of the data are exponents. The factor has a prior worth `PRIOR_DATA` data that sit at
    a factor of one; it matters where residuals vanish.

    Returns None for fewer than `FEWEST_DATA` data.

    Derivation: JP-4
    """
    from scipy.optimize import minimize  # which takes as long to import as the package

    if left_out.weights.sum() < FEWEST_DATA or len(left_out.weights) < FEWEST_DATA:
        return None
    bounds = np.array([np.log(NOISE_FACTORS), (1 / FREEDOM[1], 1 / FREEDOM[0])])
    fits = [
        minimize(
            _loss, [0.0, share], (left_out,), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"ftol": 1e-9, "gtol": 1e-6},  # `_stationary` finds the other digits
        )
        for share in (0.01, 0.1, 0.3)
    ]  # fmt: skip
    best = min(fits, key=lambda fit: float(fit.fun)).x
    log_factor, share = _stationary(best, bounds, left_out)
    return Tails(float(np.exp(log_factor)), float(1 / share))


def _stationary(near: Array, bounds: Array, left_out: LeaveOneOut) -> Array:
    """Where the gradient vanishes in the parameters that are not at one of their `bounds` (2, 2).

    About its minimum a function is flat, so that its values tell the place to half of the digits;
    its gradient tells the other half.
    """
    low, high = bounds.T
    free = (low < near) & (near < high)
    from scipy.optimize import root

    if not free.any():
        return near

    def gradient(values: Array) -> Array:
        parameters = near.copy()
        parameters[free] = np.clip(values, low[free], high[free])
        return _loss(parameters, left_out)[1][free]

    found, before = root(gradient, near[free], tol=1e-14), gradient(near[free])
    if np.abs(found.fun).max() < np.abs(before).max():
        near = near.copy()
        near[free] = np.clip(found.x, low[free], high[free])
    return near


def _loss(parameters: Array, left_out: LeaveOneOut) -> tuple[float, Array]:
    """What `fitted_tails` minimises, at (log c, 1 / nu), and its gradient.

    Derivation: JP-4
    """
    c, nu = float(np.exp(parameters[0])), float(1 / parameters[1])
    K, w, m = left_out.residuals.shape[1], left_out.weights, nu - 2
    variances = c + left_out.variances
    squares = left_out.residuals**2 / variances
    distances = squares.sum(axis=1)
    densities = student_log_density(squares, np.log(variances), nu)
    pull = (nu + K) / (m + distances)
    by_log_c = 0.5 * c * ((pull[:, None] * squares - 1) / variances).sum(axis=1)
    by_nu = 0.5 * (
        digamma(0.5 * (nu + K)) - digamma(0.5 * nu) - K / m - np.log1p(distances / m)
        + pull * distances / m
    )  # fmt: skip
    a = PRIOR_DATA
    value = -w @ densities + 0.5 * a * (1 / c + np.log(c))
    gradient = [-w @ by_log_c + 0.5 * a * (1 - 1 / c), nu**2 * (w @ by_nu)]
    return float(value), np.array(gradient)
