"""Data that come batch by batch from elsewhere. A first reader can skip this module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from balinp._types import Array
from balinp.data import Batch, Check, Data
from balinp.validation import as_positive


class Stream:
    """Batches that come one by one from elsewhere, each (X, Y) or (X, Y, weights).

    Parameters
    ----------
    source : iterable
        Gives the batches of one pass over the data in every iteration, or is an iterator, which can
        be gone through once.
    n_data : float or None
        Number of data in all of them, or None to count them in an iteration of their own.
    checked : Check
        Makes checked `Data` of X, Y and weights.

    Attributes
    ----------
    amount : float
        Number of data in all batches, with weights their sum.
    is_iterator : bool
        Whether the batches can be gone through only once.

    Raises
    ------
    TypeError, ValueError
        If there is no batch, n_data is not positive, or None for an iterator.
    """

    def __init__(self, source: Iterable[Any], n_data: float | None, checked: Check) -> None:
        if not isinstance(source, Iterable):
            raise TypeError(
                f"X: without Y expected an iterable of batches (X, Y), got {type(source).__name__}"
            )
        self.is_iterator = isinstance(source, Iterator)
        if self.is_iterator and n_data is None:
            raise ValueError(
                "n_data: expected the number of data, since X is an iterator, got None"
            )
        self._source, self._checked = source, checked
        self.amount = (
            sum(data.amount for data in self._data())
            if n_data is None
            else as_positive(n_data, "n_data")
        )

    @cached_property
    def first(self) -> Data:
        """What a network is started from: the first batch."""
        data = self._data()
        first = next(data, None)
        if first is None:
            raise ValueError("X: expected at least one batch, got none")
        if self.is_iterator:  # the first is still to be learnt from
            self._data = lambda: chain([first], data)  # type: ignore[method-assign]
        return first

    def steps(self, size: int | None) -> float:
        """Number of steps in a pass: 0, since nobody knows."""
        return 0.0

    def can_settle(self, size: int | None) -> bool:
        """Whether the batches can be gone through again."""
        return not self.is_iterator

    def batches(self, size: int | None, rng: np.random.Generator) -> Iterator[Batch]:
        """Each batch once, in the order in which they come."""
        count = 0
        for data in self._data():
            count += 1
            yield data.standing_for(self.amount)
        if not count:
            raise ValueError("X: expected at least one batch in each pass, got none")

    rows = np.inf
    """Number of rows: not known."""

    is_elsewhere: ClassVar[bool] = False

    def parts(self, numbers: int) -> Iterator[tuple[Array, Array, Array | None]]:
        """X, Y and weights of all batches once, as `Data.parts` gives them."""
        return chain.from_iterable(data.parts(numbers) for data in self._data())

    def _data(self) -> Iterator[Data]:
        for batch in self._source:
            if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
                raise TypeError(
                    "X: without Y expected batches (X, Y) or (X, Y, sample_weight), "
                    f"got a {type(batch).__name__}"
                )
            X, Y, *w = batch
            yield self._checked(X, Y, w[0] if w else None)
