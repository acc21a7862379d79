"""What a data set is: inputs, targets, splits, and the scale of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from balinp._types import Array
from balinp.experiments import UserError
from balinp.experiments.splits import Split

USUAL_SPLITS = 10
"""How many splits are run unless told, where there are as many."""


class Outside(NamedTuple):
    """Inputs X (N, n_in) from another data set, to be told apart from test inputs."""

    name: str
    X: Array


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
    input_scale : what all methods see inputs divided by: ``"column"``, each column by its own
        spread, or ``"common"``, all by one number; see `balinp.standardise.Scale`.
    gap_columns : of each split, the input along which its test rows lie in a gap between the
        training rows; None for other splits.
    outside : inputs for detection, or None.
    """

    name: str
    kind: str
    X: Array
    Y: Array
    split: Callable[[int], Split]
    n_splits: int | None = None
    input_scale: str = "column"
    gap_columns: tuple[int, ...] | None = None
    outside: Outside | None = None

    def first_splits(self, count: int | None) -> range:
        """Numbers of the first splits; None is all of those with gaps, else up to ten.

        Raises
        ------
        UserError
            If there are fewer.
        """
        there = USUAL_SPLITS if self.n_splits is None else self.n_splits
        if count is None:
            return range(min(there, USUAL_SPLITS) if self.gap_columns is None else there)
        if self.n_splits is not None and count > there:
            plural = "" if there == 1 else "s"
            raise UserError(f"--splits: {self.name} has {there} split{plural}, got {count}")
        return range(count)
