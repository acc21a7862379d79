"""Hamiltonian Monte Carlo as a truth: its density is ours, and what is made of its draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from balinp import BALI, dense
from balinp.experiments import larger_truths
from balinp.experiments.exact_posterior import NOISE_STD, PRIOR_PRECISION, REGIONS, problem
from balinp.experiments.hamiltonian import (
    Sampled,
    Sampling,
    log_joint,
    mixing,
    outputs,
    sample,
    unstacked,
)
from balinp.experiments.results import store

HERE = Path(larger_truths.__file__).parent


def value(network, X, Y, weights):
    """The sampler's log density of weights (P,), in double precision."""
    jax = pytest.importorskip("jax", reason="needs the extra 'hmc'")
    with jax.enable_x64(True):
        return float(log_joint(network, X, Y)(jax.numpy.asarray(weights)))


def linear():
    """Data of a problem for a network without hidden layers, its posterior and its evidence."""
    drawn = problem((3, 1), 0, 20)
    A = np.column_stack([drawn.X, np.ones(20)])
    prior = np.zeros((4, 1)), np.eye(4) / PRIOR_PRECISION
    arguments = A, drawn.Y, NOISE_STD**2 * np.eye(1), *prior
    mean, covariance = dense.posterior(*arguments)
    return drawn, mean.ravel(), covariance, dense.log_evidence(*arguments)


def test_density_of_a_linear_model_is_posterior_times_evidence(rng):
    drawn, mean, covariance, evidence = linear()
    P = np.linalg.inv(covariance)
    for _ in range(3):
        w = mean + 0.1 * rng.standard_normal(4)
        quadratic = (w - mean) @ P @ (w - mean)
        density = 0.5 * (np.linalg.slogdet(P)[1] - 4 * np.log(2 * np.pi) - quadratic)
        assert value(drawn.network, drawn.X, drawn.Y, w) == pytest.approx(
            density + evidence, rel=1e-10
        )


@pytest.mark.parametrize("hidden", [(), (4,), (3, 5)])
def test_density_is_the_log_joint_that_bali_records(hidden):
    drawn = problem((2, *hidden, 1), 1, 15)
    model = BALI(hidden, prior_precision=PRIOR_PRECISION, noise_variance=NOISE_STD**2)
    model.fit(drawn.X, drawn.Y, epochs=3)
    weights = np.concatenate([W.ravel() for W in model.weights])
    found = value(drawn.network, drawn.X, drawn.Y, weights)
    f = drawn.network.forward(model.weights, drawn.X).outputs[-1]
    expected = norm.logpdf(drawn.Y, f, NOISE_STD).sum()
    expected += norm.logpdf(weights, scale=PRIOR_PRECISION**-0.5).sum()
    assert found == pytest.approx(expected, rel=1e-10)
    model.fit(drawn.X, drawn.Y, epochs=1)
    weights = np.concatenate([W.ravel() for W in model.weights])
    recorded = model.history[-1].log_joint
    assert recorded == pytest.approx(value(drawn.network, drawn.X, drawn.Y, weights), rel=1e-10)


@pytest.mark.slow
def test_draws_have_the_moments_of_a_known_posterior():
    pytest.importorskip("numpyro", reason="needs the extra 'hmc'")
    drawn, mean, covariance, _ = linear()
    sampled = sample(drawn, Sampling(chains=2, warm_up=200, draws=400), 0)
    again = sample(drawn, Sampling(chains=2, warm_up=200, draws=400), 0)
    np.testing.assert_array_equal(sampled.draws, again.draws)
    assert sampled.draws.shape == (2, 400, 4)
    assert sampled.divergent == 0
    r_hat, effective = mixing([sampled.draws])
    assert r_hat < 1.05
    assert effective > 200
    std = np.sqrt(np.diag(covariance))
    flat = sampled.draws.reshape(-1, 4)
    assert np.abs((flat.mean(axis=0) - mean) / std).max() < 5 / np.sqrt(effective)
    np.testing.assert_allclose(flat.std(axis=0), std, rtol=5 / np.sqrt(2 * effective))


def test_weights_are_cut_as_they_are_read(rng):
    drawn = problem((2, 3, 1), 0, 5)
    W = [rng.standard_normal(shape) for shape in drawn.network.shapes]
    flat = np.concatenate([part.ravel() for part in W])
    for part, again in zip(W, unstacked(drawn.network, flat), strict=True):
        np.testing.assert_array_equal(part, again)
    X = drawn.tests["gap"][0][:4]
    f = outputs(drawn.network, np.stack([flat, 2 * flat])[None], X)
    assert f.shape == (1, 2, 4)
    np.testing.assert_array_equal(f[0, 0], drawn.network.forward(W, X).outputs[-1][:, 0])


def test_records_and_report_from_their_definitions(rng, monkeypatch):
    """With two draws that are told apart; how they mix is asked of the library elsewhere."""
    monkeypatch.setattr(larger_truths, "mixing", lambda values: (1.01, 99.0))
    drawn = problem((1, 3, 1), 0)
    model = larger_truths.trained(drawn, 4)
    flat = np.concatenate([W.ravel() for W in model.weights])
    draws = np.stack([flat, flat + 0.1 * rng.standard_normal(len(flat))])
    truth, *others = larger_truths.compare(drawn, Sampled(draws[None], 2, 7.0), 4)
    assert (truth["method"], truth["divergent"], truth["effective_draws"]) == ("HMC", 2, 99.0)
    assert [r["method"] for r in others] == [
        "BALI (joint)", "BALI (layerwise)", "layers' exact posteriors"
    ]  # fmt: skip
    for region in REGIONS:
        X, Y = drawn.tests[region]
        f = np.stack([drawn.network.forward(unstacked(drawn.network, w), X).outputs[-1][:, 0]
                      for w in draws])  # fmt: skip
        densities = logsumexp(norm.logpdf(Y[:, 0], f, NOISE_STD), axis=0) - np.log(2)
        assert truth[f"log_likelihood_{region}"] == pytest.approx(densities.mean(), rel=1e-10)
        assert truth[f"std_{region}"] == pytest.approx(np.abs(f[0] - f[1]).mean() / 2, rel=1e-10)
        mean = model.predict(X).mean[:, 0]
        off = np.sqrt(np.mean((mean - f.mean(axis=0)) ** 2))
        J = dense.jacobian(model, X)[:, 0]
        D = len(model.layers[0].posterior.covariance())
        for record, attribute in ((others[1], "posterior"), (others[2], "exact_posterior")):
            C = np.zeros((len(flat), len(flat)))
            parts = [getattr(layer, attribute).covariance() for layer in model.layers]
            C[:D, :D], C[D:, D:] = parts
            std = np.sqrt(np.einsum("bp,pq,bq->b", J, C, J))
            assert record[f"std_{region}"] == pytest.approx(std.mean(), rel=1e-9)
        assert all(r[f"mean_off_{region}"] == pytest.approx(off, rel=1e-9) for r in others)
    named = [{"network": "1-3-1", "seed": 0, **r} for r in (truth, *others)]
    text = larger_truths.report(named)
    assert "R-hat of every output at most 1.010, at least 99 effective draws, 2 divergent" in text
    assert text.count("| 1-3-1") == 4


def test_the_table_of_the_page_is_that_of_the_record():
    results = store.read("larger_truths", HERE)
    assert results.command == "balinp truths --hmc"
    assert larger_truths.report(results.records) in (HERE / "larger_truths.md").read_text("utf-8")
