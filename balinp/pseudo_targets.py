"""Pseudo-targets: what each layer's regression is given to explain.

If a layer's true target outputs were known, its posterior would be exact. Instead, the layer's
forward outputs are moved along the back-propagated gradient of the log-likelihood, by as much
as its curvature allows: t_n = M^T x_n + V g_n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.factors import output_factor
from balinp.likelihood import Likelihood
from balinp.mlp import MLP, Forward, OutputNoise
from balinp.spectral import CURVATURE_FLOOR, Spectrum, decompose, floored


@dataclass(frozen=True)
class Trace:
    """All that one batch says to each layer; lists run over layers, the first layer first.

    Attributes
    ----------
    inputs : (B, n_in) arrays, without the 1 of the bias.
    outputs : (B, K) arrays of pre-activations, sampled ones in the sample pass.
    gradients : (B, K) arrays, g_n = d log p(y_n | f_n) / d z_n of each datum.
    curvature_roots : (B, K, C) arrays S_n.
    output_precisions : (K, K) arrays H, the batch mean of S_n S_n^T, floored where hidden.
    precision_is_known : whether H is the likelihood's own precision and not such a mean.
    pseudo_targets : (B, K) arrays t_n = M^T x_n + H^{-1} g_n.
    log_densities : (B,) array, log p(y_n | f_n).
    sample_weight : (B,) array of the data's weights in every sum over the batch, or None.
    forward : the forward pass that all this was taken at.
    """

    inputs: list[Array]
    outputs: list[Array]
    gradients: list[Array]
    curvature_roots: list[Array]
    output_precisions: list[Array]
    precision_is_known: list[bool]
    pseudo_targets: list[Array]
    log_densities: Array
    sample_weight: Array | None
    forward: Forward


def trace(
    network: MLP,
    likelihood: Likelihood,
    weights: Sequence[Array],
    X: Array,
    Y: Array,
    *,
    noise: OutputNoise | None = None,
    floor: float = CURVATURE_FLOOR,
    sample_weight: Array | None = None,
) -> Trace:
    """Forward pass, likelihood, backward pass, pseudo-targets: one batch from end to end.

    Gradients and curvature are taken at the outputs of the forward pass, sampled or not, and
    carried back through the posterior means `weights`.

    Weights of data enter the means H only; all else belongs to one datum.

    Derivation: BP-1, BP-2, BP-4, PT-1, PT-4, LR-6

    Parameters
    ----------
    network, likelihood : the model.
    weights : posterior means, a (D, K) array for each layer.
    X, Y : (B, n_in) inputs and (B, K_out) targets.
    noise : sample pass only, see `MLP.forward`.
    floor : eigenvalue floor of hidden output precisions, a fraction of their mean.
    sample_weight : (B,) weights, or None for ones.

    Examples
    --------
    For a Gaussian output layer the pseudo-targets are the observations, from any weights:

    >>> from balinp.likelihood import Gaussian
    >>> X, Y = np.array([[1.0], [2.0]]), np.array([[3.0], [5.0]])
    >>> t = trace(MLP([1, 1]), Gaussian(0.5), [np.array([[9.0], [9.0]])], X, Y)
    >>> t.pseudo_targets[0]
    array([[3.],
           [5.]])
    """
    forward = network.forward(weights, X, noise)
    f = forward.outputs[-1]
    output_rows = np.concatenate(
        [likelihood.gradient(Y, f)[:, None, :], likelihood.curvature_rows(f)], axis=1
    )
    rows = network.backward(weights, forward, output_rows)
    gradients = [row[:, 0, :] for row in rows]

    known = likelihood.known_precision(f.shape[1])
    precisions = [
        output_precision(row[:, 1:, :], f"output precision of layer {index}", floor, sample_weight)
        for index, row in enumerate(rows if known is None else rows[:-1])
    ]
    if known is not None:  # an exact output precision is never floored
        precisions.append(decompose(known, "output precision"))

    return Trace(
        inputs=forward.inputs,
        outputs=forward.outputs,
        gradients=gradients,
        curvature_roots=[np.swapaxes(row[:, 1:, :], 1, 2) for row in rows],
        output_precisions=[H.matrix() for H in precisions],
        precision_is_known=[False] * (len(rows) - 1) + [known is not None],
        pseudo_targets=[
            pseudo_targets(mean, g, H)
            for mean, g, H in zip(forward.means, gradients, precisions, strict=True)
        ],
        log_densities=likelihood.log_density(Y, f),
        sample_weight=sample_weight,
        forward=forward,
    )


def output_precision(
    root_rows: Array,
    name: str,
    floor: float = CURVATURE_FLOOR,
    sample_weight: Array | None = None,
) -> Spectrum:
    """Spectrum of H = mean_n S_n S_n^T, small eigenvalues raised to a fraction of their mean.

    Derivation: PT-4, PT-5
    """
    return floored(output_factor(root_rows, sample_weight), name, floor)


def pseudo_targets(mean_outputs: Array, gradients: Array, H: Spectrum) -> Array:
    """t_n = M^T x_n + V g_n with V = H^{-1}, shape (B, K).

    With this V the layer's own log-likelihood of its targets, -1/2 (t - W^T x)^T H (t - W^T x),
    has at W = M the gradient of the network's log-likelihood, whatever H is.

    Derivation: PT-1, PT-2, PT-3
    """
    return mean_outputs + H.solve_rows(gradients)
