"""Predictives with Student tails: against SciPy, by their moments, and mixtures of them."""

from __future__ import annotations

import numpy as np
import pytest
from cases import assert_close, random_covariance, worst_error
from scipy import integrate, stats

from balinp._types import Array
from balinp.diagnostics import diagnose
from balinp.diagnostics.residuals import standardised_residuals
from balinp.predictive import GaussianPredictive, MixturePredictive
from balinp.predictive.student import StudentMixture, StudentPredictive, equal_mixture
from balinp.predictive.student_t import student_log_cdf

pytestmark = pytest.mark.equation("JP-4")


def student(seed: int = 0, B: int = 4, K: int = 2, freedom: float = 5.0) -> StudentPredictive:
    rng = np.random.default_rng(seed)
    E = np.array([random_covariance(rng, K) for _ in range(B)])
    return StudentPredictive(rng.normal(size=(B, K)), E, random_covariance(rng, K), freedom)


def targets(p: GaussianPredictive) -> Array:
    rng = np.random.default_rng(9)
    return p.mean + 3 * rng.normal(size=p.mean.shape)


@pytest.mark.parametrize("freedom", [3.0, 5.0, 40.0])
def test_densities_and_marginals_are_scipys(freedom: float) -> None:
    p = student(freedom=freedom)
    Y, scale = targets(p), (freedom - 2) / freedom
    joint = [
        stats.multivariate_t(m, C * scale, freedom).logpdf(y)
        for m, C, y in zip(p.mean, p.covariance, Y, strict=True)
    ]
    assert_close(p.logpdf(Y), np.array(joint))
    assert_close(p.logpdf_mixture(Y), np.array(joint))
    marginal = stats.t(freedom, p.mean, p.std * np.sqrt(scale))
    assert_close(p.cdf(Y), marginal.cdf(Y))
    for probability in (1e-12, 0.1, 0.5, 0.99):
        assert_close(p.quantile(probability), marginal.ppf(probability))
    for level in (1e-6, 0.5, 0.95, 1 - 1e-12):
        low, high = p.interval(level)
        assert_close(low, marginal.ppf(0.5 - 0.5 * level))
        assert_close(high, marginal.isf(0.5 - 0.5 * level))


def test_moments_are_a_gaussians_with_parts_apart() -> None:
    p = student()
    matched = GaussianPredictive(p.mean, p.epistemic, p.noise_covariance)
    Y = targets(p)
    np.testing.assert_array_equal(p.covariance, matched.covariance)
    np.testing.assert_array_equal(p.std, matched.std)
    np.testing.assert_array_equal(p.aleatoric, matched.aleatoric)
    np.testing.assert_array_equal(p.logpdf_gaussian(Y), matched.logpdf(Y))
    assert np.abs(p.logpdf(Y) - matched.logpdf(Y)).min() > 1e-3
    assert "freedom=5" in repr(p)


def test_many_degrees_of_freedom_are_gaussian() -> None:
    p = student(freedom=1e7)
    matched = GaussianPredictive(p.mean, p.epistemic, p.noise_covariance)
    Y = targets(p)
    np.testing.assert_allclose(p.logpdf(Y), matched.logpdf(Y), rtol=1e-5)
    np.testing.assert_allclose(p.interval(0.9), matched.interval(0.9), rtol=1e-5)


def test_draws_have_the_moments_and_the_tails() -> None:
    p, S = student(freedom=8.0), 40_000
    draws = p.sample(np.random.default_rng(1), S)
    assert draws.shape == (S, 4, 2)
    assert worst_error(draws.mean(axis=0), p.mean, p.std / np.sqrt(S)) < 5
    centred = draws - p.mean
    estimate = np.einsum("sbi,sbj->bij", centred, centred) / S
    # Fourth moments are (nu - 2) / (nu - 4) = 1.5 times a Gaussian's.
    v = p.std**2
    error = np.sqrt((1.5 * (np.einsum("bi,bj->bij", v, v) + 2 * p.covariance**2)) / S)
    assert worst_error(estimate, p.covariance, error) < 5
    for level in (0.5, 0.99):
        low, high = p.interval(level)
        inside = ((draws > low) & (draws < high)).mean(axis=0)
        assert worst_error(inside, level, np.sqrt(level * (1 - level) / S)) < 5
    # One chi-square variable for all outputs of a datum: the squares of two are correlated.
    white = np.linalg.solve(np.linalg.cholesky(p.covariance), centred[..., None])[..., 0]
    assert np.corrcoef(white[:, 0, 0] ** 2, white[:, 0, 1] ** 2)[0, 1] > 0.05
    np.testing.assert_array_equal(p.sample(np.random.default_rng(1)).shape, (4, 2))


def test_a_mixture_is_the_average_of_its_members() -> None:
    members = [student(0), student(1, freedom=3.5), student(2, freedom=30.0)]
    p, Y = StudentMixture(members), targets(student())
    moments = MixturePredictive.of(members)
    assert_close(p.mean, moments.mean)
    assert_close(p.covariance, moments.covariance)
    assert_close(p.epistemic, moments.epistemic)
    densities = np.exp([member.logpdf(Y) for member in members]).mean(axis=0)
    assert_close(p.logpdf(Y), np.log(densities))
    assert_close(p.logpdf_mixture(Y), np.log(densities))
    assert_close(p.logpdf_gaussian(Y), moments.logpdf_gaussian(Y))
    assert_close(p.cdf(Y), np.mean([member.cdf(Y) for member in members], axis=0))
    for probability in (1e-9, 0.3, 0.975):
        assert_close(p.cdf(p.quantile(probability)), np.full((4, 2), probability))
    low, high = p.interval(1 - 2e-9)
    np.testing.assert_allclose(low, p.quantile(1e-9), rtol=1e-7)  # 1 - 2e-9 has lost digits
    above = np.mean(
        [stats.t(m.freedom, m.mean, m.std * np.sqrt(1 - 2 / m.freedom)).sf(high) for m in members],
        axis=0,
    )
    np.testing.assert_allclose(above, 1e-9, rtol=1e-6)
    draws = p.sample(np.random.default_rng(3), 20_000)
    assert worst_error(draws.mean(axis=0), p.mean, p.std / np.sqrt(20_000)) < 5
    for level in (0.5, 0.95):
        low, high = p.interval(level)
        inside = ((draws > low) & (draws < high)).mean(axis=0)
        assert worst_error(inside, level, np.sqrt(level * (1 - level) / 20_000)) < 5
    assert p.sample(np.random.default_rng(3)).shape == (4, 2)


def test_a_mixture_of_one_is_the_member() -> None:
    p, Y = student(), targets(student())
    one = StudentMixture([p])
    assert_close(one.logpdf(Y), p.logpdf(Y))
    assert_close(one.covariance, p.covariance)
    assert_close(one.interval(0.9), p.interval(0.9))


@pytest.mark.parametrize("mixed", [False, True])
def test_other_units(mixed: bool) -> None:
    p = StudentMixture([student(0), student(1)]) if mixed else student()
    mean, std, Y = np.array([3.0, -1.0]), np.array([10.0, 0.1]), targets(student())
    other = p.rescaled(mean, std)
    assert_close(other.mean, p.mean * std + mean)
    assert_close(other.covariance, p.covariance * np.outer(std, std))
    assert_close(other.logpdf(Y * std + mean), p.logpdf(Y) - np.log(std).sum())
    assert_close(other.quantile(0.1), p.quantile(0.1) * std + mean)


@pytest.mark.equation("PR-5")
def test_an_equal_mixture_is_of_the_kind_that_its_members_ask_for() -> None:
    heavy, light = student(0), student(1)
    gaussian = GaussianPredictive(light.mean, light.epistemic, light.noise_covariance)
    assert equal_mixture([heavy]) is heavy
    assert type(equal_mixture([gaussian, gaussian])) is MixturePredictive
    mixed, Y = equal_mixture([heavy, gaussian]), targets(heavy)
    assert isinstance(mixed, StudentMixture)
    densities = np.exp([heavy.logpdf(Y), gaussian.logpdf(Y)]).mean(axis=0)
    assert_close(mixed.logpdf(Y), np.log(densities))
    low, high = mixed.interval(0.9)
    assert_close(mixed.cdf(low), np.full((4, 2), 0.05))
    assert_close(mixed.cdf(high), np.full((4, 2), 0.95))
    assert np.isfinite(mixed.sample(np.random.default_rng(0), 3)).all()


@pytest.mark.equation("PR-5")
def test_mixtures_of_mixtures_keep_the_weights_of_their_parts() -> None:
    a, b, c, d, e, f = (student(seed, K=1) for seed in range(6))
    gaussians = [GaussianPredictive(p.mean, p.epistemic, p.noise_covariance) for p in (d, e, f)]
    two, three = StudentMixture([a, b]), MixturePredictive.of(gaussians)
    p = equal_mixture([two, three, c])
    Y = targets(c)
    densities = [np.exp(part.logpdf(Y)) for part in (two, three, c)]
    assert_close(p.logpdf(Y), np.log(np.mean(densities, axis=0)))
    assert_close(p.cdf(Y), np.mean([part.cdf(Y) for part in (two, three, c)], axis=0))
    means = np.array([part.mean for part in (two, three, c)])
    within = np.mean([part.epistemic for part in (two, three, c)], axis=0)
    assert_close(p.mean, means.mean(axis=0))
    assert_close(p.epistemic[:, :, 0], within[:, :, 0] + means.var(axis=0))
    assert not any(hasattr(part, "members") for part in p.members)  # type: ignore[attr-defined]
    again = equal_mixture([three, three])
    assert type(again) is MixturePredictive
    assert_close(again.logpdf(Y), three.logpdf(Y))


def test_gaussians_and_their_mixtures_in_other_units() -> None:
    mean, std = np.array([3.0, -1.0]), np.array([10.0, 0.1])
    one, two = (GaussianPredictive(p.mean, p.epistemic, p.noise_covariance)
                for p in (student(0), student(1)))  # fmt: skip
    Y = targets(one)
    for p in (one, MixturePredictive.of([one, two]), MixturePredictive(Y[None], np.eye(2))):
        other = p.rescaled(mean, std)
        assert type(other) is type(p)
        assert_close(other.mean, p.mean * std + mean)
        assert_close(other.epistemic, p.epistemic * np.outer(std, std))
        assert_close(other.logpdf(Y * std + mean), p.logpdf(Y) - np.log(std).sum())


@pytest.mark.equation("DG-1")
def test_residuals_as_normal_scores() -> None:
    p = student(K=1, B=2000)
    for predictive in (p, StudentMixture([p, student(1, K=1, B=2000, freedom=3.0)])):
        Y = predictive.sample(np.random.default_rng(5))
        z = standardised_residuals(predictive, Y)
        assert_close(stats.norm.cdf(z), predictive.cdf(Y)[:, 0])
        assert stats.kstest(z, "norm").pvalue > 1e-3
    far = standardised_residuals(p, p.mean + 1e6 * p.std)  # no digits are lost next to 1
    assert np.isfinite(far).all()
    assert_close(far, -standardised_residuals(p, p.mean - 1e6 * p.std))


def log_tail(t: float, nu: float) -> float:
    """Log probability beyond t > 0, by the integral of the density over its value at t."""
    width = (nu + t**2) / ((nu + 1) * t)  # over which the density falls by e

    def ratio(steps: float) -> float:
        growth = np.log((nu + (t + width * steps) ** 2) / (nu + t**2))
        return float(np.exp(-0.5 * (nu + 1) * growth))

    integral, _ = integrate.quad(ratio, 0, np.inf, epsabs=0, epsrel=1e-12, limit=200)
    return float(stats.t(nu).logpdf(t) + np.log(width * integral))


@pytest.mark.parametrize("nu", [30.0, 300.0, 3000.0, 1e6])
def test_logarithms_of_the_distribution_function(nu: float) -> None:
    near, far = np.array([-20.0, -1.0, 0.0, 2.0]), [50.0, 70.0, 300.0, 1e4, 1e30]
    assert_close(student_log_cdf(near, nu), stats.t(nu).logcdf(near))
    found = student_log_cdf(-np.array(far), nu)
    assert_close(found, np.array([log_tail(t, nu) for t in far]))
    np.testing.assert_allclose(np.expm1(student_log_cdf(np.array(far), nu)), 0, atol=1e-25)


@pytest.mark.equation("PR-5")
def test_logarithms_of_distribution_functions_of_predictives() -> None:
    gaussian = GaussianPredictive(np.array([[1.0, 2.0]]), np.diag([3.0, 5.0])[None], np.eye(2))
    t = StudentPredictive(gaussian.mean, gaussian.epistemic, np.eye(2), 3000.0)
    for p in (gaussian, t, MixturePredictive.of([gaussian, gaussian]), StudentMixture([t, t])):
        for Y in ([[0.0, 3.0]], [[-20.0, 40.0]]):
            assert_close(p.logcdf(Y), np.log(p.cdf(Y)))
        assert (p.cdf([[-1e3, -1e3]]) == 0).all()
        assert np.isfinite(p.logcdf([[-1e3, -1e3]])).all()


@pytest.mark.equation("DG-1")
@pytest.mark.filterwarnings("error")
def test_diagnosis_where_distribution_functions_underflow() -> None:
    rng, zeros = np.random.default_rng(0), np.zeros((30, 1))
    t = StudentPredictive(zeros, np.zeros((30, 1, 1)), np.eye(1), 3000.0)
    two = MixturePredictive(np.zeros((2, 30, 1)), np.eye(1))
    for p in (t, StudentMixture([t, t]), two):
        for side in (1, -1):
            found = diagnose(p, side * rng.uniform(1e3, 2e3, (30, 1)))
            assert found["bias"].found
            assert np.sign(found["bias"].statistic) == side
    assert found["bias"].statistic == pytest.approx(-1500, rel=0.2)
    with pytest.raises(ValueError, match="Y: expected targets within 1e"):
        diagnose(two, rng.uniform(1e90, 2e90, (30, 1)))


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5])
def test_levels_and_probabilities_out_of_range(level: float) -> None:
    for p in (student(), StudentMixture([student()])):
        with pytest.raises(ValueError, match="level"):
            p.interval(level)
        with pytest.raises(ValueError, match="q: expected"):
            p.quantile(level)
    with pytest.raises(ValueError, match="Y: expected shape"):
        student().cdf(np.zeros((1, 2)))
