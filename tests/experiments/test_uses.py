"""What uncertainty is used for: what is drawn, spoilt, chosen and followed, from its definition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm

from balinp import BALIRegressor
from balinp.experiments.results import store
from balinp.experiments.results.state import outdated
from balinp.experiments.uses import __main__ as command
from balinp.experiments.uses import active, corrupted, digits, drift, optimisation, outside
from balinp.experiments.uses.surrogates import LITTLE, ExactNetwork, GaussianProcess, Network

MODULES = {"outside": outside, "corrupted": corrupted, "active": active,
           "optimisation": optimisation, "drift": drift}  # fmt: skip
HERE = Path(command.__file__).parent


@pytest.mark.parametrize("name", command.NAMES)
def test_the_table_of_the_page_is_that_of_the_record(name):
    results = store.read(name, HERE)
    assert results.command == f"python -m balinp.experiments.uses {name}"
    table = MODULES[name].report(results.records)
    assert f"<!-- table: {name} -->\n{table}<!-- table: end -->" in (HERE / "README.md").read_text()


@pytest.mark.parametrize("name", command.NAMES)
def test_records_are_of_the_defaults_as_they_are(name):
    """If this fails: python -m balinp.experiments.uses NAME --store, or say it in `EARLIER`."""
    assert bool(outdated(store.read(name, HERE))) == (name in command.EARLIER)
    said = "Of earlier defaults are the records of " + " and ".join(
        ", ".join(sorted(command.EARLIER)).rsplit(", ", 1)
    )
    assert bool(command.EARLIER) == (said in " ".join((HERE / "README.md").read_text().split()))


# -- digits ----------------------------------------------------------------------------------------


def test_glyphs_are_as_the_digits_are():
    images = outside.glyphs("1H8")
    assert images.shape == (3 * len(outside.FONTS), 64)
    assert images.min() == 0
    assert images.max() == digits.WHITEST
    ink = images.reshape(-1, 3, 64).sum(axis=2)
    assert (ink[:, 0] < ink[:, 2]).all()
    rows = images.reshape(-1, 8, 8).sum(axis=2)
    assert (rows > 0).all()  # from the top to the bottom
    assert len(np.unique(images.reshape(-1, 3, 64)[:, 1], axis=0)) > 5  # fonts differ


def test_outside_scores_by_hand(monkeypatch):
    monkeypatch.setattr(outside, "LETTERS", "AB")

    class Sure:
        """Sure of any test digit, unsure of what is printed."""

        def fit(self, X, Y, seed, scale):
            del X, Y, seed, scale
            return self

        def __call__(self, X):
            from balinp.predictive import CategoricalPredictive

            p, n = np.full((len(X), 10), 0.1), len(test.X)
            if len(X) == n:
                p = np.eye(10)[np.zeros(n, int)] * 0.91 + 0.009
            elif len(X) == 10 * len(outside.FONTS):
                p = np.tile(np.eye(10) * 0.5 + 0.05, (len(outside.FONTS), 1))
            return CategoricalPredictive(p[None])

    one = type("Named", (), {"name": "one"})()
    test = outside.trained(0, "logistic regression")
    monkeypatch.setattr(outside, "methods", lambda: [one])
    monkeypatch.setattr(outside, "trained", lambda split, name: digits.Trained(Sure(), *test[1:]))
    (record,) = outside.run(1)
    assert record["auroc_letters"] == record["auroc_printed"] == record["auroc_apart"] == 1
    assert record["accuracy_printed"] == 1
    assert record["nll_printed"] == pytest.approx(-np.log(0.55))


def test_corruptions_do_what_they_are_called(rng):
    X = np.zeros((2, 64))
    X[:, 8 * 3 + 4] = 16.0
    before = X.copy()
    for kind in corrupted.CORRUPTIONS:
        assert corrupted.corrupt(X, kind, 0, 1) is X
        spoilt = [corrupted.corrupt(X, kind, 4, seed) for seed in (1, 1)]
        np.testing.assert_array_equal(*spoilt)
        assert spoilt[0].min() >= 0
        assert spoilt[0].max() <= digits.WHITEST
    np.testing.assert_array_equal(X, before)
    image = X.reshape(2, 8, 8)
    ticks = np.arange(8)

    def centre(images):
        total = images.sum(axis=(1, 2))
        return np.stack([(images.sum(axis=2) @ ticks), (images.sum(axis=1) @ ticks)]) / total

    moved = centre(corrupted.shifted(image, 1.5, rng)) - centre(image)
    np.testing.assert_allclose(np.hypot(*moved), 1.5, rtol=1e-10)
    smeared = corrupted.blurred(image, 0.5, rng)
    assert smeared.sum() == pytest.approx(image.sum(), rel=1e-3)
    assert smeared[0].max() < 16
    np.testing.assert_allclose(smeared[0], smeared[1])
    quarter = corrupted.rotated(image, 90.0, rng)  # 3, 4 from the middle at 3.5
    found = {tuple(map(int, np.argwhere(q > 8)[0])) for q in quarter}
    assert found <= {(3, 3), (4, 4)}
    noise = corrupted.noisy(np.zeros((50, 8, 8)), 0.25, rng)
    assert noise.std() == pytest.approx(4.0, rel=0.05)


def test_curves_are_means_over_corruptions():
    records = [
        {"split": s, "method": "m", "corruption": kind, "severity": k, "nll": s + 10 * k + c}
        for s in range(2) for k in range(3) for c, kind in ((0, "noise"), (4, "blur"))
    ]  # fmt: skip
    found = corrupted.curves(records, "nll", ["noise", "blur"])["m"]
    np.testing.assert_array_equal(found, [[2, 12, 22], [3, 13, 23]])


# -- choices ---------------------------------------------------------------------------------------


def test_expected_improvement_is_its_integral():
    for mean, std, least in ((0.3, 0.5, 0.0), (-1.0, 0.2, 0.0), (2.0, 1.0, 1.5)):
        f = np.linspace(mean - 12 * std, least, 200_001)
        expected = integrate.simpson((least - f) * norm.pdf(f, mean, std), x=f)
        found = optimisation.expected_improvement(np.array([mean]), np.array([std]), least)
        assert found[0] == pytest.approx(expected, rel=1e-9)


def test_regret_falls_and_methods_start_alike():
    function = optimisation.FUNCTIONS[0]
    random, gp = (optimisation.optimise(function, m, 3, 6) for m in ("random", "Gaussian process"))
    assert random[0] == gp[0]
    assert (np.diff(random) <= 0).all()
    assert (np.diff(gp) <= 0).all()
    assert gp[-1] > 0
    np.testing.assert_array_equal(gp, optimisation.optimise(function, "Gaussian process", 3, 6))


def test_most_uncertain_given_those_before(rng):
    A = rng.standard_normal((12, 4))
    C, noise, count = A @ A.T, 0.3, 4
    before = C.copy()
    chosen = active.most_uncertain(C, noise, count)
    np.testing.assert_array_equal(C, before)
    for k in range(count):
        S = chosen[:k]
        K = C[np.ix_(S, S)] + noise * np.eye(k)
        left = np.diag(C) - np.einsum("ns,st,nt->n", C[:, S], np.linalg.inv(K), C[:, S])
        left[S] = -np.inf
        assert chosen[k] == left.argmax()


def test_surrogates_say_the_same_of_rows_alone_and_together(rng):
    X = rng.random((15, 2))
    y = 5 + np.sin(4 * X[:, 0])
    for kind in (Network, ExactNetwork, GaussianProcess):
        surrogate = kind(X, y, 0)
        predictive, together = surrogate.predictive(X[:4]), surrogate.between_rows(X[:4])
        np.testing.assert_allclose(predictive.epistemic[:, 0, 0], np.diag(together), rtol=1e-5)
        assert predictive.mean[:, 0] == pytest.approx(y[:4], abs=0.5)
    given = ExactNetwork(X, y, 0).predictive(X[:1]).aleatoric.ravel()[0]
    assert given == pytest.approx(LITTLE * y.var(), rel=1e-9)


def test_labels_grow_and_pools_are_shared(monkeypatch):
    monkeypatch.setattr(active, "ROUNDS", 1)
    monkeypatch.setattr(active, "TEST", 20)
    a, b = (active.learn_function("Hartmann 3", "Gaussian process", rule, 2)
            for rule in (active.ACTIVE, active.RANDOM))  # fmt: skip
    assert a[0] | {"method": ""} == b[0] | {"method": ""}
    assert [r["labels"] for r in a] == [10, 15]
    assert a[1]["rmse"] != b[1]["rmse"]
    monkeypatch.setattr(active, "ROUNDS_CLASSES", 1)
    found = active.learn_digits("logistic regression", active.ENTROPY, 0)
    assert [r["labels"] for r in found] == [20, 40]
    assert found[1]["nll"] < found[0]["nll"]


# -- drift -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", drift.KINDS)
def test_streams_change_where_they_say(kind):
    X, y, f = drift.stream(kind, 1)
    assert X.shape == (drift.ROWS, drift.N_IN)
    assert (y - f).std() == pytest.approx(drift.NOISE, rel=0.1)
    A = np.column_stack([X, np.ones(len(X))])

    def left(rows):
        w = np.linalg.lstsq(A[rows], f[rows], rcond=None)[0]
        return np.abs(A[rows] @ w - f[rows]).max()

    is_linear = kind.startswith("linear")
    assert (left(slice(0, 1500)) < 1e-10) == is_linear
    assert (left(slice(2500, None)) < 1e-10) == is_linear
    assert left(slice(1400, 1600)) > 0.01
    assert (left(slice(1500, 1700)) < 1e-10) == (kind == "linear, at once")


def test_least_squares_forget_as_defined(rng):
    X, y, memory = rng.standard_normal((30, drift.N_IN)), rng.standard_normal(30), 0.9
    learner = drift.RecursiveLeastSquares(memory)
    learner.learn(X[:10], y[:10])
    learner.learn(X[10:], y[10:])
    A, ages = np.column_stack([X, np.ones(30)]), memory ** np.arange(30)[::-1]
    P = memory**30 / 100 * np.eye(6) + (ages[:, None] * A).T @ A
    w = np.linalg.solve(P, (ages[:, None] * A).T @ y)
    np.testing.assert_allclose(learner.w, w, rtol=1e-8, atol=1e-10)
    mean, variance = learner.predict(X[:3])
    np.testing.assert_allclose(mean, A[:3] @ w, rtol=1e-8)
    ratio = 1 + np.einsum("bi,ij,bj->b", A[:3], np.linalg.inv(P), A[:3])
    np.testing.assert_allclose(variance / variance[0], ratio / ratio[0], rtol=1e-8)


def test_targets_are_predicted_before_they_are_known(rng):
    X, y = rng.standard_normal((40, drift.N_IN)), rng.standard_normal(40)

    class Spy:
        seen = 0

        def predict(self, X_new):
            np.testing.assert_array_equal(X_new, X[self.seen : self.seen + drift.CHUNK])
            return np.full(len(X_new), 0.5), np.full(len(X_new), 4.0)

        def learn(self, X_new, y_new):
            self.seen += len(y_new)

    squares, densities = drift.follow(Spy(), X, y, y - 0.5)
    np.testing.assert_allclose(squares, (y - 1) ** 2)
    np.testing.assert_allclose(densities, norm.logpdf(y, 0.5, 2.0))
    squares, densities = drift.follow(drift.RunningMean(), X, y, y)
    np.testing.assert_allclose(squares[10:20], (y[10:20] - y[:10].mean()) ** 2)
    spread = 1.0
    for target in y[:10]:
        spread = drift.MEMORY * spread + (1 - drift.MEMORY) * target**2
    expected = norm.logpdf(y[10:20], y[:10].mean(), np.sqrt(spread))
    np.testing.assert_allclose(densities[10:20], expected)


def test_learners_use_their_own_variance_if_they_have_one(rng):
    X, y = rng.standard_normal((40, drift.N_IN)), rng.standard_normal(40)
    ours = drift.PartialFit(BALIRegressor((), random_state=0))
    assert ours.predict(X[:2])[1] is None
    ours.learn(X, y)
    np.testing.assert_array_equal(
        ours.predict(X[:2])[1], ours.model.predict(X[:2], return_std=True)[1] ** 2
    )
    again = drift.Retrained(lambda: BALIRegressor((), epochs=2, random_state=0))
    again.learn(X[:10], y[:10])
    assert again.model is None
    again.learn(X[10:20], y[10:20])
    first = again.model
    again.learn(X[20:], y[20:])
    assert again.model is first
    assert len(again.y) == 40


# -- command ---------------------------------------------------------------------------------------


def test_the_command_writes_records_and_a_figure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(optimisation, "SURROGATES", {"Gaussian process": GaussianProcess})
    assert command.main(["optimisation", "--seeds", "1"]) == 0
    records = json.loads(Path("optimisation.json").read_text())
    assert optimisation.report(records) == capsys.readouterr().out
    assert len(records) == 2 * len(optimisation.FUNCTIONS)
    assert Path("optimisation.png").stat().st_size > 10_000
