"""Bad input at every public edge: refused with the argument's name; good input never changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from balinp import MLP, Categorical, Gaussian, MatrixNormal, MatrixNormalLayer
from balinp._types import Array
from balinp.predictive import CategoricalPredictive, GaussianPredictive, MixturePredictive
from balinp.validation import as_choice, as_count, as_covariance, as_matrix, as_one_hot

U, V = np.diag([1.0, 2.0, 3.0]), np.array([[1.0, 0.3], [0.3, 2.0]])
M, X, Y = np.ones((3, 2)), np.arange(12.0).reshape(6, 2), np.ones((6, 2))
ONE_HOT = np.eye(2)[[0, 1, 0, 0, 1, 1]]
DISTRIBUTION = MatrixNormal(M, U, V)
GAUSSIAN = GaussianPredictive(Y, np.tile(V, (6, 1, 1)), V)
MIXTURE = MixturePredictive(np.stack([Y, 2 * Y]), V)
CLASSES = CategoricalPredictive.from_samples(np.stack([Y, 2 * X]))


def layer(**options: Any) -> MatrixNormalLayer:
    return MatrixNormalLayer(2, 2, **options)


def propose(**options: Any) -> object:
    good = {"inputs": X, "pseudo_targets": Y, "output_precision": V, "n_data": 6}
    return layer().propose(**(good | options))


def set_prior_precision(value: Any) -> None:
    layer().prior_precision = value


def accept(**factors: Any) -> None:
    proposed = layer()
    proposed.propose(X, Y, V, n_data=6)
    proposed.accept(**factors)


Edge = tuple[str, Callable[[Any], object]]
"""The names that a message may give, and a call that depends on this argument alone."""

MATRICES: dict[Edge, Array] = {
    # A mean of another shape is one that the covariances do not fit.
    ("mean|column_covariance", lambda a: MatrixNormal(a, U, V)): M,
    ("row_covariance", lambda a: MatrixNormal(M, a, V)): U,
    ("column_covariance", lambda a: MatrixNormal(M, U, a)): V,
    ("W", DISTRIBUTION.logpdf): M,
    ("X", DISTRIBUTION.predictive_covariance): np.ones((4, 3)),
    ("prior_mean", lambda a: layer(prior_mean=a)): M,
    ("initial_mean", lambda a: layer(initial_mean=a)): M,
    ("inputs", lambda a: propose(inputs=a)): X,
    ("pseudo_targets", lambda a: propose(pseudo_targets=a)): Y,
    ("output_precision", lambda a: propose(output_precision=a)): V,
    ("noise_variance", Gaussian): V,
    ("Y", lambda a: Gaussian(V).check_targets(a, 6, 2)): Y,
    ("Y", lambda a: Categorical().check_targets(a, 6, 2)): ONE_HOT,
    ("Y", GAUSSIAN.logpdf): Y,
    ("Y", GAUSSIAN.logpdf_mixture): Y,
    ("Y", MIXTURE.logpdf): Y,
    ("Y", MIXTURE.logpdf_gaussian): Y,
    ("Y", CLASSES.logpdf): ONE_HOT,
}


def with_entry(good: Array, value: float) -> Array:
    bad = good.copy()
    bad[0, 0] = value
    return bad


BAD_MATRICES: dict[str, tuple[type[Exception], Callable[[Array], Any]]] = {
    "NaN": (ValueError, lambda good: with_entry(good, np.nan)),
    "infinite": (ValueError, lambda good: with_entry(good, -np.inf)),
    "empty": (ValueError, lambda good: good[:0]),
    "one more column": (ValueError, lambda good: np.hstack([good, good[:, :1]])),
    "three-dimensional": (ValueError, lambda good: good[None]),
    "ragged": (ValueError, lambda good: [*good[:-1].tolist(), [1.0]]),
    "text": (TypeError, lambda good: good.astype(str)),
    "objects": (TypeError, lambda good: good.astype(object)),
    "none": (TypeError, lambda good: np.full(good.shape, None)),
    "complex": (TypeError, lambda good: good + 0j),
    "masked": (TypeError, lambda good: np.ma.masked_array(good, good == good[0, 0])),
}


def names(edges: dict[Edge, Any]) -> list[str]:
    return [f"{name.split('|')[0]}-{i}" for i, (name, _) in enumerate(edges)]


@pytest.mark.parametrize("kind", BAD_MATRICES)
@pytest.mark.parametrize("edge", MATRICES.items(), ids=names(MATRICES))
def test_bad_matrices_are_refused_by_name(edge: tuple[Edge, Array], kind: str) -> None:
    (name, call), good = edge
    error, spoil = BAD_MATRICES[kind]
    call(good)
    with pytest.raises(error, match=f"^({name}): expected"):
        call(spoil(good))


SQUARE = {
    edge: good
    for edge, good in MATRICES.items()
    if edge[0] in ("row_covariance", "column_covariance", "noise_variance")
}


@pytest.mark.parametrize("edge", SQUARE.items(), ids=names(SQUARE))
def test_covariances_must_be_symmetric_and_positive_definite(edge: tuple[Edge, Array]) -> None:
    (name, call), good = edge
    with pytest.raises(ValueError, match=f"^({name}): expected a positive definite matrix"):
        call(good - 5 * np.eye(len(good)))
    with pytest.raises(ValueError, match=f"^({name}): expected a positive definite matrix"):
        call(np.ones_like(good))  # singular
    with pytest.raises(ValueError, match=f"^({name}): expected a symmetric matrix"):
        call(good + 1e-6 * np.triu(np.ones_like(good), 1))
    call(good + 1e-12 * np.triu(np.ones_like(good), 1))  # rounding


def test_output_precisions_must_be_symmetric_and_positive_semi_definite() -> None:
    with pytest.raises(ValueError, match="^output_precision: expected a symmetric matrix"):
        propose(output_precision=[[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match="^output_precision: expected a positive semi-definite"):
        propose(output_precision=np.diag([1.0, -1e-6]))
    propose(output_precision=np.diag([1.0, 0.0]))


NUMBERS: dict[Edge, tuple[float, list[float]]] = {
    ("prior_precision", lambda v: layer(prior_precision=v)): (0.1, [0.0, -1.0]),
    ("prior_precision", set_prior_precision): (0.1, [0.0, -1.0]),
    ("n_data", lambda v: propose(n_data=v)): (6, [0, -6]),
    ("rate", lambda v: propose(rate=v)): (1.0, [0.0, -0.1, 1.0 + 1e-12]),
    ("step|step, momentum", lambda v: accept(step=v)): (0.5, []),
    ("momentum|step, momentum", lambda v: accept(momentum=v)): (-0.5, []),
    ("level", GAUSSIAN.interval): (0.5, [0.0, 1.0]),
    ("level", MIXTURE.interval): (0.5, [0.0, 1.0]),
    ("level", CLASSES.interval): (0.5, [0.0, 1.0]),
}


OPTIONAL = {"n_data"}
"""Numbers that may be None: a batch then stands for itself."""


@pytest.mark.parametrize("edge", NUMBERS.items(), ids=names(NUMBERS))
def test_bad_numbers_are_refused_by_name(edge: tuple[Edge, tuple[float, list[float]]]) -> None:
    (name, call), (good, outside) = edge
    call(good)
    for bad in [*outside, np.nan, np.inf]:
        with pytest.raises(ValueError, match=f"^({name}): expected"):
            call(bad)
    for bad in ["1", [1.0]] if name in OPTIONAL else ["1", None, [1.0]]:
        with pytest.raises(TypeError, match=f"^({name}): expected"):
            call(bad)


COUNTS: list[Edge] = [
    ("n_in", lambda v: MatrixNormalLayer(v, 1)),
    ("n_out", lambda v: MatrixNormalLayer(1, v)),
    ("widths", lambda v: MLP([2, v, 1])),
    ("size", lambda v: DISTRIBUTION.sample(np.random.default_rng(0), v)),
    ("size", lambda v: GAUSSIAN.sample(np.random.default_rng(0), v)),
    ("size", lambda v: MIXTURE.sample(np.random.default_rng(0), v)),
    ("size", lambda v: CLASSES.sample(np.random.default_rng(0), v)),
]


@pytest.mark.parametrize(("name", "call"), COUNTS, ids=names(dict.fromkeys(COUNTS)))
def test_bad_counts_are_refused_by_name(name: str, call: Callable[[Any], object]) -> None:
    call(np.int64(2))
    with pytest.raises(ValueError, match=f"^({name}): expected"):
        call(-1)
    for bad in [2.0, "2", True]:
        with pytest.raises(TypeError, match=f"^({name}): expected"):
            call(bad)


@pytest.mark.parametrize(
    ("name", "call"),
    [("prior", lambda v: layer(prior=v)), ("activation", lambda v: MLP([2, 1], v))],
)
@pytest.mark.parametrize("bad", ["flat", "", None, 1])
def test_bad_choices_are_refused_by_name(
    name: str, call: Callable[[Any], object], bad: Any
) -> None:
    with pytest.raises(ValueError, match=f"^({name}): expected one of .*, got {bad!r}"):
        call(bad)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, [1.0, 0.0], [], np.ones((1, 1, 1))])
def test_bad_noise_is_refused_by_name(bad: Any) -> None:
    with pytest.raises(ValueError, match="^noise_variance: expected"):
        Gaussian(bad)


@pytest.mark.parametrize("row", [[0, 0], [1, 1], [0.5, 0.5], [2, -1], [-1, 2]])
def test_targets_must_be_one_hot(row: list[float]) -> None:
    bad = ONE_HOT.copy()
    bad[3] = row
    for call in (lambda a: Categorical().check_targets(a, 6), CLASSES.logpdf):
        with pytest.raises(ValueError, match="^Y: expected one-hot rows, got .* in row 3"):
            call(bad)


@pytest.mark.parametrize("bad", [[], [3], 3, None])
def test_a_network_has_at_least_two_widths(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="^widths: expected"):
        MLP(bad)


@pytest.mark.parametrize("bad", [None, np.ones((3, 2))])
def test_what_is_no_distribution_cannot_be_compared(bad: Any) -> None:
    with pytest.raises(TypeError, match="^other: expected"):
        DISTRIBUTION.kl(bad)


# What is accepted -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8, bool])
def test_any_real_numbers_are_accepted(dtype: type) -> None:
    matrix = as_matrix(np.eye(2, dtype=dtype), "X", rows=2, columns=2)
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, np.eye(2))


def test_values_pass_through_unchanged() -> None:
    X = np.random.default_rng(0).normal(size=(4, 3))
    assert as_matrix(X, "X") is X  # no copy of what is right already
    assert as_covariance(V, "V") is V
    assert as_one_hot(ONE_HOT, "Y", rows=6) is ONE_HOT
    assert as_count(np.int32(3), "n") == 3
    assert as_choice("relu", "activation", ("relu", "tanh")) == "relu"


def test_read_only_inputs_are_enough_and_stay_as_they_are() -> None:
    arrays = [a.copy() for a in (M, U, V, X, Y, ONE_HOT)]
    before = [a.copy() for a in arrays]
    for array in arrays:
        array.flags.writeable = False
    mean, rows, columns, inputs, targets, labels = arrays
    q = MatrixNormal(mean, rows, columns)
    q.kl(q.with_mean(2 * mean))
    q.logpdf(mean)
    q.predictive_covariance(np.ones((2, 3)))
    for prior in ("isotropic", "conjugate"):
        regression = layer(prior=prior, prior_mean=mean, initial_mean=mean)
        regression.observe(inputs, targets, columns, n_data=6)
        regression.log_evidence()
        regression.observe(inputs, targets, columns, n_data=12, rate=0.5)
        regression.propose(inputs, targets, columns, n_data=12, precision_is_known=True)
        regression.accept(0.5, momentum=0.5)
    gaussian = Gaussian(columns)
    gaussian.log_density(gaussian.check_targets(targets, 6), inputs)
    Categorical().log_density(Categorical().check_targets(labels, 6), inputs)
    for predictive in (GAUSSIAN, MIXTURE):
        predictive.logpdf(targets)
    CLASSES.logpdf(labels)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
