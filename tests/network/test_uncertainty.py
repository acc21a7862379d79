"""What predictions are made with after `fit`: when, of what data, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import assert_close
from scipy.stats import multivariate_t

from balinp import BALI, MatrixNormal, dense
from balinp._types import Array
from balinp.data import Data
from balinp.joint_posterior import JointPosterior
from balinp.leave_one_out import fitted_tails, leave_one_out
from balinp.predictive import GaussianPredictive, StudentMixture, StudentPredictive
from balinp.uncertainty import DOUBTS


def data(rng: np.random.Generator, N: int = 60, K: int = 1) -> tuple[Array, Array]:
    X = rng.uniform(-2, 2, (N, 2))
    f = np.stack([np.sin(X[:, 0] + k * X[:, 1]) for k in range(K)], axis=1)
    return X, f + 0.1 * rng.standard_t(4, (N, K))


def trained(X: Array, Y: Any = None, **options: Any) -> BALI:
    epochs = options.pop("epochs", 15)
    return BALI(**({"hidden": (5,)} | options)).fit(X, Y, epochs=epochs)


@pytest.mark.equation("JP-1", "JP-5")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize("N", [12, 60], ids=["by data", "by weights"])
def test_joint_prediction_is_the_dense_one(prior: str, N: int, rng: np.random.Generator) -> None:
    X, Y = data(rng, N, 2)
    given = trained(X, Y, covariance="joint", prior=prior, prior_precision=2.0)
    joint = given.uncertainty.joint
    assert joint is not None
    assert joint.prior_scale == 1.0
    X_new = rng.normal(size=(7, 2))
    reference = dense.ggn_posterior(given, X)
    p = given.predict(X_new)
    np.testing.assert_allclose(p.epistemic, reference.epistemic(X_new), rtol=1e-8)
    J = dense.jacobian(given, X_new)
    full = np.einsum("bkp,pq,clq->bkcl", J, reference.covariance, J)
    assert_close(given.between_rows(X_new), full)
    layerwise = trained(X, Y, prior=prior, prior_precision=2.0)
    np.testing.assert_array_equal(p.mean, layerwise.predict(X_new).mean)  # training is the same
    np.testing.assert_array_equal(p.aleatoric, layerwise.predict(X_new).aleatoric)
    learnt = trained(X, Y, covariance="joint", prior=prior)
    assert learnt.uncertainty.joint is not None
    if prior == "isotropic":  # the conjugate one's lam falls far below what its own count asks for
        assert learnt.uncertainty.joint.prior_scale > 1.0


@pytest.mark.equation("JP-1")
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
@pytest.mark.parametrize("learnt", [True, False])
def test_of_one_layer_joint_and_layerwise_are_the_exact_regression(
    prior: str, learnt: bool, rng: np.random.Generator
) -> None:
    X, Y = data(rng, 30, 2)
    options: dict[str, Any] = {"hidden": (), "prior": prior, "epochs": 50}
    if not learnt:
        options |= {"prior_precision": 2.0, "noise_variance": np.array([[0.3, 0.1], [0.1, 0.2]])}
    X_new = rng.normal(size=(7, 2))
    layerwise = trained(X, Y, **options).predict(X_new)
    for covariance in ("joint", "auto"):
        model = trained(X, Y, covariance=covariance, **options)
        np.testing.assert_array_equal(model.predict(X_new).epistemic, layerwise.epistemic)
        assert f"covariance='{covariance}' (layerwise)" in repr(model)
    if not learnt:  # a learnt noise has moved on since the layer's regression was solved
        G = [layer.state.prior_output_precision for layer in model.layers]
        V = options["noise_variance"]
        posterior = JointPosterior.of(model.network, model.weights, G, V, Data(X, Y, None))
        scale = np.abs(layerwise.epistemic).max()
        np.testing.assert_allclose(
            posterior.epistemic(X_new), layerwise.epistemic, rtol=0, atol=1e-12 * scale
        )


@pytest.mark.equation("MN-8")
@pytest.mark.parametrize("likelihood", ["gaussian", "categorical"])
def test_layers_of_a_network_report_the_nearest_matrix_normal(
    likelihood: str, rng: np.random.Generator
) -> None:
    X, Y = data(rng, 60, 3)
    Y = np.eye(3)[Y.argmax(axis=1)] if likelihood == "categorical" else Y
    model = trained(X, Y, likelihood=likelihood, hidden=(5, 4))
    for layer in model.layers:
        assert isinstance(layer.posterior, MatrixNormal)
        assert layer.exact_posterior is layer.state.posterior
        assert not layer.exact_posterior.is_matrix_normal
        B = layer.exact_posterior.precisions / layer.posterior.precisions
        np.testing.assert_allclose(B.sum(axis=1), B.shape[1], rtol=1e-12)
        np.testing.assert_allclose(B.sum(axis=0), B.shape[0], rtol=1e-12)
    single = trained(X, Y, likelihood=likelihood, hidden=())
    assert single.layers[0].posterior is single.layers[0].exact_posterior


# The prior's scale ------------------------------------------------------------------------------


@pytest.mark.equation("JP-6")
@pytest.mark.parametrize("N", [12, 60], ids=["by data", "by weights"])
def test_a_learnt_scale_of_the_prior_is_in_doubt(N: int, rng: np.random.Generator) -> None:
    X, Y = data(rng, N, 2)
    options: dict[str, Any] = {"covariance": "joint", "noise": "student"}
    model, X_new = trained(X, Y, **options), rng.normal(size=(7, 2))
    p, found = model.predict(X_new), model.uncertainty
    J, J_new = dense.jacobian(model, X), dense.jacobian(model, X_new)  # type: ignore[arg-type]
    inverse = np.linalg.inv(model.likelihood.covariance(2))
    precision = np.einsum("nkp,kl,nlq->pq", J, inverse, J)
    prior = np.concatenate([np.diag(matrix) for matrix in model.prior_precisions])
    assert found.joint is not None
    parts = []
    for factor, posterior in zip((1.0, *DOUBTS), (found.joint, *found.others), strict=True):
        assert posterior.prior_scale == pytest.approx(factor * found.joint.prior_scale)
        covariance = np.linalg.inv(precision + np.diag(prior / posterior.prior_scale))
        parts.append(np.einsum("bkp,pq,clq->bkcl", J_new, covariance, J_new))
    between = np.mean(parts, axis=0)
    assert_close(model.between_rows(X_new), between, rtol=1e-8)
    assert_close(p.epistemic, np.einsum("bkbl->bkl", between), rtol=1e-8)
    assert found.tails is not None
    V = found.tails.noise_factor * model.likelihood.covariance(2)
    scale = (found.tails.freedom - 2) / found.tails.freedom  # of a covariance
    densities = [
        [
            multivariate_t(m, scale * (part[b, :, b] + V), found.tails.freedom).pdf(m + 1)
            for b, m in enumerate(p.mean)
        ]
        for part in parts
    ]
    assert_close(p.logpdf(p.mean + 1), np.log(np.mean(densities, axis=0)), rtol=1e-8)
    flat = model.sample_functions(X_new, np.random.default_rng(0), 4000).reshape(4000, 14)
    squares = (flat - p.mean.ravel()) ** 2
    error = squares.std(axis=0) / np.sqrt(4000)
    assert np.abs((squares.mean(axis=0) - np.diag(between.reshape(14, 14))) / error).max() < 4
    for literal in ({"prior_precision": 2.0}, {"noise": "gaussian"}, {"covariance": "layerwise"}):
        assert not trained(X, Y, **(options | literal)).uncertainty.others


# Tails ------------------------------------------------------------------------------------------


@pytest.mark.equation("JP-4")
@pytest.mark.parametrize("covariance", ["layerwise", "joint"])
def test_tails_are_those_of_the_data_left_out(covariance: str, rng: np.random.Generator) -> None:
    X, Y = data(rng)
    model = trained(X, Y, covariance=covariance, noise="student")
    gaussian = trained(X, Y, covariance=covariance)
    p, q = model.predict(X[:5]), gaussian.predict(X[:5])
    assert type(p) is (StudentMixture if covariance == "joint" else StudentPredictive)
    assert type(q) is GaussianPredictive
    joint = trained(X, Y, covariance="joint").uncertainty.joint
    assert joint is not None
    tails = fitted_tails(leave_one_out(joint, Data(X, Y, None)))
    assert model.uncertainty.tails == tails
    assert tails is not None
    parts = getattr(p, "members", [p])
    assert [part.freedom for part in parts] == [tails.freedom] * len(parts)
    np.testing.assert_array_equal(parts[0].mean, q.mean)
    np.testing.assert_array_equal(parts[0].epistemic, q.epistemic)
    for part in parts:
        np.testing.assert_array_equal(part.aleatoric, tails.noise_factor * q.aleatoric)


@pytest.mark.parametrize(
    "options",
    [{"covariance": "joint"}, {"noise": "student"}, {"covariance": "auto", "noise": "student"}],
)
def test_weights_of_data_are_repetitions(options: Any, rng: np.random.Generator) -> None:
    X, Y = data(rng, 20)
    w = rng.integers(0, 4, 20).astype(float)
    repeated = np.repeat(np.arange(20), w.astype(int))
    weighted = BALI((5,), **options).fit(X, Y, epochs=5, sample_weight=w).predict(X)
    apart = BALI((5,), **options).fit(X[repeated], Y[repeated], epochs=5).predict(X)
    assert_close(weighted.mean, apart.mean)
    assert_close(weighted.covariance, apart.covariance, rtol=1e-8)  # two searches for the tails
    np.testing.assert_allclose(weighted.logpdf(Y), apart.logpdf(Y), rtol=1e-7)


# When -------------------------------------------------------------------------------------------


def test_a_step_forgets_and_a_fit_without_epochs_finds_again(rng: np.random.Generator) -> None:
    X, Y = data(rng)
    model = trained(X, Y, covariance="auto", noise="student")
    assert "covariance='auto' (joint), noise='student'" in repr(model)
    model.step(X, Y)
    assert "covariance='auto' (layerwise), noise='student' (gaussian)" in repr(model)
    assert type(model.predict(X)) is GaussianPredictive
    assert not model.uncertainty.others
    model.fit(X, Y, epochs=0)
    assert isinstance(model.predict(X), StudentMixture)
    assert "noise='student' (gaussian)" in repr(BALI(noise="student"))


@pytest.mark.equation("EV-4", "JP-4")
def test_a_conjugate_prior_of_a_network_is_as_it_was_learnt(rng: np.random.Generator) -> None:
    """Joint, and with tails from that, it is far wider than the spread of the targets."""
    X = rng.normal(size=(120, 5))
    Y = X[:, :1] - X[:, 1:2] + rng.normal(size=(120, 1))
    options: dict[str, Any] = {"hidden": (20,), "prior": "conjugate", "noise": "student"}
    model = trained(X[:80], Y[:80], covariance="auto", epochs=100, **options)
    assert "covariance='auto' (layerwise), noise='student' (gaussian)" in repr(model)
    layerwise = trained(X[:80], Y[:80], epochs=100, **(options | {"noise": "gaussian"}))
    p, q = model.predict(X[80:]), layerwise.predict(X[80:])
    assert type(p) is GaussianPredictive
    np.testing.assert_array_equal(p.covariance, q.covariance)
    asked = trained(X[:80], Y[:80], covariance="joint", epochs=100, **options)
    assert "covariance='joint', noise='student' (gaussian)" in repr(asked)
    assert asked.uncertainty.joint is not None
    assert p.logpdf(Y[80:]).mean() > asked.predict(X[80:]).logpdf(Y[80:]).mean()
    single = trained(X, Y, covariance="auto", **(options | {"hidden": ()}))
    assert single.uncertainty.tails is not None


def test_streams_are_gone_through_once_more_unless_they_end(rng: np.random.Generator) -> None:
    X, Y = data(rng)
    batches = [(X[i : i + 20], Y[i : i + 20]) for i in range(0, 60, 20)]
    options: Any = {"covariance": "auto", "noise": "student", "epochs": 1}
    model = trained(batches, **options)  # type: ignore[arg-type]
    again = BALI((5,), covariance="joint", noise="student").fit(batches, epochs=1)
    assert isinstance(model.predict(X), StudentMixture)
    np.testing.assert_array_equal(model.predict(X).covariance, again.predict(X).covariance)
    ended = BALI((5,), covariance="auto", noise="student").fit(iter(batches), epochs=1, n_data=60)
    assert type(ended.predict(X)) is GaussianPredictive
    with pytest.raises(ValueError, match="covariance: expected .* X is an iterator"):
        BALI((5,), covariance="joint").fit(iter(batches), epochs=1, n_data=60)


def test_arrays_on_disk_are_read_in_pieces(
    rng: np.random.Generator, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = data(rng)
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    options: Any = {"covariance": "joint", "noise": "student"}
    monkeypatch.setattr("balinp.leverages.MOST_ROWS", 0)  # so few data are one piece otherwise
    whole = trained(np.array(stored, dtype=np.float64), Y, **options).predict(X)
    monkeypatch.setattr("balinp.data.PIECE", 7 * 21)
    monkeypatch.setattr("balinp.joint_posterior.SMALL_PIECE", 3 * 21)
    p = trained(stored, Y, **options).predict(X)
    assert_close(p.covariance, whole.covariance, rtol=1e-6)  # 15 steps of other roundings


# What is refused, and what is not ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance": "full"}, "covariance: expected one of layerwise, joint, auto, got 'full'"),
        ({"noise": "laplace"}, "noise: expected one of gaussian, student, got 'laplace'"),
        ({"covariance": None}, "covariance: expected one of"),
        (
            {"covariance": "joint", "likelihood": "categorical"},
            "covariance: expected 'layerwise' or 'auto' with a likelihood that is not Gaussian",
        ),
        (
            {"noise": "student", "likelihood": "categorical"},
            "noise: expected 'gaussian' with a likelihood that is not Gaussian, got 'student'",
        ),
    ],
)
def test_unknown_names_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BALI(**options)


def test_what_is_too_large(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = data(rng)
    monkeypatch.setattr("balinp.uncertainty.LARGEST_AUTO", 20)  # there are 21 weights
    auto = trained(X, Y, covariance="auto", noise="student")
    assert type(auto.predict(X)) is GaussianPredictive
    asked = trained(X, Y, covariance="joint", noise="student")
    assert isinstance(asked.predict(X), StudentMixture)
    monkeypatch.setattr("balinp.uncertainty.LARGEST_FACTOR", 20)
    with pytest.raises(ValueError, match="covariance: expected .* more than 20 weights.* for 21"):
        trained(X, Y, covariance="joint")


def test_functions_need_a_fit(rng: np.random.Generator) -> None:
    for call in (
        lambda: BALI().sample_functions([[1.0]], rng),
        lambda: BALI().between_rows([[1.0]]),
    ):
        with pytest.raises(ValueError, match="expected a call of fit"):
            call()
    X, Y = data(rng)
    model = trained(X, Y)
    with pytest.raises(ValueError, match="size: expected an integer of at least 1, got 0"):
        model.sample_functions(X, rng, 0)
    with pytest.raises(ValueError, match="X: expected at most 8192 rows"):
        model.between_rows(np.zeros((8193, 2)))


@pytest.mark.parametrize("N", [1, 2, 4, 5])
def test_few_data_work_and_have_gaussian_noise(N: int, rng: np.random.Generator) -> None:
    X, Y = data(rng, N)
    model = trained(X, Y, covariance="joint", noise="student")
    assert ("noise='student' (gaussian)" in repr(model)) == (N < 5)
    assert np.isfinite(model.predict(X).logpdf(Y)).all()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_targets_and_one_weight_work(value: float, rng: np.random.Generator) -> None:
    X = rng.normal(size=(20, 1))
    Y = np.full((20, 1), value)
    for options in ({"hidden": (5,)}, {"hidden": (), "bias": False}, {"hidden": (1,)}):
        model = trained(X, Y, covariance="joint", noise="student", **options)
        p = model.predict(X)
        assert np.isfinite(p.logpdf(Y)).all()
        assert (p.std > 0).all()


def test_a_given_noise_is_taken_literally(rng: np.random.Generator) -> None:
    X, Y = data(rng)
    model = trained(X, Y, noise_variance=0.04, noise="student")
    assert "noise='student' (gaussian)" in repr(model)
    np.testing.assert_array_equal(model.predict(X).aleatoric, np.full((60, 1, 1), 0.04))


@pytest.mark.equation("PR-6")
@pytest.mark.parametrize("covariance", ["layerwise", "joint"])
def test_functions_have_the_prediction_as_marginals(
    covariance: str, rng: np.random.Generator
) -> None:
    X, Y = data(rng, 40, 2)
    model = trained(X, Y, covariance=covariance)
    between = model.between_rows(X)
    p = model.predict(X)
    assert_close(np.einsum("bkbl->bkl", between), p.epistemic)
    f = model.sample_functions(np.concatenate([X, X]), np.random.default_rng(0), 5)
    assert_close(f[:, :40], f[:, 40:])
    assert f.shape == (5, 80, 2)
    assert model.sample_functions(X, np.random.default_rng(0)).shape == (40, 2)
