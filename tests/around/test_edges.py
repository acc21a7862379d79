"""Every public call with every kind of array: the plain float64 result, or a named refusal.

What is accepted gives the same as the same numbers in an ordinary array, and stays as it was.
What is not raises TypeError or ValueError that names the argument. A warning is an error here.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from balinp import BALI, BALIClassifier, BALIRegressor, MatrixNormalLayer, dense
from balinp._types import Array
from balinp.learnt_noise import learnt_noise

# Whole numbers, so that every type holds them exactly.
X = np.array([[1, -1, 2], [0, 3, -2], [-4, 1, 1], [2, 2, -1], [-1, -3, 0], [3, 0, 4.0]])
Y = np.array([[1, 0], [2, -3], [-1, 1], [0, 4], [-2, 2], [3, -1.0]])
LABELS = np.array([0, 1, 1, 0, 1, 0])
ONE_HOT = np.eye(2)[LABELS]
V, M0, C0 = np.diag([1.0, 2.0]), np.zeros((3, 2)), np.eye(6)
W = np.array([1.0, 2.0, 0.0, 1.0, 3.0, 1.0])

# The calls ----------------------------------------------------------------------------------------


def network(likelihood: str = "gaussian") -> BALI:
    return BALI((2,), likelihood, prior_precision=1.0)


TRAINED = network().fit(X, Y, epochs=2)


def stepped(**changes: Any) -> Array:
    model = network()
    model.step(**({"X": X, "Y": Y} | changes))
    return model.weights[0]


def observed(**changes: Any) -> Array:
    layer = MatrixNormalLayer(3, 2)
    good = {"inputs": X, "pseudo_targets": Y, "output_precision": V, "n_data": 6}
    layer.observe(**(good | changes))
    return layer.posterior.covariance() + layer.mean.sum()


def proposed(**changes: Any) -> Array:
    good = {"inputs": X, "pseudo_targets": Y, "output_precision": V, "n_data": 6}
    return MatrixNormalLayer(3, 2, prior="conjugate").propose(**(good | changes)).change


def exact(**changes: Any) -> Array:
    good = {"X": X, "T": Y, "noise_covariance": V, "prior_mean": M0, "prior_covariance": C0}
    return dense.posterior(**(good | changes))[0]


Edge = tuple[str, Callable[[Any], Any], Array]
"""The name in the message, a call of this argument, and what it is as a rule."""

MATRICES: dict[str, Edge] = {
    "fit, X": ("X", lambda a: network().fit(a, Y, epochs=2).weights[0], X),
    "fit, Y": ("Y", lambda a: network().fit(X, a, epochs=2).weights[0], Y),
    "fit, classes": (
        "Y",
        lambda a: network("categorical").fit(X, a, epochs=2).predict(X).probabilities,
        ONE_HOT,
    ),
    "step, X": ("X", lambda a: stepped(X=a), X),
    "step, Y": ("Y", lambda a: stepped(Y=a), Y),
    "trace, X": ("X", lambda a: TRAINED.trace(a, Y).gradients[0], X),
    "log_evidence, Y": ("Y", lambda a: TRAINED.log_evidence(X, a), Y),
    "predict, X": ("X", lambda a: TRAINED.predict(a).covariance, X),
    "predict by samples, X": ("X", lambda a: TRAINED.predict(a, samples=3).mean, X),
    "observe, inputs": ("inputs", lambda a: observed(inputs=a), X),
    "observe, pseudo_targets": ("pseudo_targets", lambda a: observed(pseudo_targets=a), Y),
    "observe, output_precision": ("output_precision", lambda a: observed(output_precision=a), V),
    "propose, inputs": ("inputs", lambda a: proposed(inputs=a), X),
    "dense.posterior, X": ("X", lambda a: exact(X=a), X),
    "dense.posterior, T": ("T", lambda a: exact(T=a), Y),
    "dense.posterior, V": ("noise_covariance", lambda a: exact(noise_covariance=a), V),
    "dense.posterior, C0": ("prior_covariance", lambda a: exact(prior_covariance=a), C0),
    "dense.log_evidence, X": ("X", lambda a: dense.log_evidence(a, Y, V, M0, C0), X),
    "dense.predictive, X": ("X_new", lambda a: dense.predictive(a, M0, C0, V)[1], X),
}
WEIGHTS: dict[str, Edge] = {
    "fit": (
        "sample_weight",
        lambda a: network().fit(X, Y, epochs=2, sample_weight=a).weights[0],
        W,
    ),
    "step": ("sample_weight", lambda a: stepped(sample_weight=a), W),
    "observe": ("sample_weight", lambda a: observed(n_data=8, sample_weight=a), W),
    "dense.posterior": ("weights", lambda a: exact(weights=a), W),
}
ESTIMATORS: dict[str, Edge] = {
    "regressor, X": ("X", lambda a: regressor().fit(a, Y).predict(X), X),
    "regressor, y": ("y", lambda a: regressor().fit(X, a).predict(X), Y),
    "regressor, weights": (
        "sample_weight",
        lambda a: regressor().fit(X, Y, sample_weight=a).predict(X),
        W,
    ),
    "classifier, X": ("X", lambda a: classifier().fit(a, LABELS).predict_proba(X), X),
    "classifier, y": ("y", lambda a: classifier().fit(X, a).predict_proba(X), LABELS),
}


def regressor() -> BALIRegressor:
    return BALIRegressor((2,), epochs=2, random_state=0)


def classifier() -> BALIClassifier:
    return BALIClassifier((2,), epochs=2, random_state=0)


def every(*groups: dict[str, Edge]) -> Any:
    edges = {name: edge for group in groups for name, edge in group.items()}
    return pytest.mark.parametrize("edge", edges.values(), ids=edges)


# What is accepted ---------------------------------------------------------------------------------


def read_only(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


def doubled(a: Array) -> Array:
    """Every other entry along each axis of an array twice as large."""
    large = np.full([2 * n for n in a.shape], 99.0, dtype=a.dtype)
    view = large[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


class Tagged(np.ndarray):
    """A subclass that adds nothing."""


ACCEPTED: dict[str, Callable[[Array], Any]] = {
    "int": lambda a: a.astype(int),
    "uint8": lambda a: np.abs(a).astype(np.uint8),
    "bool": lambda a: a > 0,
    "float16": lambda a: a.astype(np.float16),
    "float32": lambda a: a.astype(np.float32),
    "longdouble": lambda a: a.astype(np.longdouble),
    "other byte order": lambda a: a.astype(">f8"),
    "list": lambda a: a.tolist(),
    "Fortran order": np.asfortranarray,
    "negative strides": lambda a: a[::-1].copy()[::-1],
    "a view with gaps": doubled,
    "broadcast": lambda a: np.broadcast_to(a, (3, *a.shape))[1],
    "read-only": read_only,
    "subclass": lambda a: a.copy().view(Tagged),
    "pandas": lambda a: pd.DataFrame(a) if a.ndim == 2 else pd.Series(a),
}


@pytest.mark.parametrize("kind", ACCEPTED)
@every(MATRICES, WEIGHTS, ESTIMATORS)
def test_the_result_is_that_of_plain_numbers_and_inputs_stay(edge: Edge, kind: str) -> None:
    _, call, good = edge
    given = ACCEPTED[kind](good)
    before, plain = copy.deepcopy(given), np.array(given, dtype=float)
    np.testing.assert_allclose(call(given), call(plain), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(given), np.asarray(before))


# What is refused ----------------------------------------------------------------------------------


def with_first(value: float) -> Callable[[Array], Array]:
    def spoilt(a: Array) -> Array:
        bad = a.astype(float)
        bad.flat[0] = value
        return bad

    return spoilt


Errors = type[Exception] | tuple[type[Exception], ...]
REFUSED: dict[str, tuple[Errors, Callable[[Array], Any]]] = {
    "object": (TypeError, lambda a: a.astype(object)),
    "text": (TypeError, lambda a: a.astype(str)),
    "bytes": (TypeError, lambda a: a.astype("S8")),
    "complex": (TypeError, lambda a: a + 0j),
    "dates": (TypeError, lambda a: a.astype(int).astype("M8[s]")),
    "durations": (TypeError, lambda a: a.astype(int).astype("m8[s]")),
    "masked": (TypeError, lambda a: np.ma.masked_array(a, a > 0)),
    "sparse": (TypeError, lambda a: sparse.csr_matrix(np.atleast_2d(a))),
    "nullable pandas": ((TypeError, ValueError), lambda a: pd.DataFrame(a).convert_dtypes()),
    "a dictionary": (TypeError, lambda a: dict(enumerate(a))),
    "a generator": (TypeError, lambda a: (row for row in a)),
    "one string": (TypeError, lambda a: "abc"),
    "integers beyond floats": (TypeError, lambda a: [10**400] * len(a)),
    "ragged": (ValueError, lambda a: [[1.0], *[[1.0, 2.0]] * (len(a) - 1)]),
    "NaN": (ValueError, with_first(np.nan)),
    "infinite": (ValueError, with_first(np.inf)),
    "a float beyond float64": (ValueError, lambda a: np.full(a.shape, np.longdouble("1e4000"))),
    "0-D": (ValueError, lambda a: a.flat[0]),
    "3-D": (ValueError, lambda a: a.reshape(1, 1, -1)),
    "no columns": (ValueError, lambda a: a.reshape(len(a), -1)[:, :0]),
}


@pytest.mark.parametrize("kind", REFUSED)
@every(MATRICES, WEIGHTS)
def test_what_is_no_such_array_is_refused_by_name(edge: Edge, kind: str) -> None:
    name, call, good = edge
    error, spoil = REFUSED[kind]
    with pytest.raises(error, match=rf"^{name}(:| must)"):
        call(spoil(good))


@every({name: edge for name, edge in (MATRICES | WEIGHTS).items() if "predict" not in name})
def test_another_number_of_rows_is_refused_by_name(edge: Edge) -> None:
    name, call, good = edge
    partner = {"X": "Y|T", "inputs": "pseudo_targets"}.get(name, name)  # either may be named
    for bad in (good[:-1], np.concatenate([good, good])):
        with pytest.raises(ValueError, match=rf"^({name}|{partner})(:| must)"):
            call(bad)


@pytest.mark.parametrize("kind", ["complex", "sparse", "ragged", "NaN", "infinite", "0-D", "3-D"])
@every(ESTIMATORS)
def test_estimators_refuse_what_scikit_learn_refuses(edge: Edge, kind: str) -> None:
    """Its own checks may not name `y`. Sparse inputs are taken, and sparse labels of several."""
    name, call, good = edge
    spoilt = REFUSED[kind][1](good)
    if name == "X" and kind == "sparse":
        call(spoilt)
        return
    with pytest.raises((TypeError, ValueError)):
        call(spoilt)


KINDS = ["text", "bytes", "dates", "durations", "masked"]


def text_among(a: Array) -> Any:
    """Objects that are numbers but for one number as text, in the last place."""
    objects = a.astype(object)
    objects.flat[-1] = "1.5"
    return objects


TEXT: dict[str, Callable[[Array], Any]] = {kind: REFUSED[kind][1] for kind in KINDS} | {
    "lists of text": lambda a: a.astype(str).tolist(),
    "text among objects": text_among,
    "text among numbers": lambda a: text_among(a).tolist(),
    "text in a column": lambda a: pd.DataFrame(text_among(a)),
}


@pytest.mark.parametrize("kind", TEXT)
@every({name: ESTIMATORS[name] for name in ("regressor, X", "regressor, y", "classifier, X")})
def test_estimators_refuse_text_dates_and_masks(edge: Edge, kind: str) -> None:
    name, call, good = edge
    with pytest.raises(TypeError, match=f"^{name}: expected"):
        call(TEXT[kind](good))


@pytest.mark.parametrize("kind", TEXT)
@pytest.mark.parametrize("model", [regressor().fit(X, Y), classifier().fit(X, LABELS)])
def test_fitted_estimators_refuse_text_dates_and_masks(model: Any, kind: str) -> None:
    with pytest.raises(TypeError, match="^X: expected"):
        model.predict(TEXT[kind](X))
    targets = LABELS if isinstance(model, BALIClassifier) else Y
    with pytest.raises(TypeError, match="^X: expected"):
        model.partial_fit(TEXT[kind](X), targets)


def test_labels_may_be_text_but_not_masked() -> None:
    named = np.array(["no", "yes"])[LABELS]
    plain = classifier().fit(X, LABELS).predict_proba(X)
    for labels in (named, named.tolist(), named.astype(object), pd.Series(named)):
        np.testing.assert_array_equal(classifier().fit(X, labels).predict_proba(X), plain)
    for masked in (np.ma.masked_array(LABELS, LABELS > 0), np.ma.masked_array(named, LABELS > 0)):
        for call in (classifier().fit, classifier().fit(X, LABELS).partial_fit):
            with pytest.raises(TypeError, match="^y: expected an ordinary array"):
                call(X, masked)


# Size ---------------------------------------------------------------------------------------------

STANDARDISED = {
    name: ESTIMATORS[name] for name in ("regressor, X", "regressor, y", "classifier, X")
}
SIZED = STANDARDISED | {
    name: edge
    for name, edge in MATRICES.items()
    if edge[0] in ("X", "Y", "inputs")
    and not name.startswith("dense")  # which shares no code, checks included
    and name != "fit, classes"  # refused as no one-hot rows
}


@pytest.mark.parametrize("value", [2e150, -1e160, 1e308])
@every(SIZED)
def test_numbers_whose_squares_overflow_are_refused_by_name(edge: Edge, value: float) -> None:
    name, call, good = edge
    found = re.escape(f"{abs(value):g}")
    message = f"^{name}: expected numbers from -1e.* to 1e.*{found}(, the first in .*)?$"
    with pytest.raises(ValueError, match=message):
        call(with_first(value)(good))


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-9, 1e9, 1e30, 1e60, 1e100])
@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("hidden", [(), (2,)])
def test_sizes_that_work(scale: float, batch_size: int | None, hidden: tuple[int, ...]) -> None:
    """No warning, and finite predictions, for inputs, targets or both of the size."""
    for X_size, Y_size in ((scale, 1.0), (1.0, scale), (scale, scale)):
        inputs, targets = X_size * X / 4, Y_size * Y / 4
        model = BALI(hidden, activation="tanh").fit(
            inputs, targets, epochs=3, batch_size=batch_size
        )
        predictive = model.predict(inputs)
        assert np.isfinite(predictive.mean).all()
        assert np.isfinite(predictive.covariance).all()
        assert np.isfinite(model.log_evidence(inputs, targets))
    classes = BALI(hidden, "categorical").fit(
        scale * X / 4, ONE_HOT, epochs=3, batch_size=batch_size
    )
    assert np.isfinite(classes.predict(scale * X / 4).probabilities).all()


@pytest.mark.parametrize("scale", [1e9, 1e45, 1e65, 1e90, 1e120, 1e145])
@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("hidden", [(3,), (3, 3, 3, 3)])
@pytest.mark.parametrize("prior", ["isotropic", "conjugate"])
def test_networks_that_multiply_their_layers_train_or_name_the_data(
    scale: float, batch_size: int | None, hidden: tuple[int, ...], prior: str
) -> None:
    """Relu networks, with one output or two; NumPy warns of what overflows as it always does."""
    for X_size, Y_size in ((scale, 1.0), (1.0, scale), (scale, scale)):
        inputs, targets = X_size * X / 4, Y_size * Y[:, : 1 + (X_size > 1)] / 4
        for noise_variance in (None, 1.0):
            model = BALI(hidden, activation="relu", prior=prior, noise_variance=noise_variance)
            with np.errstate(over="ignore", invalid="ignore"):
                try:
                    model.fit(inputs, targets, epochs=5, batch_size=batch_size)
                    results = model.predict(inputs).covariance, model.log_evidence(inputs, targets)
                except ValueError as error:
                    assert str(error).startswith("X, Y: expected numbers"), error  # noqa: PT017
                    continue
            assert np.isfinite(model.weights[0]).all()
            assert all(np.isfinite(result).all() for result in results)


def test_outputs_in_proportion_have_a_noise_that_is_regular() -> None:
    """At the start; and in a trained network, whose errors have become so."""
    outputs_alike = network().fit(X, 1e9 * Y[:, [0, 0]], epochs=1)
    assert np.isfinite(outputs_alike.predict(X).covariance).all()
    model = BALI((3, 3), activation="relu", seed=1).fit(1e12 * X, Y, epochs=30)
    assert np.isfinite(model.predict(X).covariance).all()


def test_a_noise_that_is_singular_to_rounding_names_the_data() -> None:
    with pytest.raises(ValueError, match="^X, Y: expected .* noise .* standardised"):
        learnt_noise(np.ones((2, 2)))


@pytest.mark.parametrize("scale", [1e-140, 1e-9, 1e9, 1e90])
def test_estimators_work_in_any_unit(scale: float) -> None:
    plain, scaled = regressor().fit(X, Y).predict(X), regressor().fit(scale * X, scale * Y)
    np.testing.assert_allclose(scaled.predict(scale * X), scale * plain, rtol=1e-3)


@every(STANDARDISED)
def test_spreads_whose_squares_vanish_are_refused_by_name(edge: Edge) -> None:
    name, call, good = edge
    for scale in (1e-151, 1e-170, 1e-300):
        expected = f"^{name}: expected columns that are constant or have a standard deviation"
        with pytest.raises(ValueError, match=expected):
            call(scale * good)
    call(0 * good)


# Numbers, counts, flags and choices ---------------------------------------------------------------

COUNTS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "epochs": (lambda v: network().fit(X, Y, epochs=v), 0),
    "batch_size": (lambda v: network().fit(X, Y, epochs=1, batch_size=v), 1),
    "seed": (lambda v: BALI(seed=v), 0),
    "hidden": (lambda v: BALI((3, v)), 1),
    "samples": (lambda v: TRAINED.predict(X, samples=v), 1),
    "n_in": (lambda v: MatrixNormalLayer(v, 2), 1),
    "n_out": (lambda v: MatrixNormalLayer(3, v), 1),
}
NUMBERS: dict[str, Callable[[Any], Any]] = {
    "n_data": lambda v: stepped(n_data=v),
    "n_data ": lambda v: observed(n_data=v),
    "rate": lambda v: stepped(rate=v),
    "rate ": lambda v: observed(rate=v),
    "rate  ": lambda v: BALI(rate=v),
    "tolerance": lambda v: network().fit(X, Y, epochs=1, tolerance=v),
    "prior_precision": lambda v: BALI(prior_precision=v),
    "prior_precision ": lambda v: MatrixNormalLayer(3, 2, prior_precision=v),
}
NO_NUMBERS = [True, np.True_, "1", b"1", 1j, [1], np.ones(1), np.ones(()), {}, object()]


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    call, least = COUNTS[name]
    for good in (least, np.int8(least), np.uint64(least + 1)):
        call(good)
    for bad in [*NO_NUMBERS, 1.0, np.float64(2), np.nan]:
        with pytest.raises(TypeError, match=f"^{name}: expected"):
            call(bad)
    for bad in (least - 1, np.int64(-3), -(10**30)):
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            call(bad)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    call = NUMBERS[name]
    for good in (1, 0.5, np.float32(0.5), np.int8(1), np.longdouble(0.5)):
        call(good)
    for bad in NO_NUMBERS:
        with pytest.raises(TypeError, match=f"^{name.strip()}: expected"):
            call(bad)
    beyond = [10**400, -(10**400), np.longdouble("1e4000")]
    for bad in [0, -1, np.nan, np.inf, -np.inf, *beyond]:
        with pytest.raises(ValueError, match=f"^{name.strip()}: expected"):
            call(bad)


@pytest.mark.parametrize("name", ["activation", "forward", "prior", "likelihood"])
def test_choices(name: str) -> None:
    for bad in ("", "Relu", b"relu", 0, False, ["relu"], np.array(["relu", "tanh"]), {}):
        with pytest.raises((TypeError, ValueError), match=f"^{name}: expected"):
            BALI(**{name: bad})


@pytest.mark.parametrize("make", [BALI, lambda bias: MatrixNormalLayer(3, 2, bias=bias)])
def test_flags(make: Callable[..., Any]) -> None:
    assert make(bias=np.False_).bias is False
    for bad in ("False", 0, 1, None, [], np.array([True, False])):
        with pytest.raises(TypeError, match="^bias: expected True or False"):
            make(bias=bad)


def test_weights_are_at_least_zero_and_not_all_zero() -> None:
    for name, call, good in WEIGHTS.values():
        for bad in (-good, *([0 * good] if name == "sample_weight" else [])):
            with pytest.raises(ValueError, match=rf"^{name}(:| must)"):
                call(bad)
