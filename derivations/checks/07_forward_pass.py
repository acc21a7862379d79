"""Numerical check of 07_forward_pass.md: gradient and curvature of an averaged likelihood."""

import numpy as np
from numpy.testing import assert_allclose

D, K = 4, 2


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


def smoothed(m, Sigma, k=0, size=30):
    """E log p_k, E g and E Lambda under logits N(m, Sigma), by Gauss-Hermite quadrature (K = 2)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(size)
    noise = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, K)
    mass = np.outer(weights, weights).ravel() / (2 * np.pi)
    f = m + noise @ np.linalg.cholesky(Sigma).T
    p = softmax(f)
    curvature = np.diag(mass @ p) - np.einsum("s,sk,sl->kl", mass, p, p)
    return mass @ log_density(k, f), np.eye(K)[k] - mass @ p, curvature


def linearised_pass():
    """Gradient and curvature of the expectation in a layer's mean, and in its covariance."""
    M, Q_A, Q_H, L, C = posterior()
    rng = np.random.default_rng(5)
    x, later = rng.standard_normal(D), rng.standard_normal((K, K))  # later: the Jacobian J_l
    J = later @ np.kron(np.eye(K), x[None])  # of the outputs, by vec W_l

    def expected(w, C):
        return smoothed(J @ w, J @ C @ J.T)

    w = M.ravel(order="F")
    _, g, curvature = expected(w, C)
    h = 1e-5
    moved = [(expected(w + h * e, C), expected(w - h * e, C)) for e in np.eye(D * K)]
    slopes = np.array([(up[0] - down[0]) / (2 * h) for up, down in moved])
    assert_allclose(np.outer(x, later.T @ g).ravel(order="F"), slopes, rtol=1e-6, atol=1e-8)
    hessian = np.array([J.T @ (up[1] - down[1]) / (2 * h) for up, down in moved])
    precision = np.kron(later.T @ curvature @ later, np.outer(x, x))
    assert_allclose(precision, -hessian, rtol=1e-6, atol=1e-8)
    # Price: twice the gradient by the covariance is the expected Hessian
    for i, j in [(0, 0), (1, 2), (4, 7)]:
        pair = np.zeros_like(C)
        pair[i, j] += 0.5
        pair[j, i] += 0.5
        slope = (expected(w, C + h * pair)[0] - expected(w, C - h * pair)[0]) / (2 * h)
        assert_allclose(-2 * slope, precision[i, j], rtol=1e-5, atol=1e-7)
    # the covariance of the linearised outputs
    v = (Q_A.T @ x) ** 2 @ (1 / L)
    assert_allclose((later @ Q_H * v) @ (later @ Q_H).T, J @ C @ J.T, rtol=1e-12)


CHECKS = {"FP-2": linearised_pass}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("07_forward_pass holds:", *CHECKS)
