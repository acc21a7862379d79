"""Classes whose labels follow their inputs a little or not at all: what the prior makes of them.

Held-out losses are exact expectations over the labels' own probabilities, at 2,000 new inputs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cases import assert_close
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from balinp import BALI, BALIClassifier, Categorical, Gaussian
from balinp._types import Array
from balinp.data import Data
from balinp.evidence import HyperPrior
from balinp.gain import NOISE_THRESHOLD, Gain, first_precision, mean_density_without_weights
from balinp.hyper_parameters import PRECISION_SHARE, HyperParameters
from balinp.label_noise import noise_ratio
from balinp.layer import MatrixNormalLayer
from balinp.linearised import LinearisedClasses
from balinp.mlp import MLP
from balinp.pseudo_targets import trace

# The gain ---------------------------------------------------------------------------------------


@pytest.mark.equation("GA-1", "LR-6")
@pytest.mark.parametrize("largest", [2**23, 4])
def test_a_network_without_weights_has_outputs_of_zero(
    largest: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr("balinp.data.PIECE", largest)
    w = rng.uniform(0.1, 2, 9)
    X, Y, classes = rng.normal(size=(9, 2)), rng.normal(size=(9, 1)), rng.integers(3, size=9)
    normal = -0.5 * (np.log(2 * np.pi * 0.3) + Y[:, 0] ** 2 / 0.3)
    for targets, likelihood, densities in (
        (np.eye(3)[classes], Categorical(), np.full(9, -np.log(3))),
        (Y, Gaussian(0.3), normal),
    ):
        network, W = MLP([2, targets.shape[1]]), [np.ones((3, targets.shape[1]))]
        said = trace(network, likelihood, W, X, targets, sample_weight=w)
        batch = Data(X, targets, w).whole
        for pieces in (said, [said, said]):  # of several the targets are read from the data
            found = mean_density_without_weights(batch, pieces, likelihood)
            assert_close(found, (w @ densities) / w.sum())
    plain = trace(MLP([2, 1]), Gaussian(0.3), [np.ones((3, 1))], X, Y)
    found = mean_density_without_weights(Data(X, Y, None).whole, plain, Gaussian(0.3))
    assert_close(found, normal.mean())


@pytest.mark.equation("GA-1", "EV-7")
def test_no_gain_is_left_under_an_endless_precision(rng: np.random.Generator) -> None:
    X, Y = rng.normal(size=(30, 4)), np.eye(3)[rng.integers(3, size=30)]
    model = BALI((5,), "categorical", prior_precision=1e9).fit(X, Y, epochs=20)
    assert abs(model.hyper.gain.value) < 1e-6
    model = BALI((5,), "categorical", prior_precision=1.0).fit(X, Y, epochs=20)
    assert model.hyper.gain.value < -0.01


@pytest.mark.equation("GA-1")
def test_the_gain_is_averaged_and_its_best_remembered() -> None:
    gain = Gain()
    assert gain.is_kept(10)  # before it is known
    gain = gain.after(0.4, rate=0.5, precision=7.0)  # the first stands for itself
    assert gain == Gain(0.4, 0.4, 7.0)
    gain = gain.after(0.0, rate=0.25, precision=5.0)
    assert (gain.best, gain.best_precision) == (0.4, 7.0)
    assert_close(gain.value, 0.3)


@pytest.mark.equation("GA-1")
@pytest.mark.parametrize(
    ("value", "best", "n_data", "kept"),
    [
        (0.71, 1.0, 1e6, True),  # a share of the best may be lost,
        (0.69, 1.0, 1e6, False),
        (0.001, 0.03, 100, True),  # or 3 nats of all data,
        (-0.001, 0.03, 100, False),
        (-0.52, -0.5, 100, True),  # also where there is nothing to lose
        (-0.54, -0.5, 100, False),
    ],
)
def test_what_may_be_lost(value: float, best: float, n_data: float, kept: bool) -> None:
    assert Gain(value, best, 1.0).is_kept(n_data) == kept


@pytest.mark.equation("GA-1", "EV-2")
@pytest.mark.parametrize("best", [2.0, 5.0, 5.2, 30.0])
def test_a_prior_that_is_too_weak_goes_back_and_not_beyond(best: float) -> None:
    layer = MatrixNormalLayer(3, 2, prior_precision=5.0)
    hyper = HyperParameters(Categorical(), None, HyperPrior(), None)
    hyper.mean_precisions, hyper.gain = [5.0], Gain(0.1, 1.0, best)
    hyper.learn_precision([layer], 100, 1.0)
    nearest = np.clip(best, 5.0 * np.exp(-PRECISION_SHARE), 5.0 * np.exp(PRECISION_SHARE))
    assert_close(hyper.mean_precisions[0], nearest)


# Where it starts --------------------------------------------------------------------------------


@pytest.mark.equation("GA-2")
def test_at_the_threshold_noise_pulls_as_hard_as_the_prior() -> None:
    """The mean of |C|_F^2 over all labels of four data is lam_1 lam_2."""
    rng = np.random.default_rng(0)
    n_1, n_2, K = 3, 5, 3
    X = rng.normal(size=(4, n_1))
    X *= np.sqrt(X.size / (X**2).sum())
    labels = np.stack(np.meshgrid(*[range(K)] * 4), axis=-1).reshape(-1, 4)
    squares = [((X.T @ (np.eye(K)[y] - 1 / K)) ** 2).sum() for y in labels]
    lam = n_1 * first_precision(4, [n_1, n_2, K]) / NOISE_THRESHOLD
    assert_close(lam * (lam * n_2 / n_1), np.mean(squares))


@pytest.mark.equation("GA-2", "GA-3", "EV-2")
@pytest.mark.parametrize(
    ("hidden", "likelihood", "relative"),
    [
        ((5, 4), "categorical", None),
        ((), "categorical", 1.0),
        ((5, 4), "gaussian", 1.0),
    ],
)
def test_where_training_starts(
    hidden: tuple[int, ...], likelihood: str, relative: float | None, rng: np.random.Generator
) -> None:
    """Of batches of an iterable, the first says how much of a pattern there is."""
    X, Y = rng.normal(size=(10, 2)), np.eye(3)[np.arange(10) % 3]
    if relative is None:
        share = min(1.0, 0.35 * max(0.2, noise_ratio(X, Y, None)) / np.sqrt(3))
        relative = share * 0.85 * np.sqrt(40 * (2 / 3) / 5)
    model = BALI(hidden, likelihood)
    model.fit([(X, Y)] * 4, epochs=0)
    widths = np.array([2, *hidden])
    assert_close([layer.prior_precision for layer in model.layers], relative * widths)


# What comes of it -------------------------------------------------------------------------------

Problem = Callable[[int], tuple[Array, Array, Array, Array]]
"""Inputs and labels to train on, new inputs, and their classes' probabilities, by a seed."""


def problem(
    logits: Callable[[Array], Array], rows: int, columns: int, flipped: float = 0.0
) -> Problem:
    """Labels drawn with these logits of standard normal inputs, some of two turned."""

    def make(seed: int) -> tuple[Array, Array, Array, Array]:
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((rows + 2000, columns))
        p = softmax(logits(X), axis=1)
        p = (1 - flipped) * p + flipped * p[:, ::-1]
        y = (p.cumsum(axis=1)[:rows] < rng.random((rows, 1))).sum(axis=1)
        return X[:rows], y, X[rows:], p[rows:]

    return make


def toss(rows: int, columns: int, K: int) -> Problem:
    return problem(lambda X: np.zeros((len(X), K)), rows, columns)


def linear(rows: int, columns: int, deviation: float) -> Problem:
    w = np.random.default_rng(3).standard_normal(columns)
    w *= deviation / np.linalg.norm(w)
    return problem(lambda X: np.outer(X @ w, [0.0, 1.0]), rows, columns)


def held_out(model: object, data: Problem, seed: int) -> tuple[float, float]:
    """Expected negative log-likelihood and accuracy on new inputs."""
    X, y, X_new, p = data(seed)
    found = model.fit(X, y).predict_proba(X_new)  # type: ignore[attr-defined]
    loss = -(p * np.log(found)).sum(axis=1).mean()
    return float(loss), float(p[np.arange(len(p)), found.argmax(axis=1)].mean())


@pytest.mark.equation("GA-1", "GA-2")
@pytest.mark.parametrize(
    ("rows", "columns", "K"), [(150, 30, 2), (200, 10, 5), (500, 10, 2)], ids=str
)
def test_labels_that_are_coin_tosses_are_not_learnt(rows: int, columns: int, K: int) -> None:
    """At most 1 % above ignorance: .70 for two classes."""
    losses = [
        held_out(BALIClassifier(random_state=seed), toss(rows, columns, K), seed)[0]
        for seed in range(3)
    ]
    assert np.mean(losses) < 1.01 * np.log(K)


@pytest.mark.equation("GA-1", "GA-2")
@pytest.mark.parametrize(
    ("rows", "columns", "deviation"), [(100, 10, 2.0), (300, 10, 1.0), (500, 30, 1.4)], ids=str
)
def test_overlapping_classes_of_a_linear_rule(rows: int, columns: int, deviation: float) -> None:
    """No worse by .02 than cross-validated logistic regression, where that is the right model."""
    data, differences = linear(rows, columns, deviation), []
    for seed in range(3):
        strengths = {"C": np.logspace(-4, 4, 10)}
        right = GridSearchCV(LogisticRegression(max_iter=500), strengths, scoring="neg_log_loss")
        loss, _ = held_out(BALIClassifier(random_state=seed), data, seed)
        differences.append(loss - held_out(right, data, seed)[0])
    assert np.mean(differences) < 0.02


@pytest.mark.equation("GA-1", "GA-2")
@pytest.mark.parametrize(
    ("logits", "rows", "flipped", "accuracy"),
    [
        (lambda X: 1e3 * np.outer((X**2).sum(axis=1) - 1.386, [-1.0, 1.0]), 200, 0.0, 0.95),
        (lambda X: 1e3 * np.outer((X**2).sum(axis=1) - 1.386, [-1.0, 1.0]), 200, 0.1, 0.80),
        (lambda X: 1e3 * np.outer(X[:, 0] * X[:, 1], [-1.0, 1.0]), 300, 0.1, 0.80),
    ],
    ids=["circles", "circles, a tenth turned", "product, a tenth turned"],
)
def test_what_has_no_linear_part_is_learnt(
    logits: Callable[[Array], Array], rows: int, flipped: float, accuracy: float
) -> None:
    data = problem(logits, rows, 2, flipped)
    found = [held_out(BALIClassifier(random_state=seed), data, seed)[1] for seed in range(3)]
    assert np.mean(found) > accuracy


# Draws ------------------------------------------------------------------------------------------


@pytest.mark.equation("FP-2", "LR-6")
@pytest.mark.parametrize("batch_size", [None, 32])
def test_draws_do_not_depend_on_the_scale_of_weights(
    batch_size: int | None, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """As many as rows ask for; absent rows do not count."""
    X, Y = rng.normal(size=(128, 3)), np.eye(2)[rng.integers(2, size=128)]
    w = np.where(np.arange(128) < 64, 1.0, 0.0)
    seen: list[tuple[int, ...]] = []
    plain = LinearisedClasses.deviations

    def counted(self: LinearisedClasses, now: object, trace: object) -> Array:
        e = plain(self, now, trace)  # type: ignore[arg-type]
        seen.append(e.shape)
        return e

    monkeypatch.setattr(LinearisedClasses, "deviations", counted)
    for scale in (1.0, 1e-4, 1e4):
        seen.clear()
        model = BALI((4,), "categorical", prior_precision=1.0)
        model.fit(X, Y, epochs=3, batch_size=batch_size, sample_weight=scale * w)
        assert {draws for draws, _, _ in seen} == {8192 // 64}
