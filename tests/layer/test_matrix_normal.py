"""Gaussians over a matrix against dense covariances, SciPy, and samples in standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import assert_close, random_covariance, vec, worst_error
from scipy import stats

from balinp import KroneckerGaussian, MatrixNormal
from balinp._types import Array
from balinp.standard_basis import STANDARD

SHAPES = [(3, 2), (2, 4), (3, 3), (1, 3), (4, 1), (1, 1)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def matrix_normal(shape: tuple[int, int], seed: int = 0) -> MatrixNormal:
    D, K = shape
    rng = np.random.default_rng([D, K, seed])
    return MatrixNormal(
        rng.normal(size=shape), random_covariance(rng, D), random_covariance(rng, K)
    )


def kronecker_gaussian(shape: tuple[int, int], seed: int = 0) -> KroneckerGaussian:
    """Precisions L with no structure, so neither factors nor transposes can stand in for it."""
    D, K = shape
    rng = np.random.default_rng([D, K, seed])
    rows, columns = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in shape)
    L = np.exp(rng.normal(size=shape))
    return KroneckerGaussian(rng.normal(size=shape), rows, columns, L)


def dense_precision(q: KroneckerGaussian) -> Array:
    """Sum of L_ij v v^T over the eigenvectors v = vec(a_i h_j^T), from the definition."""
    P = np.zeros((q.mean.size, q.mean.size))
    for i, j in np.ndindex(*q.mean.shape):
        v = vec(np.outer(q.row_basis[:, i], q.column_basis[:, j]))
        P += q.precisions[i, j] * np.outer(v, v)
    return P


def dense_covariance(q: KroneckerGaussian) -> Array:
    """For a matrix normal cov(W_dk, W_ec) = U_de V_kc; else the inverse of the precision."""
    if not isinstance(q, MatrixNormal):
        return np.linalg.inv(dense_precision(q))
    D, K = q.mean.shape
    C = np.empty((D * K, D * K))
    for d, k, e, c in np.ndindex(D, K, D, K):
        C[k * D + d, c * D + e] = q.row_covariance[d, e] * q.column_covariance[k, c]
    return C


every_class = pytest.mark.parametrize("make", [matrix_normal, kronecker_gaussian])


# Moments and densities --------------------------------------------------------------------------


@pytest.mark.equation("KR-1", "KR-2", "MN-2")
@every_shape
@every_class
def test_covariance_and_marginal_variance(make: Any, shape: tuple[int, int]) -> None:
    q = make(shape)
    expected = dense_covariance(q)
    assert_close(q.covariance(), expected)
    assert_close(np.linalg.inv(dense_precision(q)), expected)  # L_ij = 1 / (u_i v_j)
    assert_close(vec(q.marginal_variance()), np.diag(expected))
    assert_close(q.log_det_precision + 10, 10 - np.linalg.slogdet(expected)[1])


@pytest.mark.equation("KR-1")
@every_shape
def test_covariance_acts_on_matrices_by_the_vec_rule(shape: tuple[int, int]) -> None:
    q = matrix_normal(shape)
    W = np.random.default_rng(1).normal(size=shape)
    U, V = q.row_covariance, q.column_covariance
    assert_close(q.covariance() @ vec(W), vec(U @ W @ V.T))
    assert_close(vec(q.solve(W)), vec(U @ W @ V.T))


@pytest.mark.equation("KR-3")
@every_shape
@every_class
def test_solve(make: Any, shape: tuple[int, int]) -> None:
    q = make(shape)
    R = np.random.default_rng(1).normal(size=shape)
    assert_close(vec(q.solve(R)), np.linalg.solve(dense_precision(q), vec(R)))


@pytest.mark.equation("LR-5", "NP-9")
@every_shape
def test_a_row_basis_that_is_the_standard_one_is_left_out(shape: tuple[int, int]) -> None:
    """As for rows that are in the eigenbasis of their inputs, which are left as they are."""
    q = kronecker_gaussian(shape)
    standard, identity = (
        KroneckerGaussian(q.mean, rows, q.column_basis, q.precisions)
        for rows in (STANDARD, np.eye(shape[0]))
    )
    X = np.random.default_rng(1).normal(size=(5, shape[0]))
    before = X.copy()
    np.testing.assert_array_equal(standard.output_variances(X), identity.output_variances(X))
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(standard.solve(q.mean), identity.solve(q.mean))


@pytest.mark.equation("MN-6")
@every_shape
@every_class
def test_predictive_covariance(make: Any, shape: tuple[int, int]) -> None:
    q = make(shape)
    D, K = shape
    X = np.random.default_rng(1).normal(size=(5, D))
    C = dense_covariance(q)
    for x, predicted, in_basis in zip(
        X, q.predictive_covariance(X), q.output_variances(X), strict=True
    ):
        J = np.kron(np.eye(K), x[None, :])  # W^T x = J vec(W)
        assert_close(predicted, J @ C @ J.T)
        assert_close(np.diag(in_basis), q.column_basis.T @ J @ C @ J.T @ q.column_basis)


@pytest.mark.equation("MN-1", "MN-4")
@every_shape
@every_class
def test_density_and_entropy_of_the_dense_gaussian(make: Any, shape: tuple[int, int]) -> None:
    q = make(shape)
    dense = stats.multivariate_normal(vec(q.mean), dense_covariance(q))
    for W in np.random.default_rng(1).normal(size=(3, *shape)):
        assert_close(q.logpdf(W), dense.logpdf(vec(W)))
    assert abs(q.entropy() - dense.entropy()) < 1e-10


@pytest.mark.equation("MN-1", "MN-4")
@every_shape
def test_density_and_entropy_of_scipys_matrix_normal(shape: tuple[int, int]) -> None:
    q = matrix_normal(shape)
    scipys = stats.matrix_normal(q.mean, q.row_covariance, q.column_covariance)
    W = np.random.default_rng(1).normal(size=shape)
    assert_close(q.logpdf(W), scipys.logpdf(W))
    if hasattr(scipys, "entropy"):  # SciPy 1.11 and later
        assert abs(q.entropy() - scipys.entropy()) < 1e-10


@pytest.mark.equation("MN-5")
@every_shape
@pytest.mark.parametrize("make_other", [matrix_normal, kronecker_gaussian])
@every_class
def test_kullback_leibler_divergence(make: Any, make_other: Any, shape: tuple[int, int]) -> None:
    q, p = make(shape), make_other(shape, seed=1)
    Cq, Cp = dense_covariance(q), dense_covariance(p)
    shift = vec(p.mean - q.mean)
    expected = 0.5 * (
        np.trace(np.linalg.solve(Cp, Cq))
        + shift @ np.linalg.solve(Cp, shift)
        - shift.size
        + np.linalg.slogdet(Cp)[1]
        - np.linalg.slogdet(Cq)[1]
    )
    assert_close(q.kl(p), expected)
    assert abs(q.kl(q)) < 1e-12
    shifted = q.with_mean(p.mean)
    assert_close(q.kl(shifted), 0.5 * shift @ np.linalg.solve(Cq, shift))


# Sampling ---------------------------------------------------------------------------------------


class OneAtATime:
    """In place of random numbers: each entry in turn is 1 and all others are 0."""

    def standard_normal(self, shape: tuple[int, ...]) -> Array:
        return np.eye(shape[0]).reshape(shape)


@pytest.mark.equation("MN-3")
@every_shape
@every_class
def test_samples_are_a_root_of_the_covariance_times_noise(
    make: Any, shape: tuple[int, int]
) -> None:
    q = make(shape)
    draws = q.sample(OneAtATime(), shape[0] * shape[1])  # type: ignore[arg-type]
    root = np.array([vec(W) for W in draws - q.mean]).T
    assert_close(root @ root.T, dense_covariance(q))


@pytest.mark.equation("MN-3")
@pytest.mark.parametrize("shape", [(3, 3), (3, 2)], ids=str)
@every_class
def test_sample_moments_in_standard_errors(make: Any, shape: tuple[int, int]) -> None:
    q, S = make(shape), 20_000
    draws = np.array([vec(W) for W in q.sample(np.random.default_rng(1), S)])
    C = dense_covariance(q)
    assert worst_error(draws.mean(axis=0), vec(q.mean), np.sqrt(np.diag(C) / S)) < 5
    # The variance of an entry of a Gaussian sample covariance is (C_ii C_jj + C_ij^2) / S.
    error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / S)
    estimate = np.cov(draws.T)
    assert worst_error(estimate, C, error) < 5
    if shape[0] == shape[1]:  # the comparison sees factors, or L, the wrong way round
        swapped = C.reshape(3, 3, 3, 3).transpose(1, 0, 3, 2).reshape(9, 9)
        assert worst_error(estimate, swapped, error) > 20


@pytest.mark.equation("MN-3")
def test_one_seed_one_sample() -> None:
    q = kronecker_gaussian((3, 2))
    one = q.sample(np.random.default_rng(5))
    assert one.shape == (3, 2)
    np.testing.assert_array_equal(one, q.sample(np.random.default_rng(5)))
    np.testing.assert_array_equal(one, q.sample(np.random.default_rng(5), 4)[0])
    assert np.abs(one - q.sample(np.random.default_rng(6))).min() > 1e-6


# When the one is the other ----------------------------------------------------------------------


@pytest.mark.equation("MN-7")
@every_shape
def test_a_rank_one_spectrum_is_a_matrix_normal(shape: tuple[int, int]) -> None:
    q = matrix_normal(shape).with_mean(np.ones(shape))
    assert type(q) is KroneckerGaussian
    assert q.is_matrix_normal
    again = q.as_matrix_normal()
    assert isinstance(again, MatrixNormal)
    assert_close(again.covariance(), q.covariance())
    assert_close(again.mean, q.mean)
    assert_close(again.logpdf(np.zeros(shape)), q.logpdf(np.zeros(shape)))


@pytest.mark.equation("MN-7")
@pytest.mark.parametrize("shape", [(3, 2), (2, 4), (3, 3)], ids=str)
def test_any_other_spectrum_is_not(shape: tuple[int, int]) -> None:
    q = kronecker_gaussian(shape)
    assert not q.is_matrix_normal
    with pytest.raises(ValueError, match="as_matrix_normal: .* not a Kronecker product"):
        q.as_matrix_normal()
    L = np.ones(shape)
    L[-1, -1] += 1e-9  # far above rounding
    assert not KroneckerGaussian(q.mean, q.row_basis, q.column_basis, L).is_matrix_normal


def test_distributions_of_other_shapes_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match=r"other: expected .* shape \(3, 2\), got \(2, 4\)"):
        matrix_normal((3, 2)).kl(matrix_normal((2, 4)))
