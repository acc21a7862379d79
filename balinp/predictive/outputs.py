"""The predictive of a likelihood that says no more of its targets than their density."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from balinp._types import Array
from balinp.data import SMALL_PIECE, pieces
from balinp.predictive.draws import weighted_quantiles
from balinp.spectral import root
from balinp.validation import as_level, as_matrix

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

    The moments, the distribution function and the quantiles are those of the outputs, not of the
    targets, which the likelihood does not name. The density is averaged over draws, made when it
    is asked for: of Gaussian outputs with a fixed seed, the same for every datum, so that a
    prediction does not depend on its neighbours; half of the draws mirror the others.

    Derivation: PR-1, PR-3

    Parameters
    ----------
    likelihood : Density
        Object with the methods of `Density`, whose density is averaged.
    f : array
        (B, K) means of Gaussian outputs; without a covariance (S, B, K) equally likely outputs.
    covariance : array or None
        (B, K, K) array, or None.

    Attributes
    ----------
    output_mean, output_covariance : array_like
        (B, K) and (B, K, K) moments of the outputs.
    """

    def __init__(self, likelihood: Density, f: Array, covariance: Array | None) -> None:
        self.likelihood = likelihood
        self._given = None if covariance is not None else f
        if covariance is None:
            centred = np.moveaxis(f - f.mean(axis=0), 0, 2)
            covariance = centred @ np.swapaxes(centred, 1, 2) / len(f)
            f = f.mean(axis=0)
        self.output_mean, self.output_covariance = f, covariance

    def __repr__(self) -> str:
        B, K = self.output_mean.shape
        return f"OutputPredictive({self.likelihood!r}, data={B}, outputs={K})"

    def draws_of(self, rows: slice) -> Array:
        """Equally likely outputs (S, b, K) at some of the data."""
        if self._given is not None:
            return self._given[:, rows]
        half = np.random.default_rng(0).standard_normal((DRAWS // 2, self.output_mean.shape[1]))
        deviations = np.concatenate([half, -half]) @ root(self.output_covariance[rows])
        return self.output_mean[rows] + np.moveaxis(deviations, 1, 0)  # roots are symmetric

    @property
    def draws(self) -> Array:
        """(S, B, K) equally likely outputs, for all data at once."""
        return self.draws_of(slice(None))

    @property
    def output_std(self) -> Array:
        """(B, K) standard deviations of the outputs."""
        return np.sqrt(np.diagonal(self.output_covariance, axis1=1, axis2=2))

    def logpdf(self, Y: Any) -> Array:
        """Log (1/S) sum_s p(y_n | f_ns) of each row of Y (B, K), in nats, shape (B,)."""
        B, K = self.output_mean.shape
        Y = self.likelihood.check_targets(Y, B, K)
        return np.concatenate([self._logpdf(rows, Y[rows]) for rows in self._pieces()])

    def _logpdf(self, rows: slice, Y: Array) -> Array:
        draws = self.draws_of(rows)
        S, b, K = draws.shape
        repeated = np.broadcast_to(Y, (S, *Y.shape)).reshape(S * b, *Y.shape[1:])
        log_densities = self.likelihood.log_density(repeated, draws.reshape(S * b, K))
        return np.asarray(logsumexp(log_densities.reshape(S, b), axis=0) - np.log(S))

    def cdf(self, F: Any) -> Array:
        """Distribution function (B, K) of each of the network's outputs at F (B, K)."""
        B, K = self.output_mean.shape
        F = as_matrix(F, "F", rows=B, columns=K)
        if self._given is not None:
            return np.asarray((self._given <= F).mean(axis=0))
        deviation, std = F - self.output_mean, self.output_std
        certain = np.where(deviation < 0, -np.inf, np.inf)  # an output without variance
        return np.asarray(ndtr(np.divide(deviation, std, out=certain, where=std > 0)))

    def quantile(self, q: float) -> Array:
        """Quantile (B, K) of each of the network's outputs.

        Raises
        ------
        TypeError, ValueError
            If q is not a number between 0 and 1.
        """
        q = as_level(q, "q")
        if self._given is not None:
            equal = np.full(self._given.shape, 1.0 / len(self._given))
            return weighted_quantiles(np.sort(self._given, axis=0), equal, q)[0]
        return self.output_mean + float(ndtri(q)) * self.output_std

    def _pieces(self) -> Iterator[slice]:
        B, K = self.output_mean.shape
        S = DRAWS if self._given is None else len(self._given)
        return pieces(B, S * K, SMALL_PIECE)
