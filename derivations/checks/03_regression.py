"""Numerical check of 03_regression.md: one layer as one multivariate Bayesian regression."""

import numpy as np
from numpy.testing import assert_allclose


def vec(W):
    """Stack the columns."""
    return W.ravel(order="F")


def unvec(w, D):
    """Undo vec for a matrix of D rows."""
    return w.reshape((D, -1), order="F")


def problem(N, D=4, K=3):
    """Data, noise covariance V, prior mean M0 and precision lam."""
    rng = np.random.default_rng(N)
    X, T, M0 = rng.standard_normal((N, D)), rng.standard_normal((N, K)), np.ones((D, K))
    root = rng.standard_normal((K, K)) + 2 * np.eye(K)
    return X, T, root @ root.T, M0, 0.6


def prior_covariance(prior, V, D, lam):
    """Covariance of vec W under either prior."""
    return np.kron(V if prior == "conjugate" else np.eye(len(V)), np.eye(D) / lam)


def by_conditioning(X, T, V, M0, C0):
    """Posterior mean, covariance and log p(T): joint Gaussian of vec W and vec T, conditioned.

    No precision and no eigenbasis appear, so nothing is shared with the formulas under test.
    """
    G = np.kron(np.eye(len(V)), X)
    S = G @ C0 @ G.T + np.kron(V, np.eye(len(X)))
    gain = C0 @ G.T @ np.linalg.inv(S)
    r = vec(T - X @ M0)
    log_evidence = -0.5 * (r @ np.linalg.solve(S, r) + np.linalg.slogdet(2 * np.pi * S)[1])
    return M0 + unvec(gain @ r, len(M0)), C0 - gain @ G @ C0, log_evidence


def spectral(X, V, lam, prior):
    """Bases, L, and the prior's eigenvalues p_j of the posterior precision."""
    a, Q_A = np.linalg.eigh(X.T @ X / len(X))
    h, Q_H = np.linalg.eigh(np.linalg.inv(V))
    p = lam * h if prior == "conjugate" else np.full(len(h), lam)
    return Q_A, Q_H, len(X) * np.outer(a, h) + p, p


def cases():
    """Fewer rows than columns, as many, more, and a single datum."""
    return ((N, prior) for N in (1, 2, 4, 9) for prior in ("isotropic", "conjugate"))


def posterior(kind):
    def check():
        for N, prior in cases():
            if prior != kind:
                continue
            X, T, V, M0, lam = problem(N)
            D, K = M0.shape
            H = np.linalg.inv(V)
            if prior == "isotropic":
                P = np.kron(H, X.T @ X) + lam * np.eye(D * K)
                mean = unvec(np.linalg.solve(P, vec(X.T @ T @ H + lam * M0)), D)
            else:
                U = np.linalg.inv(lam * np.eye(D) + X.T @ X)
                P, mean = np.kron(H, np.linalg.inv(U)), U @ (lam * M0 + X.T @ T)
            want, C, _ = by_conditioning(X, T, V, M0, prior_covariance(prior, V, D, lam))
            assert_allclose(mean, want, rtol=1e-9, atol=1e-10)
            assert_allclose(np.linalg.inv(P), C, rtol=1e-9, atol=1e-10)

    return check


def change_of_any_mean():
    for N, prior in cases():
        X, T, V, M0, lam = problem(N)
        H, M = np.linalg.inv(V), np.random.default_rng(99).standard_normal(M0.shape)
        Q_A, Q_H, L, p = spectral(X, V, lam, prior)
        pull = ((M - M0) @ Q_H * p) @ Q_H.T
        R = X.T @ (T - X @ M) @ H - pull
        mean = M + Q_A @ ((Q_A.T @ R @ Q_H) / L) @ Q_H.T
        C0 = prior_covariance(prior, V, len(M0), lam)
        assert_allclose(mean, by_conditioning(X, T, V, M0, C0)[0], rtol=1e-9, atol=1e-10)


def evidence():
    for N, prior in cases():
        X, T, V, M0, lam = problem(N)
        (D, K), H = M0.shape, np.linalg.inv(V)
        C0 = prior_covariance(prior, V, D, lam)
        mean, C, want = by_conditioning(X, T, V, M0, C0)
        _, Q_H, L, p = spectral(X, V, lam, prior)
        E, shift = T - X @ mean, (mean - M0) @ Q_H
        fit = 0.5 * (N * np.linalg.slogdet(H / (2 * np.pi))[1] - np.trace(E @ H @ E.T))
        ours = fit - 0.5 * (shift**2 @ p).sum() + 0.5 * np.log(p / L).sum()
        assert_allclose(ours, want, rtol=1e-10, atol=1e-10)
        # Bayes' rule at another point gives the same number
        W = np.random.default_rng(7).standard_normal((D, K))
        E, d0, d = T - X @ W, vec(W - M0), vec(W - mean)
        likelihood = 0.5 * (N * np.linalg.slogdet(H / (2 * np.pi))[1] - np.trace(E @ H @ E.T))
        log_prior = -0.5 * (np.linalg.slogdet(2 * np.pi * C0)[1] + d0 @ np.linalg.solve(C0, d0))
        log_post = -0.5 * (np.linalg.slogdet(2 * np.pi * C)[1] + d @ np.linalg.solve(C, d))
        assert_allclose(likelihood + log_prior - log_post, want, rtol=1e-9, atol=1e-9)


def predictive():
    for N, prior in cases():
        X, T, V, M0, lam = problem(N)
        D, K = M0.shape
        C0 = prior_covariance(prior, V, D, lam)
        mean, _, without = by_conditioning(X, T, V, M0, C0)
        Q_A, Q_H, L, _ = spectral(X, V, lam, prior)
        x, t = np.random.default_rng(5).standard_normal(D), np.zeros(K)
        S = V + (Q_H * ((Q_A.T @ x) ** 2 @ (1 / L))) @ Q_H.T
        r = t - mean.T @ x
        ours = -0.5 * (r @ np.linalg.solve(S, r) + np.linalg.slogdet(2 * np.pi * S)[1])
        # p(t | x, data) is a ratio of two evidences
        both = by_conditioning(np.vstack([X, x]), np.vstack([T, t]), V, M0, C0)[2]
        assert_allclose(ours, both - without, rtol=1e-9, atol=1e-9)
        if prior == "conjugate":
            U = np.linalg.inv(lam * np.eye(D) + X.T @ X)
            assert_allclose(S, V * (1 + x @ U @ x), rtol=1e-10)


def weights():
    for N, prior in cases():
        X, T, V, M0, lam = problem(N)
        (D, K), H, rng = M0.shape, np.linalg.inv(V), np.random.default_rng(3)
        C0 = prior_covariance(prior, V, D, lam)
        whole = rng.integers(0, 4, N).astype(float)
        whole[0] = 2.0
        for w in (whole, rng.uniform(0.2, 3.0, N)):
            B, M = w.sum(), rng.standard_normal((D, K))
            a, Q_A = np.linalg.eigh((X.T * w) @ X / B)
            h, Q_H = np.linalg.eigh(H)
            p = lam * h if prior == "conjugate" else np.full(K, lam)
            L = B * np.outer(a, h) + p
            R = (X.T * w) @ (T - X @ M) @ H - ((M - M0) @ Q_H * p) @ Q_H.T
            mean = M + Q_A @ ((Q_A.T @ R @ Q_H) / L) @ Q_H.T
            basis = np.kron(Q_H, Q_A)
            C = (basis / vec(L)) @ basis.T
            residuals, shift = T - X @ mean, (mean - M0) @ Q_H
            log_det = np.linalg.slogdet(H / (2 * np.pi))[1]
            fit = 0.5 * (
                B * log_det - (w * np.einsum("ni,ij,nj->n", residuals, H, residuals)).sum()
            )
            log_evidence = fit - 0.5 * (shift**2 @ p).sum() + 0.5 * np.log(p / L).sum()
            if w is whole:
                rows = np.repeat(np.arange(N), w.astype(int))
                want = by_conditioning(X[rows], T[rows], V, M0, C0)
            else:  # noise V / w_n, by rows and targets times sqrt(w_n)
                root = np.sqrt(w)[:, None]
                scaled = by_conditioning(root * X, root * T, V, M0, C0)
                jacobian = 0.5 * K * np.log(w).sum()  # of the density of sqrt(w_n) t_n
                more = 0.5 * (w - 1).sum() * log_det - 0.5 * K * np.log(w).sum()
                want = (*scaled[:2], scaled[2] + jacobian + more)
            assert_allclose(mean, want[0], rtol=1e-8, atol=1e-9)
            assert_allclose(C, want[1], rtol=1e-8, atol=1e-9)
            assert_allclose(log_evidence, want[2], rtol=1e-9, atol=1e-9)


CHECKS = {
    "LR-1": posterior("isotropic"),
    "LR-2": posterior("conjugate"),
    "LR-3": change_of_any_mean,
    "LR-4": evidence,
    "LR-5": predictive,
    "LR-6": weights,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("03_regression holds:", *CHECKS)
