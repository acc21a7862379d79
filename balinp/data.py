"""Data: arrays in memory or on disk, read in pieces.

Everything that training needs of data are sums over them. A batch that fits into memory is one
piece; a larger one is gone through piece by piece, as often as the step needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from balinp._types import Array
from balinp.kernels import is_same_amount
from balinp.validation import LARGEST, as_data, as_matrix, as_weights, dimensions

PIECE = 2**23
"""Numbers in the largest array of a single piece, of which a step holds several: 64 MiB."""

CACHED_PIECE = 2**19
"""The same where there are more than one: 4 MiB, which a processor has at hand."""

SMALL_PIECE = 2**17
"""The same where data pass once, as in a prediction: 1 MiB, less than what comes out of it."""

Rows = slice | np.ndarray[Any, np.dtype[np.intp]]
"""Some rows: a slice, or their indices."""

EVERY_ROW = slice(None)

Part: TypeAlias = Callable[..., Sequence[Any]]
"""Function of a piece of the data, and of further arguments, that returns values which can be added
up. It may be sent to where the piece is: so it is defined in a module, and not within a function.
"""


def added(results: Iterable[Sequence[Any]]) -> list[Any]:
    """The sums, value by value, of at least one result.

    Examples
    --------
    >>> added([(1, [2]), (10, [3])])
    [11, [2, 3]]
    """
    sums: list[Any] = []
    for result in results:
        sums = [a + b for a, b in zip(sums, result, strict=True)] if sums else list(result)
    return sums


def pieces(rows: int, numbers: int, largest: int | None = None) -> Iterator[slice]:
    """Slices of so many rows, each with arrays of at most `largest` numbers, or one row.

    Where that is not said, the rows are one piece if they can be, of `PIECE` numbers, and pieces
    of `CACHED_PIECE` otherwise.

    Parameters
    ----------
    rows : int
        How many there are.
    numbers : int
        In the largest array, for each row.
    largest : int, optional
        In the largest array of a piece, or None.

    Examples
    --------
    >>> list(pieces(5, 10, largest=20))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    >>> list(pieces(4, PIECE // 4)), len(list(pieces(5, PIECE // 4)))
    ([slice(0, 4, None)], 5)
    """
    if largest is None:
        largest = PIECE if rows * numbers <= PIECE else min(CACHED_PIECE, PIECE)
    size = max(1, largest // numbers)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def merged(X: Array, Y: Array, w: Array) -> tuple[Array, Array, Array]:
    """Rows (x, y) in lexicographic order, equal ones merged and their weights added.

    By LR-6 nothing else has to be done for weights to be repetitions. And since the order does
    not depend on how the rows came, neither do rounding errors, batches and sampled passes: equal
    rows are ordered by weight, so that even the sum of their weights is the same to the last bit.

    Derivation: LR-6

    Examples
    --------
    >>> X, Y = np.array([[2.0], [1.0], [2.0]]), np.array([[0.0], [5.0], [0.0]])
    >>> merged(X, Y, np.array([1.0, 1.0, 0.5]))
    (array([[1.],
           [2.]]), array([[5.],
           [0.]]), array([1. , 1.5]))
    """
    rows = np.hstack([X, Y])
    order = np.lexsort(np.vstack([w, rows.T[::-1]]))  # the last key is the first to sort by
    rows = rows[order]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    first = np.flatnonzero(is_new)
    w = np.add.reduceat(w[order], first)
    kept = order[first]
    return X[kept], Y[kept], w


@dataclass(frozen=True)
class Data:
    """Inputs X (N, n_in), targets Y (N, K) and weights (N,) or None; of any real dtype.

    Rows become float64 when they are taken, so that arrays on disk stay there.

    Attributes
    ----------
    X, Y : array
        Inputs (N, n_in) and targets (N, K).
    sample_weight : array or None
        (N,) weights.
    """

    X: Array
    Y: Array
    sample_weight: Array | None

    is_elsewhere: ClassVar[bool] = False
    """Whether the rows are in other processes, and should stay there."""

    @classmethod
    def checked(
        cls,
        X: Any,
        Y: Any,
        sample_weight: Any,
        check_targets: Callable[[Any, int, int | None], Array],
        columns: int | None = None,
        outputs: int | None = None,
    ) -> Data:
        """The data, after every piece of them has been looked at once.

        Parameters
        ----------
        X, Y, sample_weight : array_like
            As for `BALI.fit`.
        check_targets : callable
            Raises if targets are not what a likelihood expects of so many rows and columns.
        columns, outputs : int, optional
            Of X and Y, or None for any number.
        """
        X = as_data(X, "X", columns=columns)
        if dimensions(Y) == 1:
            check_targets(Y, len(X), outputs)  # which knows what the columns would be
        Y = as_data(Y, "Y", rows=len(X), columns=outputs)
        w = as_weights(sample_weight, "sample_weight", len(X))
        for part in pieces(len(X), max(X.shape[1], Y.shape[1])):
            as_matrix(X[part], "X", largest=LARGEST)
            check_targets(Y[part], part.stop - part.start, outputs)
        return cls(X, Y, w)

    def __len__(self) -> int:
        return len(self.X)

    @property
    def first(self) -> Data:
        """What a network is started from: all of them."""
        return self

    @property
    def amount(self) -> float:
        """Number of data, with weights their sum.

        Derivation: LR-6
        """
        return self.whole.amount

    @property
    def whole(self) -> Batch:
        """All rows that are present, at once."""
        return Batch(self, self.present, is_all=True)

    @property
    def present(self) -> Rows:
        """The rows of positive weight: the others are absent, also from the batches."""
        w = self.sample_weight
        return EVERY_ROW if w is None or (w > 0).all() else np.flatnonzero(w > 0)

    @property
    def rows(self) -> float:
        """Number of rows that are present."""
        return len(self.whole)

    def parts(self, numbers: int) -> Iterator[tuple[Array, Array, Array | None]]:
        """X, Y and weights of the rows that are present, float64, in pieces and in their order.

        Parameters
        ----------
        numbers : int
            In the largest array that a row is made into.
        """
        whole = self.whole
        return (whole.take(part) for part in pieces(len(whole), numbers))

    def standing_for(self, n_data: float) -> Batch:
        """All rows that are present, as a batch of so many data, which they may be themselves."""
        return Batch(self, self.present, is_same_amount(self.amount, n_data, len(self)))

    def steps(self, size: int | None) -> float:
        """Number of steps in a pass: a smaller last batch counts for the part of one that it is."""
        return max(1.0, self.rows / (size or self.rows))

    def can_settle(self, size: int | None) -> bool:
        """Whether they were trained on in batches of this size, and can be gone through again."""
        return size is not None and size < len(self.whole)

    def batches(self, size: int | None, rng: np.random.Generator) -> Iterator[Batch]:
        """All rows that are present once: in batches of a random order, or for None at once."""
        whole = self.whole
        if size is None or size >= len(whole):
            yield whole
            return
        order = rng.permutation(np.arange(len(self))[self.present])
        for start in range(0, len(order), size):
            yield Batch(self, order[start : start + size])


Check: TypeAlias = Callable[[Any, Any, Any], Data]
"""Function that makes checked `Data` of X, Y and weights, or raises."""


class Batch:
    """Some rows of the data.

    Parameters
    ----------
    data : Data
        Data of which they are rows.
    rows : slice or array of int
        Indices of the rows, or `EVERY_ROW`, which costs no copy.
    is_all : bool, default False
        Whether they are all the data. That is known when rows are chosen, and cannot be told from
        two sums of weights, which rounding makes different.

    Attributes
    ----------
    amount : float
        Number of data, with weights their sum.
    is_all : bool
        Whether they are all the data.
    """

    def __init__(self, data: Data, rows: Rows, is_all: bool = False) -> None:
        self._data, self._rows, self.is_all = data, rows, is_all
        w = data.sample_weight
        self._length = len(data) if isinstance(rows, slice) else len(rows)
        self.amount = float(self._length) if w is None else float(w[rows].sum())

    def __len__(self) -> int:
        return self._length

    def take(self, part: Rows) -> tuple[Array, Array, Array | None]:
        """X (b, n_in), Y (b, K) and weights of a part of the rows, float64."""
        chosen = part if isinstance(self._rows, slice) else self._rows[part]
        X = np.asarray(self._data.X[chosen], dtype=np.float64)
        Y = np.asarray(self._data.Y[chosen], dtype=np.float64)
        w = self._data.sample_weight
        return X, Y, None if w is None else w[chosen]

    def some(self, most: int) -> tuple[Array, Array, Array | None]:
        """X, Y and weights of the rows, float64; of at most so many, chosen at random, in order.

        The same rows each time, wherever they are.
        """
        if len(self) <= most:
            return self.take(np.arange(len(self)))
        return self.take(np.sort(np.random.default_rng(0).choice(len(self), most, replace=False)))

    def total(self, numbers: int, part: Part, *arguments: Any) -> list[Any]:
        """The sum over pieces of the rows of what ``part(X, Y, w, *arguments)`` returns.

        Derivation: LR-6

        Parameters
        ----------
        numbers : int
            In the largest array that a row is made into.
        part : Part
            The function.
        *arguments : Any
            What it is given beside the piece.
        """
        parts = pieces(len(self), numbers)
        return added(part(*self.take(rows), *arguments) for rows in parts)
