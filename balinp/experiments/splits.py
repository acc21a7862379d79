"""Rules that cut data into rows to train on and rows to test on, the same each time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from balinp._types import Array

Indices = npt.NDArray[np.intp]


class Split(NamedTuple):
    """Rows to train on and rows to test on."""

    train: Indices
    test: Indices


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


def gap_split(k: int, *, X: Array) -> Split:
    """Split k of inputs X (N, n_in): the middle third along column k is for testing.

    Rows are ordered by column k, rows with equal values by their place in X. Of this order the
    places floor(N / 3), ..., floor(2 N / 3) - 1 are the test rows, and the others train: a model
    has data on both sides of a gap and none inside it.

    Source: Foong, Li, Hernandez-Lobato and Turner (2019), 'In-between' uncertainty in Bayesian
    neural networks.

    Examples
    --------
    >>> gap_split(0, X=np.array([[5.0], [1.0], [4.0], [2.0], [3.0], [0.0]])).test
    array([3, 4])
    """
    order = np.argsort(X[:, k], kind="stable")
    n = len(order)
    test = order[n // 3 : 2 * n // 3]
    return Split(train=np.setdiff1d(np.arange(n), test), test=np.sort(test))


def last_rows_split(k: int, *, n: int, n_train: int) -> Split:
    """The one split in which the first n_train of n rows train and the others test.

    Examples
    --------
    >>> last_rows_split(0, n=5, n_train=3).test
    array([3, 4])
    """
    return Split(train=np.arange(n_train), test=np.arange(n_train, n))
