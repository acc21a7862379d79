"""Numerical check of 09_evidence.md: evidence, its derivatives, and the size of gamma."""

from itertools import permutations

import numpy as np
from numpy.testing import assert_allclose

STEP = 1e-30


def vec(W):
    """Stack the columns."""
    return W.ravel(order="F")


def log_det(P):
    """Log determinant that carries an infinitesimal imaginary part along."""
    sign, value = np.linalg.slogdet(P)
    return value + 1j * np.angle(sign)


def derivative(function, x):
    """Derivative by a complex step, exact to rounding."""
    return np.imag(function(x + 1j * STEP)) / STEP


def one_layer(N=6, D=4, K=3):
    """Data, prior mean, and a noise covariance of one regression layer."""
    rng = np.random.default_rng(1)
    X, T, M0 = rng.standard_normal((N, D)), rng.standard_normal((N, K)), np.ones((D, K))
    root = rng.standard_normal((K, K)) + 2 * np.eye(K)
    return X, T, M0, root @ root.T


def precisions(X, H, lam, prior):
    """Prior and posterior precision of vec W, dense."""
    D, K = X.shape[1], len(H)
    P0 = lam * np.kron(H if prior == "conjugate" else np.eye(K), np.eye(D))
    return P0, np.kron(H, X.T @ X) + P0


def evidence(X, T, M0, lam, H, prior):
    """Log p(T | X) by LR-4, at the posterior mean."""
    P0, P = precisions(X, H, lam, prior)
    M = M0 + np.linalg.solve(P, vec(X.T @ (T - X @ M0) @ H)).reshape(M0.shape, order="F")
    E, shift = T - X @ M, vec(M - M0)
    fit = 0.5 * (len(X) * (log_det(H) - len(H) * np.log(2 * np.pi)) - np.trace(E @ H @ E.T))
    return fit - 0.5 * shift @ P0 @ shift + 0.5 * (log_det(P0) - log_det(P))


def fitted(X, T, M0, lam, H, prior):
    """Posterior mean, eigenvalues a, basis Q_H, L, and gamma from the eigenvalues."""
    P = precisions(X, H, lam, prior)[1]
    M = M0 + np.linalg.solve(P, vec(X.T @ (T - X @ M0) @ H)).reshape(M0.shape, order="F")
    a = np.linalg.eigvalsh(X.T @ X / len(X))
    h, Q_H = np.linalg.eigh(H)
    data = len(X) * np.outer(a, h)
    L = data + (lam * h if prior == "conjugate" else lam)
    return M, a, Q_H, L, (data / L).sum()


def effective_number():
    X, _, _, V = one_layer()
    H, lam, N = np.linalg.inv(V), 0.7, len(X)
    for prior in ("isotropic", "conjugate"):
        P0, P = precisions(X, H, lam, prior)
        G = np.kron(np.eye(3), X)
        hat = G @ np.linalg.solve(P, np.kron(H, X.T))  # vec of fitted targets = hat vec(T) + const
        a, h = np.linalg.eigvalsh(X.T @ X / N), np.linalg.eigvalsh(H)
        data = N * np.outer(a, h)
        gamma = (data / (data + (lam * h if prior == "conjugate" else lam))).sum()
        assert_allclose(gamma, np.trace(hat), rtol=1e-11)
        assert_allclose(gamma, 12 - np.trace(np.linalg.solve(P, P0)), rtol=1e-11)
        if prior == "conjugate":
            assert_allclose(gamma, 3 * (N * a / (N * a + lam)).sum(), rtol=1e-11)
    overestimate()


def overestimate():
    """Full <= block is a theorem; block against Kronecker is one on average over pairings."""
    rng, lam = np.random.default_rng(2), 0.7

    def count(G):
        return np.trace(np.linalg.solve(G + lam * np.eye(len(G)), G))

    J = rng.standard_normal((9, 12))
    G = J.T @ J
    assert 0 < count(G) < 9, "never more than the rank"
    blocks = np.kron(np.eye(3), np.ones((4, 4)))
    assert count(G) < count(G * blocks) - 0.1
    # the Gram matrix over (datum, output) pairs has the same gamma
    x, s = rng.standard_normal((5, 4)), rng.standard_normal((5, 2, 3))  # rows s_nc
    J = np.einsum("nck,nd->nckd", s, x).reshape(10, 12)
    gram = np.einsum("nd,md->nm", x, x)[:, None, :, None] * np.einsum("nck,mek->ncme", s, s)
    assert_allclose(J @ J.T, gram.reshape(10, 10), rtol=1e-11, atol=1e-12)
    assert_allclose(count(J.T @ J), count(gram.reshape(10, 10)), rtol=1e-11)
    # with two layers of precisions c_l lam, divide by c_l: the dense trace is the same
    other = rng.standard_normal((10, 6))
    both, prior = np.hstack([J, other]), lam * np.repeat([1.0, 2.5], [12, 6])
    dense = np.trace(np.linalg.solve(both.T @ both + np.diag(prior), both.T @ both))
    assert_allclose(count(gram.reshape(10, 10) + other @ other.T / 2.5), dense, rtol=1e-11)
    # gamma of the Kronecker stand-in is at least the mean over all pairings
    H, A = np.einsum("nck,ncl->nkl", s, s), np.einsum("nd,ne->nde", x, x)
    kronecker = 5 * np.kron(H.mean(0), A.mean(0))
    paired = [sum(np.kron(H[i], A[n]) for n, i in enumerate(p)) for p in permutations(range(5))]
    assert_allclose(np.mean(paired, axis=0), kronecker, atol=1e-12)
    assert count(kronecker) > np.mean([count(G) for G in paired]) + 0.1
    # but not every pairing: with D = K = 1 and all of both on one datum the block is larger
    assert 1 / (1 + lam) > 0.5 / (0.5 + lam)


def prior_precision():
    X, T, M0, V = one_layer()
    H, lam, shape, rate = np.linalg.inv(V), 0.7, 0.3, 0.2
    M, _, _, _, gamma = fitted(X, T, M0, lam, H, "isotropic")
    slope = derivative(lambda x: evidence(X, T, M0, x, H, "isotropic"), lam)
    squares = ((M - M0) ** 2).sum()
    assert_allclose(slope, 0.5 * (gamma / lam - squares), rtol=1e-9)
    hyper = derivative(lambda x: shape * np.log(x) - rate * x, lam)  # Gamma(1 + shape, rate)
    root = (gamma + 2 * shape) / (squares + 2 * rate)
    assert_allclose(slope + hyper, 0.5 * (squares + 2 * rate) * (root / lam - 1), rtol=1e-9)
    for _ in range(200):  # the fixed point is a stationary point
        M, _, _, _, gamma = fitted(X, T, M0, lam, H, "isotropic")
        lam = (gamma + 2 * shape) / (((M - M0) ** 2).sum() + 2 * rate)
    slope = derivative(lambda x: evidence(X, T, M0, x, H, "isotropic"), lam) + shape / lam - rate
    assert abs(slope) < 1e-9
    proportions()
    expected_squares()
    exchange_of_scale()


def expected_squares():
    """The update by expected squares: the same fixed points, and the maximum it comes from."""
    X, T, M0, V = one_layer()
    H, lam = np.linalg.inv(V), 0.7
    M, _, _, L, gamma = fitted(X, T, M0, lam, H, "isotropic")
    squares = ((M - M0) ** 2).sum()
    assert_allclose(squares + (1 / L).sum() - M.size / lam, squares - gamma / lam, rtol=1e-11)
    best = M.size / (squares + (1 / L).sum())
    slope = derivative(
        lambda x: 0.5 * M.size * np.log(x) - 0.5 * x * (squares + (1 / L).sum()), best
    )
    assert abs(slope) < 1e-12


def proportions():
    """Layers with precisions c_l lam: the update, and c_l = n_l / n_1 against the width."""
    designs, jacobians, weights, E, V = deep_problem()
    N, H, lam = len(E), np.linalg.inv(V), 0.7
    gamma, squares = 0.0, 0.0
    for c, X, J, W in zip(C, designs, jacobians, weights, strict=True):
        a = np.linalg.eigvalsh(X.T @ X / N)
        h = np.linalg.eigvalsh((J.transpose(0, 2, 1) @ H @ J).mean(0))
        gamma += (1 - c * lam / (N * np.outer(a, h) + c * lam)).sum()
        squares += c * (W * W).sum()
    slope = derivative(lambda x: laplace(x, H, designs, jacobians, weights, E), lam)
    assert_allclose(slope, 0.5 * (gamma / lam - squares), rtol=1e-9)
    # prior variance of an output, inputs of mean square q: free of n_l but for the bias
    rng, n_1, q = np.random.default_rng(8), 4, 0.6
    for n in (4, 50, 500):
        x = rng.standard_normal(n)
        x *= np.sqrt(q * n) / np.linalg.norm(x)
        variance = (np.append(x, 1.0) ** 2).sum() / (n / n_1 * lam)
        assert_allclose(variance, n_1 / lam * (q + 1 / n), rtol=1e-12)


def exchange_of_scale():
    """Two relu layers without biases: free precisions leave the evidence flat, one does not."""
    rng = np.random.default_rng(10)
    X, Y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    W1, W2 = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))

    def value(W1, W2, lams):
        Z = X @ W1
        J = W2.T * (Z > 0)[:, None, :]
        layers = (X, W1, J), (np.maximum(Z, 0), W2, np.broadcast_to(np.eye(2), (7, 2, 2)))
        total = -0.5 * ((Y - layers[1][0] @ W2) ** 2).sum()
        for lam, (inputs, W, J) in zip(lams, layers, strict=True):
            P = np.kron((J.transpose(0, 2, 1) @ J).mean(0), inputs.T @ inputs)
            P = P + lam * np.eye(W.size)
            log_dets = W.size * np.log(lam) - np.linalg.slogdet(P)[1]
            total += 0.5 * (log_dets - lam * (W * W).sum())
        return total

    for alpha in (0.1, 3.0, 50.0):
        free = value(alpha * W1, W2 / alpha, (0.7 / alpha**2, 1.3 * alpha**2))
        assert_allclose(free, value(W1, W2, (0.7, 1.3)), rtol=1e-9)
        one = value(alpha * W1, W2 / alpha, (0.7, 0.7))
        assert abs(one - value(W1, W2, (0.7, 0.7))) > 1


def symmetric_derivative(function, H):
    """Gradient with respect to a symmetric matrix, as a symmetric matrix."""
    slopes = np.empty_like(H)
    for i, j in np.ndindex(*H.shape):
        E = np.zeros(H.shape)
        E[i, j] += 0.5
        E[j, i] += 0.5
        slopes[i, j] = np.imag(function(H + 1j * STEP * E)) / STEP
    return slopes


def noise():
    X, T, M0, V = one_layer()
    N, K, lam = len(X), len(V), 0.7
    # scalar noise
    beta = 1.3
    M, _, _, _, gamma = fitted(X, T, M0, lam, beta * np.eye(K), "isotropic")
    sse = ((T - X @ M) ** 2).sum()
    slope = derivative(lambda x: evidence(X, T, M0, lam, x * np.eye(K), "isotropic"), beta)
    assert_allclose(slope, 0.5 * ((N * K - gamma) / beta - sse), rtol=1e-9)
    update = (sse + gamma / beta) / (N * K)
    assert_allclose(slope, 0.5 * N * K * (1 / beta - update), rtol=1e-9)
    # full covariance, one layer
    H = np.linalg.inv(V)
    M, a, Q_H, L, gamma = fitted(X, T, M0, lam, H, "isotropic")
    E = T - X @ M
    spread = (Q_H * (N * a @ (1 / L))) @ Q_H.T
    covariance = np.linalg.inv(precisions(X, H, lam, "isotropic")[1])
    rows = [np.kron(np.eye(K), x[None]) for x in X]  # what the posterior adds to the squares
    assert_allclose(spread, sum(J @ covariance @ J.T for J in rows), rtol=1e-9, atol=1e-11)
    slopes = symmetric_derivative(lambda x: evidence(X, T, M0, lam, x, "isotropic"), H)
    assert_allclose(slopes, 0.5 * (N * V - E.T @ E - spread), rtol=1e-8, atol=1e-9)
    # its hyper-prior |H|^a exp(-b tr H) adds a V - b I, hence 2a and 2b I
    shape, rate = 0.3, 0.2
    hyper = symmetric_derivative(lambda x: shape * log_det(x) - rate * np.trace(x), H)
    update = (E.T @ E + spread + 2 * rate * np.eye(K)) / (N + 2 * shape)
    assert_allclose(slopes + hyper, 0.5 * (N + 2 * shape) * (V - update), rtol=1e-8, atol=1e-9)
    deep_noise()


C = (1.0, 2.5)  # prior precisions of the two layers, in units of lam


def deep_problem():
    """A two-layer tanh network: designs, Jacobians d f / d z_l, weights, residuals, V."""
    rng = np.random.default_rng(3)
    W1, W2 = rng.standard_normal((3, 4)), rng.standard_normal((5, 2))
    X1, Y = np.hstack([rng.standard_normal((6, 2)), np.ones((6, 1))]), rng.standard_normal((6, 2))
    Z = X1 @ W1
    X2 = np.hstack([np.tanh(Z), np.ones((6, 1))])
    J1 = W2[:-1].T * (1 - np.tanh(Z) ** 2)[:, None, :]
    J2 = np.broadcast_to(np.eye(2), (6, 2, 2))
    return [X1, X2], [J1, J2], [W1, W2], Y - X2 @ W2, np.array([[0.8, 0.3], [0.3, 0.5]])


def laplace(lam, H, designs, jacobians, weights, E):
    """EV-5 with the means, the inputs and the Jacobians as given."""
    value = 0.5 * (len(E) * (log_det(H) - 2 * np.log(2 * np.pi)) - np.trace(E @ H @ E.T))
    for c, X, J, W in zip(C, designs, jacobians, weights, strict=True):
        curvature = (J.transpose(0, 2, 1) @ H @ J).mean(0)
        P = np.kron(curvature, X.T @ X) + c * lam * np.eye(W.size)
        value = value - 0.5 * c * lam * (W * W).sum()
        value = value + 0.5 * (W.size * np.log(c * lam) - log_det(P))
    return value


def deep_noise():
    designs, jacobians, weights, E, V = deep_problem()
    lam, N, H, root = 0.7, len(E), np.linalg.inv(V), np.linalg.cholesky(V)
    Gamma, gamma = np.zeros((2, 2)), 0.0
    for c, X, J in zip(C, designs, jacobians, strict=True):
        S = J.transpose(0, 2, 1) @ np.linalg.inv(root).T
        a = np.linalg.eigvalsh(X.T @ X / N)
        h, Q_H = np.linalg.eigh((S @ S.transpose(0, 2, 1)).mean(0))
        L = N * np.outer(a, h) + c * lam
        rows = S.transpose(0, 2, 1) @ Q_H  # S_n^T q_j in column j
        Gamma += np.einsum("j,ncj,ndj->cd", N * a @ (1 / L), rows, rows) / N
        gamma += (N * np.outer(a, h) / L).sum()
    assert_allclose(np.trace(Gamma), gamma, rtol=1e-11)
    slopes = symmetric_derivative(lambda x: laplace(lam, x, designs, jacobians, weights, E), H)
    want = 0.5 * (N * V - E.T @ E - root @ Gamma @ root.T)
    assert_allclose(slopes, want, rtol=1e-9, atol=1e-10)


def conjugate():
    X, T, M0, V = one_layer()
    N, K, lam, H = len(X), len(V), 0.7, np.linalg.inv(V)
    M, _, _, _, gamma = fitted(X, T, M0, lam, H, "conjugate")
    shift, E = M - M0, T - X @ M
    slope = derivative(lambda x: evidence(X, T, M0, x, H, "conjugate"), lam)
    assert_allclose(slope, 0.5 * (gamma / lam - np.trace(shift @ H @ shift.T)), rtol=1e-9)
    slopes = symmetric_derivative(lambda x: evidence(X, T, M0, lam, x, "conjugate"), H)
    full = (E.T @ E + lam * shift.T @ shift) / N
    assert_allclose(slopes, 0.5 * N * (V - full), rtol=1e-8, atol=1e-9)
    # scalar noise: one step reaches the maximum, since M does not depend on it
    variance = np.trace(full) / K
    slope = derivative(lambda b: evidence(X, T, M0, lam, b * np.eye(K), "conjugate"), 1 / variance)
    assert abs(slope) < 1e-10
    coupling()
    conjugate_network()
    penalty()


def coupling():
    """Keeping lam tr(H) / K when V moves: the same fixed point, and a prior that stays."""
    X, T, M0, start = one_layer(N=20)
    T = T + 5 * X @ np.ones((4, 3))  # something to fit: the noise falls
    N, rests, priors = len(X), [], []
    for coupled in (True, False):
        lam, V = 0.7, 30 * start
        for _ in range(2000):
            H = np.linalg.inv(V)
            M, _, _, _, gamma = fitted(X, T, M0, lam, H, "conjugate")
            shift, E = M - M0, T - X @ M
            squares = np.trace(shift @ H @ shift.T)
            V = (E.T @ E + lam * shift.T @ shift) / N
            factor = np.trace(H) / np.trace(np.linalg.inv(V)) if coupled else 1.0
            lam *= (gamma / (lam * squares)) ** 0.05 * factor
            priors.append(lam * np.trace(np.linalg.inv(V)) / 3)
        rests.append(np.append(V.ravel(), lam))
    assert_allclose(*rests, rtol=1e-6)
    first = 0.7 * np.trace(np.linalg.inv(30 * start)) / 3
    assert 0.8 < priors[0] / first < 1.25, "coupled, it moves by the slow update only"
    assert priors[2000] / first > 10, "uncoupled, the prior tightens with the noise"
    # the hyper-prior on mean = lam h, h = tr(H) / K, and the update that makes its slope zero
    lam, H, shape, rate = 0.7, np.linalg.inv(start), 0.3, 0.2
    h = np.trace(H) / 3
    M, _, _, _, gamma = fitted(X, T, M0, lam, H, "conjugate")
    squares = np.trace((M - M0) @ H @ (M - M0).T) / h

    def objective(mean):
        return evidence(X, T, M0, mean / h, H, "conjugate") + shape * np.log(mean) - rate * mean

    root = (gamma + 2 * shape) / (squares + 2 * rate)
    want = 0.5 * (squares + 2 * rate) * (root / (lam * h) - 1)
    assert_allclose(derivative(objective, lam * h), want, rtol=1e-9)
    # for one variance the factor is that of any mean
    old, new = np.eye(3) / 2.0, np.eye(3) / 0.5
    ratio = (np.linalg.det(old) / np.linalg.det(new)) ** (1 / 3)
    assert_allclose(np.trace(old) / np.trace(new), ratio, rtol=1e-12)


def conjugate_network():
    """Updates of lam and V in a network, as derivatives with everything else held fixed."""
    designs, jacobians, weights, _, V = deep_problem()
    lam, H, root = 0.7, np.linalg.inv(V), np.linalg.cholesky(V)

    def terms(lam, H):
        """What the layers' priors and determinants add to the evidence."""
        value = 0.0
        for c, X, J, W in zip(C, designs, jacobians, weights, strict=True):
            H_l = (J.transpose(0, 2, 1) @ H @ J).mean(0)
            H_l = H_l + 1e-3 * np.trace(H_l) * np.eye(len(H_l))  # four units, two outputs
            P0 = c * lam * np.kron(H_l, np.eye(len(W)))
            P = np.kron(H_l, X.T @ X) + P0
            value = value - 0.5 * c * lam * np.trace(W @ H_l @ W.T)
            value = value + 0.5 * (log_det(P0) - log_det(P))
        return value

    Gamma, gamma, squares, logs = np.zeros((2, 2)), 0.0, 0.0, 0.0
    for c, X, J, W in zip(C, designs, jacobians, weights, strict=True):
        S = J.transpose(0, 2, 1) @ np.linalg.inv(root).T
        inner = c * lam * (W.T @ W + 1e-3 * np.trace(W.T @ W) * np.eye(W.shape[1]))
        Gamma += (S.transpose(0, 2, 1) @ inner @ S).mean(0)
        H_l = (S @ S.transpose(0, 2, 1)).mean(0)
        H_l = H_l + 1e-3 * np.trace(H_l) * np.eye(len(H_l))
        Na = np.linalg.eigvalsh(X.T @ X)
        gamma += W.shape[1] * (Na / (Na + c * lam)).sum()
        squares += c * np.trace(W @ H_l @ W.T)
        logs += W.shape[1] * np.log(1 + Na / (c * lam)).sum()
    slope = derivative(lambda x: terms(x, H), lam)
    assert_allclose(slope, 0.5 * (gamma / lam - squares), rtol=1e-9)
    slopes = symmetric_derivative(lambda x: terms(lam, x), H)
    assert_allclose(slopes, -0.5 * root @ Gamma @ root.T, rtol=1e-8, atol=1e-9)
    assert_allclose(terms(lam, H), -0.5 * (lam * squares + logs), rtol=1e-10)  # (2)


def penalty():
    """A unit without effect costs nothing under one prior and the full price under the other."""
    rng, lam = np.random.default_rng(9), 0.7
    X = rng.standard_normal((30, 4))
    a = np.linalg.eigvalsh(X.T @ X / 30)

    def price(h, prior):
        P0, P = precisions(X, np.diag(h), lam, prior)
        return 0.5 * (np.linalg.slogdet(P)[1] - np.linalg.slogdet(P0)[1])

    one_unit = 0.5 * np.log(1 + 30 * a / lam).sum()
    for h in (1.0, 1e-4, 1e-8):
        assert_allclose(price([1.0, h], "conjugate"), 2 * one_unit, rtol=1e-11)
    assert_allclose(price([1.0, 1e-8], "isotropic"), one_unit, rtol=1e-6)
    assert_allclose(0.5 * 50 * 14 * np.log(1 + 450 / 10), 1340, atol=5)
    assert_allclose(0.5 * 450 * np.log(10), 520, atol=5)


def network_evidence():
    X, T, M0, V = one_layer()
    H, lam = np.linalg.inv(V), 0.7
    a, h = np.linalg.eigvalsh(X.T @ X / len(X)), np.linalg.eigvalsh(H)
    M = fitted(X, T, M0, lam, H, "isotropic")[0]
    E = T - X @ M
    fit = 0.5 * (len(X) * np.linalg.slogdet(H / (2 * np.pi))[1] - np.trace(E @ H @ E.T))
    ratio = 0.5 * np.log(lam / (len(X) * np.outer(a, h) + lam)).sum()
    ours = fit - 0.5 * lam * ((M - M0) ** 2).sum() + ratio
    G = np.kron(np.eye(3), X)
    S, r = np.kron(V, np.eye(len(X))) + G @ G.T / lam, vec(T - X @ M0)
    dense = -0.5 * (r @ np.linalg.solve(S, r) + np.linalg.slogdet(2 * np.pi * S)[1])
    assert_allclose(ours, dense, rtol=1e-11)
    # one weight, prior N(0, 1): Laplace below the integral for a logistic unit, above for tanh
    w = np.linspace(-30, 30, 60_001)
    log_prior = -0.5 * (w**2 + np.log(2 * np.pi))
    logistic = -np.logaddexp(0, -3 * w), 9 / (4 * np.cosh(1.5 * w) ** 2)
    unit = -5 * (1.5 - np.tanh(w)) ** 2 - 0.5 * np.log(0.2 * np.pi), 10 / np.cosh(w) ** 4
    gaps = []
    for log_likelihood, curvature in (logistic, unit):
        joint = log_likelihood + log_prior
        best = joint.argmax()
        approximate = joint[best] + 0.5 * np.log(2 * np.pi / (1 + curvature[best]))
        gaps.append(approximate - np.log(np.exp(joint).sum() * (w[1] - w[0])))
    assert gaps[0] < -0.01
    assert gaps[1] > 0.3


def bound():
    # A linear network of two blocks of weights, Gaussian noise: its evidence is a regression's.
    X, T, M0, V = one_layer(K=1)
    H, lam, split = np.linalg.inv(V), 0.7, 2
    P0, P = precisions(X, H, lam, "isotropic")
    M = M0 + np.linalg.solve(P, vec(X.T @ (T - X @ M0) @ H)).reshape(M0.shape, order="F")
    E, shift = T - X @ M, vec(M - M0)
    joint = 0.5 * (len(X) * np.log(H[0, 0] / (2 * np.pi)) - H[0, 0] * float((E**2).sum()))
    joint += 0.5 * (np.linalg.slogdet(P0 / (2 * np.pi))[1] - shift @ P0 @ shift)
    truth = np.real(evidence(X, T, M0, lam, H, "isotropic"))

    def value(blocks):
        total = joint
        for rows in blocks:
            C = np.linalg.inv(P[rows, rows])  # of exact blocks
            likelihood = (P - P0)[rows, rows]
            total -= 0.5 * np.trace(C @ likelihood) + 0.5 * np.trace(C @ P0[rows, rows])
            total += 0.5 * np.linalg.slogdet(2 * np.pi * np.e * C)[1]
        return total

    assert_allclose(value([slice(0, 4)]), truth, rtol=1e-11)
    apart = value([slice(0, split), slice(split, 4)])
    assert apart < truth - 1e-3
    laplace = joint + sum(
        0.5 * np.linalg.slogdet(2 * np.pi * np.linalg.inv(P[b, b]))[1]
        for b in (slice(0, split), slice(split, 4))
    )
    assert_allclose(apart, laplace, rtol=1e-11)

    # One logistic weight: whatever mean and variance q has, the bound is below the integral.
    w = np.linspace(-40, 40, 400_001)
    x, y = np.array([1.0, -0.5, 2.0]), np.array([1.0, 1.0, 0.0])

    def log_likelihood(w):
        f = np.multiply.outer(w, x)
        return (y * f - np.logaddexp(0, f)).sum(axis=-1)

    log_prior = -0.5 * (w**2 + np.log(2 * np.pi))

    def integrated(values):
        return values.sum() * (w[1] - w[0])  # nothing is left at the ends

    integral = np.log(integrated(np.exp(log_likelihood(w) + log_prior)))
    best = -np.inf
    for m in np.linspace(-1, 1, 21):
        for v in (0.05, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0):
            q = np.exp(-0.5 * (w - m) ** 2 / v) / np.sqrt(2 * np.pi * v)
            found = integrated(q * log_likelihood(w)) - 0.5 * (m**2 + v + np.log(2 * np.pi))
            found += 0.5 * np.log(2 * np.pi * np.e * v)
            assert found < integral
            best = max(best, found)
    assert best > integral - 0.02


def geometric(V, T, s):
    C = np.linalg.cholesky(V)
    w, U = np.linalg.eigh(np.linalg.solve(C, np.linalg.solve(C, T).T))
    return (C @ U * w**s) @ (C @ U).T


def logarithmic():
    rng = np.random.default_rng(8)
    V, T, D = (A @ A.T + 0.1 * np.eye(3) for A in rng.standard_normal((3, 3, 3)))
    assert_allclose(geometric(V, T, 1.0), T, rtol=1e-10)
    assert_allclose(geometric(V, V, 0.3), V, rtol=1e-10)
    moved = geometric(D @ V @ D.T, D @ T @ D.T, 0.3)
    assert_allclose(moved, D @ geometric(V, T, 0.3) @ D.T, rtol=1e-8)
    assert_allclose(geometric(np.eye(1), 16 * np.eye(1), 0.25), [[2.0]], rtol=1e-14)
    gains = []
    for s in np.linspace(0, 1, 50):
        W = geometric(V, T, s)
        gains.append(-0.5 * np.linalg.slogdet(W)[1] - 0.5 * np.trace(T @ np.linalg.inv(W)))
    assert (np.diff(gains) > 0).all()
    # all weights zero: a strict maximum of the log joint beyond the stated V, and not below
    x, y = rng.standard_normal(20), rng.standard_normal(20)
    lam = np.array([2.0, 0.5])
    bound = abs(x @ y) / np.sqrt(lam.prod())

    def log_joint(weights, V):
        f = np.tanh(weights[0] * x) * weights[1]
        return -0.5 * ((y - f) ** 2).sum() / V - 0.5 * lam @ weights**2

    for factor, is_maximum in ((1.05, True), (0.95, False)):
        around = [
            log_joint(1e-4 * np.array([np.cos(t), np.sin(t)]), factor * bound)
            for t in np.linspace(0, 2 * np.pi, 400)
        ]
        best = max(around) - log_joint(np.zeros(2), factor * bound)
        assert (best < 0) == is_maximum
    # the mean of a logarithm: sizes of the bias that are stated
    for B, stated in ((32, 0.03), (4, 0.24)):
        draws = np.log(rng.chisquare(B, 400_000) / B)
        assert_allclose(1 - np.exp(draws.mean()), stated, atol=0.005)


def many_outputs():
    rng = np.random.default_rng(9)
    for N, K in ((3, 6), (6, 6), (40, 2), (5, 1)):
        R = rng.standard_normal((N, K)) * 10.0 ** rng.uniform(-1, 1, K)
        V = R.T @ R / N
        shrunk = (N * V + K * np.diag(np.diag(V))) / (N + K)
        assert_allclose(np.diag(shrunk), np.diag(V), rtol=1e-14)
        sd = np.sqrt(np.diag(V))
        one, other = shrunk / np.outer(sd, sd), V / np.outer(sd, sd)
        off = ~np.eye(K, dtype=bool)
        assert_allclose(one[off], N / (N + K) * other[off], rtol=1e-12)
        least = np.linalg.eigvalsh(shrunk)[0]
        assert least >= K / (N + K) * np.diag(V).min() * (1 - 1e-9)
        # a stationary point of the log density with its hyper-prior, by differences
        Delta = np.diag(np.diag(V))

        def value(H, V=V, Delta=Delta, N=N, K=K):
            log_det = np.linalg.slogdet(H)[1]
            return 0.5 * ((N + K) * log_det - np.trace((N * V + K * Delta) @ H))

        H = np.linalg.inv(shrunk)
        for _ in range(5):
            E = rng.standard_normal((K, K))
            E = 1e-4 * (H @ (E + E.T) @ H) / np.abs(H).max()
            assert value(H) > max(value(H + E), value(H - E))


def units():
    rng = np.random.default_rng(10)
    R, D, b = rng.standard_normal((9, 2)), np.diag([1e-3, 50.0]), 0.3
    u = (R**2).mean(axis=0)
    one = R.T @ R + 2 * b * np.diag(u)
    other = (R @ D).T @ (R @ D) + 2 * b * np.diag(((R @ D) ** 2).mean(axis=0))
    assert_allclose(other, D @ one @ D, rtol=1e-12)


def few_data():
    rng = np.random.default_rng(11)
    N, C, lam = 4, 2, np.array([0.7, 2.5])
    x = [rng.standard_normal((N, 3)), rng.standard_normal((N, 5))]
    s = [rng.standard_normal((N, C, 4)), rng.standard_normal((N, C, 2))]
    J = [np.einsum("nck,nd->nckd", b, a).reshape(N * C, -1) for a, b in zip(x, s, strict=True)]
    P0 = np.concatenate([np.full(j.shape[1], v) for j, v in zip(J, lam, strict=True)])
    J = np.hstack(J)
    G = sum(
        np.einsum("nd,md,nck,mek->ncme", a, a, b, b).reshape(N * C, N * C) / v
        for a, b, v in zip(x, s, lam, strict=True)
    )
    assert_allclose(G, (J / P0) @ J.T, rtol=1e-12)
    hat = J @ np.linalg.solve(J.T @ J + np.diag(P0), J.T)
    assert_allclose(G @ np.linalg.inv(G + np.eye(N * C)), hat, rtol=1e-9, atol=1e-12)
    gamma = np.trace(hat)
    parts = [slice(0, 12), slice(12, 22)]
    P, L = J.T @ J + np.diag(P0), J.T @ J
    apart = [np.trace(np.linalg.solve(P[p, p], L[p, p])) for p in parts]
    assert gamma < min(N * C, sum(apart))

    # the derivative of the log determinant by H, all outputs' precision scaled alike: gamma
    def log_det(t):
        return np.linalg.slogdet(np.exp(t) * J.T @ J + np.diag(P0))[1]

    assert_allclose((log_det(1e-5) - log_det(-1e-5)) / 2e-5, gamma, rtol=1e-7)


def averages():
    """The number of an average of factors is at least the average of their numbers."""
    rng, N, lam = np.random.default_rng(12), 9, 0.7
    x, s = rng.standard_normal((6, 3, 5)), rng.standard_normal((6, 2, 4))
    A, H = np.einsum("snd,sne->sde", x, x), np.einsum("snk,snl->skl", s, s)
    w = rng.dirichlet(np.ones(6))

    def count(A, H):
        L = N * np.kron(H, A)
        return np.trace(np.linalg.solve(L + lam * np.eye(len(L)), L))

    mean_A, mean_H = np.tensordot(w, A, 1), np.tensordot(w, H, 1)
    for one in H:
        assert count(mean_A, one) > w @ [count(a, one) for a in A]
    for one in A:
        assert count(one, mean_H) > w @ [count(one, h) for h in H]
    # one linear layer whose mean goes the share r of the way to each batch's answer: fluctuations
    r, ratio, posterior = 0.05, 20.0, 0.3  # N / B, variance of a weight given all the data
    variance = 0.0
    for _ in range(400):
        variance = (1 - r) ** 2 * variance + r**2 * ratio * posterior
    assert_allclose(variance, r / (2 - r) * ratio * posterior, rtol=1e-6)


def left_out():
    """A datum replaced by what the others say of it changes nothing; errors exceed the noise."""
    rng, N, r = np.random.default_rng(13), 9, 0.03
    x, y = rng.uniform(-1, 1, N), rng.standard_normal(N)
    K, P = np.exp(-((x[:, None] - x) ** 2)), np.eye(N) - 1 / N
    E = r * np.linalg.inv(P @ K @ P + r * np.eye(N)) @ P

    def predicted(n):  # by a constant and a function of the kernel's space, fitted to the others
        o = np.delete(np.arange(N), n)
        bordered = np.block([[K[np.ix_(o, o)] + r * np.eye(N - 1), np.ones((N - 1, 1))],
                             [np.ones((1, N - 1)), np.zeros((1, 1))]])  # fmt: skip
        return np.append(K[n, o], 1.0) @ np.linalg.solve(bordered, np.append(y[o], 0.0))

    others = np.array([predicted(n) for n in range(N)])
    assert_allclose(E @ y / E.diagonal(), y - others, rtol=1e-8)
    for n in range(N):
        replaced = np.where(np.arange(N) == n, others, y)
        assert_allclose(replaced[n] - (E @ replaced)[n], others[n], rtol=1e-8)
    # the mean square of such errors over draws of the noise, in closed form: noise and bias
    f, sigma = np.sin(3 * x), 0.2
    S = E / E.diagonal()[:, None]  # errors are S y, and S has a diagonal of ones
    mean = ((S @ f) ** 2 + sigma**2 * (S**2).sum(axis=1)).mean()
    assert mean > sigma**2


CHECKS = {
    "EV-1": effective_number,
    "EV-2": prior_precision,
    "EV-3": noise,
    "EV-4": conjugate,
    "EV-5": network_evidence,
    "EV-7": bound,
    "EV-8": logarithmic,
    "EV-9": many_outputs,
    "EV-10": units,
    "EV-11": few_data,
    "EV-12": averages,
    "EV-13": left_out,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("09_evidence holds:", *CHECKS)
