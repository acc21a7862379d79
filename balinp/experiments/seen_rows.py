"""Scores of test rows whose inputs occur in training, apart from those of new rows.

``python -m balinp.experiments.seen_rows uci:uci/wine --splits 5 --methods METHOD ...`` prints a
table. Rows that repeat may be easier for every method; what a method remembers shows where its two
scores differ by more than those of a linear model, which can remember nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from balinp._types import Array
from balinp.experiments import REGRESSION, UserError
from balinp.experiments.dataset import Dataset
from balinp.experiments.datasets import load
from balinp.experiments.leakage import fingerprints
from balinp.experiments.methods import Method, select
from balinp.experiments.splits import Split
from balinp.experiments.table import column_cells, markdown
from balinp.predictive import GaussianPredictive


def is_seen(dataset: Dataset, split: Split) -> npt.NDArray[np.bool_]:
    """Whether the inputs of each test row are those of a training row.

    Examples
    --------
    >>> X = np.array([[1.0], [2.0], [1.0], [3.0]])
    >>> data = Dataset("toy", "regression", X, X, lambda k: Split([0, 1], [2, 3]))
    >>> is_seen(data, data.split(0))
    array([ True, False])
    """
    inputs = fingerprints(dataset.X, 0).sum(axis=1, dtype=np.uint64)
    return np.asarray(np.isin(inputs[split.test], inputs[split.train]))


def scores_apart(dataset: Dataset, method: Method, k: int) -> tuple[float, float]:
    """Mean Gaussian log-likelihood on split k of test rows that were seen, and of those not.

    Raises
    ------
    UserError
        If the split lacks rows of one kind, or the data set has classes.
    """
    if dataset.kind != REGRESSION:
        raise UserError(f"{dataset.name}: expected a regression data set, got one of classes")
    split = dataset.split(k)
    seen = is_seen(dataset, split)
    if seen.all() or not seen.any():
        raise UserError(f"{dataset.name}: split {k} has {seen.sum()} of {len(seen)} rows seen")
    train, test = split
    predict = method.fit(dataset.X[train], dataset.Y[train], k, dataset.input_scale)
    predictive = predict(dataset.X[test])
    assert isinstance(predictive, GaussianPredictive)
    scores = predictive.logpdf_gaussian(dataset.Y[test])
    return float(scores[seen].mean()), float(scores[~seen].mean())


def seen_table(dataset: Dataset, methods: Sequence[Method], splits: int) -> str:
    """A Markdown table of both scores and their difference, means over splits ± errors."""
    found: list[Array] = [
        np.array([scores_apart(dataset, method, k) for k in range(splits)]) for method in methods
    ]
    columns = [
        column_cells([values[:, 0] for values in found]),
        column_cells([values[:, 1] for values in found]),
        column_cells([values[:, 0] - values[:, 1] for values in found]),
    ]
    titles = ["log-likelihood", "rows seen in training", "new rows", "difference"]
    return markdown(titles, [[method.name for method in methods], *columns]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; None takes the arguments of the process."""
    parser = argparse.ArgumentParser(prog="python -m balinp.experiments.seen_rows")
    parser.add_argument("name", metavar="NAME", help="as for balinp evaluate")
    parser.add_argument("--splits", metavar="N", type=int, default=5, help="(default: 5)")
    parser.add_argument("--methods", metavar="METHOD", nargs="+", help="names (default: all)")
    parsed = parser.parse_args(arguments)
    try:
        dataset = load(parsed.name)
        methods = select(dataset.kind, parsed.methods, len(dataset.X))
        print(seen_table(dataset, methods, len(dataset.first_splits(parsed.splits))), end="")
    except UserError as error:
        print(f"balinp: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
