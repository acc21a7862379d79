"""Eigendecompositions: what counts as zero, what is refused, what the floor does."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, Case, assert_close, random_covariance, regression

import balinp
from balinp._types import Array
from balinp.spectral import (
    CURVATURE_FLOOR,
    RANK_TOLERANCE,
    covariance_root,
    decompose,
    floored,
    geometric_mean,
    root,
)

EPS = float(np.finfo(np.float64).eps)


@pytest.mark.equation("KR-2")
@pytest.mark.parametrize("n", [1, 2, 5])
def test_spectrum_gives_back_the_matrix_and_its_inverse(n: int, rng: np.random.Generator) -> None:
    C = random_covariance(rng, n)
    spectrum = decompose(C, "C")
    assert_close(spectrum.vectors @ spectrum.vectors.T, np.eye(n))
    assert_close(spectrum.matrix(), C)
    rows = rng.normal(size=(4, n))
    assert_close(spectrum.solve_rows(rows), np.linalg.solve(C, rows.T).T, np.linalg.cond(C))
    assert (np.diff(spectrum.values) >= 0).all()


@pytest.mark.equation("KR-2")
def test_eigenbasis_of_a_kronecker_product(rng: np.random.Generator) -> None:
    A, H = random_covariance(rng, 3), random_covariance(rng, 2)
    rows, columns = decompose(A, "A"), decompose(H, "H")
    basis = np.kron(columns.vectors, rows.vectors)
    L = np.outer(rows.values, columns.values)
    assert_close(basis.T @ np.kron(H, A) @ basis, np.diag(L.ravel(order="F")))


@pytest.mark.equation("KR-4")
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("n", [2, 20])
def test_rounding_errors_of_zeros_are_zeros_and_others_are_refused(n: int, scale: float) -> None:
    bound = RANK_TOLERANCE * n * EPS
    diagonal = np.ones(n)
    for negative in (0.0, -0.9 * bound):
        diagonal[0] = negative
        values = decompose(scale * np.diag(diagonal), "A").values
        np.testing.assert_array_equal(values, scale * np.maximum(np.sort(diagonal), 0.0))
    diagonal[0] = 1e-300  # small is not zero
    assert decompose(np.diag(diagonal), "A").values[0] == 1e-300
    diagonal[0] = -1.1 * bound
    expected = rf"A: expected a positive semi-definite matrix, .*\({n}, {n}\) with eigenvalues from"
    with pytest.raises(ValueError, match=expected):
        decompose(scale * np.diag(diagonal), "A")


@pytest.mark.equation("KR-4")
def test_zero_is_accepted_and_negative_is_not() -> None:
    np.testing.assert_array_equal(decompose(np.zeros((3, 3)), "A").values, np.zeros(3))
    for diagonal in ([-1.0, -2.0], [-1e-12, 1.0]):
        with pytest.raises(ValueError, match="H: expected a positive semi-definite"):
            decompose(np.diag(diagonal), "H")


@pytest.mark.equation("KR-4")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_gram_matrix_is_accepted(case: Case) -> None:
    X = regression(case).X
    spectrum = decompose(X.T @ X, "A")
    assert (spectrum.values >= 0).all()
    assert_close(spectrum.matrix(), X.T @ X)


@pytest.mark.equation("PT-5")
def test_the_floor_raises_small_eigenvalues_and_no_others(rng: np.random.Generator) -> None:
    Q = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    values = np.array([0.0, 1e-9, 1e-3, 3.0])
    H = (Q * values) @ Q.T
    mean = values.mean()
    expected = [CURVATURE_FLOOR * mean, CURVATURE_FLOOR * mean, 1e-3, 3.0]
    raised = floored(0.5 * (H + H.T), "H")
    # Eigenvalues of a matrix are known up to eps times the largest, 1e-7 of the floor here.
    np.testing.assert_allclose(raised.values, expected, rtol=1e-6)
    assert_close(raised.matrix(), (Q * expected) @ Q.T)
    np.testing.assert_allclose(floored(1e6 * H, "H").values, 1e6 * np.array(expected), rtol=1e-6)
    assert floored(H, "H", 0.1).values[2] == pytest.approx(0.1 * mean)


@pytest.mark.equation("PT-5")
def test_the_floor_of_a_zero_matrix() -> None:
    np.testing.assert_array_equal(floored(np.zeros((2, 2)), "H").values, [CURVATURE_FLOOR] * 2)
    with pytest.raises(ValueError, match="H: expected a positive semi-definite"):
        floored(np.diag([-1.0, 2.0]), "H")  # a floor is not a repair


def test_roots_of_a_stack_of_singular_covariances(rng: np.random.Generator) -> None:
    factors: Array = rng.normal(size=(2, 5, 3, 2))
    stack = factors @ np.swapaxes(factors, -1, -2)  # rank 2 of 3
    roots = root(stack)
    np.testing.assert_allclose(roots, np.swapaxes(roots, -1, -2), atol=1e-14)
    assert_close(roots @ roots, stack)
    # One of five is not a covariance, and is small beside the others.
    stack[0, 2] = np.diag([1e-6, 1e-6, -1e-16])
    with pytest.raises(ValueError, match=r"covariance: expected .* stack of shape \(2, 5, 3, 3\)"):
        root(stack)


def test_roots_of_covariances_are_continuous(rng: np.random.Generator) -> None:
    factors: Array = rng.normal(size=(5, 3, 3))
    stack = factors @ np.swapaxes(factors, -1, -2)
    roots = covariance_root(stack)
    assert_close(roots @ np.swapaxes(roots, -1, -2), stack)
    moved = covariance_root(stack * (1 + 1e-12 * rng.normal()))
    np.testing.assert_allclose(moved, roots, rtol=1e-11)
    stack[0] = np.outer([1.0, 2.0, 2.0], [1.0, 2.0, 2.0])  # has no Cholesky factor to rounding
    singular = np.concatenate([stack, np.zeros((1, 3, 3))])
    roots = covariance_root(singular)
    assert_close(roots @ np.swapaxes(roots, -1, -2), singular)


def test_nothing_else_decomposes() -> None:
    """The rule for zeros is written once, because there is one module that could need it.

    `balinp.plain` shares no code with the others and is imported by none of them.
    """
    callers = set()
    for path in Path(balinp.__file__).parent.glob("*.py"):
        names = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
        }
        if names & {"eig", "eigh", "eigvals", "eigvalsh", "svd", "pinv"}:
            callers.add(path.name)
    assert callers == {"spectral.py", "plain.py"}


@pytest.mark.equation("KR-4")
@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_at_every_size(size: int, wrong: float) -> None:
    matrix = np.eye(size)
    matrix[-1, -1] = wrong
    with pytest.raises(ValueError, match="^A: expected a finite matrix"):
        decompose(matrix, "A")


@pytest.mark.equation("EV-8")
def test_the_way_to_a_singular_covariance_is_finite(rng):
    """Rounding leaves eigenvalues of either sign where there are none."""
    for _ in range(20):
        rows = rng.standard_normal((2, 6))
        found = geometric_mean(np.eye(6) + 0.3, rows.T @ rows, 0.5)
        assert np.isfinite(found).all()
        # Half the way in logarithms to what rounding leaves, 6 eps, is 4e-8; to zero it is zero.
        assert np.linalg.eigvalsh(found)[0] > 1e-9
