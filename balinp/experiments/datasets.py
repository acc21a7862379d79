"""Data sets with their train/test splits, by name.

Names without a colon are data sets that scikit-learn ships; ``uci:DIR`` reads a directory.
Another source is one more entry in `SHIPPED` or `SOURCES`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from balinp._types import Array
from balinp.experiments import CLASSIFICATION, REGRESSION, UserError

Indices = npt.NDArray[np.intp]


class Split(NamedTuple):
    """Rows to train on and rows to test on."""

    train: Indices
    test: Indices


@dataclass(frozen=True)
class Dataset:
    """Inputs, targets, and a rule that cuts them.

    Attributes
    ----------
    name : what records and figures call it.
    kind : ``"regression"`` or ``"classification"``.
    X : (N, n_in) array in original units.
    Y : (N, K) array in original units; one-hot for classification.
    split : maps k = 0, 1, ... to the k-th split, the same each time.
    n_splits : how many splits there are; None if there is no end to them.
    """

    name: str
    kind: str
    X: Array
    Y: Array
    split: Callable[[int], Split]
    n_splits: int | None = None


def load(name: str) -> Dataset:
    """Find a data set by its name.

    Raises
    ------
    UserError
        If the name is unknown, or its files are missing or not of the expected form.
    """
    source, _, place = name.partition(":")
    if place and source in SOURCES:
        return SOURCES[source](place)
    if name in SHIPPED:
        return _shipped(name)
    known = ", ".join([*SHIPPED, *(f"{source}:DIR" for source in SOURCES)])
    raise UserError(f"unknown data set {name!r}; known: {known}")


def random_split(k: int, *, n: int, test_fraction: float) -> Split:
    """Split k of n data: a random share is for testing, drawn with seed k.

    Examples
    --------
    >>> split = random_split(0, n=10, test_fraction=0.1)
    >>> len(split.train), len(split.test)
    (9, 1)
    """
    order = np.random.default_rng(k).permutation(n)
    n_test = round(test_fraction * n)
    return Split(train=np.sort(order[n_test:]), test=np.sort(order[:n_test]))


def stratified_split(k: int, *, labels: Indices, test_fraction: float) -> Split:
    """Split k of labelled data: the same share of each class is for testing, drawn with seed k.

    Examples
    --------
    >>> split = stratified_split(0, labels=np.array([0] * 10 + [1] * 20), test_fraction=0.3)
    >>> (split.test < 10).sum(), (split.test >= 10).sum()
    (np.int64(3), np.int64(6))
    """
    rng = np.random.default_rng(k)
    test = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        test.append(members[: round(test_fraction * len(members))])
    rows = np.sort(np.concatenate(test))
    return Split(train=np.setdiff1d(np.arange(len(labels)), rows), test=rows)


# -- shipped with scikit-learn --------------------------------------------------------------------

SHIPPED = {
    "diabetes": REGRESSION,
    "digits": CLASSIFICATION,
    "breast_cancer": CLASSIFICATION,
    "wine": CLASSIFICATION,
}
"""Data sets in scikit-learn's package; nothing is downloaded."""


def _shipped(name: str) -> Dataset:
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    X = np.asarray(data.data, dtype=np.float64)
    if SHIPPED[name] == REGRESSION:
        Y = np.asarray(data.target, dtype=np.float64)[:, None]
        return Dataset(name, REGRESSION, X, Y, partial(random_split, n=len(X), test_fraction=0.1))
    labels = np.asarray(data.target, dtype=np.intp)
    Y = np.eye(len(data.target_names))[labels]
    split = partial(stratified_split, labels=labels, test_fraction=0.3)
    return Dataset(name, CLASSIFICATION, X, Y, split)


# -- directories ----------------------------------------------------------------------------------


def _uci(place: str) -> Dataset:
    """A UCI regression set in the layout that published tables share, with its own splits.

    Files: ``data.txt`` (one row a datum), ``index_features.txt`` and ``index_target.txt``
    (columns), ``n_splits.txt``, ``index_train_k.txt`` and ``index_test_k.txt`` (rows).
    """
    directory = _directory(place)
    table = _read(directory / "data.txt", ndmin=2)
    features = _indices(directory / "index_features.txt", table.shape[1])
    target = _indices(directory / "index_target.txt", table.shape[1])
    n_splits = int(_read(directory / "n_splits.txt", ndmin=1)[0])
    split = partial(_uci_split, directory=directory, n=len(table))
    name = f"uci:{directory.resolve().name}"
    return Dataset(name, REGRESSION, table[:, features], table[:, target], split, n_splits)


def _uci_split(k: int, *, directory: Path, n: int) -> Split:
    return Split(
        train=_indices(directory / f"index_train_{k}.txt", n),
        test=_indices(directory / f"index_test_{k}.txt", n),
    )


def _directory(place: str) -> Path:
    """A directory as given, or relative to the one that BALINP_DATA names."""
    candidates = [Path(place).expanduser()]
    if os.environ.get("BALINP_DATA"):
        candidates.append(Path(os.environ["BALINP_DATA"]) / place)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    looked = " or ".join(str(candidate) for candidate in candidates)
    raise UserError(f"no directory {looked} (BALINP_DATA may name the one to look in)")


def _indices(path: Path, size: int) -> Indices:
    """Distinct indices below `size`."""
    values = _read(path, ndmin=1)
    indices = values.astype(np.intp)
    valid = (indices == values) & (indices >= 0) & (indices < size)
    if not valid.all() or len(np.unique(indices)) < len(indices) or not len(indices):
        raise UserError(f"{path}: expected distinct whole numbers from 0 to {size - 1}")
    return indices


def _read(path: Path, *, ndmin: Literal[1, 2]) -> Array:
    """A text file of numbers."""
    try:
        return np.asarray(np.loadtxt(path, ndmin=ndmin), dtype=np.float64)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except ValueError as error:
        raise UserError(f"{path}: not a table of numbers ({error})") from None


SOURCES: dict[str, Callable[[str], Dataset]] = {"uci": _uci}
"""Readers of ``SOURCE:DIR``."""
