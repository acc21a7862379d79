"""Where balinp and the packages beside it answer alike, and where one would guess so in vain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg, stats
from sklearn.calibration import calibration_curve
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.preprocessing import StandardScaler

from balinp import BALI, BALIRegressor
from balinp._types import Array
from balinp.metrics.calibration import reliability
from balinp.predictive import GaussianPredictive
from balinp.standardise import Scale

KERNEL = ConstantKernel(1.0, "fixed") * RBF(1.0, "fixed")


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[Array, Array]:
    X = rng.standard_normal((40, 2))
    return X, X @ [1.0, 2.0] + 0.3 * rng.standard_normal(40)


def linear() -> BALIRegressor:
    return BALIRegressor(hidden=(), epochs=30, random_state=0)


def ridge() -> BayesianRidge:
    return BayesianRidge(tol=1e-10, max_iter=5000)


def test_weights_of_a_regressor_are_counts(data: tuple[Array, Array]) -> None:
    """Shares are a single row in all: the noise is not learnt, and the slope is the prior's."""
    X, y = data
    shares = linear().fit(X, y, sample_weight=np.full(40, 1 / 40))
    ones = linear().fit(X, y)
    assert np.ptp(shares.predict(X)) < 0.1 * np.ptp(ones.predict(X))
    (_, wide), (_, narrow) = (model.predict(X, return_std=True) for model in (shares, ones))
    assert (wide > 5 * narrow).all()


def test_bayesian_ridge_depends_on_the_unit_of_the_target(data: tuple[Array, Array]) -> None:
    X, y = data
    unit = 1e-4
    stds = [ridge().fit(X, y * u).predict(X, return_std=True)[1] / u for u in (1.0, unit)]
    assert (stds[1] > 5 * stds[0]).all()
    ours = [linear().fit(X, y * u).predict(X, return_std=True)[1] / u for u in (1.0, unit)]
    np.testing.assert_allclose(*ours, rtol=1e-9)


def test_alpha_of_a_gaussian_process_is_in_standardised_units(data: tuple[Array, Array]) -> None:
    X, y = data[0], 100 * data[1] + 1000
    options = {"optimizer": None, "normalize_y": True}
    std = GaussianProcessRegressor(KERNEL, alpha=0.1, **options).fit(X, y)
    scaled = ConstantKernel(y.var(), "fixed") * RBF(1.0, "fixed")
    raw = GaussianProcessRegressor(scaled, alpha=0.1 * y.var(), optimizer=None).fit(X, y - y.mean())
    np.testing.assert_allclose(std.predict(X), raw.predict(X) + y.mean(), rtol=1e-9)
    np.testing.assert_allclose(
        std.predict(X, return_std=True)[1], raw.predict(X, return_std=True)[1], rtol=1e-9
    )


def test_the_std_of_a_gaussian_process_leaves_alpha_out(data: tuple[Array, Array]) -> None:
    X, y = data
    given = GaussianProcessRegressor(KERNEL, alpha=0.1, optimizer=None).fit(X, y)
    white = GaussianProcessRegressor(KERNEL + WhiteKernel(0.1, "fixed"), optimizer=None).fit(X, y)
    of_function, of_datum = (m.predict(X, return_std=True)[1] for m in (given, white))
    np.testing.assert_allclose(of_datum**2, of_function**2 + 0.1, rtol=1e-6)
    ours = BALIRegressor(hidden=(3,), epochs=5, noise_variance=0.1, random_state=0).fit(X, y)
    assert (ours.predict(X, return_std=True)[1] ** 2 > 0.1).all()


def test_evidence_is_that_of_the_targets_in_their_units(data: tuple[Array, Array]) -> None:
    X, y = data
    one, thousand = (
        BALIRegressor(hidden=(5,), epochs=5, random_state=0).fit(X, unit * y).log_evidence_
        for unit in (1, 1000)
    )
    assert thousand - one == pytest.approx(-40 * np.log(1000), rel=1e-9)


def test_standard_deviations_are_those_of_the_standard_scaler(data: tuple[Array, Array]) -> None:
    np.testing.assert_allclose(
        Scale.of(data[0]).std, StandardScaler().fit(data[0]).scale_, rtol=1e-12
    )


def test_covariances_are_of_outputs_here_and_of_rows_there(data: tuple[Array, Array]) -> None:
    X, y = data
    ours = BALIRegressor(hidden=(3,), epochs=5, random_state=0).fit(X, np.stack([y, -y], 1))
    theirs = GaussianProcessRegressor(KERNEL, alpha=0.1).fit(X, y)
    assert ours.predict(X[:5], return_cov=True)[1].shape == (5, 2, 2)
    assert theirs.predict(X[:5], return_cov=True)[1].shape == (5, 5)


def test_rows_are_drawn_apart_and_functions_together(data: tuple[Array, Array]) -> None:
    """Where most of the variance is the weights', which draws of one function would share."""
    X, y = data[0][:8], data[1][:8]
    model = BALIRegressor(hidden=(), noise_variance=0.09, random_state=0).fit(X, y)
    same = np.full((2, 2), [20.0, -20.0])
    epistemic, total = (
        getattr(model.predict_distribution(same), name)[0, 0, 0]
        for name in ("epistemic", "covariance")
    )
    assert epistemic > 0.9 * total
    rows, functions = model.sample_y(same, 2000), model.sample_functions(same, 20)
    assert abs(np.corrcoef(rows)[0, 1]) < 4 / np.sqrt(2000)
    np.testing.assert_allclose(functions[0], functions[1], rtol=1e-12)


@pytest.mark.parametrize(("activation", "growth"), [("tanh", 1.0), ("relu", 1e3)])
def test_uncertainty_far_out_is_bounded_for_tanh_alone(
    data: tuple[Array, Array], activation: str, growth: float
) -> None:
    X, y = data
    model = BALI((10,), activation=activation).fit(X, y[:, None], epochs=50)
    far, farther = (model.predict(np.full((1, 2), x)).epistemic[0, 0, 0] for x in (1e3, 1e6))
    assert farther**0.5 / far**0.5 == pytest.approx(growth, rel=1e-2)


def test_bins_are_those_of_the_calibration_curve() -> None:
    confidence, correct = np.array([0.5, 0.75, 1.0, 0.25, 0.2]), np.array([1.0, 0, 1, 0, 1])
    ours = reliability(confidence, correct, 4)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=4)
    np.testing.assert_allclose(ours.accuracy, accuracy, rtol=1e-14)
    np.testing.assert_allclose(ours.confidence, mean, rtol=1e-14)


def test_scipys_covariance_wants_the_lower_factor() -> None:
    C = np.array([[4.0, 1.9], [1.9, 1.0]])
    y = np.array([[0.3, -0.2]])
    ours = GaussianPredictive(np.zeros((1, 2)), C[None] - 0.1 * np.eye(2), 0.1 * np.eye(2))
    lower, upper = (
        stats.multivariate_normal.logpdf(y[0], cov=stats.Covariance.from_cholesky(root))
        for root in (np.linalg.cholesky(ours.covariance[0]), linalg.cholesky(ours.covariance[0]))
    )
    assert ours.logpdf(y)[0] == pytest.approx(lower, rel=1e-10)
    assert abs(upper - lower) > 0.3
