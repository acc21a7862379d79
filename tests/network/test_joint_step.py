"""The joint step against a dense quadratic built from an explicit Jacobian."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import pytest
from cases import Deep, DeepCase, assert_close, both_priors, deep, parametrize_deep, vec
from scipy.stats import multivariate_normal

from balinp import BALI
from balinp._types import Array
from balinp.joint_step import LEAST_GAIN_RATIO, TRUST, JointStep, joint_step, shortened
from balinp.layer import MatrixNormalLayer
from balinp.layer_state import Proposal

LAM = 0.7
every_network = parametrize_deep()
ONE_GAUSSIAN_LAYER = DeepCase("one Gaussian layer", (3, 2))


@dataclass
class Proposed:
    """A network whose layers have proposed, and the quadratic model of its log joint density."""

    d: Deep
    layers: list[MatrixNormalLayer]
    proposals: list[Proposal]
    n_data: float

    @property
    def direction(self) -> Array:
        """All proposed changes as one long vector."""
        return np.concatenate([vec(p.change) for p in self.proposals])

    def step(self, **options: object) -> JointStep:
        return joint_step(self.d.trace(), self.proposals, self.n_data, **options)

    def gain(self, step: JointStep) -> float:
        """What the log joint density gains by a step along the proposals, in nats."""
        pairs = zip(self.d.weights, self.proposals, strict=True)
        moved = [W + step.factor * p.change for W, p in pairs]
        gain = self.d.log_likelihood(moved) - self.d.log_likelihood(self.d.weights)
        M0 = np.concatenate([vec(layer.prior_mean) for layer in self.layers])
        before, after = (np.concatenate([*map(vec, W)]) - M0 for W in (self.d.weights, moved))
        prior = self.prior_precision()
        cost = 0.5 * (after @ prior @ after - before @ prior @ before)
        return self.n_data / len(self.d.X) * gain - cost

    def prior_precision(self) -> Array:
        P = self.direction.size
        dense, start = np.zeros((P, P)), 0
        for layer, proposal in zip(self.layers, self.proposals, strict=True):
            D, K = layer.mean.shape
            H = proposal.factors.H if layer.prior == "conjugate" else np.eye(K)
            block = slice(start, start + D * K)
            dense[block, block] = LAM * np.kron(H, np.eye(D))
            start += D * K
        return dense

    def quadratic(self) -> tuple[Array, Array]:
        """Gradient (P,) and negative curvature (P, P) of the log joint, all layers together."""
        J = np.concatenate(self.d.jacobians(), axis=2)
        f = self.d.network.forward(self.d.weights, self.d.X).outputs[-1]
        scale = self.n_data / len(J)
        gradient = scale * np.einsum("nkp,nk->p", J, self.d.likelihood.gradient(self.d.Y, f))
        bend = scale * np.einsum("nkp,nkj,njq->pq", J, self.d.output_curvatures(), J)
        shift = np.concatenate([vec(layer.mean - layer.prior_mean) for layer in self.layers])
        prior = self.prior_precision()
        return gradient - prior @ shift, bend + prior

    def curvature_a_datum(self, change: Array) -> float:
        """mean_n |S_n^T df_n|^2 / 2."""
        df = np.concatenate(self.d.jacobians(), axis=2) @ change
        return float(0.5 * np.einsum("nk,nkj,nj->", df, self.d.output_curvatures(), df) / len(df))


def propose(
    case: DeepCase, prior: str = "isotropic", *, rate: float = 1.0, n_data: float = 10
) -> Proposed:
    """Proposals after an older batch, which has left its factors but moved nothing."""
    d, layers = deep(case), deep(case).layers(prior, LAM)
    older = deep(case, seed=1)
    batches = [
        (Deep(d.network, d.likelihood, d.weights, older.X, older.Y).trace(), 1.0),
        (d.trace(), rate),
    ]
    for t, weight in batches:
        proposals = [
            layer.propose(inputs, T, H, n_data=n_data, rate=weight)
            for layer, inputs, T, H in zip(
                layers, t.inputs, t.pseudo_targets, t.output_precisions, strict=True
            )
        ]
        if t is batches[0][0]:
            for layer in layers:
                layer.accept(0.0)
                layer.rebalance()
    return Proposed(d, layers, proposals, n_data)


def split(p: Proposed, vector: Array) -> list[Array]:
    """A long vector as one matrix a layer."""
    ends = np.cumsum([W.size for W in p.d.weights])[:-1]
    pieces = zip(np.split(vector, ends), p.d.weights, strict=True)
    return [piece.reshape(W.shape, order="F") for piece, W in pieces]


# One direction ----------------------------------------------------------------------------------


@pytest.mark.equation("JS-1")
@every_network
@both_priors
@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_one_direction_maximises_the_dense_quadratic(
    case: DeepCase, prior: str, rate: float
) -> None:
    p = propose(case, prior, rate=rate)
    (g, C), d = p.quadratic(), p.direction
    step = p.step()
    factor = min(1.0, (g @ d) / (d @ C @ d))
    assert_close(step.factor, factor)
    assert step.momentum == 0.0
    gain = factor * g @ d - 0.5 * factor**2 * d @ C @ d
    assert_close(step.predicted_gain, gain)
    half = 0.5 * factor
    assert_close(step.scaled(0.5).predicted_gain, half * g @ d - 0.5 * half**2 * d @ C @ d)
    assert_close(step.scaled(0.5).factor, half)


@pytest.mark.equation("JS-1", "JS-3")
@both_priors
@pytest.mark.parametrize("n_data", [6, 60])
def test_one_gaussian_layer_takes_the_whole_step(prior: str, n_data: float) -> None:
    p = propose(ONE_GAUSSIAN_LAYER, prior, n_data=n_data)
    step = p.step()
    assert abs(step.factor - 1) < 1e-12
    unclipped = p.step(previous=[np.zeros((4, 2))])  # only the single factor has an upper bound
    assert abs(unclipped.factor - 1) < 1e-12
    # The quadratic is the log joint itself: what it promises is what happens.
    assert_close(p.gain(step), step.predicted_gain)
    taken, ratio = shortened(step, p.gain, resolution=0.0)
    assert taken == step
    assert_close(ratio, 1.0)


@pytest.mark.equation("JS-1")
@both_priors
@pytest.mark.parametrize("rate", [0.9, 0.3, 0.01])
def test_one_gaussian_layer_never_overtakes_its_moving_average(prior: str, rate: float) -> None:
    p = propose(ONE_GAUSSIAN_LAYER, prior, rate=rate)
    assert p.step(previous=[np.zeros((4, 2))]).factor > 1.001  # what the quadratic would take
    assert p.step().factor == 1.0


# Two directions ---------------------------------------------------------------------------------


@pytest.mark.equation("JS-2")
@every_network
@both_priors
def test_two_directions_solve_the_dense_two_by_two_system(case: DeepCase, prior: str) -> None:
    p = propose(case, prior, rate=0.3)
    previous = np.random.default_rng(1).normal(size=p.direction.size)
    g, C = p.quadratic()
    D = np.stack([p.direction, previous], axis=1)
    bends = D.T @ C @ D
    expected = np.linalg.solve(bends, D.T @ g)
    step = p.step(previous=split(p, previous))
    # The two may differ much in length, so each factor is compared in units of its own.
    assert_close([step.factor, step.momentum] / expected, np.ones(2), np.linalg.cond(bends))
    assert_close(step.predicted_gain, 0.5 * expected @ D.T @ g, np.linalg.cond(bends))
    one = p.step()
    assert step.predicted_gain > one.predicted_gain


@pytest.mark.equation("JS-2")
def test_parallel_directions_share_one_step() -> None:
    p = propose(DeepCase("softmax, tanh", (3, 4, 3), categorical=True), rate=0.3)
    (g, C), d = p.quadratic(), p.direction
    step = p.step(previous=split(p, -2 * d))
    total = step.factor - 2 * step.momentum
    assert_close(total, (g @ d) / (d @ C @ d))
    assert_close(step.factor, -2 * step.momentum)  # of least norm in units of length


@pytest.mark.equation("JS-1", "JS-2")
def test_directions_of_no_length() -> None:
    p = propose(DeepCase("Gaussian, tanh", (3, 4, 2)), rate=0.3)
    zeros = [np.zeros_like(W) for W in p.d.weights]
    (g, C), d = p.quadratic(), p.direction
    step = p.step(previous=zeros)
    assert_close(step.factor, (g @ d) / (d @ C @ d))
    assert step.momentum == 0.0
    nowhere = [replace(q, change=0 * q.change) for q in p.proposals]
    still = Proposed(p.d, p.layers, nowhere, p.n_data)
    for options in ({}, {"previous": zeros}, {"trust": 0.1}):
        assert still.step(**options) == JointStep(1.0, 0.0, 0.0, 0.0)
    step = still.step(previous=split(p, d))
    assert_close([step.factor, step.momentum], [1.0, (g @ d) / (d @ C @ d)])


@pytest.mark.equation("JS-2")
def test_training_in_full_batch_goes_along_proposals_and_last_changes() -> None:
    d = deep(DeepCase("trained", (3, 4, 2)))
    model = BALI((4,), d.likelihood, prior_precision=LAM)
    model.fit(d.X, d.Y, epochs=3)
    t, layers = model.trace(d.X, d.Y), deepcopy(model.layers)
    before, last = model.weights, [layer.last_change for layer in layers]
    record = model.step(d.X, d.Y)
    proposals = [
        layer.propose(inputs, T, H, n_data=6, rate=record.rate)
        for layer, inputs, T, H in zip(
            layers, t.inputs, t.pseudo_targets, t.output_precisions, strict=True
        )
    ]
    expected = joint_step(t, proposals, 6, previous=last)
    assert abs(expected.momentum) > 1e-3
    assert_close(record.momentum / record.step, expected.momentum / expected.factor)
    for W, M, p, D in zip(model.weights, before, proposals, last, strict=True):
        assert_close(W - M, record.step * p.change + record.momentum * D)


@pytest.mark.equation("JS-1", "JS-2")
@pytest.mark.parametrize(
    ("categorical", "prior", "batch_size", "two"),
    [
        (False, "isotropic", 4, False),
        (True, "isotropic", 4, False),
        (True, "conjugate", None, False),
        (True, "isotropic", None, True),
        (False, "conjugate", None, True),
    ],
)
def test_training_has_one_direction_with_batches_and_with_draws_under_a_weak_prior(
    categorical: bool, prior: str, batch_size: int | None, two: bool
) -> None:
    """The change accepted last belongs to other data, or to other draws."""
    d = deep(DeepCase("trained", (3, 4, 2), categorical=categorical))
    model = BALI((4,), d.likelihood, prior=prior, prior_precision=LAM)
    model.fit(d.X, d.Y, epochs=4, batch_size=batch_size)
    later = model.history[2:] if batch_size is None else model.history[1:]
    assert all((record.momentum != 0.0) == two for record in later)


# The trust region -------------------------------------------------------------------------------


@pytest.mark.equation("JS-4")
@every_network
@pytest.mark.parametrize("two", [False, True])
def test_a_cap_is_attained_when_it_is_lower(case: DeepCase, two: bool) -> None:
    p = propose(case, rate=0.3)
    other = np.random.default_rng(1).normal(size=p.direction.size) if two else 0 * p.direction
    options = {"previous": split(p, other)} if two else {}
    free = p.step(**options)
    size = p.curvature_a_datum(free.factor * p.direction + free.momentum * other)
    assert p.step(trust=1.001 * size, **options) == free
    g, C = p.quadratic()
    for trust in (0.999 * size, 0.1 * size):
        capped = p.step(trust=trust, **options)
        change = capped.factor * p.direction + capped.momentum * other
        assert_close(p.curvature_a_datum(change), trust)
        assert_close(capped.factor * free.momentum + 1.0, capped.momentum * free.factor + 1.0)
        assert_close(capped.predicted_gain, g @ change - 0.5 * change @ C @ change)


@pytest.mark.equation("JS-4")
def test_training_caps_the_steps_of_mini_batches_and_no_others() -> None:
    d = deep(DeepCase("capped", (3, 6, 3), N=8))
    model = BALI((6,), noise_variance=1e-3, activation="tanh", prior_precision=1e-3)
    model.step(d.X, d.Y, n_data=80)

    def size_of_a_step(n_data: int) -> float:
        t, before = model.trace(d.X, d.Y), model.weights
        model.step(d.X, d.Y, n_data=n_data)
        changes = [after - W for W, after in zip(before, model.weights, strict=True)]
        df = model.network.tangent(before, t.forward, changes)
        return float(0.5 * (df**2).sum() / 1e-3 / len(df))

    # The noise is small, so the step wanted would be large.
    assert_close(size_of_a_step(80), TRUST)
    assert size_of_a_step(8) > 10 * TRUST


# The gain ratio ---------------------------------------------------------------------------------


@pytest.mark.equation("JS-3")
@every_network
@both_priors
def test_log_priors_are_those_of_dense_gaussians(case: DeepCase, prior: str) -> None:
    p = propose(case, prior, rate=0.3)
    means = [layer.prior_mean + 0.1 for layer in p.layers]
    precision, start = p.prior_precision(), 0
    for layer, proposal, M in zip(p.layers, p.proposals, means, strict=True):
        block = slice(start, start + M.size)
        start += M.size
        C = np.linalg.inv(precision[block, block])
        expected = multivariate_normal.logpdf(vec(M), vec(layer.prior_mean), 0.5 * (C + C.T))
        assert_close(proposal.log_prior(M), expected, np.linalg.cond(C))


@pytest.mark.equation("JS-3")
@both_priors
def test_one_gaussian_layer_gains_for_all_data_what_was_promised(prior: str) -> None:
    d = deep(ONE_GAUSSIAN_LAYER)
    model = BALI((), d.likelihood, prior=prior, prior_precision=LAM)
    for rows in (slice(0, 2), slice(2, 6)):  # each batch stands for all six data
        record = model.step(d.X[rows], d.Y[rows], n_data=6)
        assert_close(record.gain_ratio, 1.0)


@pytest.mark.equation("JS-3")
def test_gain_of_a_pass_that_draws_is_measured_with_the_same_draws() -> None:
    """A small step gains what was promised; other draws would change the log joint by more."""
    d = deep(DeepCase("drawn", (3, 4, 3), categorical=True))
    model = BALI((4,), d.likelihood, activation="tanh", prior_precision=LAM)
    model.fit(d.X, d.Y, epochs=3)
    for _ in range(3):
        record = model.step(d.X, d.Y, n_data=12, rate=1e-4)  # a batch: in one direction
        assert record.step <= 1.0
        assert abs(record.gain_ratio - 1) < 1e-2


@pytest.mark.equation("JS-3")
def test_a_step_is_halved_until_it_gains_enough() -> None:
    promised = JointStep(factor=1.0, momentum=0.5, slope=2.0, curvature=2.0)  # gains 2c - c^2
    # The true gain 2c - bend c^2: at c = 1/4 half of what would be enough, at 1/8 plenty.
    bend = 8 - 3.5 * LEAST_GAIN_RATIO
    tried = []

    def gain(step: JointStep) -> float:
        tried.append(step.factor)
        return 2 * step.factor - bend * step.factor**2

    taken, ratio = shortened(promised, gain, resolution=0.0)
    assert tried == [1.0, 0.5, 0.25, 0.125]
    assert taken == promised.scaled(0.125)
    assert (taken.factor, taken.momentum) == (0.125, 0.0625)
    assert_close(ratio, (2 - bend / 8) / (2 - 1 / 8))
    assert 0 < (2 - bend / 4) / (2 - 1 / 4) < LEAST_GAIN_RATIO < ratio


@pytest.mark.equation("JS-3")
@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("-inf")])
def test_a_step_that_never_gains_is_not_taken(bad: float) -> None:
    promised = JointStep(factor=1.0, momentum=0.5, slope=2.0, curvature=2.0)
    taken, ratio = shortened(promised, lambda step: bad, resolution=0.0)
    assert taken == JointStep(0.0, 0.0, 0.0, 0.0)
    assert ratio == 0.0
    # What is promised is lost in rounding: no measurement could tell.
    assert shortened(promised, lambda step: bad, resolution=1.0) == (promised, 1.0)
