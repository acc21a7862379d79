"""Scikit-learn's ensembles over the estimators, and the weights that they hand on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression

from balinp import BALIClassifier, BALIRegressor
from balinp._types import Array

QUICK: dict[str, Any] = {"hidden": (8,), "epochs": 20, "random_state": 0}


@pytest.fixture
def three(rng) -> tuple[Array, Array]:
    X = rng.standard_normal((90, 4))
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)


@pytest.mark.parametrize("hidden", [(), (8,), (50,)])
@pytest.mark.parametrize("forward", ["mean", "linearised"])
def test_a_class_without_weight_stays_and_is_improbable(hidden, forward, three):
    X, y = three
    w = np.where(y == 2, 0.0, 1.0)
    model = BALIClassifier(hidden, forward=forward, random_state=0).fit(X, y, sample_weight=w)
    assert list(model.classes_) == [0, 1, 2]
    p = model.predict_proba(X)
    assert p.shape == (90, 3)
    assert p[:, 2].mean() < 0.06
    assert set(model.predict(X)) == {0, 1}
    # what is left of the two others is as without the third: the weights are those of the rows
    without = BALIClassifier(hidden, forward=forward, random_state=0).fit(X[y < 2], y[y < 2])
    np.testing.assert_array_equal(without._input_scale.mean, model._input_scale.mean)
    assert (model.predict(X) == without.predict(X)).mean() > 0.95


def test_one_class_with_weight_is_enough_where_another_is_named(three):
    X, y = three
    model = BALIClassifier(**QUICK).fit(X, y, sample_weight=(y == 1) * 0.5)
    p = model.predict_proba(X[y == 1])
    assert p.shape == (int((y == 1).sum()), 3)
    assert p[:, 1].min() > 0.7


def test_rows_without_weight_may_say_anything(three):
    """Inputs far out, labels of their own: nothing but the names of classes is taken from them."""
    X, y = three
    far, w = np.vstack([X, 1e9 * X[:5]]), np.append(np.ones(90), np.zeros(5))
    labels = np.append(y, np.full(5, 2))
    got = BALIClassifier(**QUICK).fit(far, labels, sample_weight=w).predict_proba(X)
    np.testing.assert_array_equal(got, BALIClassifier(**QUICK).fit(X, y).predict_proba(X))
    targets = np.append(X[:, 0], np.full(5, 1e12))
    got = BALIRegressor(**QUICK).fit(far, targets, sample_weight=w).predict(X)
    np.testing.assert_array_equal(got, BALIRegressor(**QUICK).fit(X, X[:, 0]).predict(X))


@pytest.mark.parametrize("scale", [1.0, 3.0, 1e-3])
def test_weights_that_sum_to_one_are_shares_of_the_rows_that_have_weight(scale, three, rng):
    """Other sums are counts, however small: a regression has no need of the former."""
    X, y = three
    w = rng.uniform(0, 2, 90)
    w[::4] = 0.0
    w *= scale / w.sum()
    rows = (w > 0).sum() if scale == 1 else 1.0
    got = BALIClassifier(forward="mean", **QUICK).fit(X, y, sample_weight=w)
    assert got._data_seen == pytest.approx(rows * scale)
    assert BALIRegressor(**QUICK).fit(X, y, sample_weight=w)._data_seen == pytest.approx(scale)


def test_batches_and_epochs_count_rows_and_not_weights(rng):
    X = rng.standard_normal((2100, 2))
    y = X[:, 0] > 0
    for factor in (1e-2, 1.0, 1e2):
        model = BALIClassifier((2,), forward="mean", random_state=0)
        model.fit(X, y, sample_weight=np.full(2100, factor))
        # batches of at most 256, and as many passes as visit 100,000 rows
        assert len(model.members_[0].history) == 9 * 47


@pytest.mark.parametrize("data", [load_breast_cancer, load_iris])
def test_ensembles_of_classifiers(data):
    X, y = data(return_X_y=True)
    X = X / X.std(axis=0)  # which scikit-learn's own member of the vote needs
    test = np.arange(len(X)) % 3 == 0
    base = BALIClassifier(**QUICK)
    for ensemble in (
        AdaBoostClassifier(base, n_estimators=3, random_state=0),
        BaggingClassifier(base, n_estimators=3, random_state=0),
        VotingClassifier([("a", base), ("b", LogisticRegression())], voting="soft"),
        StackingClassifier([("a", base)], cv=2),
    ):
        ensemble.fit(X[~test], y[~test])
        assert ensemble.predict_proba(X[test]).shape == (test.sum(), len(np.unique(y)))
        assert ensemble.score(X[test], y[test]) > 0.9, type(ensemble)


def test_bags_without_a_rare_class_and_votes_without_a_class(three):
    X, y = three
    rare = (np.arange(90) < 2).astype(int)
    base = BALIClassifier(**{**QUICK, "epochs": 100})  # 20 have not gone far from one half
    bags = BaggingClassifier(base, n_estimators=5, max_samples=0.3, random_state=0).fit(X, rare)
    assert bags.predict_proba(X).shape == (90, 2)
    assert bags.predict_proba(X)[:, 1].mean() < 0.1
    votes = VotingClassifier([("a", base), ("b", LogisticRegression())], voting="soft")
    p = votes.fit(X, y, sample_weight=(y < 2) * 1.0).predict_proba(X)
    assert p.shape == (90, 3)
    assert p[:, 2].max() < 0.2


def test_ensembles_of_regressors():
    X, y = load_diabetes(return_X_y=True)
    base = BALIRegressor(**{**QUICK, "epochs": 100})
    for ensemble in (
        BaggingRegressor(base, n_estimators=3, max_samples=0.7, bootstrap=False, random_state=0),
        VotingRegressor([("a", base)]),
    ):
        assert ensemble.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.3, type(ensemble)


@pytest.mark.parametrize(
    ("resampling", "options"),
    [
        (AdaBoostRegressor, {"hidden": ()}),
        (BaggingRegressor, {"hidden": ()}),
        (BaggingRegressor, {"hidden": (8,), "noise_variance": 3000.0}),
    ],
)
def test_ensembles_that_repeat_rows(resampling, options):
    """A row drawn three times is three data that agree, from which a network learns little noise.

    A linear model cannot follow them, and a network does not where the noise is given.
    """
    X, y = load_diabetes(return_X_y=True)
    base = BALIRegressor(**options, epochs=100, random_state=0)
    ensemble = resampling(base, n_estimators=3, random_state=0).fit(X[::2], y[::2])
    assert ensemble.score(X[1::2], y[1::2]) > 0.3
