"""The nearest matrix normal: balanced, nearest among all, and exact where that can be."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Case, assert_close, random_covariance, regression
from scipy.optimize import minimize

from balinp import KroneckerGaussian, MatrixNormal
from balinp._types import Array
from balinp.nearest import balance, nearest_matrix_normal

pytestmark = pytest.mark.equation("MN-8")

SHAPES = [(3, 2), (2, 4), (3, 3), (14, 50), (50, 14), (1, 3), (4, 1), (1, 1)]


def gaussian(L: Array, seed: int = 0) -> KroneckerGaussian:
    """A Gaussian of these precisions, in bases without structure."""
    rng = np.random.default_rng([seed, *L.shape])
    rows, columns = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in L.shape)
    return KroneckerGaussian(rng.normal(size=L.shape), rows, columns, L)


def spread(shape: tuple[int, int], decades: float) -> Array:
    """Precisions without structure, over so many powers of ten."""
    return 10 ** np.random.default_rng(list(shape)).uniform(-decades / 2, decades / 2, shape)


def layers(shape: tuple[int, int]) -> Array:
    """Precisions N a_i h_j + lam as a trained layer has them: H all but singular, little noise."""
    a, h = np.geomspace(1e-3, 3, shape[0]), np.geomspace(1e-5, 1e3, shape[1])
    return 700 * np.outer(a, h) + 5.0


def divergence(q: KroneckerGaussian, U: Array, V: Array) -> float:
    """KL(MN(M, U, V) | q) from dense matrices."""
    basis = np.kron(q.column_basis, q.row_basis)
    P, C = (basis * q.precisions.ravel(order="F")) @ basis.T, np.kron(V, U)
    log_dets = np.linalg.slogdet(C)[1] + np.linalg.slogdet(P)[1]
    return float(0.5 * (np.trace(P @ C) - len(C) - log_dets))


@pytest.mark.parametrize("decades", [0, 1, 8, 20])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rows_and_columns_have_their_sums(shape: tuple[int, int], decades: float) -> None:
    L = spread(shape, decades)
    u, v = balance(L)
    B = u[:, None] * L * v
    np.testing.assert_allclose(B.sum(axis=1), shape[1], rtol=1e-12)
    np.testing.assert_allclose(B.sum(axis=0), shape[0], rtol=1e-12)
    assert v.mean() == pytest.approx(1.0, rel=1e-14)


def test_where_balancing_in_turns_would_crawl() -> None:
    L = np.array([[1.0, 1.0], [1.0, 1e16]])
    u, v = balance(L)
    np.testing.assert_allclose((u[:, None] * L * v).sum(axis=0), 2, rtol=1e-12)
    assert v[0] / v[1] == pytest.approx(1e8, rel=1e-6)  # by symmetry, the root of the ratio
    before = L.copy()
    balance(L)
    np.testing.assert_array_equal(L, before)


@pytest.mark.parametrize("shape", [(3, 2), (2, 4), (14, 50)], ids=str)
@pytest.mark.parametrize("precisions", [lambda s: spread(s, 2), layers], ids=["any", "layer"])
def test_divergence_is_minus_half_the_sum_of_logarithms(shape, precisions) -> None:
    p = gaussian(precisions(shape))
    q = nearest_matrix_normal(p)
    u, v = balance(p.precisions)
    expected = -0.5 * np.log(u[:, None] * p.precisions * v).sum()
    assert expected > 0
    assert q.kl(p) == pytest.approx(expected, rel=1e-9)
    if q.mean.size < 20:
        assert divergence(p, q.row_covariance, q.column_covariance) == pytest.approx(
            expected, rel=1e-9
        )


def test_no_other_matrix_normal_is_nearer(rng: np.random.Generator) -> None:
    p = gaussian(spread((3, 4), 3))
    q = nearest_matrix_normal(p)
    least = divergence(p, q.row_covariance, q.column_covariance)
    for size in (1e-3, 1e-1, 1.0):
        for _ in range(50):
            S = np.eye(3) + size * rng.normal(size=(3, 3))
            T = np.eye(4) + size * rng.normal(size=(4, 4))
            U, V = S @ q.row_covariance @ S.T, T @ q.column_covariance @ T.T
            assert divergence(p, U, V) > least
    assert q.with_mean(q.mean + 1e-3).kl(p) > q.kl(p)
    # The other direction is another matrix normal, and farther in this one.
    v = np.ones(4)
    for _ in range(500):
        u = (1 / (p.precisions * v)).mean(axis=1)
        v = (1 / (p.precisions * u[:, None])).mean(axis=0)
    other = MatrixNormal.in_bases(p.mean, p.row_basis, u, p.column_basis, v)
    assert other.kl(p) > q.kl(p) + 0.1
    assert p.kl(other) < p.kl(q) - 0.1


def test_an_optimiser_finds_the_same() -> None:
    p = gaussian(spread((2, 3), 2))
    q = nearest_matrix_normal(p)

    def loss(z: Array) -> float:
        roots = np.zeros((2, 2)), np.zeros((3, 3))
        for root, part in zip(roots, (z[:3], z[3:]), strict=True):
            root[np.tril_indices(len(root))] = part
        U, V = (root @ root.T for root in roots)
        return divergence(p, U, V)

    found = minimize(loss, [1.0, 0, 1, 1, 0, 1, 0, 0, 1], method="BFGS", tol=1e-9)
    assert found.fun == pytest.approx(q.kl(p), rel=1e-6)  # the optimiser's own gradients
    U = np.zeros((2, 2))
    U[np.tril_indices(2)] = found.x[:3]
    U = U @ U.T
    scaled = q.row_covariance * np.trace(U) / np.trace(q.row_covariance)
    assert_close(U, scaled, rtol=1e-4)


@pytest.mark.parametrize(
    "L",
    [
        spread((5, 1), 8),
        spread((1, 5), 8),
        np.outer(spread((4, 1), 6), spread((1, 3), 6)),
        700 * np.outer(np.full(4, 0.3), [1e-4, 1.0, 10.0]) + 2.0,
        700 * np.outer([1e-4, 1.0, 10.0], np.full(4, 0.3)) + 2.0,
    ],
    ids=["one output", "one input", "rank one", "A has one eigenvalue", "H has one eigenvalue"],
)
def test_what_is_a_matrix_normal_stays_what_it_is(L: Array) -> None:
    p = gaussian(L)
    q = nearest_matrix_normal(p)
    np.testing.assert_allclose(q.precisions, L, rtol=1e-12)
    assert abs(q.kl(p)) < 1e-12 * L.size
    assert q.row_basis is p.row_basis
    assert q.column_basis is p.column_basis
    np.testing.assert_array_equal(q.mean, p.mean)


def test_of_a_layer_it_is_a_conjugate_posterior_with_a_raised_precision() -> None:
    problem = regression(Case("a layer", N=40, n_in=4, K=3, noise=(1e-2, 1e2)))
    layer = problem.layer(prior_precision=2.0)
    layer.observe(problem.inputs, problem.T, problem.H, n_data=40)
    q = nearest_matrix_normal(layer.posterior)
    assert isinstance(q, MatrixNormal)
    np.testing.assert_array_equal(q.mean, layer.mean)
    U, V = q.row_covariance, q.column_covariance
    NA = problem.X.T @ problem.X
    inputs = NA + 2.0 * np.trace(V) / np.trace(problem.H @ V) * np.eye(len(NA))
    outputs = problem.H + 2.0 * np.trace(U) / np.trace(NA @ U) * np.eye(3)
    for inverse, expected in ((np.linalg.inv(U), inputs), (np.linalg.inv(V), outputs)):
        assert_close(inverse / np.trace(inverse), expected / np.trace(expected))
    counted = np.trace(NA @ U) * np.trace(problem.H @ V)
    assert counted == pytest.approx(15 - 2.0 * np.trace(U) * np.trace(V), rel=1e-10)


def test_covariances_are_those_of_the_spectra_without_another_decomposition() -> None:
    p = gaussian(layers((6, 5)))
    q = nearest_matrix_normal(p)
    u, v = balance(p.precisions)
    np.testing.assert_allclose(q.precisions, 1 / np.outer(u, v), rtol=1e-15)
    assert np.trace(q.column_covariance) == pytest.approx(5.0, rel=1e-12)
    again = MatrixNormal(q.mean, q.row_covariance, q.column_covariance)
    assert_close(again.covariance(), q.covariance())
    assert q.kl(again) < 1e-8


def test_in_bases_is_the_matrix_normal_of_its_covariances(rng: np.random.Generator) -> None:
    U, V, M = random_covariance(rng, 3), random_covariance(rng, 2), rng.normal(size=(3, 2))
    q = MatrixNormal(M, U, V)
    u, v = (q.row_basis.T @ U @ q.row_basis, q.column_basis.T @ V @ q.column_basis)
    again = MatrixNormal.in_bases(M, q.row_basis, np.diag(u), q.column_basis, np.diag(v))
    assert_close(again.row_covariance, U)
    assert_close(again.column_covariance, V)
    assert_close(again.precisions, q.precisions)
