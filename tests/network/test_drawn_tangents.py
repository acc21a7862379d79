"""Draws of what linearised outputs deviate by, layer by layer, and the numbers they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Deep, DeepCase, deep, worst_error
from scipy import stats

from balinp._types import Array
from balinp.linearised import drawn_tangents
from balinp.matrix_normal import KroneckerGaussian
from balinp.mlp import Forward
from balinp.normals import TABLE, normals
from balinp.prediction import output_covariance
from balinp.single import in_single

DRAWS = 20_000
NETWORKS = [
    DeepCase("one layer", (3, 2), N=3),
    DeepCase("tanh, two layers", (3, 4, 2), N=3),
    DeepCase("relu, three layers, no bias", (2, 5, 4, 3), "relu", bias=False, N=2),
    DeepCase("softmax", (3, 4, 3), categorical=True, N=2),
]
every_network = pytest.mark.parametrize("case", NETWORKS, ids=str)


def posteriors(d: Deep) -> list[KroneckerGaussian]:
    """One of each layer, about its weights, with a standard deviation of about a third."""
    rng = np.random.default_rng(3)
    found = []
    for W in d.weights:
        Q_A, Q_H = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in W.shape)
        found.append(KroneckerGaussian(W, Q_A, Q_H, rng.uniform(3, 30, W.shape)))
    return found


def drawn(d: Deep, draws: int, seed: int = 0, projection: Array | None = None) -> Array:
    forward = d.network.forward(d.weights, d.X)
    qs = posteriors(d)
    designs = (d.network.design(h) for h in forward.inputs)
    variances = [q.output_variances(X) for q, X in zip(qs, designs, strict=True)]
    rng = np.random.default_rng(seed)
    return drawn_tangents(d.network, qs, forward, variances, draws, rng, projection)


@pytest.mark.equation("FP-2")
def test_draws_are_projected() -> None:
    d = deep(NETWORKS[3])
    without_mean = np.eye(3) - 1 / 3
    projected = drawn(d, 4, projection=without_mean)
    np.testing.assert_allclose(projected, drawn(d, 4) @ without_mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(projected[:2], -projected[2:])


@pytest.mark.equation("FP-2", "BP-3", "PR-1")
@every_network
def test_draws_have_the_covariance_of_the_linearised_outputs(case: DeepCase) -> None:
    """sum_l J_l Cov(vec W_l) J_l^T for each datum, and nothing between data."""
    d = deep(case)
    dz = drawn(d, 2 * DRAWS)
    B, K = len(d.X), case.widths[-1]
    assert dz.shape == (2 * DRAWS, B, K)
    assert dz.dtype == np.float64
    np.testing.assert_array_equal(dz[DRAWS:], -dz[:DRAWS])  # so that the mean is 0
    half = dz[:DRAWS].reshape(DRAWS, B * K)
    expected = np.zeros((B, K, B, K))
    for J, q in zip(d.jacobians(), posteriors(d), strict=True):
        for n in range(B):
            expected[n, :, n] += J[n] @ q.covariance() @ J[n].T
    expected = expected.reshape(B * K, B * K)
    variances = np.diag(expected)
    assert worst_error(half.mean(axis=0), 0.0, np.sqrt(variances / DRAWS)) < 4
    errors = np.sqrt((expected**2 + np.outer(variances, variances)) / DRAWS)
    assert worst_error(half.T @ half / DRAWS, expected, errors) < 4


@pytest.mark.equation("FP-2", "PR-1")
@every_network
def test_they_are_gaussian_with_the_covariance_that_predictions_have(case: DeepCase) -> None:
    d = deep(case)
    forward, qs, K = d.network.forward(d.weights, d.X), posteriors(d), case.widths[-1]
    designs = (d.network.design(h) for h in forward.inputs)
    variances = [q.output_variances(X) for q, X in zip(qs, designs, strict=True)]
    covariance = output_covariance(d.network, qs, forward, variances, np.eye(K))
    half = drawn(d, 2 * DRAWS, seed=1)[:DRAWS]
    for n, C in enumerate(covariance):
        white = np.linalg.solve(np.linalg.cholesky(C), half[:, n].T)
        assert stats.kstest((white**2).sum(axis=0), stats.chi2(K).cdf).pvalue > 1e-3


def test_draws_are_those_of_their_seed() -> None:
    d = deep(NETWORKS[1])
    np.testing.assert_array_equal(drawn(d, 8), drawn(d, 8))
    assert np.abs(drawn(d, 8) - drawn(d, 8, seed=1)).min() > 0


# The numbers ------------------------------------------------------------------------------------


def test_numbers_are_normal(rng: np.random.Generator) -> None:
    x = normals((4, 50_000), rng)
    assert (x.shape, x.dtype) == ((4, 50_000), np.float32)
    for row in x:
        assert stats.kstest(row, "norm").pvalue > 1e-3
    correlations = np.corrcoef(x) - np.eye(4)
    assert np.abs(correlations).max() < 4 / np.sqrt(50_000)


def test_windows_are_anywhere_in_the_table(rng: np.random.Generator) -> None:
    """Single numbers are as good as drawn one by one, and their neighbours are independent."""
    x = normals((30_000, 2, 3), rng).reshape(30_000, 6)
    assert stats.kstest(x[:, 0], "norm").pvalue > 1e-3
    # each of a million numbers has been taken rarely: by chance no more than a few times
    _, counts = np.unique(x[:, 0], return_counts=True)
    assert counts.max() <= 6  # of 2^24 values in single precision, and of 2^20 places
    assert worst_error(np.cov(x.T), np.eye(6), np.sqrt((1 + np.eye(6)) / 30_000)) < 4


@pytest.mark.equation("FP-2")
@pytest.mark.parametrize("columns", [TABLE // 4 + 1, TABLE + 5])
def test_more_than_a_quarter_of_the_table_is_drawn_anew(columns: int) -> None:
    """Windows of that size would have many numbers in common."""
    found = normals((2, columns), np.random.default_rng(7))
    seed = np.random.default_rng(7).integers(2**63)
    expected = np.random.default_rng(seed).standard_normal((2, columns), dtype=np.float32)
    np.testing.assert_array_equal(found, expected)


def test_numbers_may_be_written_over() -> None:
    """As `drawn_tangents` does: the table remains what it was."""
    before = normals((3, 4), np.random.default_rng(7))
    normals((3, 4), np.random.default_rng(7))[:] = np.inf
    np.testing.assert_array_equal(normals((3, 4), np.random.default_rng(7)), before)


@pytest.mark.equation("FP-2")
@pytest.mark.parametrize("scale", [1.0, 1e15, 1e40])
def test_draws_of_any_size_are_finite_and_have_their_scale(scale: float) -> None:
    """Also beyond 3e38, where single precision ends."""
    d = deep(NETWORKS[0])
    X, q = scale * d.network.design(d.X), posteriors(d)[0]
    forward = Forward(
        [scale * d.X], [scale * z for z in d.network.forward(d.weights, d.X).outputs], {}
    )
    dz, small = (
        drawn_tangents(d.network, [q], f, [q.output_variances(x)], 8, np.random.default_rng(0))
        for f, x in ((forward, X), (Forward([d.X], forward.outputs, {}), X / scale))
    )
    np.testing.assert_allclose(dz / scale, small, rtol=1e-5, atol=1e-6)


@pytest.mark.equation("FP-2")
@pytest.mark.parametrize("largest", [0.0, 1e-300, 0.99e9, 1e9, 1e300])
def test_numbers_that_single_precision_has_room_for_are_taken_to_it(largest: float) -> None:
    array = np.array([[0.5, -largest]])
    found = in_single(array)
    if largest < 1e9:
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, array, rtol=1e-7, atol=1e-40)
    else:
        assert found is array
    assert in_single(np.zeros((0, 2))).shape == (0, 2)
