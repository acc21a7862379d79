"""How much of its own targets each of few data determines, all layers together and exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from balinp._types import Array
from balinp.features import Features
from balinp.kernels import root_weighted
from balinp.layer import MatrixNormalLayer
from balinp.pseudo_targets import Trace
from balinp.spectral import decompose
from balinp.sums import Said

FEW_ROWS, MOST_ROWS = 32, 128
"""Data times outputs: so few that layers' own sums take every fit for noise; and rows of the Gram
matrix up to which a step takes hardly longer."""


def exact_leverages(layers: Sequence[MatrixNormalLayer], said: Said, n_data: float) -> Array | None:
    """Sum over data of the (C, C) blocks on the diagonal of G (G + I)^{-1}, or None.

    G is the covariance of the whitened outputs of all data that the prior gives to the network
    linearised in all its weights, sum_l (X_l X_l^T)_nm S_n^T S_m / lam_l. None is for one layer,
    whose own sum is exact; for more rows than are cheap, and for batches; for a prior that is not
    isotropic; and for a network whose evidence is less than that of none, unless data are few.

    Derivation: EV-11

    Parameters
    ----------
    layers : sequence of MatrixNormalLayer
        Layers of the network.
    said : Said
        What the data say.
    n_data : float
        N.
    """
    if len(layers) == 1 or not isinstance(said, Trace) or not are_cheap(layers, said, n_data):
        return None
    N, C = len(said.targets), said.output_rows.shape[1]
    G = np.zeros((N * C, N * C))
    for layer, X, S in zip(layers, said.designs, said.curvature_rows, strict=True):
        phi = Features([X], [root_weighted(S, said.sample_weight)])
        G += phi.products(phi) / layer.prior_precision
    g, Q = decompose(G, "covariance of the outputs")
    if n_data * C > FEW_ROWS and gain_in_evidence(layers, said, g) < 0:
        return None
    determined = ((Q * (g / (1 + g))) @ Q.T).reshape(N, C, N, C)
    return np.asarray(np.einsum("ncnd->cd", determined))


def are_cheap(layers: Sequence[MatrixNormalLayer], said: Trace, n_data: float) -> bool:
    """Whether exact leverages are worth their time: few data, all of them, an isotropic prior."""
    if said.amount != n_data:
        return False
    rows = len(said.targets) * said.output_rows.shape[1]
    return rows <= MOST_ROWS and not layers[0].state.prior.follows_noise


def gain_in_evidence(layers: Sequence[MatrixNormalLayer], said: Trace, g: Array) -> float:
    """Log evidence of all data by the linearised network, less that by a Gaussian of its own.

    Derivation: EV-11

    Parameters
    ----------
    layers, said
        As for `exact_leverages`.
    g : array
        Eigenvalues of G.
    """
    Y, w, N = said.targets, said.sample_weight, said.amount
    variances = np.average((Y - np.average(Y, axis=0, weights=w)) ** 2, axis=0, weights=w)
    if not variances.all():
        return -np.inf
    squares = sum(layer.prior_squares for layer in layers)
    (network,) = said.log_likelihood()
    network -= 0.5 * (squares + float(np.log1p(g).sum()))
    return network + 0.5 * N * float((np.log(2 * np.pi * variances) + 1).sum())
