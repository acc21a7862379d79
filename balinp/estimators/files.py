"""Estimators on disk: one .npz file of plain arrays, as for `balinp.persistence`, without pickle.

The file holds a header (which estimator, its parameters, features and scalars), the units, the
class labels, and for every member the arrays of its model.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from balinp._types import Array
from balinp.persistence import decoded, encoded, packed, readable, unpacked, write
from balinp.standardise import Scale

if TYPE_CHECKING:
    from balinp.estimators.base import BALIEstimator

Estimator = TypeVar("Estimator", bound="BALIEstimator")

FORMAT = "balinp estimator"
VERSION = 1
SCALARS = ("n_features_in_", "feature_names_in_", "log_evidence_", "_data_seen", "_one_output")


def save(estimator: BALIEstimator, path: str | os.PathLike[str]) -> None:
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
            for name in SCALARS
            if hasattr(estimator, name)
        },
        "members": len(estimator.members_),
    }
    arrays = {"header": encoded(header, FORMAT, VERSION)}
    for name, scale in (("input", estimator._input_scale), ("target", estimator._target_scale)):
        arrays |= {f"{name}_scale_mean": scale.mean, f"{name}_scale_std": scale.std}
    if hasattr(estimator, "classes_"):
        arrays["classes"] = _labels(estimator.classes_)
    for index, member in enumerate(estimator.members_):
        arrays |= {f"member{index}_{name}": array for name, array in packed(member).items()}
    write(arrays, Path(path))


def load(kind: type[Estimator], path: str | os.PathLike[str]) -> Estimator:
    """Read an estimator that `save` has written; its predictions are the same to the last bit.

    Raises
    ------
    ValueError
        If the file is not one of this kind, format and version, or is not complete.
    """
    with readable(path) as arrays:
        header = decoded(arrays["header"], FORMAT, VERSION)
        if header["kind"] != kind.__name__:
            raise ValueError(f"expected a {kind.__name__}, got a {header['kind']}")
        estimator = kind()
        parameters = {k: _parameter(v) for k, v in header["parameters"].items()}
        if parameters.keys() != estimator.get_params(deep=False).keys():
            raise ValueError(f"expected the parameters of {kind.__name__}, got {[*parameters]}")
        estimator.set_params(**parameters)
        for name, value in header["fitted"].items():
            if name not in SCALARS:
                raise ValueError(f"expected one of {', '.join(SCALARS)}, got {name}")
            array = np.array(value, dtype=object) if name == "feature_names_in_" else value
            setattr(estimator, name, array)
        estimator.members_ = [
            unpacked(_member(arrays, f"member{index}_")) for index in range(header["members"])
        ]
        n_in, n_out = _one_size(estimator)
        estimator._input_scale = _scale(arrays, "input", n_in)
        estimator._target_scale = _scale(arrays, "target", n_out)
        if "classes" in arrays:
            if arrays["classes"].shape != (n_out,):
                raise ValueError(f"classes: expected {n_out}, got {arrays['classes']!r}")
            estimator.classes_ = arrays["classes"]
        return estimator


def _one_size(estimator: BALIEstimator) -> tuple[int, int]:
    """Numbers of inputs and outputs, the same for all members and for the estimator."""
    sizes = {(m.network.widths[0], m.network.widths[-1]) for m in estimator.members_}
    if len(sizes) != 1 or {n_in for n_in, _ in sizes} != {estimator.n_features_in_}:
        raise ValueError(f"expected members of {estimator.n_features_in_} inputs, got {sizes}")
    return sizes.pop()


def _member(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _scale(arrays: dict[str, Array], name: str, columns: int) -> Scale:
    mean, std = arrays[f"{name}_scale_mean"], arrays[f"{name}_scale_std"]
    for array in (mean, std):
        if array.shape != (columns,) or array.dtype != np.float64 or not np.isfinite(array).all():
            raise ValueError(f"{name}: expected {columns} finite float64 numbers")
    return Scale(mean, std)


def _plain(value: Any, name: str) -> Any:
    """The value as JSON has it; arrays and their scalars as lists and numbers."""
    plain = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    try:
        json.dumps(plain)
    except TypeError:
        raise TypeError(
            f"{name}: expected numbers, text, sequences of them or None to save, got {value!r}"
        ) from None
    return plain


def _parameter(value: Any) -> Any:
    """A parameter from JSON: sequences are tuples, as in the estimators' defaults."""
    return tuple(_parameter(item) for item in value) if isinstance(value, list) else value


def _labels(classes: Any) -> Any:
    """Class labels as an array that needs no pickle."""
    if classes.dtype.kind == "O":
        if not all(isinstance(label, str) for label in classes):
            raise ValueError(f"classes: expected numbers or text to save, got {classes!r}")
        return classes.astype(str)
    return classes
