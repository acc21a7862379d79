"""The methods that BALI is compared with: each against its definition or its own package."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm
from scipy.stats import t as student

from balinp import dense
from balinp.defaults import CLASSIFICATION_TRAINING, REGRESSION_TRAINING, Training
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError
from balinp.experiments.methods import METHODS, Method, select
from balinp.experiments.methods.dropout import MCDropout, Networks
from balinp.experiments.methods.laplace import Laplace
from balinp.experiments.methods.layerwise import FOOF, Network, NeuralLinear
from balinp.experiments.methods.method import Ensemble, best_held_out, held_out
from balinp.experiments.methods.scikit import GaussianProcess, MLPRegression
from balinp.mlp import MLP
from balinp.predictive import CategoricalPredictive, GaussianPredictive, MixturePredictive

OBSTACLES = {
    name: {m.name: m for m in METHODS}[name].obstacle(0)
    for name in ("Adam + Kronecker Laplace", "MC dropout")
}
needs_laplace = pytest.mark.skipif(
    OBSTACLES["Adam + Kronecker Laplace"] is not None,
    reason=str(OBSTACLES["Adam + Kronecker Laplace"]),
)
needs_torch = pytest.mark.skipif(
    OBSTACLES["MC dropout"] is not None, reason=str(OBSTACLES["MC dropout"])
)


def runnable(method: Method) -> object:
    """The method as a parameter, skipped where its packages are absent."""
    marks = {"torch": needs_torch, "laplace": needs_laplace}
    return pytest.param(
        method, id=f"{method.kind}-{method.name}", marks=[marks[module] for module in method.peers]
    )


@pytest.fixture
def curve(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A curve in two inputs with noise of standard deviation .1; 120 data and 80 to test."""
    X = rng.uniform(-2, 2, (200, 2))
    Y = np.sin(2 * X[:, :1]) + 0.5 * X[:, 1:] + 0.1 * rng.standard_normal((200, 1))
    return X[:120], Y[:120], X[120:], Y[120:]


@pytest.fixture
def classes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Three overlapping classes; 150 data and 90 to test."""
    labels = np.arange(240) % 3
    X = rng.standard_normal((240, 2)) + 2 * np.stack([labels == 1, labels == 2], axis=1)
    Y = np.eye(3)[labels]
    return X[:150], Y[:150], X[150:], Y[150:]


# -- all of them -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [runnable(m) for m in METHODS if m.kind == REGRESSION])
def test_every_regression_method_beats_the_constant_predictor(
    method: Method, curve: tuple[np.ndarray, ...]
) -> None:
    X, Y, X_test, Y_test = curve
    before = X.copy(), Y.copy()
    predictive = shortened(method).fit(X, Y, 0)(X_test)
    constant = norm(Y.mean(), Y.std()).logpdf(Y_test).mean()
    assert predictive.logpdf(Y_test).mean() > constant + 0.1
    assert (predictive.epistemic[:, 0, 0] >= 0).all()
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


@pytest.mark.parametrize("method", [runnable(m) for m in METHODS if m.kind == CLASSIFICATION])
def test_every_classification_method_beats_the_constant_predictor(
    method: Method, classes: tuple[np.ndarray, ...]
) -> None:
    X, Y, X_test, Y_test = classes
    predictive = shortened(method).fit(X, Y, 0)(X_test)
    assert isinstance(predictive, CategoricalPredictive)
    assert -predictive.logpdf(Y_test).mean() < np.log(3) - 0.3
    np.testing.assert_allclose(predictive.probabilities.sum(axis=1), 1, rtol=1e-12)


def shortened(method: Method) -> Method:
    """The same method with fewer steps, where it has many."""
    return replace(method, train=fewer_steps(method.train))


def fewer_steps(train: Any) -> Any:
    if isinstance(train, Ensemble):
        return replace(train, member=fewer_steps(train.member), size=2)
    if isinstance(train, Network):
        return replace(train, training=Training(train.training.model, {"epochs": 60}))
    if isinstance(train, NeuralLinear):
        return replace(train, features=Training(train.features.model, {"epochs": 25}))
    if isinstance(train, MCDropout):
        return replace(train, steps=300, samples=50)
    if isinstance(train, Laplace):
        return replace(train, steps=200, evidence_steps=200, weight_decays=(5e-4, 5e-3))
    return train


def test_settings_are_said_and_are_the_same_in_every_process() -> None:
    settings = [(m.kind, m.settings) for m in METHODS]
    assert len(set(settings)) == len(METHODS)
    assert not any(" at 0x" in words for _, words in settings)
    assert (
        replace(METHODS[0], train=FOOF(rate=0.2)).settings
        != Method("FOOF", REGRESSION, FOOF(rate=0.1)).settings
    )


def test_peers_are_left_out_unless_they_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balinp.experiments.methods.method.find_spec", lambda module: None)
    for kind in (REGRESSION, CLASSIFICATION):
        names = [method.name for method in select(kind)]
        assert names == [m.name for m in METHODS if m.kind == kind and not m.peers]
        with pytest.raises(UserError, match=r"MC dropout: torch .* pip install 'balinp\[peers\]'"):
            select(kind, ["MC dropout"])


def test_a_method_that_takes_fewer_data_is_left_out() -> None:
    assert "Gaussian process" in [method.name for method in select(REGRESSION, n_data=2000)]
    assert "Gaussian process" not in [method.name for method in select(REGRESSION, n_data=2001)]
    with pytest.raises(UserError, match="Gaussian process: it takes at most 2000 data, got 2001"):
        select(REGRESSION, ["Gaussian process"], n_data=2001)


# -- pieces ----------------------------------------------------------------------------------------


def test_held_out_rows_are_a_share_and_at_least_one() -> None:
    for n, expected in ((2, 1), (9, 1), (30, 3)):
        train, held = held_out(n, 3, 0.1)
        assert len(held) == expected
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(n))


def test_training_ends_when_patience_does() -> None:
    seen = []

    def states():
        for error in (3.0, 2.0, 2.5, 2.0, 1.0):
            seen.append(error)
            yield error, f"state of {error}"

    assert best_held_out(states(), patience=3) == "state of 1.0"
    seen.clear()
    assert best_held_out(states(), patience=2) == "state of 2.0"
    assert seen == [3.0, 2.0, 2.5, 2.0]


@pytest.mark.equation("PR-5")
@pytest.mark.parametrize("kind", [REGRESSION, CLASSIFICATION])
def test_an_ensemble_is_the_mixture_of_members_with_their_own_seeds(
    kind: str, curve: tuple[np.ndarray, ...], classes: tuple[np.ndarray, ...]
) -> None:
    X, Y, X_test, Y_test = curve if kind == REGRESSION else classes
    full = REGRESSION_TRAINING if kind == REGRESSION else CLASSIFICATION_TRAINING
    member = Network(Training(full.model, {"epochs": 15}))
    seeds = []

    def spy(X: np.ndarray, Y: np.ndarray, seed: int):
        seeds.append(seed)
        return member(X, Y, seed)

    got = Ensemble(spy, 3)(X, Y, 5)(X_test)
    assert len(set(seeds)) == 3
    members = [member(X, Y, seed)(X_test) for seed in seeds]
    if kind == CLASSIFICATION:
        average = np.mean([m.probabilities for m in members], axis=0)
        np.testing.assert_allclose(got.probabilities, average, rtol=1e-10)
        return
    means = np.stack([m.mean for m in members])
    np.testing.assert_allclose(got.mean, means.mean(axis=0), rtol=1e-10, atol=1e-14)
    variance = np.mean([m.covariance[:, 0, 0] for m in members], axis=0) + means[..., 0].var(axis=0)
    np.testing.assert_allclose(got.covariance[:, 0, 0], variance, rtol=1e-10)
    densities = []
    parts = [part for m in members for part in m.members]  # for three scales of the prior
    assert len(parts) == 9
    for m in parts:  # Student tails, of the member's own freedom and of its variance
        scale = np.sqrt(m.covariance[:, 0, 0] * (m.freedom - 2) / m.freedom)
        densities.append(student(m.freedom, m.mean[:, 0], scale).pdf(Y_test[:, 0]))
    np.testing.assert_allclose(got.logpdf(Y_test), np.log(np.mean(densities, axis=0)), rtol=1e-9)


# -- the package's own parts -----------------------------------------------------------------------


def test_neural_linear_is_the_dense_posterior_on_the_features_of_the_trained_network(
    curve: tuple[np.ndarray, ...],
) -> None:
    X, Y, X_test, _ = curve
    training = Training(REGRESSION_TRAINING.model, {"epochs": 30})
    fixed = {"likelihood": "gaussian", "hidden": (), "prior_precision": 2.0, "noise_variance": 0.1}
    got = NeuralLinear(training, Training(fixed, {"epochs": 1}))(X, Y, 3)(X_test)

    hidden = training.trained(X, Y, 3).weights[0]

    def design(X: np.ndarray) -> np.ndarray:
        features = np.tanh(np.hstack([X, np.ones((len(X), 1))]) @ hidden)
        return np.hstack([features, np.ones((len(X), 1))])

    V, D = np.array([[0.1]]), len(hidden[0]) + 1
    posterior = dense.posterior(design(X), Y, V, np.zeros((D, 1)), np.eye(D) / 2)
    mean, covariance = dense.predictive(design(X_test), *posterior, V)
    np.testing.assert_allclose(got.mean, mean, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(got.covariance, covariance, rtol=1e-9)


def test_neural_linear_learns_precision_and_noise(curve: tuple[np.ndarray, ...]) -> None:
    """At the evidence's maximum both derivatives vanish; here by finite differences."""
    X, Y, _, _ = curve
    method = {m.name: m for m in METHODS}["neural linear"].train
    assert isinstance(method, NeuralLinear)
    model = method.features.trained(X, Y, 0)
    features = model.network.forward(model.weights, X).inputs[-1]
    regression = method.regression.trained(features, Y, 0)
    design = np.hstack([features, np.ones((len(X), 1))])
    V, lam, D = regression.likelihood.covariance(1), regression.prior_precision, design.shape[1]

    def evidence(log_noise: float, log_precision: float) -> float:
        prior = np.exp(-log_precision) * np.eye(D) / lam
        return dense.log_evidence(design, Y, np.exp(log_noise) * V, np.zeros((D, 1)), prior)

    for step in ((0.01, 0.0), (0.0, 0.01)):
        up, down = evidence(*step), evidence(*(-s for s in step))
        # Weak hyper-priors and the tolerance of the training leave a little.
        assert abs(up - down) / 0.02 < 0.02


def test_foofs_step_is_a_ridge_regression_of_the_outputs_gradient_steps(
    curve: tuple[np.ndarray, ...],
) -> None:
    """The second and third states by the definition, with the Jacobian by finite differences."""
    X, Y, _, _ = curve
    foof = FOOF(rate=0.4, damping=0.05, momentum=0.7)
    network = MLP([2, 3, 1], "tanh")
    states = [W for _, W in islice(foof._states(network, X, Y, X, Y, 0), 3)]
    changes = [np.zeros_like(W) for W in states[0]]
    for weights, following in pairwise(states):
        inputs = network.forward(weights, X).inputs
        for layer, W in enumerate(weights):
            gradient = np.zeros_like(W)
            for index in np.ndindex(W.shape):
                losses = []
                for sign in (1, -1):
                    moved = [w.copy() for w in weights]
                    moved[layer][index] += sign * 1e-5
                    error = network.forward(moved, X).outputs[-1] - Y
                    losses.append(0.5 * (error**2).sum() / len(X))
                gradient[index] = (losses[0] - losses[1]) / 2e-5
            design = np.hstack([inputs[layer], np.ones((len(X), 1))])
            A = design.T @ design / len(X)
            damped = A + 0.05 * np.trace(A) / len(A) * np.eye(len(A))
            changes[layer] = 0.7 * changes[layer] - 0.4 * np.linalg.inv(damped) @ gradient
            # Central differences of step 1e-5 err by about 1e-10.
            np.testing.assert_allclose(following[layer], W + changes[layer], atol=1e-8)


@pytest.mark.parametrize("train", [FOOF(steps=30), MLPRegression(epochs=30)], ids=lambda t: str(t))
def test_noise_of_a_point_prediction_is_that_of_rows_it_was_not_trained_on(
    train: FOOF | MLPRegression, curve: tuple[np.ndarray, ...]
) -> None:
    X, Y, X_test, _ = curve
    predictor = train(X, Y, 1)
    _, held = held_out(len(X), 1, 0.1)
    residuals = Y[held] - predictor(X[held]).mean
    predictive = predictor(X_test)
    np.testing.assert_allclose(predictive.noise_covariance, [[np.mean(residuals**2)]], rtol=1e-12)
    assert not predictive.epistemic.any()


# -- scikit-learn ----------------------------------------------------------------------------------


def test_gaussian_process_is_scikit_learns_own_prediction(curve: tuple[np.ndarray, ...]) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    X, Y, X_test, _ = curve
    Y = np.hstack([Y, -3 * Y**2])
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    got = GaussianProcess()(X, Y, 0)(X_test)
    for k in range(2):
        kernel = ConstantKernel(2.0) * RBF([2.0, 2.0]) + WhiteKernel(0.05)
        model = GaussianProcessRegressor(kernel).fit(X, Y[:, k])
        mean, std = model.predict(X_test, return_std=True)
        # Two starts of the same maximisation end within its tolerance.
        np.testing.assert_allclose(got.mean[:, k], mean, atol=1e-3)
        np.testing.assert_allclose(got.std[:, k], std, rtol=1e-2)
        noise = model.kernel_.k2.noise_level
        np.testing.assert_allclose(got.noise_covariance[k, k], noise, rtol=1e-2)
    np.testing.assert_array_equal(got.epistemic[:, 0, 1], 0)


def test_gaussian_process_is_conditioned_on_all_rows(curve: tuple[np.ndarray, ...]) -> None:
    """By the textbook formula, with the hyper-parameters of a part of the rows."""
    X, Y, X_test, _ = curve
    train = GaussianProcess(evidence_rows=40)
    rows = np.random.default_rng(7).permutation(len(X))[:40]
    kernel = train._maximum(X[rows], Y[rows, 0])
    signal, noise = kernel.k1, kernel.k2.noise_level
    K = signal(X) + noise * np.eye(len(X))
    k = signal(X_test, X)
    got = train(X, Y, 7)(X_test)
    np.testing.assert_allclose(got.mean[:, 0], k @ np.linalg.solve(K, Y[:, 0]), rtol=1e-6)
    variance = signal.diag(X_test) - np.einsum("ij,ji->i", k, np.linalg.solve(K, k.T))
    # The variance is what is left of a difference of numbers near 1.
    np.testing.assert_allclose(got.epistemic[:, 0, 0], variance, atol=1e-8)


# -- peers -----------------------------------------------------------------------------------------


@needs_laplace
def test_last_layer_laplace_is_a_dense_regression_on_the_hidden_outputs(
    curve: tuple[np.ndarray, ...],
) -> None:
    """With prior precision and noise at the maximum of the evidence, found in another way."""
    from scipy.optimize import minimize

    from balinp.experiments.methods.torch_tools import peers

    (torch,) = peers("torch")
    X, Y, X_test, _ = curve
    train = Laplace(REGRESSION, "last_layer", "full", steps=100, weight_decays=(1e-3,))
    got = train(X, Y, 2)(X_test)
    model = train._network(torch.as_tensor(X), torch.as_tensor(Y), 1, 2, 1e-3)
    with torch.no_grad():
        mean = model(torch.as_tensor(X_test)).numpy()
        hidden, hidden_test = (
            np.hstack([model[:2](torch.as_tensor(x)).numpy(), np.ones((len(x), 1))])
            for x in (X, X_test)
        )
        residual = Y - model(torch.as_tensor(X)).numpy()
        W = torch.cat([model[2].weight, model[2].bias[None]], dim=1).numpy().T
    np.testing.assert_allclose(got.mean, mean, rtol=1e-10)

    def evidence(log_precision: float, log_variance: float) -> float:
        """Log p(y, w) - log q(w) at the trained weights w, with the Gauss-Newton precision."""
        lam, s2, (N, D) = np.exp(log_precision), np.exp(log_variance), hidden.shape
        P = hidden.T @ hidden / s2 + lam * np.eye(D)
        fit = -0.5 * (residual**2).sum() / s2 - 0.5 * N * np.log(2 * np.pi * s2)
        return fit - 0.5 * lam * (W**2).sum() + 0.5 * (D * log_precision - np.linalg.slogdet(P)[1])

    s2 = got.noise_covariance[0, 0]
    best = minimize(lambda v: -evidence(*v), [0.0, np.log(s2)]).x
    # A thousand steps of Adam end near the maximum, not at it.
    np.testing.assert_allclose(np.log(s2), best[1], atol=0.02)
    P = hidden.T @ hidden / s2 + np.exp(best[0]) * np.eye(hidden.shape[1])
    variance = np.einsum("ni,ij,nj->n", hidden_test, np.linalg.inv(P), hidden_test)
    np.testing.assert_allclose(got.epistemic[:, 0, 0], variance, rtol=0.05)


@needs_torch
def test_dropped_networks_are_what_a_mask_makes_of_the_weights(rng: np.random.Generator) -> None:
    """Mean and variance over masks, of a network that is linear where it is looked at."""
    setting = MCDropout(REGRESSION, (0.25, 0.5), steps=1, samples=20_000)
    X = rng.standard_normal((8, 3))
    networks = Networks(setting, setting.rates, X, X[:, :1], 0)
    torch = networks.torch
    W1, W2 = (torch.zeros_like(W) for W in networks.weights)
    W1[:, :3, :3], W1[:, 3, :3] = torch.eye(3), 10.0  # relu is the identity here
    W2[:, :3, 0] = torch.tensor([1.0, -2.0, 0.5])
    networks.weights = [W1, W2]
    x = np.array([[0.5, -0.3, 0.2]])
    drawn = networks.outputs(x)
    assert drawn.shape == (2, 20_000, 1, 1)
    np.testing.assert_array_equal(drawn, networks.outputs(x))
    w = np.array([1.0, -2.0, 0.5])
    for network, rate in enumerate(setting.rates):
        outputs, keep = drawn[network, :, 0, 0], 1 - rate
        h = x[0] + 10
        first = x[0] ** 2 * rate / keep  # variance of a hidden unit from the dropped inputs
        variance = (w**2 * (first + (first + h**2) * rate / keep)).sum()
        standard_error = np.sqrt(variance / 20_000)
        assert abs(outputs.mean() - w @ h) < 4 * standard_error
        # of a sum of three bounded terms, the kurtosis is below 3
        assert abs(outputs.var() / variance - 1) < 4 * np.sqrt(2 / 20_000)


@needs_torch
def test_networks_that_are_trained_side_by_side_do_not_touch_each_other(
    curve: tuple[np.ndarray, ...],
) -> None:
    """Without dropout all of a stack are the same network, also as one that is alone."""
    X, Y, X_test, _ = curve
    setting = MCDropout(REGRESSION, (0.0,), steps=60, samples=1)
    alone = Networks(setting, (0.0,), X, Y, 4).outputs(X_test)[0]
    together = Networks(setting, (0.0, 0.0, 0.0), X, Y, 4).outputs(X_test)
    # Single precision; and uniform numbers are drawn for the stack as a whole, so that the
    # batches of the stack and of the one alone are not the same.
    np.testing.assert_allclose(together[0], together[1], rtol=1e-4, atol=1e-5)
    assert np.corrcoef(alone.ravel(), together[0].ravel())[0, 1] > 0.9


@needs_torch
def test_dropout_chooses_noise_by_the_held_out_log_likelihood(rng: np.random.Generator) -> None:
    outputs = 0.3 * rng.standard_normal((50, 40, 1))
    Y = 0.7 * rng.standard_normal((40, 1))
    setting = MCDropout(REGRESSION, (0.1,), steps=1)
    score, variance = setting._best_noise(outputs, Y)
    by_hand = [
        (logsumexp(norm(outputs[:, :, 0], np.sqrt(v)).logpdf(Y[:, 0]), axis=0) - np.log(50)).mean()
        for v in setting.noise_variances
    ]
    assert variance == setting.noise_variances[int(np.argmax(by_hand))]
    np.testing.assert_allclose(score, max(by_hand), rtol=1e-10)
    predictive = setting._predictive(outputs, variance)
    assert isinstance(predictive, MixturePredictive)
    assert isinstance(predictive, GaussianPredictive)


@needs_laplace
def test_peers_keep_to_one_thread_and_to_their_seed(curve: tuple[np.ndarray, ...]) -> None:
    from balinp.experiments.methods.torch_tools import peers

    (torch,) = peers("torch")
    X, Y, X_test, _ = curve
    for method in METHODS:
        if not method.peers or method.kind == CLASSIFICATION:
            continue
        method = shortened(method)
        torch.set_num_threads(2)
        state = torch.get_rng_state()
        first, again, other = (method.fit(X, Y, seed)(X_test).mean for seed in (0, 0, 1))
        assert torch.get_num_threads() == 1
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
        assert torch.equal(torch.get_rng_state(), state)
