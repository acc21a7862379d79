"""Experiments: data sets and splits, units, methods, scores, tables, figures, records."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm, sem
from test_methods import runnable, shortened
from threadpoolctl import threadpool_info, threadpool_limits

from balinp import metrics
from balinp.defaults import Training
from balinp.experiments import CLASSIFICATION, KINDS, REGRESSION, UserError, datasets
from balinp.experiments.dataset import Dataset, Outside
from balinp.experiments.datasets import load
from balinp.experiments.figures import save_figure
from balinp.experiments.methods import METHODS, REFERENCE, Method, Network, Predictor, select
from balinp.experiments.output import STDOUT, fitted, write_records
from balinp.experiments.runner import Outcome, run, run_one
from balinp.experiments.scores import (
    COMPARED,
    SCORES,
    calibration,
    detection,
    epistemic_ratio,
    roc,
    scores,
)
from balinp.experiments.splits import random_split, stratified_split
from balinp.experiments.table import (
    by_split,
    gap_table,
    mean_and_error,
    paired_differences,
    table,
)
from balinp.metrics.calibration import LEVELS
from balinp.predictive import (
    CategoricalPredictive,
    GaussianPredictive,
    MixturePredictive,
    StudentMixture,
    StudentPredictive,
)
from balinp.standardise import Scale

KEYS = {"dataset", "split", "method", "settings", "seconds", "cpu_seconds"}
SCORE_KEYS = {
    REGRESSION: {
        "rmse",
        "log_likelihood_gaussian",
        "log_likelihood_mixture",
        "coverage_95",
        "crps",
    },
    CLASSIFICATION: {"accuracy", "nll", "brier", "ece"},
}


def method(kind: str, name: str) -> Method:
    return select(kind, [name])[0]


@pytest.fixture
def regression(rng: np.random.Generator) -> Dataset:
    """Two outputs on different scales, a constant input, correlated noise."""
    X = np.concatenate([rng.standard_normal((40, 3)) * [1e-3, 1.0, 1e3], np.full((40, 1), 7.0)], 1)
    noise = rng.standard_normal((40, 2)) @ np.array([[0.3, 0.2], [0.0, 0.3]])
    Y = (X @ np.array([[1e3, 0.0], [0.5, 1.0], [0.0, 1e-3], [0.0, 0.0]]) + noise) * [0.1, 100.0]
    return Dataset("toy", REGRESSION, X, Y, partial(random_split, n=40, test_fraction=0.25))


@pytest.fixture
def classification(rng: np.random.Generator) -> Dataset:
    labels = np.arange(60) % 3
    X = rng.standard_normal((60, 2)) + 1.5 * np.stack([labels == 1, labels == 2], axis=1)
    split = partial(stratified_split, labels=labels, test_fraction=0.3)
    return Dataset("toy", CLASSIFICATION, X, np.eye(3)[labels], split)


# -- data sets and splits --------------------------------------------------------------------------


@pytest.mark.parametrize("name", datasets.SHIPPED)
def test_shipped_data_sets_and_their_splits(name: str) -> None:
    data = load(name)
    N = len(data.X)
    assert data.name == name
    assert data.Y.shape[0] == N
    if data.kind == CLASSIFICATION:
        assert set(np.unique(data.Y)) == {0.0, 1.0}
        np.testing.assert_array_equal(data.Y.sum(axis=1), np.ones(N))
    for k in (0, 1, 7):
        train, test = data.split(k)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(N))
        fraction = 0.1 if data.kind == REGRESSION else 0.3
        assert len(test) == pytest.approx(fraction * N, abs=2)
        again = load(name).split(k)
        np.testing.assert_array_equal(train, again.train)
        np.testing.assert_array_equal(test, again.test)
    assert not np.array_equal(data.split(0).test, data.split(1).test)


def test_stratified_split_takes_the_same_share_of_each_class(rng: np.random.Generator) -> None:
    labels = rng.permutation(np.repeat([0, 1, 2], [100, 30, 10]))
    _, test = stratified_split(5, labels=labels, test_fraction=0.3)
    np.testing.assert_array_equal(np.bincount(labels[test]), [30, 9, 3])


def write_uci(directory: Path) -> Path:
    """Five data of which column 1 is the target; two splits."""
    directory.mkdir()
    np.savetxt(directory / "data.txt", np.arange(15.0).reshape(5, 3))
    for name, values in {
        "index_features": [0, 2],
        "index_target": [1],
        "n_splits": [2],
        "index_train_0": [0, 1, 2],
        "index_test_0": [3, 4],
        "index_train_1": [4, 3, 1],
        "index_test_1": [0, 2],
    }.items():
        np.savetxt(directory / f"{name}.txt", values, fmt="%d")
    return directory


def test_uci_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = write_uci(tmp_path / "toy")
    data = load(f"uci:{directory}")
    assert (data.name, data.kind, data.n_splits) == ("uci:toy", REGRESSION, 2)
    np.testing.assert_array_equal(data.X[1], [3.0, 5.0])
    np.testing.assert_array_equal(data.Y[:, 0], [1.0, 4.0, 7.0, 10.0, 13.0])
    np.testing.assert_array_equal(data.split(1).train, [4, 3, 1])
    np.testing.assert_array_equal(data.split(1).test, [0, 2])

    monkeypatch.setenv("BALINP_DATA", str(tmp_path))
    np.testing.assert_array_equal(load("uci:toy").X, data.X)
    assert (data.first_splits(None), data.first_splits(1)) == (range(2), range(1))
    with pytest.raises(UserError, match="uci:toy has 2 splits, got 3"):
        data.first_splits(3)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("data.txt", None, "data.txt: no such file"),
        ("data.txt", "", "data.txt: expected a table of numbers, got no lines"),
        ("data.txt", "a b\n", "data.txt: not a table of numbers"),
        ("index_features.txt", "0\n3\n", "expected distinct whole numbers from 0 to 2"),
        ("index_features.txt", "0\n0\n", "expected distinct whole numbers"),
        ("index_target.txt", "0.5\n", "expected distinct whole numbers"),
        ("index_target.txt", "-1\n", "expected distinct whole numbers"),
        ("index_target.txt", "2\n", "index_features.txt: expected others than the target, got 2"),
        ("index_test_1.txt", "0\n3\n", "train_1.txt: expected others than the test rows, got 3"),
        ("n_splits.txt", "2.5\n", "expected one whole number of at least 1"),
        ("n_splits.txt", "3\n", "no file index_train_2.txt, of split 2 of 3"),
        ("index_test_1.txt", None, "no file index_test_1.txt, of split 1 of 2"),
        ("data.txt", "1 2 3\n4 nan 6\n", "got nan in row 1, column 1, both counted from 0"),
        ("data.txt", "1 2 inf\n", "got inf in row 0, column 2"),
    ],
)
def test_bad_uci_files(tmp_path: Path, file: str, content: str | None, message: str) -> None:
    directory = write_uci(tmp_path / "toy")
    (directory / file).unlink()
    if content is not None:
        (directory / file).write_text(content)
    with pytest.raises(UserError, match=message):
        load(f"uci:{directory}").split(1)


def test_uci_splits_are_those_there_are_unless_their_number_is_said(tmp_path: Path) -> None:
    directory = write_uci(tmp_path / "toy")
    (directory / "n_splits.txt").unlink()
    assert load(f"uci:{directory}").n_splits == 2
    (directory / "index_train_0.txt").unlink()
    (directory / "index_train_1.txt").unlink()
    with pytest.raises(UserError, match="no file index_train_0.txt, of split 0 of 1"):
        load(f"uci:{directory}")


def test_a_published_uci_set(data_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALINP_DATA", str(data_directory))
    data = load("uci:uci/energy")
    assert (data.name, data.X.shape, data.Y.shape) == ("uci:energy", (768, 8), (768, 1))
    assert data.n_splits == 20
    for k in range(20):
        train, test = data.split(k)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(768))
    assert run_one(data, method(REGRESSION, "BayesianRidge"), 0).record["rmse"] < 5


@pytest.mark.parametrize("name", ["nothing", "uci", "uci:", "mnist", "wine:x"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UserError, match="unknown data set .* known: diabetes"):
        load(name)


# -- units -----------------------------------------------------------------------------------------


def test_standardised_training_data_have_mean_zero_and_standard_deviation_one(
    regression: Dataset,
) -> None:
    X = regression.X
    before = X.copy()
    Z = Scale.of(X).to_standard(X)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(Z[:, :3].std(axis=0), 1, rtol=1e-12)
    np.testing.assert_array_equal(Z[:, 3], 0)  # the constant column
    np.testing.assert_array_equal(X, before)


def test_a_constant_column_whose_mean_rounds_is_left_at_zero() -> None:
    X = np.full((10, 1), 0.3)
    assert X.std() > 0  # why the scale does not ask for a standard deviation of exactly zero
    np.testing.assert_array_equal(Scale.of(X).to_standard(X), 0)


@pytest.mark.equation("PR-4")
@pytest.mark.parametrize("sampled", [False, True])
def test_densities_are_mapped_back_by_the_jacobian(rng: np.random.Generator, sampled: bool) -> None:
    """Log p(y) = log p(u) - sum_k log s_k, for correlated outputs on very different scales."""
    B, K = 6, 3
    Y_train = rng.standard_normal((50, K)) * [1e-3, 1.0, 1e4] + [5.0, 0.0, -1e5]
    scale = Scale.of(Y_train)
    root = np.tril(rng.standard_normal((K, K))) + 2 * np.eye(K)
    roots = rng.standard_normal((B, K, K))
    U = rng.standard_normal((B, K))
    standard = (
        MixturePredictive(rng.standard_normal((20, B, K)), root @ root.T)
        if sampled
        else GaussianPredictive(U + 0.1, roots @ np.swapaxes(roots, 1, 2), root @ root.T)
    )
    original = scale.to_original(standard)
    Y = U * Y_train.std(axis=0) + Y_train.mean(axis=0)
    log_scale = np.log(Y_train.std(axis=0)).sum()
    for name in ("logpdf_gaussian", "logpdf_mixture"):
        expected = getattr(standard, name)(U) - log_scale
        # Y is 1e5 off zero with a spread of 1e4: one digit is lost in forming Y - mean.
        np.testing.assert_allclose(getattr(original, name)(Y), expected, rtol=1e-9)


def test_predictions_are_the_same_distribution_in_original_units(regression: Dataset) -> None:
    """Against standardising by hand and scipy's density of what comes out."""
    train, test = regression.split(0)
    X, Y = regression.X[train], regression.Y[train]
    model = Method("a few steps", REGRESSION, Network(Training({"hidden": ()}, {"epochs": 5})))
    predictive = model.fit(X, Y, seed=0)(regression.X[test])

    shift, spread = X.mean(axis=0), np.where(np.ptp(X, axis=0) > 0, X.std(axis=0), 1.0)
    m, s = Y.mean(axis=0), Y.std(axis=0)
    predictor = model.train((X - shift) / spread, (Y - m) / s, 0)
    standard = predictor((regression.X[test] - shift) / spread)
    np.testing.assert_allclose(predictive.mean, standard.mean * s + m, rtol=1e-10)
    np.testing.assert_allclose(predictive.covariance, standard.covariance * np.outer(s, s), 1e-10)
    densities = [
        multivariate_normal(mean, covariance).logpdf(y)
        for y, mean, covariance in zip(
            regression.Y[test], standard.mean * s + m, standard.covariance * np.outer(s, s),
            strict=True,
        )
    ]  # fmt: skip
    log_likelihood = scores(predictive, regression.Y[test])["log_likelihood_gaussian"]
    assert log_likelihood == pytest.approx(np.mean(densities), rel=1e-10)


# -- methods ---------------------------------------------------------------------------------------


def test_bayesian_ridge_is_scikit_learns_own_prediction(regression: Dataset) -> None:
    from sklearn.linear_model import BayesianRidge

    train, test = regression.split(0)
    X, Y, X_test = regression.X[train], regression.Y[train], regression.X[test]
    predictive = method(REGRESSION, "BayesianRidge").fit(X, Y, 0)(X_test)
    scale = Scale.of(X)
    for k in range(2):
        m, s = Y[:, k].mean(), Y[:, k].std()
        model = BayesianRidge().fit(scale.to_standard(X), (Y[:, k] - m) / s)
        mean, std = model.predict(scale.to_standard(X_test), return_std=True)
        np.testing.assert_allclose(predictive.mean[:, k], mean * s + m, rtol=1e-10)
        np.testing.assert_allclose(predictive.std[:, k], std * s, rtol=1e-10)


def test_bayesian_linear_regression_finds_the_weights(regression: Dataset) -> None:
    """The truth is linear: coverage and the noise's spread must be right, if roughly."""
    train, test = regression.split(0)
    predictor = method(REGRESSION, "Bayesian linear regression").fit(
        regression.X[train], regression.Y[train], 0
    )
    predictive = predictor(regression.X[test])
    noise_std = np.sqrt(np.diag(predictive.noise_covariance))
    np.testing.assert_allclose(noise_std, np.array([0.3, 0.36]) * [0.1, 100.0], rtol=0.4)


@pytest.mark.parametrize("method", [runnable(m) for m in METHODS])
def test_every_method_gives_a_record(
    method: Method, regression: Dataset, classification: Dataset
) -> None:
    method = shortened(method)
    dataset = regression if method.kind == REGRESSION else classification
    record, curves = run_one(dataset, method, 1)
    assert set(record) == KEYS | SCORE_KEYS[method.kind]
    assert (record["dataset"], record["split"], record["method"]) == ("toy", 1, method.name)
    numbers = [record[key] for key in record.keys() - {"dataset", "method", "settings"}]
    assert np.isfinite(numbers).all()
    assert record["seconds"] > 0
    assert json.loads(json.dumps(record)) == record
    assert set(curves) == {"calibration"}
    assert curves["calibration"].shape == (
        (len(LEVELS), 2) if method.kind == REGRESSION else (18, 2)
    )
    again = run_one(dataset, method, 1).record
    no_times = {"seconds": 0, "cpu_seconds": 0}
    assert {**again, **no_times} == {**record, **no_times}


def test_reference_comes_first_for_both_kinds() -> None:
    for kind in KINDS:
        assert select(kind)[0].name == REFERENCE
        assert COMPARED[kind].key in SCORE_KEYS[kind]
        assert {column.key for column in SCORES[kind]} == SCORE_KEYS[kind]


def test_batches_are_used_for_many_data_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from balinp.bali import BALI

    schedules = []
    fit = BALI.fit

    def noted(self, X, Y, *, epochs, batch_size):
        schedules.append((epochs, batch_size))
        return fit(self, X, Y, epochs=epochs, batch_size=batch_size)

    monkeypatch.setattr(BALI, "fit", noted)
    training = Training(
        {"hidden": (2,)}, {"epochs": 30}, batch_size=4, full_batch_up_to=10, most_visits=270
    )
    for n in (9, 10, 11, 18, 30):
        X = np.linspace(0, 1, n)[:, None]
        training.trained(X, X, 0)
    assert schedules == [(30, None), (27, None), (24, 4), (15, 4), (10, 4)]
    assert training.epochs_for(30, None) == 30  # against the rule


def test_selection_of_methods() -> None:
    assert [m.name for m in select(REGRESSION, ["BayesianRidge", REFERENCE])] == [
        "BayesianRidge",
        REFERENCE,
    ]
    assert select(REGRESSION, ["bayesianridge", "mlp"])[1].name == "MLP"
    with pytest.raises(UserError, match="'mlb'; did you mean 'MLP'. for regression: BALI"):
        select(REGRESSION, ["mlb"])
    with pytest.raises(UserError, match="method 'BayesianRidge'; .*for classification: BALI"):
        select(CLASSIFICATION, ["BayesianRidge"])
    with pytest.raises(UserError, match="named twice"):
        select(CLASSIFICATION, ["MLP", "mlp"])


def test_a_class_without_training_data_has_probability_zero() -> None:
    X = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    Y = np.eye(3)[[0, 0, 2, 2]]
    predictive = method(CLASSIFICATION, "logistic regression").fit(X, Y, 0)(X)
    np.testing.assert_array_equal(predictive.probabilities[:, 1], 0)
    np.testing.assert_array_equal(predictive.probabilities.argmax(axis=1), [0, 0, 2, 2])


# -- scores ----------------------------------------------------------------------------------------


def test_regression_scores_are_those_of_metrics(rng: np.random.Generator) -> None:
    N = 50
    Y, mean = rng.standard_normal((N, 1)), rng.standard_normal((N, 1))
    draws = mean + rng.standard_normal((30, N, 1))
    V = np.array([[0.5]])
    got = scores(MixturePredictive(draws, V), Y)
    centre, covariance = draws.mean(axis=0), draws.var(axis=0)[:, :, None] + V
    assert got["rmse"] == pytest.approx(metrics.rmse(Y, centre))
    assert got["log_likelihood_gaussian"] == pytest.approx(
        norm.logpdf(Y, centre, np.sqrt(covariance[:, :, 0])).mean()
    )
    assert got["log_likelihood_mixture"] == pytest.approx(
        np.log(norm.pdf(Y, draws, np.sqrt(0.5)).mean(axis=0)).mean()
    )
    assert got["crps"] == pytest.approx(
        metrics.crps_mixture(Y, draws, np.full(draws.shape, np.sqrt(0.5)))
    )
    gaussian = scores(GaussianPredictive(centre, covariance - V, V), Y)
    assert gaussian["log_likelihood_mixture"] == gaussian["log_likelihood_gaussian"]
    std = np.sqrt(covariance[:, :, 0])
    assert gaussian["crps"] == pytest.approx(metrics.crps_gaussian(Y, centre, std))


@pytest.mark.equation("SC-6")
@pytest.mark.parametrize("spread", [0.0, 3.0])
def test_crps_of_an_ensemble_is_that_of_its_mixture(
    spread: float, rng: np.random.Generator
) -> None:
    """The distance of draws from targets and from each other, by the definition."""
    epistemic, noise = np.tile(0.3 * np.eye(2), (40, 1, 1)), np.diag([0.2, 2.0])
    members = [
        GaussianPredictive(spread * rng.standard_normal((40, 2)), epistemic, noise)
        for _ in range(4)
    ]
    ensemble = MixturePredictive.of(members)
    Y = ensemble.sample(rng)
    one, other = ensemble.sample(rng, 20_000), ensemble.sample(rng, 20_000)
    each = np.abs(one - Y) - 0.5 * np.abs(one - other)
    error = each.mean(axis=(1, 2)).std() / np.sqrt(len(each))
    assert abs(scores(ensemble, Y)["crps"] - each.mean()) < 5 * error


@pytest.mark.equation("SC-7")
def test_crps_of_student_tails_is_their_own(rng: np.random.Generator) -> None:
    """Also of ensembles, of which a member's noise may be Gaussian."""
    m, E, V = rng.standard_normal((40, 2)), np.tile(0.3 * np.eye(2), (40, 1, 1)), np.eye(2)
    student, gaussian = StudentPredictive(m, E, V, 3.0), GaussianPredictive(m + 1, E, V)
    for predictive in (student, StudentMixture([student, gaussian])):
        Y = predictive.sample(rng)
        one, other = predictive.sample(rng, 20_000), predictive.sample(rng, 20_000)
        each = np.abs(one - Y) - 0.5 * np.abs(one - other)
        error = each.mean(axis=(1, 2)).std() / np.sqrt(len(each))
        score = scores(predictive, Y)["crps"]
        assert abs(score - each.mean()) < 5 * error
        matched = metrics.crps_gaussian(Y, predictive.mean, predictive.std)
        assert abs(score - matched) > 5 * error


@pytest.mark.equation("SC-2")
def test_coverage_is_that_of_the_predictives_own_intervals(rng: np.random.Generator) -> None:
    Y, mean = 1.5 * rng.standard_normal((200, 1)), np.zeros((200, 1))
    gaussian = GaussianPredictive(mean, np.zeros((200, 1, 1)), np.eye(1))
    curve = calibration(gaussian, Y)
    for level, inside in curve:
        assert inside == np.mean(np.abs(Y) <= norm.ppf(0.5 + 0.5 * level))
    assert scores(gaussian, Y)["coverage_95"] == curve[-1, 1]
    assert 0 < curve[0, 1] < curve[-1, 1] < 0.95


def test_classification_scores_are_those_of_metrics(rng: np.random.Generator) -> None:
    p = rng.dirichlet(np.ones(4), size=60)
    labels = rng.integers(4, size=60)
    predictive = CategoricalPredictive(p[None])
    got = scores(predictive, np.eye(4)[labels])
    for name in ("accuracy", "nll", "brier", "ece"):
        # the predictive divides probabilities by their sum, which rounds
        assert got[name] == pytest.approx(getattr(metrics, name)(labels, p), rel=1e-12)
    confidence, correct = calibration(predictive, np.eye(4)[labels]).T
    np.testing.assert_allclose(confidence, p.max(axis=1), rtol=1e-12)
    assert correct.mean() == got["accuracy"]


@pytest.mark.equation("SC-5")
def test_detection_is_by_entropy_and_its_curve_is_the_best_of_all_thresholds(
    rng: np.random.Generator,
) -> None:
    def predictive(n: int, strength: float) -> CategoricalPredictive:
        return CategoricalPredictive(rng.dirichlet(np.full(3, strength), size=n)[None])

    inside, outside = predictive(53, 0.3), predictive(71, 1.5)
    low, high = (-(p * np.log(p)).sum(1) for p in (inside.probabilities, outside.probabilities))
    got = detection(inside, outside)
    pairs = np.sign(high[:, None] - low)
    assert got["auroc"] == pytest.approx(np.mean(0.5 + 0.5 * pairs), rel=1e-12)
    curve = roc(inside, outside)
    thresholds = np.append(high, np.inf)
    rates = [(np.mean(high >= t), np.mean(low >= t)) for t in thresholds]
    for percent, (false, true) in enumerate(curve):
        assert true == percent / 100
        # Counts of 71 data times 100 are whole numbers: no rounding decides.
        assert false == min(f for t, f in rates if round(t * 71) * 100 >= percent * 71)
    assert got["fpr95"] == curve[95, 0]


def test_epistemic_ratio_by_hand() -> None:
    """Output 0: (3 + 5) / 2 over 2; output 1, in units of its own: 10 over (10 + 30) / 2."""

    def predictive(stds: list[list[float]]) -> GaussianPredictive:
        epistemic = np.array([[[a * a, 0.1], [0.1, b * b]] for a, b in stds])
        return GaussianPredictive(np.zeros((2, 2)), epistemic, 7.0 * np.eye(2))

    gap, data = predictive([[3.0, 10.0], [5.0, 10.0]]), predictive([[2.0, 10.0], [2.0, 30.0]])
    assert epistemic_ratio(gap, data) == pytest.approx((2.0 + 0.5) / 2, rel=1e-14)


# -- tables ----------------------------------------------------------------------------------------


def records_of(kind: str, values: dict[str, list[float]]) -> list[dict[str, object]]:
    """Records whose scores are all the given value plus 10, 20, ... for the first, second ..."""
    return [
        {
            "dataset": "toy",
            "split": split,
            "method": name,
            "seconds": 0.5,
            **{c.key: value + 10 * (i + 1) for i, c in enumerate(SCORES[kind])},
        }
        for name, column in values.items()
        for split, value in reversed(list(enumerate(column)))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_table_shows_means_errors_and_paired_differences(kind: str) -> None:
    ours, theirs = [1.0, 2.0, 6.0], [1.5, 3.5, 6.25]
    records = records_of(kind, {REFERENCE: ours, "other": theirs})
    lines = table(records, kind).splitlines()
    header, rule, first, second = ([c.strip() for c in x.strip("|").split("|")] for x in lines[:4])
    assert header[0] == "method"
    assert header[-2:] == ["seconds", f"{COMPARED[kind].title} minus {REFERENCE}"]
    assert header[1:-2] == [column.title for column in SCORES[kind]]
    assert rule[0].strip("-") == ""
    assert all(r.strip("-") == ":" for r in rule[1:])
    for row, values in ((first, ours), (second, theirs)):
        for i, cell in enumerate(row[1:-2]):
            mean, error = map(float, cell.split(" ± "))
            assert mean == pytest.approx(np.mean(values) + 10 * (i + 1), abs=0.051)
            assert error == pytest.approx(sem(values), abs=0.051)
        assert row[-2] == "0.500 ± 0.000"
    assert first[-1] == "-"
    # differences 0.5, 1.5, 0.25: mean 0.75, variance 0.4375, standard error 0.38188
    assert second[-1] == "0.75 ± 0.38"
    assert len({len(line) for line in lines[:4]}) == 1
    assert "3 splits ± standard error" in lines[5]
    assert len(lines) == 6


def test_processor_time_is_shown_where_all_records_have_it() -> None:
    records = records_of(REGRESSION, {REFERENCE: [1.0, 2.0]})
    with_times = [{**record, "cpu_seconds": 0.25} for record in records]
    header, _, row, _, explanation = table(with_times, REGRESSION).splitlines()
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert [cell for title, cell in cells.items() if "CPU" in title] == ["0.250 ± 0.000"]
    assert "on the clock and of the processor" in explanation
    assert "CPU" not in table([records[0], with_times[1]], REGRESSION)  # one of an older run


def test_a_table_is_cut_by_columns_to_a_width() -> None:
    """Every cell is still there, under its title and beside its method, in lines that fit."""
    records = records_of(REGRESSION, {REFERENCE: [1.0, 2.0], "a": [3.0, 4.0]})
    text = table(records, REGRESSION)
    assert fitted(text, 1000) == text
    for width in range(60, 140):  # the widest column and the first take 60
        lines = fitted(text, width).splitlines()
        assert max(map(len, lines)) <= width
    lines = fitted(text, 70).splitlines()

    def cells(rows: list[str]) -> list[list[str]]:
        return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]

    parts = [
        cells([line for line in part.splitlines() if line.startswith("|")])
        for part in "\n".join(lines).split("\n\n")
    ]
    parts = [part for part in parts if part]
    assert len(parts) > 1
    assert all(
        row[0] == first[0] for part in parts for row, first in zip(part, parts[0], strict=True)
    )
    joined = [parts[0][i][:1] + [cell for part in parts for cell in part[i][1:]] for i in range(4)]
    whole = cells(text.splitlines()[:4])
    assert [joined[i] for i in (0, 2, 3)] == [whole[i] for i in (0, 2, 3)]
    assert len(fitted(text, 5).splitlines()[0]) > 5  # a method and one column, whatever the width


def test_means_and_standard_errors_against_scipy(rng: np.random.Generator) -> None:
    values = rng.standard_normal(11)
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(values.mean(), rel=1e-14)
    assert error == pytest.approx(sem(values), rel=1e-13)


def test_paired_differences_match_splits_not_rows() -> None:
    records = records_of(REGRESSION, {"other": [5.0, 1.0, 2.0]})
    records += records_of(REGRESSION, {REFERENCE: [1.0, 2.0, 4.0]})[::-1]
    np.testing.assert_allclose(paired_differences(records, "other", REGRESSION), [4.0, -1.0, -2.0])
    np.testing.assert_allclose(by_split(records, "other", "rmse"), [15.0, 11.0, 12.0])


def test_table_of_one_split_and_without_the_reference() -> None:
    lines = table(records_of(REGRESSION, {"a": [1.0], "b": [2.0]}), REGRESSION).splitlines()
    assert "±" not in "".join(lines)
    assert REFERENCE not in "".join(lines)
    assert "11.000" in lines[2]
    assert "means over one split;" in lines[-1]


def test_columns_of_detection_and_of_gaps_are_there_when_the_records_have_them() -> None:
    records = [
        {**record, "auroc": 0.75, "fpr95": 0.25}
        for record in records_of(CLASSIFICATION, {REFERENCE: [1.0, 2.0]})
    ]
    lines = table(records, CLASSIFICATION).splitlines()
    assert "| AUROC | " not in table(records_of(CLASSIFICATION, {"a": [1.0]}), CLASSIFICATION)
    header, row = ([c.strip() for c in x.strip("|").split("|")] for x in (lines[0], lines[2]))
    assert row[header.index("AUROC")] == "0.750 ± 0.000"
    assert row[header.index("FPR at 95 % TPR")] == "0.250 ± 0.000"
    assert "AUROC and FPR of predictive entropy" in lines[-1]


def test_gap_table_shows_median_and_worst() -> None:
    records = [
        {**record, "epistemic_ratio": 2.0 + record["split"]}
        for record in records_of(REGRESSION, {REFERENCE: [3.0, 1.0, 8.0]})
    ]
    assert "| epistemic ratio |" in table(records, REGRESSION)
    lines = gap_table(records).splitlines()
    header, row = ([c.strip() for c in x.strip("|").split("|")] for x in (lines[0], lines[2]))
    cells = dict(zip(header, row, strict=True))
    assert cells == {  # records_of adds 10, 20, ... to the values, see there
        "method": REFERENCE,
        "RMSE, median": "13.000",
        "RMSE, worst": "18.000",
        "log-likelihood (Gaussian), median": "23.000",
        "log-likelihood (Gaussian), worst": "21.000",
        "epistemic ratio, median": "3.000",
        "epistemic ratio, worst": "2.000",
    }
    assert "over 3 gaps" in lines[-1]


def test_table_of_an_infinite_score() -> None:
    text = table(
        records_of(CLASSIFICATION, {REFERENCE: [1.0, 2.0], "a": [1.0, np.inf]}), "classification"
    )
    assert text.splitlines()[3].count("inf") == 5


# -- running, files, figures -----------------------------------------------------------------------


def test_the_split_is_the_seed_and_only_training_rows_are_seen(regression: Dataset) -> None:
    seen = []

    def spy(X: np.ndarray, Y: np.ndarray, seed: int) -> Predictor:
        def predict(X_test: np.ndarray) -> GaussianPredictive:
            seen.append((seed, len(X), len(X_test)))
            return GaussianPredictive(np.zeros((10, 2)), np.zeros((10, 2, 2)), np.eye(2))

        return predict

    for split in (0, 3):
        record, _ = run_one(regression, Method("spy", REGRESSION, spy), split)
        train, test = regression.split(split)
        Y, mean = regression.Y[test], regression.Y[train].mean(axis=0)
        assert record["rmse"] == pytest.approx(np.sqrt(np.mean((Y - mean) ** 2)), rel=1e-12)
    assert seen == [(0, 30, 10), (3, 30, 10)]


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_every_backend_gives_the_scores_of_one_process(regression: Dataset, backend: str) -> None:
    small = Network(Training({"hidden": (5,)}, {"epochs": 10}))
    methods = [Method("BALI", REGRESSION, small), method(REGRESSION, "BayesianRidge")]
    alone = sorted_records(run(regression, methods, range(2)))
    with joblib.parallel_config(backend=backend, n_jobs=2):
        together = sorted_records(run(regression, methods, range(2)))
    assert [(r["split"], r["method"]) for r in alone] == [
        (split, m.name) for split in range(2) for m in methods
    ]
    assert together == alone


def sorted_records(outcomes: Iterable[Outcome]) -> list[dict[str, object]]:
    """Records in the order of jobs, without their times."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.job)
    return [{**outcome.record, "seconds": 0, "cpu_seconds": 0} for outcome in ordered]


def test_jobs_are_one_thread_each_on_any_backend(regression: Dataset) -> None:
    """Also while other jobs in the same process begin and end."""
    limits = []

    def spy(X: np.ndarray, Y: np.ndarray, seed: int) -> Predictor:
        time.sleep(0.02 * seed)
        limits.extend(pool["num_threads"] for pool in threadpool_info())
        return lambda X_test: GaussianPredictive(np.zeros((10, 2)), np.zeros((10, 2, 2)), np.eye(2))

    with threadpool_limits(limits=2), joblib.parallel_config(backend="threading", n_jobs=2):
        list(run(regression, [Method("spy", REGRESSION, spy)], range(4)))
    assert limits
    assert set(limits) == {1}


def test_what_is_done_is_left_out(regression: Dataset) -> None:
    methods = select(REGRESSION, ["BayesianRidge", "Bayesian linear regression"])
    done = {(0, "BayesianRidge"), (1, "Bayesian linear regression"), (7, "BayesianRidge")}
    jobs = {outcome.job for outcome in run(regression, methods, range(2), done=done)}
    assert jobs == {(0, "Bayesian linear regression"), (1, "BayesianRidge")}


def test_records_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    write_records([{"split": 0, "rmse": 0.1}], path)
    assert json.loads(path.read_text()) == [{"split": 0, "rmse": 0.1}]
    with pytest.raises(TypeError):
        write_records([{"split": object()}], path)
    path.with_name("taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_records([{"split": 1}], path.with_name("taken"))
    assert json.loads(path.read_text()) == [{"split": 0, "rmse": 0.1}]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["records.json", "taken"]


def test_records_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write_records([{"split": 0}], STDOUT)
    assert json.loads(capsys.readouterr().out) == [{"split": 0}]


def test_seconds_of_the_processor_are_not_those_of_sleep(regression: Dataset) -> None:
    def asleep(X: np.ndarray, Y: np.ndarray, seed: int) -> Predictor:
        time.sleep(0.3)
        return lambda X_test: GaussianPredictive(np.zeros((10, 2)), np.zeros((10, 2, 2)), np.eye(2))

    methods = [Method("asleep", REGRESSION, asleep)]
    with joblib.parallel_config(backend="threading", n_jobs=2):
        in_threads = [outcome.record for outcome in run(regression, methods, range(2))]
    for record in [*in_threads, run_one(regression, methods[0], 0).record]:
        assert record["seconds"] >= 0.3
        assert 0 < record["cpu_seconds"] < 0.25


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("splits", "detects"), [(1, False), (3, False), (2, True)])
def test_figures(
    kind: str,
    splits: int,
    detects: bool,
    tmp_path: Path,
    regression: Dataset,
    classification: Dataset,
) -> None:
    dataset = regression if kind == REGRESSION else classification
    if detects and kind == CLASSIFICATION:
        dataset = replace(dataset, outside=Outside("far", 5.0 * dataset.X))
    names = {REGRESSION: ["BayesianRidge"], CLASSIFICATION: ["logistic regression"]}[kind]
    outcomes = list(run(dataset, select(kind, names), range(splits)))
    path = tmp_path / "figure.png"
    save_figure(outcomes, dataset, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 20_000
