"""What a data set is: inputs, targets, splits, and the scale of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.experiments import KINDS, UserError
from balinp.experiments.splits import Split
from balinp.standardise import EPS, Scale

USUAL_SPLITS = 10
"""How many splits are run unless told, where there are as many."""


class Outside(NamedTuple):
    """Inputs X (N, n_in) from another data set, to be told apart from test inputs."""

    name: str
    X: Array


@dataclass(frozen=True)
class FilledScale(Scale):
    """A scale whose maps take NaN for a missing number, and put the training mean there.

    Examples
    --------
    >>> scale = FilledScale.of(np.array([[1.0], [np.nan], [3.0]]))
    >>> scale.to_standard(np.array([[np.nan], [2.0]]))
    array([[0.],
           [0.]])
    """

    @classmethod
    def of(
        cls,
        training: Array,
        weights: Array | None = None,
        resolution: float = EPS,
        *,
        common: bool = False,
    ) -> Scale:
        """The scale of training data (N, columns) once means are in the place of NaN."""
        there = ~np.isnan(training)
        sums = np.where(there, training, 0.0).sum(axis=0)
        means = sums / np.maximum(there.sum(axis=0), 1)  # 0 for a column that has no number
        return super().of(np.where(there, training, means), weights, resolution, common=common)

    def to_standard(self, values: Array) -> Array:
        """(values - mean) / unit, and 0 for NaN."""
        standard = super().to_standard(values)
        return np.where(np.isnan(standard), 0.0, standard)


SCALES: dict[str, Callable[[Array], Scale]] = {
    "column": Scale.of,
    "common": partial(Scale.of, common=True),
    "filled": FilledScale.of,
}
"""How inputs are standardised, by name; the last is for columns in which numbers are missing."""


@dataclass(frozen=True)
class Dataset:
    """Inputs, targets, and a rule that cuts them.

    Attributes
    ----------
    name : str
        What records and figures call it.
    kind : str
        ``"regression"`` or ``"classification"``.
    X : array
        (N, n_in) array in original units.
    Y : array
        (N, K) array in original units; one-hot for classification.
    split : callable
        Maps k = 0, 1, ... to the k-th split, the same each time.
    n_splits : int or None
        How many splits there are; None if there is no end to them.
    input_scale : str
        What all methods see inputs divided by: ``"column"``, each column by its own spread,
        ``"common"``, all by one number, or ``"filled"``, each column, and numbers that are missing
        filled; see `SCALES`.
    gap_columns : tuple of int or None
        Gap columns of each split, the input along which its test rows lie in a gap between the
        training rows; None for other splits.
    outside : Outside or None
        Inputs for detection, or None.
    group_columns : tuple of int or None
        Inputs that the rows of a group agree in, where whole groups are held out; None for other
        splits.
    inputs : tuple of str
        Names of the n_in inputs, or none.
    note : str
        On how the data were read, shown below tables.

    Raises
    ------
    ValueError
        If X and Y are not matrices of as many rows, or the kind is none.
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
    group_columns: tuple[int, ...] | None = None
    inputs: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Say what is wrong where a data set is made, not where it is used."""
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        for name, values in (("X", self.X), ("Y", self.Y)):
            if values.ndim != 2 or len(values) != len(self.X):
                raise ValueError(
                    f"{name}: expected a matrix with a row for each datum, got shape {values.shape}"
                )

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
