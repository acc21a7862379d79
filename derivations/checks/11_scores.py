"""Numerical check of 11_scores.md: the scores against their definitions."""

from math import erf, exp, lgamma, pi, sqrt

import numpy as np
from numpy.testing import assert_allclose


def normal_cdf(z):
    return 0.5 * (1 + np.vectorize(erf)(np.asarray(z) / sqrt(2)))


def normal_pdf(z):
    return np.exp(-0.5 * z**2) / sqrt(2 * pi)


def crps_closed(y, m, s):
    z = (y - m) / s
    return s * (z * (2 * normal_cdf(z) - 1) + 2 * normal_pdf(z) - 1 / sqrt(pi))


def crps():
    m, s = 0.3, 1.7
    for y in (-4.0, 0.3, 2.2):
        # the definition, an integral of squares, by the midpoint rule on either side of y
        value = 0.0
        for low, high, step in ((m - 12 * s, y, 0.0), (y, m + 12 * s, 1.0)):
            width = (high - low) / 20_000
            t = low + width * (np.arange(20_000) + 0.5)
            value += ((normal_cdf((t - m) / s) - step) ** 2).sum() * width
        assert_allclose(crps_closed(y, m, s), value, rtol=1e-6)
        # E|X - y| - E|X - X'| / 2, by quadrature over the normal density
        t = np.linspace(-12, 12, 400_001)
        mean_distance = (normal_pdf(t) * abs(m + s * t - y)).sum() * (t[1] - t[0])
        assert_allclose(crps_closed(y, m, s), mean_distance - s / sqrt(pi), rtol=1e-7)
    # a score of a point forecast is the absolute error
    assert_allclose(crps_closed(2.0, 0.5, 1e-9), 1.5, rtol=1e-8)


def coverage():
    rng = np.random.default_rng(1)
    n, level, q = 20_000, 0.9, 1.6448536269514722
    assert_allclose(normal_cdf(q) - normal_cdf(-q), level, rtol=1e-12)
    inside = abs(rng.standard_normal(n)) <= q
    assert abs(inside.mean() - level) < 4.5 * sqrt(level * (1 - level) / n)
    wide = abs(rng.standard_normal(n)) <= 1.3 * q
    assert wide.mean() > level + 4.5 * sqrt(level * (1 - level) / n)


def calibration_error(confidence, correct, bins):
    """Bins ((b - 1) / bins, b / bins], weighted mean of |accuracy - confidence|."""
    index = np.ceil(confidence * bins).astype(int)
    total = 0.0
    for b in np.unique(index):
        part = index == b
        total += part.mean() * abs(correct[part].mean() - confidence[part].mean())
    return total


def calibration():
    rng = np.random.default_rng(2)
    n = 600
    confidence = rng.uniform(0.3, 1, n)
    correct = (rng.uniform(size=n) < confidence**1.5).astype(float)
    one = abs(correct.mean() - confidence.mean())
    assert_allclose(calibration_error(confidence, correct, 1), one)
    example = np.array([0.2, 0.9]), np.array([1.0, 0.0])
    assert_allclose([calibration_error(*example, bins) for bins in (1, 2)], [0.05, 0.85])
    previous = one
    for bins in (2, 4, 8, 16, 32):  # each splits the bins of the one before
        value = calibration_error(confidence, correct, bins)
        assert value >= previous - 1e-15
        previous = value
    # a perfectly calibrated forecast scores above zero, by chance, about sqrt(2 c (1-c) / (pi n))
    c, n = 0.8, 400
    draws = abs((rng.uniform(size=(4000, n)) < c).mean(1) - c)
    expected = sqrt(2 * c * (1 - c) / (pi * n))
    assert abs(draws.mean() / expected - 1) < 0.06


def brier():
    rng = np.random.default_rng(3)
    truth, p = rng.dirichlet(np.ones(4), 2)
    score = sum(truth[k] * ((p - np.eye(4)[k]) ** 2).sum() for k in range(4))
    assert_allclose(score, ((p - truth) ** 2).sum() + 1 - (truth**2).sum(), rtol=1e-12)
    assert_allclose(((np.eye(4)[0] - np.eye(4)[1]) ** 2).sum(), 2.0)
    assert_allclose(((np.array([0.3, 0.7]) - [1, 0]) ** 2).sum(), 2 * 0.7**2)


def detection():
    rng = np.random.default_rng(4)
    inside, outside = np.round(rng.standard_normal(61), 1), np.round(rng.standard_normal(47) + 1, 1)
    pairs = (outside[:, None] > inside) + 0.5 * (outside[:, None] == inside)
    both = np.concatenate([inside, outside])
    ranks = np.array([(both < s).sum() + ((both == s).sum() + 1) / 2 for s in both])
    n_in, n_out = len(inside), len(outside)
    rank_sum = ranks[n_in:].sum()
    assert_allclose((rank_sum - n_out * (n_out + 1) / 2) / (n_in * n_out), pairs.mean(), rtol=1e-12)
    # the area under the curve of (false positive rate, true positive rate)
    thresholds = np.concatenate([[np.inf], np.unique(both)[::-1]])
    fpr = np.array([(inside >= t).mean() for t in thresholds])
    tpr = np.array([(outside >= t).mean() for t in thresholds])
    area = (np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum()
    assert_allclose(area, pairs.mean(), rtol=1e-12)
    # the threshold at which at least 95 % of the positives are flagged, from the sorted scores
    at = np.sort(outside)[n_out // 20]
    assert_allclose((inside >= at).mean(), fpr[tpr >= 0.95].min(), rtol=1e-12)
    # the other convention, data from the distribution as positives, is another number
    other = (outside <= np.sort(inside)[::-1][n_in // 20]).mean()
    assert abs(other - (inside >= at).mean()) > 1e-3


def mixtures():
    rng = np.random.default_rng(6)
    m, v, y = np.array([-2.0, 0.5, 3.0]), np.array([0.3, 1.0, 2.0]), 0.8

    def mean_distance(mean, variance):
        z = mean / np.sqrt(variance)
        return mean * (2 * normal_cdf(z) - 1) + 2 * np.sqrt(variance) * normal_pdf(z)

    pairs = mean_distance(m[:, None] - m, v[:, None] + v)
    closed = mean_distance(y - m, v).mean() - 0.5 * pairs.mean()
    value = 0.0  # the definition, by the midpoint rule on either side of y
    for low, high, step in ((-20.0, y, 0.0), (y, 25.0, 1.0)):
        width = (high - low) / 40_000
        t = low + width * (np.arange(40_000) + 0.5)
        F = np.mean([normal_cdf((t - a) / sqrt(b)) for a, b in zip(m, v, strict=True)], axis=0)
        value += ((F - step) ** 2).sum() * width
    assert_allclose(closed, value, rtol=1e-6)
    one = mean_distance(y - m[0], v[0]) - 0.5 * mean_distance(0.0, 2 * v[0])
    assert_allclose(one, crps_closed(y, m[0], sqrt(v[0])), rtol=1e-12)
    # the Gaussian with the mixture's moments has another score, on average a larger one
    m = 2 * m
    pairs, which = mean_distance(m[:, None] - m, v[:, None] + v), rng.integers(3, size=4000)
    targets = m[which] + np.sqrt(v)[which] * rng.standard_normal(4000)
    own = [mean_distance(t - m, v).mean() - 0.5 * pairs.mean() for t in targets]
    matched = [crps_closed(t, m.mean(), sqrt(v.mean() + m.var())) for t in targets]
    assert np.mean(matched) > 1.02 * np.mean(own)


def students():
    nu, m, s, y = 3.5, 0.4, 1.3, 2.0

    def beta(a, b):
        return exp(lgamma(a) + lgamma(b) - lgamma(a + b))

    def density(x):
        return (1 + x**2 / nu) ** (-(nu + 1) / 2) / (sqrt(nu) * beta(0.5, nu / 2))

    n, end = 400_000, 14.0  # the midpoint rule in u, where t = sinh(u)
    u = -end + 2 * end / n * (np.arange(n) + 0.5)
    t, dt = np.sinh(u), np.cosh(u) * 2 * end / n
    mass = density(t) * dt
    F = np.cumsum(mass) - 0.5 * mass
    assert_allclose(mass.sum(), 1, rtol=1e-9)
    z = (y - m) / s
    F_z = mass[t < z].sum()
    distance = z * (2 * F_z - 1) + 2 * density(z) * (nu + z**2) / (nu - 1)
    assert_allclose(distance, (np.abs(t - z) * mass).sum(), rtol=1e-4)
    half = 2 * sqrt(nu) / (nu - 1) * beta(0.5, nu - 0.5) / beta(0.5, nu / 2) ** 2
    assert_allclose(half, (F * (1 - F) * dt).sum(), rtol=1e-6)
    value = s * ((F - (t >= z)) ** 2 * dt).sum()  # the definition, in units of s about m
    assert_allclose(s * (distance - half), value, rtol=1e-4)


CHECKS = {
    "SC-1": crps,
    "SC-2": coverage,
    "SC-3": calibration,
    "SC-4": brier,
    "SC-5": detection,
    "SC-6": mixtures,
    "SC-7": students,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("11_scores holds:", *CHECKS)
