"""The exact cases, declared in one place, and how closely a result must match them.

`CASES` are single regressions: their posterior, evidence and predictive are known in closed form,
and `balinp.dense` computes them from the definition. `DEEP_CASES` are networks of several layers:
given its pseudo-targets each of their layers is a regression again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from balinp import MLP, Categorical, Gaussian, KroneckerGaussian, MatrixNormalLayer, dense
from balinp._types import Array
from balinp.likelihood import Likelihood
from balinp.pseudo_targets import Trace, trace

# How close is close enough ----------------------------------------------------------------------


def tolerance(condition: float = 1.0) -> float:
    """1e-10, or 100 eps times a condition number where that is more.

    Inverting a matrix magnifies rounding errors by its condition number, whichever method is
    used, so two correct methods may differ by a multiple of eps cond. In practice the multiple
    is about one; 100 leaves room for the sizes at hand.
    """
    allowed = max(1e-10, 100 * float(np.finfo(np.float64).eps) * condition)
    assert allowed < 1e-4, f"with a condition number of {condition:.3g} nothing could fail"
    return allowed


def condition(matrix: Array) -> float:
    """Condition number of a positive definite matrix, its rows and columns scaled to length 1.

    Units of inputs and outputs are no difficulty: what is inverted is accurate in every column.
    """
    scale = np.sqrt(np.diag(matrix))
    return float(np.linalg.cond(matrix / np.outer(scale, scale)))


def assert_close(actual: Any, expected: Any, condition: float = 1.0, rtol: float = 0.0) -> None:
    """Equal relative to the largest entry, so that entries near zero are not held to more.

    This is right when all entries have one unit. `rtol` is for references that are themselves
    approximate, such as finite differences; a test that gives it says why.
    """
    scale = np.abs(expected).max()
    atol = max(rtol, tolerance(condition)) * scale
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def assert_same_posterior(
    actual: KroneckerGaussian, expected: tuple[Array, Array], condition: float = 1.0
) -> None:
    """Equal means (D, K) and covariances (DK, DK), in units of posterior standard deviations.

    Weights of columns on different scales have different units, so the largest entry says
    nothing about the others; a mean that is wrong by far less than its own uncertainty is right.
    """
    mean, covariance = expected
    sd = np.sqrt(np.diag(covariance))
    atol = tolerance(condition)
    np.testing.assert_allclose((vec(actual.mean) - vec(mean)) / sd, 0, atol=atol)
    units = np.outer(sd, sd)
    np.testing.assert_allclose(actual.covariance() / units, covariance / units, rtol=0, atol=atol)


def worst_error(estimate: Array, expected: Array, standard_error: Array) -> float:
    """Largest deviation in units of its standard error: below 5 by chance, large by mistake."""
    return float((np.abs(estimate - expected) / standard_error).max())


def slope(f: Callable[[float], Any], h: float = 1e-3) -> Any:
    """f'(0) by central differences: truncation h^4 f^(5) / 30, rounding eps f / h."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


DIFFERENCE_RTOL = 1e-8
"""For `slope`: errors of order h^4 = 1e-12, times fifth derivatives and cancelling terms."""


def vec(W: Array) -> Array:
    """Columns one below the other, spelt out."""
    return np.concatenate([W[:, j] for j in range(W.shape[1])])


def random_covariance(rng: np.random.Generator, n: int) -> Array:
    """A well-conditioned covariance with no structure."""
    factor = rng.normal(size=(n, n))
    return factor @ factor.T / n + 0.3 * np.eye(n)


# One regression ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A regression; the defaults are an easy one, and each case changes what its name says.

    `noise` and `scales` are the first and the last of a geometric row: of noise variances over
    the outputs, and of the sizes of the input columns.
    """

    name: str
    N: int = 9
    n_in: int = 3
    K: int = 2
    bias: bool = True
    noise: tuple[float, float] = (0.5, 0.5)
    scales: tuple[float, float] = (1.0, 1.0)
    rank: int | None = None
    centred: bool = False

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("more data than columns"),
    Case("as many data as columns", N=4),
    Case("fewer data than columns", N=2),
    Case("one datum", N=1),
    Case("one column", n_in=1, bias=False),
    Case("one output", K=1),
    Case("one of each", N=1, n_in=1, K=1, bias=False),
    Case("many outputs", N=3, n_in=2, K=6),
    Case("no bias, prior mean zero", bias=False, centred=True),
    Case("linearly dependent columns", n_in=4, rank=2),
    Case("little noise", noise=(1e-4, 1e-4)),
    Case("much noise", noise=(1e2, 1e2)),
    Case("outputs of unequal noise", K=3, noise=(1e-4, 1e2)),
    Case("columns of unequal scale", scales=(1e-3, 1e3)),
    Case("all at once", N=6, n_in=5, K=3, rank=3, noise=(1e1, 1e-2), scales=(1e2, 1e-2)),
]


@dataclass(frozen=True)
class Regression:
    """Data, noise and prior of a case, and what `balinp.dense` says about them."""

    prior: str
    bias: bool
    inputs: Array
    X: Array
    T: Array
    V: Array
    M0: Array
    start: Array
    lam: float = 0.7

    @property
    def H(self) -> Array:
        """Output precision, exactly symmetric."""
        inverse = np.linalg.inv(self.V)
        return 0.5 * (inverse + inverse.T)

    def prior_covariance(self, lam: float | None = None, V: Array | None = None) -> Array:
        """Covariance of vec W: I / lam, or V kron I / lam."""
        D, K = self.M0.shape
        column = np.eye(K) if self.prior == "isotropic" else (self.V if V is None else V)
        return np.kron(column, np.eye(D) / (self.lam if lam is None else lam))

    def posterior(
        self,
        weights: Array | None = None,
        *,
        lam: float | None = None,
        M0: Array | None = None,
    ) -> tuple[Array, Array]:
        """Dense posterior mean and covariance, each datum with its weight."""
        mean = self.M0 if M0 is None else M0
        covariance = self.prior_covariance(lam)
        return dense.posterior(self.X, self.T, self.V, mean, covariance, weights=weights)

    def log_evidence(self, lam: float | None = None, V: Array | None = None) -> float:
        """Dense log evidence, of other hyper-parameters if they are given."""
        V = self.V if V is None else V
        return dense.log_evidence(self.X, self.T, V, self.M0, self.prior_covariance(lam, V))

    @property
    def precision(self) -> Array:
        """Posterior precision, dense."""
        return np.linalg.inv(self.prior_covariance()) + np.kron(self.H, self.X.T @ self.X)

    @property
    def condition(self) -> float:
        """Condition number of what is inverted: of each factor if the precision has factors."""
        if self.prior == "isotropic":
            return condition(self.precision)
        D = self.X.shape[1]
        return max(condition(self.V), condition(self.X.T @ self.X + self.lam * np.eye(D)))

    def layer(self, **changes: Any) -> MatrixNormalLayer:
        """A layer with this prior whose mean starts somewhere else."""
        options = {
            "prior": self.prior,
            "prior_precision": self.lam,
            "prior_mean": self.M0,
            "initial_mean": self.start,
            "bias": self.bias,
        }
        return MatrixNormalLayer(self.inputs.shape[1], len(self.V), **(options | changes))

    def observed(self, **changes: Any) -> MatrixNormalLayer:
        """The layer after all the data in one step."""
        layer = self.layer(**changes)
        layer.observe(self.inputs, self.T, self.H, n_data=len(self.inputs))
        return layer


def regression(case: Case, prior: str = "isotropic") -> Regression:
    """Draw a case's data from its model; the same case always gives the same data."""
    rng = np.random.default_rng(list(case.name.encode()))
    inputs = rng.normal(size=(case.N, case.n_in))
    if case.rank is not None:
        inputs = inputs[:, : case.rank] @ rng.normal(size=(case.rank, case.n_in))
    inputs = inputs * np.geomspace(*case.scales, case.n_in)
    X = np.hstack([inputs, np.ones((case.N, 1))]) if case.bias else inputs
    shape = (X.shape[1], case.K)
    sizes = np.sqrt(np.geomspace(*case.noise, case.K))
    V = random_covariance(rng, case.K) * np.outer(sizes, sizes)
    W, M0, start = rng.normal(size=(3, *shape))
    noise = rng.normal(size=(case.N, case.K)) @ np.linalg.cholesky(V).T
    if case.centred:
        M0 = np.zeros(shape)
    return Regression(prior, case.bias, inputs, X, X @ W + noise, V, M0, start)


every_case = pytest.mark.parametrize("case", CASES, ids=str)
both_priors = pytest.mark.parametrize("prior", ["isotropic", "conjugate"])


# Networks ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeepCase:
    """A network with its likelihood: Gaussian (with a full noise covariance) or categorical."""

    name: str
    widths: tuple[int, ...]
    activation: str = "tanh"
    bias: bool = True
    categorical: bool = False
    N: int = 6

    def __str__(self) -> str:
        return self.name


DEEP_CASES = [
    DeepCase("one Gaussian layer", (3, 2)),
    DeepCase("Gaussian, tanh", (3, 4, 2)),
    DeepCase("Gaussian, relu, three layers", (3, 5, 4, 2), "relu"),
    DeepCase("Gaussian, linear, no bias", (3, 4, 3, 2), "identity", bias=False),
    DeepCase("Gaussian, tanh, one output", (2, 3, 1)),
    DeepCase("one softmax layer", (3, 3), categorical=True),
    DeepCase("softmax, tanh", (3, 4, 3), categorical=True),
    DeepCase("softmax, relu, no bias", (3, 5, 3), "relu", bias=False, categorical=True),
]


@dataclass(frozen=True)
class Deep:
    """A network at random weights, with a batch."""

    network: MLP
    likelihood: Likelihood
    weights: list[Array]
    X: Array
    Y: Array

    def trace(self, **changes: Any) -> Trace:
        """What the batch says to each layer."""
        return trace(self.network, self.likelihood, self.weights, self.X, self.Y, **changes)

    def layers(self, prior: str = "isotropic", lam: float = 0.7) -> list[MatrixNormalLayer]:
        """One layer of each shape, its mean at the network's weights; prior means differ from 0."""
        rng = np.random.default_rng(3)
        return [
            MatrixNormalLayer(
                len(W) - self.network.bias,
                W.shape[1],
                prior=prior,
                prior_precision=lam,
                prior_mean=0.3 * rng.normal(size=W.shape),
                initial_mean=W,
                bias=self.network.bias,
            )
            for W in self.weights
        ]

    def jacobians(self) -> list[Array]:
        """Derivatives (N, K, P_l) of the outputs with respect to each vec(W_l), from `dense`."""
        network = SimpleNamespace(
            weights=self.weights, activation=self.network.activation, bias=self.network.bias
        )
        ends = np.cumsum([W.size for W in self.weights])[:-1]
        return np.split(dense.jacobian(network, self.X), ends, axis=2)

    def output_curvatures(self) -> Array:
        """Negative Hessians (N, K, K) of the log-likelihoods with respect to the outputs."""
        f = self.network.forward(self.weights, self.X).outputs[-1]
        if isinstance(self.likelihood, Gaussian):
            H = np.linalg.inv(self.likelihood.covariance(f.shape[1]))
            return np.tile(H, (len(f), 1, 1))
        p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
        return np.array([np.diag(row) - np.outer(row, row) for row in p])

    def log_likelihood(self, weights: Sequence[Array]) -> float:
        """Log-likelihood of the batch at any weights."""
        f = self.network.forward(weights, self.X).outputs[-1]
        return float(self.likelihood.log_density(self.Y, f).sum())


def deep(case: DeepCase, seed: int = 0) -> Deep:
    """Draw a network and a batch; no relu is near its kink, where derivatives do not exist."""
    network = MLP(case.widths, case.activation, bias=case.bias)
    for attempt in range(1000):
        rng = np.random.default_rng([*case.name.encode(), seed, attempt])
        weights = [rng.normal(size=shape) / np.sqrt(shape[0]) for shape in network.shapes]
        X = rng.normal(size=(case.N, case.widths[0]))
        hidden = network.forward(weights, X).outputs[:-1]
        nearest = min((np.abs(z).min() for z in hidden), default=np.inf)
        if case.activation != "relu" or nearest > 0.02:
            break
    else:
        raise AssertionError(f"{case.name}: every attempt came near a kink")
    K = case.widths[-1]
    if case.categorical:
        return Deep(network, Categorical(), weights, X, np.eye(K)[rng.integers(K, size=case.N)])
    return Deep(
        network, Gaussian(random_covariance(rng, K)), weights, X, rng.normal(size=(case.N, K))
    )


def parametrize_deep(select: Callable[[DeepCase], bool] = lambda case: True) -> Any:
    """Run a test over the networks that `select` keeps."""
    kept: Iterable[DeepCase] = filter(select, DEEP_CASES)
    return pytest.mark.parametrize("case", list(kept), ids=str)
