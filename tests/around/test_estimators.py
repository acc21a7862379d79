"""The scikit-learn estimators: scikit-learn's own checks, weights, units, streams, members."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from processes import python
from sklearn.base import clone
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import balinp
from balinp import BALI, BALIClassifier, BALIRegressor, dense
from balinp._types import Array
from balinp.defaults import CLASSIFICATION_TRAINING, LEAST_PASSES, REGRESSION_TRAINING
from balinp.experiments.benchmark_cases import generated
from balinp.predictive import (
    CategoricalPredictive,
    GaussianPredictive,
    MixturePredictive,
    StudentMixture,
    StudentPredictive,
)

LINEAR: dict[str, Any] = {"hidden": (), "random_state": 0}
QUICK: dict[str, Any] = {"hidden": (5,), "epochs": 10, "random_state": 0}


@pytest.fixture
def regression(rng) -> tuple[Array, Array]:
    """60 rows, 4 columns on different scales, one constant; a target far from zero."""
    X = rng.normal(size=(60, 4)) * [1.0, 1e-2, 1e2, 0.0] + [0.0, 5.0, -1e3, 0.3]
    y = 1e3 + 50 * np.sin(X[:, 0]) + 2e3 * (X[:, 1] - 5.0) + rng.normal(size=60)
    return X, y


@pytest.fixture
def classification() -> tuple[Array, Array]:
    X, y = load_breast_cancer(return_X_y=True)
    return X[:150], np.where(y[:150] == 1, "benign", "malignant")


# What scikit-learn asks for ---------------------------------------------------------------------


SMALL: dict[str, Any] = {"hidden": (5,), "epochs": 15}


def checks_by_name(estimator: Any) -> dict[str, Any]:
    """Scikit-learn's checks; of those that come several times, with other arrays, the first."""
    found: dict[str, Any] = {}
    for _, check in estimator_checks_generator(estimator):
        found.setdefault(getattr(check, "func", check).__name__, check)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "peer"),
    [(BALIRegressor(**SMALL), MLPRegressor()), (BALIClassifier(**SMALL), MLPClassifier())],
    ids=["regressor", "classifier"],
)
def test_scikit_learns_own_checks(estimator, peer):
    """All of them, with small models, and none that scikit-learn's own networks have beside."""
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    not_run = {
        "check_array_api_input",  # in a process of its own, below
        "check_classifiers_multilabel_output_format_decision_function",  # there is none
    }
    for result in results:
        assert result["status"] == "passed" or result["check_name"] in not_run, result
    count = Counter(result["status"] for result in results)
    print(f"{type(estimator).__name__}: {dict(count)}")
    assert count["passed"] >= 58
    assert checks_by_name(peer).keys() <= checks_by_name(estimator).keys()


def test_scikit_learns_check_of_the_array_api():
    """It needs an environment variable of SciPy before that is imported."""
    code = (
        "from balinp import BALIClassifier, BALIRegressor\n"
        "from sklearn.utils.estimator_checks import estimator_checks_generator\n"
        "for kind in (BALIRegressor, BALIClassifier):\n"
        "    for estimator, check in estimator_checks_generator(kind(hidden=3, epochs=3)):\n"
        "        if 'check_array_api_input' in str(check): check(estimator); print('passed')\n"
    )
    done = python("-c", code, cwd=BESIDE, env=os.environ | {"SCIPY_ARRAY_API": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["passed"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "train"),
    [(BALIRegressor(), "check_regressors_train"), (BALIClassifier(), "check_classifiers_train")],
    ids=["regressor", "classifier"],
)
def test_scikit_learns_checks_of_training_with_the_defaults(estimator, train):
    """Those whose outcome depends on how large a model is and on how long it is trained."""
    checks = checks_by_name(estimator)
    weights = "check_sample_weight_equivalence_on_dense_data"
    for name in (train, weights, "check_fit_idempotent"):
        checks[name](estimator)


def test_defaults_are_those_of_the_shared_training():
    for kind, training in (
        (BALIRegressor, REGRESSION_TRAINING),
        (BALIClassifier, CLASSIFICATION_TRAINING),
    ):
        parameters = kind().get_params()
        known = {name: value for name, value in training.model.items() if name != "likelihood"}
        assert known == {name: parameters[name] for name in known}
        for rows in (100, 10**6):
            batch_size = training.batch_size_for(rows)
            assert kind()._batch_size(rows) == batch_size
            assert kind()._epochs(rows, batch_size) == training.epochs_for(rows, batch_size)
        # What the shared training sets and the estimators do not know would be lost.
        assert "likelihood" in training.model
        assert set(training.fit) == {"epochs"}


@pytest.mark.parametrize(
    ("estimator", "width", "apart"), [(BALIRegressor, 2, 0.02), (BALIClassifier, 8, 0.05)]
)
def test_the_switch_to_batches_makes_no_jump(estimator, width, apart):
    """In held-out log-likelihood, generated data (.010 and .03 when this was written)."""
    last = estimator.training.full_batch_up_to
    kind, K = ("regression", 1) if estimator is BALIRegressor else ("classification", 3)
    X, Y, _ = generated(last + 2001, width, K, kind)
    y = Y[:, 0] if K == 1 else Y.argmax(axis=1)
    scores, steps = [], []
    for rows in (last, last + 1):
        model = estimator(10, random_state=0).fit(X[:rows], y[:rows])
        if K == 1:
            held_out = model.predict_distribution(X[-2000:]).logpdf(y[-2000:, None])
        else:
            held_out = np.log(model.predict_proba(X[-2000:])[np.arange(2000), y[-2000:]])
        scores.append(held_out.mean())
        steps.append(model.members_[0].steps)
    assert steps[1] > 1.9 * steps[0]
    assert abs(scores[1] - scores[0]) < apart


@pytest.mark.parametrize("training", [REGRESSION_TRAINING, CLASSIFICATION_TRAINING])
def test_the_time_of_a_fit_is_bounded_by_the_rule(training):
    """Visits of rows, of which the time is made: no jump, and no growth but with few passes."""
    most, last = training.fit["epochs"], int(training.full_batch_up_to)
    for rows in (10, last, last + 1, 50_000, 10**6):
        batch_size = training.batch_size_for(rows)
        passes = training.epochs_for(rows, batch_size)
        assert rows * passes <= max(training.most_visits, LEAST_PASSES * rows)
        assert LEAST_PASSES <= passes <= most
        batches = 1 if batch_size is None else -(-rows // batch_size)
        smallest = rows - (batches - 1) * (batch_size or rows)
        assert smallest > (batch_size or rows) - batches  # about equal
    below, above = (
        training.epochs_for(rows, training.batch_size_for(rows)) for rows in (last, last + 1)
    )
    assert 0 <= below - above <= 1
    if training is REGRESSION_TRAINING:
        assert training.epochs_for(50_000, training.batch_size_for(50_000)) == 80


def test_what_the_documentation_says_of_the_rule_is_so():
    for kind in (BALIRegressor, BALIClassifier):
        rule = kind.training
        said = " ".join(kind.__doc__.split())
        for number in (
            rule.fit["epochs"], rule.most_visits, rule.full_batch_up_to, rule.batch_size,
            LEAST_PASSES, rule.most_visits / rule.fit["epochs"],
        ):  # fmt: skip
            assert f" {number:,.0f}" in said


def test_parameters_survive_a_clone():
    model = BALIRegressor((3, 2), noise_variance=0.5, n_members=2, batch_size=None)
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(hidden=(4,)).hidden == (4,)


BESIDE = Path(balinp.__file__).parent.parent


def test_balinp_does_not_import_scikit_learn_until_asked():
    code = (
        "import sys, balinp; assert 'sklearn' not in sys.modules;"
        "balinp.BALIRegressor; assert 'sklearn' in sys.modules"
    )
    done = python("-c", code, cwd=BESIDE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["BALIRegressor", "BALIClassifier"])
def test_without_scikit_learn_the_error_names_the_extra(name):
    code = f"import sys; sys.modules['sklearn'] = None; import balinp; balinp.{name}"
    done = python("-c", code, cwd=BESIDE)
    assert done.returncode != 0
    expected = f"ImportError: balinp.{name}: expected scikit-learn, which is not installed: "
    assert done.stderr.splitlines()[-1] == expected + "pip install 'balinp[sklearn]'"


def test_unknown_names_are_still_unknown():
    with pytest.raises(AttributeError, match="no attribute 'BALITransformer'"):
        balinp.BALITransformer  # noqa: B018


# The same model ---------------------------------------------------------------------------------


def assert_same(
    model: Any, X: Array, other: Any, Z: Array, *, scale: float = 1.0, shift: float = 0.0
):
    """Same predictions, up to what `predict` may differ by in each of the two networks."""
    mean, sd = model.predict(X, return_std=True)
    mean_of_other, sd_of_other = other.predict(Z, return_std=True)
    tolerance = 1e-8 if model.hidden == () else 1e-2
    assert np.abs((scale * mean + shift - mean_of_other) / sd_of_other).max() < tolerance
    np.testing.assert_allclose(scale * sd, sd_of_other, rtol=tolerance)


networks = pytest.mark.parametrize("hidden", [(), (50,)], ids=["linear", "default"])


@pytest.mark.equation("LR-6")
@networks
def test_weights_are_repetitions_and_the_order_of_rows_is_no_matter(hidden, rng):
    X, y = load_diabetes(return_X_y=True)
    X, y, w = X[:120], y[:120], rng.integers(0, 4, 120)
    rows = np.repeat(np.arange(120), w)
    rng.shuffle(rows)
    models = [BALIRegressor(hidden, epochs=30, random_state=0) for _ in range(3)]
    models[0].fit(X, y, sample_weight=w)
    models[1].fit(X[rows], y[rows])
    assert_same(models[0], X, models[1], X)
    assert models[0].log_evidence_ == pytest.approx(models[1].log_evidence_, rel=1e-8)
    thrice = np.tile(np.arange(120), 3)
    parts = rng.uniform(0, 1, 360)  # sums of three, whose rounding depends on the order
    models[1].fit(X[thrice], y[thrice], sample_weight=parts)
    order = rng.permutation(360)
    models[2].fit(X[thrice][order], y[thrice][order], sample_weight=parts[order])
    np.testing.assert_array_equal(models[1].predict(X), models[2].predict(X))


@pytest.mark.equation("LR-6")
def test_weights_of_a_linear_model_are_those_of_the_dense_posterior(rng):
    """With weights that are no whole numbers, which no repetition can check."""
    X, y, w = rng.normal(size=(20, 3)), rng.normal(size=20), rng.uniform(0.1, 3, 20)
    model = BALIRegressor(standardize=False, prior_precision=2.0, noise_variance=0.3, **LINEAR)
    model.fit(X, y, sample_weight=w)
    design, V = np.hstack([X, np.ones((20, 1))]), np.array([[0.3]])
    posterior = dense.posterior(design, y[:, None], V, np.zeros((4, 1)), np.eye(4) / 2, weights=w)
    mean, covariance = dense.predictive(design, *posterior, V)
    got_mean, got_sd = model.predict(X, return_std=True)
    np.testing.assert_allclose(got_mean, mean[:, 0], rtol=1e-10)
    np.testing.assert_allclose(got_sd, np.sqrt(covariance[:, 0, 0]), rtol=1e-10)


@networks
def test_units_of_features_and_targets_are_no_matter(hidden):
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:120], y[:120]
    model = BALIRegressor(hidden, random_state=0).fit(X, y)
    factors = np.geomspace(1e-3, 1e3, X.shape[1])
    Z = factors * X + 3 * factors
    assert_same(model, X, BALIRegressor(hidden, random_state=0).fit(Z, y), Z)
    rescaled = BALIRegressor(hidden, random_state=0).fit(X, 1e4 * y - 7.0)
    assert_same(model, X, rescaled, X, scale=1e4, shift=-7.0)
    expected = model.log_evidence_ - len(y) * np.log(1e4)
    assert rescaled.log_evidence_ == pytest.approx(expected, rel=1e-8)


def hard_regression(rng: np.random.Generator) -> tuple[Array, Array]:
    """A curve in one input, on which training blows up rounding to a tenth of an std and more."""
    X = rng.uniform(-2, 2, (100, 1))
    return X, np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=100)


@pytest.mark.equation("LR-6")
@pytest.mark.parametrize("noise", [None, 0.01])
def test_rounding_by_units_and_by_split_weights_is_not_blown_up(noise, rng):
    """Factors that are no powers of two, and weights whose parts do not add up exactly."""
    X, y = hard_regression(rng)
    w, share = rng.uniform(0.05, 3, 100), rng.uniform(0, 1, 100)
    model = BALIRegressor(random_state=0, noise_variance=noise).fit(X, y, sample_weight=w)
    parts = np.append(w * share, w * (1 - share))
    split = BALIRegressor(random_state=0, noise_variance=noise)
    split.fit(np.tile(X, (2, 1)), np.tile(y, 2), sample_weight=parts)
    assert_same(model, X, split, X)
    Z, factor = 0.3 * X + 7.0, 0.37
    scaled_noise = None if noise is None else noise * factor**2
    other = BALIRegressor(random_state=0, noise_variance=scaled_noise)
    other.fit(Z, factor * y + 3.0, sample_weight=w)
    assert_same(model, X, other, Z, scale=factor, shift=3.0)


@pytest.mark.parametrize("hidden", [(), (50,)], ids=["linear", "default"])
def test_units_and_split_weights_of_a_classifier(hidden, rng):
    X, y = load_iris(return_X_y=True)
    w, share = rng.uniform(0.05, 3, 150), rng.uniform(0, 1, 150)
    options: dict[str, Any] = {"hidden": hidden, "random_state": 0}
    p = BALIClassifier(**options).fit(X, y, sample_weight=w).predict_distribution(X)
    parts = np.append(w * share, w * (1 - share))
    split = BALIClassifier(**options)
    split.fit(np.tile(X, (2, 1)), np.tile(y, 2), sample_weight=parts)
    Z = X * [0.3, 7.0, 1e-3, 11.0] + [1.0, -2.0, 0.1, 5.0]
    scaled = BALIClassifier(**options).fit(Z, y, sample_weight=w)
    for q in (split.predict_distribution(X), scaled.predict_distribution(Z)):
        assert np.abs((p.probabilities - q.probabilities) / p.std).max() < 1e-8


@pytest.mark.equation("LR-6")
@pytest.mark.parametrize("forward", ["mean", "linearised"])
@pytest.mark.parametrize("batch_size", [None, 32])
def test_classifier_weights_order_and_units(classification, forward, batch_size, rng):
    X, y = classification
    w = rng.integers(0, 3, len(X))
    rows = np.repeat(np.arange(len(X)), w)
    rng.shuffle(rows)
    options: dict[str, Any] = {"forward": forward, "batch_size": batch_size, "random_state": 0}
    models = [BALIClassifier(epochs=10, **options) for _ in range(3)]
    expected = models[0].fit(X, y, sample_weight=w).predict_proba(X)
    # Merged rows are the same rows with the same weights: the same to the last bit.
    np.testing.assert_array_equal(models[1].fit(X[rows], y[rows]).predict_proba(X), expected)
    # Factors that are powers of two round nothing. Others do, and where outputs are drawn rounding
    # may turn a draw into another one of the same distribution.
    factors = 2.0 ** np.arange(-15, 15)
    scaled = models[2].fit(factors * X, y, sample_weight=w).predict_proba(factors * X)
    np.testing.assert_array_equal(scaled, expected)


def test_the_random_state_is_scikit_learns(regression):
    X, y = regression
    options = QUICK | {"random_state": None}
    np.random.seed(3)  # noqa: NPY002 - the global state that None draws from
    first, second = (BALIRegressor(**options).fit(X, y).predict(X) for _ in range(2))
    assert np.abs(first - second).max() > 0
    np.random.seed(3)  # noqa: NPY002
    np.testing.assert_array_equal(BALIRegressor(**options).fit(X, y).predict(X), first)
    seeded = [BALIRegressor(**QUICK).fit(X, y).predict(X) for _ in range(2)]
    np.testing.assert_array_equal(*seeded)
    state = QUICK | {"random_state": np.random.RandomState(0)}
    np.testing.assert_array_equal(BALIRegressor(**state).fit(X, y).predict(X), seeded[0])


# Units and exact values -------------------------------------------------------------------------


def test_predictions_are_those_of_bayesian_ridge():
    X, y = load_diabetes(return_X_y=True)
    y = y - y.mean()
    ridge = BayesianRidge(fit_intercept=False).fit(X, y)
    model = BALIRegressor(
        bias=False,
        standardize=False,
        prior_precision=float(ridge.lambda_),
        noise_variance=1 / ridge.alpha_,
        **LINEAR,
    ).fit(X, y)
    mean, sd = ridge.predict(X, return_std=True)
    got_mean, got_sd = model.predict(X, return_std=True)
    np.testing.assert_allclose(got_mean, mean, rtol=1e-8)
    np.testing.assert_allclose(got_sd, sd, rtol=1e-8)


NOISE = np.array([[4.0, 3.0], [3.0, 900.0]])


@pytest.mark.equation("LR-4", "LR-5")
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("noise", [0.25, [4.0, 900.0], NOISE], ids=["number", "outputs", "full"])
def test_standardised_regression_is_the_dense_one_scaled_by_hand(noise, weighted, rng):
    """Noise is given in the targets' units, lam in standardised units; all comes back.

    With weights the rows are repeated by hand, before their mean and their spread are taken.
    """
    X = rng.normal(size=(30, 3)) * [1.0, 1e3, 1e-3] + [0.0, 5.0, 1.0]
    Y = rng.normal(size=(30, 2)) * [3.0, 100.0] + [10.0, -1e4]
    w = rng.integers(0, 4, 30) if weighted else np.ones(30, dtype=int)
    model = BALIRegressor(prior_precision=1.7, noise_variance=noise, **LINEAR)
    model.fit(X, Y, sample_weight=w if weighted else None)

    X, Y, N = np.repeat(X, w, axis=0), np.repeat(Y, w, axis=0), w.sum()
    s, V = Y.std(axis=0), NOISE if np.ndim(noise) == 2 else np.diag(np.broadcast_to(noise, 2))
    V_standard = V / s[:, None] / s
    design = np.hstack([(X - X.mean(axis=0)) / X.std(axis=0), np.ones((N, 1))])
    T, M0, C0 = (Y - Y.mean(axis=0)) / s, np.zeros((4, 2)), np.eye(8) / 1.7
    posterior = dense.posterior(design, T, V_standard, M0, C0)
    mean, covariance = dense.predictive(design, *posterior, V_standard)
    mean, covariance = mean * s + Y.mean(axis=0), covariance * s[:, None] * s
    got_mean, got_covariance = model.predict(X, return_cov=True)
    np.testing.assert_allclose(got_mean, mean, rtol=1e-9)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    units = sd[:, :, None] * sd[:, None, :]
    np.testing.assert_allclose(got_covariance / units, covariance / units, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.predict(X, return_std=True)[1], sd, rtol=1e-10)

    p = model.predict_distribution(X)
    np.testing.assert_allclose(p.noise_covariance, V, rtol=1e-12)
    np.testing.assert_allclose(p.epistemic + p.aleatoric, got_covariance, rtol=1e-12)
    evidence = dense.log_evidence(design, T, V_standard, M0, C0) - N * np.log(s).sum()
    assert model.log_evidence_ == pytest.approx(evidence, rel=1e-10)


@pytest.mark.parametrize("outputs", [None, 1, 2])
def test_shapes_follow_the_targets(outputs, regression):
    X, y = regression
    Y = y if outputs is None else np.stack([y, -2 * y], axis=1)[:, :outputs]
    model = BALIRegressor(noise="gaussian", **QUICK).fit(X, Y)
    tail = () if outputs is None else (outputs,)
    K = outputs or 1
    mean, sd = model.predict(X[:7], return_std=True)
    low, high = model.predict_interval(X[:7], level=0.9)
    for array in (mean, sd, low, high, model.predict(X[:7])):
        assert array.shape == (7, *tail)
    assert ((low < mean) & (mean < high)).all()
    np.testing.assert_allclose(high - low, 2 * 1.6448536269514722 * sd, rtol=1e-10)
    assert model.predict(X[:7], return_cov=True)[1].shape == (7, K, K)
    assert model.sample_y(X[:7], 5).shape == (7, *tail, 5)
    assert model.sample_y(X[:7]).shape == (7, *tail, 1)
    assert isinstance(model.predict_distribution(X[:7]), GaussianPredictive)


def test_draws_have_the_predictive_distribution_and_a_seed(regression):
    X, y = regression
    model, n = BALIRegressor(noise="gaussian", **QUICK).fit(X, y), 4000
    draws = model.sample_y(X[:5], n, random_state=1)
    mean, sd = model.predict(X[:5], return_std=True)
    assert np.abs((draws.mean(axis=1) - mean) / sd).max() < 5 / np.sqrt(n)
    # the standard error of a standard deviation is sd / sqrt(2 n)
    assert np.abs(draws.std(axis=1) / sd - 1).max() < 5 / np.sqrt(2 * n)
    np.testing.assert_array_equal(draws, model.sample_y(X[:5], n, random_state=1))
    assert np.abs(draws - model.sample_y(X[:5], n, random_state=2)).max() > 0


@pytest.mark.equation("JP-1", "JP-4")
@pytest.mark.parametrize("members", [1, 3])
def test_predictions_have_student_tails_and_the_covariance_of_all_layers(members, regression):
    X, y = regression
    model = BALIRegressor(n_members=members, **QUICK).fit(X, y)
    assert all("'auto' (joint), noise='student')" in repr(member) for member in model.members_)
    p = model.predict_distribution(X)
    assert isinstance(p, StudentMixture)
    assert len(p.members) == 3 * members  # three scales of the prior each
    assert all(isinstance(part, StudentPredictive) for part in p.members)
    Z, scale, shift = model._input_scale.to_standard(X), y.std(), y.mean()
    parts = [member.predict(Z) for member in model.members_]
    densities = [np.exp(part.logpdf((y[:, None] - shift) / scale)) for part in parts]
    expected = np.log(np.mean(densities, axis=0)) - np.log(scale)
    np.testing.assert_allclose(p.logpdf(y[:, None]), expected, rtol=1e-9)
    low, high = model.predict_interval(X, level=0.8)
    np.testing.assert_allclose(p.cdf(low[:, None]), 0.1, rtol=1e-9)
    np.testing.assert_allclose(p.cdf(high[:, None]), 0.9, rtol=1e-9)
    plain = BALIRegressor(covariance="layerwise", noise="gaussian", **QUICK).fit(X, y)
    assert type(plain.predict_distribution(X)) is GaussianPredictive
    with pytest.raises(ValueError, match="covariance: expected one of"):
        BALIRegressor(covariance="full").fit(X, y)


@pytest.mark.equation("PR-6")
@pytest.mark.parametrize("outputs", [None, 2])
def test_functions_are_in_original_units(outputs, regression):
    X, y = regression
    Y = y if outputs is None else np.stack([y, 100 + y], axis=1)
    model = BALIRegressor(n_members=2, **QUICK).fit(X, Y)
    rows, n = np.concatenate([X[:4], X[:4]]), 4000
    f = model.sample_functions(rows, n, random_state=1)
    assert f.shape == ((8, n) if outputs is None else (8, 2, n))
    np.testing.assert_allclose(f[:4], f[4:], rtol=1e-9)  # one draw of all weights for all rows
    p = model.predict_distribution(rows)
    std = np.sqrt(np.diagonal(p.epistemic, axis1=1, axis2=2)).reshape(f.shape[:-1])
    error = np.abs(f.mean(axis=-1) - model.predict(rows)) / std
    assert error.max() < 5 / np.sqrt(n)
    assert np.abs(f.std(axis=-1) / std - 1).max() < 5 / np.sqrt(2 * n)
    np.testing.assert_array_equal(f, model.sample_functions(rows, n, random_state=1))
    covariance = model.between_rows(rows)
    assert covariance.shape == ((8, 8) if outputs is None else (8, 2, 8, 2))
    flat, size = f.reshape(std.size, n), std.size
    C = covariance.reshape(size, size)
    np.testing.assert_allclose(np.sqrt(np.diag(C)), std.ravel(), rtol=1e-9)
    error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / n)
    assert np.abs((np.cov(flat) - C) / error).max() < 5
    with pytest.raises(ValueError, match="X: expected at most 8192 rows times outputs"):
        model.between_rows(np.zeros((8193, 4)))


def test_functions_and_covariances_need_a_fit_and_a_number(regression):
    X, y = regression
    model = BALIRegressor(**QUICK)
    for call in (model.sample_functions, model.between_rows):
        with pytest.raises(NotFittedError):
            call(X)
    model.fit(X, y)
    for call in (model.sample_functions, model.sample_y):
        with pytest.raises(ValueError, match="n_samples: expected an integer of at least 1, got 0"):
            call(X, 0)
    for level in (0.0, 1.0, -0.1, 2):
        with pytest.raises(ValueError, match="level: expected"):
            model.predict_interval(X, level)


def test_a_constant_column_and_a_constant_target(regression):
    X, y = regression
    model = BALIRegressor(**QUICK).fit(X, np.stack([y, np.full(60, 0.3)], axis=1))
    mean, sd = model.predict(X, return_std=True)
    assert np.isfinite(mean).all()
    np.testing.assert_allclose(mean[:, 1], 0.3, atol=3 * sd[:, 1].max())
    without = BALIRegressor(**QUICK).fit(np.delete(X, 3, axis=1), y)
    assert without.n_features_in_ == 3


# Streams ----------------------------------------------------------------------------------------


STREAM = np.split(np.arange(60), [7, 20, 21, 50])


@pytest.mark.equation("NP-3")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize("batch_size", ["auto", 4])
@pytest.mark.parametrize("start", ["partial_fit", "fit"])
def test_a_stream_of_a_linear_model_is_one_fit(start, batch_size, prior, rng):
    X, Y, w = rng.normal(size=(60, 3)), rng.normal(size=(60, 2)), rng.uniform(0.1, 2.0, 60)
    options: dict[str, Any] = LINEAR | {
        "standardize": False,
        "prior": prior,
        "prior_precision": 0.8,
        "noise_variance": [[0.5, 0.2], [0.2, 0.4]],
    }
    whole = BALIRegressor(**options).fit(X, Y, sample_weight=w)
    stream = BALIRegressor(batch_size=batch_size, epochs=3, **options)
    for index, rows in enumerate(STREAM):
        learn = stream.fit if index == 0 and start == "fit" else stream.partial_fit
        learn(X[rows], Y[rows], sample_weight=w[rows])
    for got, expected in zip(
        stream.predict(X, return_cov=True), whole.predict(X, return_cov=True), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-10)
    assert not hasattr(stream, "log_evidence_")


def test_learnt_hyper_parameters_go_on_from_where_a_fit_has_left_them(rng):
    """A stream is not a fit then, but near it: noise, means and their spread."""
    X = rng.normal(size=(400, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.3 * rng.normal(size=400)
    whole = BALIRegressor(standardize=False, epochs=1000, **LINEAR).fit(X, y)
    stream = BALIRegressor(standardize=False, epochs=1000, **LINEAR).fit(X[:100], y[:100])
    for rows in np.split(np.arange(100, 400), 30):
        stream.partial_fit(X[rows], y[rows])
    got, expected = stream.predict_distribution(X), whole.predict_distribution(X)
    noise = expected.noise_covariance[0, 0]
    # a variance is known from 400 data to sqrt(2 / 400) = 7 %; the start knew it to 14 %
    assert got.noise_covariance[0, 0] == pytest.approx(noise, rel=0.2)
    # the whole posterior's own uncertainty, about sqrt(4 / 400) of the noise
    assert np.abs(got.mean - expected.mean).max() < 0.1 * np.sqrt(noise)


def test_a_stream_of_classes_that_come_late(classification, rng):
    X, y = classification
    first = np.flatnonzero(y == "malignant")[:20]
    later = rng.permutation(len(X))
    model = BALIClassifier(random_state=0).partial_fit(X[first], y[first], classes=np.unique(y))
    assert (model.predict(X[first]) == "malignant").all()
    for rows in np.array_split(later, 5):
        model.partial_fit(X[rows], y[rows])
    assert model.score(X, y) > 0.85
    assert list(model.classes_) == ["benign", "malignant"]


def test_fit_restarts_and_partial_fit_goes_on(regression):
    X, y = regression
    model = BALIRegressor(batch_size=None, **QUICK).fit(X, y)
    once = model.predict(X)
    model.partial_fit(X, y)
    assert len(model.members_[0].history) == 11
    assert np.abs(model.predict(X) - once).max() > 0
    np.testing.assert_array_equal(model.fit(X, y).predict(X), once)
    assert len(model.members_[0].history) == 10


# Several members --------------------------------------------------------------------------------


@pytest.mark.equation("PR-5")
def test_members_are_mixed_with_equal_weights(regression):
    X, y = regression
    model = BALIRegressor(n_members=3, noise="gaussian", **QUICK).fit(X, y)
    assert [type(member) for member in model.members_] == [BALI] * 3
    scale, shift = y.std(), y.mean()
    Z = model._input_scale.to_standard(X)
    parts = [member.predict(Z) for member in model.members_]
    means = np.stack([scale * part.mean[:, 0] + shift for part in parts])
    variances = np.stack([scale**2 * part.std[:, 0] ** 2 for part in parts])
    assert np.abs(means[0] - means[1]).max() > 0
    mean, sd = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, means.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(sd**2, variances.mean(axis=0) + means.var(axis=0), rtol=1e-9)
    p = model.predict_distribution(X)
    assert isinstance(p, MixturePredictive)
    densities = np.exp(-0.5 * (y - means) ** 2 / variances) / np.sqrt(2 * np.pi * variances)
    np.testing.assert_allclose(p.logpdf(y[:, None]), np.log(densities.mean(axis=0)), rtol=1e-9)
    single = [
        member.log_evidence(Z, (y[:, None] - shift) / scale) - 60 * np.log(scale)
        for member in model.members_
    ]
    # rows are summed in another order than they were in training
    assert model.log_evidence_ == pytest.approx(np.mean(single), rel=1e-9)


@pytest.mark.equation("PR-5")
def test_members_of_a_classifier_average_their_probabilities(classification):
    X, y = classification
    model = BALIClassifier(n_members=2, **QUICK).fit(X, y)
    Z = model._input_scale.to_standard(X)
    parts = [member.predict(Z).probabilities for member in model.members_]
    np.testing.assert_allclose(model.predict_proba(X), sum(parts) / 2, rtol=1e-12)
    assert isinstance(model.predict_distribution(X), CategoricalPredictive)


def test_members_trained_in_parallel_are_the_same(regression):
    X, y = regression
    models = [BALIRegressor(n_members=2, n_jobs=jobs, **QUICK).fit(X, y) for jobs in (None, 2)]
    np.testing.assert_array_equal(*(model.predict(X) for model in models))
    np.testing.assert_array_equal(*(model.partial_fit(X, y).predict(X) for model in models))


# Classes ----------------------------------------------------------------------------------------


def test_labels_are_strings_and_two_classes_have_two_columns(classification):
    X, y = classification
    model = BALIClassifier(random_state=0).fit(X, y)
    assert list(model.classes_) == ["benign", "malignant"]
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (150, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    labels = model.predict(X)
    np.testing.assert_array_equal(labels, model.classes_[probabilities.argmax(axis=1)])
    assert model.score(X, y) > 0.95
    p = model.predict_distribution(X)
    whole = (
        probabilities[:, :, None] * np.eye(2) - probabilities[:, :, None] * probabilities[:, None]
    )
    np.testing.assert_allclose(p.epistemic + p.aleatoric, whole, atol=1e-12)


def test_a_single_class_is_an_error_that_says_what_to_do(classification):
    """That all weight is on one of the classes that y names is none: test_ensembles says so."""
    X, _ = classification
    for labels, w in ((np.full(150, "a"), None), (np.full(150, "a"), np.arange(150) % 2)):
        with pytest.raises(ValueError, match=r"y: expected at least two classes, .*partial_fit"):
            BALIClassifier(**QUICK).fit(X, labels, sample_weight=w)


def test_classes_of_a_stream_are_named_once(classification):
    X, y = classification
    with pytest.raises(ValueError, match="classes: expected all class labels in the first call"):
        BALIClassifier().partial_fit(X, y)
    model = BALIClassifier(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match=r"classes: expected .* as before, got \['x', 'y'\]"):
        model.partial_fit(X, y, classes=["x", "y"])
    with pytest.raises(ValueError, match=r"y: expected classes .*, got \['other'\]"):
        model.partial_fit(X[:2], ["benign", "other"])


# With the rest of scikit-learn ------------------------------------------------------------------


def test_pandas_and_a_pipeline():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X, y = X[:100], y[:100]
    model = BALIRegressor(**QUICK).fit(X, y)
    assert list(model.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X.rename(columns={"age": "years"}))
    np.testing.assert_array_equal(
        BALIRegressor(**QUICK).fit(X.to_numpy(), y.to_numpy()).predict(X.to_numpy()),
        model.predict(X),
    )
    pipeline = make_pipeline(StandardScaler(), BALIRegressor(**QUICK))
    mean, sd = pipeline.fit(X, y).predict(X, return_std=True)
    assert mean.shape == sd.shape == (100,)
    assert pipeline.score(X, y) > 0
    weights = pd.Series(np.linspace(0, 1, 100))
    assert np.isfinite(pipeline.fit(X, y, baliregressor__sample_weight=weights).predict(X)).all()


def test_grid_search(regression):
    X, y = regression
    search = GridSearchCV(
        BALIRegressor(**QUICK), {"hidden": [(), (3,)], "prior": ["isotropic"]}, cv=2
    )
    search.fit(X, y)
    assert search.best_params_["hidden"] in [(), (3,)]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert cross_val_score(BALIRegressor(**QUICK), X, y, cv=2).shape == (2,)


def test_cross_validated_probabilities_and_their_calibration(classification):
    X, y = classification
    model = BALIClassifier(**QUICK)
    probabilities = cross_val_predict(model, X, y, cv=3, method="predict_proba")
    assert probabilities.shape == (150, 2)
    assert ((probabilities[:, 1] > 0.5) == (y == "malignant")).mean() > 0.8
    display = CalibrationDisplay.from_estimator(model.fit(X, y), X, y, n_bins=4)
    assert display.prob_true.shape == display.prob_pred.shape
    display.figure_.clear()


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": "full"}, "batch_size: expected one of auto, got 'full'"),
        ({"n_members": 0}, "n_members: expected an integer of at least 1, got 0"),
        ({"noise_variance": [1.0, 2.0]}, "noise_variance: expected size 1"),
        ({"prior": "flat"}, "prior: expected one of isotropic, conjugate, got 'flat'"),
    ],
)
def test_parameters_are_checked_in_fit(options, message, regression):
    X, y = regression
    with pytest.raises(ValueError, match=message):
        BALIRegressor(**options).fit(X, y)


def test_other_mistakes_are_named(regression):
    X, y = regression
    model = BALIRegressor(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match="expected one of return_std, return_cov and"):
        model.predict(X, return_std=True, return_cov=True)
    with pytest.raises(ValueError, match="y: expected 1 outputs as before, got 2"):
        model.partial_fit(X, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="level: expected a number between 0 and 1, got 95"):
        model.predict_interval(X, level=95)
    with pytest.raises(ValueError, match="sample_weight: expected numbers of at least zero"):
        model.fit(X, y, sample_weight=-np.ones(60))
