"""A multilayer perceptron without automatic differentiation.

The network is a function of a list of weight matrices, one a layer; it holds no weights itself,
because weights belong to the layers' posteriors. Four passes are written out: forward, backward
(gradients and curvature roots are carried by the same rule), and tangent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.kernels import design
from balinp.validation import as_choice, as_flag, as_widths

ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda z: np.maximum(z, 0.0), lambda h: (h > 0).astype(h.dtype)),
    "tanh": (np.tanh, lambda h: 1.0 - h * h),
    "identity": (lambda z: z, np.ones_like),
}
"""Of each name phi(z), and its slope phi'(z) from h = phi(z); that of relu at its kink is 0."""

OutputNoise = Callable[[int, Array], Array]
"""Maps a layer's index and its inputs (B, n_in) to what is added to its outputs (B, K)."""


class Forward(NamedTuple):
    """What a forward pass leaves behind.

    Attributes
    ----------
    inputs : list of array
        For each layer, (B, n_in) array of what came in, without the 1 of the bias.
    outputs : list of array
        For each layer, (B, K) array of pre-activations; the last are the network's outputs.
    slopes : dict of int to array
        phi' at the inputs of layers, kept here when they are first asked for.
    """

    inputs: list[Array]
    outputs: list[Array]
    slopes: dict[int, Array]


class MLP:
    """Fully connected network; the activation follows every layer but the last.

    Derivation: BP-1, BP-2, BP-3

    Parameters
    ----------
    widths : sequence of int
        Sequence of at least two widths, inputs first, outputs last.
    activation : str, default "relu"
        ``"relu"``, ``"tanh"`` or ``"identity"``.
    bias : bool, default True
        Whether each layer has a bias, the last row of its weights.

    Attributes
    ----------
    widths : tuple of int
        Number of inputs, of each layer's units, and of outputs.
    activation : str
        Name of the activation.
    bias : bool
        Whether layers have biases.

    Raises
    ------
    TypeError, ValueError
        If widths are not at least two positive integers, or the activation is unknown.

    Examples
    --------
    >>> network = MLP([1, 2, 1], "relu")
    >>> weights = [np.array([[1.0, -1.0], [0.0, 0.0]]), np.array([[1.0], [1.0], [0.5]])]
    >>> network.forward(weights, np.array([[-3.0], [2.0]])).outputs[-1]
    array([[3.5],
           [2.5]])
    """

    def __init__(
        self, widths: Sequence[int], activation: str = "relu", *, bias: bool = True
    ) -> None:
        self.widths = as_widths(widths, "widths")
        if len(self.widths) < 2:
            raise ValueError(f"widths: expected at least two widths, got {list(self.widths)}")
        self.activation = as_choice(activation, "activation", tuple(ACTIVATIONS))
        self.bias = as_flag(bias, "bias")
        self._biases = [self.bias] * self.depth  # layers to whose inputs a 1 is appended

    def of_designs(self) -> MLP:
        """The same network for rows of the first layer's design, which have the 1 of the bias.

        Examples
        --------
        >>> network = MLP([2, 3, 1]).of_designs()
        >>> network.widths, network.shapes
        ((3, 3, 1), [(3, 3), (4, 1)])
        """
        network = MLP(self.widths, self.activation, bias=self.bias)
        network.widths = (self.widths[0] + self.bias, *self.widths[1:])
        network._biases[0] = False
        return network

    def __repr__(self) -> str:
        return f"MLP({list(self.widths)}, {self.activation!r}, bias={self.bias})"

    @property
    def depth(self) -> int:
        """Number of layers, the output layer included."""
        return len(self.widths) - 1

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Shape (D, K) of each layer's weights."""
        layers = zip(self.widths[:-1], self.widths[1:], self._biases, strict=True)
        return [(n_in + bias, n_out) for n_in, n_out, bias in layers]

    def initial_weights(self, rng: np.random.Generator) -> list[Array]:
        """Random weights for a deep network; zeros for a single layer, which needs no start.

        Weights into a layer followed by relu are N(0, 2 / n_in), all others N(0, 1 / n_in), which
        keeps the scale of the outputs from layer to layer. Biases are drawn with the same scale,
        so that the units' kinks are spread over the data instead of all passing through the
        origin.

        Examples
        --------
        >>> [w.shape for w in MLP([3, 4, 2]).initial_weights(np.random.default_rng(0))]
        [(4, 4), (5, 2)]
        """
        if self.depth == 1:
            return [np.zeros(self.shapes[0])]
        gains = [2.0 if self.activation == "relu" else 1.0] * (self.depth - 1) + [1.0]
        return [
            rng.standard_normal((D, K)) * np.sqrt(gain / (D - self.bias))
            for gain, (D, K) in zip(gains, self.shapes, strict=True)
        ]

    # -- the passes -----------------------------------------------------------------------------

    def forward(
        self,
        weights: Sequence[Array],
        X: Array,
        noise: OutputNoise | None = None,
        first: Array | None = None,
    ) -> Forward:
        """Outputs of every layer at inputs X (B, n_in): z_l = h_l W_l, h_{l+1} = phi(z_l).

        Parameters
        ----------
        weights : sequence of array
            For each layer a (D, K) array.
        X : array
            (B, n_in) array.
        noise : OutputNoise, optional
            Function that draws what is added to a layer's outputs (PR-3), or None.
        first : array, optional
            (B, K) outputs of the first layer if they are known, or None.

        Examples
        --------
        >>> network = MLP((1, 2, 1), "tanh")
        >>> weights = [np.array([[1.0, -1.0], [0.0, 0.0]]), np.array([[1.0], [0.5], [0.0]])]
        >>> network.forward(weights, np.array([[0.0], [1.0]])).outputs[-1].round(3)
        array([[0.   ],
               [0.381]])
        """
        phi, _ = ACTIVATIONS[self.activation]
        h, inputs, outputs, last = X, [X], [], len(weights) - 1
        for index, W in enumerate(weights):
            z = first if index == 0 and first is not None else self._affine(h, W, index)
            if noise is not None:
                z = z + noise(index, h)
            outputs.append(z)
            if index < last:
                h = phi(z)
                inputs.append(h)
        return Forward(inputs, outputs, {})

    def backward(
        self, weights: Sequence[Array], forward: Forward, output_rows: Array
    ) -> list[Array]:
        """Carry derivatives with respect to the outputs back to every layer's outputs.

        A row v of `output_rows` becomes v J_l, where J_l is the Jacobian of the network's
        outputs with respect to z_l: v_{l-1} = (v_l W_l^T without the bias) * phi'(z_{l-1}).
        Applied to gradients of the log-likelihood this is back-propagation; applied to the rows
        of S^T it gives the curvature roots; applied to the rows of the identity, the Jacobians.

        Derivation: BP-1, BP-2

        Parameters
        ----------
        weights, forward : sequence of array and Forward
            As in, and from, the forward pass.
        output_rows : array
            (B, C, K_out) array.

        Returns
        -------
        list of array
            For each layer a (B, C, K_l) array.

        Examples
        --------
        >>> network = MLP((1, 2, 1), "tanh")
        >>> weights = [np.array([[1.0, -1.0], [0.0, 0.0]]), np.array([[1.0], [0.5], [0.0]])]
        >>> forward = network.forward(weights, np.array([[0.0]]))
        >>> network.backward(weights, forward, np.ones((1, 1, 1)))[0]
        array([[[1. , 0.5]]])
        """
        # Inside, the rows come first: the slopes then multiply whole blocks of data, and the
        # rows of all data lie one after another, as sums over them want to read them.
        first = output_rows.swapaxes(0, 1)
        rows = [first if first.flags.c_contiguous else first.copy()]
        for index in range(len(weights) - 1, 0, -1):
            linear = weights[index][:-1] if self.bias else weights[index]
            C, B, K = rows[-1].shape
            if K == 1:  # nothing to add up: half of the time of a product of matrices
                pulled = rows[-1] * linear[:, 0]
            else:
                pulled = (rows[-1].reshape(C * B, K) @ linear.T).reshape(C, B, len(linear))
            pulled *= self._slope(forward, index)
            rows.append(pulled)
        return [row.swapaxes(0, 1) for row in rows[::-1]]

    def tangent(
        self,
        weights: Sequence[Array],
        forward: Forward,
        changes: Sequence[Array],
        first: Array | None = None,
    ) -> Array:
        """Directional derivative of the outputs (B, K_out) along changes of all weights.

        dz_l = X_l Delta_l + (phi'(z_{l-1}) * dz_{l-1}) W_l without the bias.

        Derivation: BP-3

        Parameters
        ----------
        weights, forward : sequence of array and Forward
            As in, and from, the forward pass.
        changes : sequence of array
            For each layer a (D, K) array.
        first : array, optional
            The change X_1 Delta_1 (B, K) of the first layer's outputs if it is known, or None.

        Examples
        --------
        >>> network = MLP((1, 2, 1), "tanh")
        >>> weights = [np.array([[1.0, -1.0], [0.0, 0.0]]), np.array([[1.0], [0.5], [0.0]])]
        >>> forward = network.forward(weights, np.array([[0.0]]))
        >>> network.tangent(weights, forward, [np.ones((2, 2)), np.zeros((3, 1))])
        array([[1.5]])
        """
        dz = self.first_change(forward, changes) if first is None else first
        for index in range(1, len(weights)):
            dz = self.carried(weights, forward, index, dz)
            dz += self._affine(forward.inputs[index], changes[index], index)
        return dz

    def first_change(self, forward: Forward, changes: Sequence[Array]) -> Array:
        """Change X_1 Delta_1 (B, K) of the first layer's outputs, which is exact."""
        return self._affine(forward.inputs[0], changes[0], 0)

    def carried(self, weights: Sequence[Array], forward: Forward, index: int, dz: Array) -> Array:
        """Change (..., B, K) of a layer's outputs, from one of the layer before it, to first order.

        (phi'(z_{l-1}) * dz_{l-1}) W_l without the bias.

        Derivation: BP-3
        """
        W = weights[index]
        linear = W[:-1] if self.bias else W
        sloped = self._slope(forward, index) * dz
        carried = sloped.reshape(-1, len(linear)) @ linear  # one product for all of them
        return carried.reshape(*dz.shape[:-1], W.shape[1])

    # -- pieces ---------------------------------------------------------------------------------

    def design(self, h: Array) -> Array:
        """X (B, D): a layer's inputs h (B, n_in), with a trailing 1 if there are biases.

        Examples
        --------
        >>> MLP((1, 1)).design(np.array([[2.0]]))
        array([[2., 1.]])
        """
        return design(h, self.bias)

    def designs(self, forward: Forward) -> list[Array]:
        """X (B, D) of every layer in a forward pass."""
        return [design(h, bias) for h, bias in zip(forward.inputs, self._biases, strict=True)]

    def _affine(self, h: Array, W: Array, index: int) -> Array:
        if not self._biases[index]:
            return h @ W
        z = h @ W[:-1]
        z += W[-1]
        return z

    def _slope(self, forward: Forward, index: int) -> Array:
        """phi'(z) of what comes into a layer, worked out once in a pass."""
        if index not in forward.slopes:
            _, slope = ACTIVATIONS[self.activation]
            forward.slopes[index] = slope(forward.inputs[index])
        return forward.slopes[index]
