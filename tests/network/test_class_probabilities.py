"""The average softmax of Gaussian logits: integrals, very many draws, and its symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from cases import assert_close, worst_error
from scipy import stats
from scipy.special import expit, log_expit, logsumexp, ndtr, softmax

from balinp._types import Array
from balinp.predictive import CategoricalPredictive
from balinp.predictive.expected_softmax import expected_softmax, nearly_diagonal
from balinp.softmax import contrasts


def reference(m: Array, E: Array, n: int = 200_000) -> tuple[Array, Array]:
    """Average softmax (K,) of mirrored draws of the logits, and its standard errors."""
    rng, K = np.random.default_rng(1), len(m)
    values, vectors = np.linalg.eigh(E)
    F = vectors * np.sqrt(np.maximum(values, 0.0))
    total, squares = np.zeros(K), np.zeros(K)
    for _ in range(n // 20_000):
        deviations = rng.standard_normal((10_000, K)) @ F.T
        pairs = 0.5 * (softmax(m + deviations, axis=1) + softmax(m - deviations, axis=1))
        total, squares = total + pairs.sum(axis=0), squares + (pairs**2).sum(axis=0)
    mean = total / (n // 2)
    return mean, np.sqrt((squares / (n // 2) - mean**2) / (n // 2))


def random_covariance(rng: np.random.Generator, K: int, scale: float) -> Array:
    root = rng.standard_normal((K, 2 * K))
    return scale**2 * root @ root.T / (2 * K)


# Two classes ------------------------------------------------------------------------------------


def logistic_normal(lead: float, s: float) -> float:
    """Log E sigmoid(-d), d ~ N(lead, s^2), by a fine sum of logarithms about the largest term."""
    z, step = np.linspace(-15 - 1.2 * s, 15, 200_001, retstep=True)
    terms = log_expit(-lead - s * z) + stats.norm.logpdf(z)
    return float(logsumexp(terms) + np.log(step))


@pytest.mark.equation("CP-1", "PR-2")
@pytest.mark.parametrize("s", [0.0, 1e-3, 0.3, 0.999, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("lead", [0.0, 0.4, 3.0, 40.0, 300.0])
def test_two_classes_are_one_integral_to_all_digits(lead: float, s: float) -> None:
    """Also where the probability is 1e-130."""
    exact = logistic_normal(lead, s) if s else float(log_expit(-lead))
    u = 0.7 * s**2 + 0.1  # of the variance, in the first logit; the rest in the second
    E = np.array([[[u, u / 2], [u / 2, s**2]]])  # Var(f_1 - f_2) = s^2
    p = expected_softmax(np.array([[0.0, lead]]), E)
    np.testing.assert_allclose(np.log(p[0, 0]), exact, rtol=1e-11, atol=1e-11)
    assert_close(p.sum(axis=1), np.ones(1))
    other = expected_softmax(np.array([[lead, 0.0]]), E[:, ::-1, ::-1])
    assert_close(other, p[:, ::-1])


# Symmetry ---------------------------------------------------------------------------------------


@pytest.mark.equation("PR-2", "CP-2")
@pytest.mark.parametrize("classes", [2, 3, 10, 50, 100, 200])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 30.0, 1e4])
def test_logits_that_can_be_exchanged_are_equally_probable(classes: int, scale: float) -> None:
    equal = np.full((1, classes), 1 / classes)
    for common in (0.0, 3.0 * scale**2, -(scale**2) / classes):  # the last: contrasts alone
        E = scale**2 * np.eye(classes)[None] + common
        assert_close(expected_softmax(np.full((1, classes), 7.0), E), equal)


@pytest.mark.equation("PR-2", "CP-2")
@pytest.mark.parametrize("sizes", [(2, 1), (3, 5), (10, 30, 60)])
def test_exchangeable_groups_have_equal_probabilities_within(
    sizes: tuple[int, ...], rng: np.random.Generator
) -> None:
    """Each group its own mean and variance, and groups with common parts."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    root = rng.standard_normal((len(sizes), len(sizes)))
    E = (root @ root.T)[np.ix_(group, group)] + np.diag(rng.exponential(size=len(sizes))[group])
    p = expected_softmax(2 * rng.standard_normal(len(sizes))[group][None], 9 * E[None])[0]
    for g in range(len(sizes)):
        assert_close(p[group == g], np.full(sizes[g], p[group == g].mean()))


@pytest.mark.equation("PR-2", "CP-2")
@pytest.mark.parametrize("classes", [2, 3, 10, 50])
@pytest.mark.parametrize("rank", [1, 2, 100])
@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
def test_classes_in_another_order_are_the_same_classes(
    classes: int, rank: int, scale: float, rng: np.random.Generator
) -> None:
    root = scale * rng.standard_normal((4, classes, rank)) / np.sqrt(rank)
    m, E = rng.standard_normal((4, classes)), root @ np.swapaxes(root, 1, 2)
    order = rng.permutation(classes)
    permuted = expected_softmax(m[:, order], E[:, order][:, :, order])
    np.testing.assert_allclose(permuted, expected_softmax(m, E)[:, order], rtol=1e-8, atol=1e-10)


@pytest.mark.equation("PR-2", "CP-2")
@pytest.mark.parametrize("classes", [2, 3, 8])
def test_a_shift_common_to_all_logits_changes_no_probability(
    classes: int, rng: np.random.Generator
) -> None:
    m, E, u = rng.standard_normal(classes), random_covariance(rng, classes, 2.0), rng.normal()
    u = rng.standard_normal(classes)
    plain = expected_softmax(m[None], E[None])
    for moved in (E + 5.0, E + u[:, None] + u):
        assert_close(expected_softmax(m[None] - 9.0, moved[None]), plain, rtol=1e-9)


# Accuracy ---------------------------------------------------------------------------------------


@pytest.mark.equation("CP-2")
@pytest.mark.parametrize("classes", [3, 10, 100])
@pytest.mark.parametrize("scale", [0.3, 2.0, 10.0])
def test_independent_logits_are_exact(classes: int, scale: float, rng: np.random.Generator) -> None:
    """Up to the quadrature, of which 8 heights and 12 nodes leave 2e-3 where variances differ."""
    m, v = rng.standard_normal(classes), scale**2 * rng.uniform(0.2, 2.0, classes)
    p = expected_softmax(m[None], np.diag(v)[None])[0]
    exact, error = reference(m, np.diag(v))
    assert (np.abs(p - exact) < 5 * error + 2e-3).all()
    np.testing.assert_allclose(p, exact, rtol=0.02, atol=6 * error.max())


@pytest.mark.equation("CP-2")
@pytest.mark.parametrize("classes", [3, 10, 50])
@pytest.mark.parametrize("scale", [0.3, 2.0, 10.0])
def test_correlated_logits_are_nearer_than_a_thousand_draws(
    classes: int, scale: float, rng: np.random.Generator
) -> None:
    for _ in range(3):
        m, E = rng.standard_normal(classes), random_covariance(rng, classes, scale)
        p = expected_softmax(m[None], E[None])[0]
        exact, error = reference(m, E)
        assert (np.abs(p - exact) < 0.1 * np.sqrt(100_000 / 1000) * error + 5 * error + 1e-4).all()


@pytest.mark.equation("CP-2")
def test_a_class_far_behind_has_its_logarithm() -> None:
    """Independent logits: the leader against each of the rest, one integral."""
    lead = np.array([5.0, 20.0, 60.0, 300.0])
    for v in (1e-6, 0.5, 2.0, 9.0):
        m = np.array([0.0, *-lead])
        E = np.diag([0.0, *[v] * 4])
        p = expected_softmax(m[None], E[None])[0]
        exact = [logistic_normal(a, np.sqrt(v)) for a in lead]
        # the others' shares of what is left, of up to exp(v / 2 - 5), are in no integral of two
        np.testing.assert_allclose(np.log(p[1:]), exact, atol=0.02 + 0.5 * np.exp(v / 2 - 5))


@pytest.mark.equation("CP-2")
@pytest.mark.parametrize("classes", [3, 10])
@pytest.mark.parametrize("gap", [2.0, 4.0])
def test_a_class_that_is_nearly_ruled_out_keeps_its_small_probability(
    classes: int, gap: float
) -> None:
    """Logit 0 leads by so many nats that the softmax is a step."""
    f = np.zeros((1, classes))
    f[0, 0] = 1000.0 * gap
    z, weights = np.polynomial.hermite_e.hermegauss(150)
    none_above = ndtr(np.sqrt(2) * gap + z) ** (classes - 1)
    exact = (1 - none_above) @ weights / weights.sum() / (classes - 1)
    p = expected_softmax(f, 1000.0**2 * np.eye(classes)[None] / 2)[0]
    np.testing.assert_allclose(p[1:], exact, rtol=0.1)  # of 8 heights


@pytest.mark.equation("CP-2", "PR-2")
@pytest.mark.parametrize("classes", [2, 3, 20])
def test_certain_logits_give_the_softmax(classes: int, rng: np.random.Generator) -> None:
    m = 20 * rng.standard_normal((5, classes))
    p = expected_softmax(m, np.zeros((5, classes, classes)))
    assert_close(p, softmax(m, axis=1))


@pytest.mark.equation("CP-2")
@pytest.mark.parametrize("classes", [3, 20, 100])
def test_nothing_extreme_is_not_a_number(classes: int, rng: np.random.Generator) -> None:
    """Ranks from 1, sizes from 1e-12 to 1e8, and both in one covariance."""
    for rank in (1, 2, classes):
        for scale in (1e-12, 1e-3, 1.0, 1e3, 1e8):
            root = rng.standard_normal((4, classes, rank)) * scale
            root[2] *= np.exp(3 * rng.standard_normal((classes, 1)))
            root[3, : classes // 2] *= 1e-6
            E = root @ np.swapaxes(root, 1, 2)
            p = expected_softmax(scale * rng.standard_normal((4, classes)), E)
            assert np.isfinite(p).all()
            assert (p >= 0).all()
            assert_close(p.sum(axis=1), np.ones(4))


@pytest.mark.equation("CP-2")
@pytest.mark.parametrize("classes", [3, 7])
def test_nearly_diagonal_keeps_contrasts_and_is_a_covariance(
    classes: int, rng: np.random.Generator
) -> None:
    Pi = contrasts(classes)
    for rank in (1, 2, classes, 40):
        root = Pi @ rng.standard_normal((3, classes, rank))
        C = root @ np.swapaxes(root, 1, 2)
        E = nearly_diagonal(C)
        assert_close(Pi @ E @ Pi, C, rtol=1e-9)
        size = np.trace(C, axis1=1, axis2=2)
        assert (np.linalg.eigvalsh(E)[:, 0] > -1e-8 * size).all()
    v = rng.exponential(size=classes)
    assert_close(nearly_diagonal((Pi @ np.diag(v) @ Pi)[None])[0], np.diag(v), rtol=1e-9)


# Draws ------------------------------------------------------------------------------------------


@pytest.mark.equation("CP-3")
@pytest.mark.parametrize("classes", [2, 4, 30])
@pytest.mark.parametrize("scale", [1e-5, 1.0, 100.0])
def test_both_parts_of_the_label_covariance_are_covariances_and_add_up(
    classes: int, scale: float, rng: np.random.Generator
) -> None:
    m = rng.standard_normal((4, classes)) * [[1.0], [3.0], [30.0], [300.0]]
    E = np.array([random_covariance(rng, classes, scale) for _ in range(4)])
    predictive = CategoricalPredictive.from_gaussian(m, E)
    p = predictive.probabilities
    whole = np.array([np.diag(q) - np.outer(q, q) for q in p])
    assert_close(predictive.epistemic + predictive.aleatoric, whole, rtol=1e-9)
    assert_close(predictive.covariance, whole)
    for part in (predictive.epistemic, predictive.aleatoric):
        assert (np.linalg.eigvalsh(part)[:, 0] > -1e-14).all()
        assert (np.diagonal(part, axis1=1, axis2=2) >= 0).all()


@pytest.mark.equation("CP-3")
def test_epistemic_part_is_the_covariance_of_class_probabilities(rng: np.random.Generator) -> None:
    m, E = rng.standard_normal((3, 4)), np.array([random_covariance(rng, 4, 2.0)] * 3)
    n = 40_000
    predictive = CategoricalPredictive.from_gaussian(m, E, draws=n)
    draws = softmax(
        m + np.random.default_rng(3).multivariate_normal(np.zeros(4), E[0], (n, 3)), axis=2
    )
    centred = draws - draws.mean(axis=0)
    products = centred[:, :, :, None] * centred[:, :, None, :]
    # weighted draws have at most twice the variance, and pairs halve their number
    error = products.std(axis=0) * np.sqrt(5 / n)
    assert worst_error(predictive.epistemic, products.mean(axis=0), error) < 5
    small = CategoricalPredictive.from_gaussian(m, 1e-12 * E)  # relative accuracy of a tiny one
    J = [np.diag(q) - np.outer(q, q) for q in softmax(m, axis=1)]
    expected = np.array([1e-12 * G @ e @ G for G, e in zip(J, E, strict=True)])
    np.testing.assert_allclose(small.epistemic, expected, atol=0.3 * np.abs(expected).max())


@pytest.mark.equation("CP-3")
def test_quantiles_of_two_classes_are_those_of_the_logit(rng: np.random.Generator) -> None:
    m, E = np.array([[0.4, 0.0]]), np.array([[[2.0, 0.5], [0.5, 1.0]]])
    predictive = CategoricalPredictive.from_gaussian(m, E, draws=40_000)
    for q in (0.02, 0.3, 0.5, 0.9):
        exact = expit(0.4 + np.sqrt(2.0) * stats.norm.ppf(q))
        assert abs(predictive.quantile(q)[0, 0] - exact) < 0.02
        assert abs(predictive.cdf([[exact, 0.5]])[0, 0] - q) < 0.02
    low, high = predictive.interval(0.8)
    np.testing.assert_array_equal(low, predictive.quantile(0.1))
    assert np.abs(high - predictive.quantile(0.9)).max() < 1e-3


def test_draws_are_not_kept(rng: np.random.Generator) -> None:
    m, E = rng.standard_normal((50, 3)), np.tile(np.eye(3), (50, 1, 1))
    predictive = CategoricalPredictive.from_gaussian(m, E)
    held = sum(a.nbytes for a in vars(predictive).values() if isinstance(a, np.ndarray))
    assert held < 50 * 8 * (3 + 3 + 9) + 512 * 8 * 5
    np.testing.assert_array_equal(
        predictive.draws_of(slice(7, 9)), predictive.probability_draws[:, 7:9]
    )
