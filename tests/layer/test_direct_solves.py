"""Regressions solved without eigenvectors: the change, and what data determine, as dense ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from cases import assert_close, vec

from balinp import BALI, direct_solves
from balinp._types import Array
from balinp.damping import SPECTRAL, Spectral
from balinp.direct_solves import Direct, SolvedFactors
from balinp.natural_parameters import Determined, Factors
from balinp.priors import PRIORS, Prior
from balinp.spectral import Spectrum
from balinp.standard_basis import STANDARD

pytestmark = pytest.mark.equation("KR-6", "EV-1", "EV-3")

ONE_OUTPUT = [(1, 1), (2, 1), (7, 1), (40, 1)]
FEW_INPUTS = [(1, 2), (1, 9), (2, 4), (3, 6), (4, 30)]
DIRECT = ONE_OUTPUT + FEW_INPUTS
OTHERS = [(4, 2), (3, 5), (2, 3), (5, 9)]


class Problem(NamedTuple):
    """Factors of 11 data, something to solve for, and lam."""

    factors: Factors
    right: Array
    lam: float

    @property
    def prior(self) -> Prior:
        return PRIORS["isotropic"](self.lam)

    @property
    def data(self) -> Array:
        """What the data add to the precision, dense (D K, D K)."""
        return np.asarray(np.kron(self.factors.H, self.factors.n_data * self.factors.A))


def problem(D: int, K: int, seed: int = 0, *, rank: int | None = None) -> Problem:
    """Random factors; of rank less than D and K, if that is asked for."""
    rng = np.random.default_rng([D, K, seed])
    X = rng.standard_normal((D + 2 if rank is None else rank, D))
    S = rng.standard_normal((K + 2 if rank is None else rank, K))
    A, H = X.T @ X / len(X), S.T @ S / len(S)
    lam = float(np.exp(rng.uniform(-3, 3)))
    return Problem(Factors.of(A, H, 11.0), rng.standard_normal((D, K)), lam)


def dense_change(p: Problem, damping: float) -> Array:
    """(P + delta I)^{-1} vec(right), from the definitions of P and of delta."""
    n = p.right.size
    delta = damping * np.trace(p.data) / n
    return np.linalg.solve(p.data + (p.lam + delta) * np.eye(n), vec(p.right))


def dense_determined(p: Problem) -> Determined:
    """Gamma = tr(P^{-1} N H kron A); Psi_jk sums N A over the blocks of columns j and k of P^{-1}.

    mean_n S_n^T Psi S_n is what x^T W S_n varies by, for x x^T with the mean A, N times.
    """
    D, K = p.right.shape
    inverse = np.linalg.inv(p.data + p.lam * np.eye(D * K))
    blocks = inverse.reshape(K, D, K, D)  # vec stacks columns
    Psi = p.factors.n_data * np.einsum("jakb,ab->jk", blocks, p.factors.A)
    return Determined(float(np.trace(inverse @ p.data)), Psi)


@pytest.mark.parametrize("damping", [0.0, 0.3, 10.0])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("D", "K"), DIRECT)
def test_change_and_what_is_determined_are_those_of_dense_matrices(
    D: int, K: int, seed: int, damping: float
) -> None:
    p = problem(D, K, seed)
    change, factors = Direct(damping).solved(p.right, p.factors, p.prior)
    assert isinstance(factors, SolvedFactors)
    assert_close(vec(change), dense_change(p, damping))
    expected = dense_determined(p)
    for found in (factors.determined(p.prior), p.factors.determined(p.prior)):
        assert_close(found.parameters, expected.parameters)  # of the posterior, which has no delta
        assert_close(found.left_out, expected.left_out)


@pytest.mark.parametrize(("D", "K"), DIRECT)
def test_they_are_those_of_two_eigendecompositions(D: int, K: int) -> None:
    p = problem(D, K)
    change, factors = Direct(0.0).solved(p.right, p.factors, p.prior)
    expected, same = SPECTRAL.solved(p.right, p.factors, p.prior)
    assert_close(change, expected)
    assert_close(factors.determined(p.prior).left_out, same.determined(p.prior).left_out)
    assert factors.A is p.factors.A
    assert factors.H is p.factors.H
    assert factors.n_data == p.factors.n_data


@pytest.mark.parametrize(("D", "K"), [(5, 1), (3, 6)])
def test_singular_factors_leave_the_prior(D: int, K: int) -> None:
    """Two data: what they do not determine has the prior's precision, and no digit is lost."""
    p = problem(D, K, rank=1)
    change, factors = Direct(0.0).solved(p.right, p.factors, p.prior)
    assert_close(vec(change), dense_change(p, 0.0))
    assert_close(factors.determined(p.prior).parameters, dense_determined(p).parameters)


@pytest.mark.parametrize(("D", "K"), [(6, 1), (2, 5)])
def test_gamma_has_its_digits_where_data_determine_little(D: int, K: int) -> None:
    """It is 1e-12 of the number of weights here: no difference of that and lam tr P^{-1}."""
    p = problem(D, K)._replace(lam=1e14)
    _, factors = Direct(0.0).solved(p.right, p.factors, p.prior)
    # P = lam I but for a share of 1e-12
    assert_close(factors.determined(p.prior).parameters, np.trace(p.data) / 1e14)


def test_inputs_in_their_own_eigenbasis_are_not_turned() -> None:
    p = problem(3, 6)
    a = np.array([0.0, 0.4, 2.0])
    spectrum = Spectrum(a, STANDARD)
    diagonal = p._replace(
        factors=Factors(np.diag(a), p.factors.H, spectrum, p.factors.outputs, 11.0)
    )
    change, factors = Direct(0.0).solved(p.right, diagonal.factors, p.prior)
    assert_close(vec(change), dense_change(diagonal, 0.0))
    assert_close(factors.determined(p.prior).left_out, dense_determined(diagonal).left_out)


@pytest.mark.parametrize("damping", [0.0, 0.3])
@pytest.mark.parametrize(("D", "K"), OTHERS)
def test_layers_of_other_shapes_are_decomposed(D: int, K: int, damping: float) -> None:
    p = problem(D, K)
    change, factors = Direct(damping).solved(p.right, p.factors, p.prior)
    assert factors is p.factors
    np.testing.assert_array_equal(change, Spectral(damping).solved(p.right, factors, p.prior)[0])


@pytest.mark.parametrize(("D", "K"), [(4, 1), (2, 5)])
def test_the_conjugate_prior_is_decomposed(D: int, K: int) -> None:
    p, prior = problem(D, K), PRIORS["conjugate"](0.8)
    change, factors = Direct(0.0).solved(p.right, p.factors, prior)
    assert factors is p.factors
    P = np.kron(p.factors.H, 11 * p.factors.A + 0.8 * np.eye(D))
    assert_close(vec(change), np.linalg.solve(P, vec(p.right)))


@pytest.mark.parametrize(("D", "K"), [(4, 1), (2, 5)])
def test_under_another_prior_what_is_determined_is_worked_out_anew(D: int, K: int) -> None:
    p = problem(D, K)
    _, factors = Direct(0.0).solved(p.right, p.factors, p.prior)
    other = p._replace(lam=3 * p.lam)
    found, expected = factors.determined(other.prior), dense_determined(other)
    assert_close(found.parameters, expected.parameters)
    assert_close(found.left_out, expected.left_out)


@pytest.mark.parametrize("scale", [1e4, 1e6, 1e8])
@pytest.mark.parametrize("seed", range(5))
def test_where_the_precision_is_singular_to_rounding_it_is_decomposed(
    scale: float, seed: int
) -> None:
    """One datum and hardly a prior. Cholesky's method may fail, or pass by luck; what it would
    say of gamma can be below 0 then. Spectra keep it between 0 and the number of weights.
    """
    x = scale * np.random.default_rng(seed).standard_normal(6)
    p = Problem(Factors.of(np.outer(x, x), np.eye(1), 11.0), x[:, None], 1e-6)
    assert direct_solves.one_output(p.factors, p.right, p.lam) is None
    change, factors = Direct(0.0).solved(p.right, p.factors, p.prior)
    assert factors is p.factors
    np.testing.assert_array_equal(change, SPECTRAL.solved(p.right, factors, p.prior)[0])
    assert 0 < factors.determined(p.prior).parameters <= 6


@pytest.mark.equation("EV-1", "KR-6")
@pytest.mark.parametrize("hidden", [(4,), (12, 3)])
@pytest.mark.parametrize("batch_size", [None, 20])
def test_gamma_is_that_of_fresh_spectra_in_every_step_of_a_training(
    hidden: tuple[int, ...], batch_size: int | None, rng: np.random.Generator
) -> None:
    """Noise and prior are learnt from it: gamma = sum_ij a_i h_j / (a_i h_j + lam / N)."""
    X = rng.standard_normal((60, 2))
    Y = np.sin(X[:, :1]) + 0.2 * rng.standard_normal((60, 1))
    model = BALI(hidden).fit(X, Y, epochs=0)
    for step in range(12):
        rows = slice(None) if batch_size is None else slice(20 * (step % 3), 20 * (step % 3) + 20)
        before = [layer.prior_precision for layer in model.layers]
        record = model.step(X[rows], Y[rows], n_data=60)
        for layer, lam, gamma in zip(
            model.layers, before, record.effective_parameters, strict=True
        ):
            factors = layer.state.observed
            a, h = (np.linalg.eigvalsh(M).clip(0) for M in (factors.A, factors.H))
            for precision, found in (
                (lam, gamma),  # under which the step was taken
                (layer.prior_precision, layer.state.determined.parameters),
            ):
                ah = np.outer(a, h)
                np.testing.assert_allclose(found, (ah / (ah + precision / 60)).sum(), rtol=1e-8)
    assert len({record.prior_precision for record in model.history}) == 12
