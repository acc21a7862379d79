"""Matrices whose columns differ in scale: as accurate as those that do not."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

from balinp import BALI, Gaussian, MatrixNormalLayer
from balinp.graded import GRADED, graded_root, graded_singular, is_graded
from balinp.spectral import decompose, rounding, singular

SCALES = {
    "ten decades": [1e-3, 1e5, 1e7, 1.0],
    "sixteen decades": [1e-8, 1e8, 1.0, 1e-4],
    "one small": [1.0, 1.0, 1e-9, 1.0],
    "two small": [1e-7, 1.0, 1e-7, 1.0],
    "all alike": [1.0, 1.0, 1.0, 1.0],
}


def columns(scales, rng, N=30):
    return rng.standard_normal((N, len(scales))) * np.array(scales)


@pytest.mark.equation("KR-5")
@pytest.mark.parametrize("scales", SCALES.values(), ids=SCALES)
def test_the_root_and_the_spectrum_keep_every_column(scales, rng):
    X = columns(scales, rng)
    A, units = X.T @ X / len(X), np.outer(scales, scales)
    R = graded_root(A, rounding(4, 1.0))
    np.testing.assert_allclose(R.T @ R / units, A / units, rtol=0, atol=1e-14)
    found = decompose(A, "A")
    np.testing.assert_allclose(found.matrix() / units, A / units, rtol=0, atol=1e-10)
    assert (np.diff(found.values) >= 0).all()


def exact_determinant(A: np.ndarray) -> Decimal:
    """By Gaussian elimination with sixty digits."""
    getcontext().prec = 60
    rows = [[Decimal(float(a)) for a in row] for row in A]
    product = Decimal(1)
    for i in range(len(rows)):
        product *= rows[i][i]
        for k in range(i + 1, len(rows)):
            share = rows[k][i] / rows[i][i]
            rows[k] = [b - share * a for a, b in zip(rows[i], rows[k], strict=True)]
    return product


@pytest.mark.equation("KR-5")
@pytest.mark.parametrize("scales", SCALES.values(), ids=SCALES)
def test_eigenvalues_have_the_determinant_of_the_matrix(scales, rng):
    X = columns(scales, rng)
    A = X.T @ X
    product = Decimal(1)
    for value in decompose(A, "A").values:
        product *= Decimal(float(value))
    assert abs(product / exact_determinant(A) - 1) < Decimal("1e-13")
    s = singular(np.linalg.qr(X, mode="r"))[1]
    np.testing.assert_allclose(s**2, decompose(A, "A").values, rtol=1e-12)


@pytest.mark.equation("KR-5", "LR-1", "LR-2", "LR-4")
@pytest.mark.parametrize("scales", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_regression_is_that_of_columns_scaled_by_hand(scales, prior, bias, rng):
    """Against a triangularisation of the columns at length 1, which feels no scale."""
    X, V, lam = columns(scales, rng), np.diag([1e-6, 1e-3]), 5e-4
    W = rng.standard_normal((4, 2)) / np.array(scales)[:, None]
    T = X @ W + rng.standard_normal((30, 2)) @ np.sqrt(V)
    layer = MatrixNormalLayer(4, 2, prior=prior, prior_precision=lam, bias=bias)
    layer.observe(X, T, np.linalg.inv(V))
    variance, log_evidence = layer.posterior.marginal_variance(), 0.0
    design = np.column_stack([X, np.ones(30)]) if bias else X
    for k in range(2):  # V is diagonal: the outputs are regressed one by one
        h = 1 / V[k, k]
        p = lam * (h if prior == "conjugate" else 1.0)
        c = np.sqrt(h * (design**2).sum(axis=0) + p)
        stacked = np.vstack([np.sqrt(h) * design, np.sqrt(p) * np.eye(len(c))]) / c
        Q, R = np.linalg.qr(stacked)
        right = np.concatenate([np.sqrt(h) * T[:, k], np.zeros(len(c))])
        mean = np.linalg.solve(R, Q.T @ right) / c
        exact = (np.linalg.inv(R) ** 2).sum(axis=1) / c**2
        np.testing.assert_allclose(variance[:, k], exact, rtol=1e-9)
        error = np.abs(layer.mean[:, k] - mean) / np.sqrt(exact)
        assert error.max() < 1e-4  # posterior standard deviations; data say 1e4 of them
        log_evidence += 0.5 * (
            30 * np.log(h / (2 * np.pi)) - ((right - stacked @ (c * mean)) ** 2).sum()
        )
        log_evidence += 0.5 * len(c) * np.log(p) - np.log(np.abs(np.diag(R)) * c).sum()
    np.testing.assert_allclose(layer.log_evidence(), log_evidence, rtol=1e-8)


@pytest.mark.equation("KR-5", "EX-2")
def test_a_model_learns_from_columns_of_any_scale(rng):
    plain = rng.standard_normal((50, 3))
    Y = plain @ np.array([[1.0], [-1.0], [0.5]]) + 0.1 * rng.standard_normal((50, 1))
    scale = np.array([1e-7, 1.0, 1e7])
    model = BALI((), Gaussian(0.01), prior_precision=1e-30).fit(plain * scale, Y, epochs=1)
    expected = BALI((), Gaussian(0.01), prior_precision=1e-30).fit(plain, Y, epochs=1)
    new = rng.standard_normal((5, 3))
    ours, theirs = model.predict(new * scale), expected.predict(new)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-8)
    np.testing.assert_allclose(ours.std, theirs.std, rtol=1e-8)


@pytest.mark.equation("KR-5", "KR-4")
def test_dependent_columns_are_decomposed_as_they_are(rng):
    X = columns([1e-8, 1e8, 1.0], rng)
    X = np.column_stack([X, X[:, 0] + 1e-8 * X[:, 2]])
    assert graded_root(X.T @ X, rounding(4, 1.0)) is None
    np.testing.assert_array_equal(
        decompose(X.T @ X, "A").values, np.maximum(np.linalg.eigh(X.T @ X)[0], 0.0)
    )
    found = decompose(np.diag([0.0, 1e-30, 1.0]), "A").values  # columns of zeros are no obstacle
    np.testing.assert_allclose(found, [0.0, 1e-30, 1.0], rtol=1e-15)


@pytest.mark.equation("KR-5", "KR-4")
@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([1e-20, 1.0, -1e-20]),
        np.array([[1e-20, 2e-10], [2e-10, 1.0]]),
        np.array([[0.0, 1e-12, 0.0], [1e-12, 1.0, 0.0], [0.0, 0.0, 1e-20]]),
    ],
    ids=["negative", "correlation of 2", "nothing that is correlated"],
)
def test_what_is_no_covariance_is_refused_at_every_scale(matrix):
    if np.linalg.eigvalsh(matrix)[0] < -rounding(len(matrix), 1.0):
        with pytest.raises(ValueError, match="A: expected a positive semi-definite"):
            decompose(matrix, "A")
    else:  # rounding errors of the largest entry hide it, and count as zero
        assert graded_root(matrix, rounding(len(matrix), 1.0)) is None
        assert decompose(matrix, "A").values.min() >= 0


def test_what_counts_as_graded():
    assert not is_graded(np.array([1.0, GRADED]))
    assert is_graded(np.array([1.0, 1.1 * GRADED]))
    assert not is_graded(np.array([0.0, 0.0, 1.0]))
    U, s, Q = graded_singular(np.diag([1e-9, 1e9]))
    np.testing.assert_allclose(U * s @ Q.T, np.diag([1e-9, 1e9]), rtol=1e-14, atol=1e-24)
