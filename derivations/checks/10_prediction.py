"""Numerical check of 10_prediction.md: linearised outputs, class probabilities, samples."""

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


def pairwise(f, C):
    """Pairwise mean field: normalised 1 / sum_j exp(-(f_k - f_j) / sqrt(1 + pi/8 Var))."""
    v = np.diag(C)
    variance = v[:, None] + v[None] - 2 * C
    odds = np.exp(-(f[:, None] - f[None]) / np.sqrt(1 + np.pi / 8 * variance))
    p = 1 / odds.sum(axis=1)
    return p / p.sum()


def class_probabilities():
    rng = np.random.default_rng(2)
    f, root = rng.standard_normal(4), rng.standard_normal((4, 4))
    C, u, one = root @ root.T, rng.standard_normal(4), np.ones(4)
    p = pairwise(f, C)
    assert_allclose(p.sum(), 1, rtol=1e-12)
    # the common direction, alone or correlated with the rest, has no effect on differences
    for common in (1e6 * np.outer(one, one), np.outer(u, one) + np.outer(one, u)):
        assert_allclose(pairwise(f + 3, C + common), p, rtol=1e-8)
    # nor on the exact integral, but it has one on the per-logit probit rule
    draws = f + rng.standard_normal((1000, 4)) @ root.T
    shifted = draws + 100 * rng.standard_normal((1000, 1))
    assert_allclose(softmax(shifted), softmax(draws), rtol=1e-9, atol=1e-12)

    def probit(C):
        return softmax(f / np.sqrt(1 + np.pi / 8 * np.diag(C)))

    assert_allclose(probit(C + 1e6), 0.25, atol=1e-2)
    assert abs(probit(C) - probit(C + 1e6)).max() > 0.05
    # limits: no covariance, and two classes
    assert_allclose(pairwise(f, 0 * C), softmax(f), rtol=1e-12)
    variance = C[0, 0] + C[1, 1] - 2 * C[0, 1]
    two = sigmoid((f[0] - f[1]) / np.sqrt(1 + np.pi / 8 * variance))
    assert_allclose(pairwise(f[:2], C[:2, :2]), [two, 1 - two], rtol=1e-12)
    # the algebra behind it: 2 - K + sum over j != k of 1 / sigmoid(f_k - f_j) is 1 / p_k
    for k in range(4):
        others = np.delete(f, k)
        assert_allclose(1 / (2 - 4 + (1 / sigmoid(f[k] - others)).sum()), softmax(f)[k], rtol=1e-12)
    # against the integral by sampling: good for small covariances, too flat for large ones
    noise = rng.standard_normal((50_000, 4)) @ root.T
    for scale, low, high in ((0.1, 0.0, 0.01), (1.0, 0.05, 0.2)):
        exact = softmax(f + scale * noise).mean(0)
        error = abs(pairwise(f, scale**2 * C) - exact).max()
        assert low <= error <= high
        assert pairwise(f, scale**2 * C).max() <= exact.max() + 0.003


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


CHECKS = {
    "PR-1": linearised,
    "PR-2": class_probabilities,
    "PR-3": sampled,
    "PR-4": two_log_likelihoods,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("10_prediction holds:", *CHECKS)
