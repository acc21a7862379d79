"""Numerical check of 10_prediction.md: linearised outputs, class probabilities, samples."""

import math

import numpy as np
from numpy.testing import assert_allclose


def softmax(f):
    e = np.exp(f - f.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def linearised():
    """Layer by layer against the dense Jacobian and the dense block-diagonal covariance."""
    rng = np.random.default_rng(1)
    W1, W2, x = rng.standard_normal((3, 4)), rng.standard_normal((5, 2)), rng.standard_normal(3)
    z = W1.T @ x
    x2 = np.append(np.tanh(z), 1.0)
    covariance, blocks, closed = np.zeros((22, 22)), [], np.zeros((2, 2))
    B = [W2[:-1].T * (1 - np.tanh(z) ** 2), np.eye(2)]
    start = 0
    for inputs, J_z, W in ((x, B[0], W1), (x2, B[1], W2)):
        D, K = W.shape
        Q_A, Q_H = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (D, K))
        L, Q = rng.uniform(0.5, 3, (D, K)), np.kron(Q_H, Q_A)
        part = slice(start, start + D * K)
        covariance[part, part] = (Q / L.ravel(order="F")) @ Q.T
        start += D * K
        blocks.append(J_z @ np.kron(np.eye(K), inputs[None]))
        closed += J_z @ (Q_H * ((Q_A.T @ inputs) ** 2 @ (1 / L))) @ Q_H.T @ J_z.T
    J = np.hstack(blocks)
    assert_allclose(closed, J @ covariance @ J.T, rtol=1e-11, atol=1e-12)
    # J is the derivative of the network
    step = 1e-30
    for column, change in enumerate(1j * step * np.eye(22)):
        V1 = W1 + change[:12].reshape((3, 4), order="F")
        V2 = W2 + change[12:].reshape((5, 2), order="F")
        f = V2.T @ np.append(np.tanh(V1.T @ x), 1.0)
        assert_allclose(J[:, column], f.imag / step, rtol=1e-11, atol=1e-12)


def contrasts(Sigma):
    """Covariance of the logits less their mean, and its symmetric root."""
    K = len(Sigma)
    Pi = np.eye(K) - 1 / K
    values, vectors = np.linalg.eigh(Pi @ Sigma @ Pi)
    return Pi @ Sigma @ Pi, (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def class_probabilities():
    rng = np.random.default_rng(2)
    f_M, root, m = rng.standard_normal(4), rng.standard_normal((4, 4)), 300_000
    Sigma, u, one = root @ root.T, rng.standard_normal(4), np.ones(4)
    noise = rng.standard_normal((m, 4))
    F = contrasts(Sigma)[1]
    assert_allclose(F @ one, 0, atol=1e-7)  # root of the rounding of a zero
    draws = softmax(f_M + noise @ F)
    p = draws.mean(0)
    # (a) contrasts have the probabilities of the logits themselves
    other = softmax(f_M + rng.standard_normal((m, 4)) @ root.T)
    error = np.sqrt((draws.var(0) + other.var(0)) / m)
    assert (abs(p - other.mean(0)) / error).max() < 4.5
    # and a common shift, alone or correlated with the rest, changes nothing of them
    for common, loss in ((1e6, 1e6), (np.outer(u, one) + np.outer(one, u), 1)):
        assert_allclose(contrasts(Sigma + common)[0], contrasts(Sigma)[0], atol=1e-14 * loss)
        moved = softmax(f_M + 3 + noise[:1000] @ contrasts(Sigma + common)[1])
        assert_allclose(moved, draws[:1000], rtol=1e-4)  # root of the rounding of 1e6
    # but it changes what the probit rule makes of each logit by itself
    assert_allclose(softmax(f_M / np.sqrt(1 + np.pi / 8 * np.diag(Sigma + 1e6))), 0.25, atol=1e-2)
    # (b) a permutation of mean and covariance permutes the contrasts, and every draw
    P = np.eye(4)[[2, 0, 3, 1]]
    assert_allclose(contrasts(P @ Sigma @ P.T)[1], P @ F @ P.T, atol=1e-7)
    permuted = softmax(P @ f_M + noise[:1000] @ P.T @ contrasts(P @ Sigma @ P.T)[1])
    assert_allclose(permuted, draws[:1000] @ P.T, rtol=1e-5)
    # (c) both parts add up for any number of draws
    few = draws[:5]
    mean, centred = few.mean(0), few - few.mean(0)
    aleatoric = np.mean([np.diag(q) - np.outer(q, q) for q in few], axis=0)
    whole = np.diag(mean) - np.outer(mean, mean)
    assert_allclose(centred.T @ centred / 5 + aleatoric, whole, atol=1e-15)
    digits_of_the_contrasts()


def digits_of_the_contrasts():
    """Project before a covariance is formed, not after, under a huge common variance."""
    rng = np.random.default_rng(6)
    N, D, K, lam = 40, 3, 4, 1e-14
    X, p = rng.standard_normal((N, D)), softmax(rng.standard_normal((N, K)))
    H = np.mean([np.diag(q) - np.outer(q, q) for q in p], axis=0)
    a, Q_A = np.linalg.eigh(X.T @ X / N)
    h, Q_H = np.linalg.eigh(H)
    x, Pi = rng.standard_normal(D), np.eye(K) - 1 / K
    v = (Q_A.T @ x) ** 2 @ (1 / (N * np.outer(a, np.maximum(h, 0)) + lam))
    # reference: the regression of K - 1 orthonormal contrasts, dense
    T = np.linalg.qr(np.hstack([np.ones((K, 1)), rng.standard_normal((K, K - 1))]))[0][:, 1:]
    P = np.kron(T.T @ H @ T, X.T @ X) + lam * np.eye(D * (K - 1))
    J = np.kron(np.eye(K - 1), x[None])
    exact = T @ (J @ np.linalg.solve(P, J.T)) @ T.T
    before = (Pi @ Q_H * v) @ (Pi @ Q_H).T
    after = Pi @ ((Q_H * v) @ Q_H.T) @ Pi
    size = abs(exact).max()
    assert 1e14 < v.max() / size < 1e16
    assert abs(before - exact).max() < 1e-13 * size
    assert abs(after - exact).max() > 1e-3 * size


def posterior(D=4, K=2):
    """Mean M, bases and eigenvalues L of a layer's posterior, dense covariance."""
    rng = np.random.default_rng(1)
    M = rng.standard_normal((D, K))
    Q_A, Q_H = (np.linalg.qr(rng.standard_normal((size, size)))[0] for size in (D, K))
    L = rng.uniform(1, 6, (D, K))
    Q = np.kron(Q_H, Q_A)
    return M, Q_A, Q_H, L, (Q / L.ravel(order="F")) @ Q.T


def draws_have_the_predictive():
    M, Q_A, Q_H, L, C = posterior()
    D, K = M.shape
    rng, n = np.random.default_rng(2), 40_000
    x, x2 = rng.standard_normal((2, D))

    def draw(x):
        v = (Q_A.T @ x) ** 2 @ (1 / L)
        return M.T @ x + (rng.standard_normal((n, K)) * np.sqrt(v)) @ Q_H.T

    z, z2 = draw(x), draw(x2)
    J = np.kron(np.eye(K), x[None])
    Sigma = J @ C @ J.T
    assert (abs(z.mean(0) - M.T @ x) / np.sqrt(np.diag(Sigma) / n)).max() < 4.5
    r, r2 = z - M.T @ x, z2 - M.T @ x2
    scale = np.sqrt((Sigma**2 + np.outer(np.diag(Sigma), np.diag(Sigma))) / n)
    assert (abs(r.T @ r / n - Sigma) / scale).max() < 4.5
    # two data share no noise, although one W would make their outputs dependent
    J2 = np.kron(np.eye(K), x2[None])
    shared, Sigma2 = J @ C @ J2.T, J2 @ C @ J2.T
    scale = np.sqrt(np.outer(np.diag(Sigma), np.diag(Sigma2)) / n)
    assert (abs(r.T @ r2 / n) / scale).max() < 4.5
    assert (abs(shared) / scale).max() > 20


def one_datum_through_two_layers():
    """Outputs drawn layer by layer, and those of networks drawn whole: the same moments."""
    M, Q_A, Q_H, L, _ = posterior()
    D, K = M.shape
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


def sampled():
    rng = np.random.default_rng(3)
    V, m = np.array([[0.5, 0.1], [0.1, 0.3]]), 6
    f = rng.standard_normal((m, 2))
    # the mixture's own moments: divided by m, epistemic plus aleatoric
    mean, centred = f.mean(0), f - f.mean(0)
    second = sum(V + np.outer(row, row) for row in f) / m
    assert_allclose(second - np.outer(mean, mean), V + centred.T @ centred / m, rtol=1e-12)
    # as an estimate of the posterior's covariance it is low by (m - 1) / m: an average over all
    # ordered samples with replacement from five values
    values = rng.standard_normal(5)
    triples = np.stack(np.meshgrid(*[values] * 3), -1).reshape(-1, 3)
    assert_allclose(triples.var(axis=1).mean(), values.var() * 2 / 3, rtol=1e-12)
    draws_have_the_predictive()
    one_datum_through_two_layers()


def two_log_likelihoods():
    means, v = np.array([-1.0, 1.0]), 0.1

    def mixture(y):
        return np.log(np.exp(-0.5 * (y - means[:, None]) ** 2 / v).mean(0) / np.sqrt(2 * np.pi * v))

    def matched(y):
        total = v + means.var()
        return -0.5 * (np.log(2 * np.pi * total) + (y - means.mean()) ** 2 / total)

    at = np.array([0.0, 1.0])
    difference = mixture(at) - matched(at)
    assert difference[0] < 0 < difference[1], "for one datum either may be larger"
    y = np.linspace(-8, 8, 40_001)
    for log_density in (mixture, matched):
        moments = [(np.exp(log_density(y)) * y**k).sum() * (y[1] - y[0]) for k in range(3)]
        assert_allclose(moments, [1, 0, v + 1], atol=1e-9)
    gap = (np.exp(mixture(y)) * (mixture(y) - matched(y))).sum() * (y[1] - y[0])
    assert gap > 0.1, "on average over the mixture itself, the mixture is"
    # with m samples the mixture's log-likelihood is low on average, and rises with m
    rng = np.random.default_rng(4)
    f = rng.standard_normal((20_000, 8))  # f ~ N(0, 1), so that y ~ N(0, 1 + v) exactly
    densities = np.exp(-0.5 * (0.5 - f) ** 2 / v) / np.sqrt(2 * np.pi * v)
    average = [np.log(densities[:, :m].mean(1)).mean() for m in (1, 2, 4, 8)]
    exact = -0.5 * (np.log(2 * np.pi * (1 + v)) + 0.25 / (1 + v))
    assert_allclose(np.log(densities.mean()), exact, atol=0.02)  # 160,000 draws
    assert average == sorted(average)
    assert average[-1] < exact - 0.05


def mixture_of_networks():
    rng = np.random.default_rng(6)
    m, K = 3, 2
    f, roots = rng.standard_normal((m, K)), rng.standard_normal((2, m, K, K))
    Sigma, V = roots @ np.swapaxes(roots, 2, 3) + 0.2 * np.eye(K)
    C = Sigma + V
    epistemic = Sigma.mean(0) + (f - f.mean(0)).T @ (f - f.mean(0)) / m
    # moments of the density on a grid: far more than ten standard deviations, fine enough
    grid = np.linspace(-25, 25, 1001)
    y = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, K)
    density = np.zeros(len(y))
    for i in range(m):
        r = y - f[i]
        square = np.einsum("ni,ij,nj->n", r, np.linalg.inv(C[i]), r)
        density += np.exp(-0.5 * square) / np.sqrt(np.linalg.det(2 * np.pi * C[i])) / m
    mass = density * (grid[1] - grid[0]) ** 2
    centred = y - f.mean(0)
    assert_allclose(mass.sum(), 1, rtol=1e-10)
    assert_allclose(mass @ y, f.mean(0), atol=1e-9)
    assert_allclose((centred.T * mass) @ centred, epistemic + V.mean(0), rtol=1e-9)
    # quantiles: the bracket holds, and the root is that of the first output's density
    c, p = np.sqrt(C[:, 0, 0]), 0.975

    def distribution(q):
        return np.mean([0.5 * math.erfc(-(q - f[i, 0]) / (c[i] * math.sqrt(2))) for i in range(m)])

    r = 1.959963984540054  # of p
    low, high = (f[:, 0] - r * c).min(), (f[:, 0] + r * c).max()
    assert distribution(low) <= p <= distribution(high)
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if distribution(middle) < p else (low, middle)
    marginal = mass.reshape(1001, 1001).sum(1)
    beyond = np.interp(low, grid + 0.5 * (grid[1] - grid[0]), marginal.cumsum())
    assert abs(beyond - p) < 1e-4  # the grid's resolution
    # classes: parts of each network, averaged, and the covariance between networks
    draws = [softmax(3 * rng.standard_normal((n, 4))) for n in (2, 5, 3)]
    own = np.array([p.mean(0) for p in draws])
    average = own.mean(0)
    within = np.mean([np.cov(p.T, bias=True) for p in draws], axis=0)
    between = (own - average).T @ (own - average) / len(own)
    aleatoric = np.mean([np.diag(p.mean(0)) - p.T @ p / len(p) for p in draws], axis=0)
    whole = np.diag(average) - np.outer(average, average)
    assert_allclose(within + between + aleatoric, whole, atol=1e-14)


CHECKS = {
    "PR-1": linearised,
    "PR-2": class_probabilities,
    "PR-3": sampled,
    "PR-4": two_log_likelihoods,
    "PR-5": mixture_of_networks,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("10_prediction holds:", *CHECKS)
