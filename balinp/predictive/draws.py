"""Weighted draws of class probabilities: made, put in line with their mean, and counted."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from balinp._types import Array

REACH = 2.0
"""How many times as far as the distribution itself half of the draws of contrasts reach."""


def reaching_draws(draws: int, contrast: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draws (S, K) of contrasts from N(0, 1) and N(0, c^2) by halves, and their weights (S,).

    The weights, density of the first over that of the mixture, are those of importance sampling.
    Every second draw mirrors another.

    Derivation: CP-3
    """
    if draws < 4 or draws % 4:
        raise ValueError(f"draws: expected a multiple of 4, got {draws!r}")
    quarter = rng.standard_normal((2, draws // 4, len(contrast))) @ contrast
    noise = np.concatenate([quarter[0], -quarter[0], REACH * quarter[1], -REACH * quarter[1]])
    dimension = len(contrast) - 1
    log_odds = 0.5 * (noise**2).sum(axis=1) * (1 - REACH**-2) - dimension * np.log(REACH)
    weights = expit(-log_odds)
    return noise, weights / weights.sum()


def balancing(products: Array, p: Array) -> Array:
    """Factors c (B, K) with c_i sum_j products_ij c_j = p_i; each round halves what is missing.

    Derivation: CP-3
    """
    c = np.ones_like(p)
    for _ in range(60):
        sums = c * (products @ c[:, :, None])[:, :, 0]
        c *= np.sqrt(np.divide(p, sums, out=np.zeros_like(p), where=sums > 0))
    return c


def weighted_quantiles(values: Array, weights: Array, tail: float) -> tuple[Array, Array]:
    """The least of sorted values (S, b, K) with the share `tail` at or below, or at or above, it.

    Both are counted from their own end: a level next to 1 keeps its digits.
    """
    last = len(values) - 1  # rounding may leave the sum of all weights short of the share
    low = np.minimum((np.cumsum(weights, axis=0) < tail).sum(axis=0), last)
    high = last - np.minimum((np.cumsum(weights[::-1], axis=0) < tail).sum(axis=0), last)
    return (
        np.take_along_axis(values, low[None], axis=0)[0],
        np.take_along_axis(values, high[None], axis=0)[0],
    )
