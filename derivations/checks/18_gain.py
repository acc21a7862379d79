"""Numerical check of 18_gain.md: the gain in evidence, and where noise moves a network."""

import itertools
import math

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


def relu_kernel(X):
    lengths = np.linalg.norm(X, axis=1)
    cosines = np.clip(X @ X.T / np.outer(lengths, lengths), -1, 1)
    t = np.arccos(cosines)
    return np.outer(lengths, lengths) * (np.sin(t) + (np.pi - t) * cosines) / np.pi


def check_labels():
    rng = np.random.default_rng(0)
    # The kernel, by quadrature over the plane of two inputs: radius in closed form, angle by sums.
    X = rng.standard_normal((2, 3))
    cosine = X[0] @ X[1] / np.linalg.norm(X[0]) / np.linalg.norm(X[1])
    angles = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)
    relu = np.maximum(np.cos(angles), 0), np.maximum(np.cos(angles - np.arccos(cosine)), 0)
    moment = 2 * 2 * (relu[0] * relu[1]).mean() * np.prod(np.linalg.norm(X, axis=1))
    assert_allclose(relu_kernel(X)[0, 1], moment, rtol=1e-8)
    # The density of contrasts between repeated rows, against the formula with weights.
    N, K = 5, 3
    X, w = rng.standard_normal((N, 2)), np.array([1, 3, 2, 1, 2])
    Y, k = np.eye(K)[[0, 1, 2, 1, 0]], relu_kernel(X)
    u = np.sqrt(w / w.sum())
    P = np.eye(N) - np.outer(u, u)
    values, Q = np.linalg.eigh(P @ (np.sqrt(np.outer(w, w)) * k) @ P)
    M, many = w.sum() - 1, np.repeat(np.arange(N), w)
    s = values.sum() / M
    squares = ((Q.T @ P @ (np.sqrt(w)[:, None] * Y)) ** 2).sum(axis=1)
    contrasts = np.linalg.qr(np.c_[np.ones(M + 1), rng.standard_normal((M + 1, M))])[0][:, 1:]
    differences = []
    for r in (0.1, 1.0, 7.0):
        v = values / s + r
        formula = M * np.log((squares / v).sum()) + np.log(v).sum() + (M - N) * np.log(r)
        covariance = contrasts.T @ (k[np.ix_(many, many)] / s + r * np.eye(M + 1)) @ contrasts
        T = contrasts.T @ Y[many]
        variance = (T * np.linalg.solve(covariance, T)).sum() / M / (K - 1)
        density = -0.5 * (K - 1) * (M * np.log(variance) + np.linalg.slogdet(covariance)[1] + M)
        differences.append(density + 0.5 * (K - 1) * formula)
    assert_allclose(differences, differences[0], rtol=1e-10)
    return "GA-3"


def check_left_out():
    rng = np.random.default_rng(0)
    # (a) Any function of other data: here frequencies among nine labels, over all that they may be.
    p, N = 0.3, 9
    counts = np.arange(N + 1)
    binomial = np.array([math.comb(N, k) * p**k * (1 - p) ** (N - k) for k in counts])
    for prior in (0.1, 1.0, 10.0):
        guess = (counts + prior) / (N + 2 * prior)
        told = binomial @ (p * np.log(guess) + (1 - p) * np.log(1 - guess))
        assert told < p * np.log(p) + (1 - p) * np.log(1 - p)
    # (b) Regressions of one-hot labels with a constant, each made anew without its datum.
    X, Y = rng.standard_normal((8, 2)), np.eye(3)[[0, 1, 2, 0, 1, 1, 2, 0]]
    k = np.exp(-((X[:, None] - X) ** 2).sum(axis=2))
    for n in range(8):
        others = np.arange(8) != n
        ones = np.ones((7, 1))
        bordered = np.block(
            [[k[np.ix_(others, others)] + 0.3 * np.eye(7), ones], [ones.T, np.zeros((1, 1))]]
        )
        a = np.linalg.solve(bordered, np.r_[Y[others], np.zeros((1, 3))])
        assert_allclose((np.r_[k[n, others], 1.0] @ a).sum(), 1.0, rtol=1e-12)
    # (c) The second moment of the outputs, layer by layer: E[W M W^T] = tr(M) / lambda I.
    r, widths = 0.4, [5, 7, 3, 2]
    x = rng.standard_normal(5)
    M = np.outer(x, x) * 5 / (x @ x)
    for n_in, n_out in itertools.pairwise(widths):
        M = np.trace(M) / (r * n_in) * np.eye(n_out)
    assert_allclose(M, r**-3 * np.eye(2), rtol=1e-12)
    return "GA-4"


if __name__ == "__main__":
    print(*[check() for check in (check_gain, check_threshold, check_labels, check_left_out)])
