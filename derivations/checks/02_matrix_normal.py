"""Numerical check of 02_matrix_normal.md: the Gaussian in a Kronecker eigenbasis."""

import numpy as np
from numpy.testing import assert_allclose

D, K = 4, 3


def vec(W):
    """Stack the columns."""
    return W.ravel(order="F")


def basis(rng, size):
    """A random orthogonal matrix."""
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def gaussian(seed):
    """Mean M, bases Q_A and Q_H, eigenvalues L of the precision, dense covariance."""
    rng = np.random.default_rng(seed)
    M, Q_A, Q_H = rng.standard_normal((D, K)), basis(rng, D), basis(rng, K)
    L = 10.0 ** rng.uniform(-1, 1, (D, K))
    Q = np.kron(Q_H, Q_A)
    return M, Q_A, Q_H, L, (Q / vec(L)) @ Q.T


def dense_log_density(w, mean, covariance):
    """Log density of N(mean, covariance) at w, from its definition."""
    distance = (w - mean) @ np.linalg.solve(covariance, w - mean)
    return -0.5 * (len(w) * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + distance)


def density():
    M, Q_A, Q_H, L, C = gaussian(1)
    W = np.random.default_rng(2).standard_normal((D, K))
    distance = (L * (Q_A.T @ (W - M) @ Q_H) ** 2).sum()
    ours = 0.5 * (np.log(L).sum() - D * K * np.log(2 * np.pi) - distance)
    assert_allclose(ours, dense_log_density(vec(W), vec(M), C), rtol=1e-11)

    rng = np.random.default_rng(3)
    u, v = rng.uniform(0.2, 2, D), rng.uniform(0.2, 2, K)
    U, V = (Q_A * u) @ Q_A.T, (Q_H * v) @ Q_H.T
    trace = np.trace(np.linalg.solve(V, (W - M).T) @ np.linalg.solve(U, W - M))
    log_dets = K * np.log(u).sum() + D * np.log(v).sum()
    classical = -0.5 * (D * K * np.log(2 * np.pi) + log_dets + trace)
    assert_allclose(classical, dense_log_density(vec(W), vec(M), np.kron(V, U)), rtol=1e-11)


def moments():
    _, Q_A, Q_H, L, C = gaussian(4)
    variances = Q_A**2 @ (1 / L) @ (Q_H**2).T
    assert_allclose(vec(variances), np.diag(C), rtol=1e-12)


def sampling():
    M, Q_A, Q_H, L, C = gaussian(5)
    n = 20_000
    E = np.random.default_rng(6).standard_normal((n, D, K))
    draws = (M + Q_A @ (E / np.sqrt(L)) @ Q_H.T).transpose(0, 2, 1).reshape(n, D * K)
    assert (abs(draws.mean(0) - vec(M)) / np.sqrt(np.diag(C) / n)).max() < 4.5
    error = (draws - vec(M)).T @ (draws - vec(M)) / n - C
    standard_error = np.sqrt((C**2 + np.outer(np.diag(C), np.diag(C))) / n)
    assert (abs(error) / standard_error).max() < 4.5
    # the map itself, without chance: its Jacobian J satisfies J J^T = covariance
    J = np.kron(Q_H, Q_A) / np.sqrt(vec(L))
    assert_allclose(J @ J.T, C, atol=1e-13 * C.max())


def entropy():
    _, _, _, L, C = gaussian(7)
    ours = 0.5 * (D * K * (1 + np.log(2 * np.pi)) - np.log(L).sum())
    assert_allclose(ours, 0.5 * np.linalg.slogdet(2 * np.pi * np.e * C)[1], rtol=1e-12)


def divergence():
    M, Q_A, Q_H, L, C = gaussian(8)
    M2, Q_A2, Q_H2, L2, C2 = gaussian(9)
    overlap = (Q_A2.T @ Q_A) ** 2 @ (1 / L) @ ((Q_H2.T @ Q_H) ** 2).T
    distance = (L2 * (Q_A2.T @ (M2 - M) @ Q_H2) ** 2).sum()
    log_dets = np.log(L).sum() - np.log(L2).sum()
    ours = 0.5 * ((L2 * overlap).sum() + distance - D * K + log_dets)
    P2, m = np.linalg.inv(C2), vec(M2 - M)
    log_dets = np.linalg.slogdet(C2)[1] - np.linalg.slogdet(C)[1]
    dense = 0.5 * (np.trace(P2 @ C) + m @ P2 @ m - D * K + log_dets)
    assert_allclose(ours, dense, rtol=1e-11)


def outputs():
    _, Q_A, Q_H, L, C = gaussian(10)
    x, y = np.random.default_rng(11).standard_normal((2, D))
    J, J2 = np.kron(np.eye(K), x[None]), np.kron(np.eye(K), y[None])
    ours = (Q_H * ((Q_A.T @ x) ** 2 @ (1 / L))) @ Q_H.T
    assert_allclose(ours, J @ C @ J.T, rtol=1e-11, atol=1e-12)
    cross = (Q_H * (((Q_A.T @ x) * (Q_A.T @ y)) @ (1 / L))) @ Q_H.T
    assert_allclose(cross, J @ C @ J2.T, rtol=1e-11, atol=1e-12)


def rank_one():
    _, Q_A, Q_H, L, C = gaussian(12)
    alpha, beta = L[:, 0], L[0] / L[0, 0]
    U, V = (Q_A / alpha) @ Q_A.T, (Q_H / beta) @ Q_H.T
    Q, L1 = np.kron(Q_H, Q_A), np.outer(alpha, beta)
    assert_allclose((Q / vec(L1)) @ Q.T, np.kron(V, U), atol=1e-12)
    assert abs(np.kron(V, U) - C).max() > 1e-2, "L itself has a higher rank"
    # the isotropic posterior: every 2 x 2 minor is lam N (a_i - a_k)(h_j - h_l)
    rng = np.random.default_rng(13)
    a, h, N, lam = rng.uniform(0, 2, D), rng.uniform(0, 2, K), 5, 0.7
    P = N * np.outer(a, h) + lam
    minor = P[:, None, :, None] * P[None, :, None, :] - P[:, None, None, :] * P[None, :, :, None]
    product = np.subtract.outer(a, a)[:, :, None, None] * np.subtract.outer(h, h)
    assert_allclose(minor, lam * N * product, atol=1e-11)


def nearest():
    _, Q_A, Q_H, _, _ = gaussian(14)
    rng = np.random.default_rng(15)
    a, h, N, lam = rng.uniform(0, 2, D), 10.0 ** rng.uniform(-3, 1, K), 7, 0.6
    L = N * np.outer(a, h) + lam
    v = 1 / L.mean(0)
    for _ in range(500):
        u = K / (L @ v)
        v = D / (u @ L)
    B = u[:, None] * L * v
    assert_allclose(B.sum(1), K, rtol=1e-13)
    P = (np.kron(Q_H, Q_A) * vec(L)) @ np.kron(Q_H, Q_A).T

    def divergence(U, V):
        C = np.kron(V, U)
        log_dets = np.linalg.slogdet(C)[1] + np.linalg.slogdet(P)[1]
        return 0.5 * (np.trace(P @ C) - D * K - log_dets)

    U, V = (Q_A * u) @ Q_A.T, (Q_H * v) @ Q_H.T
    smallest = divergence(U, V)
    assert_allclose(smallest, -0.5 * np.log(B).sum(), rtol=1e-10)
    for _ in range(100):  # in any direction, not only within the bases
        S, T = rng.standard_normal((D, D)), rng.standard_normal((K, K))
        S, T = np.eye(D) + 0.01 * S, np.eye(K) + 0.01 * T
        assert divergence(S @ U @ S.T, T @ V @ T.T) > smallest
    A, H = (Q_A * a) @ Q_A.T, (Q_H * h) @ Q_H.T
    for inverse, factor, shift in (
        (np.linalg.inv(U), N * A, lam * np.trace(V) / np.trace(H @ V)),
        (np.linalg.inv(V), H, lam * np.trace(U) / (N * np.trace(A @ U))),
    ):
        shifted = factor + shift * np.eye(len(factor))
        assert_allclose(inverse / np.trace(inverse), shifted / np.trace(shifted), atol=1e-12)
    counted = N * np.trace(A @ U) * np.trace(H @ V)
    assert_allclose(counted, D * K - lam * np.trace(U) * np.trace(V), rtol=1e-12)

    # Newton's steps, shortened to log(1 + r) / r, descend and end balanced where sweeps crawl
    L = np.array([[1.0, 1.0], [1.0, 1e16]])
    y, last = -np.log(L.mean(0)), np.inf
    for _ in range(30):
        rows = L * np.exp(y)
        value = 2 * np.log(rows.sum(1)).sum() - 2 * y.sum()
        assert value <= last + 1e-12
        B = 2 * rows / rows.sum(1)[:, None]
        c = B.sum(0)
        d = np.linalg.solve(np.diag(c) - B.T @ B / 2 + 1, 2 - c)
        r = np.ptp(d)
        y, last = y + (d * np.log1p(r) / r if r else 0), value
    assert_allclose(c, 2, rtol=1e-12)


CHECKS = {
    "MN-1": density,
    "MN-2": moments,
    "MN-3": sampling,
    "MN-4": entropy,
    "MN-5": divergence,
    "MN-6": outputs,
    "MN-7": rank_one,
    "MN-8": nearest,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("02_matrix_normal holds:", *CHECKS)
