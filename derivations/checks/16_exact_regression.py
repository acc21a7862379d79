"""Numerical check of 16_exact_regression.md: one Gaussian layer is exact however its data come."""

import itertools

import numpy as np
from numpy.testing import assert_allclose


def data(N=14, D=3, K=2, seed=0):
    """Inputs with a 1, targets and weights that are no whole numbers."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.standard_normal((N, D - 1)), np.ones(N)])
    return X, rng.standard_normal((N, K)) + X[:, :1], rng.uniform(0.2, 2, N)


def root(X, T, w):
    """Triangular root of the average of (x, t)(x, t)^T."""
    return np.linalg.qr(np.column_stack([X, T]) * np.sqrt(w / w.sum())[:, None], mode="r")


def check_moments():
    X, T, w = data()
    R, D = root(X, T, w), X.shape[1]
    M = np.random.default_rng(1).standard_normal((D, T.shape[1]))
    Omega, B = np.diag(w), w.sum()
    assert_allclose(R[:, :D].T @ R[:, :D], X.T @ Omega @ X / B, atol=1e-13)
    assert_allclose(R[:, :D].T @ R[:, D:], X.T @ Omega @ T / B, atol=1e-13)
    E, E_root = T - X @ M, R[:, D:] - R[:, :D] @ M
    assert_allclose(E_root.T @ E_root, E.T @ Omega @ E / B, atol=1e-12)
    U, s, Qt = np.linalg.svd(R[:, :D], full_matrices=False)
    assert_allclose((Qt.T * s**2) @ Qt, X.T @ Omega @ X / B, atol=1e-13)
    assert_allclose(s[:, None] * (U.T @ R[:, D:]), Qt @ X.T @ Omega @ T / B, atol=1e-13)
    return "EX-1"


def posterior(A, b, H, N, lam):
    """Mean and P of the isotropic regression from averages, by dense algebra; M0 = 0."""
    P = np.kron(H, N * A) + lam * np.eye(len(A) * len(H))
    return np.linalg.solve(P, (N * b @ H).ravel(order="F")).reshape(b.shape, order="F"), P


def check_batches():
    X, T, w = data()
    D, cuts, R, seen = X.shape[1], [0, 1, 6, 14], None, 0.0
    for start, stop in itertools.pairwise(cuts):
        rows = slice(start, stop)
        new, B = root(X[rows], T[rows], w[rows]), w[rows].sum()
        seen += B
        r = B / seen
        stacked = new if R is None else np.vstack([np.sqrt(1 - r) * R, np.sqrt(r) * new])
        R = np.linalg.qr(stacked, mode="r")
    whole = root(X, T, w)
    assert_allclose(R.T @ R, whole.T @ whole, atol=1e-13)
    H, N, lam = np.array([[2.0, 0.5], [0.5, 1.0]]), w.sum(), 0.7
    M, _ = posterior(R[:, :D].T @ R[:, :D], R[:, :D].T @ R[:, D:], H, N, lam)
    U, s, Qt = np.linalg.svd(R[:, :D], full_matrices=False)
    h, Q_H = np.linalg.eigh(H)
    in_basis = N * (s[:, None] * (U.T @ R[:, D:]) @ Q_H) * h / (N * np.outer(s**2, h) + lam)
    assert_allclose(Qt.T @ in_basis @ Q_H.T, M, atol=1e-12)
    return "EX-2"


def log_evidence(X, T, w, V, lam):
    """Log integral of prior times likelihood, every datum counted w times; M0 = 0."""
    H, D = np.linalg.inv(V), X.shape[1]
    M, P = posterior((X.T * w) @ X / w.sum(), (X.T * w) @ T / w.sum(), H, w.sum(), lam)
    E = T - X @ M
    log_joint = -0.5 * w @ np.einsum("nk,kl,nl->n", E, H, E) - 0.5 * lam * (M**2).sum()
    log_joint += 0.5 * w.sum() * np.linalg.slogdet(H / (2 * np.pi))[1]
    return log_joint + 0.5 * (D * len(V) * np.log(lam) - np.linalg.slogdet(P)[1])


def check_fixed_point():
    X, T, w = data()
    R, (D, K), N = root(X, T, w), (X.shape[1], T.shape[1]), w.sum()
    A, b = R[:, :D].T @ R[:, :D], R[:, :D].T @ R[:, D:]
    lam, V = 1.0, R[:, D:].T @ R[:, D:]
    for _ in range(3000):
        H = np.linalg.inv(V)
        M, P = posterior(A, b, H, N, lam)
        C = np.linalg.inv(P)
        gamma = D * K - lam * np.trace(C)
        Psi = np.array(
            [[N * np.trace(A @ C[i * D :, j * D :][:D, :D]) for j in range(K)] for i in range(K)]
        )
        E = R[:, D:] - R[:, :D] @ M
        lam, V = gamma / (M**2).sum(), E.T @ E + Psi / N
    step = 1e-5
    for change in (
        np.array([[1, 0], [0, 0]]),
        np.array([[0, 1], [1, 0]]),
        np.array([[0, 0], [0, 1]]),
    ):
        up, down = (log_evidence(X, T, w, V + sign * step * change, lam) for sign in (1, -1))
        assert abs(up - down) / (2 * step) < 1e-5
    up, down = (log_evidence(X, T, w, V, lam * np.exp(sign * step)) for sign in (1, -1))
    assert abs(up - down) / (2 * step) < 1e-5
    return "EX-3"


def check_settled():
    # A step with all data and rate 1 forgets what was averaged before it.
    X, _, w = data()
    old, new = np.eye(X.shape[1]), (X.T * w) @ X / w.sum()
    assert_allclose((1 - 1.0) * old + 1.0 * new, new)
    return "EX-4"


if __name__ == "__main__":
    print(*[check() for check in (check_moments, check_batches, check_fixed_point, check_settled)])
