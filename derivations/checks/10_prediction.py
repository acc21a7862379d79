"""Numerical check of 10_prediction.md: linearised outputs, class probabilities, samples."""

import math

import numpy as np
from numpy.testing import assert_allclose


def softmax(f):
    e = np.exp(f - f.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


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


def contrasts(E):
    """Covariance of the logits less their mean, and its symmetric root."""
    K = len(E)
    Pi = np.eye(K) - 1 / K
    values, vectors = np.linalg.eigh(Pi @ E @ Pi)
    return Pi @ E @ Pi, (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def class_probabilities():
    rng = np.random.default_rng(2)
    m, root, S = rng.standard_normal(4), rng.standard_normal((4, 4)), 300_000
    E, u, one = root @ root.T, rng.standard_normal(4), np.ones(4)
    noise = rng.standard_normal((S, 4))
    F = contrasts(E)[1]
    assert_allclose(F @ one, 0, atol=1e-7)  # root of the rounding of a zero
    draws = softmax(m + noise @ F)
    p = draws.mean(0)
    # (a) the probabilities of the logits themselves, and the bound on the error
    other = softmax(m + rng.standard_normal((S, 4)) @ root.T)
    error = np.sqrt((draws.var(0) + other.var(0)) / S)
    assert (abs(p - other.mean(0)) / error).max() < 4.5
    assert (draws.var(0) <= p * (1 - p)).all()
    # (b) a common shift, alone or correlated with the rest, changes no draw
    for common, loss in ((1e6, 1e6), (np.outer(u, one) + np.outer(one, u), 1)):
        assert_allclose(contrasts(E + common)[0], contrasts(E)[0], atol=1e-14 * loss)
        moved = softmax(m + 3 + noise[:1000] @ contrasts(E + common)[1])
        assert_allclose(moved, draws[:1000], rtol=1e-4)  # root of the rounding of 1e6
    # but it changes what the probit rule makes of each logit by itself
    assert_allclose(softmax(m / np.sqrt(1 + np.pi / 8 * np.diag(E + 1e6))), 0.25, atol=1e-2)
    # (c) both parts add up for any number of draws
    few = draws[:5]
    mean, centred = few.mean(0), few - few.mean(0)
    aleatoric = np.mean([np.diag(q) - np.outer(q, q) for q in few], axis=0)
    whole = np.diag(mean) - np.outer(mean, mean)
    assert_allclose(centred.T @ centred / 5 + aleatoric, whole, atol=1e-15)
    # (d) two classes: one integral
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    s = np.sqrt(E[0, 0] + E[1, 1] - 2 * E[0, 1])
    exact = weights @ sigmoid(m[0] - m[1] + s * nodes) / np.sqrt(2 * np.pi)
    two = softmax(m[:2] + noise[:, :2] @ contrasts(E[:2, :2])[1])[:, 0]
    assert abs(two.mean() - exact) < 4.5 * two.std() / np.sqrt(S)
    wide_draws(m, E, p)
    size_of_the_error()
    digits_of_the_contrasts()


def wide_draws(m, E, p, c=2.0, S=400_000):
    """Draws that reach further, with the weights of importance sampling."""
    rng, K = np.random.default_rng(7), len(m)
    noise = rng.standard_normal((S, K)) @ (np.eye(K) - 1 / K)
    noise[S // 2 :] *= c
    square = (noise**2).sum(axis=1)
    w = 2 / (1 + c ** (1.0 - K) * np.exp(0.5 * (1 - c**-2) * square))
    assert w.max() <= 2
    assert abs(w.mean() - 1) < 4.5 * w.std() / np.sqrt(S)
    terms = w[:, None] * softmax(m + noise @ contrasts(E)[1])
    assert (abs(terms.mean(0) - p) < 4.5 * np.sqrt(2 * p / S) + 4.5 * np.sqrt(p / 300_000)).all()
    assert (terms.var(0) <= 2 * p).all()


def size_of_the_error():
    """Standard error of 512 mirrored draws, half of them wide, and the logarithm's bias."""
    rng, c = np.random.default_rng(5), 2.0
    half = rng.standard_normal((5_000, 256)) * np.repeat([1.0, c], 128)  # K = 2: one dimension
    w = 2 / (1 + np.exp(0.5 * (1 - c**-2) * half**2) / c)
    w /= 2 * w.sum(axis=1, keepdims=True)
    lead = 0.7  # of the first of two logits, f_1 - f_2 ~ N(.7, 1)
    p = (w * (sigmoid(lead + half) + sigmoid(lead - half))).sum(axis=1)
    assert_allclose(p.std(), 0.0016, atol=1e-4)
    few = sigmoid(rng.standard_normal((100_000, 4))).mean(1)  # Jensen: low on average
    assert np.log(few).mean() < np.log(0.5) - 0.01
    assert np.log(few).mean() > np.log(0.5) - few.var() / (2 * 0.5**2) * 1.1


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


def sampled():
    rng = np.random.default_rng(3)
    V, S = np.array([[0.5, 0.1], [0.1, 0.3]]), 6
    f = rng.standard_normal((S, 2))
    # the mixture's own moments: divided by S, epistemic plus aleatoric
    mean, centred = f.mean(0), f - f.mean(0)
    second = sum(V + np.outer(m, m) for m in f) / S
    assert_allclose(second - np.outer(mean, mean), V + centred.T @ centred / S, rtol=1e-12)
    # as an estimate of the posterior's covariance it is low by (S - 1) / S: an average over all
    # ordered samples with replacement from five values
    values = rng.standard_normal(5)
    triples = np.stack(np.meshgrid(*[values] * 3), -1).reshape(-1, 3)
    assert_allclose(triples.var(axis=1).mean(), values.var() * 2 / 3, rtol=1e-12)


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
    # with S samples the mixture's log-likelihood is low on average, and rises with S
    rng = np.random.default_rng(4)
    f = rng.standard_normal((20_000, 8))  # f ~ N(0, 1), so that y ~ N(0, 1 + v) exactly
    densities = np.exp(-0.5 * (0.5 - f) ** 2 / v) / np.sqrt(2 * np.pi * v)
    average = [np.log(densities[:, :S].mean(1)).mean() for S in (1, 2, 4, 8)]
    exact = -0.5 * (np.log(2 * np.pi * (1 + v)) + 0.25 / (1 + v))
    assert_allclose(np.log(densities.mean()), exact, atol=0.02)  # 160,000 draws
    assert average == sorted(average)
    assert average[-1] < exact - 0.05


def mixture_of_networks():
    rng = np.random.default_rng(6)
    S, K = 3, 2
    m, roots = rng.standard_normal((S, K)), rng.standard_normal((2, S, K, K))
    E, V = roots @ np.swapaxes(roots, 2, 3) + 0.2 * np.eye(K)
    C = E + V
    epistemic = E.mean(0) + (m - m.mean(0)).T @ (m - m.mean(0)) / S
    # moments of the density on a grid: far more than ten standard deviations, fine enough
    grid = np.linspace(-25, 25, 1001)
    y = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, K)
    density = np.zeros(len(y))
    for s in range(S):
        r = y - m[s]
        square = np.einsum("ni,ij,nj->n", r, np.linalg.inv(C[s]), r)
        density += np.exp(-0.5 * square) / np.sqrt(np.linalg.det(2 * np.pi * C[s])) / S
    mass = density * (grid[1] - grid[0]) ** 2
    centred = y - m.mean(0)
    assert_allclose(mass.sum(), 1, rtol=1e-10)
    assert_allclose(mass @ y, m.mean(0), atol=1e-9)
    assert_allclose((centred.T * mass) @ centred, epistemic + V.mean(0), rtol=1e-9)
    # quantiles: the bracket holds, and the root is that of the first output's density
    c, p = np.sqrt(C[:, 0, 0]), 0.975

    def distribution(q):
        return np.mean([0.5 * math.erfc(-(q - m[s, 0]) / (c[s] * math.sqrt(2))) for s in range(S)])

    r = 1.959963984540054  # of p
    low, high = (m[:, 0] - r * c).min(), (m[:, 0] + r * c).max()
    assert distribution(low) <= p <= distribution(high)
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if distribution(middle) < p else (low, middle)
    marginal = mass.reshape(1001, 1001).sum(1)
    beyond = np.interp(low, grid + 0.5 * (grid[1] - grid[0]), marginal.cumsum())
    assert abs(beyond - p) < 1e-4  # the grid's resolution
    # classes: all draws together, and their split
    draws = [softmax(3 * rng.standard_normal((n, 4))) for n in (2, 5, 3)]
    own = [rng.dirichlet(np.ones(len(p))) for p in draws]
    together, weights = np.concatenate(draws), np.concatenate(own) / S
    average = np.mean([w @ p for w, p in zip(own, draws, strict=True)], axis=0)
    assert_allclose(weights @ together, average, rtol=1e-12)
    centred = together - average
    aleatoric = sum(
        w * (np.diag(q) - np.outer(q, q)) for w, q in zip(weights, together, strict=True)
    )
    whole = np.diag(average) - np.outer(average, average)
    assert_allclose((centred.T * weights) @ centred + aleatoric, whole, atol=1e-14)


def functions():
    rng = np.random.default_rng(60)
    D, K, outputs = 4, 3, 2  # of one layer, and of the network
    Q_A, Q_H = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (D, K))
    L = rng.uniform(0.5, 3, (D, K))
    Q = np.kron(Q_H, Q_A)
    C = (Q / L.ravel(order="F")) @ Q.T
    (x, x2), (J, J2) = rng.standard_normal((2, D)), rng.standard_normal((2, outputs, K))
    v = (Q_A.T @ x) * (Q_A.T @ x2) @ (1 / L)
    full = (J @ np.kron(np.eye(K), x)) @ C @ (J2 @ np.kron(np.eye(K), x2)).T
    assert_allclose((J @ Q_H * v) @ Q_H.T @ J2.T, full, rtol=1e-10, atol=1e-12)
    change = rng.standard_normal((D, K))  # a draw moves the outputs by J Delta^T x
    moved = (J @ np.kron(np.eye(K), x)) @ change.ravel(order="F")
    assert_allclose(J @ change.T @ x, moved, rtol=1e-12)


CHECKS = {
    "PR-1": linearised,
    "PR-2": class_probabilities,
    "PR-3": sampled,
    "PR-4": two_log_likelihoods,
    "PR-5": mixture_of_networks,
    "PR-6": functions,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("10_prediction holds:", *CHECKS)
