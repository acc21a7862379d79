"""Numerical check of 05_backward.md. Derivatives by complex steps, exact to rounding."""

from itertools import pairwise

import numpy as np
from numpy.testing import assert_allclose

WIDTHS = (3, 4, 5, 2)
STEP = 1e-30


def network(seed=1, n=6):
    """Inputs (n, 3), weights (bias in the last row)."""
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((i + 1, o)) for i, o in pairwise(WIDTHS)]
    return rng.standard_normal((n, WIDTHS[0])), weights


def forward(weights, x, shift=None):
    """Designs X_l and outputs Z_l of all layers; `shift` adds to the outputs of some of them."""
    designs, outputs = [], []
    for index, W in enumerate(weights):
        designs.append(np.hstack([x, np.ones((len(x), 1))]))
        z = designs[-1] @ W
        outputs.append(z if shift is None or index not in shift else z + shift[index])
        x = np.tanh(outputs[-1])
    return designs, outputs


def backward(weights, outputs, rows):
    """Carry rows (n, C, K_out) of derivatives back to every layer's outputs."""
    carried = [rows]
    for W, z in zip(weights[:0:-1], outputs[-2::-1], strict=True):
        carried.insert(0, (carried[0] @ W[:-1].T) * (1 - np.tanh(z) ** 2)[:, None, :])
    return carried


def jacobians(weights, x, layer):
    """Derivatives of f_n by the outputs of one layer, (n, K_out, K_l)."""
    K = weights[layer].shape[1]
    columns = []
    for k in range(K):
        shift = {layer: 1j * STEP * np.eye(K)[k]}
        columns.append(forward(weights, x, shift)[1][-1].imag / STEP)
    return np.stack(columns, axis=2)


def gaussian_log_density(Y, f, H):
    return -0.5 * (((Y - f) @ H) * (Y - f)).sum(1)


def categorical_log_density(Y, f):
    top = f.real.max(1, keepdims=True)
    return (Y * (f - top)).sum(1) - np.log(np.exp(f - top).sum(1))


def softmax(f):
    e = np.exp(f - f.real.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def gradients():
    X, weights = network()
    H = np.array([[2.0, 0.4], [0.4, 1.0]])
    Y = np.random.default_rng(2).standard_normal((len(X), 2))
    designs, outputs = forward(weights, X)
    G = [rows[:, 0] for rows in backward(weights, outputs, ((Y - outputs[-1]) @ H)[:, None])]
    for layer, W in enumerate(weights):
        numeric = np.empty_like(W)
        for index in np.ndindex(*W.shape):
            moved = [w.astype(complex) for w in weights]
            moved[layer][index] += 1j * STEP
            f = forward(moved, X)[1][-1]
            numeric[index] = gaussian_log_density(Y, f, H).sum().imag / STEP
        assert_allclose(designs[layer].T @ G[layer], numeric, rtol=1e-11, atol=1e-11)


def curvature_roots():
    X, weights = network()
    _, outputs = forward(weights, X)
    p = softmax(outputs[-1])
    S_out = np.sqrt(p)[:, None, :] * (np.eye(2) - p[:, :, None])  # diag(sqrt p) - p sqrt(p)^T
    roots = backward(weights, outputs, S_out.transpose(0, 2, 1))
    for layer in range(len(weights)):
        J = jacobians(weights, X, layer)
        want = J.transpose(0, 2, 1) @ (S_out @ S_out.transpose(0, 2, 1)) @ J
        assert_allclose(roots[layer].transpose(0, 2, 1) @ roots[layer], want, atol=1e-12)
        # the term that is dropped: the Hessian is -S S^T and the curvature of the network
        g = np.eye(2)[[0, 1, 1, 0, 1, 0]] - p
        hessian, network_curvature = np.empty_like(want), np.empty_like(want)
        for i, unit in enumerate(np.eye(want.shape[1])):
            moved = forward(weights, X, {layer: 1j * STEP * unit})[1]
            labels = np.eye(2)[[0, 1, 1, 0, 1, 0]]
            rows = (labels - softmax(moved[-1]))[:, None]
            hessian[:, i] = backward(weights, moved, rows)[layer][:, 0].imag / STEP
            second = backward(weights, moved, np.broadcast_to(np.eye(2), (len(X), 2, 2)))[layer]
            network_curvature[:, i] = np.einsum("nk,nkj->nj", g, second.imag / STEP)
        assert_allclose(hessian, network_curvature - want, atol=1e-12)
        at_output = layer == len(weights) - 1
        assert (abs(network_curvature).max() > 0.1) == (not at_output)


def tangent():
    X, weights = network()
    designs, outputs = forward(weights, X)
    rng = np.random.default_rng(3)
    changes = [rng.standard_normal(W.shape) for W in weights]
    dz = designs[0] @ changes[0]
    for W, D, design, z in zip(weights[1:], changes[1:], designs[1:], outputs[:-1], strict=True):
        dz = design @ D + ((1 - np.tanh(z) ** 2) * dz) @ W[:-1]
    moved = [W + 1j * STEP * D for W, D in zip(weights, changes, strict=True)]
    assert_allclose(dz, forward(moved, X)[1][-1].imag / STEP, rtol=1e-11, atol=1e-11)
    # the adjoint identity: the two passes agree on every inner product
    g = rng.standard_normal(dz.shape)
    G = [rows[:, 0] for rows in backward(weights, outputs, g[:, None])]
    inner = sum((x.T @ q * D).sum() for x, q, D in zip(designs, G, changes, strict=True))
    assert_allclose((g * dz).sum(), inner, rtol=1e-11)


def output_roots():
    rng = np.random.default_rng(4)
    f = rng.standard_normal((1, 4))
    # Gaussian: V = C C^T, S = C^{-T}
    root = rng.standard_normal((4, 4)) + 3 * np.eye(4)
    V, y = root @ root.T, rng.standard_normal((1, 4))
    H, S = np.linalg.inv(V), np.linalg.inv(np.linalg.cholesky(V)).T
    assert_allclose(S @ S.T, H, rtol=1e-11, atol=1e-13)
    # categorical: gradient y - p, curvature diag(p) - p p^T
    one_hot, p = np.eye(4)[[2]], softmax(f)[0]
    S_c = np.diag(np.sqrt(p)) - np.outer(p, np.sqrt(p))
    assert_allclose(S_c @ S_c.T, np.diag(p) - np.outer(p, p), atol=1e-15)
    for k in range(4):
        moved = f + 1j * STEP * np.eye(4)[k]
        slope = gaussian_log_density(y, moved, H).imag / STEP
        assert_allclose(slope, ((y - f) @ H)[0, k], rtol=1e-11)
        slope = categorical_log_density(one_hot, moved).imag / STEP
        assert_allclose(slope, (one_hot[0] - p)[k], rtol=1e-12)
        bend = -(one_hot - softmax(moved)).imag[0] / STEP
        assert_allclose(bend, (np.diag(p) - np.outer(p, p))[k], atol=1e-15)
    # Bernoulli: gradient y - s, curvature diag(s (1 - s)), at most 1/4
    answers, s = np.array([[1.0, 0.0, 0.0, 1.0]]), 1 / (1 + np.exp(-f[0]))
    for k in range(4):
        moved = f + 1j * STEP * np.eye(4)[k]
        slope = (answers * moved - np.log(1 + np.exp(moved))).sum().imag / STEP
        assert_allclose(slope, (answers[0] - s)[k], rtol=1e-12)
        bend = (1 / (1 + np.exp(-moved))).imag[0] / STEP
        assert_allclose(bend, np.diag(s * (1 - s))[k], atol=1e-15)
    z = np.linspace(-9, 9, 1001)
    assert (np.exp(-z) / (1 + np.exp(-z)) ** 2).max() == 0.25


def drawn_labels():
    rng = np.random.default_rng(4)
    f = rng.standard_normal((1, 4))
    p = softmax(f)[0]
    curvature = np.diag(p) - np.outer(p, p)
    mean = sum(p[k] * np.outer(np.eye(4)[k] - p, np.eye(4)[k] - p) for k in range(4))
    assert_allclose(mean, curvature, atol=1e-15)
    labels = (np.cumsum(p[:-1])[:, None] <= rng.random(400_000)).sum(axis=0)
    shares = np.bincount(labels, minlength=4) / len(labels)
    assert np.abs((shares - p) / np.sqrt(p * (1 - p) / len(labels))).max() < 4
    rows = np.eye(4)[labels] - p
    assert_allclose(rows.T @ rows / len(rows), curvature, atol=4 / np.sqrt(len(rows)))


CHECKS = {
    "BP-1": gradients,
    "BP-2": curvature_roots,
    "BP-3": tangent,
    "BP-4": output_roots,
    "BP-5": drawn_labels,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print("05_backward holds:", *CHECKS)
