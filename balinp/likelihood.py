"""Likelihoods of one datum given the network's outputs f: density, gradient, curvature root.

A likelihood is anything with the methods of `Likelihood`; a class derived from it inherits the last
four. Sums over data are left to the caller, so nothing here is divided by a number of data.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

import numpy as np
from scipy.linalg.lapack import dtrtri
from scipy.special import expit, log_expit

from balinp._types import Array
from balinp.predictive import (
    BernoulliPredictive,
    CategoricalPredictive,
    GaussianPredictive,
    MixturePredictive,
    OutputPredictive,
)
from balinp.softmax import Softmax, contrasts, orthonormal_contrasts
from balinp.validation import (
    LARGEST,
    as_array,
    as_choice,
    as_covariance,
    as_matrix,
    as_one_hot,
)


class DatumLikelihood(Protocol):
    """What a training step asks about each datum, at outputs f (B, K).

    Derivation: BP-4
    """

    @abstractmethod
    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p(y_n | f_n), shape (B,), normalised, in nats."""

    @abstractmethod
    def gradient(self, Y: Array, f: Array) -> Array:
        """Gradient of log p(y_n | f_n) with respect to f_n, shape (B, K)."""

    @abstractmethod
    def curvature_rows(self, f: Array) -> Array:
        """Rows of S_n^T (B, C, K), with S_n S_n^T = -d^2 log p / df^2 or its expectation."""

    def known_precision(self, K: int) -> Array | None:
        """Output precision (K, K) if it is the same for all f and exact, else None."""
        return None


class Likelihood(DatumLikelihood, Protocol):
    """What the training path and the prediction need of a likelihood.

    The network has as many outputs as the targets that `check_targets` returns have columns. The
    curvature must be positive semi-definite. A class of one's own that is derived from this one
    needs the first four methods; the others then say that all outputs matter, and that nothing is
    known of the curvature but what it is where it is asked for.

    Derivation: BP-4, FP-2

    Examples
    --------
    Counts, with the logarithm of their rate as the output:

    >>> from scipy.special import gammaln
    >>> class Poisson(Likelihood):
    ...     def check_targets(self, Y, rows, columns=None):
    ...         return as_matrix(Y, "Y", rows=rows, columns=columns)
    ...     def log_density(self, Y, f):
    ...         return (Y * f - np.exp(f) - gammaln(Y + 1)).sum(axis=1)
    ...     def gradient(self, Y, f):
    ...         return Y - np.exp(f)
    ...     def curvature_rows(self, f):
    ...         return np.exp(f / 2)[:, :, None] * np.eye(f.shape[1])
    >>> from balinp import BALI
    >>> X = np.linspace(-1, 1, 100)[:, None]
    >>> Y = np.random.default_rng(0).poisson(np.exp(2 * X))
    >>> model = BALI((), Poisson()).fit(X, Y, epochs=20)
    >>> predictive = model.predict([[0.0]])
    >>> bool(abs(predictive.output_mean[0, 0]) < 3 * predictive.output_std[0, 0])
    True
    >>> predictive.logpdf([[1.0]]).round(1)
    array([-1.])
    """

    @abstractmethod
    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) validated, or raise naming what is wrong."""

    def largest_curvature_rows(self, K: int) -> Array | None:
        """Rows (C, K) of an S^T whose S S^T bounds the curvature at any K outputs whatever.

        None, where there is no such bound: steps are then measured by the local curvature.
        """
        return None

    def combinations(self, K: int) -> Array:
        """Orthonormal rows (C, K): the combinations of the outputs that the density depends on."""
        return np.eye(K)

    def predictive(self, f: Array, covariance: Array | None = None) -> Any:
        """What `BALI.predict` returns for uncertain outputs.

        Parameters
        ----------
        f : array
            (B, K) means of Gaussian outputs; without a covariance (m, B, K) draws of outputs.
        covariance : array, optional
            (B, K, K) array; what the density does not depend on is left out of it.
        """
        return OutputPredictive(self, f, covariance)


class Gaussian(Likelihood):
    """y ~ N(f, V) with a known or a learnt noise covariance.

    Derivation: BP-4

    Parameters
    ----------
    noise_variance : float or array_like, optional
        A scalar (the same for each output), (K,) variances, a (K, K) covariance, or None. With None
        the covariance is learnt by `BALI`, and starts from the data.

    Attributes
    ----------
    noise_variance : array or None
        The noise as given or learnt: a number, (K,) or (K, K); None before it is learnt.

    Raises
    ------
    TypeError, ValueError
        If the noise is not numeric, not positive, or not a positive definite covariance.

    Examples
    --------
    >>> noise = Gaussian([1.0, 4.0])
    >>> noise.gradient(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    array([[1. , 0.5]])
    """

    def __init__(self, noise_variance: Any = None) -> None:
        self.noise_variance = None if noise_variance is None else _noise(noise_variance)
        self._roots: dict[int, tuple[Array, float]] = {}
        self._precisions: dict[int, Array] = {}

    def __repr__(self) -> str:
        shown = None if self.noise_variance is None else self.noise_variance.tolist()
        return f"Gaussian(noise_variance={shown})"

    def covariance(self, K: int) -> Array:
        """Noise covariance V as a (K, K) matrix.

        Raises
        ------
        ValueError
            If the noise is still to be learnt, or was given for another number of outputs.

        Examples
        --------
        >>> Gaussian([1.0, 4.0]).covariance(2)
        array([[1., 0.],
               [0., 4.]])
        """
        noise = self.noise_variance
        if noise is None:
            raise ValueError("noise_variance: expected a value, got None (not learnt yet)")
        if noise.ndim and len(noise) != K:
            raise ValueError(f"noise_variance: expected size {K}, got shape {noise.shape}")
        if noise.ndim == 2:
            return noise
        return np.diag(np.broadcast_to(noise, K))

    def _inverse_root(self, K: int) -> tuple[Array, float]:
        """C^{-1} with V = C C^T, lower triangular, and log det V; worked out once for each K."""
        if K not in self._roots:
            C = np.linalg.cholesky(self.covariance(K))
            inverse, _ = dtrtri(C, lower=1)
            self._roots[K] = inverse, 2 * float(np.log(np.diag(C)).sum())
        return self._roots[K]

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) as a finite matrix that fits the noise.

        Examples
        --------
        >>> Gaussian(1.0).check_targets([[1], [2]], rows=2)
        array([[1.],
               [2.]])
        """
        Y = as_matrix(Y, "Y", rows=rows, columns=columns, largest=LARGEST)
        if self.noise_variance is not None:
            self.covariance(Y.shape[1])
        return Y

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log N(y_n; f_n, V), shape (B,).

        Examples
        --------
        >>> Gaussian(1.0).log_density(np.zeros((1, 1)), np.zeros((1, 1))).round(3)
        array([-0.919])
        """
        inverse_root, log_det = self._inverse_root(Y.shape[1])
        white = (Y - f) @ inverse_root.T
        return -0.5 * ((white**2).sum(axis=1) + log_det + Y.shape[1] * np.log(2 * np.pi))

    def gradient(self, Y: Array, f: Array) -> Array:
        """V^{-1} (y_n - f_n), shape (B, K).

        Examples
        --------
        >>> Gaussian(4.0).gradient(np.array([[1.0]]), np.array([[0.0]]))
        array([[0.25]])
        """
        return (Y - f) @ self.known_precision(Y.shape[1])

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S^T = C^{-1}, with V = C C^T, the same for each datum: (B, K, K).

        Examples
        --------
        >>> Gaussian(4.0).curvature_rows(np.zeros((1, 1)))
        array([[[0.5]]])
        """
        B, K = f.shape
        return np.broadcast_to(self._inverse_root(K)[0], (B, K, K))

    def largest_curvature_rows(self, K: int) -> Array:
        """The curvature is the same everywhere, C^{-1} the rows of its root."""
        return self._inverse_root(K)[0]

    def known_precision(self, K: int) -> Array:
        """V^{-1}, exactly symmetric; worked out once for each K.

        Examples
        --------
        >>> Gaussian([1.0, 4.0]).known_precision(2)
        array([[1.  , 0.  ],
               [0.  , 0.25]])
        """
        if K not in self._precisions:
            inverse_root, _ = self._inverse_root(K)
            self._precisions[K] = inverse_root.T @ inverse_root
        return self._precisions[K]

    def predictive(self, f: Array, covariance: Array | None = None) -> GaussianPredictive:
        """A Gaussian for Gaussian outputs, an equal mixture for draws; noise apart.

        Examples
        --------
        >>> Gaussian(1.0).predictive(np.zeros((1, 1)), np.full((1, 1, 1), 3.0)).std
        array([[2.]])
        """
        V = self.covariance(f.shape[-1])
        if covariance is None:
            return MixturePredictive(f, V)
        return GaussianPredictive(f, covariance, V)


class Categorical(Likelihood):
    """One-hot y with class probabilities softmax(f).

    Derivation: BP-4

    Examples
    --------
    >>> Categorical().gradient(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
    array([[ 0.5, -0.5]])
    """

    def __repr__(self) -> str:
        return "Categorical()"

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) as a one-hot matrix.

        Examples
        --------
        >>> Categorical().check_targets([[0, 1], [1, 0]], rows=2)
        array([[0., 1.],
               [1., 0.]])
        """
        return as_one_hot(Y, "Y", rows=rows, columns=columns)

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p of the true class, shape (B,).

        Examples
        --------
        >>> np.exp(Categorical().log_density(np.eye(2), np.zeros((2, 2))))
        array([0.5, 0.5])
        """
        return Softmax(f).log_density(Y)

    def gradient(self, Y: Array, f: Array) -> Array:
        """y_n - p_n, shape (B, K).

        Examples
        --------
        >>> Categorical().gradient(np.array([[0.0, 1.0]]), np.zeros((1, 2)))
        array([[-0.5,  0.5]])
        """
        return Y - Softmax(f).probabilities

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S^T for S = diag(sqrt p) - p sqrt(p)^T, so that S S^T = diag(p) - p p^T.

        Row c is sqrt(p_c) (e_c - p). Shape (B, K, K).

        Examples
        --------
        >>> rows = Categorical().curvature_rows(np.zeros((1, 2)))
        >>> (np.swapaxes(rows, 1, 2) @ rows).round(3)
        array([[[ 0.25, -0.25],
                [-0.25,  0.25]]])
        """
        p = Softmax(f).probabilities
        return np.sqrt(p)[:, :, None] * (np.eye(f.shape[1]) - p[:, None, :])

    def largest_curvature_rows(self, K: int) -> Array:
        """(I - 1 1^T / K) / sqrt 2: no eigenvalue of diag(p) - p p^T exceeds 1/2.

        Where the softmax is saturated the local curvature vanishes and says nothing about how
        far its quadratic can be believed; this bound does.
        """
        return contrasts(K) / np.sqrt(2.0)

    def combinations(self, K: int) -> Array:
        """Differences of logits: a shift that is common to all changes no probability."""
        return orthonormal_contrasts(K)

    def predictive(self, f: Array, covariance: Array | None = None) -> CategoricalPredictive:
        """Class probabilities under uncertain logits.

        Examples
        --------
        >>> Categorical().predictive(np.zeros((1, 2)), np.eye(2)[None]).probabilities.round(6)
        array([[0.5, 0.5]])
        """
        if covariance is None:
            return CategoricalPredictive.from_samples(f)
        return CategoricalPredictive.from_gaussian(f, covariance)


class Bernoulli(Likelihood):
    """Answers y_k, each 0 or 1, with probabilities sigmoid(f_k): several labels of one datum.

    Given the outputs the answers are independent. What they have in common is in the network, and
    in what is uncertain of its weights.

    Derivation: BP-4

    Examples
    --------
    >>> Bernoulli().gradient(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
    array([[ 0.5, -0.5]])
    """

    def __repr__(self) -> str:
        return "Bernoulli()"

    def check_targets(self, Y: Any, rows: int, columns: int | None = None) -> Array:
        """Return Y (B, K) as a matrix of zeros and ones."""
        Y = as_matrix(Y, "Y", rows=rows, columns=columns)
        wrong = Y[(Y != 0) & (Y != 1)]
        if wrong.size:
            raise ValueError(f"Y: expected zeros and ones, got {wrong[0]:.6g}")
        return Y

    def log_density(self, Y: Array, f: Array) -> Array:
        """Log p of all answers, shape (B,)."""
        return log_expit(np.where(Y == 1, f, -f)).sum(axis=1)

    def gradient(self, Y: Array, f: Array) -> Array:
        """y_n - p_n, shape (B, K)."""
        return Y - expit(f)

    def curvature_rows(self, f: Array) -> Array:
        """Rows of S^T = diag(sqrt(p (1 - p))), shape (B, K, K)."""
        return np.sqrt(expit(f) * expit(-f))[:, :, None] * np.eye(f.shape[1])

    def largest_curvature_rows(self, K: int) -> Array:
        """I / 2: no p (1 - p) exceeds 1/4."""
        return np.eye(K) / 2

    def predictive(self, f: Array, covariance: Array | None = None) -> BernoulliPredictive:
        """Probabilities of the answers under uncertain logits."""
        return BernoulliPredictive(self, f, covariance)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "gaussian": Gaussian,
    "categorical": Categorical,
    "bernoulli": Bernoulli,
}
"""What a name stands for."""


def as_likelihood(likelihood: str | Likelihood, noise_variance: Any) -> Likelihood:
    """The likelihood that a name, or an object with the methods of `Likelihood`, stands for."""
    if isinstance(likelihood, str):
        as_choice(likelihood, "likelihood", tuple(LIKELIHOODS))
        if likelihood == "gaussian":
            return Gaussian(noise_variance)
    if noise_variance is not None:
        raise ValueError("noise_variance: expected None unless likelihood is 'gaussian'")
    if isinstance(likelihood, str):
        return LIKELIHOODS[likelihood]()
    methods = {**vars(DatumLikelihood), **vars(Likelihood)}
    needed = [name for name in methods if not name.startswith("_")]
    missing = [name for name in needed if not callable(getattr(likelihood, name, None))]
    if missing:
        raise TypeError(
            f"likelihood: expected one of {', '.join(LIKELIHOODS)}, or an object with the methods "
            f"of Likelihood, got {likelihood!r} without {', '.join(missing)}"
        )
    return likelihood


def _noise(noise_variance: Any) -> Array:
    """The noise as a private float64 copy: scalar (), per output (K,), or covariance (K, K)."""
    noise = as_array(noise_variance, "noise_variance").copy()
    if noise.ndim > 2:
        raise ValueError(
            f"noise_variance: expected a number, (K,) or (K, K), got shape {noise.shape}"
        )
    if noise.ndim == 2:
        return as_covariance(noise, "noise_variance")
    if noise.size == 0 or not (noise > 0).all():
        raise ValueError(f"noise_variance: expected values above 0, got {noise_variance!r}")
    return noise
