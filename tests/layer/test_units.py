"""What was learnt, said in other units: against regressions that knew them from the start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from balinp import BALI
from balinp._types import Array
from balinp.moments import Moments
from balinp.standardise import Scale
from balinp.units import Units, design_map, restate, restated_mean, restated_moments

N, N_IN, K = 12, 3, 2
EARLIER, LATER = slice(0, 7), slice(7, N)

both_priors = pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
with_and_without_bias = pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Inputs and targets of very different sizes, and weights that are no whole numbers."""
    X = rng.standard_normal((N, N_IN)) * [1e-4, 3.0, 50.0] + [5.0, -20.0, 1e3]
    Y = rng.standard_normal((N, K)) * [7.0, 1e-2] + [1e3, 0.3]
    return X, Y, rng.uniform(0.1, 3.0, N)


def scales(values: Array, w: Array) -> tuple[Scale, Scale]:
    """Of the earlier rows, by definition; and of all rows."""
    parts = []
    for rows in (EARLIER, slice(None)):
        mean = (w[rows] @ values[rows]) / w[rows].sum()
        variance = (w[rows] @ (values[rows] - mean) ** 2) / w[rows].sum()
        parts.append(Scale(mean, np.sqrt(variance)))
    return parts[0], parts[1]


def some_units(rng: np.random.Generator, columns: int) -> Units:
    return Units(
        rng.uniform(0.2, 5.0, columns), rng.standard_normal(columns), np.zeros(columns, dtype=bool)
    )


@pytest.mark.equation("NP-8")
def test_moments_of_all_rows_are_those_of_the_parts(data):
    X, _, w = data
    earlier, whole = scales(X, w)
    later = Scale.of(X[LATER], w[LATER])
    joined = earlier.joined(w[EARLIER].sum(), later, w[LATER].sum())
    np.testing.assert_allclose(joined.mean, whole.mean, rtol=1e-13)
    np.testing.assert_allclose(joined.std, whole.std, rtol=1e-9)  # 1e-4 of 5 has ten digits left
    units = earlier.units_in(joined)
    expected = joined.to_standard(X)
    np.testing.assert_allclose(units.factor * earlier.to_standard(X) + units.shift, expected,
                               rtol=1e-8, atol=1e-10)  # fmt: skip


@pytest.mark.equation("NP-8")
@with_and_without_bias
def test_the_restated_mean_is_the_same_function(bias, rng):
    inputs, outputs = some_units(rng, N_IN), some_units(rng, K)
    if not bias:
        inputs, outputs = (replace(u, shift=0.0 * u.shift) for u in (inputs, outputs))
    ones = np.ones((N, 1)) if bias else np.empty((N, 0))
    z, W = rng.standard_normal((N, N_IN)), rng.standard_normal((N_IN + bias, K))
    X = np.hstack([z, ones])
    new_X = np.hstack([inputs.factor * z + inputs.shift, ones])
    np.testing.assert_allclose(X @ design_map(inputs, bias=bias), new_X, rtol=1e-13)
    got = new_X @ restated_mean(W, inputs, outputs, bias=bias)
    np.testing.assert_allclose(got, outputs.factor * (X @ W) + outputs.shift, rtol=1e-12)


@pytest.mark.equation("NP-8", "EX-1")
@with_and_without_bias
def test_restated_moments_are_those_of_the_rows_in_the_new_units(bias, data):
    X, Y, w = data
    (x, x_all), (y, y_all) = scales(X, w), scales(Y, w)
    ones = np.ones((N, int(bias)))

    def moments(inputs: Scale, targets: Scale) -> Moments:
        rows = np.hstack([inputs.to_standard(X), ones])[EARLIER]
        return Moments.of(rows, targets.to_standard(Y)[EARLIER], w[EARLIER])

    got = restated_moments(moments(x, y), x.units_in(x_all), y.units_in(y_all), bias=bias)
    expected = moments(x_all, y_all)
    # 1e-4 of 5, and 1e-2 of 1e3, are rows with ten or eleven digits
    np.testing.assert_allclose(
        got.root.T @ got.root, expected.root.T @ expected.root, rtol=1e-8, atol=1e-9
    )
    assert (got.n_in, got.amount) == (expected.n_in, expected.amount)
    assert len(got.root) <= N_IN + bias + K


@pytest.mark.equation("NP-8", "EX-2", "EX-3")
@both_priors
@with_and_without_bias
@pytest.mark.parametrize("learnt", [True, False], ids=["learnt", "given"])
@pytest.mark.parametrize("prior_precision", [1e-3, 1e4])
def test_a_restated_regression_goes_on_as_one_in_the_new_units(
    prior_precision, learnt, prior, bias, data
):
    """Also with a strong prior, and where noise and prior are learnt from the moments."""
    X, Y, w = data
    (x, x_all), (y, y_all) = scales(X, w), scales(Y, w)
    V = np.cov(Y.T) + np.diag([1.0, 1e-5])

    def model(targets: Scale) -> BALI:
        noise = None if learnt else V / np.outer(targets.std, targets.std)
        precision = None if learnt else prior_precision
        return BALI((), prior=prior, bias=bias, noise_variance=noise, prior_precision=precision)

    stream = model(y)
    stream.step(x.to_standard(X)[EARLIER], y.to_standard(Y)[EARLIER], sample_weight=w[EARLIER])
    noise = None if learnt else V / np.outer(y_all.std, y_all.std)
    restate(stream, x.units_in(x_all), y.units_in(y_all), noise)
    z, T = x_all.to_standard(X), y_all.to_standard(Y)
    stream.step(z[LATER], T[LATER], n_data=w.sum(), sample_weight=w[LATER])
    whole = model(y_all).fit(z, T, epochs=1, sample_weight=w)
    got, expected = stream.predict(z), whole.predict(z)
    np.testing.assert_allclose(got.mean / expected.std, expected.mean / expected.std, atol=1e-8)
    np.testing.assert_allclose(got.std, expected.std, rtol=1e-8)
    np.testing.assert_allclose(got.noise_covariance, expected.noise_covariance, rtol=1e-7)


@pytest.mark.equation("NP-8")
@pytest.mark.parametrize("hidden", [(6,), (5, 4)])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_a_restated_network_is_the_same_function(hidden, batch_size, rng):
    """Inner layers are not touched."""
    z = rng.standard_normal((40, N_IN))
    T = np.column_stack([np.sin(z[:, 0]), z[:, 1] * z[:, 2]])
    model = BALI(hidden, seed=3).fit(z, T, epochs=6, batch_size=batch_size)
    inputs, outputs = some_units(rng, N_IN), some_units(rng, K)
    before, means = model.predict(z), [layer.mean for layer in model.layers]
    A, H = model.layers[0].factors.A, model.layers[0].factors.H
    output_H = model.layers[-1].factors.H
    changes = [layer.last_change for layer in model.layers]
    new_z = inputs.factor * z + inputs.shift
    restate(model, inputs, outputs, None)
    after = model.predict(new_z)
    c = outputs.factor
    np.testing.assert_allclose(after.mean, c * before.mean + outputs.shift, rtol=1e-11)
    np.testing.assert_allclose(
        after.noise_covariance, before.noise_covariance * np.outer(c, c), rtol=1e-12
    )
    for layer, mean in zip(model.layers[1:-1], means[1:-1], strict=True):
        np.testing.assert_array_equal(layer.mean, mean)
    T = design_map(inputs, bias=True)
    first = model.layers[0].factors
    np.testing.assert_allclose(first.A, T.T @ A @ T, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(first.H, H)
    np.testing.assert_allclose(model.layers[-1].factors.H, output_H / np.outer(c, c), rtol=1e-12)
    a = inputs.factor[:, None]
    np.testing.assert_allclose(a * model.layers[0].last_change[:-1], changes[0][:-1], rtol=1e-11)
    np.testing.assert_allclose(model.layers[-1].last_change, c * changes[-1], rtol=1e-11)
    record = model.step(new_z, outputs.factor * np.sin(new_z[:, :K]) + outputs.shift)
    assert np.isfinite(record.log_joint)


@pytest.mark.equation("NP-8")
def test_weights_of_inputs_that_had_not_varied_are_drawn_anew(rng):
    """They have decayed to zero, all alike; old rows see nothing of the new ones."""
    z = np.column_stack([np.zeros((40, 2)), rng.standard_normal(40)])
    model = BALI((6,), seed=3).fit(z, np.sin(z[:, 2:]), epochs=30)
    decayed = np.abs(model.layers[0].mean[:2]).max()
    before = model.predict(z).mean
    unknown = np.array([True, True, False])
    inputs = Units(np.ones(3), np.array([-0.7, 0.4, 0.0]), unknown)
    restate(model, inputs, Units.same(1), None)
    drawn = model.layers[0].mean[:2]
    assert np.abs(drawn).min() > 0
    assert np.abs(drawn).max() > 100 * decayed
    assert (model.layers[0].last_change[:2] == 0).all()
    np.testing.assert_allclose(model.predict(z + inputs.shift).mean, before, rtol=1e-10)


def test_a_given_noise_is_what_the_caller_says_in_the_new_units(rng):
    z = rng.standard_normal((20, N_IN))
    model = BALI((), noise_variance=4.0).fit(z, z[:, :1], epochs=1)
    outputs = Units(np.array([0.5]), np.zeros(1), np.zeros(1, dtype=bool))
    restate(model, Units.same(N_IN), outputs, np.array([[1.0]]))
    assert model.predict(z).noise_covariance == pytest.approx(1.0)
    assert model.layers[0].factors.H == pytest.approx(1.0)


def test_the_noise_of_a_target_that_had_not_varied_starts_anew(rng):
    """All of it was explained, so that what was learnt is all but zero, in no unit at all."""
    z = rng.standard_normal((40, N_IN))
    T = np.column_stack([z[:, 0] + rng.standard_normal(40), np.zeros(40), z[:, 1]])
    model = BALI((4,), seed=3).fit(z, T, epochs=40)
    before = model.predict(z).noise_covariance
    assert before[1, 1] < 1e-3
    start = BALI((4,)).fit(z, np.sqrt(3) * np.tile(np.eye(3), (14, 1))[:40], epochs=0)
    outputs = Units(np.array([2.0, 1.0, 0.5]), np.zeros(3), np.array([False, True, False]))
    restate(model, Units.same(N_IN), outputs, None)
    after = model.predict(z).noise_covariance
    c = np.array([2.0, 0.5])
    np.testing.assert_allclose(after[::2, ::2], before[::2, ::2] * np.outer(c, c), rtol=1e-12)
    np.testing.assert_array_equal(after[1, ::2], 0)
    # 14 of 40 rows, and 13 of the others, are not a third
    assert after[1, 1] == pytest.approx(start.likelihood.covariance(3)[0, 0], rel=0.06)
