"""Bases of older averages: how wrong a change solved in them is, and what stays exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import assert_close, both_priors, random_covariance, vec

from balinp import BALI, MatrixNormalLayer, data, kept_bases
from balinp._types import Array
from balinp.kept_bases import Kept, KeptFactors
from balinp.kernels import amount
from balinp.layer_state import Proposal
from balinp.natural_parameters import Factors, KnownFactor, Terms
from balinp.spectral import STANDARD, Spectrum, decompose
from balinp.way import BASIS_TOLERANCE


@pytest.fixture(autouse=True)
def narrow_layers_keep_their_bases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of up to `NARROW` rows are decomposed in every step, which is as fast."""
    monkeypatch.setattr(kept_bases, "NARROW", 0)


def batches(count: int = 6) -> list[tuple[Array, Array, Array]]:
    """Inputs, targets and output precisions that wander."""
    rng = np.random.default_rng(0)
    scale = np.linspace(0.3, 2, 4)
    return [
        (
            rng.standard_normal((30, 4)) * scale + 0.1 * t,
            rng.standard_normal((30, 3)),
            random_covariance(rng, 3),
        )
        for t in range(count)
    ]


def propose(
    layer: MatrixNormalLayer,
    batch: tuple[Array, Array, Array],
    rate: float,
    tolerance: float,
    weights: Array | None = None,
) -> Proposal:
    """As training does it: sums over the batch, with squares along the bases that there are."""
    X, T, H = layer.design(batch[0]), *batch[1:]
    squares = None
    if layer.factors:
        rows = (X @ layer.state.working_posterior.row_basis) ** 2
        squares = rows.sum(axis=0) if weights is None else weights @ rows
    gradients = decompose(H, "H").times_rows(T - X @ layer.mean)
    terms = replace(Terms.of(X, gradients, amount(X, weights) * H, weights), squares=squares)
    return layer.propose_from(terms, n_data=100, rate=rate, bases=Kept(tolerance))


def observed(
    tolerance: float, prior: str, count: int, weights: Array | None = None
) -> MatrixNormalLayer:
    layer = MatrixNormalLayer(4, 3, prior=prior)
    for t, batch in enumerate(batches(count)):
        propose(layer, batch, 1.0 if t == 0 else 0.1, tolerance, weights)
        layer.accept()
    return layer


def dense_precision(layer: MatrixNormalLayer, factors: Factors) -> Array:
    """P from the definition, with the averages as they are."""
    D, K = layer.mean.shape
    prior = factors.H if layer.prior == "conjugate" else np.eye(K)
    likelihood = np.kron(factors.H, factors.n_data * factors.A)
    return np.asarray(likelihood + layer.prior_precision * np.kron(prior, np.eye(D)))


@pytest.mark.equation("NP-7")
@both_priors
@pytest.mark.parametrize("weights", [None, np.linspace(0, 2, 30)], ids=["plain", "weighted"])
def test_values_of_a_kept_basis_are_the_averages_own(prior: str, weights: Array | None) -> None:
    factors = observed(0.9, prior, 4, weights).factors
    assert factors is not None
    assert not factors.is_exact
    kept = [(factors.A, factors.inputs)]
    if prior == "isotropic":
        kept.append((factors.H, factors.outputs))
    for matrix, (values, Q) in kept:
        np.testing.assert_allclose(values, np.diag(Q.T @ matrix @ Q), rtol=1e-11)
        rotated = Q.T @ matrix @ Q
        assert np.abs(rotated - np.diag(values)).max() > 1e-3 * values.max()  # an old basis


@pytest.mark.equation("NP-7")
@both_priors
def test_what_a_change_leaves_is_told_by_the_averages_as_they_are(prior: str) -> None:
    layer = observed(0.9, prior, 4)
    assert isinstance(layer.factors, KeptFactors)
    W = np.random.default_rng(3).standard_normal((5, 3))
    product = layer.factors.precision_times(W, layer.state.prior)
    assert_close(vec(product), dense_precision(layer, layer.factors) @ vec(W))


@pytest.mark.equation("NP-7")
@both_priors
def test_a_change_is_as_good_as_the_tolerance_says(prior: str) -> None:
    """In the norm of P: below the tolerance before the refinement, about its square after it."""
    tolerance, kept = 0.3, 0
    exact, layer = (MatrixNormalLayer(4, 3, prior=prior) for _ in range(2))
    for t, batch in enumerate(batches(12)):
        rate = 1.0 if t == 0 else 0.1
        want = vec(exact.propose(*batch, n_data=100, rate=rate).change)
        proposal = propose(layer, batch, rate, tolerance)
        P = dense_precision(exact, proposal.factors)
        error = vec(proposal.change) - want
        relative = np.sqrt(error @ P @ error / (want @ P @ want))
        if proposal.factors.is_exact:
            assert relative < 1e-10
        else:
            kept += 1
            assert 1e-8 < relative < 1.5 * tolerance**2
        assert want @ P @ vec(proposal.change) > 0  # uphill
        for each in (exact, layer):
            each.accept()
        layer.state = replace(
            layer.state, mean=exact.mean
        )  # the same start for the next comparison
    assert 3 <= kept < 11, "some bases are kept and some are renewed"


@pytest.mark.equation("NP-7")
def test_a_smaller_tolerance_renews_more_often() -> None:
    def renewals(tolerance: float) -> int:
        layer, count = MatrixNormalLayer(4, 3), 0
        for t, batch in enumerate(batches(20)):
            count += propose(layer, batch, 1.0 if t == 0 else 0.1, tolerance).factors.is_exact
            layer.accept()
        return count

    counts = [renewals(tolerance) for tolerance in (0.0, 0.1, 0.3, 0.9)]
    assert counts[0] == 20
    assert counts[0] > counts[1] > counts[2] > counts[3]


@pytest.mark.equation("NP-7")
@both_priors
def test_the_posterior_is_that_of_the_averages_whatever_the_tolerance(prior: str) -> None:
    layer = observed(0.9, prior, 4)
    factors = layer.factors
    assert factors is not None
    assert not factors.is_exact
    covariance = np.linalg.inv(dense_precision(layer, factors))
    np.testing.assert_allclose(layer.posterior.covariance(), covariance, atol=1e-12)
    assert np.abs(layer.state.working_posterior.covariance() - covariance).max() > 1e-6


@pytest.mark.equation("NP-7")
@both_priors
def test_what_is_observed_by_hand_is_exact_in_any_bases(prior: str) -> None:
    layer = observed(0.9, prior, 4)
    proposal = layer.propose(*batches(5)[4], n_data=100, rate=0.1)
    P = dense_precision(layer, proposal.factors)
    np.testing.assert_allclose(proposal.posterior.covariance(), np.linalg.inv(P), atol=1e-12)


@pytest.mark.equation("NP-7")
def test_a_known_precision_that_has_not_changed_keeps_its_spectrum() -> None:
    layer, (X, T, H) = MatrixNormalLayer(4, 3), batches(1)[0]

    def terms(H: Array) -> Terms:
        X_1 = layer.design(X)
        squares = (X_1**2).sum(axis=0)
        return Terms.of(X_1, T @ H, 30 * H, precision_is_known=True, squares=squares)

    layer.propose_from(terms(H), n_data=30, bases=Kept(0.9))
    layer.accept()
    before = layer.state.observed
    for factor in (1, 2):
        after = Kept(0.9).averaged(before, terms(factor * H), 30, 0.5, layer.state.prior)
        assert (after.outputs is before.outputs) == (factor == 1)
        assert_close(after.outputs.matrix(), factor * H)


@pytest.mark.equation("NP-7")
def test_narrow_layers_are_decomposed_in_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of up to `NARROW` rows of A or H; one row more, and bases are kept."""
    old = observed(0.9, "isotropic", 1).state.observed
    assert (len(old.A), len(old.H)) == (5, 3)
    for narrow, is_kept in ((5, False), (4, True), (3, True)):
        monkeypatch.setattr(kept_bases, "NARROW", narrow)
        assert (Kept(0.9).older([old]) == [old]) == is_kept
        assert observed(0.9, "isotropic", 4).state.observed.is_exact != is_kept


@pytest.mark.equation("NP-7", "NP-9")
@both_priors
def test_known_inputs_are_not_averaged_and_their_basis_is_not_renewed(
    prior: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = np.array([0.0, 0.3, 0.7, 2.0, 5.0])
    known = KnownFactor(np.diag(a), Spectrum(a, STANDARD))
    layer = MatrixNormalLayer(4, 3, prior=prior)
    for t, (X, T, H) in enumerate(batches(4)):
        X_1 = layer.design(X)
        gradients = (T - X_1 @ layer.mean) @ H
        terms = Terms.of(X_1, gradients, 30 * H, known_inputs=known)
        layer.propose_from(terms, n_data=100, rate=1.0 if t == 0 else 0.1, bases=Kept(0.9))
        layer.accept()
    factors = layer.state.observed
    assert isinstance(factors, KeptFactors)
    for each in (factors, factors.exact):
        np.testing.assert_array_equal(each.A, np.diag(a))
        np.testing.assert_array_equal(each.inputs.values, a)
        assert each.inputs.vectors is STANDARD
    P = dense_precision(layer, factors)
    W = np.random.default_rng(3).standard_normal((5, 3))
    assert_close(vec(factors.precision_times(W, layer.state.prior)), P @ vec(W))
    covariance = factors.exact.posterior(W, layer.state.prior)
    assert_close(vec(covariance.solve(W)), np.linalg.solve(P, vec(W)))
    for narrow, is_kept in ((2, True), (3, False)):  # rows of H alone
        monkeypatch.setattr(kept_bases, "NARROW", narrow)
        assert (Kept(0.9).older([factors]) == [factors]) == is_kept


def classes(rows: int = 400) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((rows, 3))
    return X, np.eye(3)[(X + 0.3 * rng.standard_normal(X.shape)).argmax(axis=1)]


def trained(tolerance: float, **options: object) -> BALI:
    X, Y = classes()
    model = BALI((8,), "categorical", basis_tolerance=tolerance)
    return model.fit(X, Y, epochs=6, batch_size=32, **options)  # type: ignore[arg-type]


@pytest.mark.equation("NP-7")
def test_looking_at_a_model_does_not_change_its_training() -> None:
    X, _ = classes(5)
    looked = trained(0.5, callback=lambda model: model.predict(X))
    for a, b in zip(trained(0.5).weights, looked.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.equation("LR-6", "NP-7")
def test_a_batch_in_pieces_has_the_squares_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = classes()

    def model() -> BALI:
        model = BALI((8, 6), "categorical", forward="mean", basis_tolerance=0.5)
        return model.fit(X, Y, epochs=2, batch_size=64)

    whole = model()
    monkeypatch.setattr(data, "PIECE", 32 * 20)  # pieces of 20 rows
    pieces = model()
    kept = [layer.state.observed.is_exact for layer in whole.layers]
    assert kept == [layer.state.observed.is_exact for layer in pieces.layers]
    assert not all(kept)
    for a, b in zip(whole.weights, pieces.weights, strict=True):
        assert_close(a, b, rtol=1e-8)  # 14 steps


@pytest.mark.equation("NP-7")
def test_training_resumes_in_the_bases_it_was_saved_with(tmp_path: Path) -> None:
    X, Y = classes()
    model = trained(0.5)
    assert not all(layer.state.observed.is_exact for layer in model.layers)
    model.save(tmp_path / "model.npz")
    loaded = BALI.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(model.predict(X).mean, loaded.predict(X).mean)
    for each in (model, loaded):
        each.fit(X, Y, epochs=2, batch_size=32)
    for a, b in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_classes_are_learnt_as_well_with_kept_bases() -> None:
    X, Y = classes(2000)
    exact, kept = (
        np.mean(np.log((trained(tolerance).predict(X).probabilities * Y).sum(axis=1)))
        for tolerance in (0.0, BASIS_TOLERANCE)
    )
    assert exact > -0.36
    assert kept > exact - 0.02


@pytest.mark.equation("NP-7")
@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_steps_with_all_data_at_once_are_exact(likelihood: str) -> None:
    X, Y = classes(60)
    exact, default = (BALI((4,), likelihood, **o) for o in ({"basis_tolerance": 0}, {}))
    for model in (exact, default):
        model.fit(X, Y, epochs=30)
        assert all(layer.state.observed.is_exact for layer in model.layers)
    for a, b in zip(exact.weights, default.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_single_gaussian_layer_is_exact() -> None:
    X, _ = classes(50)
    for epochs in (1, 2):
        model = BALI((), basis_tolerance=0.9)
        model.fit(X, X[:, :2] + X[:, 1:], epochs=epochs, batch_size=10)
        assert all(layer.state.observed.is_exact for layer in model.layers)


@pytest.mark.parametrize("value", [-0.1, 1.0, np.nan])
def test_tolerances_are_shares_below_one(value: float) -> None:
    with pytest.raises(ValueError, match=r"basis_tolerance: expected a number in \[0, 1\)"):
        BALI(basis_tolerance=value)
