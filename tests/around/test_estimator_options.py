"""The estimators' options: each means what it says, against the same thing done by hand."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_array, csr_matrix
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from balinp import BALI, BALIClassifier, BALIRegressor
from balinp._types import Array
from balinp.data import merged
from balinp.estimators.rows import held_out
from balinp.predictive import BernoulliPredictive

QUICK: dict[str, Any] = {"hidden": 5, "epochs": 8, "random_state": 0}


@pytest.fixture
def regression(rng: np.random.Generator) -> tuple[Array, Array]:
    X = rng.normal(size=(50, 3)) * [1.0, 20.0, 0.1] + [0.0, 5.0, 1.0]
    return X, 7.0 + 3.0 * np.sin(X[:, 0]) + 0.5 * rng.normal(size=50)


@pytest.fixture
def iris() -> tuple[Array, Array]:
    X, y = load_iris(return_X_y=True)
    return X[::2], y[::2]


@pytest.fixture
def answers(rng: np.random.Generator) -> tuple[Array, Array]:
    X = rng.normal(size=(80, 3))
    return X, (rng.random((80, 2)) < expit(2 * X[:, :2])).astype(int)


def same(first: Any, second: Any, X: Any, rtol: float = 0.0) -> None:
    for ours, theirs in zip(first.predict(X, True), second.predict(X, True), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol)
    np.testing.assert_allclose(first.log_evidence_, second.log_evidence_, rtol=rtol)


# -- where training ends, and where it goes on -----------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 16])
def test_warm_start_goes_on_from_the_weights(batch_size, regression) -> None:
    X, y = regression
    options = QUICK | {"batch_size": batch_size}
    model = BALIRegressor(warm_start=True, **options).fit(X, y)
    once, evidence = model.predict(X), model.log_evidence_
    steps = 8 if batch_size is None else 8 * 4
    assert len(model.history_) == steps
    by_hand = BALIRegressor(**options).fit(X, y)
    Z, T, w = merged(X, y[:, None], np.ones(50))
    Z, T = by_hand._input_scale.to_standard(Z), by_hand._target_scale.to_standard(T)
    Z, T, _ = by_hand._as_trained_on(Z, T, w, by_hand.members_[0])
    by_hand.members_[0].fit(Z, T, epochs=8, batch_size=batch_size)
    model.fit(X, y)
    np.testing.assert_array_equal(model.predict(X), by_hand.predict(X))
    assert np.abs(model.predict(X) - once).max() > 0
    assert (len(model.history_), model.n_iter_) == (2 * steps, 8)
    assert model.log_evidence_ != evidence
    model.set_params(warm_start=False).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), once)


def test_warm_start_takes_the_units_of_the_new_data(regression) -> None:
    """What was learnt is said in them, so that the first step starts where the last one ended."""
    X, y = regression
    options = QUICK | {"epochs": 60, "noise": "gaussian", "covariance": "layerwise"}
    model = BALIRegressor(warm_start=True, **options).fit(X, y)
    before = model.predict(X)
    moved = model.set_params(epochs=1).fit(X[:40], y[:40])
    np.testing.assert_allclose(moved._input_scale.mean, X[:40].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moved._target_scale.std, y[:40].std(), rtol=1e-12)
    assert np.abs(moved.predict(X) - before).max() < 0.2 * y.std()
    afresh = BALIRegressor(**options | {"epochs": 1}).fit(X[:40], y[:40])
    assert np.abs(afresh.predict(X) - before).max() > 0.5 * y.std()


@pytest.mark.parametrize("covariance", ["joint", "layerwise"])
@pytest.mark.parametrize("batch_size", [None, 16])
def test_early_stopping_restores_the_best_pass(batch_size, covariance, regression) -> None:
    """It is the model of a fit to the other rows that ends there.

    To rounding: on the way, means are turned into the coordinates of training and back (NP-9).
    """
    X, y = regression
    options = {**QUICK, "epochs": 80, "batch_size": batch_size, "covariance": covariance}
    seen: list[Array] = []

    def look(member: BALI) -> None:
        Z = model._input_scale.to_standard(H)
        density = member.predict(Z).logpdf(model._target_scale.to_standard(h))
        seen.append(density.mean())

    Z, t, _ = merged(X, y[:, None], np.ones(50))
    draws = np.random.RandomState(0)
    draws.randint(np.iinfo(np.int32).max, size=1)  # the seed of the member
    train, held = held_out(50, 0.3, draws)
    assert (len(held), len(train)) == (15, 35)
    H, h = Z[held], t[held]
    model = BALIRegressor(
        early_stopping=True, validation_fraction=0.3, n_iter_no_change=5, **options
    )
    model.fit(X, y, callback=look)
    best = int(np.argmax(seen)) + 1
    np.testing.assert_array_equal(model.validation_scores_, seen)
    assert model.n_iter_ == len(seen) == best + 5 < 80
    passes: list[BALI] = []

    def stop(member: BALI) -> bool:
        passes.append(member)
        return len(passes) == best

    other = BALIRegressor(**options).fit(Z[train], t[train, 0], callback=stop)
    same(model, other, X, rtol=1e-9)
    assert len(model.history_) == len(other.history_)
    assert other.validation_scores_ is None


def test_early_stopping_of_classes_holds_out_a_share_of_each(iris) -> None:
    X, y = iris
    unequal = np.concatenate([np.arange(25), np.arange(25, 35), np.arange(50, 70)])
    model = BALIClassifier(early_stopping=True, validation_fraction=0.2, **QUICK)
    model.fit(X[unequal], y[unequal])
    Z, Y, _ = merged(X[unequal], np.eye(3)[y[unequal]], np.ones(55))
    draws = np.random.RandomState(0)
    draws.randint(np.iinfo(np.int32).max, size=1)
    _, held = held_out(len(Z), 0.2, draws, Y.argmax(axis=1))
    np.testing.assert_array_equal(Y[held].sum(axis=0), [5, 2, 4])
    assert len(model.validation_scores_) == model.n_iter_ == 8
    with pytest.raises(ValueError, match="^validation_fraction: .* least populated"):
        model.fit(X[:26], y[:26])


def test_a_callback_ends_the_training(regression) -> None:
    X, y = regression
    steps: list[int] = []
    ended = BALIRegressor(**QUICK).fit(
        X, y, callback=lambda m: steps.append(m.steps) or m.steps == 3
    )
    assert steps == [1, 2, 3]
    assert ended.n_iter_ == 3
    same(ended, BALIRegressor(**QUICK | {"epochs": 3}).fit(X, y), X)
    not_true = BALIRegressor(**QUICK).fit(X, y, callback=lambda m: 1)
    assert not_true.n_iter_ == 8


def test_what_is_told_of_training_does_not_depend_on_processes(regression) -> None:
    X, y = regression
    options = QUICK | {"epochs": 15, "n_members": 2, "warm_start": True}
    models = [BALIRegressor(n_jobs=jobs, **options).fit(X, y).fit(X, y) for jobs in (None, 2)]
    for model in models:
        assert [len(history) for history in model.histories_] == [30, 30]
        with pytest.raises(AttributeError, match="^history_: expected one member, got 2, "):
            model.history_  # noqa: B018
    joints = [[[r.log_joint for r in h] for h in model.histories_] for model in models]
    assert joints[0] == joints[1]
    assert joints[0][0] != joints[0][1]
    again = pickle.loads(pickle.dumps(models[0]))
    np.testing.assert_array_equal(again.predict(X), models[0].predict(X))
    assert (again.n_iter_, [len(h) for h in again.histories_]) == (15, [10, 10])


def test_scores_of_several_members_are_rows(regression) -> None:
    """Each row that of a member alone, from its own start, as long as it was trained."""
    X, y = regression
    options = QUICK | {"epochs": 60, "early_stopping": True, "n_iter_no_change": 2}
    scores = BALIRegressor(n_members=4, **options).fit(X, y).validation_scores_
    passes = np.isfinite(scores).sum(axis=1)
    assert passes.max() == scores.shape[1] != passes.min()
    np.testing.assert_array_equal(np.isfinite(scores), np.arange(passes.max()) < passes[:, None])
    assert (passes - 1 - np.nanargmax(scores, axis=1)).tolist() == [2] * 4


@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_is_shown(with_tqdm, regression, capsys, monkeypatch) -> None:
    X, y = regression
    if not with_tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    silent = BALIRegressor(**QUICK).fit(X, y)
    assert capsys.readouterr() == ("", "")
    model = BALIRegressor(verbose=True, n_members=2, **QUICK).fit(X, y)
    out, shown = capsys.readouterr()
    assert out == ""
    assert "BALIRegressor, member 2 of 2" in shown
    assert "8/8" in shown if with_tqdm else shown.count("pass 8 of 8, log joint -") == 2
    for member in model.members_:
        assert f"{member.history[-1].log_joint:.6g}" in shown
    np.testing.assert_array_equal(
        silent.members_[0].predict(X).mean, model.members_[0].predict(X).mean
    )


def test_warm_start_refuses_another_network(regression, iris) -> None:
    X, y = regression
    for change in (
        {"hidden": (6,)}, {"activation": "relu"}, {"prior": "conjugate"}, {"bias": False},
        {"prior_precision": 1.0}, {"noise_variance": 0.1}, {"n_members": 2}, {"noise": "gaussian"},
    ):  # fmt: skip
        model = BALIRegressor(warm_start=True, **QUICK).fit(X, y).set_params(**change)
        (name,) = change
        with pytest.raises(ValueError, match=f"{name}: expected .* as before, since warm_start"):
            model.fit(X, y)
    model = BALIRegressor(warm_start=True, **QUICK).fit(X, y)
    with pytest.raises(ValueError, match=r"X, y: expected \(3, 1\) columns as before"):
        model.fit(X[:, :2], y)
    classes = BALIClassifier(warm_start=True, **QUICK).fit(*iris)
    with pytest.raises(ValueError, match=r"y: expected classes \[0 1 2\] as before"):
        classes.fit(iris[0][:50], iris[1][:50])


# -- weights of classes, several labels ------------------------------------------------------------


@pytest.mark.equation("LR-6")
@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights_are_sample_weights(weighted, iris, rng) -> None:
    X, y = iris
    labels = np.array(["a", "b", "c"])[y]
    w = rng.integers(0, 3, len(X)) if weighted else np.ones(len(X))
    factors = {"a": 2.0, "c": 0.5}
    per_row = w * np.array([2.0, 1.0, 0.5])[y]
    model = BALIClassifier(class_weight=factors, **QUICK).fit(X, labels, sample_weight=w)
    other = BALIClassifier(**QUICK).fit(X, labels, sample_weight=per_row)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), rtol=1e-10)
    balanced = BALIClassifier(class_weight="balanced", **QUICK)
    few = np.flatnonzero((y < 2) | (np.arange(len(y)) % 3 == 0))
    balanced.fit(X[few], y[few], sample_weight=w[few])
    per_row = w[few] * w[few].sum() / 3 / np.bincount(y[few], w[few])[y[few]]
    other.fit(X[few], y[few], sample_weight=per_row)
    np.testing.assert_allclose(balanced.predict_proba(X), other.predict_proba(X), rtol=1e-6)
    assert np.ptp(per_row) > 0.1
    # a class that weighs nothing is as if its rows had not come
    none = BALIClassifier(class_weight={2: 0.0}, **QUICK).fit(X, y)
    other.fit(X, y, sample_weight=(y != 2).astype(float))
    np.testing.assert_array_equal(none.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({0: 1.0, 9: 2.0}, r"class_weight: expected weights of the classes \[0 1 2\], got \[9\]"),
        ({0: -1.0}, "class_weight: expected numbers of at least zero"),
        ("equal", "class_weight: expected None, 'balanced' or weights by label, got 'equal'"),
    ],
)
def test_class_weights_that_are_none(weights, message, iris) -> None:
    with pytest.raises(ValueError, match=message):
        BALIClassifier(class_weight=weights, **QUICK).fit(*iris)
    stream = BALIClassifier(class_weight="balanced", **QUICK)
    with pytest.raises(ValueError, match="class_weight: expected weights in partial_fit"):
        stream.partial_fit(*iris, classes=[0, 1, 2])
    several = BALIClassifier(class_weight="balanced", **QUICK)
    with pytest.raises(ValueError, match="class_weight: expected None for several labels"):
        several.fit(iris[0], np.eye(3, dtype=int)[iris[1]])


@pytest.mark.parametrize("members", [1, 2])
def test_several_labels_a_row(members, answers, tmp_path) -> None:
    X, Y = answers
    model = BALIClassifier(n_members=members, **QUICK | {"epochs": 60}).fit(X, Y)
    p = model.predict_proba(X)
    assert p.shape == (80, 2)
    np.testing.assert_array_equal(model.predict(X), p > 0.5)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(p), rtol=1e-15)
    assert (model.predict(X) == Y).mean() > 0.7
    Z = model._input_scale.to_standard(X)
    parts = [member.predict(Z).probabilities for member in model.members_]
    np.testing.assert_allclose(p, np.mean(parts, axis=0), rtol=1e-12)
    assert isinstance(model.predict_distribution(X), BernoulliPredictive)
    model.save(tmp_path / "model.npz")
    loaded = BALIClassifier.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.predict_proba(X), p)
    for one in (model, loaded):
        one.partial_fit(X, Y)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="^y: expected one label a row"):
        BALIClassifier(**QUICK).fit(X, Y[:, 0]).partial_fit(X, Y)


def test_a_stream_of_several_labels(answers) -> None:
    X, Y = answers
    model = BALIClassifier(**QUICK)
    for _ in range(20):
        model.partial_fit(X, csr_matrix(Y))
    assert (model.predict(X) == Y).mean() > 0.7
    with pytest.raises(ValueError, match="^y: expected 2 labels a row, got 4"):
        model.partial_fit(X, np.hstack([Y, Y]))


def test_one_label_is_the_class_it_is_of_two(answers) -> None:
    """Of a linear model: a logit f against 0 is two logits f and 0, and the prior of a difference
    of two of precision 2 lam each has precision lam.
    """
    X, Y = answers
    options: dict[str, Any] = {"hidden": (), "epochs": 60, "random_state": 0, "forward": "mean"}
    several = BALIClassifier(prior_precision=1.0, **options).fit(X, np.hstack([Y, Y]))
    two = BALIClassifier(prior_precision=2.0, **options).fit(X, Y[:, 0])
    expected = two.predict_proba(X)[:, 1]
    np.testing.assert_allclose(several.predict_proba(X)[:, 0], expected, rtol=1e-6)


# -- what goes in and what comes out ---------------------------------------------------------------


@pytest.mark.parametrize("form", [csr_matrix, csc_array])
def test_sparse_inputs_are_the_dense_ones(form, regression, iris) -> None:
    for kind, (X, y) in ((BALIRegressor, regression), (BALIClassifier, iris)):
        X = X * (X > X.mean(axis=0))
        model, other = kind(**QUICK).fit(form(X), y), kind(**QUICK).fit(X, y)
        np.testing.assert_array_equal(model.predict(form(X)), other.predict(X))
        model.partial_fit(form(X), y)
        np.testing.assert_array_equal(model.predict(X), other.partial_fit(X, y).predict(X))
    pipeline = make_pipeline(MaxAbsScaler(), BALIRegressor(**QUICK))
    assert np.isfinite(pipeline.fit(form(regression[0]), regression[1]).predict(X[:, :3])).all()


@pytest.mark.parametrize("outputs", [1, 2])
def test_intervals_through_a_pipeline(outputs, regression) -> None:
    X, y = regression
    Y = y if outputs == 1 else np.stack([y, -y], axis=1)
    pipeline = make_pipeline(MaxAbsScaler(), BALIRegressor(**QUICK)).fit(X, Y)
    mean, low, high = pipeline.predict(X, return_interval=0.8)
    ends = pipeline[-1].predict_interval(pipeline[0].transform(X), level=0.8)
    np.testing.assert_array_equal((low, high), ends)
    np.testing.assert_array_equal(mean, pipeline.predict(X))
    assert mean.shape == low.shape == Y.shape
    with pytest.raises(ValueError, match="return_interval: expected a number between 0 and 1"):
        pipeline.predict(X, return_interval=80)
    with pytest.raises(TypeError, match="return_interval: expected a number, got bool"):
        pipeline.predict(X, return_interval=True)
    with pytest.raises(ValueError, match="expected one of return_std, .* got several"):
        pipeline.predict(X, return_std=True, return_interval=0.8)


def test_log_probabilities(iris) -> None:
    model = BALIClassifier(**QUICK).fit(*iris)
    expected = np.log(model.predict_proba(iris[0]))
    np.testing.assert_array_equal(model.predict_log_proba(iris[0]), expected)


def test_a_number_is_one_hidden_layer(regression) -> None:
    X, y = regression
    same(BALIRegressor(**QUICK | {"hidden": (5,)}).fit(X, y), BALIRegressor(**QUICK).fit(X, y), X)
    assert BALI(hidden=7).hidden == (7,)
    for wrong, error in ((0, ValueError), (True, TypeError), (2.0, TypeError), ("5", TypeError)):
        with pytest.raises(error, match="^hidden: expected"):
            BALI(hidden=wrong)


FRAME = pd.DataFrame(
    {
        "age": np.linspace(20.0, 60.0, 12),
        "colour": ["red", "blue"] * 6,
        "when": pd.date_range("2024-01-01", periods=12),
        "gap": np.where(np.arange(12) == 7, np.nan, 1.0),
        "huge": np.full(12, 1e200),
        "tiny": np.linspace(0, 1e-160, 12),
    }
)


@pytest.mark.parametrize("kind", [BALIRegressor, BALIClassifier])
@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("colour", "got the text 'red' in column 'colour'; one-hot encode it"),
        (
            "when",
            "got the date 2024-01-01 00:00:00 in column 'when'; say it in numbers",
        ),
        ("gap", "got 1 NaN or infinite entries, the first in column 'gap', row 7; impute what is "),
        ("huge", r"got one of size 1e\+200, the first in column 'huge', row 0"),
        ("tiny", "got 3.14e-161 in column 'tiny'"),
    ],
)
def test_a_complaint_about_a_column_names_it(kind, column, words) -> None:
    y = np.arange(12) % 2
    with pytest.raises((TypeError, ValueError), match=f"^X: expected .*{words}"):
        kind(**QUICK).fit(FRAME[["age", column]], y)
    if column != "tiny":
        good = FRAME[["age"]].assign(**{column: y.astype(float)})
        with pytest.raises((TypeError, ValueError), match=f"^X: expected .*{words}"):
            kind(**QUICK).fit(good, y).predict(FRAME[["age", column]])


def test_other_complaints_about_columns() -> None:
    model, y = BALIRegressor(**QUICK), np.arange(12.0)
    with pytest.raises(TypeError, match="got the date 2024-01-01.* in column 'when'"):
        model.fit(FRAME[["when"]], y)
    with pytest.raises(TypeError, match="got the duration 0 days.* in column 'span'"):
        model.fit(FRAME[["age"]].assign(span=FRAME.when - FRAME.when[0]), y)
    with pytest.raises(ValueError, match="the first in column 1, row 7"):
        model.fit(FRAME[["age", "gap"]].to_numpy(), y)
    with pytest.raises(ValueError, match="^y: expected a value .* in column 'gap', row 7"):
        model.fit(FRAME[["age"]], FRAME[["age", "gap"]])
    with pytest.raises(ValueError, match=r"^y: expected .* of size 1e\+200, the first in row 0$"):
        model.fit(FRAME[["age"]], FRAME.huge)
    with pytest.raises(TypeError, match="^y: .* the text 'red'; for classes there is BALIClassif"):
        model.fit(FRAME[["age"]], FRAME.colour)
    with pytest.raises(ValueError, match=r"^Y: expected one-hot rows, .* got a vector of shape"):
        BALI((), "categorical").fit(FRAME[["age"]], np.arange(12) % 2, epochs=1)


# -- parameters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [BALIRegressor, BALIClassifier])
def test_all_parameters_survive_clone_pickle_and_file(kind, iris, tmp_path) -> None:
    X, y = iris
    options: dict[str, Any] = {
        "hidden": 4, "epochs": 6, "warm_start": True, "early_stopping": True, "verbose": False,
        "validation_fraction": 0.25, "n_iter_no_change": 2, "random_state": 3,
    }  # fmt: skip
    if kind is BALIClassifier:
        options["class_weight"] = {0: 1.0, 1: 2.0, 2: 3.0}
    model = kind(**options)
    assert clone(model).get_params() == model.get_params()
    assert kind().set_params(**options).get_params() == model.get_params()
    model.fit(X, y)
    model.save(tmp_path / "model.npz")
    loaded = kind.load(tmp_path / "model.npz")
    assert loaded.get_params() == model.get_params()
    assert loaded.n_iter_ == model.n_iter_
    again = pickle.loads(pickle.dumps(model))
    for one in (model, loaded, again):
        one.fit(X, y)  # all go on from the same weights
        np.testing.assert_array_equal(one.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"early_stopping": 1}, TypeError, "early_stopping: expected True or False, got 1"),
        ({"warm_start": "yes"}, TypeError, "warm_start: expected True or False, got 'yes'"),
        ({"verbose": "yes"}, TypeError, "verbose: expected an integer, got str"),
        (
            {"early_stopping": True, "validation_fraction": 2},
            ValueError,
            "validation_fraction: exp",
        ),
        ({"early_stopping": True, "n_iter_no_change": 0}, ValueError, "n_iter_no_change: expected"),
    ],
)
def test_options_that_are_none(options, error, message, regression) -> None:
    with pytest.raises(error, match=f"^{message}"):
        BALIRegressor(**QUICK | options).fit(*regression)
