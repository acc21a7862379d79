"""The dense reference against more elementary truths: quadrature, conditioning, differences."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from cases import random_covariance, vec
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from balinp import dense
from balinp.dense import Array

Numbers = npt.NDArray[Any] | float
RTOL = 1e-10
SHAPES = [(7, 3, 2), (3, 3, 2), (2, 4, 3), (1, 3, 2), (5, 1, 3), (5, 3, 1), (1, 1, 1)]  # N, D, K


def close(actual: Numbers, expected: Numbers, rtol: float = RTOL) -> None:
    """Equal relative to the largest entry, so that entries near zero are not held to more."""
    scale = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * scale)


def random_regression(
    shape: tuple[int, int, int], seed: int = 0
) -> tuple[Array, Array, Array, Array, Array]:
    """X, T, noise covariance, prior mean and a prior covariance with no structure at all."""
    N, D, K = shape
    rng = np.random.default_rng(seed)
    X, T, M0 = rng.normal(size=(N, D)), rng.normal(size=(N, K)), rng.normal(size=(D, K))
    return X, T, random_covariance(rng, K), M0, random_covariance(rng, D * K)


# One regression ---------------------------------------------------------------------------------


@pytest.mark.equation("LR-1", "LR-4", "LR-5")
@pytest.mark.parametrize("noise_variance", [0.04, 1.0, 25.0])
def test_one_weight_against_quadrature(noise_variance: float) -> None:
    x, t = np.array([0.7, -1.2, 0.4]), np.array([0.9, -2.0, 1.1])
    prior_mean, prior_variance, x_new = 0.3, 1.7, 1.5

    def integral(f: Callable[[float], float]) -> float:
        """Integral of f(w) p(t | w) p(w) over w."""

        def integrand(w: float) -> float:
            likelihood = norm.pdf(t, loc=w * x, scale=np.sqrt(noise_variance)).prod()
            return f(w) * likelihood * norm.pdf(w, prior_mean, np.sqrt(prior_variance))

        return quad(integrand, -15, 15, points=[0.5, 1.0, 1.5, 2.0], epsabs=0, epsrel=1e-12)[0]

    evidence = integral(lambda w: 1.0)
    mean = integral(lambda w: w) / evidence
    variance = integral(lambda w: (w - mean) ** 2) / evidence
    V, M0, C0 = (np.array([[v]]) for v in (noise_variance, prior_mean, prior_variance))
    data = (x[:, None], t[:, None], V, M0, C0)
    got_mean, got_variance = dense.posterior(*data)
    close(got_mean.item(), mean)
    close(got_variance.item(), variance)
    close(np.exp(dense.log_evidence(*data)), evidence)
    # The predictive density at one target, by integrating the likelihood over the posterior.
    target = 2.2
    density = integral(lambda w: norm.pdf(target, w * x_new, np.sqrt(noise_variance))) / evidence
    m, v = dense.predictive(np.array([[x_new]]), got_mean, got_variance, V)
    close(norm.pdf(target, m.item(), np.sqrt(v.item())), density)


def joint_gaussian(X: Array, V: Array, M0: Array, C0: Array) -> tuple[Array, Array]:
    """Mean and covariance of (vec W, t_1, ..., t_N), entry by entry from t_nk = sum_d x_nd W_dk."""
    (N, D), K = X.shape, len(V)
    A = np.zeros((N * K, D * K))
    for n, k, d in np.ndindex(N, K, D):
        A[n * K + k, k * D + d] = X[n, d]
    noise = np.zeros((N * K, N * K))
    for n in range(N):
        noise[n * K : (n + 1) * K, n * K : (n + 1) * K] = V
    m0 = vec(M0)
    covariance = np.block([[C0, C0 @ A.T], [A @ C0, A @ C0 @ A.T + noise]])
    return np.concatenate([m0, A @ m0]), covariance


@pytest.mark.equation("LR-1", "LR-2", "LR-4")
@pytest.mark.parametrize("shape", SHAPES)
def test_posterior_and_evidence_are_the_joint_gaussian(shape: tuple[int, int, int]) -> None:
    X, T, V, M0, C0 = random_regression(shape)
    m, S = joint_gaussian(X, V, M0, C0)
    P = M0.size
    t = T.ravel()
    gain = np.linalg.solve(S[P:, P:], S[P:, :P]).T
    mean, covariance = dense.posterior(X, T, V, M0, C0)
    close(vec(mean), m[:P] + gain @ (t - m[P:]))
    close(covariance, S[:P, :P] - gain @ S[P:, :P])
    close(dense.log_evidence(X, T, V, M0, C0), multivariate_normal.logpdf(t, m[P:], S[P:, P:]))


@pytest.mark.equation("LR-1", "LR-2")
@pytest.mark.parametrize("scales", [[1e-3, 1.0, 1e3], [1e3, 1e-3, 1.0]])
@pytest.mark.parametrize("noise", [1e-4, 1e2])
def test_scaling_a_column_scales_its_weights(scales: list[float], noise: float) -> None:
    X, T, V, M0, C0 = random_regression((8, 3, 2))
    c = np.array(scales)
    c_vec = np.tile(c, 2)
    mean, covariance = dense.posterior(X, T, noise * V, M0, C0)
    scaled = dense.posterior(X * c, T, noise * V, M0 / c[:, None], C0 / np.outer(c_vec, c_vec))
    # Each weight by itself, in units of its posterior standard deviation.
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((vec(scaled[0]) * c_vec - vec(mean)) / sd, 0, atol=RTOL)
    close(scaled[1] * np.outer(c_vec / sd, c_vec / sd), covariance / np.outer(sd, sd))


@pytest.mark.equation("LR-2")
def test_conjugate_prior_gives_a_kronecker_covariance() -> None:
    X, T, V, M0, _ = random_regression((6, 3, 2))
    lam = 0.7
    C0 = np.block([[v * np.eye(3) / lam for v in row] for row in V])
    mean, covariance = dense.posterior(X, T, V, M0, C0)
    U = np.linalg.inv(X.T @ X + lam * np.eye(3))
    close(covariance, np.kron(V, U))
    close(mean, U @ (X.T @ T + lam * M0))  # ridge regression towards M0, whatever the noise


@pytest.mark.equation("LR-1")
def test_isotropic_prior_mean_is_where_the_log_joint_is_stationary() -> None:
    X, T, V, M0, _ = random_regression((6, 3, 2))
    lam = 0.7
    mean, _ = dense.posterior(X, T, V, M0, np.eye(6) / lam)
    pull = X.T @ (T - X @ mean) @ np.linalg.inv(V)
    close(pull, lam * (mean - M0))


@pytest.mark.equation("LR-1", "LR-2")
def test_two_halves_in_sequence_are_the_whole() -> None:
    X, T, V, M0, C0 = random_regression((7, 3, 2))
    first = dense.posterior(X[:3], T[:3], V, M0, C0)
    for both, whole in zip(
        dense.posterior(X[3:], T[3:], V, *first), dense.posterior(X, T, V, M0, C0), strict=True
    ):
        close(both, whole)


@pytest.mark.equation("LR-1", "LR-4")
def test_no_data_leaves_the_prior() -> None:
    X, T, V, M0, C0 = random_regression((0, 3, 2))
    mean, covariance = dense.posterior(X, T, V, M0, C0)
    close(mean, M0)
    close(covariance, C0)
    assert dense.log_evidence(X, T, V, M0, C0) == 0.0


@pytest.mark.equation("LR-4", "LR-5")
@pytest.mark.parametrize("shape", SHAPES)
def test_evidence_is_the_product_of_one_step_predictives(shape: tuple[int, int, int]) -> None:
    X, T, V, M0, C0 = random_regression(shape)
    mean, covariance, total = M0, C0, 0.0
    for n in range(len(X)):
        m, S = dense.predictive(X[n : n + 1], mean, covariance, V)
        total += multivariate_normal.logpdf(T[n], m[0], S[0])
        mean, covariance = dense.posterior(X[n : n + 1], T[n : n + 1], V, mean, covariance)
    close(dense.log_evidence(X, T, V, M0, C0), total)


@pytest.mark.equation("LR-5")
def test_predictive_of_several_inputs_is_that_of_each() -> None:
    X, _, V, M0, C0 = random_regression((4, 3, 2))
    mean, covariance = dense.predictive(X, M0, C0, V)
    assert mean.shape == (4, 2)
    assert covariance.shape == (4, 2, 2)
    for n in range(4):
        for k in range(2):
            close(mean[n, k], X[n] @ M0[:, k])
            for j in range(2):  # cov(t_k, t_j) = V_kj + x^T cov(W_k, W_j) x
                block = C0[3 * k : 3 * k + 3, 3 * j : 3 * j + 3]
                close(covariance[n, k, j], V[k, j] + X[n] @ block @ X[n])


@pytest.mark.equation("NP-4")
def test_integer_weights_are_repeated_rows() -> None:
    X, T, V, M0, C0 = random_regression((4, 3, 2))
    counts = np.array([2, 1, 0, 3])
    weighted = dense.posterior(X, T, V, M0, C0, weights=counts)
    repeated = dense.posterior(
        np.repeat(X, counts, axis=0), np.repeat(T, counts, axis=0), V, M0, C0
    )
    for a, b in zip(weighted, repeated, strict=True):
        close(a, b)


@pytest.mark.equation("NP-4")
def test_a_fractional_weight_divides_the_noise_covariance() -> None:
    X, T, V, M0, C0 = random_regression((4, 3, 2))
    w = np.array([0.5, 0.9, 0.05, 2.5])
    mean, covariance = M0, C0
    for n in range(4):
        row = slice(n, n + 1)
        mean, covariance = dense.posterior(X[row], T[row], V / w[n], mean, covariance)
    weighted = dense.posterior(X, T, V, M0, C0, weights=w)
    close(weighted[0], mean)
    close(weighted[1], covariance)


# A whole network --------------------------------------------------------------------------------


def random_network(
    widths: list[int], activation: str, bias: bool, seed: int = 0
) -> SimpleNamespace:
    """A network with Gaussian outputs of correlated noise and an unstructured prior per layer."""
    rng = np.random.default_rng(seed)
    shapes = [(a + bias, b) for a, b in itertools.pairwise(widths)]
    V = random_covariance(rng, widths[-1])
    return SimpleNamespace(
        weights=[rng.normal(size=s) for s in shapes],
        activation=activation,
        bias=bias,
        noise_covariance=V,
        prior_precisions=[random_covariance(rng, a * b) for a, b in shapes],
        output_curvature=lambda f: np.tile(np.linalg.inv(V), (len(f), 1, 1)),
    )


def outputs_of(network: SimpleNamespace, parameters: Array, X: Array) -> Array:
    """Outputs at any weights, all data at once."""
    phi: dict[str, Callable[[Array], Array]] = {
        "relu": lambda z: z * (z > 0),
        "tanh": np.tanh,
        "identity": lambda z: z,
    }
    Z, start = X, 0
    for layer, W in enumerate(network.weights):
        W = parameters[start : start + W.size].reshape(W.shape, order="F")
        start += W.size
        A = Z if layer == 0 else phi[network.activation](Z)
        Z = A @ W[:-1] + W[-1] if network.bias else A @ W
    return Z


def differences(f: Callable[[Array], Array], at: Array) -> Array:
    """Central differences of order h^4; the derivative's index comes last."""
    h, columns = 1e-3, []
    for e in h * np.eye(len(at)):
        near, far = f(at + e) - f(at - e), f(at + 2 * e) - f(at - 2 * e)
        columns.append((8 * near - far) / (12 * h))
    return np.stack(columns, axis=-1)


@pytest.mark.equation("PR-1")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("hidden", [[], [4], [4, 3], [2, 5, 3]])
def test_jacobian_against_differences(hidden: list[int], activation: str, bias: bool) -> None:
    network = random_network([3, *hidden, 2], activation, bias)
    X = np.random.default_rng(1).normal(size=(4, 3))
    parameters = np.concatenate([vec(W) for W in network.weights])
    expected = differences(lambda p: outputs_of(network, p, X), parameters)
    got = dense.jacobian(network, X)
    assert got.shape == (4, 2, len(parameters))
    # Truncation h^4 = 1e-12 times fifth derivatives, rounding 1e-16 / h: about 1e-10 for tanh.
    close(got, expected, rtol=1e-8)


def test_the_jacobian_of_no_data_is_empty() -> None:
    network = random_network([3, 4, 2], "tanh", True)
    assert dense.jacobian(network, np.zeros((0, 3))).shape == (0, 2, 4 * 4 + 5 * 2)


@pytest.mark.equation("LR-1", "PR-1")
@pytest.mark.parametrize("bias", [True, False])
def test_ggn_of_one_gaussian_layer_is_the_regression(bias: bool) -> None:
    network = random_network([3, 2], "relu", bias)
    rng = np.random.default_rng(1)
    X, T, M0 = rng.normal(size=(6, 3)), rng.normal(size=(6, 2)), rng.normal(size=(3 + bias, 2))
    V, C0 = network.noise_covariance, np.linalg.inv(network.prior_precisions[0])
    columns = np.hstack([X, np.ones((6, 1))]) if bias else X
    mean, covariance = dense.posterior(columns, T, V, M0, C0)
    network.weights = [mean]
    fit = dense.ggn_posterior(network, X)
    close(fit.mean, vec(mean))
    close(fit.covariance, covariance)
    close(fit.jacobian, dense.jacobian(network, X))
    close(fit.epistemic(X) + V, dense.predictive(columns, mean, covariance, V)[1])


@pytest.mark.equation("PR-1")
def test_ggn_of_a_deep_network_is_the_hessian_of_its_linearised_log_joint() -> None:
    network = random_network([2, 3, 3, 2], "tanh", True)
    X = np.random.default_rng(1).normal(size=(5, 2))
    fit = dense.ggn_posterior(network, X)
    J = differences(lambda p: outputs_of(network, p, X), fit.mean)
    H = np.linalg.inv(network.noise_covariance)
    precision = np.einsum("nkp,kj,njq->pq", J, H, J)
    start = 0
    for Lam in network.prior_precisions:
        stop = start + len(Lam)
        precision[start:stop, start:stop] += Lam
        start = stop
    # The tolerance is that of the differences in J.
    close(np.linalg.inv(fit.covariance), precision, rtol=1e-8)
    X_new = np.random.default_rng(2).normal(size=(3, 2))
    J_new = differences(lambda p: outputs_of(network, p, X_new), fit.mean)
    epistemic = np.einsum("nkp,pq,njq->nkj", J_new, np.linalg.inv(precision), J_new)
    close(fit.epistemic(X_new), epistemic, rtol=1e-7)


@pytest.mark.equation("PR-1")
def test_ggn_curvature_of_a_softmax_network_is_asked_for_at_its_outputs() -> None:
    def log_partition(f: Array) -> Array:
        return np.log(np.exp(f).sum(axis=-1))

    def curvature(f: Array) -> Array:
        """Hessian of the log-partition function: diag(p) - p p^T."""
        p = np.exp(f - log_partition(f)[:, None])
        return p[:, :, None] * np.eye(f.shape[1]) - p[:, :, None] * p[:, None, :]

    network = random_network([2, 3], "tanh", True)
    network.output_curvature = curvature
    X = np.random.default_rng(1).normal(size=(5, 2))
    fit = dense.ggn_posterior(network, X)

    # One layer is linear in its weights, so the Gauss-Newton precision is the Hessian itself.
    def gradient(p: Array) -> Array:
        return differences(lambda q: log_partition(outputs_of(network, q, X)).sum(), p)

    hessian = differences(gradient, fit.mean) + network.prior_precisions[0]
    close(np.linalg.inv(fit.covariance), hessian, rtol=1e-7)  # differences of differences


@pytest.mark.equation("PR-1")
def test_n_data_scales_the_likelihood_and_not_the_prior() -> None:
    network = random_network([2, 3, 2], "tanh", True)
    X = np.random.default_rng(1).normal(size=(4, 2))
    scaled = dense.ggn_posterior(network, X, n_data=12)
    repeated = dense.ggn_posterior(network, np.tile(X, (3, 1)))
    close(scaled.covariance, repeated.covariance)


@pytest.mark.equation("PR-1")
def test_layers_are_correlated_in_the_joint_posterior() -> None:
    network = random_network([2, 3, 2], "tanh", True)
    covariance = dense.ggn_posterior(network, np.ones((4, 2))).covariance
    assert np.abs(covariance[:9, 9:]).max() > 1e-3


# Boundaries -------------------------------------------------------------------------------------


def test_inputs_are_not_modified() -> None:
    data = random_regression((4, 3, 2))
    network = random_network([3, 4, 2], "relu", False)
    weights = np.ones(4)
    everything = [*data, weights, *network.weights, *network.prior_precisions]
    before = [a.copy() for a in everything]
    mean, covariance = dense.posterior(*data, weights=weights)
    dense.log_evidence(*data)
    dense.predictive(data[0], mean, covariance, data[2])
    dense.ggn_posterior(network, data[0]).epistemic(data[0])
    for a, b in zip(everything, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, np.ones((4, 2)), r"X must have shape \(N, 3\), got \(4, 2\)"),
        (0, np.ones(3), r"X must have shape"),
        (0, np.full((4, 3), np.nan), "X must be finite"),
        (1, np.ones((5, 2)), r"T must have shape \(4, 2\), got \(5, 2\)"),
        (2, np.eye(3), r"noise_covariance must have shape \(2, 2\)"),
        (2, np.diag([1.0, -1.0]), "noise_covariance must be positive definite"),
        (2, np.array([[1.0, 0.5], [0.0, 1.0]]), "noise_covariance must be symmetric"),
        (3, np.ones(6), "prior_mean must have shape"),
        (4, np.eye(5), r"prior_covariance must have shape \(6, 6\)"),
        (4, np.zeros((6, 6)), "prior_covariance must be positive definite"),
    ],
)
@pytest.mark.parametrize("function", [dense.posterior, dense.log_evidence])
def test_wrong_arguments_are_named(
    function: Callable[..., object], position: int, value: Array, message: str
) -> None:
    arguments = list(random_regression((4, 3, 2)))
    arguments[position] = value
    with pytest.raises(ValueError, match=message):
        function(*arguments)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"weights must have shape \(4\)"),
        (np.array([1.0, -1.0, 1.0, 1.0]), "weights must not be negative, got a minimum of -1"),
    ],
)
def test_wrong_weights_are_named(weights: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dense.posterior(*random_regression((4, 3, 2)), weights=weights)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "gelu"}, "activation must be .* got 'gelu'"),
        ({"weights": [np.ones((4, 5)), np.ones((5, 2))]}, r"weights\[1\] must have shape \(6, K\)"),
        ({"bias": False}, r"weights\[1\] must have shape \(5, K\)"),
        ({"prior_precisions": [np.eye(20)]}, "prior_precisions must be 2 matrices"),
        ({"prior_precisions": [np.eye(20), np.eye(3)]}, r"prior_precisions\[1\] must have shape"),
        ({"prior_precisions": [-9.0 * np.eye(20), np.eye(12)]}, "must be positive definite"),
        ({"output_curvature": lambda f: np.eye(2)}, "output_curvature"),
    ],
)
def test_wrong_networks_are_named(changes: dict[str, object], message: str) -> None:
    network = random_network([3, 5, 2], "tanh", True)
    vars(network).update(changes)
    with pytest.raises(ValueError, match=message):
        dense.ggn_posterior(network, np.ones((4, 3)))


def test_ggn_needs_data_and_the_network_as_it_was() -> None:
    network = random_network([3, 5, 2], "tanh", True)
    with pytest.raises(ValueError, match="X must have rows"):
        dense.ggn_posterior(network, np.ones((0, 3)))
    with pytest.raises(ValueError, match="n_data be positive, got 4 rows, n_data 0"):
        dense.ggn_posterior(network, np.ones((4, 3)), n_data=0)
    with pytest.raises(ValueError, match=r"X must have shape \(N, 3\)"):
        dense.ggn_posterior(network, np.ones((4, 2)))
    fit = dense.ggn_posterior(network, np.ones((4, 3)))
    network.weights[0] = network.weights[0] + 1
    with pytest.raises(ValueError, match="weights have changed"):
        fit.epistemic(np.ones((1, 3)))


def test_the_reference_is_independent() -> None:
    """It imports NumPy alone and factorises by Cholesky alone: no path shared with the package."""
    tree = ast.parse(inspect.getsource(dense))
    modules, names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules.add(str(node.module).split(".")[0])
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
    assert modules == {"numpy", "typing", "__future__"}
    forbidden = {"eig", "eigh", "eigvals", "eigvalsh", "svd", "svdvals", "pinv", "lstsq"}
    assert not names & (forbidden | {"getattr", "__import__"})
    assert "cholesky" in names  # the walk does see calls
