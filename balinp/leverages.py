"""How much of its own targets each of few data determines, all layers together and exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from balinp._types import Array
from balinp.features import Features
from balinp.kernels import amount, root_weighted
from balinp.layer import MatrixNormalLayer
from balinp.pseudo_targets import Trace
from balinp.spectral import decompose

MOST_ROWS = 128
"""Rows of the Gram matrix, data times outputs, up to which a step takes hardly longer."""


def are_cheap(layers: Sequence[MatrixNormalLayer], said: Trace, n_data: float) -> bool:
    """Whether exact leverages are worth their time: few data, all of them, an isotropic prior."""
    if amount(said.targets, said.sample_weight) != n_data:
        return False
    rows = len(said.targets) * said.output_rows.shape[1]
    return rows <= MOST_ROWS and not layers[0].state.prior.follows_noise


def summed_leverages(layers: Sequence[MatrixNormalLayer], said: Trace) -> Array:
    """Sum over data of the (C, C) blocks on the diagonal of G (G + I)^{-1}.

    G is the covariance of the whitened outputs of all data that the prior gives to the network
    linearised in all its weights, sum_l (X_l X_l^T)_nm S_n^T S_m / lam_l.

    Derivation: EV-11

    Parameters
    ----------
    layers : sequence of MatrixNormalLayer
        Layers of the network, with isotropic priors.
    said : Trace
        Trace of all data.
    """
    N, C = len(said.targets), said.output_rows.shape[1]
    G = np.zeros((N * C, N * C))
    for layer, X, S in zip(layers, said.designs, said.curvature_rows, strict=True):
        phi = Features([X], [root_weighted(S, said.sample_weight)])
        G += phi.products(phi) / layer.prior_precision
    g, Q = decompose(G, "covariance of the outputs")
    determined = ((Q * (g / (1 + g))) @ Q.T).reshape(N, C, N, C)
    return np.asarray(np.einsum("ncnd->cd", determined))
