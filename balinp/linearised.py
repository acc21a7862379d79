"""The linearised pass: the likelihood averaged over outputs that weights leave uncertain.

And which pass a step makes. A first reader needs `balinp.passes.Mean` alone.
"""

from __future__ import annotations

from typing import ClassVar

from balinp._types import Array
from balinp.data import SMALL_PIECE, pieces
from balinp.expected import Expected, ExpectedClasses, ExpectedLabels
from balinp.likelihood import Categorical, Likelihood
from balinp.normals import pass_over_normals
from balinp.passes import Mean, Present
from balinp.prediction import drawn_tangents, output_covariance, output_deviations
from balinp.pseudo_targets import Trace
from balinp.single import in_single, single_squares

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
