"""Streams through the estimators: whatever row comes first, the end is that of all rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from balinp import BALIClassifier, BALIRegressor
from balinp._types import Array
from balinp.standardise import Scale

NOISE = np.array([[25.0, 1e-3], [1e-3, 1e-6]])


def rows(rng: np.random.Generator, n: int = 80) -> tuple[Array, Array, Array]:
    """Columns far from zero and of very different sizes, one of which starts constant; weights."""
    late = np.full(n, 3.0)
    late[n // 2 :] += 1e-4 * rng.standard_normal(n - n // 2)
    X = np.column_stack(
        [rng.normal(20, 5, n), rng.normal(1e5, 50, n), rng.uniform(0, 1e-6, n), late]
    )
    Y = np.column_stack([3 * X[:, 0] + 0.2 * (X[:, 1] - 1e5), 1e4 * X[:, 2]])
    return X, Y + rng.standard_normal((n, 2)) * [5.0, 1e-3], rng.uniform(0.1, 3.0, n)


def learn(model: Any, X: Array, Y: Array, w: Array | None, first: int, later: int) -> Any:
    starts = [0, *range(first, len(X), later), len(X)]
    for start, stop in pairwise(starts):
        weights = None if w is None else w[start:stop]
        model.partial_fit(X[start:stop], Y[start:stop], sample_weight=weights)
    return model


@pytest.mark.equation("NP-3", "NP-5", "NP-8")
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize(("first", "later"), [(1, 1), (1, 30), (2, 7), (5, 25), (50, 30)])
@pytest.mark.parametrize("prior_precision", [1e-3, 1.0, 300.0])
def test_a_standardised_stream_is_one_fit(prior_precision, first, later, prior, bias, rng):
    """From one row on, with strong priors, weights that are no whole numbers, related outputs."""
    X, Y, w = rows(rng)
    options: dict[str, Any] = {
        "hidden": (),
        "bias": bias,
        "prior": prior,
        "prior_precision": prior_precision,
        "noise_variance": NOISE,
        "random_state": 0,
    }
    whole = BALIRegressor(**options).fit(X, Y, sample_weight=w).predict_distribution(X)
    stream = learn(BALIRegressor(**options), X, Y, w, first, later)
    got = stream.predict_distribution(X)
    sd = np.sqrt(np.diagonal(whole.epistemic, axis1=1, axis2=2))
    # 1e-4 on 3 has eleven digits left, and the noise is known to a ten thousandth of an output
    assert np.abs((got.mean - whole.mean) / sd).max() < 1e-7
    units = sd[:, :, None] * sd[:, None, :]
    np.testing.assert_allclose(got.epistemic / units, whole.epistemic / units, rtol=0, atol=1e-8)
    np.testing.assert_allclose(got.noise_covariance, NOISE, rtol=1e-10)


@pytest.mark.equation("NP-3", "NP-8")
@pytest.mark.parametrize(("first", "later"), [(1, 1), (2, 7)])
@pytest.mark.parametrize("total", [0.5, 1e-3])
def test_a_stream_of_rows_that_together_count_less_than_one_is_one_fit(total, first, later, rng):
    X, Y, w = rows(rng)
    w *= total / w.sum()
    options: dict[str, Any] = {
        "hidden": (), "prior_precision": 30.0, "noise_variance": NOISE, "random_state": 0,
    }  # fmt: skip
    whole = BALIRegressor(**options).fit(X, Y, sample_weight=w).predict_distribution(X)
    got = learn(BALIRegressor(**options), X, Y, w, first, later).predict_distribution(X)
    sd = np.sqrt(np.diagonal(whole.epistemic, axis1=1, axis2=2))
    assert np.abs((got.mean - whole.mean) / sd).max() < 1e-7
    units = sd[:, :, None] * sd[:, None, :]
    np.testing.assert_allclose(got.epistemic / units, whole.epistemic / units, rtol=0, atol=1e-8)


@pytest.mark.equation("NP-8", "EX-3")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize(("first", "later"), [(1, 1), (2, 7), (50, 30)])
def test_what_a_stream_learns_of_noise_and_prior_is_what_one_fit_learns(first, later, prior, rng):
    """The Gaussian noise: tails are fitted to every datum left out, and a stream keeps none."""
    X, Y, w = rows(rng)
    options: dict[str, Any] = {
        "hidden": (), "prior": prior, "noise": "gaussian", "random_state": 0,
    }  # fmt: skip
    whole = BALIRegressor(**options).fit(X, Y, sample_weight=w)
    stream = learn(BALIRegressor(**options), X, Y, w, first, later)
    got, expected = stream.predict_distribution(X), whole.predict_distribution(X)
    # updates stop at a relative change of 1e-11, some way before the fixed point
    np.testing.assert_allclose(got.noise_covariance, expected.noise_covariance, rtol=1e-6)
    assert np.abs((got.mean - expected.mean) / expected.std).max() < 1e-6
    lam, expected_lam = (model.members_[0].prior_precision for model in (stream, whole))
    assert lam == pytest.approx(expected_lam, rel=1e-6)


@pytest.mark.equation("NP-8")
def test_a_stream_that_goes_on_after_a_fit_and_a_file_is_one_fit(rng, tmp_path):
    X, Y, w = rows(rng)
    X[:, 3] = 0.1 + 0.2  # constant all along
    X[::2, 3] = 0.3
    options: dict[str, Any] = {
        "hidden": (), "prior_precision": 2.0, "noise_variance": [25.0, 1e-6], "random_state": 0,
    }  # fmt: skip
    whole = BALIRegressor(**options).fit(X, Y, sample_weight=w)
    stream = BALIRegressor(**options).fit(X[:13], Y[:13], sample_weight=w[:13])
    stream.partial_fit(X[13:14], Y[13:14], sample_weight=w[13:14])
    stream.save(tmp_path / "stream.npz")
    stream = BALIRegressor.load(tmp_path / "stream.npz")
    stream.partial_fit(X[14:], Y[14:], sample_weight=w[14:])
    for got, expected in zip(
        stream.predict(X, return_std=True), whole.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-8)
    expected_scale = Scale.of(X, w)
    np.testing.assert_allclose(stream._input_scale.mean, expected_scale.mean, rtol=1e-12)
    np.testing.assert_allclose(stream._input_scale.std, expected_scale.std, rtol=1e-8)
    assert stream._input_scale.unit[3] == 1


def sizes(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    X = np.column_stack([rng.normal(20, 5, n), rng.normal(1000, 50, n), rng.uniform(0, 1, n)])
    y = 3 * X[:, 0] + 0.2 * X[:, 1] + 50 * X[:, 2] + 5 * rng.standard_normal(n)
    return X, y


@pytest.mark.parametrize(
    ("hidden", "first", "later"),
    [
        *[((50,), first, later) for first, later in [(1, 1), (1, 50), (5, 50), (50, 50)]],
        *[((20, 20), first, later) for first, later in [(1, 1), (1, 50), (5, 50), (50, 50)]],
        ((20, 20), 2, 2),
    ],
)
def test_a_network_learns_a_stream_whatever_its_first_rows(hidden, first, later, rng):
    X, y = sizes(rng, 600)
    test_X, test_y = sizes(rng, 300)
    model = learn(BALIRegressor(hidden, random_state=0), X, y, None, first, later)
    assert model.score(test_X, test_y) > 0.85  # noise leaves .95


@pytest.mark.equation("EV-8")
@pytest.mark.parametrize("seed", [0, 1])
def test_a_curve_is_learnt_row_by_row(seed):
    """Without a linear part, so that layers that have gone out would never come back."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (700, 2))
    y = X[:, 0] * X[:, 1] + 0.1 * rng.standard_normal(700)
    model = learn(BALIRegressor((50, 50), random_state=seed), X[:200], y[:200], None, 1, 1)
    assert model.score(X[200:], y[200:]) > 0.6


@pytest.mark.parametrize(("n", "later"), [(400, 400), (1000, 250), (3000, 3000)])
def test_a_curve_is_learnt_in_large_pieces(n, later):
    """One step for each piece would leave the noise as small as it starts, and nothing learnt."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (n + 1000, 1))
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(n + 1000)
    model = learn(BALIRegressor(random_state=0), X[:n], y[:n], None, later, later)
    assert model.score(X[n:], y[n:]) > 0.7
    low, high = model.predict_interval(X[n:])
    assert np.mean((low < y[n:]) & (y[n:] < high)) > 0.9


def test_a_stream_should_not_be_sorted() -> None:
    """As the docstring of `partial_fit` says; whoever mends it mends the sentence, too."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (3000, 1))
    y = np.sin(2.5 * X[:, 0]) + 0.1 * rng.standard_normal(3000)
    scores = []
    for order in (np.arange(2000), X[:2000, 0].argsort(), y[:2000].argsort()):
        model = learn(BALIRegressor(random_state=0), X[order], y[order], None, 100, 100)
        scores.append(model.score(X[2000:], y[2000:]))
    assert scores[0] > 0.95
    assert max(scores[1:]) < 0.5


@pytest.mark.parametrize(("batch_size", "steps"), [("auto", 10), (None, 1), (100, 3)])
def test_the_first_steps_of_a_stream_are_small_unless_a_size_is_given(batch_size, steps, rng):
    X, y = sizes(rng, 700)
    model = BALIRegressor((6,), batch_size=batch_size, random_state=0)
    model.partial_fit(X[:300], y[:300])
    assert model.members_[0].steps == steps
    assert model._data_seen == 300


def test_a_network_that_has_been_trained_takes_large_steps(rng):
    X, y = sizes(rng, 700)
    model = BALIRegressor((6,), epochs=100, random_state=0).fit(X[:300], y[:300])
    assert model.partial_fit(X[300:], y[300:]).members_[0].steps == 101


def test_outputs_and_weights_of_a_stream_of_a_network(rng):
    """Two outputs, of which one is constant at first; rows that count little are other data.

    (Not the first rows: a network forgets by the number of its steps, whatever these weigh.)
    """
    X, y = sizes(rng, 600)
    other, test_y = rng.permutation(600) < 300, sizes(rng, 300)
    other[:5] = False
    w = np.where(other, 1e-6, rng.uniform(0.5, 1.5, 600))
    Y = np.column_stack([np.where(other, -9 * y, y), 1e-3 * X[:, 0]])
    Y[:20, 1] = 0.02
    model = learn(BALIRegressor(random_state=0), X, Y, w, 5, 10)
    got = model.predict(test_y[0])
    for column, truth in ((0, test_y[1]), (1, 1e-3 * test_y[0][:, 0])):
        residual = np.mean((got[:, column] - truth) ** 2)
        assert residual < 0.3 * np.var(truth)


@pytest.mark.parametrize("first", [1, 5, 50])
def test_a_classifier_learns_a_stream_whatever_its_first_rows(first, rng):
    """Inputs have units, labels have none."""
    X, y = sizes(rng, 600)
    labels = np.where(y > np.median(y), "high", "low")
    model = BALIClassifier(random_state=0)
    model.partial_fit(X[:first], labels[:first], classes=["high", "low"])
    for start in range(first, 600, 50):
        model.partial_fit(X[start : start + 50], labels[start : start + 50])
    test_X, test_y = sizes(rng, 300)
    truth = np.where(test_y > np.median(y), "high", "low")
    assert model.score(test_X, truth) > 0.85  # noise leaves .90


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_rows_that_are_all_the_same_wait_for_the_first_that_differs(hidden, rng):
    """They are one row, with their weight: in the order of the stream, and in one call."""
    X, Y, w = rows(rng, 30)
    X[:4], Y[:4] = X[0], Y[0]
    models = [BALIRegressor(hidden, batch_size=None, random_state=0) for _ in range(2)]
    for row in range(4):
        models[0].partial_fit(X[row : row + 1], Y[row : row + 1], sample_weight=w[row : row + 1])
        if not hidden:
            np.testing.assert_allclose(models[0].predict(X[:1]), Y[:1], rtol=1e-9)
    models[0].partial_fit(X[4:], Y[4:], sample_weight=w[4:])
    models[1].partial_fit(X, Y, sample_weight=w)
    got, expected = (model.predict(X, return_std=True) for model in models)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-6)


@pytest.mark.parametrize("cut", [[1] * 10, [3, 3, 4], [9, 1]], ids=str)
@pytest.mark.parametrize("kind", [BALIRegressor, BALIClassifier])
def test_the_first_ten_rows_are_one_batch_however_they_come(kind, cut, rng, tmp_path):
    """Also with a file in between; rows after them are batches of their own."""
    X, Y, w = rows(rng, 14)
    y = Y[:, 0] if kind is BALIRegressor else np.where(Y[:, 0] > np.median(Y[:, 0]), "b", "a")
    known = {} if kind is BALIRegressor else {"classes": ["a", "b"]}
    whole, cuts = kind((6,), random_state=0), kind((6,), random_state=0)
    whole.partial_fit(X[:10], y[:10], sample_weight=w[:10], **known)
    for start, stop in pairwise(np.cumsum([0, *cut])):
        cuts.partial_fit(X[start:stop], y[start:stop], sample_weight=w[start:stop], **known)
        cuts.save(tmp_path / "stream.npz")
        cuts = kind.load(tmp_path / "stream.npz")
    get = "predict" if kind is BALIRegressor else "predict_proba"
    for row in range(10, 14):
        got, expected = (getattr(model, get)(X) for model in (cuts, whole))
        np.testing.assert_array_equal(got, expected)
        assert cuts.members_[0].steps == row - 9
        for model in (cuts, whole):
            part = slice(row, row + 1)
            model.partial_fit(X[part], y[part], sample_weight=w[part])


def test_a_stream_of_few_different_rows_gets_under_way(rng):
    """Ten rows are ten rows, also where there are only four of them."""
    X = rng.integers(0, 2, (30, 2)).astype(float)
    y = 2 * X[:, 0] - X[:, 1]
    model = learn(BALIRegressor((6,), random_state=0), X, y, None, 1, 1)
    assert model.members_[0].steps == 21
    assert model._data_seen == 30


def test_a_fit_of_few_rows_is_gone_on_from(rng):
    X, y = sizes(rng, 40)
    model = BALIRegressor((6,), random_state=0).fit(X[:5], y[:5])
    steps = model.members_[0].steps
    model.partial_fit(X[5:], y[5:])
    assert model.members_[0].steps == steps + 1


def test_a_stream_without_standardising_keeps_its_units(rng):
    X, Y, w = rows(rng)
    model = learn(BALIRegressor((4,), standardize=False, random_state=0), X, Y, w, 5, 40)
    assert (model._input_scale.mean == 0).all()
    assert (model._input_scale.unit == 1).all()
