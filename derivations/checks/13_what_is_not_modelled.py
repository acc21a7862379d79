"""Numerical check of 13_what_is_not_modelled.md: the tests' foundations, and the nine claims."""

from math import erf, log1p, sqrt

import numpy as np
from numpy.testing import assert_allclose


def normal_cdf(z):
    return 0.5 * (1 + np.vectorize(erf)(np.asarray(z) / sqrt(2)))


def softmax(f):
    e = np.exp(f - f.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def residuals():
    rng = np.random.default_rng(0)
    repeats, N = 20_000, 12
    # a mixture of two normals: normal scores of its distribution function, by inversion on a grid
    y = rng.standard_normal((repeats, N)) + np.where(rng.random((repeats, N)) < 0.3, -2, 1)
    F = 0.3 * normal_cdf(y + 2) + 0.7 * normal_cdf(y - 1)
    grid = np.linspace(-6, 6, 20_001)
    z = np.interp(F, normal_cdf(grid), grid)
    assert abs(z.mean()) < 4.5 / sqrt(repeats * N)
    squares = (z**2).sum(1)
    assert abs(squares.mean() - N) < 4.5 * sqrt(2 * N / repeats)
    assert abs(squares.var() / (2 * N) - 1) < 0.1
    for t in (1.5, 2.0, 3.0):
        p = 1 - (1 - 2 * normal_cdf(-t)) ** N
        assert_allclose(-np.expm1(N * log1p(-2 * normal_cdf(-t))), p, rtol=1e-10)
        found = (abs(z).max(1) >= t).mean()
        assert abs(found - p) < 4.5 * sqrt(p * (1 - p) / repeats)


def permutations():
    rng = np.random.default_rng(1)
    N, R, repeats = 15, 19, 4000
    x = rng.standard_normal((N, 3))
    x[:, 1] += 3 * x[:, 0]  # features that depend on each other
    x -= x.mean(0)
    x /= np.sqrt((x**2).sum(0))
    p = np.empty(repeats)
    for i in range(repeats):
        z = rng.exponential(size=N)
        orders = np.stack([z, *(rng.permutation(z) for _ in range(R))])
        T = abs(orders @ x).max(1)
        p[i] = (1 + (T[1:] >= T[0]).sum()) / (1 + R)
    for k in (1, 5, 10):
        level = k / (R + 1)
        assert abs((p <= level + 1e-12).mean() - level) < 4.5 * sqrt(level * (1 - level) / repeats)


def labels():
    rng = np.random.default_rng(2)
    p = softmax(1.5 * rng.standard_normal((30, 4)))
    repeats, rows = 20_000, np.arange(30)
    drawn = (rng.random((repeats, 30, 1)) > p.cumsum(1)[:, :-1]).sum(2)
    top, c = p.argmax(1), p.max(1)
    surplus = ((drawn == top) - c).sum(1)
    variance = (c * (1 - c)).sum()
    assert abs(surplus.mean()) < 4.5 * sqrt(variance / repeats)
    assert abs(surplus.var() / variance - 1) < 0.06
    for k in range(4):
        counts = ((drawn == k) - p[:, k]).sum(1)
        spread = (p[:, k] * (1 - p[:, k])).sum()
        assert abs(counts.mean()) < 4.5 * sqrt(spread / repeats)
        assert abs(counts.var() / spread - 1) < 0.06
    cost = -np.log(p[rows, drawn]).mean(1)
    entropy = -(p * np.log(p)).sum() / 30
    assert abs(cost.mean() - entropy) < 4.5 * cost.std() / sqrt(repeats)


def weights():
    rng = np.random.default_rng(3)
    X, X_new, lam, noise = rng.standard_normal((9, 3)), rng.standard_normal((2, 3)), 0.7, 0.4
    C = noise * np.eye(9) + X @ X.T / lam
    P_inverse = np.linalg.inv(X.T @ X / noise + lam * np.eye(3))
    S = X @ P_inverse @ X.T / noise
    assert_allclose(S, X @ np.linalg.inv(X.T @ X + lam * noise * np.eye(3)) @ X.T, rtol=1e-10)
    residual = np.eye(9) - S
    assert_allclose(residual @ C @ residual, noise * residual, atol=1e-12)
    predictive = noise + np.einsum("ni,ij,nj->n", X, P_inverse, X)
    assert_allclose(predictive, noise * (1 + np.diag(S)), rtol=1e-10)
    # new data: y_new - m_new, from the joint Gaussian of old and new targets
    cross, e = X_new @ X.T / lam, X_new @ P_inverse @ X_new.T
    joint = noise * np.eye(2) + X_new @ X_new.T / lam - cross @ np.linalg.inv(C) @ cross.T
    assert_allclose(joint, noise * np.eye(2) + e, rtol=1e-10)


def varying_noise():
    """1: noise std .5 and 1.5 in two regions; the pooled Gaussian covers each wrongly."""
    pooled = sqrt((0.5**2 + 1.5**2) / 2)
    inside = [1 - 2 * normal_cdf(-1.96 * pooled / std) for std in (0.5, 1.5)]
    assert inside[0] > 0.99
    assert inside[1] < 0.86
    assert abs(np.mean(inside) - 0.95) < 0.04


def heavy_tails():
    """2: noise of t with 5 degrees of freedom, intervals of the same variance."""
    rng = np.random.default_rng(4)
    z = rng.standard_t(5, 400_000) / sqrt(5 / 3)
    assert abs((abs(z) < 1.96).mean() - 0.95) < 0.01
    assert (abs(z) < 3.2905).mean() < 0.995


def layers():
    """3: f = w2 w1 x; each layer alone claims the variance that both share."""
    a, b, information = 0.8, 1.7, 40.0
    J = np.array([a, b])
    for lam, ratio in ((1e-6, 2.0), (1e3, None)):
        joint = J @ np.linalg.inv(information * np.outer(J, J) + lam * np.eye(2)) @ J
        blocks = sum(j**2 / (information * j**2 + lam) for j in J)
        assert blocks >= joint
        if ratio:
            assert_allclose(blocks / joint, ratio, rtol=1e-6)


def widths():
    """4: prior variance of a two-layer linear network's output, equal and proportional lam."""
    rng = np.random.default_rng(5)
    for proportional in (False, True):
        variances = []
        for n in (10, 40):
            lam = np.array([1.0, n if proportional else 1.0])
            w1, w2 = rng.standard_normal((2, 40_000, n)) / np.sqrt(lam)[:, None, None]
            variances.append((w1 * w2).sum(1).var())
        growth = variances[1] / variances[0]
        assert_allclose(growth, 1.0 if proportional else 4.0, rtol=0.1)


def far_inputs():
    """5, 6: far out the variance of tanh no longer depends on the distance; that of relu does."""
    rng = np.random.default_rng(6)
    w, c, v = rng.standard_normal((3, 30))
    lam, x = 2.0, np.linspace(-1, 1, 25)[:, None]

    def jacobian(x, phi, slope):
        z = x * w + c
        return np.hstack([slope(z) * v * x, slope(z) * v, phi(z), np.ones_like(x)])

    def variance(x_new, phi, slope):
        J, far = jacobian(x, phi, slope), jacobian(x_new, phi, slope)
        P = J.T @ J / 0.01 + lam * np.eye(J.shape[1])
        return np.einsum("ni,in->n", far, np.linalg.solve(P, far.T))

    far = np.array([[1e3], [1e4]])
    tanh = variance(far, np.tanh, lambda z: 1 - np.tanh(z) ** 2)
    assert_allclose(tanh[1], tanh[0], rtol=1e-6)
    assert tanh[0] <= (len(w) + 1) / lam
    relu = variance(far, lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0)
    assert_allclose(sqrt(relu[1] / relu[0]), 10, rtol=0.02)


def common_shift():
    """7: the softmax's curvature has the common direction in its null space."""
    rng = np.random.default_rng(7)
    f = rng.standard_normal(5)
    p = softmax(f)
    assert_allclose(softmax(f + 3.0), p, rtol=1e-12)
    curvature = np.diag(p) - np.outer(p, p)
    assert_allclose(curvature @ np.ones(5), 0, atol=1e-15)
    covariance = np.linalg.inv(1000 * curvature + 0.5 * np.eye(5))
    ones = np.ones(5) / sqrt(5)
    assert_allclose(ones @ covariance @ ones, 1 / 0.5, rtol=1e-10)


def repeats():
    """8: every datum r times; the claimed variance against that of the honest posterior."""
    rng = np.random.default_rng(8)
    X, r = rng.standard_normal((20, 3)), 6
    honest = np.linalg.inv(X.T @ X + 1e-9 * np.eye(3))
    repeated = np.tile(X, (r, 1))
    claimed = np.linalg.inv(repeated.T @ repeated + 1e-9 * np.eye(3))
    assert_allclose(r * claimed, honest, rtol=1e-6)


def plug_in():
    """9: coverage of mean ± 1.96 s sqrt(1 + 1/n) for a new datum, n = 10."""
    rng = np.random.default_rng(9)
    y = rng.standard_normal((200_000, 11))
    m, s = y[:, :10].mean(1), y[:, :10].std(1, ddof=1)
    inside = (abs(y[:, 10] - m) < 1.96 * s * sqrt(1 + 1 / 10)).mean()
    assert abs(inside - 0.918) < 0.003


CHECKS = {"DG-1": residuals, "DG-2": permutations, "DG-3": labels, "DG-4": weights}
CLAIMS = [
    varying_noise,
    heavy_tails,
    layers,
    widths,
    far_inputs,
    common_shift,
    repeats,
    plug_in,
]

if __name__ == "__main__":
    for check in [*CHECKS.values(), *CLAIMS]:
        check()
    print("13_what_is_not_modelled holds:", *CHECKS)
