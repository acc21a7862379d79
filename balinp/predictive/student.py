"""Predictive distributions of regression with Student tails, and mixtures of such."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Any

import numpy as np
from scipy.special import logsumexp, stdtr, stdtrit

from balinp._types import Array
from balinp.predictive.gaussian import GaussianPredictive
from balinp.predictive.mixture import MixturePredictive, bisected, stacked
from balinp.predictive.student_t import student_log_cdf, student_log_density
from balinp.validation import as_count, as_level


class StudentPredictive(GaussianPredictive):
    """A Student t of nu degrees of freedom for each datum, with mean m and covariance E + V.

    A scale mixture of Gaussians: m plus N(0, E + V) times sqrt((nu - 2) / g), where g is a
    chi-square variable of nu degrees of freedom, the same for all outputs of a datum. The
    covariance is E + V as it is for the Gaussian of these moments, whose log density is
    `logpdf_gaussian`.

    Derivation: JP-4

    Parameters
    ----------
    mean : array
        (B, K) array m.
    epistemic : array
        (B, K, K) array E, the covariance that uncertain weights cause.
    noise_covariance : array
        (K, K) array V.
    freedom : float
        Number nu of degrees of freedom, above 2, so that there is a covariance.

    Attributes
    ----------
    freedom : float
        Degrees of freedom nu.

    Examples
    --------
    >>> p = StudentPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1), 5.0)
    >>> p.std
    array([[2.]])
    >>> p.interval(0.95)[1].round(2), p.interval(0.999)[1].round(2)  # Gaussian: 3.92 and 6.58
    (array([[3.98]]), array([[10.64]]))
    """

    def __init__(
        self, mean: Array, epistemic: Array, noise_covariance: Array, freedom: float
    ) -> None:
        super().__init__(mean, epistemic, noise_covariance)
        self.freedom = freedom

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, freedom={self.freedom:.3g})"

    def rescaled(self, mean: Array, std: Array) -> StudentPredictive:
        """The distribution of std y + mean, for (K,) arrays.

        Examples
        --------
        >>> p = StudentPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1), 5.0)
        >>> far = p.rescaled(np.array([10.0]), np.array([2.0]))
        >>> far.mean, far.std.round(3)
        (array([[10.]]), array([[4.]]))
        """
        squares = np.outer(std, std)
        return StudentPredictive(
            self.mean * std + mean,
            self.epistemic * squares,
            self.noise_covariance * squares,
            self.freedom,
        )

    @property
    def _scales(self) -> Array:
        """(B, K) factors of a Student t of scale 1, whose variance is nu / (nu - 2)."""
        return np.sqrt(1 - 2 / self.freedom) * self.std

    def cdf(self, Y: Any) -> Array:
        """Distribution function (B, K) of each output at Y (B, K), noise included.

        Examples
        --------
        >>> p = StudentPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1), 5.0)
        >>> p.cdf([[1.0]]).round(3)
        array([[0.726]])
        """
        return np.asarray(stdtr(self.freedom, (self._checked(Y) - self.mean) / self._scales))

    def logcdf(self, Y: Any) -> Array:
        """Logarithm of `cdf`, (B, K), which keeps its digits where that underflows.

        Examples
        --------
        >>> p = StudentPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1), 5.0)
        >>> p.logcdf([[-1e100]]).round(2)
        array([[-1146.85]])
        """
        return student_log_cdf((self._checked(Y) - self.mean) / self._scales, self.freedom)

    def quantile(self, q: float) -> Array:
        """Quantile (B, K) of each output; errors as for `GaussianPredictive`.

        Examples
        --------
        >>> p = StudentPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1), 5.0)
        >>> p.quantile(0.9).round(2)
        array([[2.29]])
        """
        return self.mean + float(stdtrit(self.freedom, as_level(q, "q"))) * self._scales

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper ends (B, K) of the central interval of each output, noise included.

        Examples
        --------
        >>> p = StudentPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1), 5.0)
        >>> low, high = p.interval(0.99)
        >>> high.round(2)
        array([[6.25]])
        """
        half = -float(stdtrit(self.freedom, 0.5 * (1.0 - as_level(level)))) * self._scales
        return self.mean - half, self.mean + half

    def logpdf_mixture(self, Y: Any) -> Array:
        """Log density of the Student t itself, a scale mixture of Gaussians; shape (B,).

        Examples
        --------
        >>> p = StudentPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1), 5.0)
        >>> p.logpdf_mixture([[0.0]]).round(3)
        array([-1.406])
        """
        C = np.linalg.cholesky(self.covariance)
        residuals = self._checked(Y) - self.mean
        white = np.linalg.solve(C, residuals[..., None])[..., 0]
        log_variances = 2 * np.log(np.diagonal(C, axis1=1, axis2=2))
        return student_log_density(white**2, log_variances, self.freedom)

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draws of Y, noise included: (B, K), or (size, B, K).

        Examples
        --------
        >>> p = StudentPredictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0), np.eye(1), 5.0)
        >>> p.sample(np.random.default_rng(0), size=100).shape
        (100, 1, 1)
        """
        count = as_count(1 if size is None else size, "size")
        B, K = self.mean.shape
        noise = rng.standard_normal((count, B, K))
        chi_squares = rng.chisquare(self.freedom, (count, B, 1))
        scaled = noise * np.sqrt((self.freedom - 2) / chi_squares)
        draws = self.mean + np.einsum("bij,sbj->sbi", np.linalg.cholesky(self.covariance), scaled)
        return draws[0] if size is None else draws


class StudentMixture(MixturePredictive):
    """Equal mixture of predictives, some of which have Student tails.

    Mean, epistemic and aleatoric covariance are the mixture's own, as for `MixturePredictive`.

    Derivation: PR-5, JP-4

    Parameters
    ----------
    members : sequence of GaussianPredictive
        Student or Gaussian predictives for the same data.

    Attributes
    ----------
    members : list of GaussianPredictive
        The predictives of which it is the mixture.

    Examples
    --------
    >>> E, V = np.zeros((1, 1, 1)), np.eye(1)
    >>> members = [StudentPredictive(np.full((1, 1), m), E, V, 5.0) for m in (-1.0, 1.0)]
    >>> p = StudentMixture(members)
    >>> p.mean, p.epistemic, p.aleatoric
    (array([[0.]]), array([[[1.]]]), array([[[1.]]]))
    >>> p.cdf([[0.0]]).round(12)
    array([[0.5]])
    """

    def __init__(self, members: Sequence[GaussianPredictive]) -> None:
        self.members = list(members)
        super().__init__(*stacked(self.members))

    @classmethod
    def of(cls, members: Sequence[GaussianPredictive]) -> StudentMixture:
        """The equal mixture of predictives for the same data."""
        return cls(members)

    @property
    def parts(self) -> list[GaussianPredictive]:
        """The predictives of which it is the equal mixture."""
        return self.members

    def rescaled(self, mean: Array, std: Array) -> StudentMixture:
        """The distribution of std y + mean, for (K,) arrays.

        Examples
        --------
        >>> E, V = np.zeros((1, 1, 1)), np.eye(1)
        >>> members = [StudentPredictive(np.full((1, 1), m), E, V, 5.0) for m in (-1.0, 1.0)]
        >>> p = StudentMixture(members)
        >>> far = p.rescaled(np.array([10.0]), np.array([2.0]))
        >>> far.mean, far.std.round(3)
        (array([[10.]]), array([[2.828]]))
        """
        return StudentMixture([member.rescaled(mean, std) for member in self.members])

    def cdf(self, Y: Any) -> Array:
        """Distribution function (B, K) of the mixture of each output at Y (B, K).

        Examples
        --------
        >>> E, V = np.zeros((1, 1, 1)), np.eye(1)
        >>> members = [StudentPredictive(np.full((1, 1), m), E, V, 5.0) for m in (-1.0, 1.0)]
        >>> p = StudentMixture(members)
        >>> p.cdf([[1.0]]).round(3)
        array([[0.738]])
        """
        return np.mean([member.cdf(Y) for member in self.members], axis=0)

    def logcdf(self, Y: Any) -> Array:
        """Logarithm of `cdf`, (B, K), which keeps its digits where that underflows.

        Examples
        --------
        >>> E, V = np.zeros((1, 1, 1)), np.eye(1)
        >>> members = [StudentPredictive(np.full((1, 1), m), E, V, 5.0) for m in (-1.0, 1.0)]
        >>> p = StudentMixture(members)
        >>> p.logcdf([[-1e100]]).round(2)
        array([[-1150.32]])
        """
        logs = np.stack([member.logcdf(Y) for member in self.members])
        return np.asarray(logsumexp(logs, axis=0) - np.log(len(self.members)))

    def _lower_end(self, tail: float) -> Array:
        """Where the mixture has the probability `tail` below: between its members' quantiles."""
        ends = np.stack([member.quantile(tail) for member in self.members])
        return bisected(self.cdf, tail, ends.min(axis=0), ends.max(axis=0))

    def logpdf_mixture(self, Y: Any) -> Array:
        """Log (1/S) sum_s p_s(y), shape (B,).

        Examples
        --------
        >>> E, V = np.zeros((1, 1, 1)), np.eye(1)
        >>> members = [StudentPredictive(np.full((1, 1), m), E, V, 5.0) for m in (-1.0, 1.0)]
        >>> p = StudentMixture(members)
        >>> p.logpdf_mixture([[0.0]]).round(3)
        array([-1.576])
        """
        densities = np.stack([member.logpdf(Y) for member in self.members])
        return np.asarray(logsumexp(densities, axis=0) - np.log(len(self.members)))

    def sample(self, rng: np.random.Generator, size: int | None = None) -> Array:
        """Draws of Y, noise included: (B, K), or (size, B, K); each from a member of its own.

        Examples
        --------
        >>> E, V = np.zeros((1, 1, 1)), np.eye(1)
        >>> members = [StudentPredictive(np.full((1, 1), m), E, V, 5.0) for m in (-1.0, 1.0)]
        >>> p = StudentMixture(members)
        >>> p.sample(np.random.default_rng(0), size=100).shape
        (100, 1, 1)
        """
        count = as_count(1 if size is None else size, "size")
        draws = np.stack([member.sample(rng, count) for member in self.members])
        chosen = rng.integers(len(draws), size=draws.shape[1:3])
        chosen_draws = np.take_along_axis(draws, chosen[None, :, :, None], axis=0)[0]
        return chosen_draws[0] if size is None else chosen_draws


def equal_mixture(members: Sequence[GaussianPredictive]) -> GaussianPredictive:
    """The equal mixture of predictives for the same data; a single one is itself.

    Mixtures among them are taken apart, such that every part has the weight that it would have.

    Derivation: PR-5
    """
    if len(members) == 1:
        return members[0]
    parts = [m.parts if isinstance(m, MixturePredictive) else [m] for m in members]
    most = lcm(*map(len, parts))
    same = [part for found in parts for part in found for _ in range(most // len(found))]
    if any(isinstance(part, StudentPredictive) for part in same):
        return StudentMixture(same)
    return MixturePredictive.of(same)
