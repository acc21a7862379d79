"""What the covariance of all layers and the tails cost at the end of a fit.

    python -m balinp.experiments.joint_cost

Generated data, default training of `BALIRegressor` (400 steps with all data): processor time of
training, and of the pass that comes after it, both with one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time
from typing import NamedTuple

import numpy as np

from balinp.bali import BALI
from balinp.data import Data
from balinp.defaults import REGRESSION_TRAINING
from balinp.experiments.table import markdown
from balinp.uncertainty import Uncertainty


class Size(NamedTuple):
    """Inputs, hidden units and rows."""

    n_in: int
    hidden: int
    rows: int


SIZES = (
    Size(6, 50, 277),
    Size(8, 50, 691),
    Size(8, 50, 927),
    Size(13, 50, 455),
    Size(14, 50, 2000),
    Size(13, 100, 1000),
    Size(20, 90, 4000),
)
"""The first four are those of yacht, energy, concrete and boston."""

REPEATS = 3


def seconds(size: Size, steps: int = 400) -> tuple[int, float, float]:
    """Number of weights, and processor time of training and of the pass after it."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((size.rows, size.n_in))
    Y = np.sin(X @ rng.standard_normal((size.n_in, 1))) + 0.1 * rng.standard_normal((size.rows, 1))
    asked = {key: REGRESSION_TRAINING.model[key] for key in ("covariance", "noise")}
    start = process_time()
    model = BALI((size.hidden,)).fit(X, Y, epochs=steps)
    trained = process_time()
    found = Uncertainty.asked(**asked, likelihood=model.likelihood).after(model, Data(X, Y, None))
    ended = process_time()
    assert found.joint is not None
    assert found.tails is not None
    return sum(W.size for W in model.weights), trained - start, ended - trained


def report(sizes: Sequence[Size] = SIZES, repeats: int = REPEATS, steps: int = 400) -> str:
    """A Markdown table, one row a size: least times of so many repeats."""
    from threadpoolctl import threadpool_limits

    rows = []
    with threadpool_limits(limits=1):
        seconds(Size(2, 5, 20), steps=2)  # compiles
        for size in sizes:
            weights, fits, passes = zip(
                *(seconds(size, steps) for _ in range(repeats)), strict=True
            )
            fit, after = min(fits), min(passes)
            rows.append([f"{size.n_in}-{size.hidden}-1", str(weights[0]), str(size.rows),
                         f"{fit:.2f}", f"{after:.3f}", f"{100 * after / fit:.1f} %"])  # fmt: skip
    titles = ["network", "weights", "rows", "training, s", "pass, s", "pass / training"]
    return markdown(titles, [list(column) for column in zip(*rows, strict=True)]) + "\n"


if __name__ == "__main__":
    print(report(), end="")
