"""Sums over the pieces of a batch, wherever its rows are.

All that a step needs of data are sums over them. The rows may be in memory, on disk, or on other
machines (`balinp.spread_data`): what is added up for a piece is told by a function, and the
function goes to where the piece is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from balinp.data import Part, added
from balinp.natural_parameters import Terms
from balinp.pseudo_targets import Trace


class Elsewhere(ABC):
    """What a batch says whose rows are not in this process."""

    @abstractmethod
    def total(self, part: Part, *arguments: Any) -> Sequence[Any]:
        """As `total`."""


Said: TypeAlias = Trace | Iterable[Trace] | Elsewhere
"""What a batch says to the layers: its trace, whole or in pieces, here or elsewhere."""


def total(said: Said, part: Part, *arguments: Any) -> Sequence[Any]:
    """The sum over all pieces of what ``part(piece, *arguments)`` returns, value by value.

    Derivation: LR-6

    Examples
    --------
    >>> total([2, 3], lambda piece, factor: (piece, factor * piece), 10)
    [5, 50]
    """
    if isinstance(said, Trace):
        return part(said, *arguments)
    if isinstance(said, Elsewhere):
        return said.total(part, *arguments)
    return added(part(piece, *arguments) for piece in said)


def summed(said: Said) -> list[Terms]:
    """What the batch's pseudo-targets add to each layer's natural parameters.

    Parameters
    ----------
    said : Said
        What the batch says.
    """
    return list(total(said, Trace.terms))
