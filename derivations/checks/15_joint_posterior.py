"""Numerical check of 15_joint_posterior.md: all layers together, one datum left out, tails."""

from math import lgamma

import numpy as np
from numpy.testing import assert_allclose

RNG = np.random.default_rng(15)
N, K, P = 9, 2, 7


def problem(seed=0):
    """Jacobians (N, K, P), noise covariance, prior precision, weights of data, targets."""
    rng = np.random.default_rng(seed)
    J, R = rng.standard_normal((N, K, P)), rng.standard_normal((K, K))
    Q = rng.standard_normal((P, P))
    w = rng.choice([1.0, 1.0, 2.0, 3.0], N)
    return J, R @ R.T + np.eye(K), Q @ Q.T + np.eye(P), w, rng.standard_normal((N, K))


def precision(J, V, L0, w):
    return L0 + sum(w_n * J_n.T @ np.linalg.inv(V) @ J_n for J_n, w_n in zip(J, w, strict=True))


def whitened(J, V, L0, w):
    """Phi (N K, P), the root of the prior covariance, and S."""
    S, root = np.linalg.cholesky(np.linalg.inv(V)), np.linalg.cholesky(np.linalg.inv(L0))
    rows = [np.sqrt(w_n) * S.T @ J_n for J_n, w_n in zip(J, w, strict=True)]
    return np.concatenate(rows) @ root, root, S


def forms():
    J, V, L0, w, _ = problem()
    Phi, root, _ = whitened(J, V, L0, w)
    J_new = RNG.standard_normal((K, P))
    phi = J_new @ root
    E = J_new @ np.linalg.inv(precision(J, V, L0, w)) @ J_new.T
    assert_allclose(phi @ np.linalg.inv(np.eye(P) + Phi.T @ Phi) @ phi.T, E, rtol=1e-10)
    inner = np.linalg.solve(np.eye(N * K) + Phi @ Phi.T, Phi @ phi.T)
    assert_allclose(phi @ phi.T - phi @ Phi.T @ inner, E, rtol=1e-9)
    # a layer's block of a row is a Kronecker product, and so are products and roots
    s, s2, x, x2 = (RNG.standard_normal(n) for n in (3, 3, 4, 4))
    assert_allclose(np.kron(s, x) @ np.kron(s2, x2), (s @ s2) * (x @ x2), rtol=1e-12)
    W, F = RNG.standard_normal((4, 3)), RNG.standard_normal((3, 3))
    assert_allclose(np.kron(s, x) @ W.ravel(order="F"), x @ W @ s, rtol=1e-12)
    assert_allclose(np.kron(s, x) @ np.kron(F, np.eye(4)), np.kron(F.T @ s, x), rtol=1e-12)


def draws():
    J, V, L0, w, _ = problem(1)
    Phi, root, _ = whitened(J, V, L0, w)
    Q = np.linalg.inv(np.eye(P) + Phi.T @ Phi)
    C = np.linalg.cholesky(np.linalg.inv(Q))
    half = np.linalg.inv(C.T)  # maps noise to the draw
    assert_allclose(half @ half.T, Q, rtol=1e-9, atol=1e-12)
    G = Phi.T @ np.linalg.inv(np.eye(N * K) + Phi @ Phi.T)
    both = np.hstack([np.eye(P) - G @ Phi, -G])
    assert_allclose(both @ both.T, Q, rtol=1e-9, atol=1e-12)
    assert_allclose(root @ Q @ root.T, np.linalg.inv(precision(J, V, L0, w)), atol=1e-12)


def left_out():
    J, V, L0, w, Y = problem(2)
    w[0] = 0.4
    S = np.linalg.cholesky(np.linalg.inv(V))

    def fit(w):
        Lam = precision(J, V, L0, w)
        pull = sum(w[n] * J[n].T @ np.linalg.solve(V, Y[n]) for n in range(N))
        return np.linalg.solve(Lam, pull), np.linalg.inv(Lam)

    mean, covariance = fit(w)
    for n in range(N):
        m = min(1.0, w[n])
        fewer = w.copy()
        fewer[n] -= m
        mean_out, covariance_out = fit(fewer)
        H = S.T @ J[n] @ covariance @ J[n].T @ S
        e = S.T @ (Y[n] - J[n] @ mean)
        rest = np.linalg.inv(np.eye(K) - m * H)
        assert_allclose(rest @ e, S.T @ (Y[n] - J[n] @ mean_out), rtol=1e-9)
        assert_allclose(H @ rest, S.T @ J[n] @ covariance_out @ J[n].T @ S, rtol=1e-9)
        kappa, share = np.linalg.eigvalsh(np.eye(K) - w[n] * H), min(1, 1 / w[n])
        ours = np.sort((1 - share) + share * kappa)
        assert_allclose(ours, np.linalg.eigvalsh(np.eye(K) - m * H), rtol=1e-9)


def log_t(q, log_det, nu, K):
    constant = lgamma((nu + K) / 2) - lgamma(nu / 2) - K / 2 * np.log(np.pi * (nu - 2))
    return constant - log_det / 2 - (nu + K) / 2 * np.log1p(q / (nu - 2))


def tails():
    nu, c = 5.0, 2.3
    # one output: total probability and variance by quadrature over y = tan
    angle = (np.arange(200_000) + 0.5) / 200_000 * np.pi - np.pi / 2
    y, step = np.tan(angle), np.pi / 200_000 / np.cos(angle) ** 2
    p = np.exp(log_t(y**2 / c, np.log(c), nu, 1)) * step
    assert_allclose([p.sum(), (y**2 * p).sum()], [1, c], rtol=1e-5)
    # a scale mixture: average the Gaussian density over a chi-square variable
    g = (np.arange(400_000) + 0.5) / 400_000 * 80
    chi = np.exp((nu / 2 - 1) * np.log(g) - g / 2 - nu / 2 * np.log(2) - lgamma(nu / 2))
    for outputs, q, log_det in ((1, 0.7, 0.4), (3, 9.0, -1.1)):
        scale = (nu - 2) / g
        log_normal = -0.5 * (outputs * np.log(2 * np.pi * scale) + log_det + q / scale)
        mixture = (np.exp(log_normal) * chi).sum() * 80 / 400_000
        assert_allclose(np.log(mixture), log_t(q, log_det, nu, outputs), rtol=1e-6)
    # in whitened units the covariance is H + c I
    _, V, _, _, _ = problem(3)
    S = np.linalg.cholesky(np.linalg.inv(V))
    assert_allclose(S.T @ (c * V) @ S, c * np.eye(K), atol=1e-12)


def scale():
    J, V, L0, w, _ = problem(4)
    Phi, _, _ = whitened(J, V, L0, w)
    M = 3 * RNG.standard_normal(P)
    q, kappa = M @ L0 @ M, np.linalg.eigvalsh(Phi.T @ Phi)

    def evidence(c):  # without the likelihood of the means, which c does not change
        prior = -0.5 * M @ (L0 / c) @ M + 0.5 * np.linalg.slogdet(L0 / c)[1]
        return prior - 0.5 * np.linalg.slogdet(precision(J, V, L0 / c, w))[1]

    def ours(c):
        return -q / (2 * c) - 0.5 * np.log1p(c * kappa).sum()

    assert_allclose(evidence(3.0) - evidence(0.5), ours(3.0) - ours(0.5), rtol=1e-9)
    c = 1.0
    for _ in range(1000):
        c = q / (c * kappa / (1 + c * kappa)).sum()
    grid = c * np.geomspace(0.01, 100, 401)
    assert np.argmax([ours(x) for x in grid]) == 200


def doubt():
    J, V, L0, w, _ = problem(4)
    Phi, _, _ = whitened(J, V, L0, w)
    kappa, Q = np.linalg.eigh(Phi.T @ Phi)
    c0, factors = 1.7, (1 / 8, 1.0, 8.0)
    variances = [
        np.diag(Q.T @ np.linalg.inv(np.eye(P) / (c0 * b) + Phi.T @ Phi) @ Q) for b in factors
    ]
    for b, found in zip(factors, variances, strict=True):
        assert_allclose(found, c0 * b / (1 + c0 * b * kappa), rtol=1e-8)
        assert_allclose(
            np.linalg.slogdet(precision(J, V, L0 / (c0 * b), w))[1] - np.linalg.slogdet(L0)[1],
            -np.log(found).sum(),
            rtol=1e-8,
        )
    unseen = np.mean([c0 * b for b in factors]) / c0
    assert_allclose(unseen, 3.04, atol=5e-3)
    ratio = np.mean(variances, axis=0) / variances[1]
    assert ((ratio > 0.8) & (ratio <= unseen + 1e-9)).all()
    # equal means: the covariance of an equal mixture is the mean of the parts'
    draws = RNG.standard_normal((200_000, 3)) * np.sqrt([c0 * b for b in factors])
    assert_allclose((draws**2).mean(), c0 * unseen, rtol=0.02)


CHECKS = {
    "JP-1": forms,
    "JP-2": draws,
    "JP-3": left_out,
    "JP-4": tails,
    "JP-5": scale,
    "JP-6": doubt,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("15_joint_posterior holds:", *CHECKS)
