"""Numerical check of 06_pseudo_targets.md: targets, curvature factor, eigenvalue floor."""

import numpy as np
from numpy.testing import assert_allclose

B, D, K = 7, 4, 3
FLOOR = 1e-8


def vec(W):
    """Stack the columns."""
    return W.ravel(order="F")


def layer(seed=1):
    """Designs X, mean M, prior mean M0, gradients G of the outputs, output precision H."""
    rng = np.random.default_rng(seed)
    X, M, M0, G = (rng.standard_normal(s) for s in ((B, D), (D, K), (D, K), (B, K)))
    root = rng.standard_normal((K, K)) + 2 * np.eye(K)
    return X, M, M0, G, root @ root.T


def pseudo_log_likelihood(W, X, T, H):
    """sum_n log N(t_n; W^T x_n, H^{-1}), up to a constant."""
    E = T - X @ W
    return -0.5 * (E @ H * E).sum()


def gradient_of(function, W):
    """Gradient by complex steps."""
    slopes = np.empty_like(W)
    for index in np.ndindex(*W.shape):
        moved = W.astype(complex)
        moved[index] += 1e-30j
        slopes[index] = function(moved).imag / 1e-30
    return slopes


def matching_gradient():
    X, M, _, G, H = layer()
    T = X @ M + G @ np.linalg.inv(H)
    slopes = gradient_of(lambda W: pseudo_log_likelihood(W, X, T, H), M)
    assert_allclose(slopes, X.T @ G, rtol=1e-9, atol=1e-10)
    # and it is no accident of the point: elsewhere the two gradients differ
    away = gradient_of(lambda W: pseudo_log_likelihood(W, X, T, H), M + 1)
    assert abs(away - X.T @ G).max() > 1
    fixed_points()


def fixed_points():
    """Where all layers' regressions leave a network; exact gradients by complex steps."""
    rng, n, lam, noise = np.random.default_rng(8), 10, 0.7, 0.2
    x, y = rng.standard_normal((n, 2)), rng.standard_normal((n, 1))
    start = [rng.standard_normal((3, 2)), rng.standard_normal((3, 1))]

    def designs(weights):
        X = np.hstack([x, np.ones((n, 1))])
        return X, np.hstack([np.tanh(X @ weights[0]), np.ones((n, 1))])

    def log_likelihood(weights):
        return -0.5 * ((y - designs(weights)[1] @ weights[1]) ** 2).sum() / noise

    def slopes(weights):
        first = gradient_of(lambda W: log_likelihood([W, weights[1]]), weights[0])
        return first, gradient_of(lambda W: log_likelihood([weights[0], W]), weights[1])

    def told(weights, hidden=None):
        """Designs, precisions and pseudo-targets of both layers."""
        X = designs(weights)
        jacobian = weights[1][:-1, 0] * (1 - X[1][:, :-1] ** 2)
        g = (y - X[1] @ weights[1]) / noise
        first = jacobian.T @ jacobian / (n * noise) if hidden is None else hidden
        Hs = first, np.array([[1 / noise]])
        triples = zip(X, weights, Hs, (g * jacobian, g), strict=True)
        return X, Hs, [design @ W + G @ np.linalg.inv(H) for design, W, H, G in triples]

    def regression(design, T, H, M0, prior):
        P0 = lam * np.kron(H if prior == "conjugate" else np.eye(len(H)), np.eye(len(M0)))
        right = vec(design.T @ T @ H) + P0 @ vec(M0)
        P = np.kron(H, design.T @ design) + P0
        return np.linalg.solve(P, right).reshape(M0.shape, order="F")

    # prior means that make any weights a fixed point balance the gradient, and no others do
    for prior in ("isotropic", "conjugate"):
        pieces = zip(start, slopes(start), *told(start), strict=True)
        for W, slope, design, H, T in pieces:
            unit = np.linalg.inv(H) if prior == "conjugate" else np.eye(len(H))
            M0 = W - slope @ unit / lam
            assert_allclose(regression(design, T, H, M0, prior), W, rtol=1e-8, atol=1e-9)
            assert abs(regression(design, T, H, M0 + 0.1, prior) - W).max() > 1e-3
    # regressions followed a part of the way, until they rest: the log joint density is stationary
    for hidden in (None, np.array([[6.0, 1.0], [1.0, 4.0]])):
        weights = start
        for _ in range(3000):
            pieces = zip(weights, *told(weights, hidden), strict=True)
            means = [regression(X, T, H, 0 * W, "isotropic") for W, X, H, T in pieces]
            weights = [W + 0.25 * (mean - W) for W, mean in zip(weights, means, strict=True)]
        for W, slope in zip(weights, slopes(weights), strict=True):
            assert abs(slope).max() > 1e-2, "not a point without forces"
            assert_allclose(slope, lam * W, atol=1e-8)


def observations():
    X, M, _, _, H = layer()
    Y = np.random.default_rng(2).standard_normal((B, K))
    for W in (M, 100 * M):
        T = X @ W + (Y - X @ W) @ H @ np.linalg.inv(H)
        assert_allclose(T, Y, rtol=1e-9, atol=1e-10)


def noise_drops_out():
    X, M, M0, G, H = layer()
    N, lam = 20, 0.4
    T = X @ M + G @ np.linalg.inv(H)
    assert_allclose((T - X @ M) @ H, G, rtol=1e-10, atol=1e-11)
    P = N / B * np.kron(H, X.T @ X) + lam * np.eye(D * K)
    by_targets = np.linalg.solve(P, N / B * vec(X.T @ T @ H) + lam * vec(M0))
    by_gradient = vec(M) + np.linalg.solve(P, vec(N / B * X.T @ G - lam * (M - M0)))
    assert_allclose(by_targets, by_gradient, rtol=1e-10, atol=1e-10)
    # conjugate prior: V stays, as a preconditioner of the gradient
    U = np.linalg.inv(N / B * X.T @ X + lam * np.eye(D))
    by_targets = U @ (N / B * X.T @ T + lam * M0)
    by_gradient = M + U @ (N / B * X.T @ G @ np.linalg.inv(H) - lam * (M - M0))
    assert_allclose(by_targets, by_gradient, rtol=1e-10, atol=1e-10)


def two_layers(activation, curvature, n, seed=3):
    """Exact Gauss-Newton blocks of a two-layer network, and their Kronecker stand-ins."""
    rng = np.random.default_rng(seed)
    W1, W2 = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    X1 = np.hstack([rng.standard_normal((n, 3)), np.ones((n, 1))])
    Z1 = X1 @ W1
    tanh = activation == "tanh"
    x2, slope = (np.tanh(Z1), 1 - np.tanh(Z1) ** 2) if tanh else (Z1, np.ones_like(Z1))
    X2 = np.hstack([x2, np.ones((n, 1))])
    H2 = np.array([curvature(f) for f in X2 @ W2])
    J = W2[:-1].T * slope[:, None, :]
    H1 = J.transpose(0, 2, 1) @ H2 @ J
    pairs = []
    for X, H in ((X1, H1), (X2, H2)):
        exact = sum(np.kron(h, np.outer(x, x)) for h, x in zip(H, X, strict=True))
        pairs.append((exact, n * np.kron(H.mean(0), X.T @ X / n)))
    return pairs


def softmax_curvature(f):
    p = np.exp(f) / np.exp(f).sum()
    return np.diag(p) - np.outer(p, p)


def curvature_factor():
    def gaussian(_):
        return np.array([[2.0, 0.4], [0.4, 1.0]])

    def gap(pair):
        return abs(pair[0] - pair[1]).max() / abs(pair[0]).max()

    for curvature in (gaussian, softmax_curvature):
        assert max(map(gap, two_layers("tanh", curvature, 1))) < 1e-13, "one datum: exact"
    assert gap(two_layers("tanh", gaussian, 6)[1]) < 1e-13, "Gaussian output layer: exact"
    assert max(map(gap, two_layers("identity", gaussian, 6))) < 1e-13, "deep linear: exact"
    assert gap(two_layers("tanh", gaussian, 6)[0]) > 1e-2, "hidden layer: an approximation"
    assert gap(two_layers("identity", softmax_curvature, 6)[1]) > 1e-2, "softmax: as well"


def floor():
    rng = np.random.default_rng(4)
    lam, N = 0.5, B
    X, M, M0, _, _ = layer()
    # roots in a two-dimensional subspace: H is singular and G lies in its range
    S = rng.standard_normal((B, 2)) @ rng.standard_normal((2, K))
    G, H = S * rng.standard_normal((B, 1)), S.T @ S / B
    h, Q = np.linalg.eigh(H)
    h[0] = 0.0
    d = FLOOR * h.mean()
    floored, shifted = np.maximum(h, d), h + d
    assert_allclose(np.linalg.norm(floored - h), d)
    a, Q_A = np.linalg.eigh(X.T @ X / B)

    def change(values, R):
        return Q_A @ ((Q_A.T @ R @ Q) / (N * np.outer(a, values) + lam)) @ Q.T

    def error(values, R):
        exact = change(h, R)
        return np.linalg.norm(change(values, R) - exact) / np.linalg.norm(exact)

    R = X.T @ G
    assert error(floored, R) < 1e-14
    assert error(shifted, R) > 1e-10
    # with the prior's pull, only the directions that were raised move, by at most N a d / lam
    R = X.T @ G - lam * (M - M0)
    difference = abs(Q_A.T @ (change(floored, R) - change(h, R)) @ Q)
    limit = (N * a[:, None] * d / lam) * abs(Q_A.T @ change(h, R) @ Q) * (h < d)
    assert (difference <= limit + 1e-14).all()
    assert difference.max() > 1e-10
    # V applied in the eigenbasis keeps the digits that a dense V loses (1e-8 is its eps cond)
    H_f, V_f = (Q * floored) @ Q.T, (Q / floored) @ Q.T
    in_basis = X @ M + (G @ Q / floored) @ Q.T
    for T, tolerance in ((in_basis, 1e-13), (X @ M + G @ V_f, 1e-6)):
        assert np.linalg.norm((T - X @ M) @ H_f - G) / np.linalg.norm(G) < tolerance
    # raised in the targets only, the identity of PT-3 breaks for a gradient out of range
    G = rng.standard_normal((B, K))
    T = X @ M + (G @ Q / floored) @ Q.T
    assert np.linalg.norm((T - X @ M) @ H_f - G) / np.linalg.norm(G) < 1e-6
    assert np.linalg.norm((T - X @ M) @ H - G) / np.linalg.norm(G) > 0.1


CHECKS = {
    "PT-1": matching_gradient,
    "PT-2": observations,
    "PT-3": noise_drops_out,
    "PT-4": curvature_factor,
    "PT-5": floor,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("06_pseudo_targets holds:", *CHECKS)
