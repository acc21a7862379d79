"""Several answers, yes or no: probabilities against integrals, members, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from balinp import BALI
from balinp._types import Array
from balinp.likelihood import Bernoulli
from balinp.predictive import BernoulliPredictive


def uncertain(rng: np.random.Generator, B: int = 4) -> BernoulliPredictive:
    root = rng.standard_normal((B, 2, 2)) * np.array([1.0, 3.0])[:, None]
    covariance = root @ np.swapaxes(root, 1, 2)
    return BernoulliPredictive(Bernoulli(), 2 * rng.standard_normal((B, 2)), covariance)


def integrals(p: BernoulliPredictive, degree: int = 400) -> tuple[Array, Array, Array]:
    """E s, Cov(s) and E s(1 - s) of s = sigmoid(f), from a fine grid over two Gaussian logits."""
    z = np.linspace(-8, 8, degree)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(z, z)], axis=1)
    w = np.exp(-0.5 * (grid**2).sum(axis=1))
    w /= w.sum()
    means, covariances, within = [], [], []
    for m, C in zip(p.output_mean, p.output_covariance, strict=True):
        s = expit(m + grid @ np.linalg.cholesky(C).T)
        means.append(w @ s)
        centred = s - means[-1]
        covariances.append((w[:, None] * centred).T @ centred)
        within.append(w @ (s * (1 - s)))
    return np.array(means), np.array(covariances), np.array(within)


@pytest.mark.equation("PR-2", "PR-3", "CP-1", "CP-2")
def test_probabilities_are_the_integrals(rng: np.random.Generator) -> None:
    predictive = uncertain(rng)
    mean, covariance, within = integrals(predictive)
    np.testing.assert_allclose(predictive.probabilities, mean, rtol=1e-7)
    np.testing.assert_array_equal(predictive.mean, predictive.probabilities)
    np.testing.assert_allclose(predictive.std, np.sqrt(mean * (1 - mean)), rtol=1e-7)
    # 512 draws: a covariance is known to about 1 / sqrt(512) of the variances
    np.testing.assert_allclose(predictive.epistemic, covariance, atol=0.02)
    diagonal = np.diagonal(predictive.aleatoric, axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal, within, atol=0.02)
    assert (predictive.aleatoric[:, 0, 1] == 0).all()
    total = np.diagonal(predictive.covariance, axis1=1, axis2=2)
    np.testing.assert_allclose(total, predictive.std**2, rtol=1e-12)


@pytest.mark.equation("PR-3")
def test_intervals_draws_and_joint_probabilities(rng: np.random.Generator) -> None:
    predictive = uncertain(rng)
    low, high = predictive.interval(0.8)
    std = np.sqrt(np.diagonal(predictive.output_covariance, axis1=1, axis2=2))
    np.testing.assert_allclose(low, expit(predictive.output_mean - 1.2815515655446004 * std))
    np.testing.assert_allclose(high, expit(predictive.output_mean + 1.2815515655446004 * std))
    answers = predictive.sample(rng, 4000)
    assert set(np.unique(answers)) == {0.0, 1.0}
    error = np.abs(answers.mean(axis=0) - predictive.probabilities)
    assert error.max() < 0.05  # of 512 networks and 4000 draws
    both = np.exp(predictive.logpdf(np.ones((4, 2))))
    mean, covariance, _ = integrals(predictive)
    np.testing.assert_allclose(both, mean.prod(axis=1) + covariance[:, 0, 1], atol=0.02)
    np.testing.assert_allclose(answers.prod(axis=2).mean(axis=0), both, atol=0.04)
    patterns = np.array([[[a, b]] * 4 for a in (0.0, 1.0) for b in (0.0, 1.0)])
    np.testing.assert_allclose(sum(np.exp(predictive.logpdf(Y)) for Y in patterns), 1, rtol=1e-12)
    assert predictive.sample(np.random.default_rng(0)).shape == (4, 2)
    for name in ("logpdf", "cdf"):
        with pytest.raises(ValueError, match="expected shape"):
            getattr(predictive, name)(np.ones((3, 2)))


@pytest.mark.equation("PR-5")
def test_members_are_mixed_with_equal_weights(rng: np.random.Generator) -> None:
    parts = [uncertain(rng), uncertain(rng)]
    mixture = BernoulliPredictive.of(parts)
    mean = np.mean([part.probabilities for part in parts], axis=0)
    np.testing.assert_allclose(mixture.probabilities, mean, rtol=1e-12)
    Y = rng.integers(2, size=(4, 2)).astype(float)
    density = np.mean([np.exp(part.logpdf(Y)) for part in parts], axis=0)
    np.testing.assert_allclose(mixture.logpdf(Y), np.log(density), rtol=1e-12)
    draws = np.concatenate([part.draws for part in parts])
    np.testing.assert_array_equal(mixture.draws, draws)
    np.testing.assert_allclose(mixture.output_mean, draws.mean(axis=0), rtol=1e-12)
    between = np.mean([part.output_mean**2 for part in parts], axis=0) - mixture.output_mean**2
    within = np.mean([part.output_covariance for part in parts], axis=0)
    variances = np.diagonal(mixture.output_covariance, axis1=1, axis2=2)
    expected = np.diagonal(within, axis1=1, axis2=2) + between
    np.testing.assert_allclose(variances, expected, rtol=1e-10)
    q = mixture.quantile(0.3)
    np.testing.assert_array_equal(q, np.quantile(draws, 0.3, axis=0, method="inverted_cdf"))
    np.testing.assert_allclose(mixture.cdf(q), 0.3, atol=0.03)  # of 1024 draws
    low, high = mixture.interval(0.5)
    assert (low < high).all()


@pytest.mark.parametrize("batch_size", [None, 50])
def test_answers_are_learnt(batch_size: int | None, rng: np.random.Generator) -> None:
    X = rng.uniform(-2, 2, (300, 1))
    truth = expit(np.hstack([3 * X, 2 - 2 * X**2]))
    Y = (rng.random(truth.shape) < truth).astype(float)
    model = BALI((10,), "bernoulli").fit(X, Y, epochs=60, batch_size=batch_size)
    predictive = model.predict(X)
    assert np.sqrt(((predictive.probabilities - truth) ** 2).mean()) < 0.08
    sampled = model.predict(X, samples=4)
    np.testing.assert_allclose(sampled.probabilities, expit(sampled.draws).mean(axis=0), rtol=1e-12)
    assert "BernoulliPredictive(data=300, answers=2)" in repr(predictive)


def test_a_loaded_model_gives_the_same_answers(rng: np.random.Generator, tmp_path: Path) -> None:
    X = rng.uniform(-2, 2, (300, 1))
    Y = (rng.random((300, 2)) < expit(2 * X)).astype(float)
    model = BALI((10,), "bernoulli").fit(X, Y, epochs=4, batch_size=50)
    model.save(tmp_path / "model.npz")
    again = BALI.load(tmp_path / "model.npz")
    assert repr(again.likelihood) == "Bernoulli()"
    np.testing.assert_array_equal(again.predict(X).probabilities, model.predict(X).probabilities)


def test_what_are_no_answers_is_refused() -> None:
    X: Any = np.ones((4, 1))
    with pytest.raises(ValueError, match="^Y: expected zeros and ones, got 3"):
        BALI((), "bernoulli").fit(X, 3 * X, epochs=1)
    with pytest.raises(ValueError, match="noise_variance: expected None unless"):
        BALI((), "bernoulli", noise_variance=1.0)
