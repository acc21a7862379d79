"""What sentences quote of the stored records, as functions that give the text of a figure.

Figures are written as the documents have them, without the zero before the point.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.experiments.convergence import COMPARED_AT
from balinp.experiments.methods import ENSEMBLE, REFERENCE, SINGLE_NETWORKS
from balinp.experiments.results.store import read
from balinp.experiments.scores import COMPARED, Record
from balinp.experiments.table import by_split, mean_and_error, method_names

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "balinp/experiments/results/README.md"
LEAKAGE = ROOT / "balinp/experiments/leakage.md"
GUARANTEES = ROOT / "derivations/14_guarantees.md"
"""Pages that quote records."""

ONE, FIVE = REFERENCE, ENSEMBLE
MIXTURE = "log_likelihood_mixture"

DROPOUT, KRONECKER, GP = "MC dropout", "Adam + Kronecker Laplace", "Gaussian process"
MLPS, LINEAR, CONJUGATE = "MLP (ensemble of 5)", "Bayesian linear regression", "BALI (conjugate)"

UCI = ("boston", "concrete", "energy", "wine", "yacht")
PUBLISHED, NEW, GAPS = (
    [f"{kind}_{name}" for name in UCI] for kind in ("uci", "groups", "published_gap")
)
"""Runs on the splits of these sets, with whole groups held out, and in gaps."""

Figure = Callable[[], str]


class Claim(NamedTuple):
    """A sentence of a page.

    Attributes
    ----------
    page : Path
        Where it stands.
    words : str
        The sentence, ``{}`` for each figure.
    figures : tuple of callable
        What gives the figures.
    holds : callable
        Whether what it says without figures is so.
    """

    page: Path
    words: str
    figures: tuple[Figure, ...] = ()
    holds: Callable[[], bool] = lambda: True

    @property
    def sentence(self) -> str:
        """With the figures of the records."""
        return self.words.format(*(figure() for figure in self.figures))


@cache
def records(run: str) -> list[Record]:
    """Those of a run."""
    return read(run).records


def shown(value: float, decimals: int) -> str:
    """A number as the documents have it."""
    text = re.sub(r"^(-?)0\.", r"\1.", f"{value:.{decimals}f}")
    return text if float(text) else text.removeprefix("-")


def scores(run: str, method: str, key: str = "") -> np.ndarray:
    """A score by split, by default the one that methods are compared by."""
    kind = REGRESSION if "rmse" in records(run)[0] else CLASSIFICATION
    return by_split(records(run), method, key or COMPARED[kind].key)


def mean(run: str, method: str, decimals: int = 2, key: str = "") -> Figure:
    """The mean over splits."""
    return lambda: shown(scores(run, method, key).mean(), decimals)


def least(run: str, method: str, decimals: int = 2) -> Figure:
    """The least over splits."""
    return lambda: shown(scores(run, method).min(), decimals)


def gain(run: str, a: str, b: str) -> tuple[float, float]:
    """The score of a minus that of b, by split: mean and standard error."""
    return mean_and_error(scores(run, a) - scores(run, b))


def within(run: str, a: str, b: str) -> bool:
    """Whether two methods differ by less than two standard errors."""
    difference, error = gain(run, a, b)
    return abs(difference) < 2 * error


def above(run: str, a: str, b: str, decimals: int = 2) -> Figure:
    """The same without its error."""
    return lambda: shown(gain(run, a, b)[0], decimals)


def paired(run: str, a: str, b: str, decimals: int = 2) -> Figure:
    """Both as text."""
    return lambda: " ± ".join(shown(value, decimals) for value in gain(run, a, b))


def ranked(run: str, among: tuple[str, ...] = ()) -> list[str]:
    """Methods of a run, the best mean first; all, or some."""
    chosen = [name for name in method_names(records(run)) if not among or name in among]
    return sorted(chosen, key=lambda name: -scores(run, name).mean())


def single(run: str) -> list[str]:
    """Those that train one network."""
    return ranked(run, (ONE, *SINGLE_NETWORKS))


def width(network: str, place: str, method: str) -> np.ndarray:
    """The standard deviations of `balinp truths` over those of the Markov chains, all problems."""
    found = [record for record in records("truths") if record["network"] == network]
    exact = {r["seed"]: r[f"std_{place}"] for r in found if r["method"] == "MCMC"}
    return np.array([r[f"std_{place}"] / exact[r["seed"]] for r in found if r["method"] == method])


def ratio(network: str, place: str, method: str, decimals: int = 2) -> Figure:
    """Geometric mean of the same."""
    return lambda: shown(np.exp(np.log(width(network, place, method)).mean()), decimals)


def starts(network: str, seed: int, key: str, method: str = "BALI (layerwise)") -> np.ndarray:
    """A value of all starts in one of these problems."""
    return np.array(
        [
            r[key]
            for r in records("truths")
            if (r["network"], r["seed"], r["method"]) == (network, seed, method)
        ]
    )


def apart() -> list[float]:
    """How far the ends of the starts are apart in log joint density, of all problems."""
    return [
        float(np.ptp(starts(network, seed, "log_joint")))
        for network in ("1-3-1", "2-2-1")
        for seed in range(5)
    ]


def in_seconds(name: str) -> float:
    """BALI's seconds to Adam's best joint density over those of that Adam."""
    bali, *adams = records(f"convergence_{name}")
    best = max(adams, key=lambda record: record["log_joint"][COMPARED_AT])
    return float(bali["seconds_to_target"] / best["seconds_to_target"])


def lost(network: str, place: str, method: str) -> Figure:
    """Nats a datum that a method loses to the Markov chains, mean and error over the problems."""
    found = [record for record in records("truths") if record["network"] == network]
    key = f"log_likelihood_{place}"

    def text() -> str:
        by_seed = [
            [np.mean([r[key] for r in found if r["method"] == m and r["seed"] == seed])
             for seed in sorted({r["seed"] for r in found})]
            for m in ("MCMC", method)
        ]  # fmt: skip
        return " ± ".join(shown(v, 2) for v in mean_and_error(np.subtract(*by_seed)))

    return text


def below(method: str, limit: float = -10.0) -> Figure:
    """In how many of all gaps a method has fewer nats."""
    return lambda: f"{sum(int((scores(run, method) < limit).sum()) for run in GAPS)}"
