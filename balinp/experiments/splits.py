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
    >>> int((split.test < 10).sum()), int((split.test >= 10).sum())
    (3, 6)
    """
    rng = np.random.default_rng(k)
    test = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        test.append(members[: round(test_fraction * len(members))])
    rows = np.sort(np.concatenate(test))
    return Split(train=np.setdiff1d(np.arange(len(labels)), rows), test=rows)


def group_split(k: int, *, groups: Indices, test_fraction: float) -> Split:
    """Split k of data in groups: whole groups test, drawn with seed k.

    Groups come in an order drawn with seed k. Of these the first test, as many as bring the number
    of their rows nearest to the share asked for, at least one and never all.

    Parameters
    ----------
    k : int
        Number of the split.
    groups : array of int
        (N,) array, the group of each row.
    test_fraction : float
        Share of the rows that are to be for testing.

    Raises
    ------
    ValueError
        If there are fewer than two groups.

    Examples
    --------
    >>> group_split(0, groups=np.array([0, 0, 1, 1, 2, 2]), test_fraction=0.3).test
    array([4, 5])
    """
    values, sizes = np.unique(groups, return_counts=True)
    if len(values) < 2:
        raise ValueError(f"groups: expected at least two, got {len(values)}")
    order = np.random.default_rng(k).permutation(len(values))
    rows = np.cumsum(sizes[order])[:-1]  # tested if one, two, ... groups are
    n_test = 1 + int(np.abs(rows - test_fraction * len(groups)).argmin())
    tests = np.isin(groups, values[order[:n_test]])
    return Split(train=np.flatnonzero(~tests), test=np.flatnonzero(tests))


def gap_split(column: int, *, X: Array) -> Split:
    """Split of inputs X (N, n_in): about the middle third of the rows along a column tests.

    The cuts lie between distinct values, where the numbers of rows below them are nearest to N / 3
    and 2 N / 3. So no value of the column that is tested occurs in training, and there are training
    rows below and above all of them.

    Raises
    ------
    ValueError
        If the column has fewer than three distinct values.

    Examples
    --------
    >>> gap_split(0, X=np.array([[5.0], [1.0], [1.0], [2.0], [3.0], [2.0]])).test
    array([3, 5])
    """
    x = X[:, column]
    values, counts = np.unique(x, return_counts=True)
    if len(values) < 3:
        raise ValueError(
            f"column: expected one with at least three distinct values, got {len(values)} in "
            f"column {column}"
        )
    below = np.cumsum(counts)[:-1]  # rows below each place where a cut can be
    first = int(np.abs(below[:-1] - len(x) // 3).argmin())
    last = first + 1 + int(np.abs(below[first + 1 :] - 2 * len(x) // 3).argmin())
    inside = (x > values[first]) & (x <= values[last])
    return Split(train=np.flatnonzero(~inside), test=np.flatnonzero(inside))


def gap_columns(X: Array) -> list[int]:
    """The columns of X (N, n_in) in which `gap_split` can cut: of three distinct values or more.

    Examples
    --------
    >>> gap_columns(np.array([[0.0, 1.0], [1.0, 2.0], [1.0, 3.0]]))
    [1]
    """
    return [k for k, x in enumerate(X.T) if len(np.unique(x)) >= 3]


def published_gap_split(column: int, *, X: Array) -> Split:
    """Split of inputs X (N, n_in): the middle third along a column tests, as it was published.

    Rows are ordered by the column, rows with equal values by their place in X. Of this order the
    places floor(N / 3), ..., floor(2 N / 3) - 1 are the test rows. Where the column has ties, test
    rows may have values that also occur in training, and all training rows may lie on one side.

    Source: Foong, Li, Hernandez-Lobato and Turner (2019), 'In-between' uncertainty in Bayesian
    neural networks.

    Examples
    --------
    >>> published_gap_split(0, X=np.array([[5.0], [1.0], [4.0], [2.0], [3.0], [0.0]])).test
    array([3, 4])
    """
    order = np.argsort(X[:, column], kind="stable")
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
