"""Predictive distributions against SciPy, root finding, and samples in standard errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from cases import Case, assert_close, random_covariance, regression, worst_error
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, softmax

from balinp import MLP, MatrixNormalLayer, dense
from balinp._types import Array
from balinp.prediction import linearised_outputs
from balinp.predictive import CategoricalPredictive, GaussianPredictive, MixturePredictive

B, K, S = 4, 3, 7
NOISE = random_covariance(np.random.default_rng(8), K)


def covariances(rng: np.random.Generator, scale: float = 1.0) -> Array:
    return scale * np.array([random_covariance(rng, K) for _ in range(B)])


def gaussian(rng: np.random.Generator) -> GaussianPredictive:
    return GaussianPredictive(rng.normal(size=(B, K)), covariances(rng), NOISE)


def mixture(rng: np.random.Generator) -> MixturePredictive:
    return MixturePredictive(2 * rng.normal(size=(S, B, K)), NOISE)


def classes(rng: np.random.Generator) -> CategoricalPredictive:
    return CategoricalPredictive.from_samples(2 * rng.normal(size=(S, B, K)))


def scipy_logpdf(Y: Array, means: Array, covariances: Sequence[Array] | Array) -> Array:
    rows = zip(Y, means, covariances, strict=True)
    return np.array([stats.multivariate_normal.logpdf(*row) for row in rows])


def sample_covariance(draws: Array) -> Array:
    centred = draws - draws.mean(axis=0)
    return np.einsum("sbi,sbj->bij", centred, centred) / len(draws)


def worst_correlation_between_data(draws: Array) -> float:
    """Largest correlation of different data's draws (S, B, K), in standard errors 1 / sqrt S."""
    standard = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    correlations = np.einsum("sbi,scj->bcij", standard, standard) / len(draws)
    apart = ~np.eye(draws.shape[1], dtype=bool)
    return float(np.abs(correlations[apart]).max() * np.sqrt(len(draws)))


# Regression -------------------------------------------------------------------------------------


@pytest.mark.equation("PR-1", "LR-5")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
def test_predictive_of_a_linear_layer_is_the_dense_one(prior: str) -> None:
    r = regression(Case("predicted"), prior)
    layer = r.observed()
    p = GaussianPredictive(r.X @ layer.mean, layer.posterior.predictive_covariance(r.X), r.V)
    mean, covariance = dense.predictive(r.X, *r.posterior(), r.V)
    assert_close(p.mean, mean)
    assert_close(p.covariance, covariance)
    assert_close(p.epistemic + p.aleatoric, covariance)
    assert p.aleatoric.shape == p.epistemic.shape
    assert_close(p.logpdf(r.T), scipy_logpdf(r.T, mean, covariance))


@pytest.mark.equation("PR-4")
def test_gaussian_density_and_interval(rng: np.random.Generator) -> None:
    p = gaussian(rng)
    Y = rng.normal(size=(B, K))
    expected = scipy_logpdf(Y, p.mean, [E + NOISE for E in p.epistemic])
    for density in (p.logpdf, p.logpdf_gaussian, p.logpdf_mixture):
        assert_close(density(Y), expected)
    sd = np.sqrt([np.diag(E + NOISE) for E in p.epistemic])
    assert_close(p.std, sd)
    for level in (0.5, 0.95, 0.999):
        tail = (1 - level) / 2
        low, high = p.interval(level)
        assert_close(low, stats.norm.ppf(tail, p.mean, sd))
        assert_close(high, stats.norm.isf(tail, p.mean, sd))


@pytest.mark.equation("PR-3", "PR-4")
def test_mixture_moments_and_densities(rng: np.random.Generator) -> None:
    p = mixture(rng)
    Y = rng.normal(size=(B, K))
    assert_close(p.mean, sum(p.outputs) / S)
    outer = np.mean([f[:, :, None] * f[:, None, :] for f in p.outputs], axis=0)
    assert_close(p.epistemic, outer - p.mean[:, :, None] * p.mean[:, None, :])
    assert_close(p.covariance, p.epistemic + NOISE)
    densities = [np.exp(scipy_logpdf(Y, f, [NOISE] * B)) for f in p.outputs]
    assert_close(p.logpdf_mixture(Y), np.log(sum(densities) / S))
    np.testing.assert_array_equal(p.logpdf(Y), p.logpdf_mixture(Y))
    assert_close(p.logpdf_gaussian(Y), scipy_logpdf(Y, p.mean, p.covariance))
    assert np.isfinite(p.logpdf(Y + 1e3)).all()  # far away, where every density underflows


@pytest.mark.equation("PR-3")
@pytest.mark.parametrize("level", [0.1, 0.95, 0.999])
def test_mixture_interval_is_where_its_distribution_function_says(
    level: float, rng: np.random.Generator
) -> None:
    p = mixture(rng)
    ends = p.interval(level)
    for b, k in itertools.product(range(B), range(K)):
        f, sd = p.outputs[:, b, k], np.sqrt(NOISE[k, k])
        for end, probability in zip(ends, [(1 - level) / 2, (1 + level) / 2], strict=True):
            quantile = brentq(
                lambda y, q=probability, f=f, sd=sd: stats.norm.cdf(y, f, sd).mean() - q, -50, 50,
                xtol=1e-13, rtol=1e-13,
            )  # fmt: skip
            # A quantile is known up to eps over the density there, 1e-4 at these levels.
            assert abs(end[b, k] - quantile) < 1e-10


def members(rng: np.random.Generator) -> list[GaussianPredictive]:
    """Predictives that differ in mean, spread and noise."""
    noises = [NOISE, 3 * NOISE, random_covariance(rng, K)]
    return [
        GaussianPredictive(3 * rng.normal(size=(B, K)), covariances(rng, 1.0 + s), V)
        for s, V in enumerate(noises)
    ]


def ensemble(rng: np.random.Generator) -> MixturePredictive:
    return MixturePredictive.of(members(rng))


@pytest.mark.equation("PR-5")
def test_moments_and_density_of_a_mixture_of_networks(rng: np.random.Generator) -> None:
    parts = members(rng)
    p, Y = MixturePredictive.of(parts), rng.normal(size=(B, K))
    second = sum(q.covariance + q.mean[:, :, None] * q.mean[:, None, :] for q in parts) / 3
    assert_close(p.mean, sum(q.mean for q in parts) / 3)
    assert_close(p.covariance, second - p.mean[:, :, None] * p.mean[:, None, :])
    assert_close(p.aleatoric, sum(q.aleatoric for q in parts) / 3)
    assert_close(p.epistemic + p.aleatoric, p.covariance)
    assert_close(p.std**2, np.diagonal(p.covariance, axis1=1, axis2=2))
    densities = [np.exp(scipy_logpdf(Y, q.mean, q.covariance)) for q in parts]
    assert_close(p.logpdf(Y), np.log(sum(densities) / 3))
    assert_close(p.logpdf_gaussian(Y), scipy_logpdf(Y, p.mean, p.covariance))


@pytest.mark.equation("PR-5")
@pytest.mark.parametrize("level", [0.1, 0.95, 0.999])
def test_interval_of_a_mixture_of_networks_holds_its_level(
    level: float, rng: np.random.Generator
) -> None:
    parts = members(rng)
    low, high = MixturePredictive.of(parts).interval(level)
    for end, tail in ((low, (1 - level) / 2), (high, (1 + level) / 2)):
        assert_close(sum(stats.norm.cdf(end, q.mean, q.std) for q in parts) / 3, tail)


@pytest.mark.equation("PR-5")
def test_a_mixture_of_one_network_is_that_network(rng: np.random.Generator) -> None:
    one, Y = gaussian(rng), rng.normal(size=(B, K))
    p = MixturePredictive.of([one])
    for name in ("mean", "epistemic", "aleatoric", "std"):
        assert_close(getattr(p, name), getattr(one, name))
    assert_close(p.logpdf(Y), one.logpdf(Y))
    assert_close(p.interval(0.9), one.interval(0.9))


@pytest.mark.equation("PR-5")
def test_class_probabilities_of_several_networks_are_averaged(rng: np.random.Generator) -> None:
    parts = [classes(rng), classes(rng), CategoricalPredictive(classes(rng).probability_draws[:2])]
    p = CategoricalPredictive.of(parts)  # of unequal numbers of draws
    assert_close(p.probabilities, sum(q.probabilities for q in parts) / 3)
    assert_close(p.aleatoric, sum(q.aleatoric for q in parts) / 3)
    assert (p.epistemic.trace(axis1=1, axis2=2) > 0).all()
    means = [q.probabilities[:, :, None] * q.probabilities[:, None, :] for q in (*parts, p)]
    second = sum(q.epistemic + square for q, square in zip(parts, means, strict=False)) / 3
    assert_close(p.epistemic, second - means[-1])


@pytest.mark.equation("PR-1", "PR-3", "PR-5")
@pytest.mark.parametrize("make", [gaussian, mixture, ensemble])
def test_samples_have_the_moments_noise_included(
    make: Callable[[np.random.Generator], GaussianPredictive], rng: np.random.Generator
) -> None:
    p, n = make(rng), 20_000
    draws = p.sample(np.random.default_rng(1), n)
    assert draws.shape == (n, B, K)
    assert worst_error(draws.mean(axis=0), p.mean, p.std / np.sqrt(n)) < 5
    # Exact for Gaussian draws; these mixtures have lighter tails and so smaller errors.
    variances = p.std**2
    products = variances[:, :, None] * variances[:, None, :]
    error = np.sqrt((products + p.covariance**2) / n)
    assert worst_error(sample_covariance(draws), p.covariance, error) < 5
    assert worst_correlation_between_data(draws) < 5
    one = p.sample(np.random.default_rng(1))
    assert one.shape == (B, K)
    np.testing.assert_array_equal(one, p.sample(np.random.default_rng(1)))


# Classification ---------------------------------------------------------------------------------


@pytest.mark.equation("PR-2")
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_class_probabilities_are_the_average_softmax(
    scale: float, rng: np.random.Generator
) -> None:
    f, C = 2 * rng.normal(size=(B, K)), covariances(rng, scale)
    n = 100_000  # of the logits themselves, common direction included, by another root
    noise = rng.normal(size=(n, B, K))
    reference = softmax(f + np.einsum("bij,sbj->sbi", np.linalg.cholesky(C), noise), axis=2)
    for draws in (512, 20_000):
        p = CategoricalPredictive.from_gaussian(f, C, draws=draws)
        assert p.probability_draws.shape == (draws, B, K)
        # at most twice the variance of as many plain draws, since no weight exceeds 2 / S
        error = reference.std(axis=0) * np.sqrt(2 / draws + 1 / n)
        assert worst_error(p.probabilities, reference.mean(axis=0), error) < 5
    assert CategoricalPredictive.from_gaussian(f, C).probability_draws.shape == (512, B, K)


LEVELS = [1e-300, 1e-9, 0.5, 0.95, 1 - 1e-9, 1 - 1e-15, 1 - 2**-51, 1 - 2**-52, 1 - 2**-53]


@pytest.mark.equation("SC-2", "PR-5")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("make", [gaussian, mixture, ensemble])
def test_intervals_are_finite_symmetric_and_right_at_any_level(
    make: Callable[[np.random.Generator], GaussianPredictive],
    level: float,
    rng: np.random.Generator,
) -> None:
    """Tails from the distribution function of either side; 1 - level has no rounding above 1/2."""
    p = make(rng)
    low, high = p.interval(level)
    assert np.isfinite([low, high]).all()
    assert (low <= high).all()
    outputs = p.outputs if isinstance(p, MixturePredictive) else p.mean[None]
    std = p.component_std if isinstance(p, MixturePredictive) else p.std[None]
    below = stats.norm.cdf((low - outputs) / std).mean(axis=0)
    above = stats.norm.sf((high - outputs) / std).mean(axis=0)
    np.testing.assert_allclose(below, (1 - level) / 2, rtol=1e-11)
    np.testing.assert_allclose(above, (1 - level) / 2, rtol=1e-11)
    mirrored = (
        MixturePredictive(-p.outputs, p.noise_covariances, p.spread)
        if isinstance(p, MixturePredictive)
        else GaussianPredictive(-p.mean, p.epistemic, p.noise_covariance)
    )
    np.testing.assert_array_equal(mirrored.interval(level), [-high, -low])


@pytest.mark.equation("PR-5")
@pytest.mark.parametrize("q", [1e-300, 1e-20, 0.3, 0.5, 0.9, 1 - 2**-53])
@pytest.mark.parametrize("make", [gaussian, mixture, ensemble])
def test_quantiles_invert_the_distribution_function(
    make: Callable[[np.random.Generator], GaussianPredictive], q: float, rng: np.random.Generator
) -> None:
    p = make(rng)
    value = p.quantile(q)
    np.testing.assert_allclose(p.cdf(value), q, rtol=1e-11)
    np.testing.assert_allclose(value, reference_quantile(p, q), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="^q: expected a number between 0 and 1, got 1"):
        p.quantile(1.0)
    with pytest.raises(ValueError, match="^Y: expected shape"):
        p.cdf(value[:1])


def reference_quantile(p: GaussianPredictive, q: float) -> Array:
    """From SciPy, entry by entry; in the tail of its own side, in logarithms."""
    if not isinstance(p, MixturePredictive):
        return np.asarray(stats.norm.ppf(q, p.mean, p.std))
    S = len(p.outputs)
    std = np.broadcast_to(p.component_std, p.outputs.shape)

    def root(f: Array, s: Array) -> float:
        def excess(y: float) -> float:
            tail = stats.norm.logcdf if q <= 0.5 else stats.norm.logsf
            return float(logsumexp(tail(y, f, s)) - np.log(S * min(q, 1 - q)))

        reach = 60 * s.max()
        return brentq(excess, f.min() - reach, f.max() + reach, xtol=1e-14, rtol=1e-14)

    entries = np.ndindex(p.mean.shape)
    return np.reshape([root(p.outputs[:, b, k], std[:, b, k]) for b, k in entries], p.mean.shape)


@pytest.mark.equation("PR-2")
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_class_that_is_nearly_ruled_out_keeps_its_small_probability(classes: int) -> None:
    # Logit 0 leads by 4 standard deviations, and by so many nats that the softmax is a step.
    f = np.zeros((1, classes))
    f[0, 0] = 4000.0
    C = 1000.0**2 * np.eye(classes)[None] / 2
    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    lead = f[0, 0] + np.sqrt(C[0, 0, 0]) * nodes  # of logit 0; another one exceeds it
    none_above = stats.norm.cdf(lead / np.sqrt(C[0, 0, 0])) ** (classes - 1)
    exact = (1 - none_above) @ weights / weights.sum() / (classes - 1)
    p = CategoricalPredictive.from_gaussian(f, C).probabilities[0, 1:]
    # 512 plain draws would mostly show none: the order of magnitude is what is promised
    assert exact / 10 < p.mean() < 10 * exact


@pytest.mark.equation("PR-2")
def test_two_classes_are_one_integral(rng: np.random.Generator) -> None:
    f, C, n = rng.normal(size=(B, 2)), covariances(rng, 3.0)[:, :2, :2], 50_000
    variance = C[:, 0, 0] + C[:, 1, 1] - 2 * C[:, 0, 1]
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)  # exact to 1e-8 at these variances
    weights = weights / weights.sum()
    values = expit((f[:, 0] - f[:, 1])[:, None] + np.sqrt(variance)[:, None] * nodes)
    exact = values @ weights
    error = np.sqrt((values**2 @ weights - exact**2) / n)
    p = CategoricalPredictive.from_gaussian(f, C, draws=n).probabilities
    assert worst_error(p[:, 0], exact, error) < 5
    assert_close(p.sum(axis=1), np.ones(B))


@pytest.mark.equation("PR-2")
def test_certain_logits_give_the_softmax(rng: np.random.Generator) -> None:
    f = 2 * rng.normal(size=(B, K))
    p = CategoricalPredictive.from_gaussian(f, np.zeros((B, K, K)))
    assert_close(p.probabilities, softmax(f, axis=1))
    extreme = CategoricalPredictive.from_gaussian(np.array([[800.0, 0.0]]), np.zeros((1, 2, 2)))
    assert_close(extreme.probabilities, np.array([[1.0, 0.0]]))


@pytest.mark.equation("PR-2")
def test_a_shift_common_to_all_logits_changes_no_draw(rng: np.random.Generator) -> None:
    f, C, u = 2 * rng.normal(size=(B, K)), covariances(rng), rng.normal(size=K)
    plain = CategoricalPredictive.from_gaussian(f, C)
    along = u[:, None] + u  # u 1^T + 1 u^T: a shift that is correlated with the logits
    # Subtracting a common variance of 1e6 again leaves errors of 1e6 eps in the covariance.
    for common, rtol in ((1.0, 1e-10), (along, 1e-10), (1e6, 1e-8)):
        moved = CategoricalPredictive.from_gaussian(f + 3.0, C + common)
        assert_close(moved.probability_draws, plain.probability_draws, rtol=rtol)
        assert_close(moved.probabilities, plain.probabilities, rtol=rtol)
        assert_close(moved.epistemic, plain.epistemic, rtol=rtol)
    # Here the contrasts are known so well that rounding leaves nothing of their covariance. Draws
    # are off by the root of 1e6 eps, about 1e-5, and their average by less.
    certain = CategoricalPredictive.from_gaussian(f, 1e-12 * C + 1e6)
    assert_close(certain.probabilities, softmax(f, axis=1), rtol=1e-5)
    assert np.abs(certain.epistemic).max() < 1e-8


@pytest.mark.equation("PR-1", "PR-2")
def test_contrasts_of_logits_keep_their_digits(rng: np.random.Generator) -> None:
    """One softmax layer; the reference is the regression of K - 1 orthonormal contrasts."""
    N, n_in, lam = 30, 2, 1e-12
    X = rng.normal(size=(N, n_in))
    p = softmax(rng.normal(size=(N, K)), axis=1)
    H = np.mean([np.diag(q) - np.outer(q, q) for q in p], axis=0)  # H 1 = 0
    layer = MatrixNormalLayer(n_in, K, prior_precision=lam)
    layer.observe(X, np.zeros((N, K)), H, n_data=N)
    new = rng.normal(size=(B, n_in))
    contrast = np.eye(K) - 1 / K
    network = MLP([n_in, K])
    _, projected = linearised_outputs(network, [layer], new, combinations=contrast)

    basis = np.linalg.svd(contrast)[0][:, : K - 1]
    design, inputs = layer.design(X), layer.design(new)
    precision = np.kron(basis.T @ H @ basis, design.T @ design)
    covariance = np.linalg.inv(precision + lam * np.eye(len(precision)))
    rows = [np.kron(basis, x[None]) for x in inputs]
    expected = np.array([J @ covariance @ J.T for J in rows])
    assert_close(projected, expected, np.linalg.cond(precision))

    _, whole = linearised_outputs(network, [layer], new, combinations=np.eye(K))
    assert np.abs(whole).max() > 1e10 * np.abs(expected).max()  # the prior's, seen by no data
    late = contrast @ whole @ contrast
    assert np.abs(late - expected).max() > 1e-6 * np.abs(expected).max()


@pytest.mark.equation("PR-2", "PR-3")
def test_both_parts_of_the_label_covariance_add_up(rng: np.random.Generator) -> None:
    sampled = classes(rng)
    given = CategoricalPredictive(sampled.probability_draws)
    for p in (sampled, given):
        draws = p.probability_draws
        assert draws.shape == (S, B, K)
        average = sum(draws) / S
        assert_close(p.probabilities, average)
        assert_close(p.mean, average)
        # Exactly, however few the draws: diag(p) - p p^T with p the probabilities themselves.
        whole = np.array([np.diag(row) - np.outer(row, row) for row in p.probabilities])
        assert_close(p.epistemic + p.aleatoric, whole)
        assert_close(p.covariance, whole)
        assert_close(p.epistemic, sample_covariance(draws))
        assert_close(p.std, np.sqrt(average * (1 - average)))
        each = [
            np.mean([np.diag(q) - np.outer(q, q) for q in draws[:, b]], axis=0) for b in range(B)
        ]
        assert_close(p.aleatoric, each)
        low, high = p.interval(0.5)
        # the smallest draw with at least this share of the draws at or below it
        rounded = "inverted_cdf"
        assert_close(low, np.quantile(draws, 0.25, axis=0, method=rounded))
        assert_close(high, np.quantile(draws, 0.75, axis=0, method=rounded))


@pytest.mark.equation("PR-3")
def test_sampled_logits_give_their_average_softmax(rng: np.random.Generator) -> None:
    logits = 2 * rng.normal(size=(S, B, K))
    p = CategoricalPredictive.from_samples(logits)
    assert_close(p.probability_draws, np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True))
    assert_close(p.probabilities, p.probability_draws.mean(axis=0))


@pytest.mark.equation("PR-2", "PR-5")
def test_weighted_draws_are_worth_their_weights(rng: np.random.Generator) -> None:
    p = CategoricalPredictive(
        classes(rng).probability_draws, np.arange(1, S + 1) / (S * (S + 1) / 2)
    )
    repeated = np.repeat(p.probability_draws, np.arange(1, S + 1), axis=0)
    same = CategoricalPredictive(repeated)
    for a, b in zip(p.interval(0.6), same.interval(0.6), strict=True):
        assert_close(a, b)
    for name in ("probabilities", "epistemic", "aleatoric", "covariance", "std"):
        assert_close(getattr(p, name), getattr(same, name))
    linearised = CategoricalPredictive.from_gaussian(rng.normal(size=(B, K)), covariances(rng))
    whole = np.array([np.diag(row) - np.outer(row, row) for row in linearised.probabilities])
    assert_close(linearised.covariance, whole)
    both = CategoricalPredictive.of([linearised, p])
    assert_close(both.probabilities, (linearised.probabilities + p.probabilities) / 2)
    with pytest.raises(ValueError, match="draws: expected a multiple of 4, got 6"):
        CategoricalPredictive.from_gaussian(np.zeros((1, 2)), np.zeros((1, 2, 2)), draws=6)


@pytest.mark.equation("CP-3")
def test_logits_are_drawn_with_their_covariance(rng: np.random.Generator) -> None:
    f, C = rng.normal(size=(B, K)), covariances(rng)
    C[0] = 0.5 * np.ones((K, K))  # no uncertainty at all between classes
    n = 20_000
    p = CategoricalPredictive.from_gaussian(f, C, draws=n, seed=1)
    logs = np.log(p.probability_draws)
    contrasts = logs[:, :, 1:] - logs[:, :, :1]  # differences of logits, which are Gaussian
    D = np.hstack([-np.ones((K - 1, 1)), np.eye(K - 1)])
    variances = np.diagonal(D @ C @ D.T, axis1=1, axis2=2)
    assert_close(contrasts[:, 0], np.tile((D @ f[0]), (n, 1)), rtol=1e-7)  # root of rounding
    # every second draw mirrors another: the weighted mean is exact
    mean = np.tensordot(p.weights, contrasts[:, 1:], axes=1)
    assert_close(mean, f[1:] @ D.T, rtol=1e-9)
    centred = contrasts[:, 1:] - mean
    measured = np.einsum("s,sbi,sbj->bij", p.weights, centred, centred)
    products = variances[1:, :, None] * variances[1:, None, :]
    expected = D @ C[1:] @ D.T
    # pairs halve the number of draws, and weights of at most 2 / S double the variance
    error = np.sqrt((products + expected**2) * 4 / n)
    assert worst_error(measured, expected, error) < 5
    again = CategoricalPredictive.from_gaussian(f, C, draws=n, seed=1)
    np.testing.assert_array_equal(again.probability_draws, p.probability_draws)


@pytest.mark.equation("PR-3")
def test_labels_are_drawn_with_their_probabilities(rng: np.random.Generator) -> None:
    p, n = classes(rng), 20_000
    draws = p.sample(np.random.default_rng(1), n)
    assert draws.shape == (n, B, K)
    np.testing.assert_array_equal(draws.sum(axis=2), np.ones((n, B)))
    error = np.sqrt(p.probabilities * (1 - p.probabilities) / n)
    assert worst_error(draws.mean(axis=0), p.probabilities, error) < 5
    assert worst_correlation_between_data(draws) < 5
    assert p.sample(np.random.default_rng(1)).shape == (B, K)


@pytest.mark.equation("PR-3")
def test_class_log_probabilities() -> None:
    p = CategoricalPredictive.from_samples(np.log([[[0.25, 0.75]], [[0.75, 0.25]]]))
    assert_close(p.logpdf([[1, 0]]), [np.log(0.5)])
    sure = CategoricalPredictive.from_samples(np.array([[[0.0, 1000.0]]]))
    np.testing.assert_array_equal(sure.logpdf([[1, 0]]), [-np.inf])
    np.testing.assert_array_equal(sure.logpdf([[0, 1]]), [0.0])


@pytest.mark.equation("PR-2")
def test_class_probabilities_do_not_depend_on_the_batch(rng: np.random.Generator) -> None:
    logits = rng.standard_normal((6, 3))
    roots = rng.standard_normal((6, 3, 3))
    covariance = roots @ np.swapaxes(roots, 1, 2)
    together = CategoricalPredictive.from_gaussian(logits, covariance).probabilities
    apart = CategoricalPredictive.from_gaussian(logits[2:4], covariance[2:4]).probabilities
    np.testing.assert_allclose(together[2:4], apart, rtol=1e-12)


def test_a_class_that_is_all_but_certain_has_no_negative_variance():
    logits = np.array([[40.0, 0.0, 1.0], [30.0, 1.0, 0.0], [12.0, 0.0, 0.0]])
    p = CategoricalPredictive.from_gaussian(logits, np.tile(np.eye(3), (3, 1, 1)))
    assert np.diagonal(p.aleatoric, axis1=1, axis2=2).min() >= 0
    # E[p (1 - p)], with 1 - p from the other classes
    draws = p.probability_draws
    others = draws[:, :, 1:].sum(axis=2)
    expected = np.tensordot(p.weights, draws[:, :, 0] * others, axes=1)
    # The draws are balanced, which changes each class's part by what they miss its probability.
    missed = p.probabilities / np.tensordot(p.weights, draws, axes=1) - 1
    room = 2 * np.abs(missed).max()
    np.testing.assert_allclose(p.aleatoric[:, 0, 0], expected, rtol=room)
    assert np.isfinite(p.std).all()
