"""Numerical check of 04_forgetting.md: moving averages of natural parameters."""

import numpy as np
from numpy.testing import assert_allclose

D, K, LAM = 4, 3, 0.6
SIZES = (5, 3, 7, 2)
N = sum(SIZES)


def vec(W):
    """Stack the columns."""
    return W.ravel(order="F")


def problem():
    """Ragged batches (X_s, T_s), output precision H, prior mean M0 and a start far from it."""
    rng = np.random.default_rng(1)
    batches = [(rng.standard_normal((B, D)), rng.standard_normal((B, K))) for B in SIZES]
    root = rng.standard_normal((K, K)) + 2 * np.eye(K)
    return batches, root @ root.T, np.ones((D, K)), rng.standard_normal((D, K))


def prior_precision(prior, H, lam=LAM):
    """Dense prior precision of vec W."""
    return lam * np.kron(H if prior == "conjugate" else np.eye(K), np.eye(D))


def terms(X, T, H, n_data=N):
    """Natural parameters that a batch standing for n_data data adds to the prior's."""
    scale = n_data / len(X)
    return scale * np.kron(H, X.T @ X), scale * vec(X.T @ T @ H)


def natural(batches, rates, H, M0, prior, memory=(0.0, 0.0)):
    """Average the natural parameters, put the prior back, solve: mean and precision."""
    precision, linear = memory
    for (X, T), r in zip(batches, rates, strict=True):
        new_precision, new_linear = terms(X, T, H)
        precision = (1 - r) * precision + r * new_precision
        linear = (1 - r) * linear + r * new_linear
    P0 = prior_precision(prior, H)
    P = precision + P0
    return np.linalg.solve(P, linear + P0 @ vec(M0)), P


def recursive(batches, rates, H, M0, M, prior, lams=None, sizes=None):
    """The layer's own recursion, on the state (M, A) with H fixed: mean and precision."""
    A, m, old_lam, old_N = np.zeros((D, D)), vec(M), None, None
    for t, ((X, T), r) in enumerate(zip(batches, rates, strict=True)):
        lam = LAM if lams is None else lams[t]
        n_data = N if sizes is None else sizes[t]
        A = (1 - r) * A + r * X.T @ X / len(X)
        P = n_data * np.kron(H, A) + prior_precision(prior, H, lam)
        share = (1 - r) * (1.0 if old_lam is None else n_data / old_N * old_lam / lam)
        pull = prior_precision(prior, H, lam) @ (m - vec(M0))
        residual = T - X @ m.reshape((D, K), order="F")
        push = r * n_data / len(X) * vec(X.T @ residual @ H)
        m = m + np.linalg.solve(P, push - (1 - share) * pull)
        old_lam, old_N = lam, n_data
    return m, P


def moving_average():
    batches, H, M0, _ = problem()
    rates = (1.0, 0.5, 0.3, 0.25)
    weights = [r * np.prod([1 - u for u in rates[s + 1 :]]) for s, r in enumerate(rates)]
    assert_allclose(sum(weights), 1.0)
    for prior in ("isotropic", "conjugate"):
        m, P = natural(batches, rates, H, M0, prior)
        parts = [terms(X, T, H) for X, T in batches]
        P0 = prior_precision(prior, H)
        assert_allclose(P, P0 + sum(w * p for w, (p, _) in zip(weights, parts, strict=True)))
        linear = sum(w * q for w, (_, q) in zip(weights, parts, strict=True)) + P0 @ vec(M0)
        assert_allclose(P @ m, linear, rtol=1e-9, atol=1e-9)


def about_the_current_mean():
    batches, H, M0, start = problem()
    for prior in ("isotropic", "conjugate"):
        for first in (1.0, 0.4):
            rates = (first, 0.5, 0.3, 0.25)
            # what a start away from M0 is taken to remember; nothing if it is at M0
            for M in (start, M0):
                phantom = prior_precision(prior, H) @ vec(M - M0)
                want, P = natural(batches, rates, H, M0, prior, (0.0, phantom))
                ours, P_ours = recursive(batches, rates, H, M0, M, prior)
                assert_allclose(P_ours, P, rtol=1e-12, atol=1e-12)
                assert_allclose(ours, want, rtol=1e-9, atol=1e-10)
                left = np.prod([1 - r for r in rates])
                shifted = natural(batches, rates, H, M0 + left * (M - M0), prior)[0]
                assert_allclose(ours, shifted, rtol=1e-9, atol=1e-10)


def full_batch():
    batches, H, M0, start = problem()
    rates = [B / sum(SIZES[: s + 1]) for s, B in enumerate(SIZES)]
    X, T = (np.vstack(parts) for parts in zip(*batches, strict=True))
    for prior in ("isotropic", "conjugate"):
        want, P = natural([(X, T)], [1.0], H, M0, prior)
        ours, P_ours = recursive(batches, rates, H, M0, start, prior)
        assert_allclose(ours, want, rtol=1e-9, atol=1e-10)
        assert_allclose(P_ours, P, rtol=1e-11, atol=1e-11)


def constant_rate():
    batches, H, M0, start = problem()
    r, t = 0.3, len(SIZES)
    ages = [(1 - r) ** (t - 1)] + [r * (1 - r) ** (t - s) for s in range(2, t + 1)]
    weights = np.concatenate([np.full(B, N / B * w) for B, w in zip(SIZES, ages, strict=True)])
    assert_allclose(weights.sum(), N)
    X, T = (np.vstack(parts) for parts in zip(*batches, strict=True))
    for prior in ("isotropic", "conjugate"):
        P0 = prior_precision(prior, H)
        P = np.kron(H, (X.T * weights) @ X) + P0
        want = np.linalg.solve(P, vec((X.T * weights) @ T @ H) + P0 @ vec(M0))
        ours, P_ours = recursive(batches, [1.0] + [r] * (t - 1), H, M0, start, prior)
        assert_allclose(ours, want, rtol=1e-9, atol=1e-10)
        assert_allclose(P_ours, P, rtol=1e-11, atol=1e-11)


def change_of_prior():
    batches, H, M0, start = problem()
    rates, lams, sizes = (1.0, 0.5, 0.3, 0.25), (0.6, 0.2, 1.5, 0.9), (17, 17, 30, 11)
    for prior in ("isotropic", "conjugate"):
        for counts in ((N,) * 4, sizes):
            precision, linear = 0.0, 0.0
            for (X, T), r in zip(batches, rates, strict=True):  # averages a datum
                new = terms(X, T, H, 1)
                precision, linear = (1 - r) * precision + r * new[0], (1 - r) * linear + r * new[1]
            P0 = prior_precision(prior, H, lams[-1])
            P = counts[-1] * precision + P0
            want = np.linalg.solve(P, counts[-1] * linear + P0 @ vec(M0))
            ours, P_ours = recursive(batches, rates, H, M0, start, prior, lams, counts)
            assert_allclose(P_ours, P, rtol=1e-11, atol=1e-11)
            assert_allclose(ours, want, rtol=1e-9, atol=1e-10)


def factors_apart():
    rng, r = np.random.default_rng(2), 0.3
    A, A_b = (X.T @ X for X in rng.standard_normal((2, 5, D)))
    H, H_b = (X.T @ X for X in rng.standard_normal((2, 5, K)))
    apart = np.kron((1 - r) * H + r * H_b, (1 - r) * A + r * A_b)
    product = (1 - r) * np.kron(H, A) + r * np.kron(H_b, A_b)
    difference = -r * (1 - r) * np.kron(H_b - H, A_b - A)
    assert_allclose(apart - product, difference, rtol=1e-10, atol=1e-11)
    assert abs(difference).max() > 0.1, "the two averages do differ"


CHECKS = {
    "NP-1": moving_average,
    "NP-2": about_the_current_mean,
    "NP-3": full_batch,
    "NP-4": constant_rate,
    "NP-5": change_of_prior,
    "NP-6": factors_apart,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("04_forgetting holds:", *CHECKS)
