"""Estimators on disk: one .npz file of plain arrays, as for `balinp.persistence`.

The file holds a header (which estimator, its parameters, features and scalars), the units, the
class labels, and for every member the arrays of its model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from balinp._types import Array
from balinp.archive import decoded, encoded, only, readable, write
from balinp.bali import BALI
from balinp.estimators.rows import Rows
from balinp.persistence import packed, unpacked
from balinp.standardise import Scale
from balinp.validation import as_count, as_finite, as_flag, as_positive, as_stored


class Fitted(Protocol):
    """What is asked of an estimator here; `BALIEstimator` has it all."""

    members_: list[BALI]
    n_features_in_: int
    feature_names_in_: Any
    classes_: Any
    log_evidence_: float
    n_iter_: int
    _data_seen: float
    _first_rows: Rows | None
    _one_output: bool
    _is_multilabel: bool
    _input_scale: Scale
    _target_scale: Scale

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the constructor."""

    def set_params(self, **parameters: Any) -> Any:
        """Set parameters of the constructor."""


Estimator = TypeVar("Estimator", bound=Fitted)

FORMAT = "balinp estimator"
VERSION = 3
HEADER = ("kind", "parameters", "fitted", "members")
FITTED = ("n_features_in_", "_data_seen", "_one_output", "_is_multilabel")
SOMETIMES = ("feature_names_in_", "log_evidence_", "n_iter_")
PAIRS = "pairs"
SCALES = ("input_scale_mean", "input_scale_std", "target_scale_mean", "target_scale_std")
COMMON = "input_scale_common"
FIRST = ("first_X", "first_Y", "first_w")


class Stored:
    """An estimator that can be written to a file, and read from it."""

    def save(self: Fitted, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to an .npz file, without pickle; see `load`.

        Examples
        --------
        >>> import tempfile
        >>> from balinp import BALIRegressor
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> model = BALIRegressor(hidden=(), random_state=0).fit(x, x[:, 0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.npz")
        ...     same = BALIRegressor.load(f"{folder}/model.npz")
        >>> same.predict([[0.5]]).round(2)
        array([0.5])
        """
        check_is_fitted(self, "members_")
        save(self, path)

    @classmethod
    def load(cls: type[Estimator], path: str | os.PathLike[str]) -> Estimator:
        """Read an estimator that `save` has written; it predicts the same to the last bit.

        Examples
        --------
        >>> import tempfile
        >>> from balinp import BALIRegressor
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> model = BALIRegressor(hidden=(), random_state=0).fit(x, x[:, 0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.npz")
        ...     same = BALIRegressor.load(f"{folder}/model.npz")
        >>> bool((same.predict(x) == model.predict(x)).all())
        True
        """
        return load(cls, path)


def save(estimator: Fitted, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to `path`. The history of its training is not stored.

    Raises
    ------
    TypeError
        If a parameter has no plain form, such as a RandomState; an integer seed has one.
    ValueError
        If class labels are neither numbers nor text.
    """
    header = {
        "kind": type(estimator).__name__,
        "parameters": {k: _plain(v, k) for k, v in estimator.get_params(deep=False).items()},
        "fitted": {
            name: _plain(getattr(estimator, name), name)
            for name in (*FITTED, *SOMETIMES)
            if hasattr(estimator, name)
        },
        "members": len(estimator.members_),
    }
    arrays = {"header": encoded(header, FORMAT, VERSION)}
    for name, scale in (("input", estimator._input_scale), ("target", estimator._target_scale)):
        arrays |= {f"{name}_scale_mean": scale.mean, f"{name}_scale_std": scale.std}
    arrays[COMMON] = np.array(estimator._input_scale.common)
    if estimator._first_rows is not None:
        arrays |= dict(zip(FIRST, estimator._first_rows, strict=True))
    if hasattr(estimator, "classes_"):
        arrays["classes"] = _labels(estimator.classes_)
    for index, member in enumerate(estimator.members_):
        arrays |= {f"member{index}_{name}": array for name, array in packed(member).items()}
    write(arrays, path)


def load(kind: type[Estimator], path: str | os.PathLike[str]) -> Estimator:
    """Read an estimator that `save` has written; its predictions are the same to the last bit.

    Raises
    ------
    ValueError
        If the file is not one of this kind, format and version, or is not complete.
    """
    with readable(path) as arrays:
        header = decoded(arrays["header"], FORMAT, VERSION, HEADER)
        if header["kind"] != kind.__name__:
            raise ValueError(f"expected a {kind.__name__}, got a {header['kind']}")
        estimator = kind()
        parameters = {k: _parameter(v) for k, v in header["parameters"].items()}
        only(parameters, estimator.get_params(deep=False), "parameters")
        estimator.set_params(**parameters)
        members = [
            _split(arrays, f"member{i}_") for i in range(as_count(header["members"], "members"))
        ]
        estimator.members_ = [unpacked(member, BALI) for member, _ in members]
        classes = ("classes",) if is_classifier(estimator) else ()
        names = [name for _, prefixed in members for name in prefixed]
        first = FIRST if FIRST[0] in arrays else ()
        only(arrays, ["header", *SCALES, COMMON, *classes, *first, *names], "arrays")
        _set_fitted(estimator, header["fitted"])
        n_in, n_out = _one_size(estimator)
        common = arrays[COMMON]
        if common.shape != () or common.dtype != np.bool_:
            raise ValueError(f"{COMMON}: expected True or False, got {common!r}")
        estimator._input_scale = replace(_scale(arrays, "input", n_in), common=bool(common))
        estimator._target_scale = _scale(arrays, "target", n_out)
        estimator._first_rows = _first_rows(arrays, n_in, n_out) if first else None
        if classes:
            labels = arrays["classes"]
            if labels.shape != (n_out,) or not np.array_equal(np.unique(labels), labels):
                raise ValueError(f"classes: expected {n_out} in increasing order, got {labels!r}")
            estimator.classes_ = labels
        return estimator


def _set_fitted(estimator: Fitted, fitted: dict[str, Any]) -> None:
    """Set what fitting has left beside the members, after a look at each."""
    own = "_is_multilabel" if is_classifier(estimator) else "_one_output"
    only(fitted, {"n_features_in_", "_data_seen", own} | (fitted.keys() & {*SOMETIMES}), "fitted")
    estimator.n_features_in_ = as_count(fitted["n_features_in_"], "n_features_in_")
    estimator._data_seen = as_positive(fitted["_data_seen"], "_data_seen")
    setattr(estimator, own, as_flag(fitted[own], own))
    if "n_iter_" in fitted:
        estimator.n_iter_ = as_count(fitted["n_iter_"], "n_iter_", minimum=0)
    if "log_evidence_" in fitted:
        estimator.log_evidence_ = as_finite(fitted["log_evidence_"], "log_evidence_")
    if "feature_names_in_" in fitted:
        names = fitted["feature_names_in_"]
        if len(names) != estimator.n_features_in_ or not all(isinstance(n, str) for n in names):
            raise ValueError(f"feature_names_in_: expected {estimator.n_features_in_}, got {names}")
        estimator.feature_names_in_ = np.array(names, dtype=object)


def _one_size(estimator: Fitted) -> tuple[int, int]:
    """Numbers of inputs and outputs, the same for all members and for the estimator."""
    sizes = {(m.network.widths[0], m.network.widths[-1]) for m in estimator.members_}
    if len(sizes) != 1 or {n_in for n_in, _ in sizes} != {estimator.n_features_in_}:
        raise ValueError(f"expected members of {estimator.n_features_in_} inputs, got {sizes}")
    return sizes.pop()


def _split(arrays: dict[str, Array], prefix: str) -> tuple[dict[str, Array], list[str]]:
    """The arrays of a member by their own names, and their names in the file."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays[name] for name in names}, names


def _scale(arrays: dict[str, Array], name: str, columns: int) -> Scale:
    parts = (f"{name}_scale_mean", f"{name}_scale_std")
    mean, std = (as_stored(arrays[part], part, (columns,)) for part in parts)
    if not (std >= 0).all():
        raise ValueError(f"{name}: expected standard deviations of at least 0")
    return Scale(mean, std)


def _first_rows(arrays: dict[str, Array], n_in: int, n_out: int) -> Rows:
    """Rows of a stream that has only begun."""
    rows = arrays[FIRST[0]].shape[:1]
    shapes = (*rows, n_in), (*rows, n_out), rows
    X, Y, w = (as_stored(arrays[n], n, shape) for n, shape in zip(FIRST, shapes, strict=True))
    return X, Y, w


def _plain(value: Any, name: str) -> Any:
    """The value as JSON has it; arrays and their scalars as lists and numbers, weights as pairs."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, range):
        plain = list(plain)
    if isinstance(value, Mapping):  # JSON would turn its keys into text
        plain = {PAIRS: [[_plain(part, name) for part in pair] for pair in value.items()]}
    try:
        json.dumps(plain)
    except TypeError:
        raise TypeError(
            f"{name}: expected numbers, text, sequences of them or None to save, got {value!r}"
        ) from None
    return plain


def _parameter(value: Any) -> Any:
    """A parameter from JSON: sequences are tuples, as in the estimators' defaults."""
    if isinstance(value, dict):
        return dict(value[PAIRS])
    return tuple(_parameter(item) for item in value) if isinstance(value, list) else value


def _labels(classes: Any) -> Any:
    """Class labels as an array that needs no pickle."""
    if classes.dtype.kind == "O":
        if not all(isinstance(label, str) for label in classes):
            raise ValueError(f"classes: expected numbers or text to save, got {classes!r}")
        return classes.astype(str)
    return classes
