"""Evidence, gamma and the updates of both hyper-parameters, against dense derivatives.

With a hyper-prior, what the updates climb is the log evidence plus the log densities of
Gamma(1 + a, b) on lam and of |H|^a exp(-b tr H) on the noise precision H = V^-1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cases import (
    Case,
    Deep,
    DeepCase,
    Regression,
    assert_close,
    both_priors,
    deep,
    every_case,
    parametrize_deep,
    random_covariance,
    regression,
    slope,
    tolerance,
    vec,
)
from sklearn.linear_model import BayesianRidge

from balinp import BALI, MLP, Gaussian, MatrixNormalLayer
from balinp._types import Array
from balinp.evidence import (
    HyperPrior,
    effective_parameters,
    evidence_bound,
    network_log_evidence,
    noise_target,
    prior_precision_target,
)
from balinp.gain import first_precision
from balinp.label_noise import noise_ratio
from balinp.pseudo_targets import Trace, trace

HYPER = HyperPrior(shape=0.3, rate=0.2)  # large enough to see
RTOL = 1e-7
"""Derivatives by differences of the evidence, whose terms are larger than their derivatives."""

one_layer = pytest.mark.parametrize(
    "case",
    [Case("more data"), Case("few data", N=2), Case("one output", K=1), Case("wide", N=4, K=4)],
    ids=str,
)


def one_layer_updates(r: Regression, hyper: HyperPrior) -> tuple[float, Array]:
    """What the posterior of a regression asks for: lam and V."""
    layer = r.observed()
    residuals = r.T - r.X @ layer.mean
    network = MLP([r.inputs.shape[1], len(r.V)], bias=r.bias)
    t = trace(network, Gaussian(r.V), [layer.mean], r.inputs, r.T)
    V = noise_target([layer], t, residuals.T @ residuals, r.V, len(r.X), hyper)
    return prior_precision_target([layer], r.lam, hyper), V


def changed(r: Regression, lam: float, V: Array) -> Regression:
    """The same data and prior mean under other hyper-parameters."""
    return Regression(r.prior, r.bias, r.inputs, r.X, r.T, V, r.M0, r.start, lam)


def at_fixed_point(r: Regression, hyper: HyperPrior) -> Regression:
    """Follow the updates of both hyper-parameters until they stand still."""
    for _ in range(1000):
        lam, V = one_layer_updates(r, hyper)
        still = abs(lam / r.lam - 1) < 1e-14 and np.abs(V / r.V - 1).max() < 1e-13
        r = changed(r, lam, V)
        if still:
            return r
    raise AssertionError("the updates did not come to rest")


def gradient_in_precision(f: Callable[[Array], float], V: Array) -> Array:
    """Symmetric gradient of f(V) with respect to H = V^-1."""
    H, K = np.linalg.inv(V), len(V)
    slopes = np.empty((K, K))
    for i, j in np.ndindex(K, K):
        E = np.zeros((K, K))
        E[i, j] += 0.5
        E[j, i] += 0.5
        slopes[i, j] = slope(lambda h, E=E: f(np.linalg.inv(H + h * E)))
    return slopes


def hyper_gradient(V: Array, hyper: HyperPrior) -> Array:
    """Gradient of log |H|^a - b tr H with respect to H."""
    return hyper.shape * V - hyper.rate * np.eye(len(V))


# One layer --------------------------------------------------------------------------------------


@pytest.mark.equation("EV-1")
@every_case
@both_priors
def test_gamma_is_what_the_data_add_to_the_precision(case: Case, prior: str) -> None:
    r = regression(case, prior)
    gamma = effective_parameters(r.observed())
    prior_precision = np.linalg.inv(r.prior_covariance())
    expected = r.M0.size - np.trace(np.linalg.solve(r.precision, prior_precision))
    assert abs(gamma - expected) < tolerance(r.condition) * r.M0.size
    assert 0 < gamma < min(r.T.size, r.M0.size)
    assert effective_parameters(r.layer()) == 0.0


@pytest.mark.equation("EV-2", "EV-4")
@one_layer
@both_priors
@pytest.mark.parametrize("hyper", [HyperPrior(0.0, 0.0), HYPER], ids=["flat", "Gamma"])
def test_prior_precision_goes_up_the_evidence(case: Case, prior: str, hyper: HyperPrior) -> None:
    r = regression(case, prior)
    target, _ = one_layer_updates(r, hyper)
    derivative = slope(lambda h: r.log_evidence(lam=r.lam + h)) + hyper.shape / r.lam - hyper.rate
    shift, column = vec(r.observed().mean - r.M0), r.H if prior == "conjugate" else np.eye(case.K)
    squares = shift @ np.kron(column, np.eye(r.X.shape[1])) @ shift + 2 * hyper.rate
    assert_close(0.5 * squares * (target / r.lam - 1), derivative, rtol=RTOL)


@pytest.mark.equation("EV-3", "EV-4")
@one_layer
@both_priors
@pytest.mark.parametrize("hyper", [HyperPrior(0.0, 0.0), HYPER], ids=["flat", "Gamma"])
def test_noise_goes_up_the_evidence(case: Case, prior: str, hyper: HyperPrior) -> None:
    r = regression(case, prior)
    _, target = one_layer_updates(r, hyper)
    slopes = gradient_in_precision(lambda V: r.log_evidence(V=V), r.V) + hyper_gradient(r.V, hyper)
    assert_close(0.5 * (case.N + 2 * hyper.shape) * (r.V - target), slopes, rtol=RTOL)
    np.linalg.cholesky(target)  # a covariance, whatever the data


@pytest.mark.equation("EV-2", "EV-3", "EV-4")
@pytest.mark.parametrize("case", [Case("scalar", N=20, K=1), Case("full", N=20)], ids=str)
@both_priors
def test_fixed_points_are_stationary(case: Case, prior: str) -> None:
    r = at_fixed_point(regression(case, prior), HYPER)
    by_log_lam = slope(lambda h: r.log_evidence(lam=r.lam * np.exp(h)))
    assert abs(by_log_lam + HYPER.shape - HYPER.rate * r.lam) < RTOL
    slopes = gradient_in_precision(lambda V: r.log_evidence(V=V), r.V) + hyper_gradient(r.V, HYPER)
    assert np.abs(slopes).max() < RTOL * case.N * np.abs(r.V).max()
    assert r.log_evidence() > regression(case, prior).log_evidence()


@pytest.mark.equation("EV-2")
@one_layer
def test_expected_squares_have_the_same_fixed_point(case: Case) -> None:
    r = at_fixed_point(regression(replace(case, N=20)), HYPER)
    layer = r.observed()
    squares = ((layer.mean - r.M0) ** 2).sum() + np.trace(layer.posterior.covariance())
    lam = (r.M0.size + 2 * HYPER.shape) / (squares + 2 * HYPER.rate)
    assert_close(lam, r.lam)
    still, _ = one_layer_updates(r, HYPER)
    assert_close(still, r.lam)


@pytest.mark.equation("EV-1", "EV-2", "EV-3", "LR-4")
@pytest.mark.parametrize("hyper", [HyperPrior(0.0, 0.0), HYPER], ids=["flat", "Gamma"])
def test_bayesian_ridge_is_one_layer(hyper: HyperPrior) -> None:
    r = regression(Case("ridge", N=30, n_in=4, K=1, bias=False, centred=True))
    a, b = hyper.shape, hyper.rate
    ridge = BayesianRidge(
        tol=1e-15, max_iter=3000, fit_intercept=False, compute_score=True,
        alpha_1=a, alpha_2=b, lambda_1=a, lambda_2=b,
    ).fit(r.X, r.T[:, 0])  # fmt: skip
    r = at_fixed_point(r, hyper)
    layer = r.observed()
    assert_close(1 / r.V.item(), ridge.alpha_)
    assert_close(r.lam, ridge.lambda_)
    assert_close(layer.mean[:, 0], ridge.coef_)
    assert_close(layer.posterior.covariance(), ridge.sigma_)
    alpha = 1 / r.V.item()
    hyper_densities = a * np.log(alpha * r.lam) - b * (alpha + r.lam)
    assert_close(layer.log_evidence() + hyper_densities, ridge.scores_[-1])


# Networks ---------------------------------------------------------------------------------------


LAM = 0.7
PROPORTIONS = (1.0, 2.5, 0.4)
"""Prior precisions of the layers in units of a common one."""


def unseen(d: Deep, prior: str, lam: float = LAM) -> list[MatrixNormalLayer]:
    """Layers before any data, their prior precisions in proportion to a common one."""
    layers = d.layers(prior)
    for layer, share in zip(layers, PROPORTIONS, strict=False):
        layer.prior_precision = share * lam
    return layers


def at_rest(d: Deep, prior: str = "isotropic") -> tuple[list[MatrixNormalLayer], Trace]:
    """Layers with the factors of the data about the weights as they are."""
    t, layers = d.trace(), unseen(d, prior)
    for layer, inputs, T, H in zip(
        layers, t.inputs, t.pseudo_targets, t.output_precisions, strict=True
    ):
        layer.propose(inputs, T, H, n_data=len(d.X))
        layer.accept(0.0)
    return layers, t


@pytest.mark.equation("EV-5")
@every_case
@both_priors
def test_evidence_of_one_gaussian_layer_is_exact(case: Case, prior: str) -> None:
    r = regression(case, prior)
    layer = r.observed()
    network = MLP([case.n_in, case.K], bias=case.bias)
    t = trace(network, Gaussian(r.V), [layer.mean], r.inputs, r.T)
    expected = r.log_evidence()
    scale = max(abs(expected), r.T.size + r.M0.size)
    assert abs(network_log_evidence([layer], t) - expected) < tolerance(r.condition) * scale


@pytest.mark.equation("EV-5")
@parametrize_deep()
@both_priors
def test_evidence_of_a_network_is_a_sum_over_dense_blocks(case: DeepCase, prior: str) -> None:
    d = deep(case)
    t, layers, expected = d.trace(), unseen(d, prior), d.log_likelihood(d.weights)
    condition = max(float(np.linalg.cond(H)) for H in t.output_precisions)
    for layer, inputs, H in zip(layers, t.inputs, t.output_precisions, strict=True):
        X = layer.design(inputs)
        column = H if prior == "conjugate" else np.eye(len(H))
        prior_precision = layer.prior_precision * np.kron(column, np.eye(X.shape[1]))
        shift = vec(layer.mean - layer.prior_mean)
        P = np.kron(H, X.T @ X) + prior_precision
        log_dets = np.linalg.slogdet(prior_precision)[1] - np.linalg.slogdet(P)[1]
        expected += 0.5 * log_dets - 0.5 * shift @ prior_precision @ shift
    assert_close(network_log_evidence(layers, t), expected, condition)
    assert all(layer.factors is None for layer in layers)  # left as they were


DEEP = DeepCase("deep", (3, 4, 2), N=8)
two_depths = pytest.mark.parametrize("case", [DEEP, DeepCase("deeper", (3, 4, 3, 2), N=8)], ids=str)


def evidence_at(d: Deep, prior: str, lam: float, V: Array) -> float:
    """EV-5 at fixed weights, as a function of the hyper-parameters."""
    moved = Deep(d.network, Gaussian(V), d.weights, d.X, d.Y)
    return network_log_evidence(unseen(moved, prior, lam), moved.trace())


@pytest.mark.equation("EV-2", "EV-4", "EV-5")
@two_depths
@both_priors
def test_prior_precision_of_a_network_goes_up_its_evidence(case: DeepCase, prior: str) -> None:
    d = deep(case)
    layers, t = at_rest(d, prior)
    V = d.likelihood.covariance(2)
    derivative = slope(lambda h: evidence_at(d, prior, LAM + h, V)) + HYPER.shape / LAM - HYPER.rate
    squares = 2 * HYPER.rate
    for layer, share, H in zip(layers, PROPORTIONS, t.output_precisions, strict=False):
        shift = layer.mean - layer.prior_mean
        column = H if prior == "conjugate" else np.eye(len(H))
        squares += share * np.trace(shift @ column @ shift.T)
    target = prior_precision_target(layers, LAM, HYPER)
    assert_close(0.5 * squares * (target / LAM - 1), derivative, rtol=RTOL)


@pytest.fixture
def layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spread as that of many data is worked out, not by EV-11."""
    monkeypatch.setattr("balinp.leverages.MOST_ROWS", 0)


@pytest.mark.equation("EV-3", "EV-4", "EV-5")
@pytest.mark.usefixtures("layer_by_layer")
@two_depths
@both_priors
def test_noise_of_a_network_goes_up_its_evidence(case: DeepCase, prior: str) -> None:
    d = deep(case)
    layers, t = at_rest(d, prior)
    V = d.likelihood.covariance(2)
    R = d.Y - t.outputs[-1]
    target = noise_target(layers, t, R.T @ R, V, len(d.X), HYPER)
    slopes = gradient_in_precision(lambda V: evidence_at(d, prior, LAM, V), V)
    slopes += hyper_gradient(V, HYPER)
    assert_close(0.5 * (len(d.X) + 2 * HYPER.shape) * (V - target), slopes, rtol=RTOL)


@pytest.mark.equation("EV-3")
@pytest.mark.usefixtures("layer_by_layer")
def test_a_batch_stands_for_all_data() -> None:
    d = deep(DEEP)
    layers, t = at_rest(d)
    V, R = random_covariance(np.random.default_rng(2), 2), d.Y - t.outputs[-1]
    one, two = (noise_target(layers, t, R.T @ R, V, n, HyperPrior(0.0, 0.0)) for n in (8.0, 80.0))
    # Squares scale with N and the spread, from the layers' own factors, does not.
    assert_close(one - R.T @ R / 8, 10 * (two - R.T @ R / 8))


def test_before_any_data_only_the_hyper_prior_speaks() -> None:
    layer = MatrixNormalLayer(3, 2)
    assert prior_precision_target([layer], LAM, HYPER) == HYPER.shape / HYPER.rate


# In training ------------------------------------------------------------------------------------


@pytest.mark.equation("EV-2")
def test_learnt_precisions_keep_in_proportion_to_the_inputs_of_the_layers() -> None:
    d = deep(DeepCase("wide", (3, 5, 4, 2)))
    model = BALI((5, 4), d.likelihood).fit(d.X, d.Y, epochs=3)
    ratios = [layer.prior_precision / layer.n_in for layer in model.layers]
    assert_close(ratios, np.full(3, ratios[0]))
    assert abs(ratios[0] - 1) > 1e-3  # started from 1, and learnt since
    one_hot = np.eye(2)[[0, 1, 0, 1, 1, 0]]
    classes = BALI((5, 4), "categorical").fit([(d.X, one_hot)], epochs=2)
    ratios = [layer.prior_precision / layer.n_in for layer in classes.layers]
    assert_close(ratios, np.full(3, ratios[0]))
    started = first_precision(6, classes.network.widths, noise_ratio(d.X, one_hot, None))
    assert 1e-3 < abs(np.log(ratios[0] / started)) < 0.5  # learnt since, in small steps


@pytest.mark.equation("EV-4")
def test_a_conjugate_prior_stays_where_it_was_while_the_noise_moves() -> None:
    d = deep(DEEP)
    pinned = HyperPrior(1e12, 1e12 / 3)  # of mean 3, the number of inputs, and very sure of it
    model = BALI((4,), prior="conjugate", precision_prior=pinned)
    noises = []
    for _ in range(4):
        model.step(d.X, d.Y)
        H = model.layers[-1].factors.H
        noises.append(model.likelihood.covariance(2))
        for layer in model.layers:
            assert_close(layer.prior_precision * np.trace(H) / 2, layer.n_in, rtol=1e-6)
    assert np.abs(noises[-1] - noises[0]).max() > 0.1 * np.abs(noises[0]).max()
    given = BALI((4,), prior="conjugate", prior_precision=LAM).fit(d.X, d.Y, epochs=3)
    assert [layer.prior_precision for layer in given.layers] == [LAM, LAM]


# A bound on the evidence ------------------------------------------------------------------------


@pytest.mark.equation("EV-7")
@one_layer
@both_priors
def test_bound_of_one_gaussian_layer_is_its_evidence(case: Case, prior: str) -> None:
    r = regression(case, prior)
    layer = r.observed()
    residuals = r.T - r.X @ layer.mean
    covariance = layer.posterior.predictive_covariance(r.X).sum(axis=0)
    squares = float(np.trace(r.H @ (residuals.T @ residuals + covariance)))
    expected = 0.5 * (len(r.X) * np.linalg.slogdet(r.H / (2 * np.pi))[1] - squares)
    P0 = r.lam * np.kron(r.H if prior == "conjugate" else np.eye(case.K), np.eye(r.X.shape[1]))
    shift = vec(layer.mean - r.M0)
    log_prior = 0.5 * (np.linalg.slogdet(P0 / (2 * np.pi))[1] - shift @ P0 @ shift)
    bound = evidence_bound(expected + log_prior, [layer])
    truth = r.log_evidence()
    # The log determinants and squares that cancel are larger than the evidence itself.
    scale = abs(expected) + abs(log_prior) + abs(truth)
    assert abs(bound - truth) < tolerance(r.condition) * scale


@pytest.mark.equation("EV-7")
@both_priors
def test_bound_is_the_expected_log_joint_and_the_entropy_of_dense_layers(prior: str) -> None:
    d = deep(DEEP)
    layers, _ = at_rest(d, prior)
    want = -3.0
    for layer in layers:
        assert layer.factors is not None
        C = layer.posterior.covariance()
        column = layer.factors.H if prior == "conjugate" else np.eye(layer.n_out)
        P0 = layer.prior_precision * np.kron(column, np.eye(len(layer.mean)))
        want += 0.5 * np.linalg.slogdet(2 * np.pi * np.e * C)[1] - 0.5 * np.trace(P0 @ C)
    assert_close(evidence_bound(-3.0, layers), want, rtol=1e-9)


def noisy_classes(rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((rows, 20))
    logits = 2 * X[:, :4]
    return X, np.eye(4)[(logits + 1.2 * rng.gumbel(size=logits.shape)).argmax(axis=1)]


@pytest.mark.equation("EV-7", "GA-1")
def test_the_prior_is_not_weakened_while_the_bound_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believing the effective parameters to the end, a network learns the noise by heart."""
    X, Y = noisy_classes(700)

    def loss(lost_share: float) -> tuple[float, BALI]:
        monkeypatch.setattr("balinp.gain.LOST_SHARE", lost_share)
        model = BALI((30,), "categorical").fit(X[:200], Y[:200], epochs=700)
        p = model.predict(X[200:]).probabilities
        return -float(np.log((p * Y[200:]).sum(axis=1)).mean()), model

    (bounded, model), (believing, other) = loss(0.3), loss(1e9)
    assert bounded < believing - 0.15
    assert model.prior_precision > 2 * other.prior_precision
    fallen, fallen_far = (m.hyper.gain.best - m.hyper.gain.value for m in (model, other))
    assert fallen < 0.7 < fallen_far
