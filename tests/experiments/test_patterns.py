"""The table of labels in patterns."""

from __future__ import annotations

import numpy as np
import pytest

from balinp.experiments import patterns


def test_labels_are_what_they_are_called(rng) -> None:
    X, y = patterns.stripes(rng, 50, 0.0)
    assert ((np.floor(X[:, 0]) % 2) == y).all()
    X, y = patterns.squares(rng, 50, 0.0)
    assert ((np.floor(X[:, 0]) + np.floor(X[:, 1])) % 2 == y).all()
    X, y = patterns.rings(rng, 50)
    assert (np.floor(np.linalg.norm(X, axis=1)) % 3 == y).all()
    _, plain = patterns.stripes(np.random.default_rng(0), 2000, 0.0)
    _, turned = patterns.stripes(np.random.default_rng(0), 2000, 0.1)
    assert (plain != turned).mean() == pytest.approx(0.1, abs=0.03)
    X, y = patterns.logistic(rng, 4000, 3)
    assert y[X.sum(axis=1) > 2].mean() > 0.9
    assert patterns.coins(rng, 4000, 1)[1].mean() == pytest.approx(0.5, abs=0.04)


def test_the_loss_is_that_of_known_classes() -> None:
    class Fixed:
        def fit(self, X: object, y: object) -> None:
            self.classes_ = np.array([1, 3])

        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            return np.tile([0.25, 0.75], (len(X), 1))

    new = np.zeros((4, 1)), np.array([3, 1, 2, 3])
    loss = patterns.log_loss(Fixed(), new, new)
    assert loss == pytest.approx(-(2 * np.log(0.75) + np.log(0.25)) / 3, rel=1e-12)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    table = patterns.report([(patterns.coins, 30, (1,))], seeds=1, layers=[(3,)])
    *_, line = table.splitlines()
    name, loss, other = (cell.strip() for cell in line.strip("|").split("|"))
    assert name == "coins, 30, 1"
    assert float(loss) < 0.9
    assert float(other) > 0.5
