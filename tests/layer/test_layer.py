"""One layer and all its data in one step, against the dense regression; and its boundaries."""

from __future__ import annotations

import numpy as np
import pytest
from cases import (
    Case,
    assert_close,
    assert_same_posterior,
    both_priors,
    every_case,
    regression,
    tolerance,
    vec,
)

from balinp import dense

EASY = Case("easy")

# All data in one step ---------------------------------------------------------------------------


@pytest.mark.equation("LR-1", "LR-2", "LR-3")
@every_case
@both_priors
def test_one_step_from_any_start_is_the_exact_posterior(case: Case, prior: str) -> None:
    r = regression(case, prior)
    assert_same_posterior(r.observed().posterior, r.posterior(), r.condition)


@pytest.mark.equation("LR-4")
@every_case
@both_priors
def test_evidence(case: Case, prior: str) -> None:
    r = regression(case, prior)
    expected = r.log_evidence()
    # A sum of N K + D K terms of order one or more, each with the posterior's errors.
    scale = max(abs(expected), r.T.size + r.M0.size)
    assert abs(r.observed().log_evidence() - expected) < tolerance(r.condition) * scale


@pytest.mark.equation("LR-5", "MN-6")
@every_case
@both_priors
def test_predictive(case: Case, prior: str) -> None:
    r = regression(case, prior)
    layer = r.observed()
    rng = np.random.default_rng(1)
    X_new = rng.normal(size=(5, r.X.shape[1])) * np.abs(r.X).max(axis=0)
    mean, covariance = dense.predictive(X_new, *r.posterior(), r.V)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    # Each output in units of its own predictive standard deviation.
    atol = tolerance(r.condition)
    np.testing.assert_allclose((X_new @ layer.mean - mean) / sd, 0, atol=atol)
    actual = layer.posterior.predictive_covariance(X_new) + r.V
    units = sd[:, :, None] * sd[:, None, :]
    np.testing.assert_allclose(actual / units, covariance / units, rtol=0, atol=atol)


@pytest.mark.equation("LR-3")
@every_case
@both_priors
def test_gradient_is_that_of_the_log_joint(case: Case, prior: str) -> None:
    r = regression(case, prior)
    proposal = r.layer().propose(r.inputs, r.T, r.H, n_data=len(r.X))
    mean, _ = r.posterior()  # the log joint is a quadratic about it: its gradient is linear
    assert_close(vec(proposal.gradient), r.precision @ vec(mean - r.start), r.condition)
    U, V = np.random.default_rng(1).normal(size=(2, *r.M0.shape))
    expected = vec(U) @ np.linalg.solve(r.prior_covariance(), vec(V))
    size = np.abs(vec(U)) @ np.abs(np.linalg.inv(r.prior_covariance())) @ np.abs(vec(V))
    assert (
        abs(float((U * proposal.prior_times(V)).sum()) - expected)
        < tolerance(np.linalg.cond(r.V)) * size
    )


@pytest.mark.equation("LR-3")
@both_priors
def test_nothing_moves_before_accept(prior: str) -> None:
    r = regression(EASY, prior)
    layer = r.layer()
    proposal = layer.propose(r.inputs, r.T, r.H, n_data=len(r.X))
    np.testing.assert_array_equal(layer.mean, r.start)
    assert_close(proposal.posterior.mean, r.posterior()[0])  # where the whole change would lead
    assert layer.factors is None
    layer.accept(0.25)
    assert_close(layer.mean, r.start + 0.25 * proposal.change)
    assert_close(layer.last_change, 0.25 * proposal.change)
    assert_close(layer.posterior.covariance(), r.posterior()[1])  # the factors are whole
    layer.propose(r.inputs, r.T, r.H, n_data=len(r.X))
    before, first = layer.mean, layer.last_change
    second = layer.propose(r.inputs, r.T, r.H, n_data=len(r.X)).change
    layer.accept(0.5, momentum=0.3)
    assert_close(layer.mean, before + 0.5 * second + 0.3 * first)


# Boundaries -------------------------------------------------------------------------------------


def test_before_any_data_the_posterior_is_the_prior() -> None:
    r = regression(EASY)
    before = r.layer(initial_mean=None).posterior
    assert_same_posterior(before, (r.M0, r.prior_covariance()))
    with pytest.raises(ValueError, match="posterior: expected at least one observed batch"):
        _ = r.layer(prior="conjugate").posterior


@pytest.mark.equation("LR-1")
def test_targets_without_precision_leave_the_prior() -> None:
    r = regression(EASY)
    layer = r.layer()
    layer.observe(r.inputs, r.T, np.zeros((2, 2)), n_data=9)
    assert_same_posterior(layer.posterior, (r.M0, r.prior_covariance()))
    with pytest.raises(ValueError, match="output_precision: expected a positive definite"):
        layer.log_evidence()  # targets of infinite variance have no density
    with pytest.raises(ValueError, match=r"output_precision: .* eigenvalues from 0 to 0"):
        r.layer(prior="conjugate").observe(r.inputs, r.T, np.zeros((2, 2)), n_data=9)


@pytest.mark.equation("LR-4")
def test_evidence_is_refused_for_what_is_not_all_the_data() -> None:
    r = regression(EASY)
    refusal = pytest.raises(ValueError, match="log_evidence: expected")
    for options in ({"n_data": 10}, {"n_data": 9, "rate": 0.5}):
        layer = r.layer()
        layer.observe(r.inputs, r.T, r.H, **options)
        with refusal:
            layer.log_evidence()
    with refusal:
        r.layer().log_evidence()
    layer = r.layer()
    layer.propose(r.inputs, r.T, r.H, n_data=9)
    layer.accept(0.5)
    with refusal:
        layer.log_evidence()
    layer = r.observed()
    layer.prior_precision = 2.0
    with refusal:
        layer.log_evidence()
    layer.observe(r.inputs, r.T, r.H, n_data=9)  # a whole batch with rate 1 replaces everything
    assert_close(layer.log_evidence(), r.log_evidence(lam=2.0))


def test_a_proposal_is_accepted_once() -> None:
    layer = regression(EASY).observed()
    with pytest.raises(ValueError, match="accept: expected a call of propose"):
        layer.accept()


def test_the_state_is_the_layers_own() -> None:
    """What a caller does with its arrays later does not reach into the layer."""
    r = regression(EASY, "conjugate")
    arrays = inputs, T, H, M0, start = [a.copy() for a in (r.inputs, r.T, r.H, r.M0, r.start)]
    layer = r.layer(prior_mean=M0, initial_mean=start)
    layer.observe(inputs[:5], T[:5], H, n_data=5)
    for array in arrays:
        array *= 100
    layer.observe(r.inputs[5:], r.T[5:], r.H, n_data=9, rate=4 / 9)
    assert_same_posterior(layer.posterior, r.posterior(), r.condition)


def test_a_mean_that_was_handed_out_cannot_change() -> None:
    layer = regression(EASY).layer()
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            layer.mean[0] = 0.0
        layer = regression(EASY).observed()
