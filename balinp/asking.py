"""What pictures, scores and tests are given: a predictive distribution, or a model to ask for it.

A model is a `BALI`, a fitted estimator, or a pipeline that ends in one. Targets are then those that
it was trained on: vectors and frames as well as matrices, labels as well as one-hot rows.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.model import Model
from balinp.validation import as_array, as_matrix, as_one_hot, column_names, dimensions


def is_model(value: Any) -> bool:
    """Whether it can be asked for a predictive distribution; the class of a model cannot."""
    is_estimator = hasattr(last_step(value), "predict_distribution")
    return isinstance(value, Model) or (is_estimator and not isinstance(value, type))


def last_step(model: Any) -> Any:
    """The estimator that a pipeline ends in; anything else as it is."""
    return model[-1] if hasattr(model, "named_steps") else model


def _is_pipeline(model: Any) -> bool:
    """Whether there are steps before the last one."""
    return hasattr(model, "named_steps") and len(model) > 1


def predictive_of(model: Any, X: Any, name: str = "predictive") -> Any:
    """What a model predicts at inputs X; what is no model, as it is.

    Parameters
    ----------
    model
        A model, or its predictive.
    X : array_like
        Inputs (B, n_in), or None, which will do for a predictive.
    name : str, default "predictive"
        Name of the argument that X goes with.

    Raises
    ------
    TypeError
        If there is a model and no X.

    Examples
    --------
    >>> from balinp import BALI
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> predictive_of(BALI(()).fit(X, X, epochs=2), X).mean.shape
    (9, 1)
    """
    if not is_model(model):
        return model
    if X is None:
        raise TypeError(f"X: expected the inputs at which to ask the {name}, a model, got None")
    return model.predict(column(X)) if isinstance(model, Model) else asked(model, X)


def asked(model: Any, X: Any, method: str = "predict_distribution", **options: Any) -> Any:
    """What a method of an estimator, or of the last step of a pipeline, says at inputs X.

    Columns of an array are taken in the order in which the estimator was fitted, without a warning
    that they have no names.
    """
    with warnings.catch_warnings():
        if column_names(X) is None:
            warnings.filterwarnings("ignore", "X does not have valid feature names")
        seen = model[:-1].transform(X) if _is_pipeline(model) else X
        return getattr(last_step(model), method)(seen, **options)


def networks_of(model: Any, name: str = "model") -> list[Any]:
    """The networks of a model: an estimator's members; anything else as it is.

    Raises
    ------
    ValueError
        If an estimator has none yet.
    """
    model = last_step(model)
    if hasattr(model, "predict_distribution") and not hasattr(model, "members_"):
        raise ValueError(f"{name}: expected a fitted estimator, got {model}, which is not fitted")
    return list(getattr(model, "members_", [model]))


def network_of(model: Any) -> Any:
    """The one network of a model.

    Raises
    ------
    ValueError
        If an estimator has several members, or none yet.
    """
    members = networks_of(model)
    if len(members) > 1:
        raise ValueError(
            f"model: expected one network, got {len(members)} members; take one of members_"
        )
    return members[0]


def inputs_of(model: Any, X: Any) -> tuple[Any, list[str] | None]:
    """Inputs as the last step of a pipeline sees them, and their names, if they have any."""
    if not _is_pipeline(model):
        return X, names_of(model, X)
    before = model[:-1]
    try:
        names = list(map(str, before.get_feature_names_out()))
    except (AttributeError, ValueError):  # a step that does not know
        names = None
    return before.transform(X), names


def names_of(model: Any, X: Any = None) -> list[str] | None:
    """Names of inputs: the columns of a frame, of a series, or what a model was fitted on."""
    names = column_names(X)
    if names is None:
        name = getattr(X, "name", None)
        names = getattr(model, "feature_names_in_", None) if name is None else [name]
    return None if names is None else [str(name) for name in names]


def column(value: Any) -> Any:
    """A vector, series or list of numbers as a matrix of one column; anything else as it is.

    Examples
    --------
    >>> column([1.0, 2.0]).shape
    (2, 1)
    """
    return np.asarray(value)[:, None] if dimensions(value) == 1 else value


def as_targets(Y: Any, name: str, *, rows: int, columns: int) -> Array:
    """Targets of regression as a matrix (rows, columns); a vector where there is one column."""
    return as_matrix(column(Y), name, rows=rows, columns=columns)


def as_labels(Y: Any, name: str, *, rows: int, columns: int, classes: Any = None) -> Any:
    """Numbers (rows,), from 0, of the classes that one-hot rows or labels stand for.

    Parameters
    ----------
    Y : array_like
        (rows, columns) one-hot rows; or (rows,) labels, whole numbers from 0 or among `classes`.
    name : str
        Name of the argument.
    classes : array_like, optional
        (columns,) labels in increasing order, as in `classes_` of a classifier, or None.

    Examples
    --------
    >>> as_labels(["b", "a"], "Y", rows=2, columns=2, classes=["a", "b"])
    array([1, 0])
    """
    if dimensions(Y) == 2:
        return as_one_hot(Y, name, rows=rows, columns=columns).argmax(axis=1)
    if classes is None:
        return _numbered(Y, name, rows, columns)
    labels, known = np.asarray(Y), np.asarray(classes)
    if known.shape != (columns,):
        raise ValueError(f"classes: expected {columns} labels, got shape {known.shape}")
    if labels.shape != (rows,):
        raise ValueError(
            f"{name}: expected shape ({rows},) or ({rows}, {columns}), got {labels.shape}"
        )
    unknown = [label for label in np.unique(labels).tolist() if label not in known]
    if unknown:
        raise ValueError(f"{name}: expected labels among {known}, got {unknown}")
    order = np.argsort(known)
    return order[np.searchsorted(known, labels, sorter=order)]


def _numbered(Y: Any, name: str, rows: int, columns: int) -> Any:
    labels = as_array(Y, name)
    if labels.shape != (rows,):
        raise ValueError(
            f"{name}: expected shape ({rows},) or ({rows}, {columns}), got {labels.shape}"
        )
    if np.any(labels % 1 != 0) or np.min(labels) < 0 or np.max(labels) >= columns:
        raise ValueError(
            f"{name}: expected whole labels from 0 to {columns - 1}, "
            f"got numbers from {np.min(labels)} to {np.max(labels)}"
        )
    return labels.astype(np.intp)
