"""Moments of inputs and targets, against sums over data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from balinp.moments import Moments

SHAPES = [(1, 3, 2), (4, 3, 2), (5, 3, 2), (40, 3, 2), (7, 1, 1)]


def data(shape, rng):
    N, D, K = shape
    return rng.standard_normal((N, D)), rng.standard_normal((N, K)), rng.uniform(0.1, 3, N)


def averages(X, T, w):
    Z = np.column_stack([X, T])
    return (Z * w[:, None]).T @ Z / w.sum()


@pytest.mark.equation("EX-1")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
def test_the_root_is_one_of_the_average(shape, weighted, rng):
    X, T, w = data(shape, rng)
    w = w if weighted else np.ones(len(X))
    moments, D = Moments.of(X, T, w if weighted else None), X.shape[1]
    G = averages(X, T, w)
    assert_allclose(moments.root.T @ moments.root, G, rtol=1e-12, atol=1e-13)
    assert_allclose(moments.A, G[:D, :D], rtol=1e-12, atol=1e-13)
    assert moments.amount == pytest.approx(w.sum(), rel=1e-14)


@pytest.mark.equation("EX-1")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_spectrum_and_products_are_those_of_the_sums(shape, rng):
    X, T, w = data(shape, rng)
    (spectrum, products), D = Moments.of(X, T, w).spectrum(), X.shape[1]
    G = averages(X, T, w)
    assert (np.diff(spectrum.values) >= 0).all()
    assert_allclose(spectrum.vectors.T @ spectrum.vectors, np.eye(D), atol=1e-13)
    assert_allclose(spectrum.matrix(), G[:D, :D], rtol=1e-12, atol=1e-13)
    assert_allclose(spectrum.vectors @ products, G[:D, D:], rtol=1e-12, atol=1e-13)


@pytest.mark.equation("EX-1")
def test_residuals_keep_their_digits_where_squares_would_lose_them(rng):
    X = np.column_stack([rng.standard_normal((50, 2)), np.ones(50)])
    W, noise = np.array([[1.0], [-2.0], [0.5]]), rng.standard_normal((50, 1))
    moments = Moments.of(X, X @ W + 1e-10 * noise)
    expected = 1e-20 * np.mean(noise**2)
    # 1e-16 of the targets, a millionth of the residuals
    assert_allclose(moments.residual_squares(W)[0, 0], expected, rtol=1e-4)
    A, b = moments.A, moments.inputs.T @ moments.targets
    squares = (moments.targets**2).sum() - 2 * float(W[:, 0] @ b[:, 0]) + float((W.T @ A @ W)[0, 0])
    assert abs(squares - expected) > expected  # this is why


@pytest.mark.equation("EX-2", "NP-3")
@pytest.mark.parametrize("cuts", [(0, 1, 2, 40), (0, 13, 26, 39, 40), (0, 40)], ids=str)
def test_batches_weighted_by_their_data_are_the_data(cuts, rng):
    X, T, w = data((40, 3, 2), rng)
    moments = None
    for start, stop in itertools.pairwise(cuts):
        new = Moments.of(X[start:stop], T[start:stop], w[start:stop])
        moments = new if moments is None else moments + new
    assert_allclose(moments.root.T @ moments.root, averages(X, T, w), rtol=1e-12, atol=1e-13)
    assert moments.amount == pytest.approx(w.sum(), rel=1e-14)


@pytest.mark.equation("EX-1", "NP-1")
def test_a_constant_rate_forgets(rng):
    X, T, _ = data((40, 3, 2), rng)
    first, second = Moments.of(X[:30], T[:30]), Moments.of(X[30:], T[30:])
    average = first.averaged(second, 0.2)
    expected = 0.8 * first.root.T @ first.root + 0.2 * second.root.T @ second.root
    assert_allclose(average.root.T @ average.root, expected, rtol=1e-12, atol=1e-13)
    start = Moments.none(3, 2).averaged(first, 0.3)
    assert_allclose(start.root.T @ start.root, 0.3 * first.root.T @ first.root, atol=1e-13)


@pytest.mark.equation("EX-1")
def test_columns_of_any_scale_are_triangularised_alike(rng):
    X, T, _ = data((40, 3, 2), rng)
    scale = np.array([1e-9, 1.0, 1e9, 1.0, 1e-5])
    plain, scaled = Moments.of(X, T), Moments.of(X * scale[:3], T * scale[3:])
    ours, theirs = np.abs(scaled.root), np.abs(plain.root * scale)
    assert_allclose(ours, theirs, rtol=1e-12)
