"""Simulation-based calibration of whole networks: data are drawn from the prior that BALI assumes.

Weights are drawn from the prior, data from the likelihood, and BALI is trained on them. If its
predictive were the posterior's, the share of it that lies below the true output would be uniform
over such draws, at any input, and so would that below a new target. Nothing has to be known of
the exact posterior. ``python -m balinp.experiments.simulated`` prints a table, and writes a figure
of the histograms and the records.

Source: Talts et al. (2018), Validating Bayesian inference algorithms with simulation-based
calibration, arXiv 1804.06788.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import binom, chi2

from balinp._types import Array
from balinp.bali import BALI
from balinp.experiments.scores import Record
from balinp.experiments.table import markdown
from balinp.mlp import MLP

ROWS, N_IN, LAM, NOISE = 100, 2, 1.0, 0.3
"""Data a draw, inputs, prior precision of every weight, and standard deviation of the noise."""

EPOCHS = 400
"""Steps of a network, with all data at once; one layer with given noise is exact after one."""

PLACES = {"among the data": 1.0, "beyond them": 4.0}
"""Standard deviation of new inputs; that of the data is 1."""

BINS = 10
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Case:
    """A network, what BALI is told of the noise, and what the noise is.

    Attributes
    ----------
    name : str
        Name of the case.
    hidden : tuple of int
        Widths of the hidden layers.
    model : dict
        Arguments of `BALI`; without a noise variance it learns one.
    freedom : float
        Degrees of freedom of the true noise, of the same variance; infinite for a Gaussian.
    """

    name: str
    hidden: tuple[int, ...]
    model: dict[str, Any]
    freedom: float = np.inf


GIVEN = {"noise_variance": NOISE**2}
CASES = (
    Case("linear", (), GIVEN),
    Case("network, layerwise", (10,), {**GIVEN, "covariance": "layerwise"}),
    Case("network, joint", (10,), {**GIVEN, "covariance": "joint"}),
    Case("network, joint, noise learnt", (10,), {"covariance": "joint"}),
    Case("the same, Student tails", (10,), {"covariance": "joint", "noise": "student"}),
    Case("noise of 4 degrees, Gaussian", (10,), {"covariance": "joint"}, 4.0),
    Case("noise of 4 degrees, Student", (10,), {"covariance": "joint", "noise": "student"}, 4.0),
)
"""What is compared: the exact case, both covariances, and what is learnt of two kinds of noise."""


def simulate(case: Case, seed: int) -> list[Record]:
    """Draw a network and its data, train on them, and say how the truth lies in the predictive.

    Returns
    -------
    list of Record
        A record for each place: ``"function"`` and ``"target"``, the predictive probabilities below
        the true output and below a new target.
    """
    rng = np.random.default_rng(seed)
    network = MLP([N_IN, *case.hidden, 1], "tanh")
    weights = [rng.standard_normal(W.shape) / np.sqrt(LAM) for W in network.initial_weights(rng)]
    X = rng.standard_normal((ROWS, N_IN))
    new = np.array(list(PLACES.values()))[:, None] * rng.standard_normal((len(PLACES), N_IN))
    f = network.forward(weights, np.vstack([X, new])).outputs[-1]
    Y = f + NOISE * _noise(rng, case.freedom, f.shape)
    model = BALI(case.hidden, activation="tanh", prior_precision=LAM, seed=seed, **case.model)
    epochs = EPOCHS if case.hidden else 1
    predictive = model.fit(X, Y[:ROWS], epochs=epochs).predict(new)
    std = np.sqrt(predictive.epistemic[:, 0, 0])
    functions = ndtr((f[ROWS:, 0] - predictive.mean[:, 0]) / std)
    targets = predictive.cdf(Y[ROWS:])[:, 0]
    return [
        {"case": case.name, "seed": seed, "place": place, "function": float(u), "target": float(v)}
        for place, u, v in zip(PLACES, functions, targets, strict=True)
    ]


def _noise(rng: np.random.Generator, freedom: float, shape: tuple[int, ...]) -> Array:
    """Noise of variance 1."""
    if np.isinf(freedom):
        return rng.standard_normal(shape)
    return rng.standard_t(freedom, shape) * np.sqrt(1 - 2 / freedom)


def histogram(probabilities: Array) -> Array:
    """Number of probabilities in each of `BINS` bins of equal width."""
    return np.histogram(probabilities, BINS, (0.0, 1.0))[0]


def band(draws: int) -> tuple[float, float]:
    """Counts between which all bins of a uniform histogram lie with probability .99 or more.

    Examples
    --------
    >>> band(400)
    (22.0, 61.0)
    """
    tail = 0.005 / BINS
    return float(binom.ppf(tail, draws, 1 / BINS)), float(binom.isf(tail, draws, 1 / BINS))


def coverage(probabilities: Array, level: float) -> float:
    """Share of the probabilities that lie in the central interval of a level."""
    return float(np.mean(np.abs(2 * probabilities - 1) <= level))


def report(records: Sequence[Record]) -> str:
    """A Markdown table: coverage by level, and whether the histogram is inside its band."""
    titles = ["case", "place", "of", *(f"{level:.0%}" for level in LEVELS)]
    rows = [[case, place, of, *_cells(u)] for case, place, of, u in groups(records)]
    draws = len({record["seed"] for record in records})
    low, high = band(draws)
    text = markdown([*titles, "bins", "p"], [list(column) for column in zip(*rows, strict=True)])
    return (
        f"{text}\n\nRows: share of {draws} draws in central intervals of these levels; least and "
        f"most of {BINS} bins, which lie in {low:.0f} to {high:.0f} with probability .99 if all is "
        "right; p: of the chi-squared test of the bins.\n"
    )


def groups(records: Sequence[Record]) -> Iterator[tuple[str, str, str, Array]]:
    """Case, place, function or target, and the probabilities of all draws."""
    for case in dict.fromkeys(record["case"] for record in records):
        for place in PLACES:
            chosen = [r for r in records if (r["case"], r["place"]) == (case, place)]
            for of in ("function", "target"):
                yield case, place, of, np.array([record[of] for record in chosen])


def _cells(u: Array) -> list[str]:
    counts, expected = histogram(u), len(u) / BINS
    p = float(chi2.sf(((counts - expected) ** 2).sum() / expected, BINS - 1))
    shares = [f"{coverage(u, level):.1%}" for level in LEVELS]
    return [*shares, f"{counts.min()}-{counts.max()}", f"{p:.1g}"]


def save_figure(records: Sequence[Record], path: Path) -> None:
    """Histograms, cases in rows; their bands in grey."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cases = list(dict.fromkeys(record["case"] for record in records))
    figure = Figure(figsize=(11, 1.5 * len(cases) + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(len(cases), 4, sharex=True, sharey=True, squeeze=False)
    low, high = band(len({record["seed"] for record in records}))
    for axes, (case, place, of, u) in zip(all_axes.flat, groups(records), strict=True):
        axes.axhspan(low, high, color="0.85")
        axes.bar((np.arange(BINS) + 0.5) / BINS, histogram(u), 0.9 / BINS, color="C0")
        if axes in all_axes[0]:
            axes.set_title(f"{of}, {place}", fontsize="small")
        if axes in all_axes[:, 0]:
            axes.set_ylabel(case.replace(", ", ",\n"), fontsize="x-small")
        if axes in all_axes[-1]:
            axes.set_xlabel("probability below the truth", fontsize="small")
    figure.savefig(path, dpi=100)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; None takes the arguments of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.simulated",
        description="Simulation-based calibration of whole networks.",
    )
    parser.add_argument("--draws", metavar="N", type=int, default=150, help="(default: 150)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the records to FILE")
    parser.add_argument("--figure", metavar="FILE", type=Path, default=Path("simulated.png"))
    parsed = parser.parse_args(arguments)
    records = [r for case in CASES for seed in range(parsed.draws) for r in simulate(case, seed)]
    print(report(records), end="")
    if parsed.json is not None:
        parsed.json.write_text(json.dumps(records, indent=1) + "\n")
    save_figure(records, parsed.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
