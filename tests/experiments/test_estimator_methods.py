"""Estimators of others as methods: each against its own prediction, and what is refused."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR

from balinp import BALIRegressor
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError
from balinp.experiments.methods import METHODS, added, from_estimator, imported, select
from balinp.experiments.methods.method import Method
from balinp.standardise import Scale


@pytest.fixture
def curve(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two inputs on different scales; 60 data, 10 inputs to predict at."""
    X = rng.standard_normal((70, 2)) * [1.0, 100.0]
    Y = 5 + 3 * X[:60, :1] + 0.01 * X[:60, 1:] ** 2 + 0.3 * rng.standard_normal((60, 1))
    return X[:60], Y, X[60:]


def test_reported_standard_deviations_are_the_estimators(
    curve: tuple[np.ndarray, ...],
) -> None:
    X, Y, X_new = curve
    scale, m, s = Scale.of(X), Y.mean(), Y.std()
    Z, Z_new, u = scale.to_standard(X), scale.to_standard(X_new), ((Y - m) / s)[:, 0]
    for estimator in (BayesianRidge(), make_pipeline(PolynomialFeatures(2), BayesianRidge())):
        predictive = from_estimator(estimator).fit(X, Y, 0)(X_new)
        mean, std = estimator.fit(Z, u).predict(Z_new, return_std=True)
        np.testing.assert_allclose(predictive.mean[:, 0], m + s * mean, rtol=1e-10)
        np.testing.assert_allclose(predictive.std[:, 0], s * std, rtol=1e-10)


@pytest.mark.parametrize("outputs", [1, 2])
def test_noise_of_a_point_prediction_is_of_rows_left_out(
    outputs: int, curve: tuple[np.ndarray, ...]
) -> None:
    """Five folds by hand, each predicted by a fit to the others; the mean is of a fit to all."""
    X, Y, X_new = curve
    Y = Y if outputs == 1 else np.hstack([Y, -(Y**2)])
    predictive = from_estimator(Ridge(alpha=0.3)).fit(X, Y, 7)(X_new)
    inputs, targets = Scale.of(X), Scale.of(Y)
    Z, U = inputs.to_standard(X), targets.to_standard(Y)

    def ridge(rows: np.ndarray, new: np.ndarray) -> np.ndarray:
        model = Ridge(alpha=0.3).fit(Z[rows], U[rows])
        return model.predict(new).reshape(len(new), -1)

    residuals = np.empty_like(U)
    for train, left_out in KFold(5, shuffle=True, random_state=7).split(Z):
        residuals[left_out] = U[left_out] - ridge(train, Z[left_out])
    std = np.sqrt((residuals**2).mean(axis=0)) * targets.std
    mean = ridge(np.arange(len(Z)), inputs.to_standard(X_new)) * targets.std
    np.testing.assert_allclose(predictive.mean, mean + targets.mean, rtol=1e-10)
    np.testing.assert_allclose(predictive.std, np.broadcast_to(std, mean.shape), rtol=1e-10)
    assert not predictive.epistemic.any()


def test_the_packages_own_estimator_gives_its_own_distribution(
    curve: tuple[np.ndarray, ...],
) -> None:
    """With Student tails, also at the end of a pipeline."""
    X, Y, X_new = curve
    model = BALIRegressor(hidden=(4,), epochs=20)
    inputs, targets = Scale.of(X), Scale.of(Y)
    Z, u = inputs.to_standard(X), targets.to_standard(Y)[:, 0]
    expected = BALIRegressor(hidden=(4,), epochs=20, random_state=3).fit(Z, u)
    expected = targets.to_original(expected.predict_distribution(inputs.to_standard(X_new)))
    other_units = FunctionTransformer(lambda X: 2 * X + 1)  # which the estimator takes out again
    for estimator in (model, make_pipeline(other_units, model), make_pipeline(model)):
        got = from_estimator(estimator).fit(X, Y, 3)(X_new)
        np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-6)
        np.testing.assert_allclose(got.interval(0.99)[0], expected.interval(0.99)[0], rtol=1e-6)
    assert not hasattr(model, "members_")


def test_probabilities_are_the_classifiers(rng: np.random.Generator) -> None:
    X, labels = rng.standard_normal((60, 2)), np.arange(60) % 3
    X += labels[:, None]
    method = from_estimator(GaussianNB())
    assert method.kind == CLASSIFICATION
    predictive = method.fit(X[:50], np.eye(4)[labels[:50]], 0)(X[50:])
    scale = Scale.of(X[:50])
    model = GaussianNB().fit(scale.to_standard(X[:50]), labels[:50])
    expected = model.predict_proba(scale.to_standard(X[50:]))
    np.testing.assert_allclose(predictive.probabilities[:, :3], expected, rtol=1e-9)
    np.testing.assert_array_equal(predictive.probabilities[:, 3], 0)  # of no training row


def test_the_split_is_the_seed(curve: tuple[np.ndarray, ...]) -> None:
    X, Y, X_new = curve
    for forest in (RandomForestRegressor(5), make_pipeline(RandomForestRegressor(5))):
        method = from_estimator(forest)
        one, again, other = (method.fit(X, Y, seed)(X_new).mean for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()


def test_settings_say_the_parameters() -> None:
    settings = [
        from_estimator(estimator).settings
        for estimator in (
            Ridge(),
            Ridge(alpha=2.0),
            make_pipeline(StandardScaler(), Ridge(alpha=3.0)),
            make_pipeline(StandardScaler(), SVR(kernel=lambda A, B: A @ B.T)),
            RandomForestRegressor(**dict.fromkeys(("n_estimators", "max_depth"), 17)),
        )
    ]
    assert len(set(settings)) == len(settings)
    assert not any(" at 0x" in text or "\n" in text for text in settings)


class Duck:
    """Has the methods of an estimator, and nothing that says which kind."""

    def fit(self, X: Any, y: Any) -> Any: ...
    def predict(self, X: Any) -> Any: ...
    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}


class Failing(LinearRegression):
    """Fails on some data."""

    def fit(self, X: Any, y: Any) -> Any:
        raise ZeroDivisionError("no luck\nat all")


class Odd(RegressorMixin, BaseEstimator):
    """Predicts what it is told to, for so many rows."""

    def __init__(self, returned: Any) -> None:
        self.returned = returned

    def fit(self, X: Any, y: Any) -> Any:
        return self

    def predict(self, X: Any) -> Any:
        return self.returned(len(X))


class Exiting(Odd):
    """Is done for today."""

    def __init__(self) -> None: ...

    def fit(self, X: Any, y: Any) -> Any:
        sys.exit(0)


class Strange(Odd):
    """Has a distribution that no score knows."""

    def predict_distribution(self, X: Any) -> Any:
        return self.returned


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Ridge, "Ridge|type: expected an estimator, got the class Ridge"),
        (3, "int: expected an estimator with fit, .* has no fit and no predict"),
        (StandardScaler(), "StandardScaler: .* has no predict"),
        (KMeans(2), "got KMeans, neither a regressor nor a classifier"),
        (Duck(), "got Duck, neither a regressor nor a classifier"),
        (SVC(), "expected a classifier with predict_proba, got one without; Calibrated"),
    ],
)
def test_what_is_no_estimator(estimator: Any, message: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn deplores ducks
        with pytest.raises(UserError, match=message):
            from_estimator(estimator)


def test_what_fails_in_an_estimator_is_one_line(curve: tuple[np.ndarray, ...]) -> None:
    X, Y, _ = curve
    with pytest.raises(
        UserError, match=r"^Failing: fitting failed with ZeroDivisionError: no luck$"
    ):
        from_estimator(Failing()).fit(X, Y, 0)
    for returned, what, message in (
        (
            lambda n: np.full(n, np.nan),
            "fitting",
            "finite predictions, got 12 NaN or infinite ones",
        ),
        (lambda n: np.zeros(n - 1), "fitting", r"predictions of 12 rows, got shape \(11,\)"),
        (lambda n: ["a"] * n, "fitting", "predictions that are numbers, got dtype <U1"),
    ):
        with pytest.raises(UserError, match=f"^Odd: {what} failed with .*: expected {message}"):
            from_estimator(Odd(returned)).fit(X, Y, 0)
    strange = from_estimator(Strange(lambda n: None)).fit(X, Y, 0)
    with pytest.raises(
        UserError, match="^Strange: predicting failed .* a Categor.*, got function$"
    ):
        strange(X)
    with pytest.raises(UserError, match="^Exiting: fitting failed with SystemExit: 0$"):
        from_estimator(Exiting()).fit(X, Y, 0)
    sure = from_estimator(GaussianProcessRegressor(alpha=0.0, optimizer=None)).fit(X, Y, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UserError, match="predicting failed .* deviations above 0, got 0"):
            sure(X)


# -- places ----------------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file in the working directory, which Python does not look at by itself."""
    (tmp_path / "my_methods_of_test.py").write_text(
        "from sklearn.linear_model import LogisticRegression, Ridge\n"
        "ridge = Ridge(2.0)\n"
        "def made():\n    return Ridge(3.0)\n"
        "def wants(argument):\n    return Ridge()\n"
        "class Box:\n    inner = Ridge(4.0)\n"
    )
    (tmp_path / "broken_of_test.py").write_text("import nothing_of_this_name\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in sys.path if p])
    return "my_methods_of_test"


def test_estimators_are_imported(module: str) -> None:
    for path, alpha in (("ridge", 2.0), ("made", 3.0), ("Ridge", 1.0), ("Box.inner", 4.0)):
        method = imported(f"{module}:{path}", REGRESSION)
        assert (method.name, method.train.estimator.alpha) == (path, alpha)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere_of_test:x", "importing 'nowhere_of_test' failed with ModuleNotFoundError"),
        ("broken_of_test:x", "failed with ModuleNotFoundError: No module named 'nothing_of"),
        ("{}:other", "expected an object of '{}'; .*no attribute 'other'"),
        ("{}:wants", r"wants\(\) failed with TypeError: .*argument"),
        ("{}:LogisticRegression", "expected an estimator for regression, got classification"),
        ("{}:Box", "expected an estimator with fit"),
        ("{}", "expected MODULE:OBJECT"),
        ("{}:", "expected MODULE:OBJECT"),
        (":x", "expected MODULE:OBJECT"),
    ],
)
def test_what_cannot_be_imported(place: str, message: str, module: str) -> None:
    with pytest.raises(UserError, match=message.format(module)) as refusal:
        imported(place.format(module), REGRESSION)
    assert str(refusal.value).startswith(f"--method {place.format(module)}: ")
    assert "\n" not in str(refusal.value)


def test_names_of_added_methods_are_their_own() -> None:
    names = [method.name for method in select(REGRESSION, ["MLP"])]
    clash = "sklearn.linear_model:BayesianRidge"  # also the name of a method of this package
    got = added(REGRESSION, ["sklearn.svm:SVR", clash, Ridge(), METHODS[0]], names)
    assert [method.name for method in got] == ["SVR", clash, "Ridge", METHODS[0].name]
    with pytest.raises(UserError, match="Ridge: a method of this name is there already"):
        added(REGRESSION, [Ridge(), Ridge(alpha=2.0)])
    two = [from_estimator(Ridge(), "soft"), from_estimator(Ridge(2.0), "hard")]
    assert [method.name for method in added(REGRESSION, two)] == ["soft", "hard"]
    with pytest.raises(UserError, match="expected a method for regression, got classification"):
        added(REGRESSION, [Method("other", CLASSIFICATION, LogisticRegression())])
