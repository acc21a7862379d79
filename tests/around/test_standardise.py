"""Units of columns: what is constant, what varies, and where the boundary lies."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from balinp import BALIRegressor
from balinp.standardise import CONSTANT, EPS, Scale

SIZES = [1e-300, 1e-9, 0.3, 7.0, 1e8, 1e100]


def exact_moments(column: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Mean and variance of the numbers as they are stored, in rational arithmetic."""
    values, weights = [Fraction(float(v)) for v in column], [Fraction(float(v)) for v in w]
    total = sum(weights)
    mean = sum(a * b for a, b in zip(weights, values, strict=True)) / total
    variance = sum(a * (b - mean) ** 2 for a, b in zip(weights, values, strict=True)) / total
    return float(mean), float(variance)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", [2, 7, 1000])
def test_a_constant_column_is_exactly_zero_in_its_units(size, rows, rng):
    """Whatever the weights: the mean is the value itself, to the last bit."""
    column = np.full((rows, 1), size)
    for w in (None, rng.uniform(0.01, 3, rows)):
        scale = Scale.of(column, w)
        assert scale.std[0] == 0
        assert scale.unit[0] == 1
        assert (scale.to_standard(column) == 0).all()


@pytest.mark.parametrize("size", SIZES)
def test_last_bits_are_no_variation(size, rng):
    """A number worked out in several ways: a sum of tenths, a product and a quotient, a root.

    (An exponential of a logarithm of a number as large as 1e100 loses two digits more.)
    """
    ways = [size, size / 3 * 3, np.sqrt(size) ** 2, size * 0.1 + size * 0.2 + size * 0.7]
    ways += [sum([size / 10] * 10), size / 7 + size * (6 / 7)]
    column = rng.choice(ways, size=(400, 1))
    if size == 0.3:
        assert len(np.unique(column)) > 2
    assert Scale.of(column).std[0] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_boundary_is_eight_roundings_of_the_dtype(dtype, rng):
    eps = float(np.finfo(dtype).eps)
    signs = np.where(rng.permutation(200) < 100, 1.0, -1.0)[:, None]
    for share, is_constant in ((0.5, True), (0.9, True), (1.1, False), (2.0, False)):
        column = 2.0**20 * (1.0 + share * CONSTANT * eps * signs)  # stored without rounding
        std = Scale.of(column, resolution=eps).std[0]
        assert (std == 0) == is_constant
        if not is_constant and dtype is np.float32:
            assert std == pytest.approx(2.0**20 * share * CONSTANT * eps, rel=1e-8)


@pytest.mark.parametrize(
    ("offset", "spread"), [(1e8, 1.0), (1e8, 1e-6), (-1e12, 1e-2), (1e15, 3.0)]
)
def test_small_variation_on_a_huge_offset_is_kept(offset, spread, rng):
    """All digits that were stored: against rational arithmetic on the stored numbers."""
    column, w = offset + spread * rng.standard_normal(500), rng.uniform(0.1, 2, 500)
    mean, variance = exact_moments(column, w)
    scale = Scale.of(column[:, None], w)
    assert scale.mean[0] == pytest.approx(mean, rel=EPS)
    assert scale.std[0] == pytest.approx(np.sqrt(variance), rel=1e-12 + EPS * abs(offset) / spread)
    assert np.std(scale.to_standard(column[:, None])) > 0.5


def test_rows_without_weight_have_no_say(rng):
    rows, w = rng.standard_normal((30, 2)), rng.uniform(0.1, 2, 30)
    w[::3] = 0.0
    rows[w > 0, 1] = 0.3
    rows[::3] *= 1e6
    scale, expected = Scale.of(rows, w), Scale.of(rows[w > 0], w[w > 0])
    np.testing.assert_allclose(scale.mean, expected.mean, rtol=1e-9)
    np.testing.assert_allclose(scale.std, expected.std, rtol=1e-9)
    assert scale.std[1] == 0


@pytest.mark.equation("NP-8")
def test_a_stream_of_last_bits_stays_constant(rng):
    """Row by row: rounding errors of the running mean do not grow into a spread."""
    ways = rng.choice([0.3, 0.1 + 0.2, 0.1 * 3], size=(2000, 1)) * 1e5
    scale = Scale.of(ways[:1])
    for seen in range(1, len(ways)):
        scale = scale.joined(seen, Scale.of(ways[seen : seen + 1]), 1)
        assert scale.std[0] == 0
    late = scale.joined(len(ways), Scale.of(np.array([[3e4 + 1e-3]])), 1)
    assert late.std[0] == pytest.approx(1e-3 / np.sqrt(2001), rel=1e-3)


def dose_and_signal(rng):
    x = rng.standard_normal((200, 2))
    y = x[:, 0] - x[:, 1] + 0.1 * rng.standard_normal(200)
    return x, y


@pytest.mark.parametrize("hidden", [(), (10,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_column_that_is_constant_but_for_rounding_is_not_blown_up(hidden, dtype, rng):
    x, y = dose_and_signal(rng)
    tenth, fifth = dtype(0.1), dtype(0.2)
    dose = np.where(rng.random(200) < 0.5, tenth + fifth, dtype(0.3) * dtype(1 + 2 * EPS))
    dose = np.nextafter(dose, dtype(1), where=rng.random(200) < 0.3, out=dose.copy())
    assert len(np.unique(dose)) > 1
    X = np.column_stack([x, dose]).astype(dtype)
    model = BALIRegressor(hidden, epochs=60, random_state=0).fit(X, y)
    for value in (0.3, 0.3 + 1e-12, float(np.float32(0.3))):
        mean = model.predict(np.column_stack([x, np.full(200, value)]))
        assert np.sqrt(np.mean((mean - (x[:, 0] - x[:, 1])) ** 2)) < 0.1


@pytest.mark.parametrize("size", [0.3, 1e8])
def test_targets_that_are_constant_but_for_rounding(size, rng):
    x, y = dose_and_signal(rng)
    target = size * rng.choice([1.0, 1.0 + EPS, 1.0 - EPS], size=200)
    assert len(np.unique(target)) > 1
    model = BALIRegressor((10,), epochs=60, random_state=0).fit(x, np.column_stack([y, target]))
    assert model._target_scale.unit[1] == 1
    mean = model.predict(x)
    np.testing.assert_allclose(mean[:, 1], size, rtol=1e-6, atol=1e-3)
    assert np.sqrt(np.mean((mean[:, 0] - y) ** 2)) < 0.2


@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_a_signal_on_a_huge_offset_is_learnt(offset, rng):
    x, y = dose_and_signal(rng)
    model = BALIRegressor((), random_state=0).fit(x + offset, offset + y)
    assert np.sqrt(np.mean((model.predict(x + offset) - offset - y) ** 2)) < 0.12
