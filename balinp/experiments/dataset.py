"""What a data set is: inputs, targets, splits, and the scale of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.experiments import UserError
from balinp.experiments.splits import Split
from balinp.standardise import Scale

USUAL_SPLITS = 10
"""How many splits are run unless told, where there are as many."""


class Outside(NamedTuple):
    """Inputs X (N, n_in) from another data set, to be told apart from test inputs."""

    name: str
    X: Array


def common_scale(X: Array) -> Scale:
    """The scale that divides all columns by one number, the root mean square of all entries.

    For pixels. The spread of a single pixel says nothing about its unit, which all pixels share.
    A pixel near the edge that is lit in one training image of thousands would be divided by
    almost nothing, and an image that lights it at test would come out as an enormous input.
    Dividing by one number keeps dark pixels at exactly zero and the mean square of the inputs at
    one, which is what the initial weights and the prior assume.

    Examples
    --------
    >>> common_scale(np.array([[0.0, 3.0], [0.0, 3.0], [0.0, 0.0]])).to_standard(np.ones((1, 2)))
    array([[0.57735027, 0.57735027]])
    """
    size = float(np.sqrt(np.mean(X**2)))
    return Scale(np.zeros(X.shape[1]), np.full(X.shape[1], size or 1.0))


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
    input_scale : maps training inputs to the scale that methods see inputs in.
    gap_columns : of each split, the input along which its test rows lie in a gap between the
        training rows; None for other splits.
    outside : inputs for detection, or None.
    group_columns : inputs that the rows of a group agree in, where whole groups are held out; None
        for other splits.
    """

    name: str
    kind: str
    X: Array
    Y: Array
    split: Callable[[int], Split]
    n_splits: int | None = None
    input_scale: Callable[[Array], Scale] = Scale.of
    gap_columns: tuple[int, ...] | None = None
    outside: Outside | None = None
    group_columns: tuple[int, ...] | None = None

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
