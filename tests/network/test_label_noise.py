"""What a regression of the labels says of their pattern before training, and what comes of it.

References are densities of Gaussians with dense covariances, and integrals over an angle.
"""

from __future__ import annotations

import numpy as np
import pytest
from cases import assert_close
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits

from balinp import BALI, BALIClassifier
from balinp._types import Array
from balinp.data import Data
from balinp.gain import Gain, first_precision
from balinp.label_noise import (
    MOST_ROWS,
    NOISE_RATIOS,
    evidence_of_ratios,
    kernel,
    noise_ratio,
    noise_ratio_of,
)

# The regression ---------------------------------------------------------------------------------


@pytest.mark.equation("GA-3")
def test_the_kernel_is_twice_the_moment_of_relu_units(rng: np.random.Generator) -> None:
    """A sum over directions in the plane of two inputs; the squared radius has the mean 2."""
    X = rng.normal(size=(2, 3))
    a, b = np.c_[X, np.ones(2)]
    e = a / np.linalg.norm(a)
    f = b - (b @ e) * e
    plane = np.stack([e, f / np.linalg.norm(f)])
    phi = np.linspace(0, 2 * np.pi, 400_000, endpoint=False)
    w = np.stack([np.cos(phi), np.sin(phi)], axis=1) @ plane
    moment = 2 * np.mean(np.maximum(w @ a, 0) * np.maximum(w @ b, 0))
    # The sum over directions has its kinks between points.
    assert_close(kernel(X)[0, 1], 2 * moment, rtol=1e-9)
    assert_close(kernel(X).diagonal(), [a @ a, b @ b])


def density_without_constant(X: Array, Y: Array, ratio: float, s: float) -> float:
    """Log density of what is left of each class without its mean, at the best variance."""
    N = len(X)
    contrasts = np.linalg.qr(np.c_[np.ones(N), np.random.default_rng(0).normal(size=(N, N - 1))])[0]
    covariance = contrasts[:, 1:].T @ (kernel(X) / s + ratio * np.eye(N)) @ contrasts[:, 1:]
    classes = np.linalg.qr(np.c_[np.ones(Y.shape[1]), np.eye(Y.shape[1])[:, 1:]])[0][:, 1:]
    T = contrasts[:, 1:].T @ Y @ classes
    variance = np.mean(T * np.linalg.solve(covariance, T))
    return float(sum(multivariate_normal.logpdf(t, cov=variance * covariance) for t in T.T))


@pytest.mark.equation("GA-3", "LR-6")
def test_evidence_is_the_density_of_contrasts_between_rows(rng: np.random.Generator) -> None:
    """Weights are numbers of equal rows; a class that nobody has is none."""
    X, Y = rng.normal(size=(7, 2)), np.eye(4)[[0, 1, 3, 1, 0, 3, 3]]
    w = np.array([1.0, 3.0, 2.0, 1.0, 2.0, 0.0, 1.0])
    rows = np.repeat(np.arange(7), w.astype(int))
    H = np.eye(10) - 0.1
    s = np.trace(H @ kernel(X[rows]) @ H) / 9
    there = Y[rows][:, [0, 1, 3]]
    expected = [density_without_constant(X[rows], there, r, s) for r in NOISE_RATIOS]
    for found in (evidence_of_ratios(X, Y, w), evidence_of_ratios(X[rows], Y[rows], None)):
        assert_close(found - found[0], np.array(expected) - expected[0], rtol=1e-9)


@pytest.mark.equation("GA-3")
def test_the_ratio_is_a_geometric_mean(rng: np.random.Generator) -> None:
    X, Y = rng.normal(size=(30, 2)), np.eye(2)[rng.integers(2, size=30)]
    posterior = np.exp(evidence_of_ratios(X, Y, None))
    expected = np.prod(NOISE_RATIOS ** (posterior / posterior.sum()))
    assert_close(noise_ratio(X, Y, None), expected)
    assert_close(noise_ratio(X, Y[:, ::-1], None), expected)


@pytest.mark.equation("GA-3")
@pytest.mark.parametrize(
    ("X", "Y"),
    [
        (np.arange(4.0)[:, None], np.eye(2)[[1, 1, 1, 1]]),
        (np.ones((4, 2)), np.eye(2)[[0, 1, 1, 0]]),
        (np.ones((1, 2)), np.eye(2)[[0]]),
    ],
    ids=["one class", "equal inputs", "one row"],
)
def test_without_any_contrast_nothing_is_known(X: Array, Y: Array) -> None:
    assert noise_ratio(X, Y, None) == np.inf


@pytest.mark.equation("GA-3")
def test_of_many_rows_some_are_looked_at_always_the_same(rng: np.random.Generator) -> None:
    N = 3 * MOST_ROWS
    X, Y, w = rng.normal(size=(N, 2)), np.eye(2)[np.arange(N) % 2], np.arange(N) % 3 + 0.0
    batch = Data(X, Y, w).whole
    found, _, weights = batch.some(MOST_ROWS)
    places = np.array([np.flatnonzero((X == row).all(axis=1))[0] for row in found])
    assert len(found) == MOST_ROWS
    assert (np.diff(places) > 0).all()
    assert weights is not None
    assert_close(weights, w[places], rtol=0)
    assert (weights > 0).all()
    assert noise_ratio_of(batch) == noise_ratio(X[places], Y[places], w[places])
    few, _, none = Data(X[:5], Y[:5], None).whole.some(5)
    assert none is None
    assert_close(few, X[:5], rtol=0)


# Where training starts --------------------------------------------------------------------------


@pytest.mark.equation("GA-3", "GA-2")
@pytest.mark.parametrize(
    ("ratio", "share"), [(0.1, 0.035), (1.0, 0.175), (5.0, 0.875), (10.0, 1.0), (np.inf, 1.0)]
)
def test_the_first_precision_is_a_share_of_that_of_noise(ratio: float, share: float) -> None:
    assert_close(first_precision(40, [3, 10, 4], ratio), share * 0.85 * np.sqrt(3.0))


@pytest.mark.equation("GA-1", "GA-3")
def test_no_network_is_the_first_best_of_all_data(rng: np.random.Generator) -> None:
    """As long as the gain of a network is not known, nothing is against it."""
    X, Y = rng.normal(size=(60, 3)), np.eye(2)[np.arange(60) % 2]
    model = BALI((5,), "categorical").fit(X, Y, epochs=0)
    assert model.hyper.gain == Gain(best=0.0, best_precision=model.prior_precision)
    assert model.hyper.gain.is_kept(60)
    assert not model.hyper.gain.after(-0.1, 1.0, 1.0).is_kept(60)
    for hidden, batches in (((5,), [(X, Y)] * 2), ((), [(X, Y)])):
        assert BALI(hidden, "categorical").fit(batches, epochs=0).hyper.gain.best == -np.inf


# What comes of it -------------------------------------------------------------------------------


def loss_and_accuracy(train: tuple[Array, Array], test: tuple[Array, Array]) -> tuple[float, float]:
    p = BALIClassifier(random_state=0).fit(*train).predict_proba(test[0])
    y = test[1].astype(int)
    return float(-np.log(p[np.arange(len(y)), y]).mean()), float((p.argmax(axis=1) == y).mean())


@pytest.mark.equation("GA-3")
@pytest.mark.parametrize(("each", "loss", "accuracy"), [(2, 1.5, 0.55), (4, 1.1, 0.7)])
def test_few_digits_are_learnt(each: int, loss: float, accuracy: float) -> None:
    """Uniform probabilities have 2.3; logistic regression has 1.0 to .6."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    train = np.concatenate([order[y[order] == k][:each] for k in range(10)])
    test = np.setdiff1d(order, train)
    found = loss_and_accuracy((X[train], y[train]), (X[test], y[test]))
    assert found[0] < loss
    assert found[1] > accuracy


def groups(rng: np.random.Generator, means: Array, y: Array) -> tuple[Array, Array]:
    """Data of Gaussian classes, and their labels."""
    return means[y] + rng.normal(size=(len(y), means.shape[1])), y


@pytest.mark.equation("GA-3")
@pytest.mark.parametrize(
    ("K", "each", "n_in", "away"), [(5, 2, 64, 9.0), (20, 2, 20, 7.0), (3, 4, 5, 6.0)], ids=str
)
def test_few_data_of_a_class_are_enough(
    K: int, each: int, n_in: int, away: float, rng: np.random.Generator
) -> None:
    """Means that are so far apart, and a unit of noise in each input."""
    means = rng.normal(size=(K, n_in)) * away / np.sqrt(2 * n_in)
    train = groups(rng, means, np.repeat(np.arange(K), each))
    loss, accuracy = loss_and_accuracy(train, groups(rng, means, rng.integers(K, size=1000)))
    assert loss < 0.5 * np.log(K)
    assert accuracy > 0.7


@pytest.mark.equation("GA-1", "GA-3")
@pytest.mark.parametrize(("K", "rows", "n_in"), [(10, 40, 64), (2, 60, 30), (5, 100, 3)], ids=str)
def test_few_labels_without_a_pattern_are_not(
    K: int, rows: int, n_in: int, rng: np.random.Generator
) -> None:
    X, X_new = rng.normal(size=(rows, n_in)), rng.normal(size=(1000, n_in))
    y = np.r_[np.arange(K), rng.integers(K, size=rows - K)]
    p = BALIClassifier(random_state=0).fit(X, y).predict_proba(X_new)
    assert -np.log(p).mean() < np.log(K) + 0.02


@pytest.mark.equation("GA-1", "GA-3")
def test_two_data_a_class_are_not_followed_in_small_batches(rng: np.random.Generator) -> None:
    """Fifty classes in intervals of one input of three, too fine to be seen: as none at all."""
    X = rng.standard_normal((250, 3))
    Y = np.eye(50)[np.argsort(np.argsort(X[:, 0])) // 5]
    train, test = np.split(rng.permutation(250), [100])
    model = BALI((20, 20), "categorical").fit(X[train], Y[train], epochs=14, batch_size=7)
    assert -np.log((model.predict(X[test]).probabilities * Y[test]).sum(axis=1)).mean() < 3.95


def test_differences_that_are_lost_beside_the_size_name_the_inputs(
    rng: np.random.Generator,
) -> None:
    X, Y = rng.normal(size=(60, 2)) + 1e9, np.eye(2)[rng.integers(2, size=60)]
    with pytest.raises(ValueError, match="X: expected inputs whose differences"):
        BALI((5,), "categorical").fit(X, Y, epochs=3)
    model = BALIClassifier((5,), epochs=3).fit(X, Y.argmax(axis=1))
    assert np.isfinite(model.predict_proba(X)).all()
