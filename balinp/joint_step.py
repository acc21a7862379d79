"""How far the whole network goes when all its layers have proposed at once.

Each layer's regression is exact given its pseudo-targets, and takes the other layers as they
are. When all move together their effects on the outputs add up and overshoot. So the network
looks at the sum: with df the first-order change of its outputs along all proposals, the log
joint density is, to second order, a quadratic in the common factor, and the factor that
maximises it is one division. With a second direction, the change accepted last, it is a 2 x 2
system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.factors import amount, root_weighted
from balinp.layer import Proposal
from balinp.mlp import MLP
from balinp.pseudo_targets import Trace

SHORTEST = 2.0**-10
"""A step that fails at this fraction of its length is not taken; only the factors are."""

LEAST_GAIN_RATIO = 0.01
"""A step is taken if the log joint gains at least this share of what the quadratic promises."""

TRUST = 0.3
"""Largest mean half squared change |S^T df|^2 / 2, in nats a datum, of a mini-batch step."""


class JointStep(NamedTuple):
    """Factors of the proposed change and of the previous one, and the gain they promise.

    step, momentum : the factors c of the two directions.
    slope, bend : b c and c C c of the quadratic b c - c C c / 2, in nats.
    """

    step: float
    momentum: float
    slope: float
    bend: float

    @property
    def predicted_gain(self) -> float:
        """Change of the log joint density that the quadratic promises."""
        return self.slope - 0.5 * self.bend

    def scaled(self, factor: float) -> JointStep:
        """The same direction, `factor` times as far."""
        return JointStep(
            factor * self.step, factor * self.momentum, factor * self.slope, factor**2 * self.bend
        )


def joint_step(
    network: MLP,
    weights: Sequence[Array],
    trace: Trace | Iterable[Trace],
    proposals: Sequence[Proposal],
    n_data: float,
    *,
    previous: Sequence[Array] | None = None,
    trust: float | None = None,
    trust_rows: Array | None = None,
) -> JointStep:
    """Maximise the quadratic model of the log joint density along the proposals.

    With directions d_1 (all proposed changes) and d_2 (the previous changes), gradients R_l and
    root rows S_n^T at the outputs,

        b_i = sum_l <R_l, d_il>,
        C_ij = (N/B) sum_n <S_n^T df_ni, S_n^T df_nj> + sum_l <d_il, Lam0 d_jl>,

    and the factors are C^+ b. Without `previous` the factor is b / C, at most 1: a moving
    average is never overtaken. Weights of the data, from the trace, are factors in every sum.

    Derivation: JS-1, JS-2, JS-4, LR-6

    Parameters
    ----------
    network, weights, trace : the model and its batch, whole or in pieces.
    proposals : one a layer.
    n_data : N, the number of data that the batch stands for.
    previous : for each layer the change accepted last, or None for one direction.
    trust : bound on mean_n |S_n^T df_n|^2 / 2 in nats a datum, or None for no bound.
    trust_rows : (C, K) array to take in the bound in place of S_n^T, such as the largest
        curvature that the likelihood has anywhere; None takes the local one.

    Raises
    ------
    ValueError
        If slopes or bends are not finite.
    """
    proposed = [proposal.change for proposal in proposals]
    directions = [proposed] if previous is None else [proposed, list(previous)]
    pieces = [trace] if isinstance(trace, Trace) else trace
    B, curved, capped = 0.0, np.zeros((len(directions),) * 2), np.zeros((len(directions),) * 2)
    for piece in pieces:
        white, rows = _output_changes(network, weights, piece, directions, trust_rows)
        curved += _products(white)
        capped += _products(rows)
        B += amount(piece.targets, piece.sample_weight)

    pulls = [[p.prior_times(D) for p, D in zip(proposals, d, strict=True)] for d in directions]
    slopes = np.array([_inner([p.gradient for p in proposals], d) for d in directions])
    bends = (n_data / B) * curved + np.array(
        [[_inner(d_i, pulls_j) for pulls_j in pulls] for d_i in directions]
    )
    if not np.isfinite(slopes.sum() + bends.sum()):  # what overflows in any layer ends here
        raise ValueError(
            "X, Y: expected numbers whose products through all layers are finite, such as "
            f"standardised ones, got a log joint density with slopes {slopes} and bends {bends}"
        )
    factors = _maximiser(slopes, bends)
    if previous is None:
        factors = np.minimum(factors, 1.0)
    if trust is not None:
        half_square = 0.5 * float(factors @ capped @ factors) / B
        if half_square > trust:
            factors = factors * np.sqrt(trust / half_square)
    momentum = float(factors[1]) if len(factors) > 1 else 0.0
    slope, bend = float(factors @ slopes), float(factors @ bends @ factors)
    return JointStep(float(factors[0]), momentum, slope, bend)


def _output_changes(
    network: MLP,
    weights: Sequence[Array],
    trace: Trace,
    directions: Sequence[Sequence[Array]],
    trust_rows: Array | None,
) -> tuple[list[Array], list[Array]]:
    """For each direction S_n^T df_n (B, C), and the same with the rows of the cap."""
    tangents = [
        root_weighted(network.tangent(weights, trace.forward, d), trace.sample_weight)
        for d in directions
    ]
    white = [(trace.output_rows @ df[:, :, None])[:, :, 0] for df in tangents]
    return white, white if trust_rows is None else [df @ trust_rows.T for df in tangents]


def _products(arrays: Sequence[Array]) -> Array:
    flat = np.stack([array.ravel() for array in arrays])
    return flat @ flat.T


def shortened(
    step: JointStep, gain: Callable[[JointStep], float], resolution: float
) -> tuple[JointStep, float]:
    """Halve the step until the log joint density gains what the quadratic promises.

    The ratio of actual to predicted gain is 1 where the quadratic is exact. Below
    `LEAST_GAIN_RATIO` the step is halved, at last to zero.

    Derivation: JS-3

    Parameters
    ----------
    step : from `joint_step`.
    gain : the actual change of the log joint density that a step makes, in nats.
    resolution : a promised gain below this is lost in rounding; the step is taken unchecked.

    Returns
    -------
    The step to take and its gain ratio (1 if it was not measured, 0 if no step is taken).
    """
    fraction = 1.0
    while fraction >= SHORTEST:
        candidate = step.scaled(fraction)
        if candidate.predicted_gain <= resolution:
            return candidate, 1.0
        ratio = gain(candidate) / candidate.predicted_gain
        if ratio >= LEAST_GAIN_RATIO:
            return candidate, ratio
        fraction *= 0.5
    return step.scaled(0.0), 0.0


def _maximiser(slopes: Array, bends: Array) -> Array:
    """argmax_c slopes c - c bends c / 2, of least norm in units of each direction's length.

    A direction of no length (nothing proposed, or no previous change) gets the factor 1 if it
    is the proposal, which then changes nothing, and 0 otherwise.
    """
    if len(slopes) == 1:
        return slopes / bends[0] if bends[0, 0] > 0 else np.ones(1)
    lengths = np.sqrt(np.diag(bends))
    unit = np.where(lengths > 0, lengths, 1.0)
    solution = np.linalg.lstsq(bends / np.outer(unit, unit), slopes / unit, rcond=1e-10)[0] / unit
    if lengths[0] == 0:
        solution[0] = 1.0
    return solution


def _inner(left: Sequence[Array], right: Sequence[Array]) -> float:
    return sum(float((a * b).sum()) for a, b in zip(left, right, strict=True))
