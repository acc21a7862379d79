"""Parameters that averages over batches count, and those that all the data determine (EV-12)."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from balinp import BALI
from balinp.coordinates import Coordinates
from balinp.counted import Counted, counted
from balinp.evidence import HyperPrior, noise_target, prior_precision_target
from balinp.leverages import MOST_ROWS
from balinp.passes import Mean
from balinp.step import told


def trained(rng, N=60, *, batch_size=15, epochs=8, K=1, weights=None, **options):
    X = rng.standard_normal((N, 2))
    Y = np.column_stack([np.sin(2 * X[:, 0]), X[:, 1] ** 2])[:, :K]
    Y = Y + 0.1 * rng.standard_normal((N, K))
    model = BALI((6, 5), seed=2, **options)
    model.fit(X, Y, epochs=epochs, batch_size=batch_size, sample_weight=weights)
    return model, X, Y


def looked_at(model, X, Y, w=None):
    data = model._checked(X, Y, w)
    now = model._present(data.whole, data.amount, Coordinates(model.network, model.layers, data))
    return counted(now, told(data.whole, now, Mean()))


def gamma(A, H, N, lam):
    """EV-1 from the dense precision."""
    L = N * np.kron(H, A)
    return np.trace(np.linalg.solve(L + lam * np.eye(len(L)), L))


def once(model, X, Y, w, N):
    """EV-1 of each layer, from factors of all the data at the present weights."""
    said, found = model.trace(X, Y, sample_weight=w), []
    w = np.ones(len(X)) if w is None else w
    designs = [np.column_stack([x, np.ones(len(X))]) for x in said.inputs]
    for layer, design, S in zip(model.layers, designs, said.curvature_roots, strict=True):
        A = (w[:, None] * design).T @ design / N
        H = np.einsum("n,nkc,nlc->kl", w, S, S) / N
        found.append(gamma(A, H, N, layer.prior_precision))
    return sum(found)


@pytest.mark.equation("EV-12")
@pytest.mark.parametrize("K", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_share_is_that_of_the_dense_counts(weighted, K, rng):
    N = MOST_ROWS // K + 20  # too many for exact leverages
    w = rng.uniform(0.2, 3.0, N) if weighted else None
    model, X, Y = trained(rng, N, K=K, weights=w)
    amount = N if w is None else w.sum()
    averaged = sum(
        gamma(layer.state.factors.A, layer.state.factors.H, amount, layer.prior_precision)
        for layer in model.layers
    )
    found = looked_at(model, X, Y, w)
    expected = once(model, X, Y, w, amount) / averaged
    assert expected < 0.999, "the case is one in which averages count more"
    # the floor of H (PT-5) is a ten-thousandth of its eigenvalues or less
    np.testing.assert_allclose(found, [expected, expected], rtol=1e-5)


@pytest.mark.equation("EV-12", "EV-11")
def test_of_few_data_the_leverages_are_exact(rng):
    model, X, Y = trained(rng, 40)
    found, said = looked_at(model, X, Y), model.trace(X, Y)
    columns = []
    for layer, x, S in zip(model.layers, said.inputs, said.curvature_roots, strict=True):
        x = np.column_stack([x, np.ones(len(x))])
        J = np.einsum("nd,nk->nkd", x, S[:, :, 0]).reshape(len(x), -1)
        columns.append(J / np.sqrt(layer.prior_precision))
    G = np.hstack(columns) @ np.hstack(columns).T
    exact = np.trace(np.linalg.solve(G + np.eye(len(G)), G))
    ratio = exact / once(model, X, Y, None, len(X))
    np.testing.assert_allclose(found.leverages / found.parameters, ratio, rtol=1e-5)


@pytest.mark.equation("EV-12", "EV-2", "EV-3")
def test_updates_take_the_part_that_counts(rng):
    model, X, Y = trained(rng, K=2)
    none, said = HyperPrior(0.0, 0.0), model.trace(X, Y)
    targets = [prior_precision_target(model.layers, 0.7, none, share) for share in (1.0, 0.5)]
    np.testing.assert_allclose(targets[1], 0.5 * targets[0], rtol=1e-12)
    V, zero = np.array([[1.0, 0.3], [0.3, 2.0]]), np.zeros((2, 2))
    noises = [
        noise_target(model.layers, said, zero, V, 60.0, none, None, share) for share in (1.0, 0.5)
    ]
    np.testing.assert_allclose(noises[1], 0.5 * noises[0], rtol=1e-12)


@pytest.mark.equation("EV-12")
def test_a_step_learns_from_the_part_that_counts(rng):
    model, X, Y = trained(rng)
    model.hyper.noise_asked = None
    parameters, asked = [], []
    for counts in (Counted(), Counted(0.5, 0.25), Counted(0.0, 0.0)):
        one = deepcopy(model)
        one.hyper.counted = counts
        one.step(X[:15], Y[:15], n_data=60, rate=0.3)
        parameters.append(np.array(one.history[-1].effective_parameters))
        asked.append(one.hyper.noise_asked)
    np.testing.assert_allclose(parameters[1], 0.5 * parameters[0], rtol=1e-12)
    expected = 0.25 * asked[0] + 0.75 * asked[2]
    np.testing.assert_allclose(asked[1], expected, rtol=1e-12)
    assert asked[2] < 0.9 * asked[0]


@pytest.mark.equation("EV-12")
def test_fit_looks_before_each_pass_in_batches_after_the_first(rng):
    model, X, Y = trained(rng)
    seen = []
    model.fit(X, Y, epochs=3, batch_size=15, callback=lambda m: seen.append(m.hyper.counted))
    assert all(0 < c.parameters < 1 and 0 < c.leverages < 1 for c in seen)
    assert len({c.parameters for c in seen}) == 3
    assert model.hyper.counted == Counted()
    first = []
    BALI((6,)).fit(X, Y, epochs=1, batch_size=15, callback=lambda m: first.append(m.hyper.counted))
    assert first == [Counted()]


@pytest.mark.equation("EV-12")
@pytest.mark.parametrize(
    "options", [{"batch_size": None}, {"prior": "conjugate"}], ids=["all at once", "conjugate"]
)
def test_elsewhere_all_counts(options, rng):
    model, X, Y = trained(rng, **options)
    batch_size, seen = options.get("batch_size", 15), []
    model.fit(
        X, Y, epochs=2, batch_size=batch_size, callback=lambda m: seen.append(m.hyper.counted)
    )
    assert seen == [Counted()] * 2
    streamed = []
    batches = [(X[i : i + 15], Y[i : i + 15]) for i in range(0, 60, 15)]
    model.fit(batches, epochs=2, callback=lambda m: streamed.append(m.hyper.counted))
    assert streamed == [Counted()] * 2
