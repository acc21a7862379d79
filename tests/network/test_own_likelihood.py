"""A likelihood of one's own: trained on all its outputs, and predicted with what it says itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from likelihoods import Logistic, Poisson
from scipy import stats
from scipy.special import expit

from balinp import BALI, Gaussian
from balinp._types import Array
from balinp.likelihood import DatumLikelihood, Likelihood
from balinp.linearised import forward_pass
from balinp.passes import Present
from balinp.prediction import linearised_outputs
from balinp.predictive.outputs import OutputPredictive


class Known:
    """The built-in Gaussian behind an object that is none; derived from nothing."""

    def __init__(self, noise_variance: float) -> None:
        noise = Gaussian(noise_variance)
        for name in {**vars(DatumLikelihood), **vars(Likelihood)}:
            if not name.startswith("_"):
                setattr(self, name, getattr(noise, name))


@pytest.fixture
def answers(rng: np.random.Generator) -> tuple[Array, Array]:
    X = rng.standard_normal((60, 2))
    return X, (rng.random((60, 2)) < expit(2 * X + 1)).astype(float)


@pytest.mark.parametrize("batch_size", [None, 10])
def test_an_object_with_the_methods_of_the_gaussian_is_the_gaussian(
    batch_size: int | None, rng: np.random.Generator
) -> None:
    X, Y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    options: dict[str, Any] = {"activation": "tanh", "forward": "mean", "prior_precision": 1.0}
    models = [
        BALI((4,), likelihood, **options, **noise).fit(X, Y, epochs=5, batch_size=batch_size)
        for likelihood, noise in ((Known(0.3), {}), ("gaussian", {"noise_variance": 0.3}))
    ]
    for mine, built_in in zip(*(model.weights for model in models), strict=True):
        np.testing.assert_array_equal(mine, built_in)
    for options in ({}, {"samples": 4}):
        mine, built_in = (model.predict(X, **options) for model in models)
        assert type(mine) is type(built_in)
        np.testing.assert_array_equal(mine.covariance, built_in.covariance)


@pytest.mark.equation("FP-2")
@pytest.mark.parametrize("likelihood", [Logistic(), "categorical"])
def test_training_draws_the_outputs_that_matter(
    likelihood: Any, answers: tuple[Array, Array]
) -> None:
    X, Y = answers
    model = BALI((3,), likelihood, activation="tanh", prior_precision=1.0)
    Y = Y if isinstance(likelihood, Logistic) else np.eye(2)[Y[:, 0].astype(int)]
    model.fit(X, Y, epochs=3)
    model.rng = np.random.default_rng(0)
    now = Present(model.network, model.likelihood, model.layers, model.weights, 60, 60, model.rng)
    forward = forward_pass("linearised", model.likelihood, 2, model.steps)
    traces = [forward.trace(now, X, Y, None) for _ in range(40)]
    drawn = np.concatenate([trace.likelihood.deviations for trace in traces])
    _, expected = linearised_outputs(model.network, model.layers, X, combinations=np.eye(2))
    if likelihood == "categorical":  # its outputs less their mean
        contrast = np.eye(2) - 0.5
        expected = contrast @ expected @ contrast
    found = np.einsum("sbi,sbj->bij", drawn, drawn) / len(drawn)
    error = 6 * np.trace(expected, axis1=1, axis2=2) / np.sqrt(len(drawn) / 2)
    assert (np.abs(found - expected) < error[:, None, None]).all()


@pytest.mark.parametrize("batch_size", [None, 20])
@pytest.mark.parametrize("forward", ["mean", "linearised"])
def test_probabilities_are_those_of_the_truth(
    forward: str, batch_size: int | None, rng: np.random.Generator
) -> None:
    X = rng.uniform(-1, 1, (2000, 1))
    truth = expit(np.hstack([2 * X, 1 + X]))
    Y = (rng.random(truth.shape) < truth).astype(float)
    model = BALI((), Logistic(), forward=forward).fit(X, Y, epochs=40, batch_size=batch_size)
    predictive = model.predict(X)
    found = np.exp(predictive.logpdf(np.ones_like(X) * [1, 1]))
    assert np.abs(found - truth.prod(axis=1)).max() < 0.06


@pytest.mark.equation("PR-3")
def test_density_is_the_average_over_outputs() -> None:
    """A Gaussian output and one answer: an integral."""
    f, v = np.array([[0.5], [-2.0]]), np.array([[[1.0]], [[9.0]]])
    predictive = Logistic().predictive(f, v)
    z = np.linspace(-9, 9, 4001)
    weights = stats.norm.pdf(z) / stats.norm.pdf(z).sum()
    expected = [expit(m[0] + np.sqrt(s[0, 0]) * z) @ weights for m, s in zip(f, v, strict=True)]
    one, zero = (np.exp(predictive.logpdf(y)) for y in (np.ones((2, 1)), np.zeros((2, 1))))
    np.testing.assert_allclose(one, expected, atol=0.02)  # 512 draws
    np.testing.assert_allclose(one + zero, 1, rtol=1e-12)
    np.testing.assert_array_equal(predictive.output_std, [[1.0], [3.0]])
    with pytest.raises(ValueError, match="^Y: expected shape"):
        predictive.logpdf(np.ones((3, 1)))


@pytest.mark.equation("PR-3")
def test_covariance_of_the_draws_is_that_of_the_outputs(rng: np.random.Generator) -> None:
    f, root = rng.standard_normal((3, 2)), rng.standard_normal((3, 2, 2))
    covariance = root @ np.swapaxes(root, 1, 2)
    gaussian = Logistic().predictive(f, covariance)
    drawn = Logistic().predictive(gaussian.draws)
    np.testing.assert_allclose(drawn.output_mean, f, rtol=1e-12)
    size = np.trace(covariance, axis1=1, axis2=2)[:, None, None]
    assert (np.abs(drawn.output_covariance - covariance) < 0.3 * size).all()
    alone = Logistic().predictive(f[1:2], covariance[1:2])
    np.testing.assert_array_equal(alone.draws[:, 0], gaussian.draws[:, 1])


@pytest.mark.equation("PR-1", "PR-3")
def test_distribution_function_and_quantiles_are_those_of_the_outputs(
    rng: np.random.Generator,
) -> None:
    f, root = rng.standard_normal((3, 2)), rng.standard_normal((3, 2, 2))
    covariance = root @ np.swapaxes(root, 1, 2)
    covariance[0] = 0.0  # certain outputs
    gaussian = Logistic().predictive(f, covariance)
    std = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    for q in (1e-9, 0.3, 0.9):
        value = gaussian.quantile(q)
        np.testing.assert_allclose(value, f + stats.norm.ppf(q) * std, rtol=1e-12)
        np.testing.assert_allclose(gaussian.cdf(value)[1:], q, rtol=1e-12)
    np.testing.assert_array_equal(gaussian.cdf(f + np.array([1e-9, -1e-9]))[0], [1.0, 0.0])
    drawn = Logistic().predictive(rng.standard_normal((9, 3, 2)))
    for q in (0.05, 0.5, 0.99):
        expected = np.quantile(drawn.draws, q, axis=0, method="inverted_cdf")
        np.testing.assert_array_equal(drawn.quantile(q), expected)
        np.testing.assert_array_equal(drawn.cdf(expected), np.ceil(9 * q) / 9)
    for wrong in (0.0, 1.0):
        with pytest.raises(ValueError, match="^q: expected"):
            drawn.quantile(wrong)
    with pytest.raises(ValueError, match="^F: expected shape"):
        drawn.cdf(f[:1])


def test_predict_returns_what_the_likelihood_makes(answers: tuple[Array, Array]) -> None:
    X, Y = answers
    model = BALI((3,), Logistic(), activation="tanh").fit(X, Y, epochs=5)
    linearised, sampled = model.predict(X), model.predict(X, samples=300)
    assert type(linearised) is type(sampled) is OutputPredictive
    assert sampled.draws.shape == (300, 60, 2)
    _, expected = linearised_outputs(model.network, model.layers, X, combinations=np.eye(2))
    np.testing.assert_allclose(linearised.output_covariance, expected, rtol=1e-12)
    assert "OutputPredictive" in repr(linearised)


@pytest.mark.parametrize("batch_size", [None, 20])
@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_curvature_without_a_bound_trains(
    hidden: tuple[int, ...], batch_size: int | None, rng: np.random.Generator
) -> None:
    X = rng.uniform(-1, 1, (200, 1))
    Y = rng.poisson(np.exp(1 + X)).astype(float)
    model = BALI(hidden, Poisson(), activation="tanh")
    model.fit(X, Y, epochs=60, batch_size=batch_size)
    mean = model.predict(X).output_mean
    assert np.sqrt(((mean - 1 - X) ** 2).mean()) < 0.3  # .1 on average, .26 at worst of 31
    constant = stats.poisson.logpmf(Y[:, 0], Y.mean()).mean()
    assert model.predict(X).logpdf(Y).mean() > constant + 0.1


@pytest.mark.parametrize(
    "missing", ["gradient", "known_precision", "combinations", "predictive", "check_targets"]
)
def test_what_lacks_a_method_is_refused_by_name(missing: str) -> None:
    incomplete = Known(1.0)
    delattr(incomplete, missing)
    with pytest.raises(TypeError, match=f"^likelihood: expected .* without {missing}$"):
        BALI(likelihood=incomplete)


def test_a_class_derived_without_its_own_density_cannot_be_made() -> None:
    class Empty(Likelihood):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Empty()
