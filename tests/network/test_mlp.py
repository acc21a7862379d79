"""The passes of a network against loops and finite differences, at depths one to four."""

from __future__ import annotations

import numpy as np
import pytest
from cases import DIFFERENCE_RTOL, Deep, DeepCase, assert_close, deep, slope, vec

from balinp import MLP
from balinp._types import Array

WIDTHS = [(3, 2), (3, 4, 2), (2, 4, 3, 1), (3, 4, 5, 3, 2)]
NETWORKS = [
    DeepCase(f"{widths} {activation} {'bias' if bias else 'no bias'}", widths, activation, bias)
    for widths in WIDTHS
    for activation in ("relu", "tanh", "identity")
    for bias in (True, False)
]
every_network = pytest.mark.parametrize("case", NETWORKS, ids=str)

PHI = {"relu": lambda z: z * (z > 0), "tanh": np.tanh, "identity": lambda z: z}


def shifted_outputs(d: Deep, layer: int, shift: Array) -> Array:
    """The network's outputs when `shift` is added to the outputs of one layer."""
    return d.network.forward(
        d.weights, d.X, lambda index, _: shift if index == layer else np.zeros(1)
    ).outputs[-1]


@every_network
def test_forward_is_a_loop_over_data_and_layers(case: DeepCase) -> None:
    d = deep(case)
    forward = d.network.forward(d.weights, d.X)
    assert d.network.depth == len(d.weights) == len(forward.outputs) == len(forward.inputs)
    for n, x in enumerate(d.X):
        h = x
        for layer, W in enumerate(d.weights):
            assert_close(forward.inputs[layer][n], h)
            z = W.T @ (np.append(h, 1.0) if case.bias else h)
            assert_close(forward.outputs[layer][n], z)
            h = PHI[case.activation](z)


@pytest.mark.equation("BP-1", "BP-2")
@every_network
def test_backward_rows_are_derivatives_of_the_outputs(case: DeepCase) -> None:
    d = deep(case)
    rng = np.random.default_rng(1)
    K = case.widths[-1]
    rows = rng.normal(size=(len(d.X), 3, K))  # any three combinations of the outputs
    forward = d.network.forward(d.weights, d.X)
    carried = d.network.backward(d.weights, forward, rows)
    assert_close(carried[-1], rows)
    for layer, z in enumerate(forward.outputs):
        columns = [
            slope(lambda h, e=e, layer=layer: shifted_outputs(d, layer, h * e))
            for e in np.eye(z.shape[1])
        ]
        expected = np.einsum("nck,jnk->ncj", rows, columns)
        assert_close(carried[layer], expected, rtol=DIFFERENCE_RTOL)


@pytest.mark.equation("BP-3")
@every_network
def test_tangent_is_the_derivative_along_changes_of_all_weights(case: DeepCase) -> None:
    d = deep(case)
    rng = np.random.default_rng(1)
    changes = [0.1 * rng.normal(size=W.shape) for W in d.weights]

    def outputs(h: float) -> Array:
        moved = [W + h * D for W, D in zip(d.weights, changes, strict=True)]
        return d.network.forward(moved, d.X).outputs[-1]

    df = d.network.tangent(d.weights, d.network.forward(d.weights, d.X), changes)
    assert_close(df, slope(outputs), rtol=DIFFERENCE_RTOL)


@pytest.mark.equation("BP-1", "BP-3")
@every_network
def test_tangent_and_backward_are_adjoint(case: DeepCase) -> None:
    """<rows, J D> summed over layers is <rows J, D>, and both are the dense Jacobian."""
    d = deep(case)
    rng = np.random.default_rng(1)
    changes = [rng.normal(size=W.shape) for W in d.weights]
    rows = rng.normal(size=(len(d.X), 1, case.widths[-1]))
    forward = d.network.forward(d.weights, d.X)
    df = d.network.tangent(d.weights, forward, changes)
    pulled = 0.0
    for h, row, D in zip(
        forward.inputs, d.network.backward(d.weights, forward, rows), changes, strict=True
    ):
        X = np.hstack([h, np.ones((len(h), 1))]) if case.bias else h
        pulled += float((X.T @ row[:, 0, :] * D).sum())
    scale = np.abs(rows[:, 0] * df).sum()
    assert abs(pulled - float((rows[:, 0] * df).sum())) < 1e-10 * scale
    dense = sum(J @ vec(D) for J, D in zip(d.jacobians(), changes, strict=True))
    assert_close(df, dense)


@pytest.mark.equation("PR-3")
@pytest.mark.parametrize("activation", PHI)
def test_noise_is_added_to_outputs_and_passed_on(activation: str) -> None:
    d = deep(DeepCase("noise", (3, 4, 3, 2), activation))
    rng = np.random.default_rng(1)
    drawn = [rng.normal(size=(6, width)) for width in (4, 3, 2)]
    seen = []

    def noise(index: int, inputs: Array) -> Array:
        seen.append(inputs)
        return drawn[index]

    forward = d.network.forward(d.weights, d.X, noise)
    h = d.X
    for layer, (W, e) in enumerate(zip(d.weights, drawn, strict=True)):
        assert_close(seen[layer], h)
        z = h @ W[:-1] + W[-1] + e
        assert_close(forward.outputs[layer], z)
        h = PHI[activation](z)


@pytest.mark.equation("BP-1", "BP-3")
def test_derivatives_hold_the_noise_fixed() -> None:
    d = deep(DeepCase("noise", (3, 4, 3, 2)))
    rng = np.random.default_rng(1)
    drawn = [rng.normal(size=(6, width)) for width in (4, 3, 2)]
    changes = [rng.normal(size=W.shape) for W in d.weights]

    def outputs(h: float) -> Array:
        moved = [W + h * D for W, D in zip(d.weights, changes, strict=True)]
        return d.network.forward(moved, d.X, lambda i, _: drawn[i]).outputs[-1]

    forward = d.network.forward(d.weights, d.X, lambda i, _: drawn[i])
    expected = slope(outputs)
    assert_close(d.network.tangent(d.weights, forward, changes), expected, rtol=DIFFERENCE_RTOL)
    rows = np.broadcast_to(np.eye(2), (6, 2, 2))
    df = 0.0
    for h, row, D in zip(
        forward.inputs, d.network.backward(d.weights, forward, rows), changes, strict=True
    ):
        df = df + np.einsum("nck,nk->nc", row, h @ D[:-1] + D[-1])
    assert_close(df, expected, rtol=DIFFERENCE_RTOL)


@pytest.mark.equation("BP-1")
def test_slope_of_relu_at_its_kink_is_zero() -> None:
    network = MLP([1, 1, 1], "relu", bias=False)
    forward = network.forward([np.zeros((1, 1)), np.ones((1, 1))], np.ones((1, 1)))
    rows = network.backward([np.zeros((1, 1)), np.ones((1, 1))], forward, np.ones((1, 1, 1)))
    assert rows[0].item() == 0.0


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("activation", "gain"), [("relu", 2.0), ("tanh", 1.0)])
def test_initial_weights_keep_the_scale(activation: str, gain: float, bias: bool) -> None:
    network = MLP([4, 3000, 20], activation, bias=bias)
    first, second = network.initial_weights(np.random.default_rng(0))
    assert [first.shape, second.shape] == network.shapes == [(4 + bias, 3000), (3000 + bias, 20)]
    # The standard error of a variance estimated from n numbers is sqrt(2 / n) of it.
    for W, variance in ((first, gain / 4), (second, 1 / 3000)):
        assert abs(np.var(W) / variance - 1) < 5 * np.sqrt(2 / W.size)
    again = network.initial_weights(np.random.default_rng(0))
    np.testing.assert_array_equal(again[0], first)
    (only,) = MLP([3, 2], activation, bias=bias).initial_weights(np.random.default_rng(0))
    np.testing.assert_array_equal(only, np.zeros((3 + bias, 2)))


def test_no_rows_are_carried_back_as_none() -> None:
    """As in a softmax of one class, which has no contrasts."""
    network = MLP([2, 3, 1])
    weights = network.initial_weights(np.random.default_rng(0))
    forward = network.forward(weights, np.ones((4, 2)))
    shapes = [rows.shape for rows in network.backward(weights, forward, np.empty((4, 0, 1)))]
    assert shapes == [(4, 0, 3), (4, 0, 1)]


# What is known before a pass -------------------------------------------------------------------


@pytest.mark.equation("BP-3")
@every_network
def test_outputs_of_the_first_layer_that_are_known_are_taken(case: DeepCase) -> None:
    d = deep(case)
    rng = np.random.default_rng(2)
    expected = d.network.forward(d.weights, d.X)
    found = d.network.forward(d.weights, d.X, first=expected.outputs[0])
    for one, other in zip(
        found.outputs + found.inputs, expected.outputs + expected.inputs, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    other = d.network.forward(d.weights, d.X, first=expected.outputs[0] + 0.1)
    shift = np.full(expected.outputs[0].shape, 0.1)
    assert_close(other.outputs[-1], shifted_outputs(d, 0, shift))
    changes = [rng.normal(size=W.shape) for W in d.weights]
    dz = d.network.first_change(expected, changes)
    assert_close(dz, d.network.design(d.X) @ changes[0])
    tangent = d.network.tangent(d.weights, expected, changes)
    np.testing.assert_array_equal(d.network.tangent(d.weights, expected, changes, dz), tangent)
    rest = [0 * changes[0], *changes[1:]]  # linear in the first layer's change
    assert_close(d.network.tangent(d.weights, expected, rest, dz), tangent, rtol=1e-12)


@pytest.mark.equation("BP-3")
@every_network
def test_changes_of_a_layer_are_carried_to_the_next_draw_by_draw(case: DeepCase) -> None:
    d = deep(case)
    forward = d.network.forward(d.weights, d.X)
    for index in range(1, d.network.depth):
        z = forward.outputs[index - 1]
        draws = np.random.default_rng(index).normal(size=(5, *z.shape))
        carried = d.network.carried(d.weights, forward, index, draws)
        assert carried.shape == (5, *forward.outputs[index].shape)
        for dz, found in zip(draws, carried, strict=True):

            def outputs(h: float, dz: Array = dz, index: int = index, z: Array = z) -> Array:
                inputs = PHI[case.activation](z + h * dz)
                return np.asarray(d.network.design(inputs) @ d.weights[index])

            assert_close(found, slope(outputs), rtol=DIFFERENCE_RTOL)


@pytest.mark.equation("NP-9")
@every_network
def test_the_network_of_designs_is_the_network(case: DeepCase) -> None:
    """Its inputs have the 1 of the bias already: outputs, derivatives and designs are the same."""
    d = deep(case)
    network, X = d.network.of_designs(), d.network.design(d.X)
    assert network.shapes == d.network.shapes == [W.shape for W in d.weights]
    assert network.widths == (X.shape[1], *case.widths[1:])
    assert network.depth == d.network.depth
    ours, theirs = network.forward(d.weights, X), d.network.forward(d.weights, d.X)
    for one, other in zip(ours.outputs, theirs.outputs, strict=True):
        assert_close(one, other)
    for one, other in zip(network.designs(ours), d.network.designs(theirs), strict=True):
        assert_close(one, other)
    rows = np.random.default_rng(1).normal(size=(len(X), 2, case.widths[-1]))
    for one, other in zip(
        network.backward(d.weights, ours, rows),
        d.network.backward(d.weights, theirs, rows),
        strict=True,
    ):
        assert_close(one, other)
    changes = [np.ones_like(W) for W in d.weights]
    tangent = d.network.tangent(d.weights, theirs, changes)
    assert_close(network.tangent(d.weights, ours, changes), tangent)
    assert d.network.shapes == [W.shape for W in d.weights], "the network itself is as it was"
