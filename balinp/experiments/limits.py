"""The arithmetic limit of a training step: what its matrix products and spectra alone would take.

Products are counted by formula from the shapes and divided by the rate of one large product;
eigendecompositions are timed on the matrices that a step really decomposes. What is left out can
only make the limit lower: work entry by entry, and products of a single datum's K outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from balinp import spectral
from balinp._types import Array
from balinp.experiments.step_parts import (
    BACKWARD,
    CLOCK,
    DEVIATIONS,
    FACTORS,
    FORWARD,
    HYPER,
    JOINT,
    SOLVE,
    replaced,
)
from balinp.linearised import FEWEST_DRAWS, SAMPLED_LABELS, WIDE_OUTPUTS

RATE_SIZE, RATE_REPEATS = 768, 30
"""Rows and columns of the product whose rate is measured, and how often: the fastest counts."""


class Layer(NamedTuple):
    """Shape of a layer in a step of `fit`.

    Attributes
    ----------
    D, K : int
        Rows of its weights, with that of the bias, and its outputs.
    is_first, is_last : bool
        Where it is; the first has its inputs in the eigenbasis of all of them (NP-9).
    """

    D: int
    K: int
    is_first: bool
    is_last: bool

    @property
    def product(self) -> int:
        """Flops of a row of inputs times the weights; only in the first layer the 1 is among them.

        Examples
        --------
        >>> Layer(4, 5, False, True).product
        30
        """
        return 2 * (self.D - (not self.is_first)) * self.K


def products(
    widths: Sequence[int],
    B: int,
    *,
    categorical: bool,
    directions: int = 1,
    draws: int = FEWEST_DRAWS,
) -> dict[str, float]:
    """Floating-point operations of the products in a step of `fit` on arrays, by part.

    A product of matrices (m, k) and (k, n) has 2 m k n, a symmetric one (X^T X) half as many and
    its diagonal; one in single precision counts half. For a layer of D rows, with the bias, and K
    outputs, a batch of B, and C rows of curvature a datum, n K a product without the bias (with it
    in the first layer, where it is a column of the inputs):

    - forward: 2 B n K.
    - backward: 1 + C rows a datum through all layers but the first, 2 B (1 + C) n K; of a single
      output (K = 1) no product adds anything up. C is the number of outputs, for classes one less,
      or that of drawn labels.
    - output deviations, for classes: X Q_A, 2 B D^2, except in the first layer; its squares times
      1 / L, 2 B D K; m / 2 tangents, times Q_H^T, B m K^2, and from layer to layer, B m n K; all
      of this in single precision; m / 2 draws times what projects on combinations that matter, B m
      K^2, which takes 2 K^2 (K - 1).
    - factors: X^T G, 2 B D K; X^T X, B D (D + 1), except in the first layer; S^T S, B C K (K + 1),
      unless H is the likelihood's own.
    - solve: in and out of eigenbases, 4 D K (D + K), in the first layer 4 D K^2. For one output
      D^3 + 2 D^2 by Cholesky's method; by tridiagonal form (K >= 2 D) 8 K^3 / 3 to it, 4 D K^2,
      4 D^2 K except in the first layer, and 4 K^3 back.
    - joint step: 2 B n K a direction, and again for all layers but the first; once more in these to
      check the step.
    - hyper-parameters, for a learnt noise: Q_H diag Q_H^T, 2 K^3, after eigendecompositions; with
      several outputs S^T (that) S, 2 B C K (K + C).

    Parameters
    ----------
    widths : sequence of int
        Widths of the network.
    B : int
        Size of the batch.
    categorical : bool
        Whether the likelihood is, for at least five classes, with the linearised pass, or Gaussian
        with a learnt noise and the mean pass.
    directions : int, default 1
        Directions of the joint step, 2 with all data at once.
    draws : int, optional
        Outputs m drawn for each datum of the linearised pass.

    Examples
    --------
    >>> products([1, 1], 10, categorical=False)["forward"]
    40.0
    """
    outputs = widths[-1]
    labels = SAMPLED_LABELS if outputs >= WIDE_OUTPUTS else outputs - 1
    C = labels if categorical else outputs
    flops = dict.fromkeys((FORWARD, BACKWARD, DEVIATIONS, FACTORS, SOLVE, JOINT, HYPER), 0.0)
    if categorical:
        flops[DEVIATIONS] += draws * B * outputs**2 + 2 * outputs**2 * (outputs - 1)
    last = len(widths) - 2
    for index, (n, K) in enumerate(pairwise(widths)):
        layer = Layer(n + 1, K, index == 0, index == last)
        through = B * layer.product
        back = 0 if layer.is_first else through
        known = layer.is_last and not categorical
        flops[FORWARD] += through
        flops[BACKWARD] += (1 + C) * back if K > 1 else 0
        flops[JOINT] += directions * (through + back) + back
        flops[FACTORS] += 2 * B * layer.D * K + (0 if known else B * C * K * (K + 1))
        if not layer.is_first:
            flops[FACTORS] += B * layer.D * (layer.D + 1)
        if categorical:
            squares = 0 if layer.is_first else B * layer.D**2
            flops[DEVIATIONS] += squares + B * layer.D * K + draws / 2 * (B * K**2 + back / 2)
        solve, after = _solve(layer, direct=not categorical)
        flops[SOLVE] += solve
        if not categorical:
            flops[HYPER] += after + (0 if C == 1 else 2 * B * C * K * (K + C))
    return flops


def _solve(layer: Layer, *, direct: bool) -> tuple[float, float]:
    """Flops of a proposal, and of what the data determine if that is worked out after it."""
    D, K, first = layer.D, layer.K, layer.is_first
    if direct and K == 1:
        return D**3 + 2 * D**2, 0
    if direct and K >= 2 * D:
        return 8 * K**3 / 3 + 4 * D * K**2 + (0 if first else 4 * D**2 * K) + 4 * K**3, 0
    return 4 * D * K * ((0 if first else D) + K), 2 * K**3


def dgemm_rate() -> float:
    """Floating-point operations a second of a large product of float64 matrices here."""
    A = np.random.default_rng(0).standard_normal((RATE_SIZE, RATE_SIZE))
    out = np.empty_like(A)

    def seconds() -> float:
        start = CLOCK()
        np.matmul(A, A, out=out)
        return CLOCK() - start

    return 2 * RATE_SIZE**3 / min(seconds() for _ in range(RATE_REPEATS))


def decomposed(step: Callable[[], object]) -> list[Array]:
    """The matrices whose eigendecompositions a step asks for, those of H and A of every layer."""
    matrices: list[Array] = []
    original = spectral.decompose

    def recorded(matrix: Array, name: str) -> spectral.Spectrum:
        matrices.append(matrix.copy())
        return original(matrix, name)

    with replaced({original: recorded}):
        step()
    return matrices


def eigen_seconds(matrices: Sequence[Array]) -> float:
    """Seconds that LAPACK takes for the eigendecompositions of some matrices, one after another."""
    start = CLOCK()
    for matrix in matrices:
        np.linalg.eigh(matrix)
    return CLOCK() - start
