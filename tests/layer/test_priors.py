"""Both priors against their dense precision, by one checker."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from cases import assert_close, random_covariance, vec

from balinp._types import Array
from balinp.priors import PRIORS, Conjugate, Isotropic, Prior
from balinp.spectral import Spectrum, decompose

LAM = 0.7


def dense(prior: Prior, H: Array, D: int) -> Array:
    """Lam0 (D K, D K) from the definition, column below column."""
    column = {"isotropic": np.eye(len(H)), "conjugate": H}[prior.name]
    return np.asarray(prior.precision * np.kron(column, np.eye(D)))


def assert_is_dense(prior: Prior, H: Array, D: int, rng: np.random.Generator) -> None:
    """All that a prior says, against dense products, eigenvectors and quadratic forms."""
    Lam0, outputs, K = dense(prior, H, D), decompose(H, "H"), len(H)
    p = prior.eigenvalues(outputs)
    assert p.shape == (K,)
    basis = np.kron(outputs.vectors, np.linalg.qr(rng.normal(size=(D, D)))[0])  # any rows' basis
    assert_close(basis.T @ Lam0 @ basis, np.diag(np.repeat(p, D)))
    W = rng.normal(size=(D, K))
    given = W.copy()
    assert_close(vec(prior.times(W, outputs)), Lam0 @ vec(W))
    assert_close(prior.squares(W, outputs), vec(W) @ Lam0 @ vec(W))
    np.testing.assert_array_equal(W, given)
    factor = prior.column_factor(H)
    assert_close(prior.precision * np.kron(factor, np.eye(D)), Lam0)


@pytest.mark.equation("KR-2", "LR-1", "LR-2", "EV-4")
@pytest.mark.parametrize("shape", [(3, 2), (2, 4), (1, 3), (4, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("kind", PRIORS.values(), ids=list(PRIORS))
def test_a_prior_is_its_dense_precision(
    kind: type[Prior], shape: tuple[int, int], rng: np.random.Generator
) -> None:
    D, K = shape
    assert_is_dense(kind(LAM), random_covariance(rng, K), D, rng)


@pytest.mark.equation("KR-2", "LR-2")
@pytest.mark.parametrize("kind", PRIORS.values(), ids=list(PRIORS))
def test_a_singular_output_precision_has_its_prior(
    kind: type[Prior], rng: np.random.Generator
) -> None:
    left = rng.normal(size=(4, 2))
    assert_is_dense(kind(LAM), left @ left.T, 3, rng)


@pytest.mark.equation("LR-2", "PT-5")
def test_the_conjugate_prior_is_that_of_the_spectrum_with_its_floor(
    rng: np.random.Generator,
) -> None:
    """Eigenvalues that a floor has raised count as they are now, in products, too."""
    H = random_covariance(rng, 3)
    spectrum = decompose(H, "H")
    raised = Spectrum(spectrum.values + np.array([5.0, 0.0, 0.0]), spectrum.vectors)
    W = rng.normal(size=(2, 3))
    assert_close(Conjugate(LAM).times(W, raised), LAM * W @ raised.matrix())
    assert_close(
        Conjugate(LAM).squares(W, raised), LAM * float(np.trace(W @ raised.matrix() @ W.T))
    )


@pytest.mark.parametrize("kind", PRIORS.values(), ids=list(PRIORS))
def test_one_that_follows_the_noise_is_proportional_to_it(
    kind: type[Prior], rng: np.random.Generator
) -> None:
    H, lam = decompose(random_covariance(rng, 3), "H"), kind(LAM)
    louder = Spectrum(4 * H.values, H.vectors)
    times = 4.0 if kind.follows_noise else 1.0
    assert_close(lam.eigenvalues(louder), times * lam.eigenvalues(H))


def test_priors_are_values_known_by_name() -> None:
    assert PRIORS == {"isotropic": Isotropic, "conjugate": Conjugate}
    for kind in PRIORS.values():
        prior = kind(LAM)
        with pytest.raises(FrozenInstanceError):
            prior.precision = 1.0  # type: ignore[misc]
        other = replace(prior, precision=2.0)
        assert type(other) is kind
        assert (other.precision, prior.precision) == (2.0, LAM)
    assert [Isotropic.follows_noise, Conjugate.follows_noise] == [False, True]
