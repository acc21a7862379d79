"""Two builds of balinp on the same data: what a fit takes, and what it has learnt after each pass.

``python -m balinp.experiments.builds DIR NAME`` holds the package against the one in DIR, such as a
clone of an older commit. Splits are those of `balinp evaluate NAME --validation`: test rows are not
looked at. Both take their passes in turns, in processes of their own with one thread each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from balinp._types import Array
from balinp.defaults import CLASSIFICATION_TRAINING, REGRESSION_TRAINING
from balinp.experiments import REGRESSION
from balinp.experiments.dataset import SCALES, Dataset
from balinp.experiments.datasets import for_validation, load
from balinp.experiments.scores import Record
from balinp.experiments.table import markdown
from balinp.experiments.turns import HERE, build
from balinp.standardise import Scale

SHOWN = (1, 2, 5)
"""Passes that the table shows; besides the last, and the end."""


def standardised(dataset: Dataset, k: int) -> dict[str, Array]:
    """Training and held-out rows of split k in standardised units."""
    split = dataset.split(k)
    scale = SCALES[dataset.input_scale](dataset.X[split.train])
    X, X_held = (scale.to_standard(dataset.X[rows]) for rows in split)
    Y, Y_held = (dataset.Y[rows] for rows in split)
    if dataset.kind == REGRESSION:
        targets = Scale.of(Y)
        Y, Y_held = targets.to_standard(Y), targets.to_standard(Y_held)
    return {"X": X, "Y": Y, "X_held": X_held, "Y_held": Y_held}


def compared(
    other: Path,
    dataset: Dataset,
    k: int,
    seed: int,
    hidden: Sequence[int],
    batch_size: int | None,
    passes: int,
) -> list[Record]:
    """A record for each build: seconds and log-likelihood after every pass and at the end.

    Parameters
    ----------
    other : Path
        Directory of the other build.
    dataset, k, seed
        Data, number of the split, and seed of the networks.
    hidden, batch_size, passes : sequence of int, int or None, and int
        Of the training; everything else is the default of this build.
    """
    is_regression = dataset.kind == REGRESSION
    training = REGRESSION_TRAINING if is_regression else CLASSIFICATION_TRAINING
    arguments = {**training.model, "hidden": tuple(hidden), "seed": seed}
    options = {"epochs": passes, "batch_size": batch_size}
    data = standardised(dataset, k)
    trees = {"here": HERE, "other": other}
    with ExitStack() as stack:
        fits = {
            name: stack.enter_context(build(tree, data, arguments, options))
            for name, tree in trees.items()
        }
        taken = {name: [first] for name, (first, _) in fits.items()}
        for _ in range(passes):  # the last is what `fit` does after the last pass
            for name, (_, take) in fits.items():
                taken[name].append(take(1))
    return [
        {
            "build": name,
            "split": k,
            "seed": seed,
            "seconds": np.cumsum([one.seconds for one in each]).tolist(),
            "log_likelihood": [one.log_likelihood for one in each],
        }
        for name, each in taken.items()
    ]


def report(records: Sequence[Record], passes: int) -> str:
    """A Markdown table of means over splits and seeds, paired differences with standard errors."""
    here, other = (
        [record for record in records if record["build"] == name] for name in ("here", "other")
    )
    rows = []
    for index in [*(n - 1 for n in SHOWN if n < passes), passes - 1, passes]:
        (now, spent), (before, spent_before) = (
            np.array([[r[key][index] for r in both] for key in ("log_likelihood", "seconds")])
            for both in (here, other)
        )
        gain = now - before
        error = f" ± {gain.std(ddof=1) / np.sqrt(len(gain)):.4f}" if len(gain) > 1 else ""
        rows.append([
            "end" if index == passes else str(index + 1),
            f"{before.mean():.4f}", f"{now.mean():.4f}", f"{gain.mean():+.4f}{error}",
            f"{spent_before.mean():.3g}", f"{spent.mean():.3g}",
            f"{np.median(spent_before / spent):.3g}",
        ])  # fmt: skip
    titles = ["after pass", "other", "here", "difference", "other, s", "here, s", "other / here"]
    return markdown(titles, [list(column) for column in zip(*rows, strict=True)]) + (
        f"\n\nMean log-likelihood of held-out data, nats, standardised; {len(here)} fits; "
        "processor seconds up to there, of one thread; ratio: the median.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool; None takes the arguments of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.builds",
        description="Two builds of balinp on validation parts of a data set, pass by pass.",
    )
    parser.add_argument("other", metavar="DIR", type=Path, help="directory of the other build")
    parser.add_argument("name", metavar="NAME", help="a data set, as for balinp evaluate")
    parser.add_argument("--hidden", metavar="N", type=int, nargs="*", default=[50])
    parser.add_argument("--batch-size", metavar="N", type=int, help="(default: all data)")
    parser.add_argument("--passes", metavar="N", type=int, default=10)
    parser.add_argument("--splits", metavar="N", type=int, default=1)
    parser.add_argument("--seeds", metavar="N", type=int, default=1, help="networks a split")
    parsed = parser.parse_args(arguments)
    dataset = for_validation(load(parsed.name))
    records = [
        record
        for k in dataset.first_splits(parsed.splits)
        for seed in range(parsed.seeds)
        for record in compared(
            parsed.other, dataset, k, seed, parsed.hidden, parsed.batch_size, parsed.passes
        )
    ]
    print(report(records, parsed.passes), end="")


if __name__ == "__main__":
    main()
