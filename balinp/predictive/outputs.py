"""The predictive of a likelihood that says no more of its targets than their density."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy.special import logsumexp

from balinp._types import Array
from balinp.spectral import root

DRAWS = 512
"""Outputs drawn for each datum from Gaussian ones."""


class Density(Protocol):
    """What is asked of a likelihood here; `balinp.likelihood.Likelihood` has both."""

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) validated, or raise naming what is wrong."""

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p(y_n | f_n), shape (B,), normalised, in nats."""


class OutputPredictive:
    """Uncertain outputs f of the network, and the density of targets averaged over them.

    The moments are those of the outputs, not of the targets, which the likelihood does not name.
    Gaussian outputs are drawn with a fixed seed, the same for every datum, so that a prediction
    does not depend on its neighbours; half of the draws mirror the others.

    Parameters
    ----------
    likelihood : whose density is averaged.
    f : (B, K) means of Gaussian outputs; without a covariance (S, B, K) equally likely outputs.
    covariance : (B, K, K) array, or None.

    Derivation: PR-1, PR-3

    Attributes
    ----------
    draws : (S, B, K) array of equally likely outputs.
    output_mean, output_covariance : (B, K) and (B, K, K) moments of the outputs.
    """

    def __init__(self, likelihood: Density, f: Array, covariance: Array | None) -> None:
        self.likelihood = likelihood
        if covariance is None:
            centred = np.moveaxis(f - f.mean(axis=0), 0, 2)
            f, self.draws = f.mean(axis=0), f
            covariance = centred @ np.swapaxes(centred, 1, 2) / len(self.draws)
        else:
            half = np.random.default_rng(0).standard_normal((DRAWS // 2, f.shape[1]))
            deviations = np.concatenate([half, -half]) @ root(covariance)  # roots are symmetric
            self.draws = f + np.moveaxis(deviations, 1, 0)
        self.output_mean, self.output_covariance = f, covariance

    def __repr__(self) -> str:
        B, K = self.output_mean.shape
        return f"OutputPredictive({self.likelihood!r}, data={B}, outputs={K})"

    @property
    def output_std(self) -> Array:
        """(B, K) standard deviations of the outputs."""
        return np.sqrt(np.diagonal(self.output_covariance, axis1=1, axis2=2))

    def logpdf(self, Y: Any) -> Array:
        """Log (1/S) sum_s p(y_n | f_ns) of each row of Y (B, K), in nats, shape (B,)."""
        B, K = self.output_mean.shape
        Y = self.likelihood.check_targets(Y, B, K)
        log_densities = np.stack([self.likelihood.log_density(Y, f) for f in self.draws])
        return np.asarray(logsumexp(log_densities, axis=0) - np.log(len(self.draws)))
