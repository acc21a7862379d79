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


def one_datum_through_two_layers():
    """Outputs drawn layer by layer, and those of networks drawn whole: the same moments."""
    M, Q_A, Q_H, L, _ = posterior()
    rng, n = np.random.default_rng(6), 200_000
    first = rng.standard_normal((3, D - 1)), np.eye(3), np.eye(D - 1), rng.uniform(1, 6, (3, D - 1))
    x = rng.standard_normal(3)

    def drawn(inputs, M, Q_A, Q_H, L):
        v = (inputs @ Q_A) ** 2 @ (1 / L)
        return inputs @ M + (rng.standard_normal((n, M.shape[1])) * np.sqrt(v)) @ Q_H.T

    def with_one(z):
        return np.hstack([np.tanh(z), np.ones((n, 1))])

    by_layers = drawn(with_one(drawn(np.tile(x, (n, 1)), *first)), M, Q_A, Q_H, L)
    W1 = first[0] + rng.standard_normal((n, 3, D - 1)) / np.sqrt(first[3])
    W2 = M + Q_A @ (rng.standard_normal((n, D, K)) / np.sqrt(L)) @ Q_H.T
    whole = np.einsum("nd,ndk->nk", with_one(np.einsum("d,ndk->nk", x, W1)), W2)
    for power in (1, 2, 3):
        both = [np.column_stack([f**power, f[:, 0] * f[:, 1]]) for f in (by_layers, whole)]
        error = np.sqrt((both[0].var(0) + both[1].var(0)) / n)
        assert (abs(both[0].mean(0) - both[1].mean(0)) / error).max() < 4.5
    # neither is Gaussian about the outputs of the means
    at_means = np.append(np.tanh(x @ first[0]), 1.0) @ M
    assert (abs(whole.mean(0) - at_means) / (whole.std(0) / np.sqrt(n))).max() > 20


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
    one_datum_through_two_layers()
    gradient_of_one_draw()
    gradient_of_the_expectation()


def smoothed(m, S, k=0, size=30):
    """E log p_k, E g and E Lambda under logits N(m, S), by Gauss-Hermite quadrature (K = 2)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(size)
    noise = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, K)
    mass = np.outer(weights, weights).ravel() / (2 * np.pi)
    f = m + noise @ np.linalg.cholesky(S).T
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
        E = np.zeros_like(C)
        E[i, j] += 0.5
        E[j, i] += 0.5
        slope = (expected(w, C + h * E)[0] - expected(w, C - h * E)[0]) / (2 * h)
        assert_allclose(-2 * slope, precision[i, j], rtol=1e-5, atol=1e-7)
    # R eps has the covariance of the linearised outputs
    v = (Q_A.T @ x) ** 2 @ (1 / L)
    R = later @ Q_H * np.sqrt(v)
    assert_allclose(R @ R.T, J @ C @ J.T, rtol=1e-12)


CHECKS = {"FP-1": sample_pass, "FP-2": linearised_pass}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("07_forward_pass holds:", *CHECKS)
