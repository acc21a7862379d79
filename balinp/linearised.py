"""The linearised pass: the likelihood averaged over outputs that weights leave uncertain.

And which pass a step makes. A first reader needs `balinp.passes.Mean` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from balinp._types import Array
from balinp.data import SMALL_PIECE, pieces
from balinp.expected import Expected, ExpectedClasses, ExpectedLabels
from balinp.likelihood import Categorical, Likelihood
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import MLP, Forward
from balinp.normals import normals, pass_over_normals
from balinp.passes import Mean, Present
from balinp.prediction import output_covariance
from balinp.pseudo_targets import Trace
from balinp.single import in_single, single_squares
from balinp.spectral import covariance_root

DRAWN_OUTPUTS, FEWEST_DRAWS = 8192, 8
"""Outputs drawn for all data together in the linearised pass, and for each datum, at least."""

WIDE_OUTPUTS, SAMPLED_LABELS = 6, 4
"""Classes from which steps draw labels for the curvature, and how many for each datum: at 50
classes a step takes half the time, with the same likelihood (derivations/12)."""


class Linearised(Mean):
    """The same activations; the likelihood averaged over the linearised network's outputs.

    Derivation: FP-2
    """

    has_bound: ClassVar[bool] = True
    average: ClassVar[type[Expected]] = Expected

    def trace(self, now: Present, X: Array, Y: Array, w: Array | None) -> Trace:
        """As in the mean pass, with the likelihood averaged over draws of the outputs."""
        trace = super().trace(now, X, Y, w)
        trace.likelihood = self.expected(now, self.deviations(now, trace))
        return trace

    def expected(self, now: Present, deviations: Array) -> Expected:
        """The averaged likelihood."""
        return self.average(now.likelihood, deviations)

    def deviations(self, now: Present, trace: Trace) -> Array:
        """Draws (m, B, K) of what the posteriors leave uncertain of the outputs."""
        R, draws = self.combinations(now), self.draws(now)
        variances = [
            single_squares(q, X) @ in_single(1.0 / q.precisions)
            for q, X in zip(now.posteriors, trace.designs, strict=True)
        ]
        linearised = now.network, now.posteriors, trace.forward, variances
        if _passes_forward(R, draws):
            return drawn_tangents(*linearised, draws, now.rng, R.T @ R)
        return output_deviations(output_covariance(*linearised, R), draws, now.rng) @ R

    def combinations(self, now: Present) -> Array:
        """Rows (C, K): the combinations of the outputs that are drawn."""
        return now.likelihood.combinations(now.network.widths[-1])

    def draws(self, now: Present) -> int:
        """Draws m for each datum, an even number."""
        return max(FEWEST_DRAWS, 2 * round(DRAWN_OUTPUTS / now.rows / 2))

    def pass_over(self, now: Present, rows: int) -> None:
        """Leave the generator as a trace of so many rows, a piece, would."""
        R, draws = self.combinations(now), self.draws(now)
        if _passes_forward(R, draws):
            for K in now.network.widths[1:]:
                pass_over_normals((draws // 2, rows, K), now.rng)
            return
        shape = len(R), draws // 2
        for part in pieces(rows, shape[0] * shape[1], SMALL_PIECE):
            now.rng.standard_normal((part.stop - part.start, *shape))


def _passes_forward(combinations: Array, draws: int) -> bool:
    """Whether draws are made in passes forward: fewer of them than of passes back."""
    return draws <= 2 * len(combinations)


class LinearisedClasses(Linearised):
    """The linearised pass of classes, whose expected curvature is known in closed form.

    Derivation: FP-2
    """

    average: ClassVar[type[Expected]] = ExpectedClasses


class LinearisedLabels(Linearised):
    """The linearised pass of many classes, of which labels are drawn.

    Derivation: FP-2, BP-5
    """

    def expected(self, now: Present, deviations: Array) -> Expected:
        """The averaged likelihood, with labels drawn for its curvature."""
        draws = now.rng.random((SAMPLED_LABELS, deviations.shape[1]))
        return ExpectedLabels(now.likelihood, deviations, draws)

    def pass_over(self, now: Present, rows: int) -> None:
        """Leave the generator as a trace of so many rows, a piece, would."""
        super().pass_over(now, rows)
        now.rng.random((SAMPLED_LABELS, rows))


# -- draws of the outputs --------------------------------------------------------------------------


def drawn_tangents(
    network: MLP,
    posteriors: Sequence[KroneckerGaussian],
    forward: Forward,
    variances: Sequence[Array],
    draws: int,
    rng: np.random.Generator,
    projection: Array | None = None,
) -> Array:
    """Draws (m, B, K) of what the linearised outputs deviate, independent for each datum.

    Every layer adds a deviation of its own outputs to the one that comes from the layers before
    it, dz_l = (sqrt(v_l) * eps) Q_H^T + (phi'(z_{l-1}) * dz_{l-1}) W_l. The distribution is that of
    `output_deviations` with the covariance of `output_covariance`, which costs a pass for each of
    its columns. Half of the draws mirror the others. All of it in single precision: draws need
    no more digits.

    Derivation: FP-2, BP-3

    Parameters
    ----------
    network, posteriors, forward, variances
        As for `output_covariance`.
    draws : int
        Even number m.
    rng : numpy.random.Generator
        What draws come from.
    projection : array, optional
        (K, K) array that draws are multiplied with, such as one that leaves nothing but the
        combinations that matter; None leaves them.
    """
    means = [in_single(posterior.mean) for posterior in posteriors]
    inputs = [forward.inputs[0], *map(in_single, forward.inputs[1:])]  # of which slopes are taken
    single, dz = Forward(inputs, forward.outputs, {}), np.zeros(0)
    for index, (posterior, v) in enumerate(zip(posteriors, variances, strict=True)):
        own = normals((draws // 2, *v.shape), rng) * in_single(np.sqrt(v))
        Q = posterior.column_basis.astype(np.float32)
        own = (own.reshape(-1, len(Q)) @ Q.T).reshape(own.shape)
        dz = own + network.carried(means, single, index, dz) if index else own
    half = np.asarray(dz, dtype=np.float64)
    if projection is not None:
        half = half @ projection
    return np.concatenate([half, -half])


def output_deviations(covariance: Array, draws: int, rng: np.random.Generator) -> Array:
    """Draws (m, B, C) from N(0, covariance), independent for each datum.

    xi = F eps with eps ~ N(0, I) and F F^T the covariance. Half of the draws mirror the others,
    so that their average vanishes.

    Derivation: FP-2

    Parameters
    ----------
    covariance : array
        (B, C, C) array, of combinations of the linearised network's outputs.
    draws : int
        Even number m.
    rng : numpy.random.Generator
        What draws come from.

    Examples
    --------
    >>> xi = output_deviations(np.ones((3, 1, 1)), 4, np.random.default_rng(0))
    >>> xi.shape, bool(np.all(xi.sum(axis=0) == 0))
    ((4, 3, 1), True)
    """
    B, C, _ = covariance.shape
    half = covariance_root(covariance) @ rng.standard_normal((B, C, draws // 2))
    return np.moveaxis(np.concatenate([half, -half], axis=2), 2, 0)


# -- which pass a step makes ----------------------------------------------------------------------

PASSES = ("mean", "linearised")


def forward_pass(
    name: str, likelihood: Likelihood, K: int, steps: int, *, draws_labels: bool = True
) -> Mean:
    """The pass of a step: the one that was asked for, or a mean pass where that is enough.

    The first step is a mean pass, since before it nothing but the prior could be averaged over.
    Where the curvature is known, gradient and curvature are their own averages.

    Derivation: FP-2, BP-5

    Parameters
    ----------
    name : str
        One of `PASSES`.
    likelihood, K : Likelihood and int
        Of the model, and the number of its outputs.
    steps : int
        Number of the step, from 1.
    draws_labels : bool
        Whether the curvature of many classes may be that of drawn labels. Steps average their
        errors out; what is reported after training is of a single pass.
    """
    if name == "mean" or steps == 1 or likelihood.known_precision(K) is not None:
        return Mean()
    if not isinstance(likelihood, Categorical):
        return Linearised()
    return LinearisedLabels() if K >= WIDE_OUTPUTS and draws_labels else LinearisedClasses()
