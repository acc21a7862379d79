"""Class probabilities of Gaussian logits: the softmax, averaged.

The softmax is a race: class k is the label if its logit, plus Gumbel noise, is the largest of
all. So its probability is an integral over the height t of the winner; and that all classes stay
below t is a product of one factor a class, under correlated logits. The factors are replaced by
Gaussians, one after the other put back, and the integral is a sum of eight terms. For independent
logits that is exact, for any it is the same whichever way the classes are ordered.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from scipy.linalg import eigh_tridiagonal
from scipy.special import expit, log_ndtr, ndtr, ndtri

from balinp._types import Array
from balinp.data import SMALL_PIECE, pieces
from balinp.softmax import contrasts

THRESHOLDS = 8
"""Heights of the winner at which the race is looked at."""

NODES = 12
"""Points of the rules for one factor."""

NARROW = 0.9
"""Variance of a logit up to which its own noise is integrated out, and the Gumbel noise above."""

GUMBEL_VARIANCE = np.pi**2 / 6


def expected_softmax(logits: Array, covariance: Array) -> Array:
    """E softmax(f) for f ~ N(logits (B, K), covariance (B, K, K)), each row of sum 1.

    Exact, up to quadrature, for two classes and for independent logits; equal where the logits
    are exchangeable; and permuted as the classes are. Shifts common to all logits do not matter.

    Derivation: PR-2, CP-1, CP-2

    Examples
    --------
    >>> expected_softmax(np.zeros((1, 4)), 9 * np.eye(4)[None])
    array([[0.25, 0.25, 0.25, 0.25]])
    >>> expected_softmax(np.array([[2.0, 0.0]]), np.eye(2)[None]).round(4)
    array([[0.8161, 0.1839]])
    """
    B, K = logits.shape
    if K == 1:
        return np.ones((B, 1))
    if K == 2:
        variance = covariance[:, 0, 0] + covariance[:, 1, 1] - 2 * covariance[:, 0, 1]
        lower = _lesser_of_two(np.abs(logits[:, 0] - logits[:, 1]), np.maximum(variance, 0.0))
        first = logits[:, 0] < logits[:, 1]
        return np.stack([np.where(first, lower, 1 - lower), np.where(first, 1 - lower, lower)], 1)
    p = np.empty((B, K))
    contrast = contrasts(K)
    for rows in pieces(B, THRESHOLDS * K * max(K, NODES), SMALL_PIECE):
        centred = logits[rows] - logits[rows].mean(axis=1, keepdims=True)
        C = contrast @ covariance[rows] @ contrast
        p[rows] = _race(centred, nearly_diagonal(0.5 * (C + np.swapaxes(C, 1, 2))))
    return p


def _lesser_of_two(lead: Array, variance: Array) -> Array:
    """E sigmoid(-d), d ~ N(lead, variance), lead >= 0, with all digits however small it is.

    The narrower of the two noises, the Gaussian and the logistic, meets a smooth function, for
    which the trapezoidal rule is exact to rounding. A lead of more than its variance is taken
    out first: E sigmoid(-d) = exp(variance / 2 - lead) E sigmoid(d'), d' ~ N(lead - variance, .).

    Derivation: CP-1
    """
    shifted = lead > variance
    mean = np.where(shifted, variance - lead, lead)
    std = np.sqrt(variance)
    z = np.linspace(-9, 9, 37)
    gaussian = np.exp(-0.5 * z**2)
    e = np.linspace(-40, 40, 161)
    logistic = expit(e) * expit(-e)
    wide = variance >= 1
    average = np.empty(len(lead))
    average[~wide] = expit(-mean[~wide, None] + std[~wide, None] * z) @ gaussian / gaussian.sum()
    average[wide] = ndtr((e - mean[wide, None]) / std[wide, None]) @ logistic / logistic.sum()
    return average * np.exp(np.where(shifted, 0.5 * variance - lead, 0.0))


def nearly_diagonal(C: Array) -> Array:
    """A covariance (B, K, K) of logits with contrasts C and small correlations.

    C + x 1^T + 1 x^T has the same contrasts. The x is on the line from a multiple of 1 to the
    least squares of the entries off the diagonal, as far as the sum stays positive semi-definite.

    Derivation: CP-2

    Examples
    --------
    >>> C = contrasts(3) @ np.diag([1.0, 2.0, 4.0]) @ contrasts(3)
    >>> nearly_diagonal(C[None])[0].round(6) + 0.0
    array([[1., 0., 0.],
           [0., 2., 0.],
           [0., 0., 4.]])
    """
    K = C.shape[-1]
    variances = np.diagonal(C, axis1=1, axis2=2)
    common = variances.sum(axis=1) / (2 * K * (K - 1))
    towards = (variances - K * common[:, None]) / (K - 2) - common[:, None]
    even = C + 2 * common[:, None, None]
    # A direction that is known exactly has no inverse; one part in 1e9 stands in for it.
    regular = even + (1e-9 * K * common + np.finfo(float).tiny)[:, None, None] * np.eye(K)
    cost = (towards * np.linalg.solve(regular, towards[:, :, None])[:, :, 0]).sum(axis=1)
    share = np.sqrt(2 * common / np.maximum(cost, 2 * common + np.finfo(float).tiny))
    x = common[:, None] + share[:, None] * towards
    return C + x[:, :, None] + x[:, None, :]


def _race(m: Array, E: Array) -> Array:
    """Probabilities (B, K) to win, for logits N(m (B, K), E (B, K, K)).

    Derivation: CP-2
    """
    v = np.maximum(np.diagonal(E, axis1=1, axis2=2), 0.0)  # rounding, for a certain logit
    t, log_widths = _thresholds(m, v)
    a = m[:, None, :] - t[:, :, None]
    v = np.broadcast_to(v[:, None, :], a.shape)
    E = E[:, None]
    _, r, s = _below(a, v)
    # 0 <= v s < 1 holds for what the rules approximate; in the tails they may err.
    tau = np.maximum(s, 0.0) / (1 - np.clip(v * s, 0.0, 0.99))
    nu = tau * a - r * (1 + v * tau)
    # The Gaussian that all factors together make of N(a, E): mean a + S b, covariance S.
    b = nu - tau * a
    roots = np.sqrt(tau)
    B = np.eye(m.shape[1]) + roots[..., :, None] * E * roots[..., None, :]
    lowered = roots[..., None] * np.linalg.solve(B, roots[..., None] * E)
    variances = np.maximum(v - np.einsum("btij,bzij->btj", lowered, E), 0.0)
    shift = (E @ (b[..., None] - lowered @ b[..., None]))[..., 0]
    # Each class without its own factor: N(c, d), and then with the factor as it is.
    d = variances / (1 - variances * tau)
    c = (a + shift - variances * nu) / (1 - variances * tau)
    log_F, r, _ = _below(c, d)
    log_q = nu * c - 0.5 * tau * c**2 + 0.5 * (nu - tau * c) ** 2 * d / (1 + d * tau)
    log_q -= 0.5 * np.log1p(d * tau)
    log_det = 2 * np.log(np.diagonal(np.linalg.cholesky(B), axis1=2, axis2=3)).sum(axis=2)
    log_Z = (0.5 * b * (2 * a + shift) + 0.5 * tau * a**2 + log_F - log_q).sum(axis=2)
    log_weights = log_widths + log_Z - 0.5 * log_det
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    p = np.einsum("bt,btk->bk", weights, r)
    return p / p.sum(axis=1, keepdims=True)


def _thresholds(m: Array, v: Array) -> tuple[Array, Array]:
    """Heights t (B, T) of the winner, and logarithms of their widths dt.

    They are quantiles of the winner of independent Gaussians with the mean and the variance of
    each logit plus Gumbel noise, at the nodes of a rule that is densest at both ends.

    Derivation: CP-2
    """
    x, w = leggauss(THRESHOLDS)
    x = 0.5 * (x + 1)
    u, du = x**2 * (3 - 2 * x), 3 * w * x * (1 - x)
    mean, std = m + np.euler_gamma, np.sqrt(v + GUMBEL_VARIANCE)

    def ends(levels: Array) -> Array:
        return (mean[:, None, :] + std[:, None, :] * ndtri(levels)[:, None]).max(axis=2)

    low, high = ends(u), ends(u ** (1 / m.shape[1]))
    t, log_u = 0.5 * (low + high), np.log(u)
    for step in range(6):  # Newton's, on log(-log Z)
        z = (t[:, :, None] - mean[:, None, :]) / std[:, None, :]
        log_F = log_ndtr(z)
        log_Z = log_F.sum(axis=2)
        rate = (np.exp(-0.5 * z**2 - log_F) / std[:, None, :]).sum(axis=2) / np.sqrt(2 * np.pi)
        if step < 5:
            t = np.clip(t + np.log(log_u / log_Z) * log_Z / rate, low, high)
    return t, np.log(du) - log_Z - np.log(rate)


def _below(a: Array, v: Array) -> tuple[Array, Array, Array]:
    """Log F, r = -d log F / da and s = -d^2 log F / da^2 of F = E exp(-exp(f)), f ~ N(a, v).

    Derivation: CP-2
    """
    F, F1, F2 = np.empty((3, *a.shape))
    narrow = v < NARROW
    F[narrow], F1[narrow], F2[narrow] = _below_narrow(a[narrow], v[narrow])
    F[~narrow], F1[~narrow], F2[~narrow] = _below_wide(a[~narrow], v[~narrow])
    F = np.maximum(F, np.finfo(float).tiny)  # where no race is won any more
    r = F1 / F
    return np.log(F), r, r**2 - F2 / F


def _below_narrow(a: Array, v: Array) -> tuple[Array, Array, Array]:
    """F, -dF/da and d^2F/da^2, by the Gauss rule for the logit's noise."""
    x, w = _gaussian_rule()
    e = np.exp(np.minimum(a[:, None] + np.sqrt(v)[:, None] * x, 700.0))
    terms = np.exp(-e)
    F = terms @ w
    terms *= e
    F1 = terms @ w
    terms *= e - 1
    return F, F1, terms @ w


def _below_wide(a: Array, v: Array) -> tuple[Array, Array, Array]:
    """The same by the Gauss rule for the Gumbel noise.

    Far below the threshold the rule has no node at which the class could still win. There
    -dF/da is exp(a + v/2) F(a + v), exactly, with an F near 1.
    """
    x, w = _gumbel_rule()
    std = np.sqrt(v)
    z = (x - a[:, None]) / std[:, None]
    F = ndtr(z) @ w
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    F1 = density @ w / std
    density *= z
    far = a + v < 0
    raised = ndtr(z[far] - std[far, None]) @ w
    F1[far] = np.exp(a[far] + 0.5 * v[far]) * raised
    return F, F1, -(density @ w) / v


@cache
def _gaussian_rule() -> tuple[Array, Array]:
    """Nodes and weights of the Gauss rule for N(0, 1)."""
    x, w = hermegauss(NODES)
    return x, w / w.sum()


@cache
def _gumbel_rule() -> tuple[Array, Array]:
    """Nodes and weights of the Gauss rule for log e, e ~ Exp(1): minus a Gumbel variable.

    From the three-term recurrence of its orthogonal polynomials, on a fine grid.
    """
    x = np.linspace(-60, 5, 20_001)
    density = np.exp(x - np.exp(x))
    before, now, size, off = np.zeros_like(x), np.ones_like(x), density.sum(), 0.0
    middle, beside = [], []
    for _ in range(NODES):
        centre = float((density * x * now**2).sum() / size)
        middle.append(centre)
        before, now = now, (x - centre) * now - off * before
        size, last = (density * now**2).sum(), size
        off = float(size / last)
        beside.append(np.sqrt(off))
    nodes, vectors = eigh_tridiagonal(middle, beside[:-1])  # of the Jacobi matrix
    return nodes, vectors[0] ** 2
