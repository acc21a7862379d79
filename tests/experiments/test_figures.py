"""Pictures of experiments with many methods: told apart, all named, none pressed into a point."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from matplotlib.figure import Figure

from balinp.experiments import CLASSIFICATION, REGRESSION, figures
from balinp.experiments.dataset import Dataset, Outside
from balinp.experiments.figures import save_figure, styles, window
from balinp.experiments.runner import Outcome
from balinp.experiments.splits import random_split
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
