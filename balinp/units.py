"""What a network has learnt, said in other units of its inputs and targets.

A stream brings rows whose mean and spread differ from those of the rows before them, so that the
units of standardised data move. Nothing that was learnt has to be given up for it: the sums over
data that a layer remembers, and the function that its means are, go through an affine map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from balinp._types import Array
from balinp.hyper_parameters import HyperParameters
from balinp.layer_state import LayerState, frozen
from balinp.likelihood import Gaussian
from balinp.moments import Moments, triangle
from balinp.natural_parameters import Factors

if TYPE_CHECKING:
    from balinp.bali import BALI


@dataclass(frozen=True)
class Units:
    """The map from old units to new ones, z' = a z + b in each column.

    Attributes
    ----------
    factor : array
        (columns,) array a, above zero.
    shift : array
        (columns,) array b.
    unknown : array
        (columns,) array of bools, for the columns that had no unit before, since all their values
        were the same. These are zeros in the old units, whatever the factor.
    """

    factor: Array
    shift: Array
    unknown: Array

    @classmethod
    def same(cls, columns: int) -> Units:
        """The map that changes nothing."""
        return cls(np.ones(columns), np.zeros(columns), np.zeros(columns, dtype=bool))

    @property
    def changes(self) -> bool:
        """Whether the map is another one than z' = z."""
        return bool((self.factor != 1).any() or (self.shift != 0).any())


def restate(model: BALI, inputs: Units, outputs: Units, noise: Array | None) -> None:
    """Say all that a network has learnt in other units of its inputs and targets.

    The first and the last layer take the change; hidden outputs have no units. The network is the
    same function, and a single Gaussian layer solves for the posterior of all its data, in the
    new units, in its next step. Weights of inputs that have not varied before multiply zeros, so
    that nothing was learnt about them: they are drawn as those of a new network are, and the noise
    of such a target starts anew, too.

    Derivation: NP-8

    Parameters
    ----------
    model : BALI
        Model that has seen data.
    inputs, outputs : Units
        Maps to the new units.
    noise : array or None
        (K, K) covariance in the new units, if it is given; None if it is learnt.
    """
    if model.hidden and inputs.unknown.any():
        _draw(model, inputs.unknown)
    *_, last = range(len(model.layers))
    for index, layer in enumerate(model.layers):
        before = inputs if index == 0 else Units.same(layer.n_in)
        after = outputs if index == last else Units.same(layer.n_out)
        if before.changes or after.changes:
            layer.state = restated(layer.state, before, after, bias=model.bias)
    if noise is not None:
        model.likelihood = Gaussian(noise)
    elif isinstance(model.likelihood, Gaussian) and outputs.changes:
        model.likelihood = Gaussian(_restated_noise(model.hyper, model.likelihood, outputs))


def _restated_noise(hyper: HyperParameters, likelihood: Gaussian, outputs: Units) -> Array:
    """Learnt V in the new units; for a target that has not varied before, as training starts it.

    Standardised targets have variance 1, so that what training starts with is known.
    """
    K, c = len(outputs.factor), outputs.factor
    V = likelihood.covariance(K) * np.outer(c, c)
    if hyper.noise_asked is not None:
        hyper.noise_asked = None if outputs.unknown.any() else hyper.noise_asked * np.outer(c, c)
    first = hyper.first_variances(np.ones(K), n_data=np.inf)
    new = np.logical_or.outer(outputs.unknown, outputs.unknown)
    return np.where(new, np.diag(first), V)


def _draw(model: BALI, unknown: Array) -> None:
    """New weights of the first layer for some of its inputs."""
    layer = model.layers[0]
    mean, last_change = layer.mean.copy(), layer.last_change.copy()
    rows = np.flatnonzero(unknown)
    mean[rows] = model.network.initial_weights(model.rng)[0][rows]
    last_change[rows] = 0.0
    layer.state = replace(layer.state, mean=frozen(mean), last_change=frozen(last_change))


def design_map(inputs: Units, *, bias: bool) -> Array:
    """T (D, D) such that the rows of a design are X' = X T in the new units.

    Without a bias a shift is no linear map of the rows, and T has the factors alone.

    Derivation: NP-8

    Examples
    --------
    >>> fahrenheit = Units(np.array([1.8]), np.array([32.0]), np.array([False]))
    >>> np.array([[20.0, 1.0]]) @ design_map(fahrenheit, bias=True)
    array([[68.,  1.]])
    """
    if not bias:
        return np.diag(inputs.factor)
    T = np.diag(np.append(inputs.factor, 1.0))
    T[-1, :-1] = inputs.shift
    return T


def restated_mean(W: Array, inputs: Units, outputs: Units, *, bias: bool) -> Array:
    """The weights (D, K) of the same affine function in other units, T^{-1} W diag(c) + e d^T.

    With e the place of the bias. Without a bias the shifts b and d are left out.

    Derivation: NP-8
    """
    n = len(inputs.factor)
    restated = W * outputs.factor
    restated[:n] /= inputs.factor[:, None]
    if bias:
        restated[n] += outputs.shift - inputs.shift @ restated[:n]
    return restated


def restated(state: LayerState, inputs: Units, outputs: Units, *, bias: bool) -> LayerState:
    """The layer's state in other units of its inputs and outputs: the same function, the same data.

    Derivation: NP-8

    Parameters
    ----------
    state : LayerState
        After at least one batch.
    inputs, outputs : Units
        Maps to the new units.
    bias : bool
        Whether the layer has a bias. Without one the remembered inputs and targets are taken to
        have mean zero in the old units, as they have in units of their own mean.
    """
    unshifted = replace(outputs, shift=np.zeros_like(outputs.shift))  # a change has no place
    settled = state.settled and restated_factors(state.settled, inputs, outputs, bias=bias)
    moments = state.moments and restated_moments(state.moments, inputs, outputs, bias=bias)
    return replace(
        state,
        mean=frozen(restated_mean(state.mean, inputs, outputs, bias=bias)),
        last_change=frozen(restated_mean(state.last_change, inputs, unshifted, bias=bias)),
        factors=restated_factors(state.observed, inputs, outputs, bias=bias),
        regression=None,
        settled=settled,
        moments=moments,
    )


def restated_factors(old: Factors, inputs: Units, outputs: Units, *, bias: bool) -> Factors:
    """T^T A T and H / (c c^T); a factor that stays keeps its spectrum, floor included.

    Derivation: NP-8
    """
    new = old
    if inputs.changes:
        T = design_map(inputs, bias=bias)
        A = T.T @ old.A @ T
        if not bias:
            A += np.outer(inputs.shift, inputs.shift)
        new = replace(Factors.of((A + A.T) / 2, old.H, old.n_data), outputs=old.outputs)
    if (outputs.factor != 1).any():
        H = old.H / np.outer(outputs.factor, outputs.factor)
        new = replace(Factors.of(new.A, H, old.n_data), inputs=new.inputs)
    return new


def restated_moments(old: Moments, inputs: Units, outputs: Units, *, bias: bool) -> Moments:
    """Moments of the same data in other units, through the same map of the rows of their root.

    Derivation: NP-8, EX-1

    Examples
    --------
    >>> X, T = np.array([[1.0, 1.0], [2.0, 1.0]]), np.array([[2.0], [4.0]])
    >>> halved = Units(np.array([1.0]), np.array([0.5]), np.array([False]))
    >>> restated_moments(Moments.of(X, T), halved, Units.same(1), bias=True).A.round(12)
    array([[4.25, 2.  ],
           [2.  , 1.  ]])
    """
    targets = old.targets * outputs.factor
    if bias:
        targets = targets + np.outer(old.inputs[:, -1], outputs.shift)
    root = np.hstack([old.inputs @ design_map(inputs, bias=bias), targets])
    if not bias:
        root = np.vstack([root, np.concatenate([inputs.shift, outputs.shift])])
    return replace(old, root=triangle(root))
