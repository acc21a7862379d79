"""All layers together: against the dense posterior, and against the exact regression."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cases import (
    Case,
    Deep,
    DeepCase,
    assert_close,
    deep,
    parametrize_deep,
    random_covariance,
    regression,
    vec,
)

from balinp import MLP, dense
from balinp._types import Array
from balinp.data import Data
from balinp.features import Features, features
from balinp.joint_posterior import LARGEST_FACTOR, JointPosterior, evidence_scale

both_forms = pytest.mark.parametrize("form", ["weights", "data"])
gaussian_cases = parametrize_deep(lambda case: not case.categorical)


def precisions(problem: Deep, conjugate: bool = False) -> list[Array]:
    """Prior precision of the outputs of each layer, G in G kron I."""
    rng = np.random.default_rng(4)
    sizes = range(1, len(problem.weights) + 1)
    widths = [W.shape[1] for W in problem.weights]
    if conjugate:
        return [random_covariance(rng, K) * 0.4 * n for n, K in zip(sizes, widths, strict=True)]
    return [0.7 * n * np.eye(K) for n, K in zip(sizes, widths, strict=True)]


def covariance(problem: Deep) -> Array:
    return problem.likelihood.covariance(problem.Y.shape[1])  # type: ignore[attr-defined]


def inputs(X: Array, w: Array | None = None) -> Data:
    """Data of which the targets do not matter."""
    return Data(X, np.full((len(X), 1), np.nan), w)


def complements(posterior: JointPosterior, X: Array) -> Array:
    Y = np.zeros((len(X), 2))
    return np.concatenate([part for _, part, _ in posterior.left_out(Data(X, Y, None))])


def joint(
    problem: Deep,
    conjugate: bool = False,
    X: Array | None = None,
    w: Array | None = None,
    **options: Any,
) -> JointPosterior:
    return JointPosterior.of(
        problem.network,
        problem.weights,
        precisions(problem, conjugate),
        covariance(problem),
        inputs(problem.X if X is None else X, w),
        **options,
    )


def reference(problem: Deep, conjugate: bool = False, X: Array | None = None) -> Any:
    """The same from explicit Jacobians and matrices."""
    pairs = zip(precisions(problem, conjugate), problem.weights, strict=True)
    network = SimpleNamespace(
        weights=problem.weights,
        activation=problem.network.activation,
        bias=problem.network.bias,
        prior_precisions=[np.kron(G, np.eye(len(W))) for G, W in pairs],
        output_curvature=lambda f: np.tile(np.linalg.inv(covariance(problem)), (len(f), 1, 1)),
    )
    return dense.ggn_posterior(network, problem.X if X is None else X)


def flat(changes: list[Array]) -> Array:
    return np.concatenate([vec(change) for change in changes])


# Features ---------------------------------------------------------------------------------------


@pytest.mark.equation("JP-1")
@gaussian_cases
def test_features_are_the_jacobian(case: DeepCase, rng: np.random.Generator) -> None:
    problem = deep(case)
    K = case.widths[-1]
    rows = rng.normal(size=(3, K))
    f, phi = features(problem.network, problem.weights, problem.X, rows)
    J = np.concatenate(problem.jacobians(), axis=2)
    assert_close(f, problem.network.forward(problem.weights, problem.X).outputs[-1])
    matrix = (rows @ J).reshape(len(problem.X) * 3, -1)
    assert_close(phi.matrix(), matrix)
    assert_close(phi.products(phi), matrix @ matrix.T)
    blocks = np.einsum("bcp,bdp->bcd", rows @ J, rows @ J)
    assert_close(phi.squares(), blocks)
    W = [rng.normal(size=shape) for shape in problem.network.shapes]
    assert_close(phi.times(W), matrix @ flat(W))
    values = rng.normal(size=len(matrix))
    assert_close(flat(phi.transposed_times(values)), matrix.T @ values)
    again = Features.joined(
        features(problem.network, problem.weights, part, rows)[1]
        for part in np.split(problem.X, [1, 4])
    )
    assert_close(again.matrix(), matrix)


# The posterior ----------------------------------------------------------------------------------


@pytest.mark.equation("JP-1", "JP-3")
@both_forms
@pytest.mark.parametrize("conjugate", [False, True], ids=["isotropic", "conjugate"])
@gaussian_cases
def test_it_is_the_dense_posterior(
    case: DeepCase, conjugate: bool, form: str, rng: np.random.Generator
) -> None:
    problem = deep(case)
    posterior = joint(problem, conjugate, form=form)
    expected = reference(problem, conjugate)
    X_new = 2 * rng.normal(size=(5, case.widths[0]))
    assert_close(posterior.epistemic(X_new), expected.epistemic(X_new))
    f, E = posterior.outputs(X_new)
    assert_close(f, problem.network.forward(problem.weights, X_new).outputs[-1])
    assert_close(E, expected.epistemic(X_new))
    S = np.linalg.inv(np.linalg.cholesky(covariance(problem))).T
    assert_close(posterior.leverages(X_new), S.T @ expected.epistemic(X_new) @ S)


@pytest.mark.equation("JP-1")
@both_forms
@pytest.mark.parametrize("conjugate", [False, True], ids=["isotropic", "conjugate"])
def test_of_one_layer_it_is_the_exact_regression(conjugate: bool, form: str) -> None:
    problem = regression(Case("one layer", N=12, K=2), "conjugate" if conjugate else "isotropic")
    G = 0.7 * (problem.H if conjugate else np.eye(2))
    layer = problem.layer(prior_precision=0.7, prior_mean=None)
    layer.observe(problem.inputs, problem.T, problem.H, n_data=12)
    posterior = JointPosterior.of(
        MLP([3, 2]), [layer.mean], [G], problem.V, inputs(problem.inputs), form=form
    )
    X_new = np.random.default_rng(1).normal(size=(6, 3))
    expected = layer.posterior.predictive_covariance(layer.design(X_new))
    np.testing.assert_allclose(
        posterior.epistemic(X_new), expected, rtol=0, atol=1e-12 * np.abs(expected).max()
    )


@pytest.mark.equation("JP-1")
@both_forms
def test_weights_of_data_are_repetitions_in_any_order(form: str, rng: np.random.Generator) -> None:
    problem = deep(DeepCase("weights", (3, 4, 2)))
    w = np.array([2.0, 0.0, 1.0, 3.0, 1.0, 1.0])
    X_new = rng.normal(size=(4, 3))
    repeated = rng.permutation(np.repeat(problem.X, w.astype(int), axis=0))
    weighted = joint(problem, form=form, w=w).epistemic(X_new)
    assert_close(weighted, joint(problem, form=form, X=repeated).epistemic(X_new))
    assert_close(weighted, reference(problem, X=repeated).epistemic(X_new))


@pytest.mark.equation("JP-1", "JP-3")
def test_the_smaller_matrix_is_factorised_and_large_data_come_in_pieces(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    problem = deep(DeepCase("pieces", (3, 4, 2)))  # 26 weights, 12 data times outputs
    assert "by data" in repr(joint(problem))
    X = rng.normal(size=(40, 3))
    assert "by weights" in repr(joint(problem, X=X))
    whole = joint(problem, X=X)
    E = whole.epistemic(problem.X)
    expected = complements(whole, X)
    monkeypatch.setattr("balinp.data.PIECE", 7 * 2 * 26)
    assert_close(joint(problem, X=X).epistemic(problem.X), E)
    assert_close(complements(joint(problem, X=X), X), expected)
    assert_close(complements(joint(problem, X=X, form="data"), X), expected)
    assert_close(joint(problem, X=X, form="data").epistemic(problem.X), E)
    before = X.copy()
    joint(problem, X=X)
    np.testing.assert_array_equal(X, before)


def test_one_row_one_weight() -> None:
    posterior = JointPosterior.of(
        MLP([1, 1], bias=False),
        [np.ones((1, 1))],
        [2 * np.eye(1)],
        np.eye(1),
        inputs(np.array([[3.0]])),
    )
    assert posterior.epistemic([[1.0]]).item() == pytest.approx(1 / (2 + 9), rel=1e-14)


def test_what_is_too_large_is_refused() -> None:
    network = MLP([1, 100, 100, 1])
    weights = [np.zeros(shape) for shape in network.shapes]
    G = [np.eye(W.shape[1]) for W in weights]
    X = np.zeros((LARGEST_FACTOR + 1, 1))
    with pytest.raises(ValueError, match=r"covariance: expected at most 8192 .* got 10401 weights"):
        JointPosterior.of(network, weights, G, np.eye(1), inputs(X))
    posterior = JointPosterior.of(network, weights, G, np.eye(1), inputs(X[:3]))
    with pytest.raises(ValueError, match=r"X: expected at most 8192 rows .* got 8193 rows of 1"):
        posterior.between_rows(X)
    with pytest.raises(ValueError, match="X: expected shape"):
        posterior.epistemic(np.zeros((2, 3)))


# Between rows, draws ----------------------------------------------------------------------------


class OneAtATime:
    """In place of random numbers: of all that are asked for, number `chosen` is 1, the rest 0."""

    def __init__(self, chosen: int) -> None:
        self.chosen, self.asked = chosen, 0

    def standard_normal(self, shape: Any) -> Array:
        noise = np.zeros(shape)
        if 0 <= self.chosen - self.asked < noise.size:
            noise.flat[self.chosen - self.asked] = 1.0
        self.asked += noise.size
        return noise


@pytest.mark.equation("JP-2")
@both_forms
@pytest.mark.parametrize("conjugate", [False, True], ids=["isotropic", "conjugate"])
def test_covariance_between_rows(conjugate: bool, form: str, rng: np.random.Generator) -> None:
    problem = deep(DeepCase("between", (3, 4, 2)))
    X_new = rng.normal(size=(5, 3))
    X_new[4] = X_new[0]
    expected = reference(problem, conjugate)
    J = dense.jacobian(expected.network, X_new)
    full = np.einsum("bkp,pq,clq->bkcl", J, expected.covariance, J)
    between = joint(problem, conjugate, form=form).between_rows(X_new)
    assert_close(between, full)
    assert_close(np.einsum("bkbl->bkl", between), expected.epistemic(X_new))
    assert_close(between[0, :, 4], between[0, :, 0])  # equal rows: correlation 1


@pytest.mark.equation("JP-2")
@both_forms
@pytest.mark.parametrize("conjugate", [False, True], ids=["isotropic", "conjugate"])
def test_draws_are_a_root_of_the_covariance_times_noise(conjugate: bool, form: str) -> None:
    problem = deep(DeepCase("draws", (3, 4, 2)))
    posterior = joint(problem, conjugate, form=form)
    numbers = 26 if form == "weights" else 26 + 12
    columns = [flat(posterior.draw(OneAtATime(i))) for i in range(numbers)]  # type: ignore[arg-type]
    R = np.array(columns).T
    assert_close(R @ R.T, reference(problem, conjugate).covariance)


# The prior's scale ------------------------------------------------------------------------------


@pytest.mark.equation("JP-5")
@both_forms
@pytest.mark.parametrize("conjugate", [False, True], ids=["isotropic", "conjugate"])
def test_scale_of_the_prior_maximises_the_evidence(conjugate: bool, form: str) -> None:
    problem = deep(DeepCase("scale", (3, 4, 2), N=30))
    problem = Deep(
        problem.network, problem.likelihood, [3 * W for W in problem.weights], problem.X, problem.Y
    )
    posterior = joint(problem, conjugate, form=form, prior_scale=None)
    theta = flat(problem.weights)
    expected = reference(problem, conjugate)
    Lam0 = np.zeros((26, 26))
    start = 0
    for block in expected.network.prior_precisions:
        end = start + len(block)
        Lam0[start:end, start:end] = block
        start = end
    G = np.linalg.inv(expected.covariance) - Lam0

    def evidence(c: float) -> float:
        log_dets = np.linalg.slogdet(Lam0 / c)[1] - np.linalg.slogdet(Lam0 / c + G)[1]
        return float(0.5 * (log_dets - theta @ Lam0 @ theta / c))

    c = posterior.prior_scale
    assert c > 1.2
    assert evidence(c) > max(evidence(1.001 * c), evidence(0.999 * c))
    X_new = np.random.default_rng(0).normal(size=(4, 3))
    J = dense.jacobian(expected.network, X_new)
    E = J @ np.linalg.inv(Lam0 / c + G) @ np.swapaxes(J, 1, 2)
    assert_close(posterior.epistemic(X_new), E)
    assert_close(np.einsum("bkbl->bkl", posterior.between_rows(X_new)), E)
    numbers = 26 if form == "weights" else 26 + 60
    columns = [flat(posterior.draw(OneAtATime(i))) for i in range(numbers)]  # type: ignore[arg-type]
    assert_close(np.array(columns).T @ np.array(columns), np.linalg.inv(Lam0 / c + G))
    leverages = posterior.leverages(problem.X)
    assert_close(complements(posterior, problem.X), np.eye(2) - leverages)


@pytest.mark.equation("JP-5")
def test_scale_of_the_prior_is_at_least_one() -> None:
    kappa = np.array([1.0, 1.0, 0.0])
    assert evidence_scale(kappa, 4.5) == pytest.approx(3.0, rel=1e-10)
    assert evidence_scale(kappa, 1.0) == 1.0  # q / gamma(1) = 1
    assert evidence_scale(kappa, 0.1) == 1.0
    assert evidence_scale(kappa, 0.0) == 1.0
    assert evidence_scale(np.zeros(3), 1.0) == 1.0
