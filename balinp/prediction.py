"""From the layers' posteriors to the distribution of the network's outputs.

Two ways: the network linearised about its means, in closed form, and sampled networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from balinp._types import Array
from balinp.data import SMALL_PIECE, pieces
from balinp.layer import MatrixNormalLayer
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import MLP, Forward
from balinp.validation import LARGEST, as_matrix


def linearised_outputs(
    network: MLP,
    layers: Sequence[MatrixNormalLayer],
    X: Array,
    *,
    combinations: Array,
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
    network, layers : MLP and sequence of MatrixNormalLayer
        The model.
    X : array
        (B, n_in) array of any real dtype; pieces of it become float64, and must be finite.
    combinations : array
        (C, K) array; the identity for the outputs themselves.
    """
    means = [layer.mean for layer in layers]
    posteriors = [layer.posterior for layer in layers]
    f = np.empty((len(X), combinations.shape[1]))
    covariance = np.empty((len(X), len(combinations), len(combinations)))
    for rows in pieces(len(X), len(combinations) * max(network.widths), SMALL_PIECE):
        forward = network.forward(means, as_matrix(X[rows], "X", largest=LARGEST))
        variances = [
            posterior.output_variances(network.design(h))
            for posterior, h in zip(posteriors, forward.inputs, strict=True)
        ]
        f[rows] = forward.outputs[-1]
        covariance[rows] = output_covariance(network, posteriors, forward, variances, combinations)
    return f, covariance


def output_covariance(
    network: MLP,
    posteriors: Sequence[KroneckerGaussian],
    forward: Forward,
    variances: Sequence[Array],
    combinations: Array,
) -> Array:
    """Covariance (B, C, C) of combinations of the outputs, from every layer's own variances.

    Derivation: PR-1

    Parameters
    ----------
    network, combinations : MLP and array
        As for `linearised_outputs`.
    posteriors : sequence of KroneckerGaussian
        Posteriors of the layers; their means are those of the forward pass.
    forward : Forward
        A mean pass.
    variances : sequence of array
        (B, K) arrays, each layer's output variances in its basis Q_H.
    """
    means = [posterior.mean for posterior in posteriors]
    B, C = len(variances[0]), len(combinations)
    jacobians = network.backward(
        means, forward, np.broadcast_to(combinations, (B, *combinations.shape))
    )
    covariance = np.zeros((B, C, C))
    for posterior, v, J in zip(posteriors, variances, jacobians, strict=True):
        K = J.shape[2]
        flat = np.swapaxes(J, 0, 1).reshape(C * B, K)  # one product for all rows of all data
        R = (flat @ posterior.column_basis).reshape(C, B, K)
        R *= np.sqrt(v)
        R = np.swapaxes(R, 0, 1)
        covariance += R @ np.swapaxes(R, 1, 2)
    return covariance


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
    posteriors = [layer.posterior for layer in layers]

    def noise(index: int, inputs: Array) -> Array:
        # Q_H diag(sqrt v) Q_H^T eps: the symmetric root, so that draws are continuous in q.
        v = posteriors[index].output_variances(network.design(inputs))
        Q = posteriors[index].column_basis
        return ((rng.standard_normal(v.shape) @ Q) * np.sqrt(v)) @ Q.T

    return np.stack([network.forward(means, X, noise).outputs[-1] for _ in range(samples)])
