"""Pictures, scores and tests of estimators: the same as of the predictives that they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from balinp import BALI, BALIClassifier, BALIRegressor, metrics, plot
from balinp.diagnostics import diagnose
from balinp.diagnostics.residuals import standardised_residuals
from balinp.metrics import calibration

QUICK: dict[str, Any] = {"hidden": 4, "epochs": 10, "random_state": 0}
RNG = np.random.default_rng(0)
X = pd.DataFrame({"age": RNG.uniform(20, 60, 40)})
Y = pd.Series(3 + 0.1 * X.age + RNG.standard_normal(40), name="weight, kg")
PAIRS = X.assign(height=RNG.uniform(150, 200, 40))
LABELS = np.array(["no", "yes", "perhaps"])[RNG.integers(3, size=40)]
REGRESSOR = BALIRegressor(**QUICK).fit(X, Y)
PIPELINE = make_pipeline(StandardScaler(), BALIRegressor(**QUICK)).fit(X, Y)
CLASSIFIER = BALIClassifier(**QUICK).fit(PAIRS, LABELS)


@pytest.fixture
def ax() -> Any:
    return Figure().subplots()


def drawn(axes: Any) -> list[Any]:
    """Everything that is data in a picture: lines, outlines of bands, and their names."""
    paths = [path.vertices for c in axes.collections for path in c.get_paths()]
    return [*(line.get_xydata() for line in axes.get_lines()), *paths]


def predictive_of(model: Any) -> Any:
    if model is PIPELINE:
        return model[-1].predict_distribution(model[:-1].transform(X))
    return model.predict_distribution(X)


@pytest.mark.parametrize("model", [REGRESSOR, PIPELINE], ids=["estimator", "pipeline"])
@pytest.mark.parametrize("function", [plot.coverage, plot.residuals])
def test_pictures_of_calibration(function, model) -> None:
    expected = function(predictive_of(model), Y.to_numpy()[:, None])
    got = function(model, Y, X=X)
    for ours, theirs in zip(drawn(got), drawn(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(TypeError, match="^X: expected the inputs at which to ask the predictive"):
        function(model, Y)
    pyplot.close("all")


@pytest.mark.parametrize("model", [REGRESSOR, PIPELINE], ids=["estimator", "pipeline"])
@pytest.mark.parametrize("form", ["frame", "series", "matrix", "vector"])
def test_bands_are_of_the_models_and_have_their_names(model, form, ax) -> None:
    x = {"frame": X, "series": X.age, "matrix": X.to_numpy(), "vector": X.age.to_numpy()}[form]
    plot.predictive_band(model, x, data=(X, Y), ax=ax)
    expected = plot.predictive_band(predictive_of(model), X, data=(X, Y.to_numpy()[:, None]))
    for ours, theirs in zip(drawn(ax), drawn(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", "weight, kg")
    assert (expected.get_xlabel(), expected.get_ylabel()) == ("age", "target")
    pyplot.close("all")


def test_bands_of_levels_are_told_apart_by_their_swatches(ax) -> None:
    plot.predictive_band(REGRESSOR, X, levels=(0.5, 0.8, 0.95), ax=ax)
    bands = [c for c in ax.collections if "with noise" in str(c.get_label())]
    colours = [band.get_facecolor()[0] for band in bands]
    assert [band.get_label()[:4] for band in bands] == ["95 %", "80 %", "50 %"]
    assert all(colour[3] == 1 for colour in colours)  # opaque: what lies below does not show
    brightness = [colour[:3].sum() for colour in colours]
    assert brightness[0] > brightness[1] + 0.2 > brightness[2] + 0.4
    swatches = [patch.get_facecolor() for patch in ax.get_legend().get_patches()[:3]]
    np.testing.assert_array_equal(swatches, colours)


@pytest.mark.parametrize("model", [REGRESSOR, PIPELINE], ids=["estimator", "pipeline"])
def test_functions_are_the_models(model, ax) -> None:
    plot.functions(model, X.age.to_numpy(), size=3, seed=5, ax=ax)
    last, inputs = (model, X) if model is REGRESSOR else (model[-1], model[:-1].transform(X))
    draws = last.sample_functions(inputs, 3, random_state=5)
    again = plot.functions(draws, X)  # one column a function, as the regressor has them
    order = np.argsort(X.age)
    for k, (line, other) in enumerate(zip(ax.get_lines(), again.get_lines(), strict=True)):
        np.testing.assert_array_equal(line.get_ydata(), draws[order, k])
        np.testing.assert_array_equal(other.get_ydata(), draws[order, k])
    assert ax.get_xlabel() == again.get_xlabel() == "age"
    network = BALI((3,)).fit(X.to_numpy(), Y.to_numpy()[:, None], epochs=2)
    lines = plot.functions(network, X.age.to_numpy(), size=2).get_lines()
    f = network.sample_functions(X.to_numpy(), np.random.default_rng(0), 2)[:, order, 0]
    np.testing.assert_array_equal([line.get_ydata() for line in lines], f)
    pyplot.close("all")


def test_functions_of_several_outputs(ax) -> None:
    model = BALIRegressor(**QUICK).fit(X, np.stack([Y, -2 * Y], axis=1))
    plot.functions(model, X, size=3, output=1, ax=ax)
    draws = model.sample_functions(X, 3)[np.argsort(X.age), 1]
    np.testing.assert_array_equal([line.get_ydata() for line in ax.get_lines()], draws.T)


def test_maps_of_classes_have_names_of_inputs_and_classes(ax) -> None:
    bounds = ((20, 60), (150, 200))
    plot.uncertainty_map(CLASSIFIER, bounds, resolution=3, data=(PAIRS, LABELS), ax=ax)
    grid = np.array([[a, h] for h in (150, 175, 200) for a in (20, 40, 60)], dtype=float)
    p = CLASSIFIER.predict_proba(pd.DataFrame(grid, columns=PAIRS.columns))
    values = ax.collections[0].get_array().ravel()
    np.testing.assert_allclose(values, -(p * np.log(p)).sum(axis=1), rtol=1e-9)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", "height")
    for points, name in zip(ax.collections[1:], ["no", "perhaps", "yes"], strict=True):
        assert points.get_label() == name
        np.testing.assert_array_equal(points.get_offsets(), PAIRS[LABELS == name])
    plot.uncertainty_map(
        CLASSIFIER, bounds, quantity="total_std", output=2, resolution=2, ax=Figure().subplots()
    )
    regressor = BALIRegressor(**QUICK).fit(PAIRS, Y)
    axes = plot.uncertainty_map(regressor, bounds, resolution=2, data=(PAIRS, Y))
    assert axes.get_xlabel() == "age"
    pyplot.close("all")


def test_reliability_of_any_classifier(ax) -> None:
    for model in (CLASSIFIER, make_pipeline(StandardScaler(), LogisticRegression())):
        p = model.fit(PAIRS, LABELS).predict_proba(PAIRS)
        got = plot.reliability(model, LABELS, X=PAIRS, fewest=2)
        expected = plot.reliability(p, np.searchsorted(model.classes_, LABELS), fewest=2)
        for ours, theirs in zip(drawn(got), drawn(expected), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(TypeError, match="^X: expected the inputs at which to ask a classifier"):
        plot.reliability(CLASSIFIER, LABELS)
    predictive = CLASSIFIER.predict_distribution(PAIRS)
    again = plot.reliability(predictive, np.searchsorted(CLASSIFIER.classes_, LABELS), fewest=2)
    assert len(again.get_lines()) == 2
    pyplot.close("all")


def test_pictures_of_an_estimators_network(ax) -> None:
    model = BALIRegressor(**QUICK).fit(PAIRS, Y)
    plot.weights(model, layer=0, ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["age", "height", "bias"]
    mean = model.members_[0].layers[0].mean
    np.testing.assert_array_equal(np.sign(ax.images[0].get_array()), np.sign(mean))
    for function in (plot.weights, plot.spectra, plot.convergence):
        got, expected = function(model), function(model.members_[0])
        for ours, theirs in zip(drawn(got), drawn(expected), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    several = BALIRegressor(n_members=2, **QUICK).fit(PAIRS, Y)
    for function in (plot.weights, plot.spectra):
        with pytest.raises(ValueError, match="^model: expected one network, got 2 members"):
            function(several)
    pyplot.close("all")


def test_diagnoses_of_models() -> None:
    expected = diagnose(REGRESSOR.predict_distribution(X), Y.to_numpy()[:, None], X.to_numpy())
    got = diagnose(REGRESSOR, Y, X)
    assert [f.statistic for f in got.findings] == [f.statistic for f in expected.findings]
    model = BALIRegressor(**QUICK).fit(PAIRS, Y)
    taller = Y + 0.1 * (PAIRS.height - 175)
    assert diagnose(model, taller, PAIRS)["trend"].verdict.endswith("rising with height")
    labels = np.searchsorted(CLASSIFIER.classes_, LABELS)
    expected = diagnose(CLASSIFIER.predict_distribution(PAIRS), np.eye(3)[labels])
    assert [f.statistic for f in diagnose(CLASSIFIER, LABELS, PAIRS).findings] == [
        f.statistic for f in expected.findings
    ]
    always = diagnose(CLASSIFIER, np.full(40, "perhaps"), PAIRS)["classes"]
    assert always.verdict.startswith("class 'perhaps' occurs 40 times")
    with pytest.raises(ValueError, match=r"^Y: expected labels among .*, got \['other'\]"):
        diagnose(CLASSIFIER, np.full(40, "other"), PAIRS)


def test_diagnoses_of_a_pipeline_speak_of_what_the_network_sees() -> None:
    mixed = PAIRS.assign(colour=np.array(["red", "blue"])[np.arange(40) % 2])
    before = make_column_transformer(
        (OneHotEncoder(), ["colour"]), remainder="passthrough", verbose_feature_names_out=False
    )
    pipeline = make_pipeline(before, BALIRegressor(**QUICK)).fit(mixed, Y)
    red = 50.0 * (np.arange(40) % 2 == 0)
    verdict = diagnose(pipeline, Y + red, mixed)["trend"].verdict
    assert verdict.endswith(("colour_red", "colour_blue")), verdict


def test_scores_of_vectors_and_labels() -> None:
    mean, std = REGRESSOR.predict(X, return_std=True)
    columns = Y.to_numpy()[:, None], mean[:, None], std[:, None]
    assert metrics.rmse(Y, mean) == metrics.rmse(*columns[:2]) == metrics.rmse(Y, columns[1])
    assert metrics.crps_gaussian(Y, mean, std) == metrics.crps_gaussian(*columns)
    p, labels = CLASSIFIER.predict_proba(PAIRS), np.searchsorted(CLASSIFIER.classes_, LABELS)
    for score in (metrics.accuracy, metrics.nll, metrics.brier, metrics.ece):
        assert score(LABELS, p, classes=CLASSIFIER.classes_) == score(labels, p)
        swapped = score(LABELS, p[:, ::-1], classes=CLASSIFIER.classes_[::-1])
        assert swapped == pytest.approx(score(labels, p), rel=1e-14)
    with pytest.raises(ValueError, match=r"^Y: expected labels among .*, got \['no'\]"):
        metrics.nll(LABELS, p, classes=["a", "perhaps", "yes"])
    with pytest.raises(ValueError, match="^classes: expected 3 labels"):
        metrics.nll(LABELS, p, classes=["no", "yes"])
    predictive = REGRESSOR.predict_distribution(X)
    inside = calibration.coverage(predictive, columns[0], 0.5)
    assert 0 < calibration.coverage(predictive, Y, 0.5) == inside < 1
    np.testing.assert_array_equal(
        standardised_residuals(predictive, Y), standardised_residuals(predictive, columns[0])
    )
