"""Plots: the data that are drawn, against computations of their own."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from processes import python
from scipy.stats import binom, norm
from sklearn.pipeline import make_pipeline

from balinp import BALI, BALIClassifier, BALIRegressor, plot
from balinp._types import Array
from balinp.predictive import CategoricalPredictive, GaussianPredictive, MixturePredictive


@pytest.fixture(autouse=True)
def no_show_and_no_leftovers(monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: Any, **kw: Any) -> None:
        raise AssertionError("a figure was shown")

    monkeypatch.setattr(pyplot, "show", refuse)
    yield
    pyplot.close("all")


@pytest.fixture
def axes() -> Any:
    """Axes of a figure that pyplot does not know of."""
    return Figure().subplots()


@pytest.fixture(scope="module")
def curve() -> tuple[BALI, Array, Array]:
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (40, 1))
    Y = np.sin(2 * X) + 0.2 * rng.standard_normal((40, 1))
    return BALI(hidden=(6, 5), seed=1).fit(X, Y, epochs=15), X, Y


@pytest.fixture(scope="module")
def classifier() -> tuple[BALI, Array, Array]:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=60)
    X = rng.standard_normal((60, 2)) + np.array([[-2, 0], [2, 0], [0, 2]])[labels]
    Y = np.eye(3)[labels]
    return BALI(hidden=(5,), likelihood="categorical").fit(X, Y, epochs=10), X, Y


def line(axes: Any, label: str) -> Array:
    (found,) = [line for line in axes.get_lines() if line.get_label() == label]
    return np.asarray(found.get_xydata())


def band(axes: Any, label: str) -> tuple[Array, Array, Array]:
    """Places, lower and upper ends of a filled band, from its outline."""
    (found,) = [c for c in axes.collections if c.get_label() == label]
    outline = np.unique(found.get_paths()[0].vertices, axis=0)
    x = np.unique(outline[:, 0])
    low, high = ([end(outline[outline[:, 0] == p, 1]) for p in x] for end in (min, max))
    return x, np.array(low), np.array(high)


# -- predictive band and map -----------------------------------------------------------------------


def test_band_of_a_gaussian(axes: Any, rng: np.random.Generator) -> None:
    x, mean, e = (
        rng.permutation(7.0 * np.arange(9)),
        rng.standard_normal((9, 1)),
        rng.random((9, 1)),
    )
    p = GaussianPredictive(mean, e[:, :, None], np.array([[0.25]]))
    plot.predictive_band(p, x, levels=(0.9, 0.5), data=(x[:3], mean[:3] + 1), ax=axes)
    order = np.argsort(x)
    m, epistemic, total = mean[order, 0], np.sqrt(e[order, 0]), np.sqrt(e[order, 0] + 0.25)
    np.testing.assert_allclose(line(axes, "predictive mean"), np.stack([x[order], m], 1))
    for label, q, std in [
        ("90 % interval, with noise", norm.ppf(0.95), total),
        ("50 % interval, with noise", norm.ppf(0.75), total),
        ("90 %, weights alone", norm.ppf(0.95), epistemic),
    ]:
        place, low, high = band(axes, label)
        np.testing.assert_allclose(place, x[order])
        np.testing.assert_allclose(low, m - q * std, rtol=1e-10)
        np.testing.assert_allclose(high, m + q * std, rtol=1e-10)
    np.testing.assert_array_equal(line(axes, "data"), np.stack([x[:3], mean[:3, 0] + 1], 1))


def test_band_of_a_mixture_is_its_own_interval(axes: Any) -> None:
    p = MixturePredictive(np.array([[[-9.0], [0.0]], [[9.0], [0.0]]]), np.eye(1))
    plot.predictive_band(p, [[0.0], [1.0]], levels=[0.8], ax=axes)
    _, low, high = band(axes, "80 % interval, with noise")
    np.testing.assert_allclose(high, [9 + norm.ppf(0.8), norm.ppf(0.9)], rtol=1e-9)
    np.testing.assert_allclose(low, [-9 + norm.ppf(0.2), norm.ppf(0.1)], rtol=1e-9)


def test_band_of_the_second_output(axes: Any, rng: np.random.Generator) -> None:
    mean = rng.standard_normal((4, 2))
    V = np.diag([1.0, 4.0])
    plot.predictive_band(
        GaussianPredictive(mean, np.zeros((4, 2, 2)), V), np.arange(4.0), output=1, ax=axes
    )
    np.testing.assert_array_equal(line(axes, "predictive mean")[:, 1], mean[:, 1])
    _, _, high = band(axes, "95 % interval, with noise")
    np.testing.assert_allclose(high, mean[:, 1] + 2 * norm.ppf(0.975), rtol=1e-10)
    assert axes.get_ylabel() == "target 1"


def test_map_of_a_function(axes: Any) -> None:
    plot.uncertainty_map(
        lambda X: X[:, 0] + 10 * X[:, 1], ((0, 2), (0, 1)), resolution=3, label="z", ax=axes
    )
    values = axes.collections[0].get_array().ravel()  # older Matplotlib gives it flat
    np.testing.assert_allclose(values, [0, 1, 2, 5, 6, 7, 10, 11, 12])
    (bar,) = [other for other in axes.figure.axes if other is not axes]
    assert bar.get_ylabel() == "z"


def test_map_of_classes(axes: Any, classifier: tuple[BALI, Array, Array]) -> None:
    model, X, Y = classifier
    bounds = ((-2, 1), (0, 3))
    p = [
        model.predict(np.array([[x, y]])).probabilities[0]
        for y in np.linspace(0, 3, 4)
        for x in np.linspace(-2, 1, 4)
    ]
    plot.uncertainty_map(model, bounds, resolution=4, data=(X, Y), ax=axes)
    entropy = -np.sum(p * np.log(p), axis=1)
    np.testing.assert_allclose(axes.collections[0].get_array().ravel(), entropy, rtol=1e-9)
    assert axes.get_xlim() == (-2, 1)
    for k, points in enumerate(axes.collections[1:]):
        np.testing.assert_array_equal(points.get_offsets(), X[Y[:, k] == 1])
        assert points.get_label() == f"class {k}"


@pytest.mark.parametrize("quantity", ["total_std", "epistemic_std", None])
def test_map_of_regression(quantity: str | None, axes: Any, rng: np.random.Generator) -> None:
    X = rng.standard_normal((20, 2))
    model = BALI(hidden=(3,)).fit(X, X[:, :1], epochs=5)
    plot.uncertainty_map(
        model, ((0, 1), (2, 3)), quantity=quantity, resolution=2, data=(X, None),
        colour_bar=False, ax=axes,
    )  # fmt: skip
    p = model.predict(np.array([[0.0, 2.0], [1.0, 2.0], [0.0, 3.0], [1.0, 3.0]]))
    variance = p.covariance if quantity == "total_std" else p.epistemic
    drawn = axes.collections[0].get_array().ravel()
    np.testing.assert_allclose(drawn**2, variance[:, 0, 0], rtol=1e-9)
    np.testing.assert_array_equal(axes.collections[1].get_offsets(), X)
    assert axes.figure.axes == [axes]


# -- calibration -----------------------------------------------------------------------------------


@pytest.mark.equation("SC-3")
def test_reliability_points_and_ranges(axes: Any, rng: np.random.Generator) -> None:
    p, labels = rng.dirichlet(np.ones(3), 200), rng.integers(3, size=200)
    plot.reliability(p, labels, n_bins=5, fewest=20, ax=axes)
    top, right = p.max(axis=1), p.argmax(axis=1) == labels
    expected, ranges = [], []
    for b in range(5):
        inside = (top > b / 5) & (top <= (b + 1) / 5)
        if inside.sum() >= 20:
            c = top[inside].mean()
            half = norm.ppf(0.975) * np.sqrt(c * (1 - c) / inside.sum())
            expected.append([c, right[inside].mean()])
            ranges.append([c - half, c + half])
    assert len(expected) >= 3
    np.testing.assert_allclose(line(axes, "accuracy"), expected, rtol=1e-12)
    (bars,) = axes.collections
    np.testing.assert_allclose([s[:, 1] for s in bars.get_segments()], ranges, rtol=1e-10)
    assert axes.get_ylim()[0] <= np.min(ranges)


@pytest.mark.equation("SC-2")
def test_coverage_line_and_range(axes: Any, rng: np.random.Generator) -> None:
    Y = 1.3 * rng.standard_normal((80, 1))
    p = GaussianPredictive(0 * Y, np.zeros((80, 1, 1)), np.eye(1))
    plot.coverage(p, Y, levels=[0.9, 0.3], ax=axes)
    inside = [np.mean(np.abs(Y) <= norm.ppf(0.5 + 0.5 * level)) for level in (0.3, 0.9)]
    np.testing.assert_array_equal(line(axes, "coverage"), [[0.3, inside[0]], [0.9, inside[1]]])
    place, low, high = band(axes, "95 % range if right")
    np.testing.assert_allclose(place, [0.3, 0.9])
    half = norm.ppf(0.975) * binom.std(80, [0.3, 0.9]) / 80
    np.testing.assert_allclose([low, high], [place - half, place + half], rtol=1e-10)


@pytest.mark.equation("DG-1")
def test_residuals_over_the_mean(axes: Any, rng: np.random.Generator) -> None:
    mean, Y = rng.standard_normal((2, 30, 2))
    p = GaussianPredictive(mean, np.zeros((30, 2, 2)), np.diag([1.0, 4.0]))
    plot.residuals(p, Y, output=1, ax=axes)
    expected = np.stack([mean[:, 1], (Y - mean)[:, 1] / 2], axis=1)
    np.testing.assert_allclose(axes.get_lines()[-1].get_xydata(), expected, rtol=1e-12)
    heights = sorted(line.get_ydata()[0] for line in axes.get_lines()[:-1])
    np.testing.assert_allclose(heights, norm.ppf([0.025, 0.5, 0.975]), atol=1e-12)


@pytest.mark.equation("DG-1")
def test_residuals_over_normal_quantiles(axes: Any, rng: np.random.Generator) -> None:
    Y = rng.standard_normal((30, 1))
    p = GaussianPredictive(0 * Y, np.zeros((30, 1, 1)), np.eye(1))
    plot.residuals(p, Y, against="quantiles", ax=axes)
    expected = np.stack([norm.ppf((np.arange(30) + 0.5) / 30), np.sort(Y[:, 0])], axis=1)
    np.testing.assert_allclose(line(axes, "residuals"), expected, rtol=1e-10)
    # The range of the i-th smallest: P(it is below t) = P(at least i of 30 are below t).
    _, low, high = band(axes, "95 % range if right")
    rank = np.arange(1, 31)
    np.testing.assert_allclose(binom.sf(rank - 1, 30, norm.cdf(low)), 0.025, rtol=1e-8)
    np.testing.assert_allclose(binom.sf(rank - 1, 30, norm.cdf(high)), 0.975, rtol=1e-8)


# -- the model -------------------------------------------------------------------------------------


def test_convergence_lines(axes: Any, curve: tuple[BALI, Array, Array]) -> None:
    history = curve[0].history
    plot.convergence(history, ax=axes)
    steps = np.arange(1, 16)
    expected = np.stack([steps, [record.log_joint for record in history]], axis=1)
    np.testing.assert_array_equal(line(axes, "log joint"), expected)
    (right,) = [other for other in axes.figure.axes if other is not axes]
    precision = line(right, "prior precision")[:, 1]
    np.testing.assert_array_equal(precision, [record.prior_precision for record in history])
    std = [record.noise_variances[0] ** 0.5 for record in history]
    np.testing.assert_allclose(line(right, "noise std")[:, 1], std, rtol=1e-12)
    assert right.get_yscale() == "log"
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == ["log joint", "prior precision", "noise std"]


def test_convergence_of_classes_and_of_two_outputs(
    classifier: tuple[BALI, Array, Array], rng: np.random.Generator
) -> None:
    axes = plot.convergence(classifier[0].history)
    (right,) = [other for other in axes.figure.axes if other is not axes]
    assert [line.get_label() for line in right.get_lines()] == ["prior precision"]

    Y = rng.standard_normal((20, 2)) * [1.0, 5.0]
    model = BALI(hidden=()).fit(Y[:, :1], Y, epochs=3)
    axes = plot.convergence(model.history)
    (right,) = [other for other in axes.figure.axes if other is not axes]
    drawn = np.array([line.get_ydata() for line in right.get_lines()[1:]])
    variances = [record.noise_variances for record in model.history]
    np.testing.assert_allclose(drawn.T**2, variances, rtol=1e-12)


def test_convergence_of_an_ensemble_has_lines_of_each_member(axes: Any) -> None:
    X = np.linspace(-1, 1, 20)[:, None]
    model = BALIRegressor(hidden=3, n_members=2, epochs=4, random_state=0).fit(X, np.sin(X[:, 0]))
    plot.convergence(make_pipeline(model), ax=axes)
    (right,) = [other for other in axes.figure.axes if other is not axes]
    drawn = [line.get_ydata() for side in (axes, right) for line in side.get_lines()]
    expected: list[list[list[float]]] = [[], []]
    for member in model.members_:
        assert len(member.history) == 4
        std = [record.noise_variances[0] ** 0.5 for record in member.history]
        expected[0] += [[record.log_joint for record in member.history]]
        expected[1] += [[record.prior_precision for record in member.history], std]
    np.testing.assert_allclose(drawn, expected[0] + expected[1], rtol=1e-12)
    assert model.histories_ == [member.history for member in model.members_]
    assert len(right.get_legend().get_texts()) == 3


def test_units_are_those_that_records_are_in(curve: tuple[BALI, Array, Array]) -> None:
    """Of an estimator they are standardised ones."""

    def label(model: Any) -> str:
        axes = plot.convergence(model)
        (right,) = [other for other in axes.figure.axes if other is not axes]
        return str(right.get_ylabel())

    X = np.linspace(-1, 1, 20)[:, None]
    options = {"hidden": (), "epochs": 2, "random_state": 0}
    model = BALIRegressor(**options).fit(X, 100 * X[:, 0])
    assert label(model) == "prior precision, noise std (standardised)"
    assert label(curve[0]) == "prior precision, noise std (target's unit)"
    assert label(model.set_params(standardize=False).fit(X, X[:, 0])) == label(curve[0])
    assert label(BALIClassifier(**options).fit(X, X[:, 0] > 0)) == "prior precision"


def signal_to_noise(layer: Any) -> Array:
    D, K = layer.mean.shape
    variances = np.diag(layer.posterior.covariance()).reshape((D, K), order="F")
    return layer.mean / np.sqrt(variances)


def test_weights_as_histograms(axes: Any, curve: tuple[BALI, Array, Array]) -> None:
    layers = curve[0].layers
    plot.weights(curve[0], bins=7, ax=axes)
    ratios = [signal_to_noise(layer).ravel() for layer in layers]
    reach = max(np.abs(np.concatenate(ratios)))
    assert len(axes.patches) == 3
    for patch, ratio in zip(axes.patches, ratios, strict=True):
        counts, edges, _ = patch.get_data()
        np.testing.assert_allclose(edges, np.linspace(-reach, reach, 8), rtol=1e-10, atol=1e-13)
        # The largest ratio is an outermost edge, and here it was worked out in another way.
        edges = np.array([-np.inf, *edges[1:-1], np.inf])
        inside = [np.sum((ratio >= a) & (ratio < b)) for a, b in pairwise(edges)]
        np.testing.assert_array_equal(counts, inside)
        assert counts.sum() == len(ratio)


def test_names_of_many_inputs_do_not_overlap() -> None:
    X = pd.DataFrame(np.random.default_rng(0).standard_normal((40, 30))).add_prefix("input ")
    model = BALIRegressor(hidden=(), epochs=1, random_state=0).fit(X, X["input 3"])
    for size in ((6.0, 4.0), (6.0, 12.0)):
        figure = Figure(size)
        plot.weights(model, layer=0, ax=figure.subplots())
        figure.canvas.draw()
        labels = figure.axes[0].get_yticklabels()
        assert len(labels) == 31
        boxes = [label.get_window_extent() for label in labels]
        assert min(a.y0 - b.y1 for a, b in pairwise(boxes)) > -1  # pixels
        inside = [x for x in figure.axes[0].get_xticks() if -0.5 <= x <= 0.5]
        assert inside == [0]  # of one output
    usual = figure.axes[0].xaxis.get_ticklabels()[0].get_size()
    assert labels[0].get_size() == usual


def test_weights_that_are_all_zero(axes: Any) -> None:
    model = BALI(hidden=()).fit(np.ones((5, 1)), np.zeros((5, 1)), epochs=1)
    plot.weights(model, bins=3, ax=axes)
    np.testing.assert_array_equal(axes.patches[0].get_data().values, [0, 2, 0])


def test_weights_as_an_image(axes: Any, curve: tuple[BALI, Array, Array]) -> None:
    plot.weights(curve[0], layer=1, ax=axes)
    (image,) = axes.images
    ratio = signal_to_noise(curve[0].layers[1])
    np.testing.assert_allclose(image.get_array(), ratio, rtol=1e-9)
    assert image.get_clim() == (-image.get_clim()[1], image.get_clim()[1])


@pytest.mark.equation("KR-2")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
def test_spectra_are_those_of_the_dense_matrices(prior: str, axes: Any) -> None:
    rng = np.random.default_rng(2)
    X, Y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2)) * [1.0, 0.2]
    model = BALI(hidden=(3,), prior=prior).fit(X, Y, epochs=4)
    plot.spectra(model, ax=axes)
    for index, layer in enumerate(model.layers):
        dense = {
            "A": layer.factors.A,
            "H": layer.factors.H,
            "L": np.linalg.inv(layer.posterior.covariance()),
        }
        for name, matrix in dense.items():
            place, drawn = line(axes, f"layer {index}: {name}").T
            expected = np.linalg.eigvalsh(matrix)[::-1]
            # The small ones are known to rounding of the largest only.
            atol = 1e-13 * expected[0]
            np.testing.assert_allclose(drawn, expected, rtol=1e-7, atol=atol)
            np.testing.assert_allclose(place, (np.arange(len(drawn)) + 0.5) / len(drawn))
        D, K = layer.mean.shape
        scale = np.linalg.eigvalsh(layer.factors.H)[::-1] if prior == "conjugate" else np.ones(K)
        np.testing.assert_allclose(
            line(axes, f"layer {index}: prior")[:, 1],
            layer.prior_precision * np.repeat(scale, D),
            rtol=1e-7,
            atol=1e-13,
        )
    assert axes.get_yscale() == "log"


# -- what all have in common -----------------------------------------------------------------------

X = np.linspace(-1, 1, 30)[:, None]
GAUSSIAN = GaussianPredictive(X.copy(), np.full((30, 1, 1), 0.5), np.eye(1))
PAIR = GaussianPredictive(np.hstack([X, X]), np.zeros((30, 2, 2)), np.eye(2))
CLASSES = CategoricalPredictive(np.full((1, 30, 2), 0.5))
MODEL = BALI(hidden=(2,)).fit(X, X**2, epochs=2)
BOUNDS = np.array([[0.0, 1.0], [0.0, 1.0]])
P, LABELS = np.tile([[0.9, 0.1]], (30, 1)), np.arange(30) % 2

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "predictive_band": (plot.predictive_band, (GAUSSIAN, X), {"data": (X, X)}),
    "uncertainty_map": (plot.uncertainty_map, (lambda G: G[:, 0], BOUNDS), {"resolution": 3}),
    "reliability": (plot.reliability, (P, LABELS), {}),
    "coverage": (plot.coverage, (GAUSSIAN, X), {}),
    "residuals": (plot.residuals, (GAUSSIAN, X), {}),
    "residuals, quantiles": (plot.residuals, (GAUSSIAN, X), {"against": "quantiles"}),
    "functions": (plot.functions, (np.zeros((2, 30, 1)), X), {"data": (X, X)}),
    "convergence": (plot.convergence, (MODEL.history,), {}),
    "weights": (plot.weights, (MODEL,), {}),
    "weights, image": (plot.weights, (MODEL,), {"layer": 0}),
    "spectra": (plot.spectra, (MODEL,), {}),
}


def test_every_function_is_called_here() -> None:
    functions = {name for name in plot.__all__ if callable(getattr(plot, name))}
    assert {function.__name__ for function, _, _ in CALLS.values()} == functions


@pytest.mark.parametrize("name", CALLS)
def test_axes_are_used_and_returned(name: str, axes: Any) -> None:
    function, arguments, options = CALLS[name]
    before = dict(matplotlib.rcParams)
    assert function(*arguments, **options, ax=axes) is axes
    assert pyplot.get_fignums() == [], "a figure was made although axes were given"
    assert axes.has_data()
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    own = function(*arguments, **options)
    assert len(pyplot.get_fignums()) == 1
    assert own.figure is pyplot.gcf()
    assert dict(matplotlib.rcParams) == before
    axes.figure.savefig("/dev/null", format="png")


@pytest.mark.parametrize("name", CALLS)
def test_inputs_stay_as_they_were(name: str) -> None:
    function, arguments, options = CALLS[name]
    weights = [layer.mean.copy() for layer in MODEL.layers]
    arrays = [X, BOUNDS, P, LABELS, GAUSSIAN.mean, GAUSSIAN.epistemic]
    before = [array.copy() for array in arrays]
    function(*arguments, **options)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    for layer, mean in zip(MODEL.layers, weights, strict=True):
        np.testing.assert_array_equal(layer.mean, mean)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("wrong", ["axes", Figure()])
def test_what_are_not_axes_is_refused(name: str, wrong: Any) -> None:
    function, arguments, options = CALLS[name]
    with pytest.raises(TypeError, match="ax: expected Matplotlib axes or None, got"):
        function(*arguments, **options, ax=wrong)
    assert pyplot.get_fignums() == []


UNTRAINED = BALI(hidden=(2,))


@pytest.mark.parametrize(
    ("function", "arguments", "options", "message"),
    [
        (plot.predictive_band, (CLASSES, X), {}, "predictive: expected a GaussianPredictive"),
        (plot.predictive_band, (GAUSSIAN, X[:-1]), {}, r"x: expected shape \(30, 1\)"),
        (plot.predictive_band, (GAUSSIAN, np.hstack([X, X])), {}, "x: expected shape"),
        (plot.predictive_band, (GAUSSIAN, X), {"levels": ()}, "levels: expected numbers between"),
        (plot.predictive_band, (GAUSSIAN, X), {"levels": 0.5}, "levels: expected numbers between"),
        (plot.predictive_band, (GAUSSIAN, X), {"levels": [1.0]}, "levels: expected numbers"),
        (plot.predictive_band, (GAUSSIAN, X), {"data": X}, r"data: expected a pair \(X, Y\)"),
        (plot.predictive_band, (GAUSSIAN, X), {"data": (X, X[:-1])}, "data: expected shape"),
        (plot.predictive_band, (PAIR, X), {}, "output: expected which of the 2 outputs"),
        (plot.predictive_band, (PAIR, X), {"output": 2}, "output: expected a number below 2"),
        (plot.uncertainty_map, (3, BOUNDS), {}, "model: expected a model or a function, got int"),
        (plot.uncertainty_map, (len, BOUNDS), {}, r"model: expected values \(6400,\), got shape"),
        (plot.uncertainty_map, (len, BOUNDS[::, ::-1]), {}, "bounds: expected lowest below"),
        (plot.uncertainty_map, (len, [0, 1]), {}, "bounds: expected a matrix"),
        (plot.uncertainty_map, (len, BOUNDS), {"resolution": 1}, "resolution: expected an integer"),
        (plot.uncertainty_map, (len, BOUNDS), {"quantity": "std"}, "quantity: expected one of"),
        (plot.uncertainty_map, (len, BOUNDS), {"quantity": "entropy"}, "expected None for a func"),
        (plot.uncertainty_map, (len, BOUNDS), {"data": (X, None)}, "data: expected shape"),
        (plot.uncertainty_map, (MODEL, BOUNDS), {}, r"X: expected shape \(n, 1\)"),
        (plot.reliability, (P, LABELS[:-1]), {}, "Y: expected shape"),
        (plot.reliability, (2 * P, LABELS), {}, "probabilities: expected numbers in"),
        (plot.reliability, (P, LABELS), {"n_bins": 0}, "n_bins: expected an integer of at least 1"),
        (plot.reliability, (P, LABELS), {"fewest": 31}, "fewest: expected at most 30"),
        (plot.coverage, (CLASSES, P), {}, "predictive: expected a GaussianPredictive"),
        (plot.coverage, (GAUSSIAN, P), {}, r"Y: expected shape \(30, 1\), got \(30, 2\)"),
        (plot.coverage, (GAUSSIAN, X), {"levels": [0.0]}, "levels: expected numbers between"),
        (plot.residuals, (GAUSSIAN, X), {"against": "x"}, "against: expected one of mean"),
        (plot.residuals, (GAUSSIAN, X[:-1]), {}, "Y: expected shape"),
        (plot.residuals, (PAIR, P), {}, "output: expected which of the 2 outputs"),
        (plot.convergence, (GAUSSIAN,), {}, "history: expected a sequence of records"),
        (plot.convergence, ([1.0],), {}, "history: expected a sequence of records"),
        (plot.convergence, ([],), {}, "history: expected at least one record"),
        (plot.weights, (UNTRAINED,), {}, "model: expected a trained model"),
        (plot.weights, (MODEL,), {"layer": 2}, "layer: expected at most 1, got 2"),
        (plot.weights, (MODEL,), {"layer": -1}, "layer: expected an integer of at least 0"),
        (plot.weights, (MODEL,), {"bins": 0}, "bins: expected an integer of at least 1"),
        (plot.spectra, (GAUSSIAN,), {}, "model: expected a BALI or a fitted estimator, got G"),
        (plot.spectra, (UNTRAINED,), {}, "model: expected a trained model"),
    ],
)  # fmt: skip
def test_bad_arguments(function, arguments, options, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        function(*arguments, **options)
    assert pyplot.get_fignums() == [], "an empty figure was left behind"


def test_map_of_what_predicts_no_distribution() -> None:
    class Point:
        def predict(self, X: Array) -> Array:
            return X

    with pytest.raises(TypeError, match="predict to return a predictive, got ndarray"):
        plot.uncertainty_map(Point(), BOUNDS)

    class Regression:
        def predict(self, X: Array) -> GaussianPredictive:
            return GaussianPredictive(X[:, :1], np.zeros((len(X), 1, 1)), np.eye(1))

    with pytest.raises(ValueError, match="expected a standard deviation for regression"):
        plot.uncertainty_map(Regression(), BOUNDS, quantity="entropy")


def test_colours_differ() -> None:
    assert len({to_hex(colour) for colour in plot.COLOURS}) == len(plot.COLOURS) == 7
    assert len(set(plot.MARKERS)) == 7


def test_matplotlib_is_imported_with_the_first_picture_only() -> None:
    program = (
        "import sys, balinp; balinp.plot.spectra; balinp.diagnostics.diagnose; "
        "assert 'matplotlib' not in sys.modules"
    )
    done = python("-c", program)
    assert done.returncode == 0, done.stderr


def test_the_gallery_is_drawn(tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "tutorials" / "plots.py"
    path = tmp_path / "plots.png"
    runpy.run_path(str(script))["main"](path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 100_000
