"""How large the noise of targets can be at most: what smooth curves say of each datum left out.

Whatever predicts a target from other data errs, on average, by at least that target's noise. So
the smallest error of some simple regressions, each datum left out in turn, bounds the noise before
any training, and closely so where the data tell a smooth function at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import gammaincinv

from balinp._types import Array
from balinp.data import Batch, merged
from balinp.spectral import decompose
from balinp.threads import few_threads

LENGTHS = np.geomspace(0.05, 5.0, 8)
"""Lengths over which the regressions' functions vary, in units of the inputs' spread."""

PENALTIES = np.geomspace(1e-4, 10.0, 11)
"""Ratios of noise to signal that the regressions assume."""

MOST_DATA, LEAST_DATA = 256, 10
"""Data that are looked at, since time is their cube: enough for some twenty periods; and the number
below which nothing is said."""

CHANCE = 0.05
"""Probability with which as many errors of a larger noise would be as small."""


def noise_ceiling(X: Array, Y: Array, w: Array | None) -> Array:
    """Variances (K,) that the noise of the targets hardly exceeds; infinite for too few data.

    The smallest mean square of `errors_left_out`, and some more for chance. Rows that are there
    several times are left out together, since a copy of a datum has its noise as well.

    Derivation: EV-13, LR-6

    Parameters
    ----------
    X, Y : array
        (N, n_in) inputs, and (N, K) targets.
    w : array or None
        (N,) weights, or None for ones.

    Examples
    --------
    >>> X = np.linspace(0.0, 50.0, 200)[:, None]
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal((200, 1))
    >>> noise_ceiling(X, np.sin(X) + noise, None).round(3)
    array([0.012])
    """
    X, Y, w = differing(X, Y, w)
    means = [w @ e**2 for e in errors_left_out(X, Y)]
    if not means:
        return np.full(Y.shape[1], np.inf)
    N = len(X)
    return np.min(means, axis=0) / w.sum() * N / (2 * gammaincinv(N / 2, CHANCE))


def noise_ceiling_of(batch: Batch) -> Array:
    """`noise_ceiling` of a batch, or of some of its rows if they are many."""
    with few_threads([MOST_DATA]):
        return noise_ceiling(*batch.some(MOST_DATA))


def differing(X: Array, Y: Array, w: Array | None) -> tuple[Array, Array, Array]:
    """Rows of positive weight, equal ones merged: a datum is left out with all its copies.

    Derivation: EV-13, GA-4, LR-6
    """
    w = np.ones(len(X)) if w is None else w
    return merged(X[w > 0], Y[w > 0], w[w > 0])


def errors_left_out(X: Array, Y: Array) -> Iterator[Array]:
    """Errors (N, K) at each datum of regressions on all others.

    None for fewer than `LEAST_DATA`, or if all inputs are equal.

    The regressions have a constant, kernels exp(-d^2 / (2 n_in c^2)) with c from `LENGTHS` and d
    distances in units of the inputs' spread, and `PENALTIES`.

    Derivation: EV-13, GA-4

    Parameters
    ----------
    X, Y : array
        (N, n_in) inputs and (N, K) targets, no two rows equal in both.
    """
    from scipy.spatial.distance import pdist, squareform  # longer to import than all of balinp

    if len(X) < LEAST_DATA or not np.ptp(X, axis=0).any():
        return
    X = X / np.ptp(X, axis=0).max()  # squares shall not overflow
    squares = squareform(pdist(X, "sqeuclidean")) / (2 * X.var(axis=0).mean() * X.shape[1])
    for c in LENGTHS:
        yield from left_out(np.exp(-squares / c**2), Y)


def left_out(K: Array, Y: Array) -> list[Array]:
    """Errors (N, K) at data left out, of regressions with a kernel matrix (N, N) and `PENALTIES`.

    Derivation: EV-13

    Parameters
    ----------
    K : array
        (N, N) matrix of the kernel at the data.
    Y : array
        (N, K) targets.
    """
    G = K - K.mean(axis=0)
    G -= G.mean(axis=1)[:, None]
    values, Q = decompose((G + G.T) / 2, "kernel of the inputs")
    Q = Q - Q.mean(axis=0)  # the constant is fitted whatever the penalty
    T, squares = Q.T @ (Y - Y.mean(axis=0)), Q**2
    shares = [(r / (values + r))[:, None] for r in PENALTIES]  # what is left of each eigenvector
    return [Q @ (share * T) / (squares @ share) for share in shares]


def held(V: Array, before: Array, ceiling: Array) -> Array:
    """A covariance V (K, K) of which no variance has risen above its ceiling (K,) from before.

    Correlations stay; what was above its ceiling before may stay there.

    Derivation: EV-13

    Examples
    --------
    >>> held(np.diag([2.0, 4.0, 6.0]), np.eye(3) * 3, np.array([3.0, 2.0, 5.0])).diagonal()
    array([2., 3., 5.])
    """
    most = np.maximum(ceiling, before.diagonal())
    scale = np.sqrt(np.minimum(1.0, most / V.diagonal()))
    return V * np.outer(scale, scale)
