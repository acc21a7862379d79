"""Pseudo-targets and curvature: their identities, the floor, and when Kronecker is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import (
    DIFFERENCE_RTOL,
    Deep,
    DeepCase,
    assert_close,
    assert_same_posterior,
    both_priors,
    deep,
    parametrize_deep,
    random_covariance,
    slope,
    vec,
)

from balinp import BALI, MLP, Gaussian, dense
from balinp._types import Array
from balinp.kernels import curvature_sum
from balinp.linearised import forward_pass
from balinp.passes import Present
from balinp.pseudo_targets import Trace, pseudo_targets, trace
from balinp.spectral import CURVATURE_FLOOR, floored
from balinp.sums import summed

every_network = parametrize_deep()
NARROW = DeepCase("more hidden units than curvature", (3, 7, 2), N=2)
"""Two data of two outputs give a hidden H of rank four at most, for seven units."""


def design(d: Deep, h: Array) -> Array:
    return np.hstack([h, np.ones((len(h), 1))]) if d.network.bias else h


def output_jacobians(d: Deep) -> list[Array]:
    """Derivatives (N, K_out, K_l) of the outputs with respect to each layer's outputs."""
    K = d.Y.shape[1]
    identity = np.broadcast_to(np.eye(K), (len(d.X), K, K))
    return d.network.backward(d.weights, d.network.forward(d.weights, d.X), identity)


def raw_precisions(t: Trace) -> list[Array]:
    """H before any floor."""
    return [curvature_sum(np.swapaxes(S, 1, 2)) / len(S) for S in t.curvature_roots]


# The targets ------------------------------------------------------------------------------------


@pytest.mark.equation("PT-1", "PT-3", "BP-1")
@every_network
def test_precision_times_residuals_is_the_gradient(case: DeepCase) -> None:
    d = deep(case)
    t = d.trace()
    output_gradients = d.likelihood.gradient(d.Y, t.outputs[-1])
    for layer, B in enumerate(output_jacobians(d)):
        G = np.einsum("nck,nc->nk", B, output_gradients)
        assert_close(t.gradients[layer], G)
        X, M, H = design(d, t.inputs[layer]), d.weights[layer], t.output_precisions[layer]
        residuals = t.pseudo_targets[layer] - X @ M
        assert_close(residuals @ H, G)
        assert_close(residuals, G @ np.linalg.inv(H), np.linalg.cond(H))
    assert_close(t.log_densities.sum(), d.log_likelihood(d.weights))


@pytest.mark.equation("PT-2")
@pytest.mark.parametrize(
    "noise",
    [1e-4, 1e2, [1e-3, 1.0, 1e3], random_covariance(np.random.default_rng(8), 3)],
    ids=["small", "large", "one per output", "full"],
)
@pytest.mark.parametrize("widths", [(2, 3), (2, 4, 3)])
def test_gaussian_pseudo_targets_are_the_observations(widths: Any, noise: Any) -> None:
    rng = np.random.default_rng(1)
    network = MLP(widths, "tanh")
    X, Y = rng.normal(size=(6, 2)), rng.normal(size=(6, 3))
    for _ in range(3):
        weights = [3 * rng.normal(size=shape) for shape in network.shapes]
        t = trace(network, Gaussian(noise), weights, X, Y)
        scale = np.abs(t.outputs[-1]).max() / np.abs(Y).max()  # Y = f + (Y - f)
        condition = float(np.linalg.cond(Gaussian(noise).covariance(3)))
        assert_close(t.pseudo_targets[-1], Y, condition, rtol=1e-10 * scale)


@pytest.mark.equation("PT-1", "PT-3", "LR-3")
@every_network
@both_priors
def test_every_layer_sees_the_gradient_of_the_log_joint(case: DeepCase, prior: str) -> None:
    d, n_data = deep(case), 10
    t = d.trace()
    for index, layer in enumerate(d.layers(prior)):
        inputs, T, H = t.inputs[index], t.pseudo_targets[index], t.output_precisions[index]
        proposal = layer.propose(inputs, T, H, n_data=n_data)
        direction = np.random.default_rng(1).normal(size=layer.mean.shape)

        def log_likelihood(h: float, index: int = index, D: Array = direction) -> float:
            moved = [W + h * D if k == index else W for k, W in enumerate(d.weights)]
            return d.log_likelihood(moved)

        pull = n_data / case.N * slope(log_likelihood)
        precision = H if prior == "conjugate" else np.eye(len(H))
        pull -= 0.7 * ((layer.mean - layer.prior_mean) @ precision * direction).sum()
        scale = np.abs(proposal.gradient * direction).sum()
        assert abs((proposal.gradient * direction).sum() - pull) < DIFFERENCE_RTOL * scale


@pytest.mark.equation("LR-1", "LR-2", "PT-1")
@every_network
@both_priors
def test_every_layer_proposes_the_regression_on_its_pseudo_targets(
    case: DeepCase, prior: str
) -> None:
    d, n_data = deep(case), 10
    t = d.trace()
    for index, layer in enumerate(d.layers(prior)):
        inputs, T, H = t.inputs[index], t.pseudo_targets[index], t.output_precisions[index]
        proposal = layer.propose(inputs, T, H, n_data=n_data)
        X, V = design(d, inputs), np.linalg.inv(H)
        V = 0.5 * (V + V.T)
        column = V if prior == "conjugate" else np.eye(len(H))
        prior_covariance = np.kron(column, np.eye(X.shape[1]) / 0.7)
        weights = np.full(case.N, n_data / case.N)
        expected = dense.posterior(X, T, V, layer.prior_mean, prior_covariance, weights=weights)
        condition = max(np.linalg.cond(H), np.linalg.cond(X.T @ X + 0.7 * np.eye(X.shape[1])))
        assert_same_posterior(proposal.posterior, expected, condition)


# The curvature ----------------------------------------------------------------------------------


@pytest.mark.equation("BP-2", "PT-4")
@every_network
def test_output_precision_is_the_mean_curvature(case: DeepCase) -> None:
    d = deep(case)
    t = d.trace()
    curvatures = d.output_curvatures()
    for layer, B in enumerate(output_jacobians(d)):
        each = np.array([b.T @ L @ b for b, L in zip(B, curvatures, strict=True)])
        S = t.curvature_roots[layer]
        assert_close(S @ np.swapaxes(S, 1, 2), each)
        # The floor may add a part of 1e-8.
        assert_close(t.output_precisions[layer], each.mean(axis=0), rtol=1.1 * CURVATURE_FLOOR)


@pytest.mark.equation("PT-1", "PT-3", "PT-4", "PT-5", "LR-6")
@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
@pytest.mark.parametrize("forward", ["mean", "linearised"])
def test_what_training_adds_up_is_gradient_and_curvature(
    likelihood: str, forward: str, rng: np.random.Generator
) -> None:
    """Whatever the output precision that the targets are written with; and H keeps its floor."""
    X, w = rng.normal(size=(20, 2)), rng.uniform(size=20)
    Y = np.eye(3)[rng.integers(3, size=20)]
    model = BALI((4,), likelihood, forward=forward).fit(X, Y, epochs=3, batch_size=5)
    now = Present(model.network, model.likelihood, model.layers, model.weights, 20, 20, model.rng)
    t = forward_pass(forward, model.likelihood, 3, model.steps).trace(now, X, Y, w)
    for index, (terms, layer) in enumerate(zip(summed([t]), model.layers, strict=True)):
        gradient = t.designs[index].T @ (w[:, None] * t.gradients[index])
        assert_close(terms.gradient, gradient, rtol=1e-8)  # targets: about 1 / H beside outputs
        rows = t.curvature_rows[index]
        assert_close(terms.curvature, np.einsum("n,nci,ncj->ij", w, rows, rows))
        h = layer.propose_from(terms, n_data=20, rate=0.1).factors.outputs.values
        assert h.min() >= 0.999 * CURVATURE_FLOOR * h.mean()


@pytest.mark.equation("JS-3")
@every_network
@pytest.mark.parametrize("factors", [(0.5, 0.25), (1.0, 0.0), (0.0, 2.0), (0.0, 0.0), (0.7,)])
def test_first_outputs_after_a_step_are_known_without_a_product(
    case: DeepCase, factors: tuple[float, ...]
) -> None:
    d, rng = deep(case), np.random.default_rng(4)
    t = d.trace()
    assert t.first_outputs(*factors) is None, "before the directions are known"
    directions = [[rng.normal(size=W.shape) for W in d.weights] for _ in factors]
    t.first_changes = [d.network.first_change(t.forward, D) for D in directions]
    before = t.outputs[0].copy()
    W = d.weights[0] + sum(s * D[0] for s, D in zip(factors, directions, strict=True))
    expected = design(d, d.X) @ W
    found = t.first_outputs(*factors)
    assert found is not None
    assert_close(found, expected)
    np.testing.assert_array_equal(t.outputs[0], before)


@pytest.mark.equation("JS-3")
def test_with_one_direction_the_second_factor_has_nothing_to_say() -> None:
    d = deep(NARROW)
    t = d.trace()
    t.first_changes = [d.network.first_change(t.forward, d.weights)]
    found = t.first_outputs(0.5, 3.0)
    assert found is not None
    assert_close(found, 1.5 * t.outputs[0])


@pytest.mark.equation("PT-3", "PT-5")
def test_the_floor_keeps_the_gradient_and_a_ridge_does_not() -> None:
    d = deep(NARROW)
    t = d.trace()
    H, G, mean = raw_precisions(t)[0], t.gradients[0], t.outputs[0]
    assert np.linalg.matrix_rank(H) < len(H)
    raised = floored(H, "H")
    T = pseudo_targets(mean, G, raised)
    np.testing.assert_array_equal(T, t.pseudo_targets[0])
    assert_close((T - mean) @ raised.matrix(), G)
    # Where the floor acts there is no gradient, so even the raw H gives it back.
    assert_close((T - mean) @ H, G)
    ridge = CURVATURE_FLOOR * np.trace(H) / len(H) * np.eye(len(H))
    T = mean + G @ np.linalg.inv(H + ridge)
    assert np.abs((T - mean) @ H - G).max() > 1e-9 * np.abs(G).max()


@pytest.mark.equation("PT-5")
def test_a_known_precision_is_never_floored() -> None:
    d = deep(DeepCase("unequal noise", (3, 4, 2)))
    variances = np.array([1e-6, 1e6])
    t = trace(d.network, Gaussian(variances), d.weights, d.X, d.Y)
    np.testing.assert_allclose(t.output_precisions[-1], np.diag(1 / variances), rtol=1e-10)
    assert t.precision_is_known == [False, True]


@pytest.mark.equation("PT-5")
def test_the_precision_of_classes_is_floored() -> None:
    t = deep(DeepCase("classes", (3, 3), categorical=True)).trace()
    H = raw_precisions(t)[-1]  # singular: a shift of all logits changes nothing
    lowest = np.linalg.eigvalsh(t.output_precisions[-1])[0]
    np.testing.assert_allclose(lowest, CURVATURE_FLOOR * np.trace(H) / 3, rtol=1e-6)
    assert t.precision_is_known == [False]


@pytest.mark.equation("PT-5", "LR-1", "LR-2")
@both_priors
def test_a_dead_layer_returns_to_its_prior(prior: str) -> None:
    d = deep(DeepCase("dead", (3, 4, 2), "relu"))
    d.weights[0][-1] = -100.0
    t = d.trace()
    np.testing.assert_array_equal(raw_precisions(t)[0], np.zeros((4, 4)))
    np.testing.assert_array_equal(t.gradients[0], np.zeros((6, 4)))
    np.testing.assert_array_equal(t.pseudo_targets[0], t.outputs[0])
    layer, X, H = d.layers(prior)[0], design(d, d.X), t.output_precisions[0]
    layer.observe(d.X, t.pseudo_targets[0], H, n_data=6)
    column = H if prior == "conjugate" else np.eye(4)
    prior_precision = 0.7 * np.kron(column, np.eye(4))
    P = np.kron(H, X.T @ X) + prior_precision
    change = np.linalg.solve(P, prior_precision @ vec(layer.prior_mean - d.weights[0]))
    assert_close(vec(layer.mean), vec(d.weights[0]) + change, np.linalg.cond(P))


# The Kronecker approximation --------------------------------------------------------------------


def kronecker_gaps(d: Deep) -> list[float]:
    """For each layer, how far N H kron A is from the Gauss-Newton block, relative to it."""
    t = d.trace()
    gaps = []
    for J, h, S, H in zip(
        d.jacobians(), t.inputs, t.curvature_roots, raw_precisions(t), strict=True
    ):
        block = sum(j.T @ L @ j for j, L in zip(J, d.output_curvatures(), strict=True))
        X = design(d, h)
        paired = sum(np.kron(s @ s.T, np.outer(x, x)) for s, x in zip(S, X, strict=True))
        assert_close(paired, block)  # datum by datum the factors are exact
        gaps.append(float(np.abs(np.kron(H, X.T @ X) - block).max() / np.abs(block).max()))
    return gaps


@pytest.mark.equation("BP-2", "PT-4")
@every_network
def test_kronecker_block_is_exact_for_one_datum(case: DeepCase) -> None:
    d = deep(case)
    assert max(kronecker_gaps(Deep(d.network, d.likelihood, d.weights, d.X[:1], d.Y[:1]))) < 1e-10


@pytest.mark.equation("PT-4")
@parametrize_deep(lambda case: not case.categorical)
def test_kronecker_block_is_exact_for_a_gaussian_output_layer(case: DeepCase) -> None:
    gaps = kronecker_gaps(deep(case))
    assert gaps[-1] < 1e-10
    if case.activation == "identity":  # a deep linear network has one curvature for all data
        assert max(gaps) < 1e-10
    else:
        assert min([1.0, *gaps[:-1]]) > 1e-3


@pytest.mark.equation("PT-4")
@parametrize_deep(lambda case: case.categorical)
def test_kronecker_block_is_not_exact_for_softmax(case: DeepCase) -> None:
    assert min(kronecker_gaps(deep(case))) > 1e-3
