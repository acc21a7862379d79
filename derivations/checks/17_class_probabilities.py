"""Numerical check of 17_class_probabilities.md: two classes, the race, balanced draws."""

from itertools import pairwise
from math import erf

import numpy as np
from numpy.testing import assert_allclose


def softmax(f):
    e = np.exp(f - f.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def normal_cdf(z):
    return 0.5 * (1 + np.vectorize(erf)(np.asarray(z) / np.sqrt(2)))


def gauss(mean, std, n=4001, reach=12):
    """Points and weights of the trapezoidal rule for N(mean, std^2)."""
    z = np.linspace(-reach, reach, n)
    w = np.exp(-0.5 * z**2)
    return mean + std * z, w / w.sum()


def two_classes():
    e = np.linspace(-40, 40, 161)
    logistic = sigmoid(e) * sigmoid(-e)
    for lead, s in ((0.0, 1.0), (0.7, 0.3), (3.0, 2.0), (30.0, 1.5), (2.0, 9.0)):
        d, w = gauss(lead, s, 200_001)
        exact = w @ sigmoid(-d)
        if 1 <= s and lead <= s**2:
            drawn = logistic @ normal_cdf((e - lead) / s) / logistic.sum()
            assert_allclose(drawn, exact, rtol=1e-11)
        tilted, w = gauss(lead - s**2, s, 200_001)
        assert_allclose(np.exp(0.5 * s**2 - lead) * (w @ sigmoid(tilted)), exact, rtol=1e-9)
        if s < 1:
            z = np.linspace(-9, 9, 37)
            few = np.exp(-0.5 * z**2)
            assert_allclose(few @ sigmoid(-lead - s * z) / few.sum(), exact, rtol=1e-12)


def below(a, v):
    """F, r and s by brute force."""
    h, w = gauss(a, np.sqrt(v))
    e = np.exp(h)
    F = w @ np.exp(-e)
    r = w @ (e * np.exp(-e)) / F
    return F, r, r**2 - w @ ((e**2 - e) * np.exp(-e)) / F


def factors():
    """(c): derivatives, bounds, and moments of the factor and of its Gaussian."""
    for a, v in ((-3.0, 0.5), (0.3, 2.0), (1.0, 20.0)):
        F, r, s = below(a, v)
        step = 1e-4
        up, down = np.log(below(a + step, v)[0]), np.log(below(a - step, v)[0])
        assert_allclose(r, (down - up) / (2 * step), rtol=1e-6)
        assert_allclose(s, -(up - 2 * np.log(F) + down) / step**2, rtol=1e-3)
        assert r > 0
        assert 0 < v * s < 1
        tau = s / (1 - v * s)
        nu = tau * a - r * (1 + v * tau)
        h, w = gauss(a, np.sqrt(v))
        for weights in (w * np.exp(-np.exp(h)), w * np.exp(nu * h - 0.5 * tau * h**2)):
            mean = weights @ h / weights.sum()
            assert_allclose(mean, a - v * r, rtol=1e-9, atol=1e-9)
            assert_allclose(weights @ (h - mean) ** 2 / weights.sum(), v - v**2 * s, rtol=1e-9)
        # far behind, by the tilted Gaussian
        assert_allclose(r * F, np.exp(a + 0.5 * v) * below(a + v, v)[0], rtol=1e-9)


def log_Z_and_rest(m, E, t):
    """(d) at one height: log Z, c, d, with the Gaussian integral from its definition."""
    a, v = m - t, np.diag(E)
    r, s = np.array([below(*pair)[1:] for pair in zip(a, v, strict=True)]).T
    tau = s / (1 - v * s)
    nu = tau * a - r * (1 + v * tau)
    b, roots = nu - tau * a, np.sqrt(tau)
    B = np.eye(len(m)) + roots[:, None] * E * roots
    Sigma = E - (E * roots) @ np.linalg.solve(B, roots[:, None] * E)
    assert_allclose(Sigma, np.linalg.inv(np.linalg.inv(E) + np.diag(tau)), rtol=1e-8, atol=1e-10)
    without = 1 - tau * np.diag(Sigma)
    c, d = (a + Sigma @ b - nu * np.diag(Sigma)) / without, np.diag(Sigma) / without
    for j in range(len(m)):  # without its own factor, from natural parameters
        left = tau * (np.arange(len(m)) != j)
        S = np.linalg.inv(np.linalg.inv(E) + np.diag(left))
        assert_allclose(S[j, j], d[j], rtol=1e-8)
        mean = S @ (np.linalg.solve(E, a) + np.where(left > 0, nu, 0))
        assert_allclose(mean[j], c[j], rtol=1e-8)
    F = np.array([below(*pair)[0] for pair in zip(c, d, strict=True)])
    log_q = nu * c - tau * c**2 / 2 + (nu - tau * c) ** 2 * d / (2 * (1 + tau * d))
    log_q -= 0.5 * np.log1p(tau * d)
    for j in range(len(m)):
        h, w = gauss(c[j], np.sqrt(d[j]))
        assert_allclose(log_q[j], np.log(w @ np.exp(nu[j] * h - tau[j] * h**2 / 2)), 1e-8, 1e-13)
    square = 0.5 * b * (2 * a + Sigma @ b) + 0.5 * tau * a**2
    return (square + np.log(F) - log_q).sum() - 0.5 * np.linalg.slogdet(B)[1], c, d


def race(m, E):
    """Probabilities of (d), by a fine sum over heights."""
    p = np.zeros(len(m))
    for t in np.linspace(m.max() - 9, m.max() + 25, 200):
        log_Z, c, d = log_Z_and_rest(m, E, t)
        p += np.exp(log_Z) * np.array([below(*pair)[1] for pair in zip(c, d, strict=True)])
    return p / p.sum()


def the_race():
    rng = np.random.default_rng(1)
    f = rng.standard_normal(4)  # (a) certain logits: the winner is drawn by the softmax
    winners = np.argmax(f - np.log(rng.exponential(size=(200_000, 4))), axis=1)
    share = np.bincount(winners, minlength=4) / len(winners)
    assert abs(share - softmax(f)).max() < 4.5 * 0.5 / np.sqrt(len(winners))
    factors()
    m, v, S = np.array([0.5, -1.0, 0.2]), np.array([0.5, 3.0, 1.0]), 400_000
    # (b), (d) independent logits: exact; correlated ones: nearly
    root = np.array([[1.0, 0.0, 0.0], [0.4, 1.2, 0.0], [-0.3, 0.2, 0.9]])
    for E, tolerance in ((np.diag(v), 0.0), (root @ root.T, 1e-3)):
        draws = softmax(m + rng.standard_normal((S, 3)) @ np.linalg.cholesky(E).T)
        error = 4.5 * draws.std(0) / np.sqrt(S) + tolerance
        p = race(m, E)
        assert (abs(p - draws.mean(0)) < error).all()
        order = [2, 0, 1]
        assert_allclose(race(m[order], E[np.ix_(order, order)]), p[order], rtol=1e-9)
    nearly_diagonal(rng)


def nearly_diagonal(rng):
    """(e): the least squares, and how far towards them."""
    K = 5
    Pi, root = np.eye(K) - 1 / K, rng.standard_normal((K, K))
    C = Pi @ (root @ root.T) @ Pi
    kappa = np.trace(C) / (2 * K * (K - 1))
    least = (np.diag(C) - K * kappa) / (K - 2)
    off = ~np.eye(K, dtype=bool)
    rows, columns = np.nonzero(off)
    A = np.eye(K)[rows] + np.eye(K)[columns]
    assert_allclose(least, np.linalg.lstsq(A, -C[off], rcond=None)[0], rtol=1e-9)
    w = least - kappa
    largest = np.sqrt(2 * kappa / (w @ np.linalg.pinv(C, rcond=1e-12) @ w))
    for alpha, lowest in ((0.999 * largest, 1), (1.001 * largest, -1)):
        x = kappa + alpha * w
        assert np.sign(np.linalg.eigvalsh(C + x[:, None] + x)[0]) == lowest


def draws():
    rng = np.random.default_rng(2)
    K, S, rho = 4, 400_000, 2.0
    m, root = rng.standard_normal(K), rng.standard_normal((K, K))
    Pi = np.eye(K) - 1 / K
    values, vectors = np.linalg.eigh(Pi @ root @ root.T @ Pi)
    F = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    plain = softmax(m + rng.standard_normal((S, K)) @ F)
    p, error = plain.mean(0), plain.std(0) / np.sqrt(S)
    noise = rng.standard_normal((S, K)) @ Pi
    noise[S // 2 :] *= rho
    w = 2 / (1 + rho ** (1.0 - K) * np.exp(0.5 * (1 - rho**-2) * (noise**2).sum(axis=1)))
    assert w.max() <= 2
    assert abs(w.mean() - 1) < 4.5 * w.std() / np.sqrt(S)
    terms = w[:, None] * softmax(m + noise @ F)
    assert (abs(terms.mean(0) - p) < 4.5 * np.sqrt(2 * p / S) + 4.5 * error).all()
    assert (terms.var(0) <= 2 * p).all()
    # (b) few draws, brought to an average that is not theirs
    few, w = softmax(2 * rng.standard_normal((9, K))), rng.dirichlet(np.ones(9))
    M = (few.T * w) @ few
    c, errors = np.ones(K), []
    for _ in range(60):
        sums = c * (M @ c)
        errors.append(abs(np.log(sums / p)).max())
        c *= np.sqrt(p / sums)
    assert_allclose(c * (M @ c), p, rtol=1e-12)
    assert all(b < 0.55 * a for a, b in pairwise(errors[3:21]))  # (c)
    q = c * few
    sizes = q.sum(axis=1)
    centred = q - sizes[:, None] * p
    epistemic, aleatoric = (centred.T * w) @ centred, np.diag(p) - (q.T * w) @ q
    assert_allclose(epistemic + aleatoric, np.diag(p) - np.outer(p, p), atol=1e-13)
    for part in (epistemic, aleatoric):
        assert np.linalg.eigvalsh(part)[0] > -1e-14
    own = w @ few
    assert_allclose(M @ np.ones(K), own, rtol=1e-12)  # so c = 1 for their own average


CHECKS = {"CP-1": two_classes, "CP-2": the_race, "CP-3": draws}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("17_class_probabilities holds:", *CHECKS)
