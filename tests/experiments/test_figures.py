"""Pictures of experiments with many methods: told apart, all named, none pressed into a point."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from matplotlib.figure import Figure

from balinp.experiments import CLASSIFICATION, REGRESSION, figures
from balinp.experiments.dataset import Dataset, Outside
from balinp.experiments.figures import independent_rows, save_figure, styles, window
from balinp.experiments.methods import REFERENCE
from balinp.experiments.runner import Outcome
from balinp.experiments.splits import Split, random_split
from balinp.metrics.calibration import LEVELS

METHODS = [f"a method with a long name, number {i}" for i in range(14)]


def test_no_two_methods_are_drawn_alike():
    found = styles([f"method {i}" for i in range(21)])
    assert len({(style.colour, style.dashes) for style in found}) == 21
    assert len({(style.colour, style.marker) for style in found}) == 21
    for first, second in zip(found, found[7:], strict=False):
        assert first.colour == second.colour
        assert first.face != second.face


def test_window_shows_all_but_what_is_far_off():
    assert window(np.array([[1.0, 2.0], [3.0, 5.0]])) == (1.0, 5.0)
    values = np.array([[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1000.0]])  # quartiles 2 and 6
    assert window(values) == (0.0, 6.0 + 4.0 * figures.FARTHEST)
    assert window(np.array([[0.0, -np.inf, 2.0]])) == (0.0, 2.0)
    low, high = window(np.array([[1.0]]))
    assert low < 1.0 < high
    assert window(np.array([[np.inf]])) == (0.0, 1.0)


def outcomes(kind: str, rng: np.random.Generator) -> list[Outcome]:
    """Fourteen methods on three splits; one fails on one split and one on another."""
    found = []
    for split in range(3):
        for i, method in enumerate(METHODS):
            score = 1.0 + 0.01 * i + 0.1 * rng.standard_normal()
            score = {(1, 3): -400.0, (2, 5): np.inf}.get((split, i), score)
            record = {"split": split, "method": method}
            if kind == REGRESSION:
                record["log_likelihood_gaussian"] = -score
                curves = {"calibration": np.stack([LEVELS, LEVELS], axis=1)}
            else:
                record |= {"nll": score, "auroc": 0.5 + 0.01 * i}
                pairs = np.stack([rng.uniform(0.3, 1, 200), rng.integers(0, 2, 200)], axis=1)
                rates = np.linspace(0, 1, 101)
                curves = {"calibration": pairs, "roc": np.stack([rates**2, rates], axis=1)}
            found.append(Outcome(record, curves))
    return found


@pytest.mark.parametrize(("kind", "panels"), [(REGRESSION, 2), (CLASSIFICATION, 3)])
def test_fourteen_methods_in_one_picture(kind, panels, rng, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: saved.append(self))
    X = rng.standard_normal((12, 2))
    outside = Outside("far", X) if panels == 3 else None
    split = partial(random_split, n=12, test_fraction=0.25)
    dataset = Dataset("toy", kind, X, X[:, :1], split, outside=outside)
    save_figure(outcomes(kind, rng), dataset, tmp_path / "figure.png")
    (figure,) = saved
    assert len(figure.axes) == panels
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert [name.split(" (AUROC")[0] for name in named] == METHODS
    scores = figure.axes[0]
    assert [label.get_text() for label in scores.get_yticklabels()] == METHODS
    left, right = scores.get_xlim()
    assert right - left < 6
    assert "2 at the edge lie beyond it" in scores.get_xlabel()
    assert all(axes.get_legend() is None for axes in figure.axes)


def test_differences_are_taken_split_by_split(rng, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: saved.append(self))
    scores = rng.standard_normal((3, 4)) + 5 * rng.standard_normal(4)  # splits differ most
    scores[1] += 30  # all others lie on one side of the reference
    names = ["first", REFERENCE, "third"]
    found = [
        Outcome(
            {"split": k, "method": name, "log_likelihood_gaussian": scores[i, k]},
            {"calibration": np.stack([LEVELS, LEVELS], axis=1)},
        )
        for k in range(4)
        for i, name in enumerate(names)
    ]
    X = rng.standard_normal((40, 2))
    tests = [np.arange(10), np.arange(10), np.arange(10, 20), np.arange(20, 30)]
    split = lambda k: Split(np.setdiff1d(np.arange(40), tests[k]), tests[k])  # noqa: E731
    dataset = Dataset("toy", REGRESSION, X, X[:, :1], split)
    save_figure(found, dataset, tmp_path / "figure.png")
    left, right = saved[0].axes
    points = [c.get_offsets() for c in left.collections if len(c.get_offsets()) == 4]
    assert len(points) == 2
    for i, drawn in zip((0, 2), points, strict=True):
        np.testing.assert_allclose(drawn[:, 0], scores[i] - scores[1], rtol=1e-12)
        np.testing.assert_array_equal(drawn[:, 1], i)
    bars = [container for container in left.containers if container.has_xerr]
    for i, bar in zip((0, 2), bars, strict=True):
        difference = scores[i] - scores[1]
        (segments,) = (collection.get_segments() for collection in bar[2])
        error = difference.std(ddof=1) / 2
        expected = difference.mean() - error, difference.mean() + error
        np.testing.assert_allclose(segments[0][:, 0], expected, rtol=1e-12)
    assert f"minus that of {REFERENCE}" in left.get_xlabel()
    assert "beyond" not in left.get_xlabel()
    assert left.get_xlim()[0] < -20 < 0 < left.get_xlim()[1]
    # ten rows that are tested twice and twenty that are tested once, 40 tests in all
    variance = (10 * 2**2 + 20) / 40**2
    assert independent_rows(found, dataset) == pytest.approx(1 / variance, rel=1e-12)
    outline = right.collections[0].get_paths()[0].vertices
    half = 1.959963984540054 * np.sqrt(0.5 * 0.5 * variance)
    at_half = outline[np.isclose(outline[:, 0], 0.5), 1]
    np.testing.assert_allclose([at_half.min(), at_half.max()], [0.5 - half, 0.5 + half], rtol=1e-9)


def test_ranges_of_reliability_are_those_of_the_fewest_data(rng, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: saved.append(self))
    confidence = {"a": [0.65] * 50 + [0.93] * 50, "b": [0.65] * 20 + [0.93] * 80}
    found = [
        Outcome(
            {"split": 0, "method": name, "nll": 1.0},
            {"calibration": np.stack([values, np.ones(100)], axis=1)},
        )
        for name, values in confidence.items()
    ]
    X = rng.standard_normal((200, 2))
    split = Split(np.arange(100, 200), np.arange(100))
    dataset = Dataset("toy", CLASSIFICATION, X, X[:, :1], lambda k: split)
    save_figure(found, dataset, tmp_path / "figure.png")
    (bars,) = saved[0].axes[1].collections
    for (low, high), centre, n in zip(bars.get_segments(), (0.65, 0.95), (20, 50), strict=True):
        half = 1.959963984540054 * np.sqrt(centre * (1 - centre) / n)
        np.testing.assert_allclose([low[0], high[0]], centre)
        np.testing.assert_allclose([low[1], high[1]], [centre - half, min(centre + half, 1)])
