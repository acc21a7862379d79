"""Numerical check of 01_kronecker.md: the vec rule, Kronecker eigenbases and the rank rule."""

import numpy as np
from numpy.testing import assert_allclose

EPS = np.finfo(float).eps


def vec(W):
    """Stack the columns."""
    return W.ravel(order="F")


def gram(rng, n, size):
    """A positive definite matrix that commutes with nothing in particular."""
    X = rng.standard_normal((n, size))
    return X.T @ X / n


def vec_rule():
    rng = np.random.default_rng(1)
    W, A, B = (rng.standard_normal(shape) for shape in ((4, 3), (5, 4), (2, 3)))
    assert_allclose(vec(A @ W @ B.T), np.kron(B, A) @ vec(W), rtol=1e-12)
    R = rng.standard_normal((4, 3))
    assert_allclose(vec(R) @ vec(W), np.trace(R.T @ W), rtol=1e-12)
    # the three consequences, and rows stacked in place of columns
    A2, B2 = rng.standard_normal((4, 6)), rng.standard_normal((3, 5))
    product = np.kron(B, A) @ np.kron(B2, A2)
    assert_allclose(product, np.kron(B @ B2, A @ A2), rtol=1e-10, atol=1e-12)
    assert_allclose(np.kron(B, A).T, np.kron(B.T, A.T))
    square = rng.standard_normal((4, 4)), rng.standard_normal((3, 3))
    inverses = [np.linalg.inv(matrix) for matrix in square]
    assert_allclose(np.kron(*inverses), np.linalg.inv(np.kron(*square)), rtol=1e-9, atol=1e-10)
    assert_allclose((A @ W @ B.T).ravel(), np.kron(A, B) @ W.ravel(), rtol=1e-12)


def layer_precision():
    """Both precisions of a layer, dense, with their bases and eigenvalues."""
    rng = np.random.default_rng(2)
    N, lam = 7, 0.3
    A, H = gram(rng, 9, 4), gram(rng, 6, 3)
    a, Q_A = np.linalg.eigh(A)
    h, Q_H = np.linalg.eigh(H)
    isotropic = np.kron(H, N * A) + lam * np.eye(12), N * np.outer(a, h) + lam
    conjugate = np.kron(H, N * A + lam * np.eye(4)), np.outer(N * a + lam, h)
    return Q_A, Q_H, (isotropic, conjugate)


def eigendecomposition():
    Q_A, Q_H, cases = layer_precision()
    Q = np.kron(Q_H, Q_A)
    assert_allclose(Q.T @ Q, np.eye(12), atol=1e-13)
    for P, L in cases:
        assert_allclose((Q * vec(L)) @ Q.T, P, atol=1e-13 * L.max())


def solve():
    rng = np.random.default_rng(3)
    Q_A, Q_H, cases = layer_precision()
    R = rng.standard_normal((4, 3))
    for P, L in cases:
        solution = Q_A @ ((Q_A.T @ R @ Q_H) / L) @ Q_H.T
        assert_allclose(P @ vec(solution), vec(R), rtol=1e-10, atol=1e-12)
        assert_allclose(np.linalg.slogdet(P)[1], np.log(L).sum(), rtol=1e-12)


def rank_rule():
    rng = np.random.default_rng(4)
    for x in (np.array([1.7, 1.0]), rng.standard_normal(5)):
        for B in (3, 50, 500, 2000):
            X = np.tile(x, (B, 1))  # repeated rows: the exact rank is 1
            A = np.zeros((len(x), len(x)))
            for row in X:  # term by term, the summation with the largest errors
                A += np.outer(row, row)
            values = np.linalg.eigvalsh(A / B)
            bound = (0.5 * (B + 1) + len(x)) * EPS * values[-1]
            assert abs(values[:-1]).max() <= bound, "beyond the proven bound"
            assert values[0] >= -100 * len(x) * EPS * values[-1], "beyond the rule"
    a = np.linalg.eigvalsh(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert a[0] < -100 * 2 * EPS * a[-1], "an indefinite matrix must be told apart"


def scales():
    rng = np.random.default_rng(5)
    s = 10.0 ** np.array([-8.0, 0.0, 4.0, 8.0])
    X = rng.standard_normal((20, 4))
    C = X.T @ X
    C = C / np.sqrt(np.outer(np.diag(C), np.diag(C)))
    F = 1e-9 * rng.standard_normal((4, 4))
    F, a = F + F.T, np.linalg.eigvalsh(C)
    eta = np.abs(F).max()
    # What a perturbation in every entry's own units does to the quadratic form, for any vector.
    for _ in range(100):
        v = rng.standard_normal(4) / s * 10.0 ** rng.uniform(-3, 3, 4)
        u = s * v
        assert abs(u @ F @ u) <= 4 * eta / a[0] * (u @ C @ u)


def without_eigenvectors():
    rng = np.random.default_rng(6)
    N, lam = 30.0, 0.7
    for D, K in ((4, 1), (3, 6)):
        X, S = rng.standard_normal((20, D)), rng.standard_normal((20, K))
        A, H, R = X.T @ X / 20, S.T @ S / 20, rng.standard_normal((D, K))
        data = np.kron(H, N * A)
        P = data + lam * np.eye(D * K)
        a, Q_A = np.linalg.eigh(A)
        Psi = sum(N * ai * np.linalg.inv(N * ai * H + lam * np.eye(K)) for ai in a)
        gamma = np.trace(np.linalg.solve(P, data))
        assert abs(np.trace(Psi @ H) - gamma) < 1e-10 * gamma
        # Rows of the solution by blocks, and the inverse of one block from its two sets of pivots.
        solution = np.linalg.solve(P, R.ravel(order="F")).reshape(D, K, order="F")
        rows = [
            np.linalg.solve(N * ai * H + lam * np.eye(K), r)
            for ai, r in zip(a, Q_A.T @ R, strict=True)
        ]
        assert abs(Q_A @ rows - solution).max() < 1e-10 * abs(solution).max()
    T = np.diag([3.0, 4.0, 5.0, 6.0]) + np.diag([1.0, -1.0, 0.5], 1) + np.diag([1.0, -1.0, 0.5], -1)
    t, b = np.diag(T), np.diag(T, -1)
    d, u = t.copy(), t.copy()
    for j in range(1, 4):
        d[j] -= b[j - 1] ** 2 / d[j - 1]
        u[3 - j] -= b[3 - j] ** 2 / u[4 - j]
    for j in range(4):
        column = [1 / (d[j] + u[j] - t[j])]
        for k in range(j + 1, 4):
            column.append(-b[k - 1] / u[k] * column[-1])
        assert abs(column - np.linalg.inv(T)[j:, j]).max() < 1e-14


CHECKS = {
    "KR-1": vec_rule,
    "KR-2": eigendecomposition,
    "KR-3": solve,
    "KR-4": rank_rule,
    "KR-5": scales,
    "KR-6": without_eigenvectors,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("01_kronecker holds:", *CHECKS)
