"""From the layers' posteriors to the distribution of the network's outputs.

Two ways: the network linearised about its means, in closed form, and sampled networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from balinp._types import Array
from balinp.layer import MatrixNormalLayer
from balinp.mlp import MLP, OutputNoise
from balinp.spectral import covariance_root


def linearised_outputs(
    network: MLP, layers: Sequence[MatrixNormalLayer], X: Array, *, combinations: Array
) -> tuple[Array, Array]:
    """Outputs (B, K) of the mean network, and covariance (B, C, C) of combinations of them.

    f ~ N( f_M(x), sum_l J_l Cov(W_l^T x_l) J_l^T ), with J_l the Jacobian of the outputs with
    respect to layer l's pre-activations at the posterior means; with rows r_c of `combinations`,
    the covariance is that of r_c f. Class probabilities depend on differences of logits only,
    and the variance of what is common to all logits can be larger by many orders of magnitude:
    asking for the combinations that matter keeps the digits that subtracting would lose.

    Derivation: PR-1

    Parameters
    ----------
    network, layers : the model.
    X : (B, n_in) array.
    combinations : (C, K) array; the identity for the outputs themselves.
    """
    means = [layer.mean for layer in layers]
    forward = network.forward(means, X)
    rows = np.broadcast_to(combinations, (len(X), *combinations.shape))
    jacobians = network.backward(means, forward, rows)
    covariance = np.zeros((len(X), len(combinations), len(combinations)))
    for layer, inputs, J in zip(layers, forward.inputs, jacobians, strict=True):
        posterior = layer.posterior
        variances = posterior.output_variances(layer.design(inputs))
        R = (J @ posterior.column_basis) * np.sqrt(variances)[:, None, :]
        covariance += R @ np.swapaxes(R, 1, 2)
    return forward.outputs[-1], covariance


def output_deviations(
    network: MLP,
    layers: Sequence[MatrixNormalLayer],
    X: Array,
    draws: int,
    rng: np.random.Generator,
    *,
    combinations: Array,
) -> Array:
    """Draws (S, B, C) of combinations of the outputs of the linearised network, less their mean.

    e = R eps with eps ~ N(0, I), independent for each datum, and R R^T the covariance of
    `linearised_outputs`. Half of the draws mirror the others, so that their average vanishes.

    Derivation: FP-2

    Parameters
    ----------
    network, layers, X, combinations : as for `linearised_outputs`.
    draws : even number S.
    rng : numpy.random.Generator
    """
    _, covariance = linearised_outputs(network, layers, X, combinations=combinations)
    roots = covariance_root(covariance)
    half = roots @ rng.standard_normal((len(X), len(combinations), draws // 2))
    return np.moveaxis(np.concatenate([half, -half], axis=2), 2, 0)


def sampled_outputs(
    network: MLP,
    layers: Sequence[MatrixNormalLayer],
    X: Array,
    samples: int,
    rng: np.random.Generator,
) -> Array:
    """Outputs (samples, B, K) of networks with weights drawn from the layers' posteriors.

    Every layer's outputs are drawn given its inputs, which for each datum is the same as drawing
    the weights. Different data are drawn independently: each row's distribution is exact, their
    dependence through common weights is not represented.

    Derivation: PR-3
    """
    means = [layer.mean for layer in layers]
    noise = output_noise(layers, rng, output_layer=True)
    return np.stack([network.forward(means, X, noise).outputs[-1] for _ in range(samples)])


def output_noise(
    layers: Sequence[MatrixNormalLayer], rng: np.random.Generator, *, output_layer: bool
) -> OutputNoise:
    """What a sample pass adds to X M: draws from each layer's own predictive.

    With variances v = output_variances(x) in the basis Q_H, the noise is
    Q_H diag(sqrt v) Q_H^T e, e ~ N(0, I), independent for each datum. The root is symmetric, so
    that the draws are continuous in the posterior.

    Derivation: FP-1

    Parameters
    ----------
    layers : the network's layers.
    rng : numpy.random.Generator
    output_layer : whether the last layer's outputs are drawn too.
    """
    posteriors = [layer.posterior for layer in layers]

    def draw(index: int, inputs: Array) -> Array | None:
        if index + 1 == len(layers) and not output_layer:
            return None
        posterior = posteriors[index]
        variances = posterior.output_variances(layers[index].design(inputs))
        Q = posterior.column_basis
        return ((rng.standard_normal(variances.shape) @ Q) * np.sqrt(variances)) @ Q.T

    return draw
