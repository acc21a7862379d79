"""All rows at once, or batches: which has a held-out log-likelihood sooner, for so many rows?

``python -m balinp.experiments.full_or_batches NAME ROWS`` trains at default settings on ROWS rows,
all at once and in batches of each size, as often as the rule of `balinp.defaults` has it, and says
what is reached on the way. NAME is a data set, whose validation parts are used, or
``generated:N_IN-K``, data of the benchmark with K classes or, for K = 1, a regression.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.bali import BALI
from balinp.defaults import CLASSIFICATION_TRAINING, REGRESSION_TRAINING, Training
from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.experiments.benchmark_cases import NOISE, generated
from balinp.experiments.builds import standardised
from balinp.experiments.datasets import for_validation, load
from balinp.experiments.step_parts import CLOCK
from balinp.experiments.table import markdown

HELD_OUT = 2000
"""Rows that are predicted, at most."""

LOOKS = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Shares of the passes after which the held-out rows are predicted."""


class Look(NamedTuple):
    """Seconds of the processor spent on training, and mean log-likelihood there, in nats."""

    seconds: float
    log_likelihood: float


def data(name: str, rows: int, seed: int, noise: float) -> tuple[Mapping[str, Array], Training]:
    """So many rows and those held out, drawn by the seed, and the training of such data."""
    rng = np.random.default_rng(seed)
    source, _, shape = name.partition(":")
    if source == "generated":
        n_in, K = (int(number) for number in shape.split("-"))
        kind = REGRESSION if K == 1 else CLASSIFICATION
        X, Y, _ = generated(rows + HELD_OUT, n_in, K, kind, noise)
        order = rng.permutation(len(X))
        found = {"X": X[order], "Y": Y[order], "X_held": X[order[rows:]], "Y_held": Y[order[rows:]]}
    else:
        dataset = for_validation(load(name))
        kind, found = dataset.kind, standardised(dataset, seed)
        for part in ("", "_held"):
            order = rng.permutation(len(found[f"X{part}"]))
            found |= {f"{of}{part}": found[f"{of}{part}"][order] for of in "XY"}
    largest = {"X": rows, "Y": rows, "X_held": HELD_OUT, "Y_held": HELD_OUT}
    training = REGRESSION_TRAINING if kind == REGRESSION else CLASSIFICATION_TRAINING
    return {key: found[key][:count] for key, count in largest.items()}, training


def looks(
    data: Mapping[str, Array], training: Training, batch_size: int | None, passes: int, seed: int
) -> list[Look]:
    """Looks on the way and, last, at the end of `fit`, all of whose time then counts."""
    model, spent, begun, done = BALI(**training.model, seed=seed), 0.0, 0.0, 0
    found: list[Look] = []
    whens = [max(1, round(share * passes)) for share in LOOKS]

    def look(model: BALI) -> None:
        nonlocal spent, begun, done
        spent, done = spent + CLOCK() - begun, done + 1
        score = model.predict(data["X_held"]).logpdf(data["Y_held"]).mean() if done in whens else 0
        found.extend([Look(spent, float(score))] * whens.count(done))
        begun = CLOCK()

    begun = CLOCK()
    model.fit(data["X"], data["Y"], epochs=passes, batch_size=batch_size, callback=look)
    spent += CLOCK() - begun
    return [*found, Look(spent, float(model.predict(data["X_held"]).logpdf(data["Y_held"]).mean()))]


def report(
    name: str, rows: int, sizes: Sequence[int | None], seeds: int, noise: float = NOISE
) -> str:
    """A Markdown table, a row for each size of batches; None is all rows."""
    lines = []
    for size in sizes:
        runs = []
        for seed in range(seeds):
            found, training = data(name, rows, seed, noise)
            passes = training.epochs_for(len(found["X"]), training.batch_size_for(rows))
            looks(found, training, size, 1, seed)  # compiles
            runs.append(looks(found, training, size, passes, seed))
        means = np.mean(runs, axis=0)
        cells = [f"{value:.3f} ({seconds:.2f} s)" for seconds, value in means]
        lines.append(["all" if size is None else str(size), str(passes), *cells])
    titles = ["batch", "passes", *(f"{share:.0%}" for share in LOOKS), "end"]
    return markdown(titles, [list(column) for column in zip(*lines, strict=True)]) + (
        f"\n\n{name}, {rows} rows, {seeds} seeds. Mean held-out log-likelihood, nats, after "
        "shares of the passes, with the layers' own covariances, and at the end of `fit`; "
        "processor seconds until then.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool; None takes the arguments of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.full_or_batches",
        description="All rows at once, or batches: log-likelihood and time on the way.",
    )
    parser.add_argument("name", metavar="NAME", help="a data set, or generated:N_IN-K")
    parser.add_argument("rows", metavar="ROWS", type=int)
    parser.add_argument("--batches", metavar="N", type=int, nargs="*", default=[256])
    parser.add_argument("--seeds", metavar="N", type=int, default=1)
    parser.add_argument(
        "--noise", metavar="STD", type=float, default=NOISE, help="of generated data"
    )
    parsed = parser.parse_args(arguments)
    sizes = [None, *parsed.batches]
    print(report(parsed.name, parsed.rows, sizes, parsed.seeds, parsed.noise), end="")


if __name__ == "__main__":
    main()
