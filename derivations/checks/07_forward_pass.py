"""Numerical check of 07_forward_pass.md: what the sample pass draws, and what its gradient is."""

import numpy as np
from numpy.testing import assert_allclose

D, K = 4, 2
STEP = 1e-30


def posterior(seed=1):
    """Mean M, bases and eigenvalues L of the second layer's posterior, dense covariance."""
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((D, K))
    Q_A, Q_H = (np.linalg.qr(rng.standard_normal((size, size)))[0] for size in (D, K))
    L = rng.uniform(1, 6, (D, K))
    Q = np.kron(Q_H, Q_A)
    return M, Q_A, Q_H, L, (Q / L.ravel(order="F")) @ Q.T


def log_density(k, z):
    """Log probability of class k under the logits z."""
    top = z.real.max(axis=-1, keepdims=True)
    return z[..., k] - top[..., 0] - np.log(np.exp(z - top).sum(axis=-1))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def draws_have_the_predictive():
    M, Q_A, Q_H, L, C = posterior()
    rng, n = np.random.default_rng(2), 40_000
    x, x2 = rng.standard_normal((2, D))

    def draw(x):
        v = (Q_A.T @ x) ** 2 @ (1 / L)
        return M.T @ x + (rng.standard_normal((n, K)) * np.sqrt(v)) @ Q_H.T

    z, z2 = draw(x), draw(x2)
    J = np.kron(np.eye(K), x[None])
    S = J @ C @ J.T
    assert (abs(z.mean(0) - M.T @ x) / np.sqrt(np.diag(S) / n)).max() < 4.5
    r, r2 = z - M.T @ x, z2 - M.T @ x2
    scale = np.sqrt((S**2 + np.outer(np.diag(S), np.diag(S))) / n)
    assert (abs(r.T @ r / n - S) / scale).max() < 4.5
    # two data share no noise, although one W would make their outputs dependent
    J2 = np.kron(np.eye(K), x2[None])
    shared, S2 = J @ C @ J2.T, J2 @ C @ J2.T
    scale = np.sqrt(np.outer(np.diag(S), np.diag(S2)) / n)
    assert (abs(r.T @ r2 / n) / scale).max() < 4.5
    assert (abs(shared) / scale).max() > 20


def gradient_of_one_draw():
    """The term that a gradient through means leaves out, for a fixed draw."""
    M, Q_A, Q_H, L, _ = posterior()
    rng = np.random.default_rng(3)
    x, noise = rng.standard_normal(D), rng.standard_normal(K)

    def output(x):
        return M.T @ x + Q_H @ (np.sqrt((Q_A.T @ x) ** 2 @ (1 / L)) * noise)

    g = np.eye(K)[0] - softmax(output(x))
    u, c = Q_A.T @ x, Q_H.T @ g
    left_out = Q_A @ ((u[:, None] / L) @ (c * noise / np.sqrt(u**2 @ (1 / L))))
    slopes = [log_density(0, output(x + 1j * STEP * e)).imag / STEP for e in np.eye(D)]
    assert_allclose(M @ g + left_out, slopes, rtol=1e-11, atol=1e-12)


def gradient_of_the_expectation():
    """Its mean is the pull of the covariance, which does not vanish."""
    M, Q_A, Q_H, L, _ = posterior()
    x = np.random.default_rng(4).standard_normal(D)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    noise = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, K)
    mass = np.outer(weights, weights).ravel() / (2 * np.pi)

    def outputs(x):
        return M.T @ x + (noise * np.sqrt((Q_A.T @ x) ** 2 @ (1 / L))) @ Q_H.T

    z, u = outputs(x), Q_A.T @ x
    p = softmax(z)
    through_means = mass @ ((np.eye(K)[0] - p) @ M.T)
    hessian = np.einsum("s,sk,sl->kl", mass, p, p) - np.diag(mass @ p)
    left_out = Q_A @ ((u[:, None] / L) @ np.diag(Q_H.T @ hessian @ Q_H))
    moved = [mass @ log_density(0, outputs(x + 1j * STEP * e)) for e in np.eye(D)]
    assert_allclose(through_means + left_out, np.imag(moved) / STEP, rtol=1e-9, atol=1e-10)
    assert np.linalg.norm(left_out) > 0.05 * np.linalg.norm(through_means)


def sample_pass():
    draws_have_the_predictive()
    gradient_of_one_draw()
    gradient_of_the_expectation()


CHECKS = {"FP-1": sample_pass}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("07_forward_pass holds:", *CHECKS)
