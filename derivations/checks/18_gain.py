"""Numerical check of 18_gain.md: the gain in evidence, and where noise moves a network."""

import itertools

import numpy as np
from numpy.testing import assert_allclose


def log_p(Y, f):
    """Log probability of one-hot labels Y at logits f."""
    return (Y * f).sum(axis=-1) - np.log(np.exp(f).sum(axis=-1))


def check_gain():
    # One logistic layer with a 1 as its only input, mean zero: the bound by quadrature.
    K, N = 2, 7
    Y = np.eye(K)[[0, 1, 1, 0, 1, 1, 1]]
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    gains = []
    for lam in (1.0, 1e2, 1e4, 1e6):
        curvature = 0.5 * N * 0.5  # of one logit's difference, in contrasts: N p (1 - p) * 2
        variance = 1 / (curvature + lam)
        f = np.stack([nodes, -nodes], axis=1) * np.sqrt(variance / 2)
        expected = sum(weights @ log_p(y, f) for y in Y)
        divergence = 0.5 * (np.log(1 + curvature / lam) - curvature * variance)
        bound = expected - divergence
        gains.append(bound / N - log_p(Y, np.zeros((N, K))).mean())
        # The evidence of the same layer, by the same quadrature over its prior.
        f = np.stack([nodes, -nodes], axis=1) * np.sqrt(0.5 / lam)
        evidence = np.log(weights @ np.exp(sum(log_p(y, f) for y in Y)))
        assert bound <= evidence + 1e-12
    assert abs(gains[-1]) < 1e-6
    assert np.all(np.diff(np.abs(gains)) < 0)
    return "GA-1"


def log_joint(W1, W2, X, Y, lam1, lam2):
    f = X @ W1 @ W2
    return log_p(Y, f).sum() - 0.5 * (lam1 * (W1**2).sum() + lam2 * (W2**2).sum())


def check_threshold():
    rng = np.random.default_rng(0)
    N, n_1, n_2, K = 12, 3, 4, 3
    X = rng.standard_normal((N, n_1))
    Y = np.eye(K)[rng.integers(K, size=N)]
    C = X.T @ (Y - 1 / K)
    U, s, Vt = np.linalg.svd(C)
    zero = log_joint(np.zeros((n_1, n_2)), np.zeros((n_2, K)), X, Y, 1.0, 1.0)
    unit = np.eye(n_2)[0]
    for factor, rises in ((1.02, False), (0.98, True)):
        lam = factor * s[0] / np.sqrt(n_2 / n_1)
        lam2 = lam * n_2 / n_1
        a, b = lam**-0.5, lam2**-0.5
        best = 1e-2 * a * np.outer(U[:, 0], unit), 1e-2 * b * np.outer(unit, Vt[0])
        assert (log_joint(*best, X, Y, lam, lam2) > zero) == rises
        for _ in range(200):
            W1, W2 = (1e-2 * rng.standard_normal(W.shape) for W in best)
            assert rises or log_joint(W1, W2, X, Y, lam, lam2) < zero
    # The mean over all labels of four data.
    X = rng.standard_normal((4, n_1))
    X *= np.sqrt(X.size / (X**2).sum())  # unit mean square
    squares = [
        ((X.T @ (np.eye(K)[list(labels)] - 1 / K)) ** 2).sum()
        for labels in itertools.product(range(K), repeat=4)
    ]
    assert_allclose(np.mean(squares), 4 * n_1 * (1 - 1 / K), rtol=1e-12)
    lam = n_1 * np.sqrt(4 * (1 - 1 / K) / n_2)
    assert_allclose(lam**2 * n_2 / n_1, np.mean(squares), rtol=1e-12)
    return "GA-2"


if __name__ == "__main__":
    print(*[check() for check in (check_gain, check_threshold)])
