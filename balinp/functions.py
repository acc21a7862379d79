"""Functions drawn from a posterior over weights: one draw of all weights, for all rows.

A prediction's covariance is that of one row at a time. What rows have in common, they have through
the weights; a draw of the weights shows it, and so does the covariance between rows. Both are of
the network linearised about its means, as the prediction is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from balinp._types import Array
from balinp.features import features
from balinp.joint_posterior import check_rows
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import MLP
from balinp.validation import LARGEST, as_count, as_matrix


class WeightPosterior(Protocol):
    """A Gaussian over all weights of a network, or a mixture of such of the same means.

    `LayerwisePosterior`, `JointPosterior` or `MixedPosterior`.

    Attributes
    ----------
    network : MLP
        The network.
    weights : sequence of array
        Means of the weights.
    """

    network: MLP
    weights: list[Array]

    def between_rows(self, X: Any) -> Array:
        """Covariance (B, K, B, K) of the linearised outputs at all rows of X (B, n_in)."""

    def draw(self, rng: np.random.Generator) -> list[Array]:
        """A draw of all weights about their means: a change (D, K) for each layer."""


class LayerwisePosterior:
    """The layers' posteriors as one Gaussian over all weights, in which layers are independent.

    Derivation: PR-6

    Parameters
    ----------
    network : MLP
        The MLP.
    posteriors : sequence of KroneckerGaussian
        Posteriors of each layer.

    Attributes
    ----------
    network : MLP
        The network.
    weights : sequence of array
        Means of the weights.
    posteriors : sequence of KroneckerGaussian
        Posterior of each layer.

    Examples
    --------
    >>> from balinp.matrix_normal import MatrixNormal
    >>> line = LayerwisePosterior(MLP([1, 1]), [MatrixNormal([[2.0], [0.0]], np.eye(2), [[1.0]])])
    >>> line.between_rows([[1.0], [3.0]])[:, 0, :, 0]  # x x' + 1
    array([[ 2.,  4.],
           [ 4., 10.]])
    """

    def __init__(self, network: MLP, posteriors: Sequence[KroneckerGaussian]) -> None:
        self.network, self.posteriors = network, list(posteriors)
        self.weights = [posterior.mean for posterior in posteriors]

    def between_rows(self, X: Any) -> Array:
        """Covariance (B, K, B, K) of the linearised outputs at all rows of X (B, n_in).

        In a layer's bases, with rows x and s of the two halves of the Jacobian turned into them,
        it is sum_ij x_i x'_i s_j s'_j / L_ij.

        Derivation: PR-6

        Raises
        ------
        ValueError
            If rows times outputs are too many for memory.
        """
        X = as_matrix(X, "X", columns=self.network.widths[0], largest=LARGEST)
        B, K = len(X), self.network.widths[-1]
        check_rows(B, K)
        _, phi = features(self.network, self.weights, X, np.eye(K))
        total = np.zeros((B, K, B, K))
        for q, x, s in zip(self.posteriors, phi.designs, phi.rows, strict=True):
            turned, rows = x @ q.row_basis, s @ q.column_basis
            for precisions, row in zip(q.precisions.T, np.moveaxis(rows, 2, 0), strict=True):
                scaled = turned / np.sqrt(precisions)
                total += (scaled @ scaled.T)[:, None, :, None] * np.multiply.outer(row, row)
        return total

    def draw(self, rng: np.random.Generator) -> list[Array]:
        """A draw of all weights about their means: a change (D, K) for each layer.

        Derivation: PR-6
        """
        return [q.with_mean(np.zeros_like(q.mean)).sample(rng) for q in self.posteriors]


class MixedPosterior:
    """Equal mixture of posteriors over the weights of one network that have the same means.

    Derivation: JP-6, PR-6

    Parameters
    ----------
    members : sequence of WeightPosterior
        What is mixed.

    Attributes
    ----------
    members : list of WeightPosterior
        What is mixed.
    network : MLP
        The network.
    weights : sequence of array
        Means of the weights.

    Examples
    --------
    >>> from balinp.matrix_normal import MatrixNormal
    >>> line, means = MLP([1, 1]), [[2.0], [0.0]]
    >>> parts = [LayerwisePosterior(line, [MatrixNormal(means, U, [[1.0]])])
    ...          for U in (np.eye(2), 3 * np.eye(2))]
    >>> MixedPosterior(parts).between_rows([[1.0], [3.0]])[:, 0, :, 0]  # 2 (x x' + 1)
    array([[ 4.,  8.],
           [ 8., 20.]])
    """

    def __init__(self, members: Sequence[WeightPosterior]) -> None:
        self.members = list(members)
        self.network, self.weights = members[0].network, members[0].weights

    def between_rows(self, X: Any) -> Array:
        """Covariance (B, K, B, K) of the linearised outputs at all rows of X (B, n_in)."""
        return np.asarray(np.mean([member.between_rows(X) for member in self.members], axis=0))

    def draw(self, rng: np.random.Generator) -> list[Array]:
        """A draw of all weights about their means, from a member drawn before."""
        return self.members[rng.integers(len(self.members))].draw(rng)


def sample_functions(
    posterior: WeightPosterior, X: Any, rng: np.random.Generator, size: int | None = None
) -> Array:
    """Outputs (B, K), or (size, B, K), of linearised networks with weights drawn once for all rows.

    f_M(x) + J(x) delta, with delta one draw for all rows: two equal rows have equal values. At
    each row the draws have the mean and the epistemic covariance of the prediction.

    Derivation: PR-6

    Parameters
    ----------
    posterior : WeightPosterior
        Over the weights.
    X : array
        (B, n_in) array.
    rng : numpy.random.Generator
        What draws come from.
    size : int, optional
        Number of functions, or None for a single one.

    Examples
    --------
    >>> from balinp.matrix_normal import MatrixNormal
    >>> line = LayerwisePosterior(MLP([1, 1]), [MatrixNormal([[2.0], [0.0]], np.eye(2), [[1.0]])])
    >>> f = sample_functions(line, [[0.0], [1.0], [2.0]], np.random.default_rng(0), 4)
    >>> f.shape, bool(np.allclose(f[:, 2] - f[:, 1], f[:, 1] - f[:, 0]))
    ((4, 3, 1), True)
    """
    count = as_count(1 if size is None else size, "size")
    network = posterior.network
    X = as_matrix(X, "X", columns=network.widths[0], largest=LARGEST)
    forward = network.forward(posterior.weights, X)
    draws = np.stack(
        [
            forward.outputs[-1] + network.tangent(posterior.weights, forward, posterior.draw(rng))
            for _ in range(count)
        ]
    )
    return draws[0] if size is None else draws
