"""Inputs of one unit: all divided by one number, in `fit`, in streams and in files."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from balinp import BALI, BALIClassifier, BALIRegressor
from balinp._types import Array
from balinp.standardise import Scale


def spectra(rng: np.random.Generator, n: int = 40) -> tuple[Array, Array, Array]:
    """Inputs of unlike spread, one of them constant, targets and weights."""
    X = rng.normal(size=(n, 4)) * [10.0, 1.0, 0.01, 0.0] + [5.0, -3.0, 100.0, 7.0]
    y = 0.1 * X[:, 0] + X[:, 1] + 0.2 * rng.normal(size=n)
    return X, y, rng.uniform(0.2, 2.0, n)


@pytest.mark.equation("NP-8")
@pytest.mark.parametrize("size", [1e-120, 1.0, 1e100])
def test_the_mean_square_of_all_inputs_is_one(size: float, rng: np.random.Generator) -> None:
    X, _, w = spectra(rng)
    X = (X - [0.0, 0.0, 0.0, 7.0]) * size
    scale = Scale.of(X, w, common=True)
    Z = scale.to_standard(X)
    centred = X / size - np.average(X / size, axis=0, weights=w)
    unit = np.sqrt(np.average((centred**2).mean(axis=1), weights=w))
    np.testing.assert_allclose(Z, centred / unit, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(np.average((Z**2).mean(axis=1), weights=w), 1, rtol=1e-12)
    assert (Z[:, 3] == 0).all()
    lit = np.array([[0.0, 0.0, 0.0, 3.0 * size]])  # what never varied has the unit of the others
    np.testing.assert_allclose(scale.to_standard(lit)[0, 3], 3.0 / unit, rtol=1e-10)


def test_without_any_variation_the_unit_is_one() -> None:
    scale = Scale.of(np.full((3, 2), 4.0), common=True)
    np.testing.assert_array_equal(scale.to_standard(np.array([[4.0, 6.0]])), [[0.0, 2.0]])


@pytest.mark.equation("NP-8")
def test_joined_scales_are_that_of_all_rows(rng: np.random.Generator) -> None:
    X, _, w = spectra(rng)
    parts = [Scale.of(X[rows], w[rows], common=True) for rows in (slice(7), slice(7, 40))]
    joined = parts[0].joined(w[:7].sum(), parts[1], w[7:].sum())
    whole = Scale.of(X, w, common=True)
    np.testing.assert_allclose(joined.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(joined.unit, whole.unit, rtol=1e-12)
    assert len(set(joined.unit)) == 1
    units = parts[0].units_in(joined)
    Z = parts[0].to_standard(X)
    np.testing.assert_allclose(Z * units.factor + units.shift, joined.to_standard(X), atol=1e-12)


def test_an_estimator_trains_on_inputs_of_the_common_unit(rng: np.random.Generator) -> None:
    X, y, w = spectra(rng)
    model = BALIRegressor(hidden=(), input_scale="common", random_state=0)
    model.fit(X, y, sample_weight=w)
    Z, scale = Scale.of(X, w, common=True).to_standard(X), Scale.of(y[:, None], w)
    alone = BALI(hidden=()).fit(Z, scale.to_standard(y[:, None]), epochs=400, sample_weight=w)
    expected = alone.predict(Z).mean * scale.std + scale.mean
    np.testing.assert_allclose(model.predict(X), expected[:, 0], rtol=1e-8)
    other = BALIRegressor(hidden=(), random_state=0).fit(X, y, sample_weight=w)
    assert np.abs(other.predict(X) - model.predict(X)).max() > 1e-6
    again = clone(model).fit(1000 * X, y, sample_weight=w)  # in another unit, the same
    np.testing.assert_allclose(again.predict(1000 * X), model.predict(X), rtol=1e-8)


def test_a_pixel_that_is_hardly_ever_lit_is_not_blown_up(rng: np.random.Generator) -> None:
    X = rng.uniform(0, 16, (200, 5)) * [1, 1, 1, 1, 0]
    X[7, 4] = 1.0
    labels = X[:, 0] > 8
    lit = np.array([[4.0, 8.0, 8.0, 8.0, 16.0]])
    sizes = {}
    for scale in ("column", "common"):
        model = BALIClassifier((5,), input_scale=scale, epochs=5, random_state=0).fit(X, labels)
        sizes[scale] = np.abs(model._input_scale.to_standard(lit)).max()
    assert sizes["column"] > 100
    assert sizes["common"] < 5


@pytest.mark.equation("NP-8")
def test_a_stream_is_one_fit_and_goes_on_from_a_file(rng: np.random.Generator, tmp_path) -> None:
    """The second part has an input that did not vary in the first."""
    X, y, w = spectra(rng, 60)
    X[30:, 3] += rng.normal(size=30)
    options = {"hidden": (), "input_scale": "common", "batch_size": None, "random_state": 0,
               "noise_variance": 0.04, "prior_precision": 1.0}  # fmt: skip
    whole = BALIRegressor(**options).fit(X, y, sample_weight=w)
    stream = BALIRegressor(**options).partial_fit(X[:30], y[:30], sample_weight=w[:30])
    before = stream.predict(X[:5])
    stream.set_params(input_scale="column")  # for the next `fit`; what is fitted stays
    np.testing.assert_array_equal(stream.predict(X[:5]), before)
    stream.save(tmp_path / "stream.npz")
    stream = BALIRegressor.load(tmp_path / "stream.npz")
    np.testing.assert_array_equal(stream.predict(X[:5]), before)
    stream.partial_fit(X[30:], y[30:], sample_weight=w[30:])
    for got, expected in zip(
        stream.predict(X, return_std=True), whole.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-8)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("scale", ["rows", None, 1.0])
def test_unknown_scales_are_refused(scale, standardize: bool, rng: np.random.Generator) -> None:
    X, y, _ = spectra(rng)
    for model, targets in ((BALIRegressor(), y), (BALIClassifier(), y > 0)):
        model.set_params(input_scale=scale, standardize=standardize)
        with pytest.raises(ValueError, match="input_scale: expected one of column, common, got"):
            model.fit(X, targets)
