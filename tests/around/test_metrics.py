"""Scores against SciPy, scikit-learn, numerical integration and loops written from definitions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import entropy, norm
from scipy.stats import t as student_t
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_squared_error,
    roc_auc_score,
    roc_curve,
)

from balinp import BALIRegressor, metrics
from balinp._types import Array

RTOL = 1e-10


def close(actual: float | Array, expected: float | Array, rtol: float = RTOL) -> None:
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=0)


def random_classes(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, Array]:
    """Labels with every class present, and probabilities that are informative but not perfect."""
    labels = rng.permutation(np.arange(n) % k)
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[labels]
    p = np.exp(logits)
    return labels, p / p.sum(axis=1, keepdims=True)


# Regression


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (5, 3)])
def test_rmse_is_root_of_sklearn_mean_squared_error(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    Y, mean = rng.normal(size=shape), rng.normal(size=shape)
    close(metrics.rmse(Y, mean), math.sqrt(mean_squared_error(Y, mean)))


def crps_integral(y: float, mean: float, std: float) -> float:
    """The definition: the integral of (F(t) - [t >= y])^2, cut where F^2 is below 1e-60."""

    def integrate(f: Callable[[float], float], start: float, stop: float) -> float:
        points = [p for p in (mean - 3 * std, mean, mean + 3 * std) if start < p < stop]
        value, _ = quad(f, start, stop, points=points, epsabs=0, epsrel=1e-12, limit=500)
        return float(value)

    below = integrate(lambda t: norm.cdf(t, mean, std) ** 2, min(mean, y) - 12 * std, y)
    above = integrate(lambda t: norm.sf(t, mean, std) ** 2, y, max(mean, y) + 12 * std)
    return below + above


@pytest.mark.equation("SC-1")
@pytest.mark.parametrize("z", [-6.0, -0.7, 0.0, 1e-3, 1.0, 9.0])
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-3.0, 1e-2), (5.0, 1e2)])
def test_crps_is_the_integral_of_its_definition(z: float, mean: float, std: float) -> None:
    y = mean + z * std
    close(metrics.crps_gaussian([[y]], [[mean]], [[std]]), crps_integral(y, mean, std))


@pytest.mark.equation("SC-1")
def test_crps_is_averaged_over_data_and_outputs() -> None:
    rng = np.random.default_rng(5)
    Y, mean = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    std = np.exp(rng.normal(size=(3, 2)))
    expected = np.mean(
        [crps_integral(*entry) for entry in zip(Y.flat, mean.flat, std.flat, strict=False)]
    )
    close(metrics.crps_gaussian(Y, mean, std), expected)


@pytest.mark.equation("SC-1")
def test_crps_of_a_sharp_prediction_is_the_absolute_error() -> None:
    # As std -> 0 the score tends to |y - mean|; the next term is -std / sqrt(pi).
    close(metrics.crps_gaussian([[2.0], [-4.0]], np.zeros((2, 1)), np.full((2, 1), 1e-12)), 3.0)


def mixture_integral(y: float, means: Array, stds: Array) -> float:
    """The definition again, for the average of the components' distribution functions."""
    points = sorted({y, *means, *(means - 3 * stds), *(means + 3 * stds)})
    ends = [points[0] - 12 * stds.max(), *points, points[-1] + 12 * stds.max()]

    def square(t: float) -> float:
        side = norm.cdf if t < y else norm.sf
        return float(np.mean(side(t, means, stds)) ** 2)

    parts = [quad(square, a, b, epsabs=1e-15, epsrel=1e-12)[0] for a, b in pairwise(ends) if a < b]
    return float(sum(parts))


@pytest.mark.equation("SC-6")
@pytest.mark.parametrize("components", [1, 2, 5])
@pytest.mark.parametrize("separation", [0.0, 1.0, 30.0])
def test_crps_of_a_mixture_is_the_integral_of_its_definition(
    components: int, separation: float
) -> None:
    rng = np.random.default_rng(components)
    Y = separation * rng.normal(size=(3, 2))
    means = separation * rng.normal(size=(components, 3, 2))
    stds = np.exp(rng.normal(size=(components, 3, 2)))
    expected = [
        mixture_integral(Y[n, k], means[:, n, k], stds[:, n, k]) for n in range(3) for k in range(2)
    ]
    close(metrics.crps_mixture(Y, means, stds), float(np.mean(expected)), 1e-9)  # of integrals


@pytest.mark.equation("SC-1", "SC-6")
def test_crps_of_equal_components_is_that_of_one() -> None:
    rng = np.random.default_rng(8)
    Y, mean, std = *rng.normal(size=(2, 4, 2)), np.exp(rng.normal(size=(4, 2)))
    one = metrics.crps_gaussian(Y, mean, std)
    close(metrics.crps_mixture(Y, np.stack([mean] * 3), np.stack([std] * 3)), one)


def student_integral(y: float, means: Array, scales: Array, freedoms: Array) -> float:
    """The definition for a mixture of Students, on pieces that no component is narrow in."""
    steps = np.array([-1e3, -30.0, -5.0, -1.0, 0.0, 1.0, 5.0, 30.0, 1e3])
    ends = [-np.inf, *sorted({y, *(means + scales * steps[:, None]).ravel()}), np.inf]

    def square(x: float) -> float:
        side = student_t.cdf if x < y else student_t.sf
        return float(np.mean(side(x, freedoms, means, scales)) ** 2)

    return sum(quad(square, a, b, epsabs=1e-15, epsrel=1e-12)[0] for a, b in pairwise(ends))


@pytest.mark.equation("SC-7")
@pytest.mark.parametrize("nu", [2.05, 5.0, 300.0])
@pytest.mark.parametrize("z", [-40.0, 0.0, 0.8])
def test_crps_of_student_tails_is_the_integral_of_its_definition(nu: float, z: float) -> None:
    mean, std = 0.3, 1.7
    y, scale = mean + z * std, std * math.sqrt(1 - 2 / nu)
    expected = student_integral(y, np.array([mean]), np.array([scale]), np.array([nu]))
    close(metrics.crps_student([[y]], [[mean]], [[std]], nu), expected, 1e-9)  # of integrals


@pytest.mark.equation("SC-7")
@pytest.mark.parametrize("separation", [0.0, 1.0, 30.0])
def test_crps_of_a_mixture_of_students_is_the_integral_of_its_definition(
    separation: float,
) -> None:
    rng = np.random.default_rng(3)
    freedoms = np.array([2.5, 6.0, 40.0])
    Y, means = separation * rng.normal(size=(2, 1)), separation * rng.normal(size=(3, 2, 1))
    stds = np.exp(rng.normal(size=(3, 2, 1)))
    scales = stds * np.sqrt(1 - 2 / freedoms)[:, None, None]
    expected = [
        student_integral(Y[n, 0], means[:, n, 0], scales[:, n, 0], freedoms) for n in range(2)
    ]
    got = metrics.crps_student_mixture(Y, means, stds, freedoms)
    close(got, float(np.mean(expected)), 1e-9)  # of integrals


@pytest.mark.equation("SC-7")
def test_infinite_freedom_is_a_gaussian() -> None:
    rng = np.random.default_rng(4)
    Y, means = 3 * rng.normal(size=(5, 2)), rng.normal(size=(4, 5, 2))
    stds = np.exp(rng.normal(size=(4, 5, 2)))
    one = metrics.crps_gaussian(Y, means[0], stds[0])
    close(metrics.crps_student(Y, means[0], stds[0], math.inf), one)
    mixture = metrics.crps_mixture(Y, means, stds)
    close(metrics.crps_student_mixture(Y, means, stds, [math.inf] * 4), mixture)


@pytest.mark.parametrize("freedom", [2.0, math.nan, -math.inf])
def test_freedoms_have_a_variance(freedom: float) -> None:
    with pytest.raises(ValueError, match="^freedom: expected 1 numbers above 2, got "):
        metrics.crps_student(ONE, ONE, ONE, freedom)


# Classification


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_may_be_off_by_rounding(k: int, dtype: type) -> None:
    """Also beyond 0 and 1, as sums may be off: what was meant is scored."""
    labels, p = random_classes(np.random.default_rng(k), 40, k)
    p = p.astype(dtype)
    p[0] = np.eye(k)[labels[0]]
    meant = [getattr(metrics, name)(labels, p) for name in ("accuracy", "nll", "brier", "ece")]
    for size in (1e-9, 9e-7):
        off = p.astype(float)
        off[0] += size * (np.eye(k)[labels[0]] - np.eye(k)[(labels[0] + 1) % k])
        assert off.min() < 0
        assert off.max() > 1
        found = [getattr(metrics, n)(labels, off) for n in ("accuracy", "nll", "brier", "ece")]
        np.testing.assert_allclose(found, meant, atol=1e-7)
        assert np.isfinite(metrics.predictive_entropy(off)).all()
    for wrong in (2e-6, 0.1):
        off = p.astype(float)
        off[0] += wrong * (np.eye(k)[labels[0]] - np.eye(k)[(labels[0] + 1) % k])
        with pytest.raises(ValueError, match="^probabilities: expected numbers in"):
            metrics.brier(labels, off)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_accuracy_nll_and_entropy_match_libraries(k: int) -> None:
    labels, p = random_classes(np.random.default_rng(k), 60, k)
    assert metrics.accuracy(labels, p) == accuracy_score(labels, p.argmax(axis=1))
    close(metrics.nll(labels, p), log_loss(labels, p, labels=range(k)))
    close(metrics.predictive_entropy(p), entropy(p, axis=1))


@pytest.mark.equation("SC-4")
@pytest.mark.parametrize("k", [2, 3, 10])
def test_brier_matches_sklearn(k: int) -> None:
    labels, p = random_classes(np.random.default_rng(10 + k), 60, k)
    expected = brier_score_loss(labels, p, labels=range(k), scale_by_half=False)
    close(metrics.brier(labels, p), expected)


@pytest.mark.equation("SC-4")
def test_brier_of_two_classes_is_twice_the_binary_score_of_sklearn() -> None:
    labels, p = random_classes(np.random.default_rng(6), 60, 2)
    close(metrics.brier(labels, p), 2 * brier_score_loss(labels, p[:, 1]))


@pytest.mark.equation("SC-4")
def test_brier_extremes() -> None:
    assert metrics.brier([0, 2], np.eye(3)[[0, 2]]) == 0.0
    assert metrics.brier([0, 2], np.eye(3)[[1, 0]]) == 2.0
    close(metrics.brier([0], np.full((1, 4), 0.25)), 0.75)


def test_a_true_class_of_probability_zero_makes_nll_infinite_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.nll([0, 1], [[1.0, 0.0], [1.0, 0.0]]) == math.inf
        assert metrics.nll([0, 0], [[1.0, 0.0], [1.0, 0.0]]) == 0.0
        close(metrics.nll([0], [[1e-300, 1.0]]), 300 * math.log(10))


def test_accuracy_takes_the_first_of_equal_classes() -> None:
    assert metrics.accuracy([0, 1], [[0.5, 0.5], [0.5, 0.5]]) == 0.5
    assert metrics.accuracy([1], [[0.2, 0.4, 0.4]]) == 1.0


def test_entropy_of_certain_and_uniform_predictions() -> None:
    certain, uniform = metrics.predictive_entropy([[0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert certain == 0.0
    close(uniform, math.log(3))


def ece_loop(labels: np.ndarray, p: Array, n_bins: int) -> float:
    """Expected calibration error, one bin and one datum at a time, as it is defined."""
    total = 0.0
    for b in range(1, n_bins + 1):
        members = [i for i in range(len(p)) if (b - 1) / n_bins < max(p[i]) <= b / n_bins]
        if members:
            confidence = sum(max(p[i]) for i in members) / len(members)
            hits = sum(list(p[i]).index(max(p[i])) == labels[i] for i in members) / len(members)
            total += len(members) / len(p) * abs(hits - confidence)
    return total


@pytest.mark.equation("SC-3")
@pytest.mark.parametrize("n_bins", [1, 2, 10, 15, 100])
@pytest.mark.parametrize("k", [2, 5])
def test_ece_matches_a_loop(k: int, n_bins: int) -> None:
    labels, p = random_classes(np.random.default_rng(7), 120, k)
    close(metrics.ece(labels, p, n_bins), ece_loop(labels, p, n_bins))


@pytest.mark.equation("SC-3")
def test_ece_has_fifteen_bins_unless_told() -> None:
    labels, p = random_classes(np.random.default_rng(8), 120, 3)
    assert metrics.ece(labels, p) == metrics.ece(labels, p, n_bins=15)
    assert metrics.ece(labels, p) != metrics.ece(labels, p, n_bins=14)


@pytest.mark.equation("SC-3")
def test_ece_by_hand() -> None:
    p = [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.6, 0.4]]
    # One bin holds the confidences .9 with two hits of three, another holds .6 with no hit.
    close(metrics.ece([0, 1, 1, 1], p, n_bins=5), 3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.6)
    # A single bin: mean confidence 3.3 / 4, accuracy 2 / 4.
    close(metrics.ece([0, 1, 1, 1], p, n_bins=1), 3.3 / 4 - 0.5)
    # Certain and right, certain and wrong.
    assert metrics.ece([0, 1], [[1.0, 0.0], [0.0, 1.0]]) == 0.0
    assert metrics.ece([1, 0], [[1.0, 0.0], [0.0, 1.0]]) == 1.0


@pytest.mark.equation("SC-3")
@pytest.mark.parametrize(
    ("n_bins", "b"), [(n_bins, b) for n_bins in (2, 6, 15, 25) for b in range(1, n_bins + 1)]
)
def test_ece_bins_are_closed_on_the_right(n_bins: int, b: int) -> None:
    """A datum on the edge b / n_bins shares the bin below it, never the bin above.

    Its neighbour lies strictly inside the lower bin. One is right and one wrong, so their gaps
    have opposite signs and cancel in one bin but add up in two. Rounding misplaces 5/6 when edges
    are multiples of 1/6, and 7/25 when a bin is found as ceil(25 confidence).
    """
    k = 100  # so that even the lowest edge can be the largest probability
    edge, inner = b / n_bins, (b - 0.25) / n_bins
    p = np.array([[c, *np.full(k - 1, (1 - c) / (k - 1))] for c in (edge, inner)])
    together = abs((1 - edge) - inner) / 2
    apart = ((1 - edge) + inner) / 2
    assert b == n_bins or abs(apart - together) > 1e-3  # at 1 there is no bin above
    assert metrics.ece([0, 1], p, n_bins) == pytest.approx(together, rel=RTOL, abs=1e-14)


@pytest.mark.parametrize("score", [metrics.accuracy, metrics.nll, metrics.brier, metrics.ece])
def test_labels_and_one_hot_rows_mean_the_same(score: Callable[..., float]) -> None:
    labels, p = random_classes(np.random.default_rng(9), 30, 4)
    assert score(labels, p) == score(np.eye(4)[labels], p)
    assert score(labels, p) == score(np.eye(4, dtype=bool)[labels].tolist(), p)
    close(score(labels, p.astype(np.float32)), score(labels, p), rtol=1e-5)  # float32 digits


# Detection of data from outside the training distribution


def scores(seed: int, n_in: int, n_out: int, ties: bool) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    score_in, score_out = rng.normal(size=n_in), 1.0 + rng.normal(size=n_out)
    return (np.round(2 * score_in), np.round(2 * score_out)) if ties else (score_in, score_out)


SIZES = [(1, 1), (5, 1), (1, 5), (30, 19), (30, 20), (30, 21), (200, 300)]


@pytest.mark.equation("SC-5")
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n_in", "n_out"), SIZES)
def test_auroc_matches_sklearn(n_in: int, n_out: int, ties: bool) -> None:
    score_in, score_out = scores(n_in, n_in, n_out, ties)
    positive = np.r_[np.zeros(n_in), np.ones(n_out)]
    expected = roc_auc_score(positive, np.r_[score_in, score_out])
    # An area of zero is legitimate for one pair, hence the absolute part.
    assert metrics.auroc(score_in, score_out) == pytest.approx(expected, rel=RTOL, abs=1e-15)


@pytest.mark.equation("SC-5")
def test_auroc_by_hand() -> None:
    assert metrics.auroc([0, 1], [2, 3]) == 1.0
    assert metrics.auroc([2, 3], [0, 1]) == 0.0
    assert metrics.auroc([1, 1, 1], [1, 1]) == 0.5
    assert metrics.auroc([0, 2], [1, 2, 3]) == (1 + 0 + 1 + 0.5 + 1 + 1) / 6


@pytest.mark.equation("SC-5")
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n_in", "n_out"), [*SIZES, (50, 39), (50, 40), (50, 41), (400, 1000)])
def test_fpr95_is_the_lowest_point_of_sklearn_roc_curve(n_in: int, n_out: int, ties: bool) -> None:
    score_in, score_out = scores(100 + n_in, n_in, n_out, ties)
    positive = np.r_[np.zeros(n_in), np.ones(n_out)]
    fpr, tpr, _ = roc_curve(positive, np.r_[score_in, score_out], drop_intermediate=False)
    assert metrics.fpr95(score_in, score_out) == fpr[tpr >= 0.95].min()


@pytest.mark.equation("SC-5")
def test_fpr95_misses_one_in_twenty_exactly() -> None:
    out = np.arange(20.0)
    # Nineteen of twenty are at least 1, and that is 95 %: the threshold is 1.
    assert metrics.fpr95([0.0, 0.5, 0.9, 1.0], out) == 0.25
    # Eighteen of nineteen is below 95 %: the threshold is 0.
    assert metrics.fpr95([0.0, 0.5, 0.9, 1.0], out[:19]) == 1.0
    assert metrics.fpr95([0.0, 1.0], [2.0, 3.0]) == 0.0


# Errors

ONE, COLUMN = np.ones((1, 1)), np.ones((3, 1))
P = np.array([[0.5, 0.5], [0.25, 0.75]])

INVALID: list[tuple[Callable[..., object], tuple[object, ...], str]] = [
    # shapes: nothing is broadcast, nothing is empty
    (metrics.rmse, (np.ones(2), COLUMN), "mean"),
    (metrics.rmse, (COLUMN, np.ones(2)), "mean"),
    (metrics.rmse, (np.ones((3, 1, 1)), COLUMN), "Y"),
    (metrics.rmse, (COLUMN, ONE), "mean"),
    (metrics.rmse, (np.ones((0, 1)), np.ones((0, 1))), "Y"),
    (metrics.crps_gaussian, (COLUMN, COLUMN, ONE), "std"),
    (metrics.crps_mixture, (COLUMN, COLUMN, COLUMN), "means"),
    (metrics.crps_mixture, (COLUMN, 1.0, 1.0), "means"),
    (metrics.crps_mixture, (COLUMN, np.ones((0, 3, 1)), np.ones((0, 3, 1))), "means"),
    (metrics.crps_mixture, (COLUMN, COLUMN[None], COLUMN), "stds"),
    (metrics.crps_student, (COLUMN, ONE, COLUMN, 4.0), "mean"),
    (metrics.crps_student_mixture, (ONE, ONE[None], ONE[None], [4.0, 5.0]), "freedom"),
    (metrics.crps_student_mixture, (ONE, ONE[None], COLUMN[None], [4.0]), "stds"),
    (metrics.accuracy, ([0, 1, 0], P), "Y"),
    (metrics.accuracy, ([[0], [1]], P), "Y"),
    (metrics.accuracy, (0, P), "Y"),
    (metrics.predictive_entropy, ([0.5, 0.5],), "probabilities"),
    (metrics.auroc, ([], [1.0]), "score_in"),
    (metrics.fpr95, ([1.0], []), "score_out"),
    (metrics.auroc, (COLUMN, [1.0]), "score_in"),
    # values that are not finite
    (metrics.rmse, ([[math.nan]], ONE), "Y"),
    (metrics.rmse, (ONE, [[math.inf]]), "mean"),
    (metrics.auroc, ([0.0], [math.nan]), "score_out"),
    (metrics.nll, ([0, 1], [[math.nan, 1.0], [0.5, 0.5]]), "probabilities"),
    # values outside their domain
    (metrics.crps_gaussian, (ONE, ONE, [[0.0]]), "std"),
    (metrics.crps_mixture, (ONE, ONE[None], [[[0.0]]]), "stds"),
    (metrics.crps_student, (ONE, ONE, [[0.0]], 4.0), "std"),
    (metrics.brier, ([0, 1], [[0.5, 0.5], [0.5, 0.6]]), "probabilities"),
    (metrics.brier, ([0, 1], [[0.5, 0.5], [-0.5, 1.5]]), "probabilities"),
    (metrics.predictive_entropy, ([[0.5], [0.5]],), "probabilities"),
    (metrics.nll, ([0, 2], P), "Y"),
    (metrics.nll, ([0, -1], P), "Y"),
    (metrics.nll, ([0, 0.5], P), "Y"),
    (metrics.brier, ([[1, 0], [1, 1]], P), "Y"),
    (metrics.brier, ([[1, 0], [0.5, 0.5]], P), "Y"),
    (metrics.ece, ([0, 1], P, 0), "n_bins"),
]


@pytest.mark.parametrize(("function", "arguments", "name"), INVALID)
def test_invalid_values_are_refused_by_name(
    function: Callable[..., object], arguments: tuple[object, ...], name: str
) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        function(*arguments)


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (metrics.rmse, ([["a"]], ONE), "Y"),
        (metrics.rmse, (ONE, [[1j]]), "mean"),
        (metrics.ece, ([0, 1], P, 2.0), "n_bins"),
        (metrics.ece, ([0, 1], P, True), "n_bins"),
    ],
)
def test_wrong_types_are_refused_by_name(
    function: Callable[..., object], arguments: tuple[object, ...], name: str
) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: expected .*, got "):
        function(*arguments)


def test_inputs_may_be_read_only_and_results_are_plain_floats() -> None:
    labels, p = random_classes(np.random.default_rng(11), 6, 3)
    Y, std = np.zeros((6, 1)), np.ones((6, 1))
    for array in (labels, p, Y, std):
        array.flags.writeable = False  # an attempt to change an input raises
    results = [
        metrics.rmse(Y, Y),
        metrics.crps_gaussian(Y, Y, std),
        metrics.crps_mixture(Y, Y[None], std[None]),
        metrics.accuracy(labels, p),
        metrics.nll(labels, p),
        metrics.brier(labels, p),
        metrics.ece(labels, p),
        metrics.auroc(p[:, 0], p[:, 1]),
        metrics.fpr95(p[:, 0], p[:, 1]),
    ]
    assert all(type(result) is float for result in results)
    assert metrics.predictive_entropy(p).shape == (6,)


@pytest.mark.equation("SC-1", "SC-6", "SC-7")
@pytest.mark.parametrize("options", [{}, {"noise": "gaussian"}, {"n_members": 2}], ids=str)
def test_crps_of_a_model_is_that_of_its_draws(options, rng):
    """E |y - y'| - E |y' - y''| / 2 over draws of the predictive, in the unit of the target."""
    X = rng.normal(size=(60, 2))
    y = 50 * X[:, 0] + 10 * rng.standard_normal(60)
    model = BALIRegressor(hidden=3, epochs=10, random_state=0, **options).fit(X[:40], y[:40])
    score = metrics.crps(y[40:], model, X=X[40:])
    first, second = (model.sample_y(X[40:], 20_000, random_state=seed) for seed in (1, 2))
    expected = np.abs(first - y[40:, None]).mean() - np.abs(first - second).mean() / 2
    assert score == pytest.approx(expected, rel=0.01)  # 20 times 20,000 draws
    assert score == metrics.crps(y[40:, None], model.predict_distribution(X[40:]))
    with pytest.raises(TypeError, match="^predictive: expected one of regression"):
        metrics.crps(y, np.zeros(60))
