"""Streams of batches: moving averages of natural parameters against weighted regressions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from cases import (
    Case,
    Regression,
    assert_close,
    assert_same_posterior,
    both_priors,
    every_case,
    random_covariance,
    regression,
    vec,
)

from balinp import BALI, MatrixNormalLayer
from balinp._types import Array
from balinp.way import LARGEST_RATE, LEAST_RATE

EASY = Case("easy")


def ragged_batches(N: int) -> list[slice]:
    """Up to three batches, the last one smaller: 9 = 4 + 4 + 1."""
    size = -(-2 * N // 5)
    return [slice(start, min(start + size, N)) for start in range(0, N, size)]


def stream(
    layer: MatrixNormalLayer, r: Regression, rates: Sequence[float], counts: Sequence[float]
) -> Array:
    """Observe the batches; return the weight that the moving average gives to each datum.

    By definition: the averages of X^T X / B and X^T T / B are multiplied by 1 - rate, the new
    batch's enter with rate, and the total counts as n_data of now.
    """
    weights = np.zeros(len(r.X))
    for batch, rate, n_data in zip(ragged_batches(len(r.X)), rates, counts, strict=True):
        layer.observe(r.inputs[batch], r.T[batch], r.H, n_data=n_data, rate=rate)
        weights *= 1 - rate
        weights[batch] = rate / (batch.stop - batch.start)
    return weights * counts[-1]


def ends(N: int) -> Array:
    """Number of data seen after each batch."""
    return np.array([batch.stop for batch in ragged_batches(N)])


@pytest.mark.equation("NP-1", "NP-2", "NP-3")
@every_case
@both_priors
def test_one_pass_with_rate_share_of_data_seen_is_the_full_batch(case: Case, prior: str) -> None:
    r, n = regression(case, prior), ends(case.N)
    layer = r.layer()
    stream(layer, r, np.diff(n, prepend=0) / n, [case.N] * len(n))
    assert_same_posterior(layer.posterior, r.posterior(), r.condition)


@pytest.mark.equation("NP-3", "NP-5")
@every_case
@both_priors
def test_growing_data_are_the_full_batch_of_the_data_so_far(case: Case, prior: str) -> None:
    r, n = regression(case, prior), ends(case.N)
    layer = r.layer()
    stream(layer, r, np.diff(n, prepend=0) / n, n)
    assert_same_posterior(layer.posterior, r.posterior(), r.condition)


@pytest.mark.equation("NP-1", "NP-2", "NP-4")
@every_case
@both_priors
def test_constant_rate_is_a_regression_with_weights(case: Case, prior: str) -> None:
    r, rate = regression(case, prior), 0.3
    batches = ragged_batches(case.N)
    layer = r.layer()
    stream(layer, r, [1.0] + [rate] * (len(batches) - 1), [case.N] * len(batches))
    weights, last = np.empty(case.N), len(batches) - 1
    for s, batch in enumerate(batches):
        share = (1 - rate) ** (last - s) * (rate if s > 0 else 1.0)
        weights[batch] = case.N / (batch.stop - batch.start) * share
    assert_same_posterior(layer.posterior, r.posterior(weights), r.condition)


@pytest.mark.equation("NP-1", "NP-2")
@every_case
@both_priors
def test_any_rates_from_the_prior_mean(case: Case, prior: str) -> None:
    r = regression(case, prior)
    rates = [0.6, 0.2, 0.7][: len(ends(case.N))]
    layer = r.layer(initial_mean=None)
    weights = stream(layer, r, rates, [case.N] * len(rates))
    assert_same_posterior(layer.posterior, r.posterior(weights), r.condition)


@pytest.mark.equation("NP-2")
@every_case
@both_priors
def test_another_start_is_remembered_like_the_old_data(case: Case, prior: str) -> None:
    """Until the first rate of 1, the start pulls like a prior mean with the share not replaced."""
    r = regression(case, prior)
    rates = [0.6, 0.2, 0.7][: len(ends(case.N))]
    layer = r.layer()
    weights = stream(layer, r, rates, [case.N] * len(rates))
    M0 = r.M0 + np.prod(1 - np.array(rates)) * (r.start - r.M0)
    assert_same_posterior(layer.posterior, r.posterior(weights, M0=M0), r.condition)


@pytest.mark.equation("NP-5")
@pytest.mark.parametrize("n_before", [9, 5])
@both_priors
def test_a_new_prior_precision_holds_for_all_data(prior: str, n_before: float) -> None:
    r = regression(EASY, prior)
    layer = r.layer()
    layer.observe(r.inputs[:5], r.T[:5], r.H, n_data=n_before)
    layer.prior_precision = 4.0
    layer.observe(r.inputs[5:8], r.T[5:8], r.H, n_data=9, rate=0.4)
    layer.prior_precision = 0.2
    layer.observe(r.inputs[8:], r.T[8:], r.H, n_data=9, rate=0.25)
    shares = np.repeat([0.6 * 0.75 / 5, 0.4 * 0.75 / 3, 0.25], [5, 3, 1])
    assert_same_posterior(layer.posterior, r.posterior(9 * shares, lam=0.2), r.condition)


@pytest.mark.equation("NP-2", "NP-5")
@both_priors
def test_rebalanced_proposals_follow_the_gradient(prior: str) -> None:
    r, rate = regression(EASY, prior), 0.3
    layer = r.layer()
    layer.observe(r.inputs[:5], r.T[:5], r.H, n_data=5)
    layer.prior_precision = 4.0
    layer.rebalance()
    proposal = layer.propose(r.inputs[5:], r.T[5:], 2 * r.H, n_data=9, rate=rate)
    expected = rate * proposal.posterior.covariance() @ vec(proposal.gradient)
    assert_close(vec(proposal.change), expected)
    layer.accept()  # from here the memory is as accepted: a change of N or lam is seen again
    layer.prior_precision = 1.0
    proposal = layer.propose(r.inputs[5:], r.T[5:], 2 * r.H, n_data=9, rate=rate)
    gap = vec(proposal.change) - rate * proposal.posterior.covariance() @ vec(proposal.gradient)
    assert np.abs(gap).max() > 1e-3


@pytest.mark.equation("NP-2")
@both_priors
def test_a_moving_output_precision_is_solved_anew_about_the_mean(prior: str) -> None:
    r, rate = regression(EASY, prior), 0.3
    D, K = r.M0.shape
    H_batch = random_covariance(np.random.default_rng(1), K)
    layer = r.layer()
    layer.observe(r.inputs[:5], r.T[:5], r.H, n_data=9)
    M, X, T = layer.mean, r.X[5:], r.T[5:]
    change = layer.propose(r.inputs[5:], T, H_batch, n_data=9, rate=rate).change
    A = (1 - rate) * r.X[:5].T @ r.X[:5] / 5 + rate * X.T @ X / 4
    H = (1 - rate) * r.H + rate * H_batch
    prior_precision = r.lam * np.kron(H if prior == "conjugate" else np.eye(K), np.eye(D))
    pull = 9 / 4 * np.kron(H_batch, X.T) @ vec(T - X @ M) - prior_precision @ vec(M - r.M0)
    expected = np.linalg.solve(9 * np.kron(H, A) + prior_precision, rate * pull)
    assert_close(vec(change), expected, np.linalg.cond(np.kron(H, A)))


@pytest.mark.equation("NP-2")
@both_priors
def test_a_known_output_precision_is_used_as_it_is(prior: str) -> None:
    """A new noise model holds for all data, like a new prior precision."""
    r, rate = regression(EASY, prior), 0.3
    layer = r.layer()
    layer.observe(r.inputs[:5], r.T[:5], 4 * r.H, n_data=9)
    layer.rebalance()
    options = {"n_data": 9, "rate": rate, "precision_is_known": True}
    proposal = layer.propose(r.inputs[5:], r.T[5:], r.H, **options)
    A = (1 - rate) * r.X[:5].T @ r.X[:5] / 5 + rate * r.X[5:].T @ r.X[5:] / 4
    P = np.kron(r.H, 9 * A) + np.linalg.inv(r.prior_covariance())
    assert_close(proposal.posterior.covariance(), np.linalg.inv(P))
    assert_close(vec(proposal.change), rate * np.linalg.solve(P, vec(proposal.gradient)))


@pytest.mark.equation("NP-6")
def test_factors_averaged_apart_differ_from_their_averaged_product() -> None:
    r, rate = regression(EASY), 0.3
    layer = r.layer()
    layer.observe(r.inputs[:5], r.T[:5], r.H, n_data=9)
    A, H = r.X[:5].T @ r.X[:5] / 5, r.H
    A_batch = r.X[5:].T @ r.X[5:] / 4
    H_batch = random_covariance(np.random.default_rng(1), 2)
    layer.observe(r.inputs[5:], r.T[5:], H_batch, n_data=9, rate=rate)
    assert layer.factors is not None
    apart = np.kron(layer.factors.H, layer.factors.A)
    together = (1 - rate) * np.kron(H, A) + rate * np.kron(H_batch, A_batch)
    gap = -rate * (1 - rate) * np.kron(H_batch - H, A_batch - A)
    assert np.abs(gap).max() > 1e-3
    assert_close(apart, together + gap)


# In training ------------------------------------------------------------------------------------


@pytest.mark.equation("NP-4")
def test_rate_of_a_network_is_the_share_of_its_batch_within_bounds() -> None:
    r = regression(EASY)
    model = BALI((2,), prior_precision=1.0, noise_variance=1.0)
    rates = [model.step(r.inputs, r.T, n_data=9).rate for _ in range(3)]
    assert_close(rates, 1 / np.sqrt([1, 2, 3]))  # at first all batches count about the same
    model.steps = 10**6
    counts = {9: LARGEST_RATE, 300: 9 / 300, 10**4: LEAST_RATE}
    for n_data, expected in counts.items():
        assert model.step(r.inputs, r.T, n_data=n_data).rate == expected
    given = BALI((2,), prior_precision=1.0, noise_variance=1.0, rate=0.6)
    assert_close([given.step(r.inputs, r.T).rate for _ in range(3)], [1.0, np.sqrt(0.5), 0.6])


@pytest.mark.equation("NP-2")
def test_learnt_noise_is_not_averaged_with_earlier_noise() -> None:
    r = regression(EASY)
    model = BALI((2,)).fit(r.inputs, r.T, epochs=3, batch_size=4)
    V = model.likelihood.covariance(2)
    model.step(r.inputs, r.T)
    assert_close(model.layers[-1].factors.H @ V, np.eye(2))
    assert np.abs(model.likelihood.covariance(2) - V).max() > 1e-3 * V.max()  # still moving


@pytest.mark.equation("NP-2", "NP-5")
@pytest.mark.parametrize("hidden", [(), (2,)])
def test_memory_of_a_network_is_rebalanced_and_that_of_a_regression_is_not(
    hidden: tuple[int, ...],
) -> None:
    r, rate = regression(EASY), 0.3
    model = BALI(hidden, prior_precision=1.0, noise_variance=r.V).fit(r.inputs, r.T, epochs=2)
    t = model.trace(r.inputs, r.T)
    for layer, inputs, T, H in zip(
        model.layers, t.inputs, t.pseudo_targets, t.output_precisions, strict=True
    ):
        layer.prior_precision = 4.0
        proposal = layer.propose(inputs, T, H, n_data=9, rate=rate)
        gap = proposal.change - rate * proposal.posterior.solve(proposal.gradient)
        if hidden:
            assert np.abs(gap).max() < 1e-10 * np.abs(proposal.change).max()
        else:
            assert np.abs(gap).max() > 1e-3
