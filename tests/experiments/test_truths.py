"""Three posteriors of tiny networks: the exact one against its definition, and what is reported."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.special import logsumexp
from scipy.stats import norm

from balinp import BALI, dense
from balinp.cli import main
from balinp.experiments import truths
from balinp.experiments.exact_posterior import (
    NOISE_STD,
    PRIOR_PRECISION,
    REGIONS,
    Chains,
    exact,
    features,
    functions,
    given_hidden_weights,
    hidden_weights,
    log_posterior,
    problem,
)

PRIOR_STD = 1 / np.sqrt(PRIOR_PRECISION)
SHORT = Chains(walkers=20, burn_in=100, steps=400, thin=10)
each_network = pytest.mark.parametrize("widths", truths.NETWORKS, ids=str)


def design(W, X):
    """Inputs of the output layer for hidden weights W, datum by datum."""
    return np.array([[*np.tanh(W[:-1].T @ x + W[-1]), 1.0] for x in X])


def regression(drawn, W):
    """Arguments of the dense regression of the output layer."""
    D = W.shape[1] + 1
    noise, prior_mean, prior = NOISE_STD**2 * np.eye(1), np.zeros((D, 1)), PRIOR_STD**2 * np.eye(D)
    return design(W, drawn.X), drawn.Y, noise, prior_mean, prior


@each_network
def test_problems_have_their_regions_and_are_the_same_each_time(widths):
    drawn, again, other = problem(widths, 1), problem(widths, 1), problem(widths, 2)
    np.testing.assert_array_equal(drawn.Y, again.Y)
    assert not np.array_equal(drawn.X, other.X)
    first = {region: np.abs(drawn.tests[region][0][:, 0]) for region in REGIONS}
    assert drawn.X.shape[1] == widths[0]
    for size in (np.abs(drawn.X[:, 0]), first["data"]):
        assert ((size >= 1) & (size <= 2)).all()
    assert (first["gap"] < 1).all()
    assert ((first["outside"] >= 3) & (first["outside"] <= 6)).all()


@pytest.mark.equation("LR-4")
@each_network
def test_log_posterior_of_hidden_weights_from_dense_evidence(widths, rng):
    drawn = problem(widths, 0)
    D, K = drawn.network.shapes[0]
    W = rng.standard_normal((4, D, K))
    expected = [
        dense.log_evidence(*regression(drawn, w)) + norm.logpdf(w, scale=PRIOR_STD).sum() for w in W
    ]
    omegas = W.reshape(4, -1)
    np.testing.assert_allclose(log_posterior(drawn, omegas), expected, rtol=1e-10)


@pytest.mark.equation("LR-5")
@each_network
def test_outputs_given_hidden_weights_from_dense_predictive(widths, rng):
    drawn = problem(widths, 0)
    D, K = drawn.network.shapes[0]
    omegas, X_new = rng.standard_normal((3, D * K)), drawn.tests["outside"][0][:7]
    means, variances = given_hidden_weights(drawn, omegas, X_new)
    for omega, mean, variance in zip(omegas, means, variances, strict=True):
        W = omega.reshape(D, K)
        G, posterior = design(W, X_new), dense.posterior(*regression(drawn, W))
        noise = NOISE_STD**2 * np.eye(1)
        expected, covariance = dense.predictive(G, *posterior, noise)
        np.testing.assert_allclose(mean, expected[:, 0], rtol=1e-10)
        np.testing.assert_allclose(variance, covariance[:, 0, 0] - NOISE_STD**2, rtol=1e-9)
    np.testing.assert_allclose(features(drawn.network, omegas[-1:], X_new)[0], G, rtol=1e-12)


def test_functions_have_the_moments_they_are_drawn_from(rng):
    drawn = problem((1, 3, 1), 0)
    omega, X_new = rng.standard_normal(6), np.array([[-2.0], [0.0], [4.0]])
    n = 20_000
    drawn_at = functions(drawn, np.tile(omega, (n, 1)), X_new, rng)
    means, variances = given_hidden_weights(drawn, omega[None], X_new)
    z = (drawn_at.mean(axis=0) - means[0]) / np.sqrt(variances[0] / n)
    assert np.abs(z).max() < 5
    z = (drawn_at.var(axis=0) / variances[0] - 1) / np.sqrt(2 / n)
    assert np.abs(z).max() < 5


def test_chains_agree_with_importance_sampling(rng):
    """Which draws from the prior and weights by the evidence: no chains, no burn-in."""
    drawn, X_new = problem((1, 3, 1), 0), np.array([[-5.0], [-1.5], [0.0], [1.5], [5.0]])
    draws, accepted = hidden_weights(drawn, Chains(60, 300, 1500, 5), seed=0)
    assert draws.shape == (300, 60, 6)
    assert 0.1 < accepted < 0.5
    outputs = exact(drawn, draws, X_new)[0]
    omega = PRIOR_STD * rng.standard_normal((40_000, 6))
    log_w = log_posterior(drawn, omega) - norm.logpdf(omega, scale=PRIOR_STD).sum(axis=1)
    w = np.exp(log_w - logsumexp(log_w))
    assert 1 / (w**2).sum() > 5000
    means, variances = given_hidden_weights(drawn, omega, X_new)
    mean = w @ means
    std = np.sqrt(w @ (variances + means**2) - mean**2)
    # Some 5,000 effective draws each: standard errors of 2 % of a standard deviation.
    assert np.abs((outputs.mean - mean) / std).max() < 0.1
    np.testing.assert_allclose(outputs.std, std, rtol=0.1)


def test_gaussians_are_those_of_their_covariances():
    drawn = problem((2, 2, 1), 0)
    model = truths.trained(drawn, 0)
    assert model.prior_precision == PRIOR_PRECISION
    X_new = drawn.tests["gap"][0][:5]
    found = truths.gaussians(model, X_new)
    J = dense.jacobian(model, X_new)[:, 0]
    blocks = block_diag(*(layer.posterior.covariance() for layer in model.layers))
    joint = dense.ggn_posterior(model, drawn.X).covariance
    for method, C in ((truths.LAYERWISE, blocks), (truths.JOINT, joint)):
        np.testing.assert_allclose(found[method].std ** 2, np.diag(J @ C @ J.T), rtol=1e-9)
        np.testing.assert_array_equal(found[method].mean, model.predict(X_new).mean[:, 0])


def test_records_from_their_definitions():
    drawn = problem((1, 3, 1), 0)
    draws, accepted = hidden_weights(drawn, SHORT, seed=0)
    truth, joint, bali = truths.compare(drawn, draws, accepted, starts=[4])
    assert [r["method"] for r in (truth, joint, bali)] == [
        "MCMC", "BALI (joint)", "BALI (layerwise)"
    ]  # fmt: skip
    assert [r["start"] for r in (truth, joint, bali)] == [None, 4, 4]
    model = truths.trained(drawn, 4)
    omega = draws.reshape(-1, 6)
    for region, (X_new, Y_new) in drawn.tests.items():
        y = Y_new[:, 0]
        means, variances = given_hidden_weights(drawn, omega, X_new)
        densities = norm.pdf(y, means, np.sqrt(variances + NOISE_STD**2)).mean(axis=0)
        assert truth[f"log_likelihood_{region}"] == pytest.approx(np.log(densities).mean())
        assert truth[f"mean_off_{region}"] == 0
        predictive = model.predict(X_new)
        assert joint[f"log_likelihood_{region}"] == pytest.approx(predictive.logpdf(Y_new).mean())
        apart = BALI((3,), prior_precision=1.0, noise_variance=0.04, seed=4)
        apart = apart.fit(drawn.X, drawn.Y, epochs=1000, tolerance=1e-10).predict(X_new)
        assert bali[f"log_likelihood_{region}"] == pytest.approx(apart.logpdf(Y_new).mean())
        off = np.sqrt(np.mean((predictive.mean[:, 0] - means.mean(axis=0)) ** 2))
        assert bali[f"mean_off_{region}"] == joint[f"mean_off_{region}"] == pytest.approx(off)
        assert joint[f"std_{region}"] == pytest.approx(
            np.sqrt(dense.ggn_posterior(model, drawn.X).epistemic(X_new)[:, 0, 0]).mean()
        )
    assert 0 < truth["effective_draws"] <= 40 * 20 * 1.5  # of 800; anticorrelated by chance


def test_report_shows_means_over_problems_and_starts():
    def record(method, start, seed, value):
        scores = {f"{key}_{region}": value + i for i, key in enumerate(
            ("mean_off", "std", "log_likelihood")) for region in REGIONS}  # fmt: skip
        extra = (
            {"accepted": 0.25, "effective_draws": 100.0 * seed + 50, "halves_differ": 0.01}
            if start is None
            else {"log_joint": -1.0 - 0.5 * start}
        )
        return {"network": "1-3-1", "seed": seed, "method": method, "start": start, **scores,
                **extra}  # fmt: skip

    records = [
        record("MCMC", None, 0, 0.0),
        record(truths.LAYERWISE, 0, 0, 1.0),
        record(truths.LAYERWISE, 1, 0, 3.0),
        record("MCMC", None, 1, 2.0),
        record(truths.LAYERWISE, 0, 1, 4.0),
        record(truths.LAYERWISE, 1, 1, 8.0),
    ]
    text = truths.report(records)
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()[:4]]
    assert rows[2] == ["1-3-1", "MCMC", *["1.000"] * 3, *["2.000"] * 3, *["3.000"] * 3]
    assert rows[3] == ["1-3-1", "BALI (layerwise)", *["4.000"] * 3, *["5.000"] * 3, *["6.000"] * 3]
    assert "over 2 true networks" in text
    assert "2 starts of BALI, whose log joint densities are at most 0.5 nats apart" in text
    assert "at least 50 effective draws" in text


def test_command(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(truths, "SEEDS", range(1))
    monkeypatch.setattr(truths, "Chains", lambda: SHORT)
    monkeypatch.chdir(tmp_path)
    assert main(["truths", "--json", "records.json"]) == 0
    records = json.loads((tmp_path / "records.json").read_text())
    assert len(records) == 2 * (1 + 3 * 2)
    assert truths.report(records) == capsys.readouterr().out
    assert (tmp_path / "truths.png").stat().st_size > 20_000
    monkeypatch.setitem(sys.modules, "emcee", None)
    assert main(["truths"]) == 2
    assert "emcee is not installed" in capsys.readouterr().err
