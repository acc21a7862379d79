"""Diagnostics: each defect is found where it is, and nothing where there is none."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, binomtest, chi2, kstest, norm, permutation_test, rankdata

from balinp import dense, metrics
from balinp._types import Array
from balinp.diagnostics import Diagnosis, diagnose
from balinp.diagnostics.residuals import (
    monte_carlo_p,
    pair_association,
    standardised_residuals,
    strongest_association,
)
from balinp.predictive import CategoricalPredictive, GaussianPredictive, MixturePredictive

N = 300
REGRESSION_TESTS = [
    *("bias", "scale", "skewness", "tails", "shape", "outlier", "coverage_low", "coverage_high"),
    *("trend", "spread", "order", "neighbours"),
]
CLASS_TESTS = ["calibration", "confidence", "surprise", "classes"]


def inputs_and_predictive(rng: np.random.Generator, n: int = N):
    """Three inputs, one of them without influence, and a predictive whose std varies."""
    X = rng.uniform(-1, 1, (n, 3))
    mean = X @ np.array([[1.0], [0.5], [0.0]])
    return X, GaussianPredictive(mean, rng.uniform(0.5, 2, (n, 1, 1)), np.eye(1))


def class_predictive(rng: np.random.Generator, n: int = N, classes: int = 4):
    logits = 1.5 * rng.standard_normal((1, n, classes))
    return CategoricalPredictive.from_samples(logits)


# -- standardised residuals ------------------------------------------------------------------------


@pytest.mark.equation("DG-1")
def test_residuals_of_one_of_two_outputs(rng: np.random.Generator) -> None:
    mean, Y = rng.standard_normal((2, 20, 2))
    roots = rng.standard_normal((20, 2, 2))
    V = np.array([[1.0, 0.3], [0.3, 2.0]])
    p = GaussianPredictive(mean, roots @ roots.transpose(0, 2, 1), V)
    for k in (0, 1):
        std = [np.sqrt((roots[n] @ roots[n].T + V)[k, k]) for n in range(20)]
        expected = (Y[:, k] - mean[:, k]) / std
        np.testing.assert_allclose(standardised_residuals(p, Y, output=k), expected, rtol=1e-12)


@pytest.mark.equation("DG-1")
def test_residuals_of_a_mixture_are_normal_scores(rng: np.random.Generator) -> None:
    outputs, V = rng.standard_normal((5, 30, 1)) * 3, np.array([[0.25]])
    p, Y = MixturePredictive(outputs, V), 4 * rng.standard_normal((30, 1))
    distribution = norm.cdf(Y[:, 0], outputs[:, :, 0], 0.5).mean(axis=0)
    # The quantile of a distribution function near 1 loses digits here, not in the code.
    np.testing.assert_allclose(
        norm.cdf(standardised_residuals(p, Y)), distribution, rtol=1e-10, atol=1e-15
    )
    one = MixturePredictive(outputs[:1], V)
    np.testing.assert_allclose(
        standardised_residuals(one, Y), (Y - outputs[0])[:, 0] / 0.5, rtol=1e-9
    )
    # 30 std above and below: tails of 5e-198, of a mixture of two equal parts.
    twice = MixturePredictive(np.repeat(outputs[:1], 2, axis=0), V)
    for far in (30, -30):
        z = standardised_residuals(twice, outputs[0] + 0.5 * far)
        np.testing.assert_allclose(z, far, rtol=1e-10)


@pytest.mark.equation("DG-1")
def test_residuals_of_a_mixture_of_gaussians(rng: np.random.Generator) -> None:
    """Components with means, noises and epistemic variances of their own, second of two outputs."""
    members = [
        GaussianPredictive(
            rng.standard_normal((10, 2)),
            rng.uniform(0.1, 2, (10, 1, 1)) * np.eye(2),
            np.diag(rng.uniform(0.1, 2, 2)),
        )
        for _ in range(3)
    ]
    Y = rng.standard_normal((10, 2))
    distribution = np.mean([norm.cdf(Y, m.mean, m.std)[:, 1] for m in members], axis=0)
    z = standardised_residuals(MixturePredictive.of(members), Y, output=1)
    np.testing.assert_allclose(z, norm.ppf(distribution), rtol=1e-9)


# -- exactness of the parts ------------------------------------------------------------------------


@pytest.mark.equation("DG-1", "DG-2")
def test_statistics_of_a_regression_from_their_definitions(rng: np.random.Generator) -> None:
    X, p = inputs_and_predictive(rng, 40)
    Y = p.sample(rng) + 0.3
    z = ((Y - p.mean) / np.sqrt(p.epistemic[:, :, 0] + 1))[:, 0]
    found = diagnose(p, Y, X)
    size = np.sqrt(np.sum(z**2) / 40)
    tail = chi2(40).cdf(40 * size**2)
    largest = np.abs(z).max()
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    distances = np.linalg.norm(scaled[:, None] - scaled, axis=2)
    near = np.argsort(distances, axis=1)[:, 1:4]  # the first is the datum itself
    ranks = (rankdata(z) - 20.5) / np.std(np.arange(40))
    for name, statistic, p_value in [
        ("bias", z.mean(), 2 * norm.sf(abs(z.mean()) * np.sqrt(40))),
        ("scale", size, 2 * min(tail, 1 - tail)),
        ("outlier", largest, 1 - (1 - 2 * norm.sf(largest)) ** 40),
        ("order", np.mean(ranks[1:] * ranks[:-1]), None),
        ("neighbours", np.mean([ranks[i] * ranks[j] for i in range(40) for j in near[i]]), None),
    ]:
        assert found[name].statistic == pytest.approx(statistic, rel=1e-10)
        assert p_value is None or found[name].p_value == pytest.approx(p_value, rel=1e-9)


@pytest.mark.equation("DG-3")
def test_statistics_of_classes_from_their_definitions(rng: np.random.Generator) -> None:
    predictive = class_predictive(rng, 50)
    p, Y = predictive.probabilities, predictive.sample(rng)
    found = diagnose(predictive, Y)
    z = [np.sum(Y[:, k] - p[:, k]) / np.sqrt(np.sum(p[:, k] * (1 - p[:, k]))) for k in range(4)]
    for name, statistic in [
        ("calibration", metrics.ece(Y, p)),
        ("confidence", metrics.accuracy(Y, p) - p.max(axis=1).mean()),
        ("surprise", metrics.nll(Y, p)),
        ("classes", np.abs(z).max()),
    ]:
        assert found[name].statistic == pytest.approx(statistic, rel=1e-10)


@pytest.mark.equation("DG-2")
def test_permutation_tests_have_their_level(rng: np.random.Generator) -> None:
    """P(p <= a) = a at multiples of 1/1000 where nothing goes with anything.

    The features depend on each other, which the largest correlation must allow for.
    """
    X = rng.standard_normal((30, 2))
    features = {"a": X[:, 0], "b": X[:, 0] + 0.1 * X[:, 1], "c": np.abs(X[:, 1])}
    first, second = np.arange(29), np.arange(1, 30)
    found = []
    for _ in range(400):
        scores = rng.exponential(size=30)
        association = strongest_association(scores, features, rng)
        assert association is not None
        found.append([association.p_value, pair_association(scores, first, second, rng)[1]])
    for p in np.transpose(found):
        assert kstest(p, "uniform").pvalue > 1e-3
        assert binomtest(int(np.sum(p <= 0.05)), 400, 0.05).pvalue > 1e-3


@pytest.mark.equation("DG-2")
def test_monte_carlo_p_by_hand() -> None:
    assert monte_carlo_p(0.5, np.array([0.0, 0.5, 1.0])) == 3 / 4
    assert monte_carlo_p(2.0, np.zeros(9)) == 1 / 10
    assert monte_carlo_p(np.inf, np.zeros(9)) == 1 / 10
    assert monte_carlo_p(-np.inf, np.zeros(9)) == 1.0
    assert monte_carlo_p(0.1 + 0.2, np.array([0.3])) == 1.0, "a tie but for rounding"


@pytest.mark.equation("DG-2")
@pytest.mark.parametrize("seed", range(3))
def test_p_values_are_those_of_scipy(seed: int) -> None:
    """From the same generator scipy draws the same orders, so that nothing is left to chance."""
    rng = np.random.default_rng(seed)
    first = np.arange(59)
    scores, feature = rng.standard_normal(60), rng.standard_normal(60)
    ranks, other = (rankdata(x) - 30.5 for x in (scores, feature))
    squares = other**2 - np.mean(other**2)

    def p_value(statistic):
        return permutation_test(
            (ranks,), statistic, permutation_type="pairings", vectorized=True, n_resamples=999,
            alternative="greater", random_state=np.random.default_rng(0),
        ).pvalue  # fmt: skip

    def agreement(r, axis=-1):
        return np.mean(r[..., :-1] * r[..., 1:], axis=-1)

    def strongest(r, axis=-1):
        with_feature = np.abs(r @ other) / np.linalg.norm(other)
        return np.maximum(with_feature, np.abs(r @ squares) / np.linalg.norm(squares))

    got = pair_association(scores, first, first + 1, np.random.default_rng(0))[1]
    assert got == p_value(agreement)
    found = strongest_association(scores, {"x": feature}, np.random.default_rng(0))
    assert found.p_value == p_value(strongest)


@pytest.mark.equation("DG-2")
@pytest.mark.parametrize(
    ("function", "relation"),
    [
        (lambda x: x**3, "rising with b"),
        (lambda x: -np.exp(x), "falling with b"),
        (np.abs, "larger at both ends of b"),
        (lambda x: -(x**2), "larger in the middle of b"),
    ],
)
def test_the_strongest_association_is_named(function, relation: str) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.uniform(-1, 1, (2, 200))
    features = {"constant": np.ones(200), "a": a, "b": b, "two values": np.sign(a)}
    found = strongest_association(function(b) + 0.1 * a, features, rng)
    assert found is not None
    assert found.relation == relation
    assert found.p_value == 1 / 1000
    assert strongest_association(a, {"constant": np.ones(200)}, rng) is None


# -- nothing is wrong ------------------------------------------------------------------------------


@cache
def right_diagnoses(kind: str) -> list[Diagnosis]:
    """Reports on targets drawn from the predictive itself."""
    found = []
    for seed in range(300 if kind == "regression" else 100):
        rng = np.random.default_rng([seed, 7])
        if kind == "regression":
            X, p = inputs_and_predictive(rng, 100)
            found.append(diagnose(p, p.sample(rng), X, seed=seed))
        else:
            classes = class_predictive(rng, 60)
            found.append(diagnose(classes, classes.sample(rng), seed=seed))
    return found


@pytest.mark.equation("DG-1", "DG-2", "DG-3")
@pytest.mark.parametrize("name", REGRESSION_TESTS + CLASS_TESTS)
def test_p_values_of_a_right_model_are_uniform(name: str) -> None:
    kind = "regression" if name in REGRESSION_TESTS else "classes"
    name = name.replace("_", " ")
    p = np.array([diagnosis[name].p_value for diagnosis in right_diagnoses(kind)])
    alarms = int(np.sum(p <= 0.05))
    # Sixteen tests with a fixed seed: right ones pass limits of 1e-3 together 97 times of 100.
    assert binom.sf(alarms - 1, len(p), 0.05) > 1e-3
    if not name.startswith("coverage"):  # a binomial p-value is discrete: never too small, only
        assert kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.equation("DG-1", "DG-2", "DG-3")
@pytest.mark.parametrize("kind", ["regression", "classes"])
def test_false_alarms_of_whole_reports(kind: str) -> None:
    diagnoses = right_diagnoses(kind)
    alarms = sum(bool(diagnosis.found) for diagnosis in diagnoses)
    assert binom.sf(alarms - 1, len(diagnoses), 0.05) > 1e-3, "more than the level"


@pytest.mark.equation("DG-4")
def test_residuals_of_training_data_are_too_small() -> None:
    """E z_n^2 = (1 - S_nn) / (1 + S_nn), S the smoother of a Bayesian linear regression."""
    rng = np.random.default_rng(1)
    X, V, repeats = rng.standard_normal((30, 5)), np.array([[0.49]]), 4000
    C0 = np.eye(5) / 0.8
    z = np.empty((repeats, 30))
    for r in range(repeats):
        T = X @ (rng.standard_normal((5, 1)) / np.sqrt(0.8)) + 0.7 * rng.standard_normal((30, 1))
        mean, covariance = dense.posterior(X, T, V, np.zeros((5, 1)), C0)
        epistemic = np.einsum("ni,ij,nj->n", X, covariance, X)[:, None, None]
        z[r] = standardised_residuals(GaussianPredictive(X @ mean, epistemic, V), T)
    S = np.diag(X @ np.linalg.solve(X.T @ X + 0.8 * 0.49 * np.eye(5), X.T))
    expected = (1 - S) / (1 + S)
    errors = (z**2).std(axis=0) / np.sqrt(repeats)
    assert (np.abs((z**2).mean(axis=0) - expected) < 4.5 * errors).all()
    assert expected.max() < 0.99


# -- defects ---------------------------------------------------------------------------------------


def skewed(rng: np.random.Generator) -> Array:
    return rng.exponential(size=(N, 1)) - 1


def heavy(rng: np.random.Generator) -> Array:
    return rng.standard_t(3, (N, 1)) / np.sqrt(3)


DEFECTS = {
    "bias": (lambda rng, X: rng.standard_normal((N, 1)) + 0.4, "too low, by 0."),
    "scale": (lambda rng, X: 1.4 * rng.standard_normal((N, 1)), "over-confident"),
    "scale ": (lambda rng, X: 0.7 * rng.standard_normal((N, 1)), "under-confident"),
    "skewness": (lambda rng, X: skewed(rng), "upwards"),
    "skewness ": (lambda rng, X: -skewed(rng), "downwards"),
    "tails": (lambda rng, X: heavy(rng), "heavier"),
    "tails ": (lambda rng, X: rng.uniform(-1.73, 1.73, (N, 1)), "lighter"),
    "shape": (lambda rng, X: skewed(rng), "off by up to 0."),
    "outlier": (
        lambda rng, X: rng.standard_normal((N, 1)) + 8 * (np.arange(N) == 17)[:, None],
        "of datum 17",
    ),
    "coverage low": (
        lambda rng, X: rng.standard_normal((N, 1)) * np.where(mean_of(X) < 0, 1.6, 1.0),
        "too narrow there",
    ),
    "coverage high": (
        lambda rng, X: rng.standard_normal((N, 1)) * np.where(mean_of(X) > 0, 1.6, 1.0),
        "too narrow there",
    ),
    "trend": (lambda rng, X: rng.standard_normal((N, 1)) + X[:, 2:], "rising with input 2"),
    "trend ": (
        lambda rng, X: rng.standard_normal((N, 1)) - 2 * X[:, 2:] ** 2,
        "larger in the middle of input 2",
    ),
    "spread": (
        lambda rng, X: rng.standard_normal((N, 1)) * np.exp(-X[:, 2:]),
        "falling with input 2",
    ),
    "order": (lambda rng, X: autoregressive(rng), "follow each other agree"),
    "neighbours": (
        lambda rng, X: 0.5 * rng.standard_normal((N, 1)) + np.sin(6 * X[:, 2:]),
        "near inputs agree",
    ),
}
"""Name of the test that must fail: standardised errors, and words of its verdict."""


def mean_of(X: Array) -> Array:
    return X @ np.array([[1.0], [0.5], [0.0]])


def autoregressive(rng: np.random.Generator) -> Array:
    z = rng.standard_normal((N, 1))
    for n in range(1, N):
        z[n] = 0.6 * z[n - 1] + 0.8 * z[n]
    return z


@pytest.mark.equation("DG-1", "DG-2")
@pytest.mark.parametrize("name", DEFECTS)
def test_each_defect_of_a_regression_is_found(name: str) -> None:
    errors, words = DEFECTS[name]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, p = inputs_and_predictive(rng)
        finding = diagnose(p, p.mean + p.std * errors(rng, X), X)[name.strip()]
        assert finding.found, finding
        assert words in finding.verdict


@pytest.mark.parametrize(
    ("defect", "missed"),
    [("order", ["scale", "tails", "trend"]), ("outlier", ["bias", "trend", "order", "spread"])],
)
def test_other_tests_stay_silent(defect: str, missed: list[str]) -> None:
    rng = np.random.default_rng(0)
    X, p = inputs_and_predictive(rng)
    diagnosis = diagnose(p, p.mean + p.std * DEFECTS[defect][0](rng, X), X)
    assert not any(diagnosis[name].found for name in missed)


@pytest.mark.parametrize(("sharper", "word"), [(3.0, "over-confident"), (0.4, "under-confident")])
def test_direction_of_wrong_confidence(sharper: float, word: str) -> None:
    rng = np.random.default_rng(0)
    logits = 1.5 * rng.standard_normal((1, N, 4))
    Y = CategoricalPredictive.from_samples(logits).sample(rng)
    diagnosis = diagnose(CategoricalPredictive.from_samples(sharper * logits), Y)
    assert diagnosis["calibration"].found
    for name in ("confidence", "surprise"):
        assert diagnosis[name].found
        assert diagnosis[name].verdict.endswith(word)


def test_a_class_that_is_too_frequent_is_named() -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((1, N, 4))
    Y = CategoricalPredictive.from_samples(logits + 1.2 * np.eye(4)[2]).sample(rng)
    finding = diagnose(CategoricalPredictive.from_samples(logits), Y)["classes"]
    assert finding.found
    assert finding.verdict.startswith("class 2 occurs")


def test_a_label_of_probability_zero_is_infinitely_surprising() -> None:
    p = CategoricalPredictive(np.tile([[0.5, 0.5, 0.0]], (1, 40, 1)))
    Y = np.eye(3)[[0, 1] * 19 + [0, 2]]
    diagnosis = diagnose(p, Y)
    assert diagnosis["surprise"].statistic == np.inf
    assert diagnosis["surprise"].found
    assert diagnosis["classes"].verdict == "class 2 occurs 1 times, 0.0 are expected"


# -- the report ------------------------------------------------------------------------------------


def test_report_in_words() -> None:
    rng = np.random.default_rng(0)
    X, p = inputs_and_predictive(rng)
    diagnosis = diagnose(p, p.mean + 2 * p.std * rng.standard_normal((N, 1)), X)
    lines = str(diagnosis).splitlines()
    assert lines[0] == f"300 data, 12 tests, {len(diagnosis.found)} failed (marked !)"
    assert [line[2:16].strip().replace(" ", "_") for line in lines[1:13]] == REGRESSION_TESTS
    marked = [line for line in lines[1:13] if line.startswith("!")]
    assert len(marked) == len(diagnosis.found) >= 2
    assert "2.0" in diagnosis["scale"].verdict
    assert diagnosis["scale"].verdict in str(diagnosis)
    assert "p = 0.05 / 12" in lines[13]
    bound = 0.05 / 12
    assert all(f.found == (f.p_value < bound) for f in diagnosis.findings)
    with pytest.raises(FrozenInstanceError):
        diagnosis.level = 1.0  # type: ignore[misc]
    with pytest.raises(KeyError, match="'scales'; there are bias, scale"):
        diagnosis["scales"]


def test_what_cannot_be_tested_is_left_out(rng: np.random.Generator) -> None:
    constant = GaussianPredictive(np.zeros((N, 1)), np.zeros((N, 1, 1)), np.eye(1))
    names = [f.name for f in diagnose(constant, rng.standard_normal((N, 1))).findings]
    assert names == ["bias", "scale", "skewness", "tails", "shape", "outlier", "order"]
    names = [
        f.name for f in diagnose(constant, rng.standard_normal((N, 1)), np.ones((N, 2))).findings
    ]
    assert names[-1] == "order"


def test_same_seed_same_report_and_nothing_is_changed(rng: np.random.Generator) -> None:
    X, p = inputs_and_predictive(rng)
    Y = p.sample(rng)
    before = X.copy(), Y.copy(), p.mean.copy(), p.epistemic.copy()
    assert diagnose(p, Y, X, seed=3) == diagnose(p, Y, X, seed=3)
    assert diagnose(p, Y, X, seed=3) != diagnose(p, Y, X, seed=4)
    for old, new in zip(before, (X, Y, p.mean, p.epistemic), strict=True):
        np.testing.assert_array_equal(old, new)


def test_one_of_several_outputs(rng: np.random.Generator) -> None:
    mean = rng.standard_normal((N, 2))
    p = GaussianPredictive(mean, np.zeros((N, 2, 2)), np.eye(2))
    Y = mean + rng.standard_normal((N, 2)) * [1.0, 3.0]
    assert not diagnose(p, Y, output=0)["scale"].found
    assert diagnose(p, Y, output=1)["scale"].found


ZERO = GaussianPredictive(np.zeros((30, 1)), np.zeros((30, 1, 1)), np.eye(1))
TWO = GaussianPredictive(np.zeros((30, 2)), np.zeros((30, 2, 2)), np.eye(2))
CLASSES = CategoricalPredictive(np.full((1, 30, 2), 0.5))
Y = np.random.default_rng(0).standard_normal((30, 1))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Y, Y), {}, "predictive: expected a GaussianPredictive or a MixturePredictive"),
        ((ZERO, Y[:-1]), {}, r"Y: expected shape \(30, 1\), got \(29, 1\)"),
        ((ZERO, Y[1:, 0]), {}, r"Y: expected shape \(30, 1\), got \(29, 1\)"),
        ((ZERO, np.ones((30, 1))), {}, "Y: expected residuals that differ"),
        ((ZERO, Y, Y[:-1]), {}, "X: expected shape"),
        ((ZERO, Y), {"level": 0.0}, "level: expected a number in"),
        ((ZERO, Y), {"seed": -1}, "seed: expected an integer of at least 0"),
        ((ZERO, Y), {"output": 1}, "output: expected a number below 1"),
        ((TWO, np.hstack([Y, Y])), {}, "output: expected which of the 2 outputs"),
        ((CLASSES, Y), {}, "Y: expected shape"),
        ((CLASSES, np.ones((30, 2))), {}, "Y: expected one-hot rows"),
        ((CLASSES, np.eye(2)[[0] * 30], Y), {}, "X, output: expected None for classes"),
        ((CLASSES, np.eye(2)[[0] * 30]), {"output": 0}, "X, output: expected None for classes"),
        (
            (CategoricalPredictive(np.full((1, 19, 2), 0.5)), np.eye(2)[[0] * 19]),
            {},
            "predictive: expected at least 20 data, got 19",
        ),
    ],
)
def test_bad_arguments(arguments, options, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        diagnose(*arguments, **options)
