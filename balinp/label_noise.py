"""How much of the labels inputs do not tell, as a network sees it that has learnt nothing yet.

Under its prior, a network of many hidden units is a Gaussian process. Regression of the labels on
the inputs with that process takes one eigendecomposition, and its evidence is known in closed
form. So before training it can be seen whether labels follow the inputs at all, from data that are
too few for the network's own evidence to tell.
"""

from __future__ import annotations

import numpy as np

from balinp._types import Array
from balinp.data import Batch
from balinp.kernels import design, root_weighted
from balinp.spectral import decompose

NOISE_RATIOS = np.geomspace(0.03, 300.0, 17)
"""Ratios of noise to signal that are equally probable before any data."""

MOST_ROWS = 512
"""Rows that are looked at: a few hundred tell the ratio well enough, and time is their cube."""


def noise_ratio(X: Array, Y: Array, w: Array | None) -> float:
    """Variance of noise over that of signal in labels, a geometric mean over the posterior.

    The labels are taken for a constant, a draw of the Gaussian process of `kernel`, and Gaussian
    noise: crude for labels, but linear, so that nothing but the ratio is unknown. Where they cannot
    have a pattern, of a single class or with all inputs equal, the ratio is infinite.

    Derivation: GA-3, LR-6

    Parameters
    ----------
    X, Y : array
        (N, n_in) inputs, and (N, K) labels, one-hot.
    w : array or None
        (N,) weights, or None for ones.

    Examples
    --------
    >>> X = np.linspace(-1.0, 1.0, 20)[:, None]
    >>> pattern, none = np.eye(2)[np.arange(20) // 10], np.eye(2)[np.arange(20) % 2]
    >>> bool(noise_ratio(X, pattern, None) < 0.1), bool(noise_ratio(X, none, None) > 3.0)
    (True, True)
    """
    log_evidence = evidence_of_ratios(X, Y, w)
    if np.ptp(log_evidence) == 0:
        return np.inf
    posterior = np.exp(log_evidence - log_evidence.max())
    return float(np.exp(posterior @ np.log(NOISE_RATIOS) / posterior.sum()))


def noise_ratio_of(batch: Batch) -> float:
    """`noise_ratio` of a batch, or of some of its rows if they are many."""
    return noise_ratio(*batch.some(MOST_ROWS))


def evidence_of_ratios(X: Array, Y: Array, w: Array | None) -> Array:
    """Log evidence of labels under each of `NOISE_RATIOS`, but for a constant; or zeros.

    With l the eigenvalues of the kernel in the space of contrasts between data, s their mean, and
    t the squares of the labels along the eigenvectors, summed over classes,

        -(K' / 2) [ M log sum_i t_i / (l_i / s + r) + sum_i log(l_i / s + r) + (M - N) log r ]

    with M the number of data, the sum of their weights, less one, and K' the number of classes
    that are there, less one. The constant is integrated out, and the variance maximised.

    Derivation: GA-3, LR-6

    Parameters
    ----------
    X, Y, w
        As for `noise_ratio`.
    """
    roots = np.ones(len(X)) if w is None else np.sqrt(w)
    u = roots / np.sqrt(roots @ roots)
    rows, G = root_weighted(Y, w), kernel(X) * np.outer(roots, roots)
    present, M = np.count_nonzero(rows.any(axis=0)), float(roots @ roots) - 1
    T = rows - np.outer(u, u @ rows)
    G -= np.outer(u, u @ G)
    G -= np.outer(G @ u, u)
    try:
        values, Q = decompose((G + G.T) / 2, "kernel of the inputs")
    except ValueError as error:
        raise ValueError(
            "X: expected inputs whose differences are not lost beside their size, such as "
            f"standardised ones, got {error}"
        ) from error
    if present < 2 or M <= 0 or values.sum() == 0:
        return np.zeros(len(NOISE_RATIOS))
    squares = ((Q.T @ T) ** 2).sum(axis=1)
    v = values * (M / values.sum()) + NOISE_RATIOS[:, None]
    fit = M * np.log((squares / v).sum(axis=1)) + np.log(v).sum(axis=1)
    return -0.5 * (present - 1) * (fit + (M - len(X)) * np.log(NOISE_RATIOS))


def kernel(X: Array) -> Array:
    """Covariance (N, N) of the outputs of a network with infinitely many relu units, unit scales.

    2 E[relu(a) relu(b)] = |x| |x'| (sin t + (pi - t) cos t) / pi for Gaussian a and b with the
    covariance of x and x', t the angle between the two, each with a 1 for the bias.

    Derivation: GA-3

    Parameters
    ----------
    X : array
        (N, n_in) array.

    Examples
    --------
    >>> kernel(np.array([[0.0], [1.0]])).round(3)  # on the diagonal squared lengths
    array([[1.   , 1.068],
           [1.068, 2.   ]])
    """
    rows = design(X, bias=True)
    lengths = np.linalg.norm(rows, axis=1)
    units = rows / lengths[:, None]
    cosines = np.clip(units @ units.T, -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    angles = np.arccos(cosines)
    shape = (np.sin(angles) + (np.pi - angles) * cosines) / np.pi
    return np.outer(lengths, lengths) * shape
