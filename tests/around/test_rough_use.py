"""What goes wrong in honest use: fits cut short, odd labels and tables, changed settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from balinp import BALI, BALIClassifier, BALIRegressor, plot
from balinp._types import Array
from balinp.diagnostics import diagnose
from balinp.estimators.refused import refuse_text

QUICK: dict[str, Any] = {"hidden": 4, "epochs": 4, "random_state": 0}


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[Array, Array]:
    X = rng.normal(size=(40, 3))
    return X, X[:, 0] + 0.1 * rng.normal(size=40)


# -- a fit that is cut short -----------------------------------------------------------------------


def in_the_middle(error: type[BaseException]) -> Callable[[BALI], None]:
    """A callback that raises after the second pass."""

    def callback(model: BALI) -> None:
        if model.steps % 4 == 2:
            raise error

    return callback


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_fit_that_fails_leaves_the_model_before(error, n_members, warm_start, data) -> None:
    """With the units of data that it has not learnt, what it predicts would be another function."""
    X, y = data
    names = pd.DataFrame(X, columns=["a", "b", "c"])
    model = BALIRegressor(n_members=n_members, warm_start=warm_start, **QUICK).fit(names, y)
    known, predicted = dict(vars(model)), model.predict(names, return_std=True)
    others = (7 * X[:20], 3 * y[:20]) if warm_start else (7 * X[:, :2], y)
    with pytest.raises(error):
        model.fit(*others, callback=in_the_middle(error))
    assert vars(model) == known
    np.testing.assert_array_equal(model.predict(names, return_std=True), predicted)
    assert all(len(history) == 4 for history in model.histories_)


def test_data_that_are_refused_leave_the_model_before(data) -> None:
    X, y = data
    labels = np.where(y > 0, "yes", "no")
    model = BALIClassifier(warm_start=True, **QUICK).fit(X, labels)
    predicted = model.predict_proba(X)
    for others, targets in ((X[:, :2], labels), (X, y > 0), (X, [None] * 40)):
        with pytest.raises(ValueError, match=r"^(X, )?y: expected"):
            model.fit(others, targets)
    np.testing.assert_array_equal(model.predict_proba(X), predicted)
    assert model.classes_.tolist() == ["no", "yes"]


def test_a_first_fit_that_fails_is_none(data) -> None:
    model = BALIRegressor(**QUICK)
    with pytest.raises(ZeroDivisionError):
        model.fit(*data, callback=in_the_middle(ZeroDivisionError))
    assert vars(model) == vars(BALIRegressor(**QUICK))


# -- settings --------------------------------------------------------------------------------------


def test_partial_fit_refuses_settings_that_it_cannot_follow(data) -> None:
    X, y = data
    model = BALIRegressor(batch_size=None, **QUICK).fit(X, y)
    for changed in ({"hidden": 5}, {"n_members": 2}, {"covariance": "layerwise"}):
        before = {name: getattr(model, name) for name in changed}
        (name,) = changed
        with pytest.raises(ValueError, match=f"^{name}: .* as before, since partial_fit goes on"):
            model.set_params(**changed).partial_fit(X, y)
        model.set_params(**before)
    assert model.partial_fit(X, y).members_[0].steps == 5


@pytest.mark.parametrize("seed", ["a", -1, 1.0, [1, 2], np.random.default_rng(0)])
def test_a_random_state_of_another_kind_is_named(seed, data) -> None:
    for ask in (
        lambda: BALIRegressor(**QUICK | {"random_state": seed}).fit(*data),
        lambda: BALIRegressor(**QUICK).fit(*data).sample_y(data[0], random_state=seed),
    ):
        if seed == -1 or not isinstance(seed, int):
            with pytest.raises(ValueError, match="^random_state: expected an integer from 0"):
                ask()


@pytest.mark.parametrize("flag", ["yes", 1, None])
def test_standardize_is_true_or_false(flag, data) -> None:
    with pytest.raises(TypeError, match="^standardize: expected True or False, got"):
        BALIRegressor(standardize=flag, **QUICK).fit(*data)


def test_a_callback_says_stop_in_numpys_words_too(data) -> None:
    X, y = data
    stop = np.float64(2.0) > 1
    assert BALIRegressor(**QUICK).fit(X, y, callback=lambda model: stop).n_iter_ == 1
    assert BALI(hidden=4).fit(X, y[:, None], epochs=4, callback=lambda model: stop).steps == 1
    for fit in (BALIRegressor(**QUICK).fit, lambda X, y, callback: BALI().fit(
        X, y[:, None], epochs=1, callback=callback
    )):  # fmt: skip
        with pytest.raises(TypeError, match="^callback: expected a function of a model, got int$"):
            fit(X, y, callback=3)


def test_settings_of_any_sequence_are_stored(data, tmp_path) -> None:
    model = BALIRegressor(hidden=range(3, 5), noise_variance=pd.Series([0.5]), epochs=2)
    model.fit(*data).save(tmp_path / "model.npz")
    same = BALIRegressor.load(tmp_path / "model.npz")
    assert (same.hidden, same.noise_variance) == ((3, 4), (0.5,))


# -- labels and targets ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (pd.Series([True, False] * 20, dtype="boolean"), "b"),
        (np.array([True, False] * 20, dtype=object), "b"),
        (np.array([3, 1] * 20, dtype=object), "i"),
        (pd.Series([3, 1] * 20, dtype="Int8"), "i"),
        (pd.Series([3, 1] * 20, dtype="category"), "i"),
        (pd.Series(["b", "a"] * 20, dtype="string"), "O"),
    ],
    ids=str,
)
def test_labels_keep_their_kind(labels, kind, data, tmp_path) -> None:
    model = BALIClassifier(**QUICK).fit(data[0], labels)
    assert model.classes_.dtype.kind == kind
    assert model.classes_.tolist() == sorted(set(labels))
    model.save(tmp_path / "model.npz")
    again = BALIClassifier.load(tmp_path / "model.npz")
    assert again.predict(data[0]).tolist() == model.predict(data[0]).tolist()


MISSING: list[Any] = [None, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT")]


@pytest.mark.parametrize("nothing", MISSING, ids=repr)
@pytest.mark.parametrize("known", [["a", "b"], [0, 1], [0.0, 1.5]], ids=repr)
def test_rows_without_a_target_are_named(nothing, known, data) -> None:
    y = np.array(known * 20, dtype=object)
    y[[5, 7]] = nothing
    words = "^y: expected a value in every row, got none in 2 of 40, the first in row 5"
    estimators = [BALIClassifier] if isinstance(known[0], str) else [BALIClassifier, BALIRegressor]
    for estimator in estimators:
        for given in (y, pd.Series(y)):
            with pytest.raises((ValueError, TypeError), match=words):
                estimator(**QUICK).fit(data[0], given)


def test_a_missing_one_of_several_targets_has_its_column(data) -> None:
    X, y = data
    frame = pd.DataFrame({"u": y, "v": y})
    frame.loc[3, "v"] = np.nan
    with pytest.raises(ValueError, match="got none in 1 of 80, the first in column 'v', row 3;"):
        BALIRegressor(**QUICK).fit(X, frame)


def test_labels_of_two_kinds_are_refused(data) -> None:
    for labels in (np.array(["a", 1] * 20, dtype=object), ["a", 1] * 20):  # not "a" and "1"
        with pytest.raises(TypeError, match="^y: expected labels of one kind, got 'a' and 1$"):
            BALIClassifier(**QUICK).fit(data[0], labels)
    with pytest.raises(ValueError, match="^y: expected at least two classes, got one class, 'a';"):
        BALIClassifier(**QUICK).fit(data[0], ["a"] * 40)


# -- tables ----------------------------------------------------------------------------------------


class Table:
    """A table of another library than pandas, which as a whole is an array of numbers."""

    def __init__(self, **columns: Any) -> None:
        self._known = columns
        self.column_names = list(columns)
        self.columns = list(columns.values())

    def __getitem__(self, name: str) -> Any:
        return self._known[name]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.zeros((2, len(self._known)))


DAYS = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (DAYS, "got the date 2020-01-01 in column 'b'; say it in numbers"),
        (DAYS - DAYS[0], "got the duration 0 days in column 'b'"),
        (np.array([date(2020, 1, 1)] * 2), "got the date 2020-01-01 in column 'b'"),
        (np.array(["x", "y"]), "got the text 'x' in column 'b'; one-hot encode it"),
        (pd.period_range("2020", periods=2).to_numpy(), r"Period\(.*\) in column 'b', row 0;"),
    ],
    ids=["days", "spans", "objects", "text", "periods"],
)
def test_tables_of_other_libraries_have_columns_too(column, found) -> None:
    numbers = np.array([1.0, 2.0])
    refuse_text(Table(a=numbers, b=numbers), "X")
    with pytest.raises(TypeError, match=f"^X: expected real numbers, .*{found}"):
        refuse_text(Table(a=numbers, b=column), "X")
    with pytest.raises(TypeError, match="^X: expected real numbers, .*in column 'b'"):
        refuse_text(pd.DataFrame({"a": numbers, "b": column}), "X")


# -- what is no table, no setting ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ({"a": [1, 2]}, "X: expected an array, a frame or a nested list, got dict"),
        (
            (row for row in [[1.0], [2.0]]),
            "X: expected an array, a frame or a nested list, got gen",
        ),
        ([[1.0, 2.0], [3.0]], "X: expected rows of equal length"),
        (np.zeros(2, dtype=[("a", float), ("b", float)]), "got a structured array of fields a, b;"),
        ([[1.0], [10**400]], "X: .* got one of 1329 bits in column 0, row 1"),
        (None, r"X: expected a matrix of shape \(n, n_features\), got shape \(\)$"),
        (np.ones((2, 3, 1)), r"got shape \(2, 3, 1\)$"),
        ([1.0, 2.0], r"got shape \(2,\)\. Reshape your data: X\.reshape\(-1, 1\) if it is one"),
    ],
    ids=["dict", "generator", "ragged", "structured", "huge", "none", "three", "vector"],
)
def test_what_is_no_table_is_named(X, message) -> None:
    for kind in (BALIRegressor, BALIClassifier):
        with pytest.raises((TypeError, ValueError), match=message):
            kind(**QUICK).fit(X, [1, 2])


def test_one_row_or_targets_in_place_of_inputs_are_named(data) -> None:
    X, y = data
    model = BALIRegressor(**QUICK).fit(X, y)
    for ask in (
        lambda: model.predict(X[0]),
        lambda: diagnose(model, X, y),
        lambda: plot.coverage(model, X, y),
        lambda: model.partial_fit(pd.Series(y), y),
    ):
        with pytest.raises(ValueError, match=r"^X: expected a matrix of shape \(n, 3\), got shape"):
            ask()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.ones((40, 1, 1)),
            r"y: expected shape \(n,\) or \(n, n_outputs\), got shape \(40, 1, 1\)",
        ),
        (1.0, r"y: expected shape \(n,\) or \(n, n_outputs\), got shape \(\)"),
        (csr_matrix(np.ones((40, 1))), "y: expected an ordinary array, got a sparse matrix"),
    ],
    ids=["three", "number", "sparse"],
)
def test_targets_that_are_none_are_named(y, message, data) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        BALIRegressor(**QUICK).fit(data[0], y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_jobs": 0}, "n_jobs: expected None or a whole number other than 0, got 0"),
        ({"n_jobs": "two"}, "n_jobs: expected None or a whole number other than 0, got 'two'"),
        ({"n_jobs": 1.5}, "n_jobs: expected None or a whole number other than 0, got 1.5"),
        ({"hidden": {5, 3}}, "hidden: expected an integer or a sequence of integers, got {3, 5}"),
        (
            {"hidden": {5: "relu"}},
            "hidden: expected an integer or a sequence of integers, got {5: ",
        ),
        ({"hidden": ""}, "hidden: expected an integer or a sequence of integers, got ''"),
    ],
    ids=str,
)
def test_settings_without_a_meaning_are_named(settings, message, data) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        BALIRegressor(**QUICK | settings).fit(*data)


def test_weights_whose_squares_have_no_sum_are_named(data) -> None:
    X, y = data
    heavy = np.full(40, 1e160)
    for fit in (
        lambda: BALIRegressor(**QUICK).fit(X, y, sample_weight=heavy),
        lambda: BALI(4).fit(X, y[:, None], epochs=1, sample_weight=heavy),
    ):
        with pytest.raises(ValueError, match="^sample_weight: expected numbers .* size 1e\\+160$"):
            fit()


@pytest.mark.parametrize("name", ["return_std", "return_cov"])
def test_what_is_asked_for_is_true_or_false(name, data) -> None:
    model = BALIRegressor(**QUICK).fit(*data)
    with pytest.raises(TypeError, match=f"^{name}: expected True or False, got 'yes'$"):
        model.predict(data[0], **{name: "yes"})


@pytest.mark.parametrize("classes", [[], 3, "ab", [["a", "b"]]], ids=repr)
def test_classes_that_are_no_sequence_of_labels_are_named(classes, data) -> None:
    with pytest.raises(ValueError, match="^classes: expected a sequence of labels, got"):
        BALIClassifier(**QUICK).partial_fit(data[0], ["a", "b"] * 20, classes=classes)
    with pytest.raises(TypeError, match="^classes: expected labels of one kind, got 'a' and 1$"):
        BALIClassifier(**QUICK).partial_fit(data[0], ["a", "b"] * 20, classes=["a", 1])


def test_classes_may_be_a_set(data) -> None:
    model = BALIClassifier(**QUICK).partial_fit(data[0], ["a", "b"] * 20, classes={"b", "a"})
    assert model.classes_.tolist() == ["a", "b"]


# -- pictures --------------------------------------------------------------------------------------


def test_each_of_several_answers_is_a_datum_of_reliability(data) -> None:
    X, y = data
    Y = np.stack([y > 0, X[:, 1] > 0], axis=1).astype(int)
    model = BALIClassifier(**QUICK).fit(X, Y)
    p = model.predict_proba(X).ravel()
    axes = plot.reliability(model, Y, X=X, fewest=1)
    expected = plot.reliability(np.stack([1 - p, p], axis=1), Y.ravel(), fewest=1)
    np.testing.assert_array_equal(
        axes.get_lines()[-1].get_xydata(), expected.get_lines()[-1].get_xydata()
    )


def test_pictures_and_diagnose_take_a_model_targets_and_inputs_in_this_order(data) -> None:
    X, y = data
    model, labels = BALIRegressor(**QUICK).fit(X, y), (y > 0).astype(int)
    classifier = BALIClassifier(**QUICK).fit(X, labels)
    assert str(diagnose(model, y, X)) == str(diagnose(model, y, X=X))
    for picture, who, targets in (
        (plot.coverage, model, y),
        (plot.residuals, model, y),
        (plot.reliability, classifier, labels),
    ):
        one, other = picture(who, targets, X), picture(who, targets, X=X)
        np.testing.assert_array_equal(
            one.get_lines()[-1].get_xydata(), other.get_lines()[-1].get_xydata()
        )


def test_the_class_of_an_estimator_is_no_model(data) -> None:
    X, y = data
    for ask in (plot.coverage, plot.residuals, diagnose):
        with pytest.raises(TypeError, match=r"^predictive: expected a .*, got \w*type$|ABCMeta$"):
            ask(BALIRegressor, y, X)
    with pytest.raises(TypeError, match="^probabilities: expected real numbers, got"):
        plot.reliability(BALIClassifier, y > 0, X)


def test_pictures_say_what_kind_of_model_they_need(data) -> None:
    X, y = data
    regressor, classifier = BALIRegressor(**QUICK), BALIClassifier(**QUICK)
    for picture, name in ((plot.convergence, "history"), (plot.weights, "model")):
        with pytest.raises(ValueError, match=f"^{name}: expected a fitted estimator, got BALIR"):
            picture(regressor)
    with pytest.raises(TypeError, match="^probabilities: expected those of classes, or a classif"):
        plot.reliability(regressor.fit(X, y), y, X=X)
    with pytest.raises(TypeError, match="a model of regression, got CategoricalPredictive$"):
        plot.coverage(classifier.fit(X, y > 0), y, X=X)
