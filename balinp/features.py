"""The Jacobian of a network's outputs by its weights, never written out unless asked for.

The derivative of an output by a layer's weights is a product: of the layer's inputs, and of the
derivative by the layer's outputs. So a row of the Jacobian is kept as D + K numbers for a layer
of D K weights, and what is needed of many rows is worked out from the two halves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.mlp import MLP


class Features(NamedTuple):
    """Rows of the Jacobian of some outputs, as products: phi_nc = (s_nc kron x_n) over layers.

    Attributes
    ----------
    designs : list of array
        For each layer (B, D) array of inputs x_n, the 1 of the bias included.
    rows : list of array
        For each layer (B, C, K) array of s_nc.
    """

    designs: list[Array]
    rows: list[Array]

    @classmethod
    def joined(cls, parts: Iterable[Features]) -> Features:
        """The features of all parts, one after another."""
        designs, rows = zip(*parts, strict=True)
        return cls(
            [np.concatenate(layer) for layer in zip(*designs, strict=True)],
            [np.concatenate(layer) for layer in zip(*rows, strict=True)],
        )

    @property
    def outputs(self) -> int:
        """C, combinations of outputs for each datum."""
        return self.rows[0].shape[1]

    def scaled(self, factors: Array) -> Features:
        """The features of each datum times a factor of its own (B,)."""
        return Features(self.designs, [factors[:, None, None] * s for s in self.rows])

    def matrix(self) -> Array:
        """Phi (B C, P), the weights of each layer in vec order."""
        B, C, _ = self.rows[0].shape
        blocks = [
            (s[:, :, :, None] * x[:, None, None, :]).reshape(B * C, -1)
            for x, s in zip(self.designs, self.rows, strict=True)
        ]
        return np.hstack(blocks)

    def products(self, other: Features) -> Array:
        """Phi Phi'^T (B C, B' C') = sum_l (x . x') (s . s'), without either Phi."""
        (B, C, _), (B2, C2, _) = self.rows[0].shape, other.rows[0].shape
        total = np.zeros((B, C, B2, C2))
        for x, s, x2, s2 in zip(self.designs, self.rows, other.designs, other.rows, strict=True):
            by_rows = s.reshape(B * C, -1) @ s2.reshape(B2 * C2, -1).T
            total += (x @ x2.T)[:, None, :, None] * by_rows.reshape(B, C, B2, C2)
        return total.reshape(B * C, B2 * C2)

    def squares(self) -> Array:
        """The blocks of `products` with itself in which a datum meets itself: (B, C, C)."""
        total = np.zeros((len(self.rows[0]), self.outputs, self.outputs))
        for x, s in zip(self.designs, self.rows, strict=True):
            total += (x**2).sum(axis=1)[:, None, None] * (s @ np.swapaxes(s, 1, 2))
        return total

    def times(self, weights: Sequence[Array]) -> Array:
        """Phi times weights, given as a (D, K) array for each layer: (B C,)."""
        total = np.zeros(self.rows[0].shape[:2])
        for x, s, W in zip(self.designs, self.rows, weights, strict=True):
            total += np.einsum("bck,bk->bc", s, x @ W)
        return total.ravel()

    def transposed_times(self, values: Array) -> list[Array]:
        """Phi^T times values (B C,), as a (D, K) array for each layer."""
        B, C, _ = self.rows[0].shape
        v = values.reshape(B, C)
        return [
            x.T @ np.einsum("bc,bck->bk", v, s)
            for x, s in zip(self.designs, self.rows, strict=True)
        ]


def features(
    network: MLP,
    weights: Sequence[Array],
    X: Array,
    output_rows: Array,
    roots: Sequence[Array] | None = None,
    sample_weight: Array | None = None,
) -> tuple[Array, Features]:
    """Outputs (B, K) at inputs X, and features of C combinations of them.

    Derivation: BP-2, JP-1

    Parameters
    ----------
    network, weights : MLP and sequence of array
        The network, and where it is linearised.
    X : array
        (B, n_in) array.
    output_rows : array
        (C, K) array, the combinations of the outputs.
    roots : sequence of array, optional
        For each layer (K, K) matrix F, with F F^T times I the prior covariance of the layer's
        weights; rows s become s F. None leaves them.
    sample_weight : array, optional
        (B,) weights of the data, whose roots are factors of the features.

    Examples
    --------
    >>> network = MLP([1, 1])
    >>> f, phi = features(network, [np.array([[2.0], [1.0]])], np.array([[5.0]]), np.eye(1))
    >>> f, phi.matrix()
    (array([[11.]]), array([[5., 1.]]))
    """
    forward = network.forward(weights, X)
    C, K = output_rows.shape
    rows = network.backward(weights, forward, np.broadcast_to(output_rows, (len(X), C, K)))
    designs = network.designs(forward)
    if roots is not None:
        rows = [s @ F for s, F in zip(rows, roots, strict=True)]
    phi = Features(designs, rows)
    return forward.outputs[-1], phi if sample_weight is None else phi.scaled(np.sqrt(sample_weight))
