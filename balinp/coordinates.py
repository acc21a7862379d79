"""Coordinates in which training works: those of the data, or of the first layer's eigenbasis.

The first layer's inputs are the data. They never become stale, so that their second moment A need
not be a moving average of batches: it is that of all rows, decomposed once. With the rows turned
into its eigenbasis once, A is diagonal in every step, and no step multiplies a matrix of the size
of A. A first reader can skip this module; the method is the same in any coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import balinp.data
from balinp._types import Array
from balinp.data import Data, Rows
from balinp.kernels import design, gram, root_weighted
from balinp.layer import MatrixNormalLayer
from balinp.layer_state import LayerState, frozen
from balinp.mlp import MLP
from balinp.natural_parameters import Factors, KnownFactor
from balinp.spectral import Spectrum, decompose
from balinp.standard_basis import STANDARD
from balinp.streams import Stream

COPIED_PIECES = 8
"""Pieces of data, of 64 MiB each, up to which a copy of the turned rows is kept. Those of larger
data are turned whenever they are read."""


@dataclass(frozen=True)
class Coordinates:
    """What training works with: those of the model itself, unless a subclass says otherwise.

    Attributes
    ----------
    network, layers : MLP and list of MatrixNormalLayer
        The network and its layers.
    data : Data or Stream
        What it is trained on.
    known_inputs : KnownFactor or None
        A of the first layer, where it is known.
    """

    network: MLP
    layers: list[MatrixNormalLayer]
    data: Data | Stream
    known_inputs: KnownFactor | None = None

    def write_back(self) -> None:
        """Let the model's layers know what has been learnt."""

    @property
    def means(self) -> list[Array]:
        """Posterior means of the layers."""
        return [layer.mean for layer in self.layers]


@dataclass(frozen=True, kw_only=True)
class InputEigenbasis(Coordinates):
    """Rows X Q and weights Q^T W of the first layer, with A = Q diag(a) Q^T of all rows.

    Derivation: NP-9

    Attributes
    ----------
    first : MatrixNormalLayer
        The model's first layer.
    A, spectrum : array and Spectrum
        Second moment of its inputs, and its spectrum.
    """

    first: MatrixNormalLayer
    A: Array
    spectrum: Spectrum

    @classmethod
    def of(cls, network: MLP, layers: Sequence[MatrixNormalLayer], data: Data) -> InputEigenbasis:
        """The coordinates of a network on all its data.

        Parameters
        ----------
        network, layers : MLP and sequence of MatrixNormalLayer
            Of the model.
        data : Data
            All that this training is of.
        """
        first, *others = layers
        D = first.n_in + first.bias
        (squares,) = data.whole.total(D, _input_squares, first.bias)
        A = squares / data.amount
        spectrum = decompose(A, "input factor")
        known = KnownFactor(np.diag(spectrum.values), Spectrum(spectrum.values, STANDARD))
        turned = MatrixNormalLayer(
            D, first.n_out, prior=first.prior, prior_precision=first.prior_precision,
            bias=False, exact=False,
        )  # fmt: skip
        turned.state = _turned(first.state, spectrum.vectors.T, known.matrix, known.spectrum)
        rows: Any = TurnedRows(data.X, spectrum.vectors, first.bias)
        small = len(data) * D <= COPIED_PIECES * balinp.data.PIECE
        return cls(
            network.of_designs(),
            [turned, *others],
            replace(data, X=rows[:] if small else rows),
            known,
            first=first,
            A=A,
            spectrum=spectrum,
        )

    def write_back(self) -> None:
        """Turn what the first layer has learnt back into the coordinates of the data."""
        state = self.layers[0].state
        if state.factors is not None:
            self.first.state = _turned(state, self.spectrum.vectors, self.A, self.spectrum)


def _input_squares(X: Array, Y: Array, w: Array | None, bias: bool) -> tuple[Array]:
    return (gram(root_weighted(design(X, bias), w)),)


class TurnedRows:
    """Rows [X, 1] Q of a design, made when they are taken.

    Parameters
    ----------
    X : array
        (N, n_in) array of any real dtype.
    Q : array
        (D, D) array.
    bias : bool
        Whether a 1 is appended to each row.
    """

    def __init__(self, X: Array, Q: Array, bias: bool) -> None:
        self.X, self.Q, self.bias = X, Q, bias
        self.shape = len(X), len(Q)

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: Rows) -> Any:
        return design(np.asarray(self.X[rows], dtype=np.float64), self.bias) @ self.Q


def _turned(state: LayerState, Q: Array, A: Array, spectrum: Spectrum) -> LayerState:
    """The state with Q times its means, and with A for the second moment of its inputs."""

    def with_inputs(old: Factors | None) -> Factors | None:
        if old is None:
            return None
        return Factors(A, old.H, spectrum, old.outputs, old.n_data)

    return replace(
        state,
        mean=frozen(Q @ state.mean),
        last_change=frozen(Q @ state.last_change),
        factors=with_inputs(state.factors),
        settled=with_inputs(state.settled),
    )
