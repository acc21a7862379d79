"""The jitted kernels against their plain twins and against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
from cases import assert_close

from balinp._types import Array
from balinp.kernels import (
    amount,
    curvature_sum,
    forget,
    gram,
    is_same_amount,
)
from balinp.semidefinite import semidefinite_rows, semidefinite_rows_reference


def layouts(array: Array) -> list[Array]:
    """The same numbers in memory in several ways; none of them may be written to."""
    spaced = np.zeros((*array.shape[:-1], 2 * array.shape[-1]))
    spaced[..., ::2] = array
    versions = [array.copy(), np.asfortranarray(array), spaced[..., ::2], array[::-1].copy()[::-1]]
    for version in versions:
        version.flags.writeable = False
    return versions


def assert_symmetric(matrix: Array) -> None:
    np.testing.assert_array_equal(matrix, matrix.T)


@pytest.mark.equation("LR-1")
@pytest.mark.parametrize(
    "shape",
    [(7, 3), (3, 3), (2, 5), (1, 4), (6, 1), (1, 1), (5, 64), (5, 65)],
    ids=str,
)
def test_second_moment_of_the_inputs(shape: tuple[int, int], rng: np.random.Generator) -> None:
    X = rng.normal(size=shape)
    expected = sum(np.outer(x, x) for x in X)
    for version in layouts(X):
        product = gram(version)
        assert_close(product, expected)
        assert_symmetric(product)
        assert_close(product / amount(version, None), X.T @ X / shape[0])


@pytest.mark.equation("PT-4")
@pytest.mark.parametrize(
    "shape", [(7, 2, 3), (2, 3, 5), (1, 2, 4), (5, 1, 3), (5, 4, 1), (1, 1, 1)], ids=str
)
def test_mean_of_the_curvatures(shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    rows = rng.normal(size=shape)
    expected = sum(S_T.T @ S_T for S_T in rows) / len(rows)  # not divided by the number of rows
    for version in layouts(rows):
        mean = curvature_sum(version) / amount(version, None)
        assert_close(mean, expected)
        assert_symmetric(mean)


@pytest.mark.equation("PT-4")
def test_mean_of_one_curvature_for_all_data(rng: np.random.Generator) -> None:
    S_T = rng.normal(size=(2, 2))
    assert_close(curvature_sum(np.broadcast_to(S_T, (5, 2, 2))) / 5, S_T.T @ S_T)


@pytest.mark.equation("LR-6")
def test_amounts_are_the_same_up_to_the_rounding_of_their_sums() -> None:
    for seed in range(100):
        w = np.random.default_rng(seed).uniform(0.01, 2, 1000)
        one, other = float(w.sum()), sum(w.tolist())  # pairwise, and one after another
        assert is_same_amount(one, other, 1000)
        assert is_same_amount(other, one, 1000)
        assert not is_same_amount(one, other - 1e-9, 1000)  # a millionth of the least weight
    assert is_same_amount(3, 3.0, 3)
    assert not is_same_amount(3, 4, 3)


@pytest.mark.equation("FP-2")
@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_semidefinite_rows(rank: int, scale: float, rng: np.random.Generator) -> None:
    left = rng.normal(size=(6, 4, rank))
    left[0] *= 1e-3  # each matrix of the stack by its own scale
    matrices = scale * (left @ np.swapaxes(left, 1, 2))
    expected = semidefinite_rows_reference(matrices)
    assert_close(expected @ np.swapaxes(expected, 1, 2), matrices)
    for version in layouts(matrices):
        rows = semidefinite_rows(version)
        for row, matrix in zip(rows, matrices, strict=True):
            assert_close(row.T @ row, matrix)
        assert (rows != 0).any(axis=2).sum() == 6 * rank


def test_a_curvature_without_digits_is_none() -> None:
    tiny = np.array([[1e-313, -1e-313, 0.0], [-1e-313, 3e-314, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(semidefinite_rows(tiny[None]), np.zeros((1, 3, 3)))


def test_what_is_not_semidefinite_has_no_rows() -> None:
    small = np.diag([1e-6, -1e-16, 1e-6])  # beside the rounding errors of its larger neighbour
    with pytest.raises(ValueError, match="curvature: expected positive semi-definite matrices"):
        semidefinite_rows(np.stack([np.eye(3), small]))
    with pytest.raises(ValueError, match="curvature"):
        semidefinite_rows(-np.eye(2)[None])


@pytest.mark.equation("NP-1")
@pytest.mark.parametrize("rate", [1e-3, 0.3, 1.0])
@pytest.mark.parametrize("size", [1, 4])
def test_forget(size: int, rate: float, rng: np.random.Generator) -> None:
    old, new = (gram(rng.normal(size=(6, size))) / 6 for _ in range(2))
    expected = old + rate * (new - old)
    for version in layouts(old):
        blend = forget(version, new, rate)
        assert_close(blend, expected)
        assert_symmetric(blend)
    if rate == 1:
        np.testing.assert_array_equal(forget(old, new, rate), new)


@pytest.mark.equation("NP-1", "NP-3")
def test_forgetting_with_the_share_of_data_seen_is_the_average_of_all(
    rng: np.random.Generator,
) -> None:
    X = rng.normal(size=(7, 3))
    average = gram(X[:3]) / 3
    average = forget(average, gram(X[3:6]) / 3, 3 / 6)
    average = forget(average, gram(X[6:]), 1 / 7)
    assert_close(average, X.T @ X / 7)
