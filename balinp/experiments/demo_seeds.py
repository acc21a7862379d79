"""Whether the picture of ``balinp demo`` is a lucky one: the same for ten seeds.

    python -m balinp.experiments.demo_seeds

Printed are, for each seed of data and weights and for the covariance of all weights together and
the layers' own, how much wider the epistemic standard deviation is in the gap than in the data, and
the shares of the inputs in the gap and beyond the data where the true curve is within two of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from balinp._types import Array
from balinp.demo import CLUSTERS, INPUTS, beliefs, curve, curve_data, data_and_gap, trained
from balinp.experiments.table import markdown

SEEDS = range(10)


def row(seed: int) -> Array:
    """Ratio, share in the gap and share beyond the data, of all weights and of the layers: (6,)."""
    believed = beliefs(trained(*curve_data(seed), seed))
    off = np.abs(believed.predictive.mean - curve(INPUTS))[:, 0]
    data, gap = data_and_gap()
    beyond = (INPUTS[:, 0] < CLUSTERS[0][0]) | (INPUTS[:, 0] > CLUSTERS[1][1])
    found = []
    for std in (believed.joint, believed.layerwise):
        within = off <= 2 * std
        found += [std[gap].mean() / std[data].mean(), within[gap].mean(), within[beyond].mean()]
    return np.array(found)


def report(seeds: Sequence[int] = SEEDS) -> str:
    """A Markdown table, one row a seed, and what all of them have in common."""
    rows = np.array([row(seed) for seed in seeds])
    titles = ["ratio", "in the gap", "beyond"]
    columns = [[f"{value:.1f}" for value in rows[:, k]] if k % 3 == 0
               else [f"{100 * value:.0f} %" for value in rows[:, k]] for k in range(6)]  # fmt: skip
    text = markdown(
        ["seed", *(f"{who}: {t}" for who in ("all weights", "layers") for t in titles)],
        [[str(seed) for seed in seeds], *columns],
    )
    whole = (rows[:, [1, 4]] == 1).sum(axis=0)
    return (
        f"{text}\n\nThe true curve is within two epistemic standard deviations all through the gap "
        f"for {whole[0]} of {len(rows)} seeds with the covariance of all weights, for {whole[1]} "
        "with the layers' own.\n"
    )


if __name__ == "__main__":
    print(report(), end="")
