"""The linearised pass: what the likelihood says when the outputs are uncertain."""

from types import SimpleNamespace

import numpy as np
import pytest

from balinp import BALI, Categorical, Gaussian, dense
from balinp.coordinates import Coordinates
from balinp.data import Data
from balinp.expected import Expected, ExpectedClasses, ExpectedLabels
from balinp.linearised import (
    Linearised,
    LinearisedClasses,
    LinearisedLabels,
    forward_pass,
    output_deviations,
)
from balinp.normals import normals
from balinp.passes import Mean
from balinp.prediction import linearised_outputs
from balinp.softmax import contrasts

pytestmark = pytest.mark.equation("FP-2")


def problem(seed=0, classes=3, rows=20):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, 2))
    return X, np.eye(classes)[rng.integers(classes, size=rows)]


def fitted(X, Y, **arguments):
    model = BALI(hidden=(4,), likelihood="categorical", activation="tanh", **arguments)
    return model.fit(X, Y, epochs=5)


def averages(Y, f, deviations):
    """Datum by datum and draw by draw, from the definition of the softmax."""
    log_p, gradient, curvature = [], [], []
    for y, m, draws in zip(Y, f, np.moveaxis(deviations, 1, 0), strict=True):
        probabilities = [np.exp(m + e) / np.exp(m + e).sum() for e in draws]
        log_p.append(np.mean([np.log(y @ p) for p in probabilities]))
        gradient.append(np.mean([y - p for p in probabilities], axis=0))
        curvature.append(np.mean([np.diag(p) - np.outer(p, p) for p in probabilities], axis=0))
    return np.array(log_p), np.array(gradient), np.array(curvature)


@pytest.mark.parametrize("kind", [Expected, ExpectedClasses])
def test_terms_are_averages_over_the_draws(kind):
    rng = np.random.default_rng(1)
    Y, f = np.eye(3)[rng.integers(3, size=7)], rng.standard_normal((7, 3))
    deviations = 2 * rng.standard_normal((5, 7, 3))
    likelihood = kind(Categorical(), deviations)
    log_p, gradient, curvature = averages(Y, f, deviations)
    rows = likelihood.curvature_rows(f)
    np.testing.assert_allclose(likelihood.log_density(Y, f), log_p, rtol=1e-12)
    np.testing.assert_allclose(likelihood.gradient(Y, f), gradient, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(np.swapaxes(rows, 1, 2) @ rows, curvature, rtol=1e-10, atol=1e-13)
    assert rows.shape == (7, 2 if kind is ExpectedClasses else 3, 3)


@pytest.mark.parametrize("classes", [3, 10])
@pytest.mark.parametrize("kind", [Mean, Linearised, LinearisedClasses, LinearisedLabels])
def test_rows_can_be_passed_over(kind, classes, monkeypatch):
    """The generator is where a trace of these rows leaves it, however many numbers are at once.

    Ten classes of a thousand data are drawn in passes forward, three are not; numbers for 30 rows
    are then drawn anew, those for 7 are of a table.
    """
    monkeypatch.setattr("balinp.linearised.SMALL_PIECE", 100)
    normals((1, 1), np.random.default_rng(0))  # so that the table is made, and of its full size
    monkeypatch.setattr("balinp.normals.TABLE", 4 * 100)
    X, Y = problem(classes=classes, rows=30)
    model = fitted(X, Y)
    data = Data(X, Y, None)
    as_they_are = Coordinates(model.network, model.layers, data)
    for rows in (30, 7):
        now = model._present(data.whole, 1000, as_they_are)
        before = model.rng.bit_generator.state
        kind().trace(now, X[:rows], Y[:rows], None)
        traced = model.rng.bit_generator.state
        model.rng.bit_generator.state = before
        kind().pass_over(now, rows)
        assert model.rng.bit_generator.state == traced
        assert (traced == before) == (kind is Mean)


@pytest.mark.parametrize("kind", [Expected, ExpectedClasses])
def test_gradient_and_curvature_belong_to_the_log_density(kind):
    rng = np.random.default_rng(2)
    Y, f = np.eye(3)[[0, 2]], rng.standard_normal((2, 3))
    likelihood = kind(Categorical(), rng.standard_normal((4, 2, 3)))
    h, rows = 1e-5, likelihood.curvature_rows(f)
    for k, e in enumerate(h * np.eye(3)):
        slope = (likelihood.log_density(Y, f + e) - likelihood.log_density(Y, f - e)) / (2 * h)
        bend = (likelihood.gradient(Y, f + e) - likelihood.gradient(Y, f - e)) / (2 * h)
        # central differences err by h^2 and by rounding / h
        np.testing.assert_allclose(likelihood.gradient(Y, f)[:, k], slope, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(
            (np.swapaxes(rows, 1, 2) @ rows)[:, :, k], -bend, rtol=1e-8, atol=1e-9
        )


def test_draws_have_the_covariance_of_the_linearised_outputs():
    X, Y = problem()
    model = fitted(X, Y)
    network = SimpleNamespace(
        weights=model.weights,
        activation="tanh",
        bias=True,
        prior_precisions=model.prior_precisions,
        output_curvature=model.output_curvature,
    )
    C = np.zeros((0, 0))
    for layer in model.layers:
        block = layer.posterior.covariance()
        C = np.block(
            [
                [C, np.zeros((len(C), len(block)))],
                [np.zeros((len(block), len(C))), block],
            ]
        )
    J = contrasts(3) @ dense.jacobian(network, X)
    expected = J @ C @ J.transpose(0, 2, 1)
    draws = 20_000
    _, covariance = linearised_outputs(model.network, model.layers, X, combinations=contrasts(3))
    e = output_deviations(covariance, draws, np.random.default_rng(0))
    np.testing.assert_allclose(e.mean(axis=0), 0, atol=1e-12 * np.abs(e).max())
    measured = np.einsum("sbi,sbj->bij", e, e) / draws
    variances = np.diagonal(expected, axis1=1, axis2=2)
    # the draws come in mirrored pairs, so only half of them count
    errors = np.sqrt((expected**2 + variances[:, :, None] * variances[:, None, :]) * 2 / draws)
    assert np.abs((measured - expected) / errors).max() < 5


def test_gaussian_likelihood_makes_it_the_mean_pass():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((30, 2))
    Y = np.sin(X[:, :1]) + 0.1 * rng.standard_normal((30, 1))
    means, linearised = (
        BALI(hidden=(5,), forward=forward).fit(X, Y, epochs=10)
        for forward in ("mean", "linearised")
    )
    for a, b in zip(means.weights, linearised.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    f, e = rng.standard_normal((4, 2)), rng.standard_normal((6, 4, 2))
    e = np.concatenate([e, -e])
    likelihood = Gaussian(np.array([[2.0, 0.5], [0.5, 1.0]]))
    Y = rng.standard_normal((4, 2))
    average = Expected(likelihood, e)
    np.testing.assert_allclose(average.gradient(Y, f), likelihood.gradient(Y, f), rtol=1e-11)
    rows, own = average.curvature_rows(f), likelihood.curvature_rows(f)
    np.testing.assert_allclose(
        np.swapaxes(rows, 1, 2) @ rows, np.swapaxes(own, 1, 2) @ own, rtol=1e-11
    )


def test_the_default_for_classes_uses_it_from_the_second_step():
    X, Y = problem()
    default, mean = (BALI(hidden=(4,), likelihood="categorical", forward=f) for f in (None, "mean"))
    for step, same in enumerate([True, False]):
        records = [model.step(X, Y) for model in (default, mean)]
        assert (records[0].log_joint == records[1].log_joint) == same, step
    assert default.forward == "linearised"


def test_training_ends_where_the_expected_gradient_balances_the_prior():
    """One softmax layer: the linearised network is the network, and this is Gaussian VI."""
    X, _ = problem(rows=60)
    Y = np.eye(3)[np.argmax(X @ [[1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], axis=1)]
    model = BALI(hidden=(), likelihood="categorical", prior_precision=0.1, rate=0.02)
    model.fit(X, Y, epochs=600)
    layer = model.layers[0]
    _, covariance = linearised_outputs(model.network, model.layers, X, combinations=contrasts(3))
    e = output_deviations(covariance, 20_000, np.random.default_rng(1))
    average = Expected(Categorical(), e)
    f = layer.design(X) @ layer.mean
    left = layer.posterior.solve(layer.design(X).T @ average.gradient(Y, f) - 0.1 * layer.mean)
    # the last step's 138 draws of each datum are not those of this check
    np.testing.assert_allclose(left, 0, atol=0.03)
    at_the_mean = layer.design(X).T @ Categorical().gradient(Y, f) - 0.1 * layer.mean
    assert np.abs(layer.posterior.solve(at_the_mean)).max() > 0.07


@pytest.mark.equation("BP-5")
def test_drawn_labels_have_the_expected_curvature():
    rng = np.random.default_rng(8)
    L, K = 60_000, 4
    f, e = rng.standard_normal((2, K)), rng.standard_normal((3, 2, K))
    exact = ExpectedClasses(Categorical(), e).curvature_rows(f)
    rows = ExpectedLabels(Categorical(), e, rng.random((L, 2))).curvature_rows(f)
    assert rows.shape == (2, L, K)
    expected, drawn = (np.swapaxes(r, 1, 2) @ r for r in (exact, rows))
    # entries are means of L products of numbers below 1
    np.testing.assert_allclose(drawn, expected, atol=5 / np.sqrt(L))
    few = ExpectedLabels(Categorical(), e, rng.random((2, 2)))
    np.testing.assert_array_equal(few.curvature_rows(f), few.curvature_rows(f))
    p = np.exp(f + e[:2]) / np.exp(f + e[:2]).sum(axis=2, keepdims=True)
    labels = np.sqrt(2) * np.swapaxes(few.curvature_rows(f), 0, 1) + p
    np.testing.assert_allclose(np.sort(labels, axis=2)[:, :, -1], 1.0, rtol=1e-12)


@pytest.mark.equation("BP-5")
def test_a_label_is_the_class_at_which_cumulated_probabilities_pass_the_draw():
    """Exactly, class by class, with the draws of the outputs taking turns."""
    p = np.array([[0.5, 0.125, 0.375], [0.25, 0.5, 0.25]])  # of two deviations
    expected = ExpectedLabels(
        Categorical(),
        np.log(p)[:, None, :],
        np.array([[0.0], [0.0], [0.499], [0.249], [0.501], [0.251], [0.624], [0.749], [0.626]]),
    )
    rows = expected.curvature_rows(np.zeros((1, 3)))
    labels = np.sqrt(9) * rows[0] + p[np.arange(9) % 2]
    chosen = [0, 0, 0, 0, 1, 1, 1, 1, 2]
    np.testing.assert_allclose(labels, np.eye(3)[chosen], rtol=0, atol=1e-12)


@pytest.mark.equation("BP-5")
@pytest.mark.parametrize("K", [2, 6, 50])
def test_labels_are_as_frequent_as_they_are_probable(K, rng):
    L = 40_000
    f, e = 2 * rng.standard_normal((1, K)), rng.standard_normal((1, 1, K))
    p = np.exp(f + e)[0, 0] / np.exp(f + e).sum()
    rows = ExpectedLabels(Categorical(), e, rng.random((L, 1))).curvature_rows(f)[0]
    labels = np.sqrt(L) * rows + p
    np.testing.assert_allclose(labels.sum(axis=1), 1.0, rtol=1e-12)
    frequencies = labels.mean(axis=0)
    assert np.abs((frequencies - p) / np.sqrt(p * (1 - p) / L)).max() < 4


def test_probabilities_that_do_not_quite_add_up_give_a_label():
    """The last class takes what rounding leaves."""
    K, highest = 50, np.nextafter(1.0, 0.0)
    e, f = np.zeros((1, 1, K)), np.zeros((1, K))
    rows = ExpectedLabels(Categorical(), e, np.array([[highest]])).curvature_rows(f)
    assert rows[0, 0].argmax() == K - 1


@pytest.mark.equation("BP-5")
def test_labels_are_drawn_for_many_classes(monkeypatch):
    asked = []

    def recorded(original):
        def rows(self, f):
            asked.append(type(self) is ExpectedLabels)
            return original(self, f)

        return rows

    for kind in (Expected, ExpectedClasses, ExpectedLabels):
        monkeypatch.setattr(kind, "curvature_rows", recorded(kind.curvature_rows))
    rng = np.random.default_rng(0)
    for K, batch_size, drawn in ((6, 40, True), (6, None, True), (5, 40, False), (5, None, False)):
        asked.clear()
        steps = []

        def look(model, steps=steps):
            steps += asked
            asked.clear()

        X, Y = rng.standard_normal((80, 3)), np.eye(K)[np.arange(80) % K]
        BALI((4,), "categorical").fit(X, Y, epochs=2, batch_size=batch_size, callback=look)
        assert steps
        assert all(answer == drawn for answer in steps)
        assert not any(asked)  # what is reported after training


@pytest.mark.equation("BP-5")
def test_many_classes_are_learnt_with_drawn_labels():
    rng = np.random.default_rng(1)
    centres = 3 * rng.standard_normal((20, 6))
    labels = rng.integers(0, 20, 1500)
    X, Y = (centres[labels] + rng.standard_normal((1500, 6))) / 3, np.eye(20)[labels]
    model = BALI((30,), "categorical").fit(X[:1000], Y[:1000], epochs=10, batch_size=100)
    p = model.predict(X[1000:]).probabilities
    assert -np.log((p * Y[1000:]).sum(axis=1)).mean() < 0.7


def test_the_pass_of_a_step_is_a_mean_pass_where_that_is_enough():
    class Own(Categorical):
        """Classes, to whoever asks; another class that only has their methods is none."""

    class Other:
        def known_precision(self, K):
            return None

    cases = [
        (("mean", Categorical(), 3, 2), Mean),
        (("linearised", Gaussian(1.0), 3, 2), Mean),
        (("linearised", Categorical(), 3, 1), Mean),
        (("linearised", Categorical(), 20, 1), Mean),
        (("linearised", Categorical(), 3, 2), LinearisedClasses),
        (("linearised", Own(), 3, 2), LinearisedClasses),
        (("linearised", Categorical(), 5, 2), LinearisedClasses),
        (("linearised", Categorical(), 6, 2), LinearisedLabels),
        (("linearised", Other(), 20, 2), Linearised),
    ]
    for arguments, kind in cases:
        assert type(forward_pass(*arguments)) is kind, arguments
    exact = forward_pass("linearised", Categorical(), 6, 2, draws_labels=False)
    assert type(exact) is LinearisedClasses
    assert [kind.has_bound for kind in (Mean, Linearised, LinearisedLabels)] == [False, True, True]
