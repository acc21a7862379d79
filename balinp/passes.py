"""What a step sees of the network, and the pass that it makes over some rows.

A pass says with which likelihood the gradient and the curvature are taken at the outputs: here at
those of the means. It makes the trace of the rows: forward pass, likelihood, backward pass, from
which pseudo-targets follow (`balinp.pseudo_targets`). The other pass is in `balinp.linearised`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from balinp._types import Array
from balinp.layer import MatrixNormalLayer
from balinp.lazily import lazily
from balinp.likelihood import Likelihood
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import MLP
from balinp.natural_parameters import KnownFactor
from balinp.pseudo_targets import Trace


@dataclass(eq=False)
class Present:
    """A network as it is when a step begins; its layers move on later.

    Attributes
    ----------
    network, likelihood, layers
        Of the model.
    weights : sequence of array
        Posterior means of the layers, (D, K) arrays.
    n_data : float
        N, the number of data that a step's batch stands for.
    rows : float
        Number of rows that they are, if all have the mean weight of the batch's; the fewer, the
        more draws the linearised pass makes for each.
    rng : numpy.random.Generator
        Generator that draws are taken from.
    known_inputs : KnownFactor or None
        A of the first layer, where it is known (NP-9).
    """

    network: MLP
    likelihood: Likelihood
    layers: Sequence[MatrixNormalLayer]
    weights: Sequence[Array]
    n_data: float
    rows: float
    rng: np.random.Generator
    known_inputs: KnownFactor | None = None

    @lazily
    def posteriors(self) -> list[KroneckerGaussian]:
        """Posteriors of the layers, as training goes on from them."""
        return [layer.state.working_posterior for layer in self.layers]


class Mean:
    """Activations from the means, the likelihood at the outputs they give.

    Derivation: BP-1, PT-1
    """

    has_bound: ClassVar[bool] = False
    """Whether log joint densities are expectations, of which EV-7 makes a bound."""

    def trace(self, now: Present, X: Array, Y: Array, w: Array | None) -> Trace:
        """What some rows say to every layer; the backward pass is done when it is asked for."""
        model = now.network, now.likelihood, now.weights
        forward = now.network.forward(now.weights, X)
        return Trace(*model, Y, forward, w, now.known_inputs)

    def pass_over(self, now: Present, rows: int) -> None:
        """Leave the generator as a trace of so many rows would; a mean pass draws nothing."""
