"""What a layer knows is a value: new ones take its place, and it stays what it was."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from cases import Case, assert_close, assert_same_posterior, both_priors, regression

from balinp.natural_parameters import Factors

EASY = Case("easy")


@both_priors
def test_states_and_proposals_are_frozen(prior: str) -> None:
    r = regression(EASY, prior)
    layer = r.observed()
    for value in (layer.state, layer.propose(r.inputs, r.T, r.H)):
        for field in fields(value):
            with pytest.raises(FrozenInstanceError):
                setattr(value, field.name, getattr(value, field.name))
    with pytest.raises(ValueError, match="read-only"):
        layer.state.mean[0] = 0.0


@both_priors
def test_only_an_accepted_proposal_makes_a_new_state(prior: str) -> None:
    r = regression(EASY, prior)
    layer = r.layer()
    first = layer.state
    proposal = layer.propose(r.inputs, r.T, r.H)
    assert layer.state is first
    assert first.factors is None
    layer.accept()
    assert layer.state is not first
    np.testing.assert_array_equal(first.mean, r.start)
    np.testing.assert_array_equal(first.last_change, np.zeros_like(r.start))
    assert first.factors is None
    second = layer.state
    assert second.observed is second.factors is proposal.factors
    assert second.remembered == (9.0, r.lam)
    np.testing.assert_array_equal(second.last_change, proposal.change)
    assert second.regression is not None
    layer.rebalance()
    assert layer.state == replace(second, remembered=None)
    layer.propose(r.inputs, r.T, r.H)
    layer.accept(0.5)
    assert layer.state.regression is None
    assert second.regression is not None


@both_priors
def test_a_new_prior_precision_is_a_new_state(prior: str) -> None:
    r = regression(EASY, prior)
    layer = r.observed()
    before, posterior = layer.state, layer.posterior
    layer.prior_precision = r.lam
    assert layer.state is before  # nothing has changed
    layer.prior_precision = 4.0
    assert layer.state is not before
    assert (before.prior.precision, layer.state.prior.precision) == (r.lam, 4.0)
    assert layer.prior == before.prior.name == prior
    for name in ("mean", "last_change", "factors", "remembered", "regression"):
        assert getattr(layer.state, name) is getattr(before, name)
    assert before.posterior is posterior
    assert_same_posterior(posterior, r.posterior(), r.condition)
    covariance = r.posterior(lam=4.0)[1]
    assert_same_posterior(layer.posterior, (before.mean, covariance), r.condition)


@both_priors
def test_a_posterior_is_worked_out_once_for_each_state(prior: str) -> None:
    r = regression(EASY, prior)
    layer = r.observed()
    state, posterior = layer.state, layer.posterior
    assert layer.posterior is state.posterior is state.working_posterior is posterior
    layer.observe(r.inputs[:4], r.T[:4], 2 * r.H, n_data=9, rate=0.5)
    assert layer.posterior is not posterior
    assert state.posterior is posterior


def test_before_any_data_there_are_no_factors() -> None:
    for prior in ("isotropic", "conjugate"):
        state = regression(EASY).layer(prior=prior).state
        for asked in (lambda s: s.observed, lambda s: s.prior_precision_matrix):
            with pytest.raises(ValueError, match="layer: expected at least one observed batch"):
                asked(state)


@both_priors
def test_the_dense_prior_precision(prior: str) -> None:
    r = regression(EASY, prior)
    expected = np.linalg.inv(r.prior_covariance())
    assert_close(r.observed().state.prior_precision_matrix, expected)


@pytest.mark.equation("NP-5")
@both_priors
def test_the_prior_of_a_proposal_is_the_one_it_was_solved_under(prior: str) -> None:
    """Set in between, a new precision holds from the next proposal on, for all data."""
    r = regression(EASY, prior)
    layer = r.layer()
    proposal = layer.propose(r.inputs[:5], r.T[:5], r.H, n_data=9)
    before = proposal.posterior.covariance()
    layer.prior_precision = 4.0
    assert proposal.prior.precision == r.lam
    np.testing.assert_array_equal(proposal.posterior.covariance(), before)
    layer.accept()
    layer.observe(r.inputs[5:], r.T[5:], r.H, n_data=9, rate=0.4)
    weights = 9 * np.repeat([0.6 / 5, 0.4 / 4], [5, 4])
    assert_same_posterior(layer.posterior, r.posterior(weights, lam=4.0), r.condition)


@pytest.mark.equation("EX-4")
def test_after_training_the_posterior_is_that_of_all_data() -> None:
    """Of the factors it ended with; training would go on from the averages."""
    r = regression(EASY)
    known = r.observed().state
    averaged = replace(known, factors=Factors.of(2 * known.observed.A, r.H, 9.0))
    ended = replace(averaged, settled=known.observed)
    assert ended.reported is known.factors
    assert ended.posterior is ended.posterior
    assert_same_posterior(ended.posterior, r.posterior(), r.condition)
    twice = r.posterior(2 * np.ones(9))[1]
    for state in (averaged, ended):
        assert_same_posterior(state.working_posterior, (state.mean, twice), r.condition)
