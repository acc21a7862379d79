"""Identities that hold for all data, each tried on many small ones that hypothesis draws.

Numbers are eighths, so that zeros, ties, repeated rows and dependent columns are common. What is
drawn does not change from run to run.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cases import Regression, assert_close, assert_same_posterior, tolerance, vec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.integrate import quad

from balinp import MLP, KroneckerGaussian, MatrixNormal, MatrixNormalLayer
from balinp._types import Array
from balinp.evidence import effective_parameters
from balinp.pseudo_targets import pseudo_targets
from balinp.spectral import decompose

many = settings(derandomize=True, database=None, max_examples=60, deadline=None)
eighths = st.integers(-24, 24).map(lambda count: count / 8)
precisions = st.sampled_from([0.01, 0.1, 0.7, 1.0, 5.0, 100.0])

# What is drawn ----------------------------------------------------------------------------------


def matrices(*shape: int) -> st.SearchStrategy[Array]:
    return arrays(np.float64, shape, elements=eighths)


@st.composite
def covariances(draw: Any, size: int) -> Array:
    """Symmetric, and positive definite by a margin: eigenvalues from 0.25 to about 30."""
    root = draw(matrices(size, size))
    return root @ root.T / size + 0.25 * np.eye(size)


@st.composite
def rotations(draw: Any, size: int) -> Array:
    return np.linalg.qr(draw(matrices(size, size)))[0]


@st.composite
def regressions(draw: Any, **given_sizes: int) -> Regression:
    """Data, noise, prior and a start of one layer, of either prior; all sizes small."""
    ranges = {"N": (1, 8), "n_in": (1, 4), "K": (1, 3), "bias": (0, 1)}
    N, n_in, K, bias = (
        given_sizes[name] if name in given_sizes else draw(st.integers(*ends))
        for name, ends in ranges.items()
    )
    inputs, T = draw(matrices(N, n_in)), draw(matrices(N, K))
    X = np.hstack([inputs, np.ones((N, 1))]) if bias else inputs
    M0, start = (draw(matrices(X.shape[1], K)) for _ in range(2))
    prior = draw(st.sampled_from(["isotropic", "conjugate"]))
    V, lam = draw(covariances(K)), draw(precisions)
    return Regression(prior, bool(bias), inputs, X, T, V, M0, start, lam)


@st.composite
def partitions(draw: Any, N: int) -> list[Array]:
    """All rows in any order, cut into batches anywhere."""
    order = np.array(draw(st.permutations(range(N))))
    cuts = draw(st.sets(st.integers(1, N - 1))) if N > 1 else set()
    return [order[a:b] for a, b in pairwise([0, *sorted(cuts), N])]


@st.composite
def distributions(draw: Any, D: int, K: int) -> KroneckerGaussian:
    """A matrix normal, or a Gaussian of any spectrum in a Kronecker eigenbasis."""
    mean = draw(matrices(D, K))
    if draw(st.booleans()):
        return MatrixNormal(mean, draw(covariances(D)), draw(covariances(K)))
    spectrum = 2.0 ** draw(matrices(D, K))
    return KroneckerGaussian(mean, draw(rotations(D)), draw(rotations(K)), spectrum)


sizes = st.integers(1, 4)


def rows_only(r: Regression, rows: Array, weights: Array | None = None) -> MatrixNormalLayer:
    """The layer after these rows in one step."""
    layer = r.layer()
    n_data = len(rows) if weights is None else weights.sum()
    layer.observe(r.inputs[rows], r.T[rows], r.H, n_data=n_data, sample_weight=weights)
    return layer


def assert_same_evidence(actual: float, expected: float, r: Regression) -> None:
    """Relative to what is summed: a term for each target and weight, and the squares."""
    residuals = r.T - r.X @ r.M0
    scale = r.T.size + r.M0.size + abs(expected) + float(((residuals @ r.H) * residuals).sum())
    assert abs(actual - expected) < tolerance(r.condition) * scale


# One regression ---------------------------------------------------------------------------------


@pytest.mark.equation("NP-1", "NP-2", "NP-3")
@many
@given(st.data())
def test_any_split_in_any_order_is_the_regression_on_all_data(data: Any) -> None:
    r = data.draw(regressions())
    batches = data.draw(partitions(len(r.X)))
    growing = data.draw(st.booleans())  # whether N is known from the start
    layer, seen = r.layer(), 0
    for batch in batches:
        seen += len(batch)
        n_data = seen if growing else len(r.X)
        layer.observe(r.inputs[batch], r.T[batch], r.H, n_data=n_data, rate=len(batch) / seen)
    assert_same_posterior(layer.posterior, r.posterior(), r.condition)


@pytest.mark.equation("NP-1", "NP-4")
@many
@given(st.data())
def test_any_rates_are_a_regression_with_weights(data: Any) -> None:
    r = data.draw(regressions())
    N = len(r.X)
    layer, weights = r.layer(initial_mean=None), np.zeros(N)
    for batch in data.draw(partitions(N)):
        rate = data.draw(st.integers(1, 8)) / 8
        layer.observe(r.inputs[batch], r.T[batch], r.H, n_data=N, rate=rate)
        weights *= 1 - rate
        weights[batch] = N * rate / len(batch)
    # no weight is above N, and so no eigenvalue of the precision grows by more
    assert_same_posterior(layer.posterior, r.posterior(weights), N * r.condition)


@pytest.mark.equation("LR-1", "LR-2", "LR-5", "MN-6")
@many
@given(st.data())
def test_rotated_inputs_rotate_the_mean_and_leave_predictions(data: Any) -> None:
    r = data.draw(regressions())
    n_in = r.inputs.shape[1]
    Q = np.eye(r.X.shape[1])  # the 1 of the bias stays where it is
    Q[:n_in, :n_in] = data.draw(rotations(n_in))
    turned = Regression(
        r.prior, r.bias, r.X @ Q if not r.bias else (r.X @ Q)[:, :-1],
        r.X @ Q, r.T, r.V, Q.T @ r.M0, Q.T @ r.start, r.lam,
    )  # fmt: skip
    layer, other = r.observed(), turned.observed()
    mean, covariance = r.posterior()
    basis = np.kron(np.eye(len(r.V)), Q)
    expected = Q.T @ mean, basis.T @ covariance @ basis
    assert_same_posterior(other.posterior, expected, r.condition)
    X_new = data.draw(matrices(3, r.X.shape[1]))
    for ours, theirs in (
        (X_new @ layer.mean, X_new @ Q @ other.mean),
        (
            layer.posterior.predictive_covariance(X_new),
            other.posterior.predictive_covariance(X_new @ Q),
        ),
    ):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=tolerance(r.condition) * _size(r))
    assert_same_evidence(other.log_evidence(), layer.log_evidence(), r)


def _size(r: Regression) -> float:
    """Largest entries that predictions are made of: prior mean, targets, prior variance."""
    prior_variance = np.diag(r.prior_covariance()).max()
    return 100 * float(1 + np.abs(r.M0).max() + np.abs(r.T).max() + prior_variance)


@pytest.mark.equation("LR-1", "LR-2", "LR-4")
@many
@given(regressions(), st.sampled_from([1e-3, 0.5, 3.0, 1e4]))
def test_scaled_targets_scale_the_posterior(r: Regression, scale: float) -> None:
    lam = r.lam if r.prior == "conjugate" else r.lam / scale**2
    scaled = Regression(
        r.prior, r.bias, r.inputs, r.X, scale * r.T,
        scale**2 * r.V, scale * r.M0, scale * r.start, lam,
    )  # fmt: skip
    mean, covariance = r.posterior()
    layer = scaled.observed()
    assert_same_posterior(layer.posterior, (scale * mean, scale**2 * covariance), r.condition)
    unscaled = layer.log_evidence() + r.T.size * np.log(scale)  # the Jacobian of the targets
    assert_same_evidence(unscaled, r.observed().log_evidence(), r)


@pytest.mark.equation("LR-1", "LR-2")
@many
@given(regressions())
def test_data_never_add_variance(r: Regression) -> None:
    """Prior, one datum less, all data: each covariance less the next is positive semi-definite."""
    rows = np.arange(len(r.X))
    covariances = [
        r.prior_covariance(),
        *(rows_only(r, some).posterior.covariance() for some in (rows[1:], rows) if len(some)),
    ]
    largest = np.diag(covariances[0]).max()
    for before, after in pairwise(covariances):
        assert np.linalg.eigvalsh(before - after)[0] >= -tolerance(r.condition) * largest
    marginal = vec(rows_only(r, rows).posterior.marginal_variance())
    assert (marginal <= np.diag(covariances[0]) * (1 + tolerance(r.condition))).all()


@pytest.mark.equation("LR-4", "LR-5")
@many
@given(st.data())
def test_evidence_is_a_product_of_predictives_in_any_order(data: Any) -> None:
    r = data.draw(regressions())
    order = np.array(data.draw(st.permutations(range(len(r.X)))))
    layer, total = r.layer(initial_mean=None), 0.0
    for seen, n in enumerate(order):
        x, t = r.X[n : n + 1], r.T[n]
        covariance = r.V + (
            np.kron(np.eye(len(r.V)), x) @ r.prior_covariance() @ np.kron(np.eye(len(r.V)), x).T
            if seen == 0
            else layer.posterior.predictive_covariance(x)[0]
        )
        total += stats.multivariate_normal((x @ layer.mean)[0], covariance).logpdf(t)
        layer.observe(
            r.inputs[n : n + 1], r.T[n : n + 1], r.H, n_data=seen + 1, rate=1 / (seen + 1)
        )
    assert_same_evidence(rows_only(r, order).log_evidence(), total, r)


@pytest.mark.equation("LR-4")
@many
@given(regressions(n_in=1, K=1, bias=0))
def test_evidence_of_one_weight_is_an_integral(r: Regression) -> None:
    mean, covariance = r.posterior()
    centre, sd = mean.item(), float(np.sqrt(covariance.item()))
    prior, noise = r.prior_covariance().item(), r.V.item()

    def log_joint(w: float) -> float:
        squares = ((r.T - r.X * w) ** 2).sum() / noise + (w - r.M0.item()) ** 2 / prior
        return -0.5 * (squares + len(r.T) * np.log(2 * np.pi * noise) + np.log(2 * np.pi * prior))

    top = log_joint(centre)
    ends = centre - 12 * sd, centre + 12 * sd
    integral, _ = quad(lambda w: np.exp(log_joint(w) - top), *ends, epsabs=0, epsrel=1e-11)
    assert_same_evidence(r.observed().log_evidence(), top + np.log(integral), r)


@pytest.mark.equation("LR-6")
@many
@given(st.data())
def test_a_weight_is_the_row_so_many_times(data: Any) -> None:
    r = data.draw(regressions())
    N = len(r.X)
    w = data.draw(arrays(np.float64, N, elements=st.sampled_from([0.0, 1.0, 2.0, 3.0])))
    w[data.draw(st.integers(0, N - 1))] = 2.0
    weighted = rows_only(r, np.arange(N), w)
    repeated = rows_only(r, np.repeat(np.arange(N), w.astype(int)))
    expected = repeated.mean, repeated.posterior.covariance()
    assert_same_posterior(weighted.posterior, expected, 3 * r.condition)
    assert_same_posterior(weighted.posterior, r.posterior(w), 3 * r.condition)
    evidence = repeated.log_evidence()
    assert_close(weighted.log_evidence(), evidence, 30 * r.condition)


@pytest.mark.equation("EV-1")
@many
@given(regressions())
def test_effective_parameters_are_the_share_of_precision_that_data_add(r: Regression) -> None:
    _, covariance = r.posterior()
    added = np.kron(r.H, r.X.T @ r.X)
    gamma = effective_parameters(r.observed())
    assert abs(gamma - np.trace(covariance @ added)) < tolerance(r.condition) * r.M0.size
    assert -1e-12 <= gamma <= r.M0.size


# Gaussians over a matrix ------------------------------------------------------------------------


def cubature(q: KroneckerGaussian) -> Array:
    """Points (2 n, D, K), n = D K, whose plain mean integrates quadratics over q exactly."""
    n = q.mean.size
    steps = np.sqrt(n) * np.linalg.cholesky(q.covariance()).T
    moves = [step.reshape(q.mean.shape, order="F") for step in (*steps, *-steps)]
    return np.array([q.mean + move for move in moves])


@pytest.mark.equation("MN-1", "MN-2", "MN-4")
@many
@given(st.data())
def test_entropy_is_the_mean_of_minus_the_log_density(data: Any) -> None:
    q = data.draw(distributions(data.draw(sizes), data.draw(sizes)))
    densities = [q.logpdf(point) for point in cubature(q)]
    scale = q.mean.size + np.abs(densities).max()
    condition = np.linalg.cond(q.covariance())
    assert abs(q.entropy() + np.mean(densities)) < tolerance(condition) * scale


@pytest.mark.equation("MN-5")
@many
@given(st.data())
def test_divergence(data: Any) -> None:
    """Above 0, 0 from itself, the dense formula, and the mean of the log ratio of densities."""
    D, K = data.draw(sizes), data.draw(sizes)
    q, p = data.draw(distributions(D, K)), data.draw(distributions(D, K))
    C, precision = q.covariance(), np.linalg.inv(p.covariance())
    shift = vec(p.mean - q.mean)
    trace, distance = np.trace(precision @ C), shift @ precision @ shift
    log_dets = np.linalg.slogdet(p.covariance())[1] - np.linalg.slogdet(C)[1]
    expected = 0.5 * (trace + distance - D * K + log_dets)
    scale = trace + distance + D * K + abs(log_dets)
    atol = tolerance(np.linalg.cond(C) * np.linalg.cond(precision)) * scale
    assert abs(q.kl(p) - expected) < atol
    log_ratios = [q.logpdf(point) - p.logpdf(point) for point in cubature(q)]
    assert abs(q.kl(p) - np.mean(log_ratios)) < atol
    assert q.kl(p) > -1e-12 * scale
    assert abs(q.kl(q)) < 1e-12 * D * K
    if np.abs(shift).max() > 0:  # at least an eighth, in a direction of variance at most 900
        assert q.kl(p) > 1e-6


@pytest.mark.equation("KR-1", "KR-3", "MN-7")
@many
@given(st.data())
def test_solving_undoes_the_covariance(data: Any) -> None:
    q = data.draw(distributions(data.draw(sizes), data.draw(sizes)))
    R = data.draw(matrices(*q.mean.shape))
    condition = np.linalg.cond(q.covariance())
    np.testing.assert_allclose(
        vec(q.solve(R)),
        q.covariance() @ vec(R),
        rtol=0,
        atol=tolerance(condition) * (1 + np.abs(R).max()) / q.precisions.min(),
    )
    if isinstance(q, MatrixNormal):
        again = q.as_matrix_normal()
        assert_close(again.covariance(), q.covariance(), condition)


# Networks ---------------------------------------------------------------------------------------


@pytest.mark.equation("PT-1", "PT-3", "LR-3")
@many
@given(st.data())
def test_pseudo_targets_carry_the_gradient_whatever_the_precision(data: Any) -> None:
    r = data.draw(regressions())
    G = r.T  # any gradients of the log-likelihood with respect to the layer's outputs
    targets = pseudo_targets(r.X @ r.start, G, decompose(r.H, "H"))
    condition = float(np.linalg.cond(r.V))
    scale = tolerance(condition) * (1 + np.abs(r.X).sum() * np.abs(r.start).max())
    residuals = (targets - r.X @ r.start) @ r.H
    np.testing.assert_allclose(residuals, G, rtol=0, atol=10 * scale)
    proposal = r.layer().propose(r.inputs, targets, r.H, n_data=len(r.X))
    prior_pull = np.linalg.solve(r.prior_covariance(), vec(r.start - r.M0))
    expected = vec(r.X.T @ G) - prior_pull
    size = 1 + np.abs(prior_pull).max() + np.abs(r.X).sum()
    np.testing.assert_allclose(vec(proposal.gradient), expected, rtol=0, atol=100 * scale * size)


@pytest.mark.equation("BP-1", "BP-3")
@many
@given(st.data())
def test_backward_and_tangent_passes_are_adjoint(data: Any) -> None:
    """For all rows v and changes D_l: v . tangent(D) = sum_l (v J_l) . (h_l D_l)."""
    widths = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    activation = data.draw(st.sampled_from(["relu", "tanh", "identity"]))
    network = MLP(widths, activation, bias=data.draw(st.booleans()))
    weights, changes = ([data.draw(matrices(*shape)) for shape in network.shapes] for _ in range(2))
    X, v = data.draw(matrices(3, widths[0])), data.draw(matrices(3, 1, widths[-1]))
    forward = network.forward(weights, X)
    rows = network.backward(weights, forward, v)
    one = np.ones((3, 1))
    moved = [
        (np.hstack([h, one]) if network.bias else h) @ D
        for h, D in zip(forward.inputs, changes, strict=True)
    ]
    terms = [(row[:, 0] * move).sum() for row, move in zip(rows, moved, strict=True)]
    actual = (v[:, 0] * network.tangent(weights, forward, changes)).sum()
    scale = 1 + sum(
        (np.abs(row[:, 0]) * np.abs(move)).sum() for row, move in zip(rows, moved, strict=True)
    )
    assert abs(actual - sum(terms)) < 1e-10 * scale
