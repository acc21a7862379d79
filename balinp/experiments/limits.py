"""The arithmetic limit of a training step: what its matrix products and spectra alone would take.

Products are counted by formula from the shapes and divided by the rate of one large product;
eigendecompositions are timed on the matrices that a step really decomposes. What is left out can
only make the limit lower: work entry by entry, and products of a single datum's K outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

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
    TARGETS,
    replaced,
)

RATE_SIZE, RATE_REPEATS = 768, 30
"""Rows and columns of the product whose rate is measured, and how often: the fastest counts."""


def products(
    widths: Sequence[int],
    B: int,
    *,
    categorical: bool,
    directions: int = 1,
    keeps_bases: bool = False,
) -> dict[str, float]:
    """Floating-point operations of the products in a step, by part; the same product only once.

    A product of matrices (m, k) and (k, n) has 2 m k n, a symmetric one (X^T X) half as many and
    its diagonal. For layer l of n inputs, D = n + 1 and K outputs, a batch of B, and C rows of
    curvature a datum (as many as the network has outputs):

    - forward: X M, 2 B n K; once more to check the step.
    - backward: 1 + C rows a datum through all layers but the first, 2 B (1 + C) n K. For classes
      C is one less than the number of outputs.
    - output deviations: X Q_A, 2 B D^2, if bases are kept or for classes; for classes C rows
      backward, squares times 1 / L, 2 B D K; J Q_H, 2 B C K^2; R R^T, B C (C + 1) K.
    - pseudo-targets: the rows of g in and out of the eigenbasis of H, 4 B K^2.
    - factors: X^T X, B D (D + 1); S^T S, B C K (K + 1), unless H is the likelihood's own; the
      residuals of the pseudo-targets times H, 4 B K^2; X^T of that, 2 B D K.
    - solve: in and out of the eigenbasis, 4 D K (D + K). If bases are kept, once more for the
      refinement, 2 D K (D + K) for P times a change, and Q^T H Q, 2 K^3, unless H is known.
    - joint step: 2 B n K a direction, and again for all layers but the first.
    - hyper-parameters, with a learnt noise: Q_H diag Q_H^T, K^2 (K + 1); with several outputs
      S^T (that) S, 2 B C K (K + C).

    Parameters
    ----------
    widths : sequence of int
        Widths of the network.
    B : int
        Size of the batch.
    categorical : bool
        Whether the likelihood is, with the linearised pass, or Gaussian with a learnt noise and the
        mean pass.
    directions : int, default 1
        Directions of the joint step, 2 with all data at once.
    keeps_bases : bool, default False
        Whether the step is one of those that decompose nothing.

    Examples
    --------
    >>> products([1, 1], 10, categorical=False)["forward"]
    20.0
    """
    outputs = widths[-1]
    C = max(1, outputs - 1) if categorical else outputs
    flops = dict.fromkeys(
        (FORWARD, BACKWARD, DEVIATIONS, TARGETS, FACTORS, SOLVE, JOINT, HYPER), 0.0
    )
    layers = list(pairwise(widths))
    for index, (n, K) in enumerate(layers):
        D, first, last = n + 1, index == 0, index + 1 == len(layers)
        known = last and not categorical
        through = 2 * B * n * K
        back = 0 if first else through
        flops[FORWARD] += through
        flops[BACKWARD] += (1 + C) * back
        flops[TARGETS] += 4 * B * K**2
        flops[FACTORS] += B * D * (D + 1) + 4 * B * K**2 + 2 * B * D * K
        flops[FACTORS] += 0 if known else B * C * K * (K + 1)
        flops[SOLVE] += 4 * D * K * (D + K)
        flops[JOINT] += directions * (through + back) + through
        if keeps_bases or categorical:
            flops[DEVIATIONS] += 2 * B * D**2
        if keeps_bases:
            flops[SOLVE] += 6 * D * K * (D + K) + (0 if known else 2 * K**3)
        if categorical:
            flops[DEVIATIONS] += C * back + 2 * B * D * K + 2 * B * C * K**2 + B * C * (C + 1) * K
        else:
            flops[HYPER] += K**2 * (K + 1) + (2 * B * C * K * (K + C) if C > 1 else 0)
    return flops


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
