"""Bayesian optimisation: a minimum is looked for in few evaluations, by expected improvement.

Ten random inputs, then twenty that the surrogate chooses one by one: the one of the largest
expected improvement on the least value seen, among a thousand random inputs and a thousand near
the best one. The regret is the least value so far minus the minimum. On these smooth functions of
few inputs a Gaussian process is far ahead of BALI's network. (Matern kernels of tinygp are no
covariances where there is more than one input: it measures the sum of absolute differences.)

Source: Jones, Schonlau and Welch (1998), Efficient global optimization of expensive black-box
functions; functions as in Surjanovic and Bingham, Virtual library of simulation experiments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from balinp._types import Array
from balinp.experiments.scores import Record
from balinp.experiments.table import column_cells, markdown, method_names
from balinp.experiments.uses.curves import draw_curves, new_figure
from balinp.experiments.uses.surrogates import ExactNetwork, GaussianProcess, Network, Surrogate

START, STEPS = 10, 20
CANDIDATES, NEAR = 1000, 0.05
"""Of either kind a step, and the standard deviation of those near the best, of a unit cube."""


class Function(NamedTuple):
    """A function to be minimised on the unit cube.

    Attributes
    ----------
    name : str
        Name of the function.
    n_in : int
        Number of inputs.
    value : callable
        Maps inputs (B, n_in) of the cube to values (B,).
    minimum : float
        Least value.
    """

    name: str
    n_in: int
    value: Callable[[Array], Array]
    minimum: float


def branin(U: Array) -> Array:
    """Three minima of equal value.

    Examples
    --------
    >>> branin((np.array([[np.pi, 2.275]]) + [5, 0]) / 15).round(5)
    array([0.39789])
    """
    x, y = 15 * U[:, 0] - 5, 15 * U[:, 1]
    parabola = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return parabola**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
WIDTHS = {
    3: np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]),
    6: np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    ),
}
CENTRES = {
    3: 1e-4
    * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]),
    6: 1e-4
    * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    ),
}


def hartmann(U: Array) -> Array:
    """Four wells, in three or in six dimensions.

    Examples
    --------
    >>> hartmann(np.array([[0.114614, 0.555649, 0.852547]])).round(5)
    array([-3.86278])
    >>> best = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]
    >>> hartmann(np.array([best])).round(5)
    array([-3.32237])
    """
    n = U.shape[1]
    squares = (WIDTHS[n] * (U[:, None, :] - CENTRES[n]) ** 2).sum(axis=2)
    return -np.exp(-squares) @ WEIGHTS


FUNCTIONS = (
    Function("Branin", 2, branin, 0.397887),
    Function("Hartmann 3", 3, hartmann, -3.86278),
    Function("Hartmann 6", 6, hartmann, -3.32237),
)
RANDOM = "random"
SURROGATES: dict[str, Callable[[Array, Array, int], Surrogate]] = {
    "BALI": Network,
    "BALI, little noise given": ExactNetwork,
    "Gaussian process": GaussianProcess,
}


def expected_improvement(mean: Array, std: Array, least: float) -> Array:
    """E max(least - f, 0) for f of N(mean, std^2), each (B,).

    Examples
    --------
    >>> expected_improvement(np.array([0.0, -1.0]), np.array([1.0, 1e-9]), 0.0).round(4)
    array([0.3989, 1.    ])
    """
    z = (least - mean) / std
    return np.asarray(std * (z * norm.cdf(z) + norm.pdf(z)))


def choice(surrogate: Surrogate, X: Array, y: Array, rng: np.random.Generator) -> Array:
    """The input (n_in,) to be evaluated next, of the unit cube."""
    anywhere = rng.random((CANDIDATES, X.shape[1]))
    near = X[y.argmin()] + NEAR * rng.standard_normal((CANDIDATES, X.shape[1]))
    candidates = np.vstack([anywhere, np.clip(near, 0, 1)])
    predictive = surrogate.predictive(candidates)
    std = np.sqrt(predictive.epistemic[:, 0, 0])
    return candidates[expected_improvement(predictive.mean[:, 0], std, y.min()).argmax()]


def optimise(function: Function, method: str, seed: int, steps: int = STEPS) -> Array:
    """Regret (steps + 1,) of the best input after the start and after each further one.

    Methods of one seed have the same start.
    """
    rng = np.random.default_rng(seed)
    X = rng.random((START, function.n_in))
    for _ in range(steps):
        if method == RANDOM:
            new = rng.random(function.n_in)
        else:
            y = function.value(X)
            new = choice(SURROGATES[method](X, y, seed), X, y, rng)
        X = np.vstack([X, new])
    least = np.minimum.accumulate(function.value(X))[START - 1 :]
    return least - function.minimum


def run(seeds: int = 5) -> list[Record]:
    """A record for each function, seed and method, with the regret after each step."""
    return [
        {"function": function.name, "seed": seed, "method": method,
         "regret": optimise(function, method, seed).tolist()}
        for function in FUNCTIONS for seed in range(seeds) for method in (*SURROGATES, RANDOM)
    ]  # fmt: skip


def regrets(records: Sequence[Record], function: str, method: str) -> Array:
    """Regrets (seeds, steps + 1)."""
    return np.array(
        [r["regret"] for r in records if (r["function"], r["method"]) == (function, method)]
    )


def report(records: Sequence[Record]) -> str:
    """A Markdown table: log10 of the regret, at the start, half way and at the end."""
    names, titles, columns = method_names(records), ["method"], []
    for function in dict.fromkeys(record["function"] for record in records):
        found = [np.log10(np.maximum(regrets(records, function, m), 1e-6)) for m in names]
        for step in (STEPS // 2, STEPS):
            titles.append(f"{function}, {START + step}")
            columns.append(column_cells([values[:, step] for values in found]))
    seeds = len({record["seed"] for record in records})
    return (
        f"{markdown(titles, [names, *columns])}\n\nlog10 of the regret after so many evaluations, "
        f"means over {seeds} starts ± standard error; lower is better.\n"
    )


def save_figure(records: Sequence[Record], path: Path) -> None:
    """Regret against the number of evaluations, functions side by side."""
    figure = new_figure(13, 3.6)
    functions = list(dict.fromkeys(record["function"] for record in records))
    all_axes = figure.subplots(1, len(functions))
    for axes, function in zip(all_axes, functions, strict=True):
        found = {
            m: np.log10(np.maximum(regrets(records, function, m), 1e-6))
            for m in method_names(records)
        }
        steps = START + np.arange(next(iter(found.values())).shape[1])
        draw_curves(axes, steps, found, every=5)
        axes.set(title=function, xlabel="evaluations")
    all_axes[0].set_ylabel("log10 of the regret")
    all_axes[0].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=100)
