"""From the layers' posteriors to the distribution of the network's outputs.

Two ways: the network linearised about its means, in closed form, and sampled networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from balinp._types import Array
from balinp.layer import MatrixNormalLayer
from balinp.mlp import MLP, OutputNoise


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
    B, C = len(X), len(combinations)
    rows = np.broadcast_to(combinations, (B, *combinations.shape))
    jacobians = network.backward(means, forward, rows)
    covariance = np.zeros((B, C, C))
    for layer, inputs, J in zip(layers, forward.inputs, jacobians, strict=True):
        posterior = layer.posterior
        J_basis = J @ posterior.column_basis
        variances = posterior.output_variances(layer.design(inputs))
        covariance += (J_basis * variances[:, None, :]) @ np.swapaxes(J_basis, 1, 2)
    return forward.outputs[-1], covariance


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

    With variances v = output_variances(x) in the basis Q_H, the noise is Q_H (sqrt(v) * e),
    e ~ N(0, I), independent for each datum.

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
        return (rng.standard_normal(variances.shape) * np.sqrt(variances)) @ (
            posterior.column_basis.T
        )

    return draw
