"""One datum left out: against refits without it; and the tails that the residuals ask for."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Case, DeepCase, assert_close, deep, random_covariance, regression

from balinp import MLP, dense
from balinp._types import Array
from balinp.data import Data
from balinp.joint_posterior import JointPosterior
from balinp.leave_one_out import FREEDOM, LeaveOneOut, Tails, fitted_tails, leave_one_out
from balinp.predictive.student_t import student_log_density

both_forms = pytest.mark.parametrize("form", ["weights", "data"])


def in_noise_units(left_out: LeaveOneOut) -> Array:
    """What does not depend on the axes: z^T (I + H)^{-1} z, log det (I + H), for each datum."""
    c = 1 + left_out.variances
    return np.stack([(left_out.residuals**2 / c).sum(axis=1), np.log(c).sum(axis=1)], axis=1)


def predicted_without(J: Array, Y: Array, V: Array, C0: Array, w: Array, M0: Array) -> Array:
    """The same from a refit for each datum, without it or without one of its repetitions."""
    result = []
    for n in np.flatnonzero(w):
        fewer = w.copy()
        fewer[n] -= min(1.0, w[n])
        H = np.linalg.inv(V)
        P = np.linalg.inv(C0) + np.einsum("n,nkp,kl,nlq->pq", fewer, J, H, J)
        pull = np.einsum("n,nkp,kl,nl->p", fewer, J, H, Y - J @ M0)
        mean = M0 + np.linalg.solve(P, pull)
        r = Y[n] - J[n] @ mean
        C = V + J[n] @ np.linalg.inv(P) @ J[n].T
        log_det = np.linalg.slogdet(C)[1] - np.linalg.slogdet(V)[1]
        result.append([r @ np.linalg.solve(C, r), log_det])
    return np.array(result)


@pytest.mark.equation("JP-3")
@both_forms
@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize("weighted", [False, True], ids=["no weights", "weights"])
def test_of_one_layer_it_is_a_refit_without_the_datum(form: str, K: int, weighted: bool) -> None:
    problem = regression(Case("left out", N=8, n_in=2, K=K, noise=(0.1, 1.0)))
    w = np.array([1.0, 2.0, 0.4, 3.5, 0.0, 1.0, 1.0, 1.0]) if weighted else np.ones(8)
    G, C0 = 0.7 * np.eye(K), np.eye(3 * K) / 0.7
    M, _ = dense.posterior(problem.X, problem.T, problem.V, np.zeros((3, K)), C0, weights=w)
    data = Data(problem.inputs, problem.T, w if weighted else None)
    posterior = JointPosterior.of(MLP([2, K]), [M], [G], problem.V, data, form=form)
    left_out = leave_one_out(posterior, data)
    J = np.array([np.kron(np.eye(K), x) for x in problem.X])
    expected = predicted_without(J, problem.T, problem.V, C0, w, np.zeros(3 * K))
    assert_close(in_noise_units(left_out), expected)
    np.testing.assert_array_equal(left_out.weights, w[w > 0])
    if K == 1:  # a single axis: the numbers themselves
        P = np.linalg.inv(C0) + problem.X.T @ problem.X / problem.V.item()
        assert_close(left_out.residuals[0] ** 2, expected[0, 0] * np.exp(expected[0, 1]))
        if not weighted:
            h = problem.X[0] @ np.linalg.solve(P, problem.X[0]) / problem.V.item()
            assert_close(left_out.variances[0], h / (1 - h))


@pytest.mark.equation("JP-3")
@both_forms
def test_of_a_network_it_is_a_refit_of_the_linearised_one(form: str) -> None:
    problem = deep(DeepCase("left out", (3, 4, 2), N=7))
    V = problem.likelihood.covariance(2)  # type: ignore[attr-defined]
    J = np.concatenate(problem.jacobians(), axis=2)
    f = problem.network.forward(problem.weights, problem.X).outputs[-1]
    P = J.shape[2]
    # The linearised network about its means, with a prior mean for which they are the posterior's.
    start = -np.einsum("nkp,kl,nl->p", J, np.linalg.inv(V), problem.Y - f) / 0.7
    expected = predicted_without(J, problem.Y - f, V, np.eye(P) / 0.7, np.ones(7), start)
    G = [0.7 * np.eye(K) for K in (4, 2)]
    data = Data(problem.X, problem.Y, None)
    posterior = JointPosterior.of(problem.network, problem.weights, G, V, data, form=form)
    left_out = leave_one_out(posterior, data)
    assert_close(in_noise_units(left_out), expected)


@pytest.mark.equation("JP-4")
@both_forms
def test_a_weight_of_two_is_the_datum_twice(form: str) -> None:
    problem = deep(DeepCase("twice", (2, 3, 1)))
    V = problem.likelihood.covariance(1)  # type: ignore[attr-defined]
    G, w = [np.eye(3), np.eye(1)], np.array([2.0, 1.0, 1.0, 3.0, 1.0, 1.0])
    repeated = np.repeat(np.arange(6), w.astype(int))
    weighted, apart = (
        leave_one_out(
            JointPosterior.of(problem.network, problem.weights, G, V, data, form=form), data
        )
        for data in (
            Data(problem.X, problem.Y, w),
            Data(problem.X[repeated], problem.Y[repeated], None),
        )
    )
    assert_close(in_noise_units(weighted)[[0, 0, 1, 2, 3, 3, 3, 4, 5]], in_noise_units(apart))
    one, other = fitted_tails(weighted), fitted_tails(apart)
    assert one is not None
    assert other is not None
    assert one.noise_factor == pytest.approx(other.noise_factor, rel=1e-8)  # two searches
    assert one.freedom == pytest.approx(other.freedom, rel=1e-8)


def test_data_that_alone_determine_their_prediction_are_passed_over() -> None:
    X = np.array([[0.0, 1e9], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    network = MLP([2, 1], bias=False)
    data = Data(X, np.ones((4, 1)), None)
    posterior = JointPosterior.of(
        network, [np.zeros((2, 1))], [np.eye(1)], np.eye(1), data, form="weights"
    )
    left_out = leave_one_out(posterior, data)
    assert len(left_out.weights) == 3
    assert np.isfinite(left_out.residuals).all()


# Tails ------------------------------------------------------------------------------------------


def drawn(n: int, K: int, freedom: float, factor: float, seed: int = 0) -> LeaveOneOut:
    """Residuals of these tails, with an epistemic part that differs from datum to datum."""
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0, 2, (n, K))
    shared = np.sqrt((freedom - 2) / rng.chisquare(freedom, (n, 1)))
    residuals = shared * rng.normal(size=(n, K)) * np.sqrt(factor + variances)
    return LeaveOneOut(residuals, variances, np.ones(n))


def loss(left_out: LeaveOneOut, factor: float, freedom: float) -> float:
    """The objective from the density of `scipy.stats`, datum by datum."""
    stats = pytest.importorskip("scipy.stats")
    total = -(1 / factor + np.log(factor))
    rows = zip(left_out.residuals, left_out.variances, left_out.weights, strict=True)
    for r, h, w in rows:
        shape = np.diag(factor + h) * (freedom - 2) / freedom
        total += w * stats.multivariate_t(np.zeros(len(r)), shape, freedom).logpdf(r)
    return -float(total)


@pytest.mark.equation("JP-4")
@pytest.mark.parametrize("K", [1, 2])
def test_tails_maximise_their_likelihood(K: int) -> None:
    left_out = drawn(60, K, 5.0, 0.5)._replace(weights=np.repeat([0.5, 1.0, 3.0], 20))
    found = fitted_tails(left_out)
    assert found is not None
    assert FREEDOM[0] < found.freedom < 100
    best = loss(left_out, *found)
    for step in (1e-5, 1e-2, 0.3):
        for factor, freedom in ((step, 0), (-step, 0), (0, step), (0, -step)):
            tried = found.noise_factor * np.exp(factor), found.freedom * np.exp(freedom)
            assert loss(left_out, *tried) > best


@pytest.mark.equation("JP-4")
@pytest.mark.parametrize(("K", "freedom", "factor"), [(1, 5.0, 0.3), (2, 8.0, 1.7)])
def test_tails_of_many_data_are_those_they_were_drawn_from(
    K: int, freedom: float, factor: float
) -> None:
    found = fitted_tails(drawn(20_000, K, freedom, factor))
    assert found is not None
    # Standard errors from the curvature are below 4 % of the factor and 5 % of the freedom.
    assert found.noise_factor == pytest.approx(factor, rel=0.15)
    assert found.freedom == pytest.approx(freedom, rel=0.2)
    rng = np.random.default_rng(1)
    gaussian = LeaveOneOut(rng.normal(size=(20_000, 1)), np.zeros((20_000, 1)), np.ones(20_000))
    found = fitted_tails(gaussian)
    assert found is not None
    assert found.freedom > 50
    assert found.noise_factor == pytest.approx(1.0, rel=0.05)


@pytest.mark.equation("JP-4")
def test_residuals_that_vanish_leave_the_prior_of_the_noise() -> None:
    nothing = LeaveOneOut(np.zeros((100, 1)), np.zeros((100, 1)), np.ones(100))
    found = fitted_tails(nothing)
    assert found is not None
    assert found.noise_factor == pytest.approx(2 / 102, rel=1e-8)


def test_few_data_have_no_tails() -> None:
    few = drawn(4, 1, 5.0, 1.0)
    assert fitted_tails(few) is None
    assert fitted_tails(few._replace(weights=np.full(4, 10.0))) is None
    assert isinstance(fitted_tails(drawn(5, 1, 5.0, 1.0)), Tails)
    assert fitted_tails(drawn(6, 1, 5.0, 1.0)._replace(weights=np.full(6, 0.5))) is None


@pytest.mark.equation("JP-4")
def test_density_is_that_of_scipy(rng: np.random.Generator) -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (3.0, 6.5, 3000.0):
        C = random_covariance(rng, 3)
        r = rng.normal(size=(5, 3)) * 3
        values, axes = np.linalg.eigh(C)
        ours = student_log_density(
            (r @ axes) ** 2 / values, np.broadcast_to(np.log(values), r.shape), freedom
        )
        theirs = stats.multivariate_t(np.zeros(3), C * (freedom - 2) / freedom, freedom).logpdf(r)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)  # Gamma functions cancel at 3,000
