"""Functions drawn: one line each, over sorted inputs; what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from balinp import BALI, plot


def test_each_function_is_a_line(rng: np.random.Generator) -> None:
    x = np.array([2.0, -1.0, 0.5])
    draws = rng.normal(size=(5, 3, 2))
    data = rng.normal(size=4), rng.normal(size=(4, 2))
    axes = plot.functions(draws, x, data=data, output=1)
    *lines, points = axes.get_lines()
    assert len(lines) == 5
    for line, draw in zip(lines, draws, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [-1.0, 0.5, 2.0])
        np.testing.assert_array_equal(line.get_ydata(), draw[[1, 2, 0], 1])
    np.testing.assert_array_equal(points.get_ydata(), data[1][:, 1])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "functions drawn",
        "data",
    ]
    again = plot.functions(draws[:, :, :1], x[:, None], ax=axes)
    assert again is axes


def test_a_models_functions_agree_where_the_data_are(rng: np.random.Generator) -> None:
    X = np.concatenate([rng.uniform(-2, -1, (40, 1)), rng.uniform(1, 2, (40, 1))])
    model = BALI((20,), covariance="joint").fit(X, np.sin(2 * X), epochs=60)
    x = np.linspace(-2, 2, 81)[:, None]
    axes = plot.functions(model.sample_functions(x, rng, 30), x, data=(X, np.sin(2 * X)))
    values = np.array([line.get_ydata() for line in axes.get_lines()[:-1]])
    spread = values.std(axis=0)
    assert spread[40] > 2 * spread[np.abs(x[:, 0]) > 1].max()


@pytest.mark.parametrize(
    ("draws", "x", "options", "message"),
    [
        (np.zeros(2), [0.0, 1.0], {}, r"draws: expected an array of shape \(S, B, K\)"),
        (np.zeros((3, 2, 1)), [0.0], {}, "x: expected"),
        (np.zeros((3, 2, 2)), [0.0, 1.0], {}, "output: expected which of the 2 outputs"),
        (np.zeros((0, 2, 1)), [0.0, 1.0], {}, "draws: expected"),
        (np.full((1, 2, 1), np.nan), [0.0, 1.0], {}, "draws: expected finite"),
    ],
)
def test_bad_input(draws, x, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        plot.functions(draws, x, **options)
