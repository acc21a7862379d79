"""How far the whole network goes when all its layers have proposed at once.

Each layer's regression is exact given its pseudo-targets, and takes the other layers as they
are. When all move together their effects on the outputs add up and overshoot. So the network
looks at the sum: with df the first-order change of its outputs along all proposals, the log
joint density is, to second order, a quadratic in the common factor, and the factor that
maximises it is one division. With a second direction, the change accepted last, it is a 2 x 2
system. Whether the quadratic can be believed is then seen from what the step really gains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.kernels import gram, root_weighted, weighted_sum
from balinp.layer_state import Proposal, combined
from balinp.pseudo_targets import Trace
from balinp.sums import Said, total

SHORTEST = 2.0**-10
"""A step that fails at this fraction of its length is not taken; only the factors are."""

LEAST_GAIN_RATIO = 0.01
"""A step is taken if the log joint gains at least this share of what the quadratic promises."""

TRUST = 0.3
"""Largest mean half squared change |S^T df|^2 / 2, in nats a datum, of a mini-batch step."""

RESOLUTION = 1e-13
"""Share of a log joint density that is lost in rounding when two of them are subtracted."""


class JointStep(NamedTuple):
    """Factors s of the proposed change and of the previous one, and the gain they promise.

    Attributes
    ----------
    factor, momentum : float
        The factors s of the two directions.
    slope, curvature : float
        b s and s C s of the quadratic b s - s C s / 2, in nats.
    """

    factor: float
    momentum: float
    slope: float
    curvature: float

    @property
    def predicted_gain(self) -> float:
        """Change of the log joint density that the quadratic promises."""
        return self.slope - 0.5 * self.curvature

    def scaled(self, c: float) -> JointStep:
        """The same direction, c times as far."""
        return JointStep(c * self.factor, c * self.momentum, c * self.slope, c**2 * self.curvature)


class Outcome(NamedTuple):
    """A step that can be taken, and what it leaves.

    Attributes
    ----------
    step : JointStep
        Shortened so far that it is a gain.
    gain_ratio : float
        Actual over predicted gain; 1 if it was not measured, 0 if no step is taken.
    log_joint : float
        Log p(Y, W) after the step, the batch standing for all data, in nats.
    residual_squares : array
        (K, K) array E^T E of the batch's residuals after the step.
    """

    step: JointStep
    gain_ratio: float
    log_joint: float
    residual_squares: Array


def joint_step(
    said: Said,
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

    and the factors are s = C^+ b. Without `previous` the factor is b / C, at most 1: a moving
    average is never overtaken. Weights of the data, from the trace, are factors in every sum.

    Derivation: JS-1, JS-2, JS-4, LR-6

    Parameters
    ----------
    said : Said
        What the batch says.
    proposals : sequence of Proposal
        One a layer.
    n_data : float
        N, the number of data that the batch stands for.
    previous : sequence of array, optional
        For each layer the change accepted last, or None for one direction.
    trust : float, optional
        Bound on mean_n |S_n^T df_n|^2 / 2 in nats a datum, or None for no bound.
    trust_rows : array, optional
        (C, K) array to take in the bound in place of S_n^T, such as the largest curvature that the
        likelihood has anywhere; None takes the local one.

    Raises
    ------
    ValueError
        If slopes or curvatures are not finite.
    """
    directions = [[proposal.change for proposal in proposals]]
    if previous is not None:
        directions.append(list(previous))
    B, likelihood, capped = total(said, _output_products, directions, trust_rows)
    gradients = [proposal.gradient for proposal in proposals]
    b = np.array([_inner(gradients, d) for d in directions])
    C = (n_data / B) * likelihood + _prior_products(proposals, directions)
    if not isfinite(b.sum() + C.sum()):  # what overflows in any layer ends here
        raise ValueError(
            "X, Y: expected numbers whose products through all layers are finite, such as "
            f"standardised ones, got a log joint density with slopes {b} and curvatures {C}"
        )
    s = _maximiser(b, C)
    if previous is None:
        s = np.minimum(s, 1.0)
    if trust is not None:
        half_square = 0.5 * float(s @ capped @ s) / B
        if half_square > trust:
            s = s * sqrt(trust / half_square)
    momentum = float(s[1]) if len(s) > 1 else 0.0
    return JointStep(float(s[0]), momentum, float(s @ b), float(s @ C @ s))


def _output_products(
    piece: Trace, directions: Sequence[Sequence[Array]], trust_rows: Array | None
) -> tuple[float, Array, Array]:
    """B, sum_n <S_n^T df_ni, S_n^T df_nj>, and the same with the rows of the cap."""
    network, forward, w = piece.network, piece.forward, piece.sample_weight
    piece.first_changes = [network.first_change(forward, d) for d in directions]
    df = [
        root_weighted(network.tangent(piece.weights, forward, d, first), w)
        for d, first in zip(directions, piece.first_changes, strict=True)
    ]
    products = _products([_whitened(piece.output_rows, change) for change in df])
    if trust_rows is None:
        return piece.amount, products, products
    return piece.amount, products, _products([change @ trust_rows.T for change in df])


def _whitened(rows: Array, change: Array) -> Array:
    """S_n^T df_n (B, C), from rows (B, C, K) and changes (B, K)."""
    if rows.strides[0] == 0:  # the same rows for each datum
        return change @ rows[0].T
    return (rows @ change[:, :, None])[:, :, 0]


def _prior_products(proposals: Sequence[Proposal], directions: Sequence[Sequence[Array]]) -> Array:
    """sum_l <d_il, Lam0 d_jl> of the directions."""
    prior = [[p.prior_times(D) for p, D in zip(proposals, d, strict=True)] for d in directions]
    return np.array([[_inner(d, prior_j) for prior_j in prior] for d in directions])


def _products(arrays: Sequence[Array]) -> Array:
    flat = np.array([array.ravel() for array in arrays])
    return flat @ flat.T


def _maximiser(b: Array, C: Array) -> Array:
    """argmax_s b s - s C s / 2, of least norm in units of each direction's length.

    A direction of no length (nothing proposed, or no previous change) gets the factor 1 if it
    is the proposal, which then changes nothing, and 0 otherwise.
    """
    if len(b) == 1:
        return b / C[0] if C[0, 0] > 0 else np.ones(1)
    lengths = np.sqrt(C.diagonal())
    unit = np.where(lengths > 0, lengths, 1.0)
    s = np.linalg.lstsq(C / (unit[:, None] * unit), b / unit, rcond=1e-10)[0] / unit
    if lengths[0] == 0:
        s[0] = 1.0
    return s


def _inner(left: Sequence[Array], right: Sequence[Array]) -> float:
    return sum(map(float, map(np.vdot, left, right)))


def checked(
    step: JointStep,
    said: Said,
    proposals: Sequence[Proposal],
    previous: Sequence[Array],
    scale: float,
) -> Outcome:
    """The step, shortened until the log joint density gains what the quadratic promises.

    What the batch's pass has drawn is held fixed while steps are tried.

    Derivation: JS-3

    Parameters
    ----------
    step : JointStep
        Step from `joint_step`.
    said, proposals, previous
        As there.
    scale : float
        N / B.
    """

    def log_prior(there: Sequence[Array]) -> float:
        return sum([p.log_prior(W) for p, W in zip(proposals, there, strict=True)])

    def after(step: JointStep) -> tuple[float, Array]:
        there = [
            proposal.mean + combined(step.factor, proposal.change, step.momentum, last)
            for proposal, last in zip(proposals, previous, strict=True)
        ]
        factors = step.factor, step.momentum
        log_likelihood, squares = total(said, _afterwards, there, factors)
        return scale * log_likelihood + log_prior(there), squares

    (log_likelihood,) = total(said, Trace.log_likelihood)
    before = scale * log_likelihood + log_prior([proposal.mean for proposal in proposals])
    resolution = RESOLUTION * (abs(scale * log_likelihood) + abs(before))
    tried: dict[JointStep, tuple[float, Array]] = {}

    def gain(step: JointStep) -> float:
        tried[step] = after(step)
        return tried[step][0] - before

    step, ratio = shortened(step, gain, resolution)
    return Outcome(step, ratio, *(tried.get(step) or after(step)))


def _afterwards(
    piece: Trace, there: Sequence[Array], factors: tuple[float, ...]
) -> tuple[float, Array]:
    """Log-likelihood of a piece, and E^T E of its residuals, at the weights of a step."""
    first, w = piece.first_outputs(*factors), piece.sample_weight
    outputs = piece.network.forward(there, piece.inputs[0], first=first).outputs[-1]
    log_likelihood = weighted_sum(piece.likelihood.log_density(piece.targets, outputs), w)
    return log_likelihood, gram(root_weighted(piece.targets - outputs, w))


def shortened(
    step: JointStep, gain: Callable[[JointStep], float], resolution: float
) -> tuple[JointStep, float]:
    """Halve the step until the log joint density gains what the quadratic promises.

    The ratio of actual to predicted gain is 1 where the quadratic is exact. Below
    `LEAST_GAIN_RATIO` the step is halved, at last to zero.

    Derivation: JS-3

    Parameters
    ----------
    step : JointStep
        Step from `joint_step`.
    gain : callable
        The actual change of the log joint density that a step makes, in nats.
    resolution : float
        A promised gain below this is lost in rounding; the step is taken unchecked.

    Returns
    -------
    tuple of JointStep and float
        The step to take and its gain ratio (1 if it was not measured, 0 if no step is taken).
    """
    c = 1.0
    while c >= SHORTEST:
        candidate = step.scaled(c)
        if candidate.predicted_gain <= resolution:
            return candidate, 1.0
        ratio = gain(candidate) / candidate.predicted_gain
        if ratio >= LEAST_GAIN_RATIO:
            return candidate, ratio
        c *= 0.5
    return step.scaled(0.0), 0.0
