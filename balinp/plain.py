"""The whole method in one file, with dense matrices: read this first.

A tanh network learns a regression whose noise covariance V and prior precision lam are known; the
prior's means are zero. Nothing here is fast and nothing is optional: `balinp` computes the same
with Kronecker factors in their eigenbases, and a test holds the two against each other, step by
step. The tags at the lines are those of the notes in derivations/.

Training is `step`, again and again, from random weights of shapes (D, K), the bias in the last row,
and `memories = [None] * len(weights)`. Step t has the rate max(b, 1 / sqrt(t)), where b is the
batch's share of the data, between .02 and .5 (NP-4).
"""

import numpy as np

FLOOR = 1e-8  # of a hidden layer's curvature, as a fraction of its mean eigenvalue
TRUST = 0.3  # nats a datum by which a batch may change the predictions
LEAST_GAIN = 0.01  # share of the promised gain without which a step is halved
ROUNDING = 1e-13  # share of a log joint density below which a promise cannot be checked
SWEEPS = 200  # many times as many as it takes


def design(h):
    """A layer's inputs X: what comes in, and a 1 for the bias."""
    return np.column_stack([h, np.ones(len(h))])


def forward(weights, X):
    """Inputs h_l and outputs z_l of every layer: z_l = (h_l, 1) W_l, h_{l+1} = tanh z_l."""
    inputs, outputs = [X], []
    for W in weights:
        outputs.append(design(inputs[-1]) @ W)
        inputs.append(np.tanh(outputs[-1]))
    return inputs[:-1], outputs


def backward(weights, inputs, rows):
    """Rows (B, C, K) at the outputs, carried back to the outputs of every layer."""
    carried = [rows]  # BP-1, BP-2: gradients and curvature roots obey the same rule
    for W, h in zip(weights[:0:-1], inputs[:0:-1]):
        carried.insert(0, carried[0] @ W[:-1].T * (1 - h**2)[:, None, :])
    return carried


def tangent(weights, inputs, changes):
    """Change of the outputs, to first order, when the weights change."""
    dz = design(inputs[0]) @ changes[0]
    for W, Delta, h in zip(weights[1:], changes[1:], inputs[1:]):
        dz = design(h) @ Delta + ((1 - h**2) * dz) @ W[:-1]  # BP-3
    return dz


def averaged(old, new, rate):
    """Old batches are forgotten gradually; before the first there is nothing to average with."""
    return new if old is None else (1 - rate) * old + rate * new  # NP-1


def output_precision(S, old, rate):
    """H of a hidden layer: the average of S_n S_n^T, its eigenvalues floored."""
    H = averaged(old, np.einsum("nck,ncj->kj", S, S) / len(S), rate)  # PT-4
    h, Q = np.linalg.eigh(H)
    return (Q * np.maximum(h, FLOOR * h.mean())) @ Q.T  # PT-5


def regression(M, A, H, X, T, damping, N, lam, rate):
    """One layer's Bayesian linear regression of pseudo-targets T on inputs X, about its mean M.

    Returns the change of the mean that it asks for, the gradient of the log joint density, and the
    posterior precision P of vec(W), columns stacked.
    """
    P = np.kron(H, N * A) + lam * np.eye(M.size)  # LR-1
    R = N / len(X) * X.T @ (T - X @ M) @ H - lam * M
    delta = damping * N * np.trace(A) * np.trace(H) / M.size  # JS-5: where promises were not kept
    Delta = np.linalg.solve(P + delta * np.eye(M.size), rate * R.ravel(order="F"))  # NP-2
    return Delta.reshape(M.shape, order="F"), R, P


def quadratic(weights, inputs, gradient, directions, root, N, lam):
    """Slopes b and curvatures C along some directions, and the likelihood's part of C a datum.

    Following the directions s times gains b s - s C s / 2 of log joint density, to second order.
    """
    white = [tangent(weights, inputs, d) @ root.T for d in directions]
    b = np.array([sum((R * Delta).sum() for R, Delta in zip(gradient, d)) for d in directions])
    datum = np.array([[(u * v).sum() for u in white] for v in white]) / len(inputs[0])
    prior = [[sum((u * v).sum() for u, v in zip(d, e)) for e in directions] for d in directions]
    return b, N * datum + lam * np.array(prior), datum


def step(weights, memories, X, Y, V, N, lam, rate):
    """Train on a batch X (B, n_in), Y (B, K) that stands for N data.

    Returns the new weights, the memories (A, H, the last change of every layer, and the damping;
    None before the first step) and the posterior precisions.
    """
    precision, root = np.linalg.inv(V), np.linalg.inv(np.linalg.cholesky(V))  # BP-4: S^T = C^-1
    inputs, outputs = forward(weights, X)
    gradients = backward(weights, inputs, ((Y - outputs[-1]) @ precision)[:, None, :])
    roots = backward(weights, inputs, np.broadcast_to(root, (len(X), *root.shape)))

    is_all = len(X) == N
    damping = 0.0 if memories[0] is None else memories[0][3]  # the network's; each layer keeps it
    proposals, averages = [], []
    for i, M in enumerate(weights):
        A, H, *_ = memories[i] or (None, None)
        X_i = design(inputs[i])
        A = averaged(A, X_i.T @ X_i / len(X), rate)
        H = precision if i == len(weights) - 1 else output_precision(roots[i], H, rate)
        T = outputs[i] + np.linalg.solve(H, gradients[i][:, 0].T).T  # PT-1: the pseudo-targets
        averages.append((A, H))
        proposals.append(regression(M, A, H, X_i, T, damping * is_all, N, lam, rate))
    changes, gradient, precisions = zip(*proposals)

    # All layers move at once. How far is the maximum of a quadratic: in batches along the
    # proposed changes, at most all of them; with all data also along the last changes.
    last = [np.zeros_like(M) if m is None else m[2] for M, m in zip(weights, memories)]
    directions = [changes, last] if is_all else [changes]  # JS-2, JS-1
    b, C, datum = quadratic(weights, inputs, gradient, directions, root, N, lam)
    s = np.linalg.lstsq(C, b, rcond=None)[0]
    if not is_all:
        s = np.minimum(s, 1.0)
        s = s * min(1.0, np.sqrt(2 * TRUST / (s @ datum @ s)))  # JS-4

    def log_joint(weights):
        residuals = (Y - forward(weights, X)[1][-1]) @ root.T
        return -(N / len(X) * (residuals**2).sum() + lam * sum((W**2).sum() for W in weights)) / 2

    total, kept = shortened(weights, directions, s, b, C, log_joint)
    damping = next_damping(damping, kept) if is_all else damping
    moved = [W + Delta for W, Delta in zip(weights, total)]
    memories = [(*A_and_H, Delta, damping) for A_and_H, Delta in zip(averages, total)]
    return moved, memories, precisions


def shortened(weights, directions, s, b, C, log_joint):
    """The step, halved until it is a gain, and the share of its promise that it keeps."""
    before = log_joint(weights)
    for c in [*2.0 ** -np.arange(11), 0.0]:  # JS-3: at last no step is taken
        total = [c * sum(f * Delta for f, Delta in zip(s, pair)) for pair in zip(*directions)]
        promised = c * (s @ b) - c**2 * (s @ C @ s) / 2
        if promised <= ROUNDING * 2 * abs(before):
            return total, float(c > 0)
        kept = (log_joint([W + Delta for W, Delta in zip(weights, total)]) - before) / promised
        if kept >= LEAST_GAIN:
            return total, kept


def next_damping(damping, kept):
    """Doubled after a broken promise, halved after a kept one (JS-5).

    It is a share of the precision that the data give a weight in the mean. The two bounds of what
    is kept are the usual ones of Levenberg's and Marquardt's method.
    """
    if kept < 0.25:  # from 1e-4, felt where data say least, to 10, where hardly a weight moves
        return min(max(2 * damping, 1e-4), 10.0)
    if kept > 0.75:  # below 1e-6 it is felt nowhere
        return damping / 2 if damping > 1e-6 else 0.0
    return damping


def nearest(P, D, K):
    """Covariance (DK, DK) of the matrix normal nearest to a Gaussian of precision P (DK, DK)."""
    blocks, columns = P.reshape(K, D, K, D), np.eye(K)
    for _ in range(SWEEPS):  # MN-8: each is the best for the other
        rows = K * np.linalg.inv(np.einsum("kdce,kc->de", blocks, columns))
        columns = D * np.linalg.inv(np.einsum("kdce,de->kc", blocks, rows))
    return np.kron(columns, rows)


def predict(weights, precisions, X, V):
    """Mean (B, K) and covariance (B, K, K) of targets: the network linearised in its weights."""
    inputs, outputs = forward(weights, X)
    jacobians = backward(weights, inputs, np.broadcast_to(np.eye(len(V)), (len(X), *V.shape)))
    covariance = np.tile(V, (len(X), 1, 1))
    for W, h, J, P in zip(weights, inputs, jacobians, precisions):
        rows = np.einsum("nck,nd->nckd", J, design(h)).reshape(len(X), len(V), -1)
        C = nearest(P, *W.shape) if len(weights) > 1 else np.linalg.inv(P)
        covariance = covariance + rows @ C @ rows.transpose(0, 2, 1)  # PR-1
    return outputs[-1], covariance
