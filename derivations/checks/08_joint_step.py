"""Numerical check of 08_joint_step.md: the quadratic that chooses one step for all layers."""

from itertools import pairwise

import numpy as np
from numpy.testing import assert_allclose

WIDTHS = (3, 4, 5, 2)
N, LAM = 8, 0.7


def regression(rng, prior, rate, remembered):
    """Gradient R, scaled change, batch curvature and P of one Gaussian layer, D = 4 and K = 3."""
    X, A = rng.standard_normal((5, 4)), rng.standard_normal((4, 4))
    root = rng.standard_normal((3, 3)) + 2 * np.eye(3)
    H = root @ root.T
    P0 = LAM * np.kron(H if prior == "conjugate" else np.eye(3), np.eye(4))
    batch = N / 5 * np.kron(H, X.T @ X)
    memory = np.kron(H, A @ A.T) * 10.0 ** rng.uniform(-2, 2) if remembered else 0.0
    P = (1 - rate) * memory + rate * batch + P0
    R = batch @ rng.standard_normal(12) - P0 @ rng.standard_normal(12)
    return R, rate * np.linalg.solve(P, R), batch + P0, P


def activation(z):
    return np.tanh(z)


def network(seed=1):
    """Weights, a direction, data and output precision of a small tanh network."""
    rng = np.random.default_rng(seed)
    shapes = [(i + 1, o) for i, o in pairwise(WIDTHS)]
    weights = [rng.standard_normal(shape) for shape in shapes]
    directions = [[rng.standard_normal(shape) for shape in shapes] for _ in range(2)]
    X, Y = rng.standard_normal((N, WIDTHS[0])), rng.standard_normal((N, WIDTHS[-1]))
    return weights, directions, X, Y, np.array([[2.0, 0.4], [0.4, 1.0]])


def outputs(weights, x):
    for index, W in enumerate(weights):
        z = np.hstack([x, np.ones((len(x), 1))]) @ W
        x = activation(z) if index + 1 < len(weights) else z
    return x


def log_joint(weights, X, Y, H):
    """Log joint density of data and weights with prior precision LAM, up to a constant."""
    r = Y - outputs(weights, X)
    return -0.5 * (r @ H * r).sum() - 0.5 * LAM * sum((W * W).sum() for W in weights)


def along(weights, direction, s):
    return [W + s * D for W, D in zip(weights, direction, strict=True)]


def model(weights, directions, X, Y, H):
    """Slopes b and curvature C of the quadratic over the given directions."""
    df = [outputs(along(weights, d, 1e-30j), X).imag / 1e-30 for d in directions]
    b = np.array([log_joint(along(weights, d, 1e-30j), X, Y, H).imag / 1e-30 for d in directions])
    S = np.linalg.cholesky(H)  # S S^T = H
    white = [d @ S for d in df]
    flat = [np.concatenate([D.ravel() for D in d]) for d in directions]
    C = np.array([[(u * v).sum() for v in white] for u in white])
    C += LAM * np.array([[u @ v for v in flat] for u in flat])
    return b, C


def one_direction():
    rng = np.random.default_rng(2)
    for prior in ("isotropic", "conjugate"):
        R, change, curvature, _ = regression(rng, prior, 1.0, True)
        assert_allclose(R @ change / (change @ curvature @ change), 1.0, rtol=1e-10)
        smallest = np.inf
        for trial in range(100):
            rate = rng.uniform(0.02, 0.98)
            R, change, curvature, _ = regression(rng, prior, rate, trial % 4 > 0)
            step = R @ change / (change @ curvature @ change)
            assert step >= 1 - 1e-9
            smallest = min(smallest, step)
        assert smallest < 1.3, "the bound is nearly attained"
    # the linear part is the slope of the log joint; the quadratic part is the Gauss-Newton one
    weights, directions, X, Y, H = network()
    b, C = model(weights, directions, X, Y, H)
    forth, back = (outputs(along(weights, directions[0], s), X) for s in (1e-5, -1e-5))
    df, r = (forth - back) / 2e-5, Y - outputs(weights, X)
    pull = sum((W * D).sum() for W, D in zip(weights, directions[0], strict=True))
    square = sum((D * D).sum() for D in directions[0])
    # 1e-7: the remainder of a central difference
    assert_allclose(b[0], (r @ H * df).sum() - LAM * pull, rtol=1e-7)
    assert_allclose(C[0, 0], (df @ H * df).sum() + LAM * square, rtol=1e-7)
    # layers with exact blocks, all moved at once: at least 1 / (number of layers)
    J = np.random.default_rng(3).standard_normal((6, 15))
    R = np.random.default_rng(4).standard_normal(15)
    full, blocks = J.T @ J + LAM * np.eye(15), np.kron(np.eye(3), np.ones((5, 5)))
    change = np.linalg.solve(full * blocks, R)
    assert R @ change / (change @ full @ change) >= 1 / 3
    # once the prior precision has changed in between, there is no lower bound
    steps = []
    for _ in range(200):
        _, _, curvature, P = regression(rng, "isotropic", 0.05, True)
        likelihood, shift = rng.standard_normal((2, 12))
        R = likelihood - LAM * shift
        pull = (LAM - 0.95 * 0.5 * LAM) * shift  # lam has doubled
        change = np.linalg.solve(P, 0.05 * likelihood - pull)
        steps.append(R @ change / (change @ curvature @ change))
    assert min(steps) < 1


def two_directions():
    weights, directions, X, Y, H = network()
    b, C = model(weights, directions, X, Y, H)
    s = np.linalg.lstsq(C, b, rcond=None)[0]
    assert_allclose(C @ s, b, rtol=1e-10)
    gain = b @ s - 0.5 * s @ C @ s
    assert_allclose(gain, 0.5 * b @ s, rtol=1e-10)
    assert gain >= 0.5 * b[0] ** 2 / C[0, 0]
    # parallel or zero directions: C is singular, b stays in its range, the gain stays the best one
    for twin in ([3 * D for D in directions[0]], [0 * D for D in directions[0]]):
        b2, C2 = model(weights, [directions[0], twin], X, Y, H)
        s2 = np.linalg.lstsq(C2, b2, rcond=1e-12)[0]
        assert_allclose(C2 @ s2, b2, rtol=1e-9, atol=1e-9)
        assert_allclose(b2 @ s2 - 0.5 * s2 @ C2 @ s2, 0.5 * b[0] ** 2 / C[0, 0], rtol=1e-9)
    # one Gaussian layer, rate 1: whatever the other direction, the answer is (1, 0)
    rng = np.random.default_rng(5)
    R, change, curvature, _ = regression(rng, "isotropic", 1.0, False)
    U = np.stack([change, rng.standard_normal(12)])
    assert_allclose(np.linalg.solve(U @ curvature @ U.T, U @ R), [1, 0], atol=1e-8)


def gain_ratio():
    rng = np.random.default_rng(6)
    R, change, curvature, _ = regression(rng, "conjugate", 1.0, False)

    def density(w):
        return R @ w - 0.5 * w @ curvature @ w

    for s in (0.1, 1.0, 1.9):
        predicted = s * R @ change - 0.5 * s * s * change @ curvature @ change
        assert_allclose((density(s * change) - density(0 * R)) / predicted, 1.0, rtol=1e-9)
    # a deep network: the ratio tends to 1 at least linearly in the step
    weights, directions, X, Y, H = network()
    b, C = model(weights, directions[:1], X, Y, H)
    start, errors = log_joint(weights, X, Y, H), []
    for s in (1e-3, 1e-4):
        actual = log_joint(along(weights, directions[0], s), X, Y, H) - start
        errors.append(abs(actual / (s * b[0] - 0.5 * s * s * C[0, 0]) - 1))
    assert errors[0] < 0.1
    assert errors[1] < 0.15 * errors[0]


def cap():
    rng = np.random.default_rng(7)
    f, d = rng.standard_normal((2, 4))

    def log_softmax(f):
        return f - f.max() - np.log(np.exp(f - f.max()).sum())

    p = np.exp(log_softmax(f))
    S = np.diag(np.sqrt(p)) - np.outer(p, np.sqrt(p))
    ratios = []
    for s in (1e-2, 1e-3):
        divergence = p @ (log_softmax(f) - log_softmax(f + s * d))
        ratios.append(divergence / (0.5 * ((S.T @ d) ** 2).sum() * s * s))
    assert abs(ratios[1] - 1) < 0.15 * abs(ratios[0] - 1) < 0.01
    # the bound by the largest curvature, for steps of any length; two sure classes attain it
    for K in (2, 3, 7):
        largest = 0.5 * (np.eye(K) - 1 / K)
        for p in [*rng.dirichlet(np.full(K, 0.3), 200), np.r_[0.5, 0.5, np.zeros(K - 2)]]:
            gap = np.linalg.eigvalsh(largest - np.diag(p) + np.outer(p, p))
            assert gap[0] > -1e-14
        assert abs(gap[:2]).max() < 1e-14, "the last p: zero for 1 and for the two classes"
        for f, df in 5 * rng.standard_normal((200, 2, K)):
            divergence = np.exp(log_softmax(f)) @ (log_softmax(f) - log_softmax(f + df))
            assert divergence <= 0.5 * df @ largest @ df
    # Gaussian: no remainder
    V = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]])
    S, d = np.linalg.inv(np.linalg.cholesky(V)).T, rng.standard_normal(3)
    divergence = 0.5 * d @ np.linalg.solve(V, d)
    assert_allclose(divergence, 0.5 * ((S.T @ d) ** 2).sum(), rtol=1e-12)
    # the cap is a factor on the step
    white, tau = rng.standard_normal((N, 3)), 0.3
    factor = min(1.0, np.sqrt(2 * tau / (white**2).sum(1).mean()))
    assert factor < 1
    assert_allclose(((factor * white) ** 2).sum(1).mean(), 2 * tau, rtol=1e-12)


def damped():
    rng = np.random.default_rng(6)
    R, _, _, P = regression(rng, "isotropic", 1.0, remembered=False)
    values, Q = np.linalg.eigh(P)
    mean = np.trace(P - LAM * np.eye(12)) / 12  # the eigenvalues that the data give
    assert_allclose(mean, (values - LAM).mean(), rtol=1e-12)
    lengths = []
    for kappa in (0.0, 1e-4, 1e-2, 1.0, 10.0, 1e9):
        d = np.linalg.solve(P + kappa * mean * np.eye(12), R)
        assert_allclose(d, Q @ ((Q.T @ R) / (values + kappa * mean)), rtol=1e-9)
        assert R @ d > 0
        lengths.append(np.linalg.norm(d))
    assert (np.diff(lengths) < 0).all()
    assert_allclose(kappa * mean * d, R, rtol=1e-6)
    # it is the maximum of the regression's quadratic less delta |d|^2 / 2
    delta = 0.3 * mean
    d = np.linalg.solve(P + delta * np.eye(12), R)
    best = R @ d - 0.5 * d @ P @ d - 0.5 * delta * d @ d
    for _ in range(100):
        e = d + 0.1 * rng.standard_normal(12)
        assert R @ e - 0.5 * e @ P @ e - 0.5 * delta * e @ e < best


CHECKS = {
    "JS-1": one_direction,
    "JS-2": two_directions,
    "JS-3": gain_ratio,
    "JS-4": cap,
    "JS-5": damped,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("08_joint_step holds:", *CHECKS)
