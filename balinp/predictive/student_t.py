"""The Student t of a given covariance: its log density, and its distribution function in logs."""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, gammaln, stdtr

from balinp._types import Array

TINY = 1e-290
"""Probability below which the tail is added up in logarithms."""

TERMS = 16
"""Terms of that sum; where the tail is tiny, a handful reaches rounding."""


def student_log_density(squares: Array, log_variances: Array, freedom: float) -> Array:
    """Log density (B,) of a multivariate Student t of a given covariance.

    Derivation: JP-4

    Parameters
    ----------
    squares : array
        (B, K) array of squared residuals over variances, in uncorrelated axes.
    log_variances : array
        (B, K) array of the logarithms of these variances.
    freedom : float
        Number nu above 2.
    """
    nu, K = freedom, squares.shape[1]
    constant = gammaln(0.5 * (nu + K)) - gammaln(0.5 * nu) - 0.5 * K * np.log(np.pi * (nu - 2))
    distances = squares.sum(axis=1)
    return np.asarray(
        constant - 0.5 * log_variances.sum(axis=1) - 0.5 * (nu + K) * np.log1p(distances / (nu - 2))
    )


def student_log_cdf(t: Array, freedom: float) -> Array:
    """Log of the distribution function at t of a Student t of scale one, of the same shape.

    Where it is tiny, the tail is, with a = nu / 2 and f the density,

        f(t) (nu + t^2) / (nu |t|) (1 + sum_n prod_m (2 m - 1) / (2 (a + m)) (-nu / t^2)).

    Derivation: JP-4

    Parameters
    ----------
    t : array
        Numbers, of any shape.
    freedom : float
        Number nu of degrees of freedom.

    Examples
    --------
    >>> student_log_cdf(np.array([-100.0, -1.0, 0.0]), 3000.0).round(3)
    array([-2.204297e+03, -1.841000e+00, -6.930000e-01])
    """
    tail = np.asarray(stdtr(freedom, -np.abs(t)))
    far = tail < TINY
    logs = np.log(np.where(far, 1.0, tail))
    logs[far] = _log_tail(np.abs(t[far]), freedom)
    return np.where(t < 0, logs, np.log1p(-np.exp(logs)))


def _log_tail(t: Array, nu: float) -> Array:
    """Log of the probability above t > 0, where that is tiny.

    Derivation: JP-4
    """
    ratio, a = np.sqrt(nu) / t, 0.5 * nu  # whose square may underflow, but not overflow
    log_x = -np.logaddexp(0.0, -2 * np.log(ratio))  # of nu / (nu + t^2)
    term, series = np.ones_like(t), np.ones_like(t)
    for n in range(1, TERMS + 1):
        term = -term * (n - 0.5) / (a + n) * ratio**2
        series += term
    constant = betaln(a, 0.5) + np.log(nu)
    return np.asarray(a * log_x + 0.5 * np.log1p(ratio**2) + np.log(series) - constant)
