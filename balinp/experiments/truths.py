"""The command ``balinp truths``: three posteriors of tiny networks, side by side.

All three have the same model: tanh units, weights N(0, 1 / lam), noise of known variance. They
differ in what they make of the posterior:

- MCMC, the exact one: a long run of an ensemble of Markov chains;
- BALI with ``covariance="joint"``: one Gaussian for all weights;
- BALI with ``covariance="layerwise"``: one Gaussian a layer about the same mean, independent.

True functions are networks drawn from the prior, so that no prediction has a better expected
log-likelihood than the exact one: what the others lose is the error of their approximation. For
networks of some hundred weights, `larger_truths` has Hamiltonian Monte Carlo in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.special import logsumexp

from balinp._types import Array
from balinp.bali import BALI
from balinp.experiments import require_extras
from balinp.experiments.exact_posterior import (
    NOISE_STD,
    PRIOR_PRECISION,
    REGIONS,
    Chains,
    Outputs,
    Problem,
    exact,
    functions,
    hidden_weights,
    problem,
)
from balinp.experiments.figures import Panel, save_truths_figure
from balinp.experiments.output import announce, show, write_records
from balinp.experiments.scores import Record
from balinp.experiments.table import markdown
from balinp.functions import LayerwisePosterior, WeightPosterior, sample_functions

NETWORKS = ((1, 3, 1), (2, 2, 1))
SEEDS, STARTS = range(5), range(3)
"""Of the true networks with their data, and of BALI's initial weights."""

MCMC, JOINT, LAYERWISE = "MCMC", "BALI (joint)", "BALI (layerwise)"

CURVE_INPUTS = np.linspace(-6.0, 6.0, 241)[:, None]
CURVES = 12
"""Functions drawn from each posterior in the picture."""

Looked: TypeAlias = tuple[list[Record], Callable[[], list[Panel]]]
"""Records of a problem, and what makes the panels of its picture."""


def truths(
    *, json_path: Path | None = None, figure_path: Path | None = None, chains: Chains | None = None
) -> list[Record]:
    """Compare the three on some problems of both networks; print a table, draw the first.

    Parameters
    ----------
    json_path : Path, optional
        Where to write the records of `compare`, or None.
    figure_path : Path, optional
        Where to draw the figure, or None.
    chains : Chains, optional
        How long they run; None is the usual length.

    Raises
    ------
    UserError
        If a package is missing.
    """
    require_extras("emcee")
    problems = ((problem(widths, seed), seed) for widths, seed in product(NETWORKS, SEEDS))

    def look(drawn: Problem, seed: int) -> Looked:
        draws, accepted = hidden_weights(drawn, chains or Chains(), seed)
        return compare(drawn, draws, accepted), partial(_panels, drawn, draws)

    return side_by_side(problems, look, report, json_path, figure_path)


def side_by_side(
    problems: Iterable[tuple[Problem, int]],
    look: Callable[[Problem, int], Looked],
    report: Callable[[list[Record]], str],
    json_path: Path | None,
    figure_path: Path | None,
) -> list[Record]:
    """Look at problems with their seeds; print a table of the records, draw the first problem.

    Parameters
    ----------
    problems : iterable
        Problems, each with its seed.
    look : callable
        Function that makes a problem's records, and what makes the panels of its picture.
    report : callable
        Function that makes the table.
    json_path, figure_path : Path or None
        Where to write the records and the figure.
    """
    records: list[Record] = []
    for drawn, seed in problems:
        found, panels = look(drawn, seed)
        if not records and figure_path is not None:
            save_truths_figure(drawn.X, drawn.Y, panels(), figure_path)
        name = "-".join(map(str, drawn.network.widths))
        records += [{"network": name, "seed": seed, **record} for record in found]
    show(report(records), json_path)
    if json_path is not None:
        write_records(records, json_path)
    if figure_path is not None:
        announce(figure_path)
    return records


def trained(problem: Problem, start: int) -> BALI:
    """BALI with the problem's prior and noise, trained until it stands still."""
    model = BALI(
        problem.network.widths[1:-1],
        activation="tanh",
        prior_precision=PRIOR_PRECISION,
        noise_variance=NOISE_STD**2,
        covariance="joint",
        seed=start,
    )
    return model.fit(problem.X, problem.Y, epochs=1000, tolerance=1e-10)


def posteriors(model: BALI) -> dict[str, WeightPosterior]:
    """The Gaussian over all weights that each of the two covariances stands for."""
    joint = model.uncertainty.joint
    assert joint is not None
    layers = [layer.posterior for layer in model.layers]
    return {JOINT: joint, LAYERWISE: LayerwisePosterior(model.network, layers)}


def gaussians(model: BALI, X_new: Array) -> dict[str, Outputs]:
    """Outputs at X_new by either covariance, about the same weights."""
    mean = model.predict(X_new).mean[:, 0]
    return {
        method: Outputs(mean, std(posterior, X_new))
        for method, posterior in posteriors(model).items()
    }


def std(posterior: WeightPosterior, X: Array) -> Array:
    """Standard deviations (B,) of the linearised output at X."""
    return np.sqrt(np.diagonal(posterior.between_rows(X)[:, 0, :, 0]))


def compare(
    problem: Problem, draws: Array, accepted: float, starts: Sequence[int] = STARTS
) -> list[Record]:
    """Records of MCMC, and of BALI with both covariances from each start, on one problem.

    Parameters
    ----------
    problem : Problem
        What all have in common.
    draws, accepted : array and float
        From `hidden_weights`.
    starts : sequence of int, optional
        Seeds of BALI's initial weights.

    Returns
    -------
    list of Record
        Records with the keys method, start (None for MCMC) and, for each region, mean_off (root
        mean square difference of the mean from that of MCMC), std (mean standard deviation that
        uncertain weights cause) and log_likelihood (nats a fresh datum). MCMC also has accepted,
        and for the output that mixes worst effective_draws and halves_differ: by how much its means
        over the first and the second half of the chains differ, in posterior standard deviations.
        Others have log_joint, the log joint density at their mean.
    """
    models = [trained(problem, start) for start in starts]
    truth: Record = {"method": MCMC, "start": None, "accepted": accepted}
    records: list[Record] = [
        {"method": method, "start": start, "log_joint": model.history[-1].log_joint}
        for start, model in zip(starts, models, strict=True)
        for method in (JOINT, LAYERWISE)
    ]
    mixing = []
    for region, (X_new, Y_new) in problem.tests.items():
        y = Y_new[:, 0]
        reference, means, variances = exact(problem, draws, X_new)
        mixing.append(_mixing(means.reshape(*draws.shape[:2], -1), reference.std))
        densities = logsumexp(log_density(y, means, variances), axis=0) - np.log(len(means))
        truth |= region_scores(region, reference, reference, densities)
        outputs = [o for model in models for o in gaussians(model, X_new).values()]
        for record, output in zip(records, outputs, strict=True):
            densities = log_density(y, output.mean, output.std**2)
            record |= region_scores(region, output, reference, densities)
    truth["effective_draws"] = min(effective for effective, _ in mixing)
    truth["halves_differ"] = max(differ for _, differ in mixing)
    return [truth, *records]


def region_scores(region: str, output: Outputs, reference: Outputs, densities: Array) -> Record:
    """The three scores of a record for a region, from log densities (B,) of its fresh data."""
    off = np.sqrt(np.mean((output.mean - reference.mean) ** 2))
    return {
        f"mean_off_{region}": float(off),
        f"std_{region}": float(output.std.mean()),
        f"log_likelihood_{region}": float(densities.mean()),
    }


def log_density(y: Array, mean: Array, epistemic: Array) -> Array:
    """Log N(y; mean, epistemic + noise variance)."""
    variance = epistemic + NOISE_STD**2
    return np.asarray(-0.5 * ((y - mean) ** 2 / variance + np.log(2 * np.pi * variance)))


def _mixing(means: Array, std: Array) -> tuple[float, float]:
    """Fewest effective draws of means (T, walkers, B), and how far their halves differ."""
    from emcee.autocorr import integrated_time

    first, second = (half.mean(axis=(0, 1)) for half in np.array_split(means, 2))
    time = integrated_time(means, tol=0).max()
    return means[:, :, 0].size / float(time), float((np.abs(first - second) / std).max())


# -- table and picture -----------------------------------------------------------------------------


def table(records: Sequence[Record]) -> str:
    """Scores of every region in Markdown, one row a network and method."""
    rows = list(dict.fromkeys((r["network"], r["method"]) for r in records))
    titles, columns = ["network", "method"], [list(column) for column in zip(*rows, strict=True)]
    for key, title in [
        ("mean_off", "mean off"),
        ("std", "std"),
        ("log_likelihood", "log-likelihood"),
    ]:
        for region in REGIONS:
            titles.append(f"{title}, {region}")
            values = [_values(records, f"{key}_{region}", *row) for row in rows]
            columns.append([f"{value.mean():.3f}" for value in values])
    return markdown(titles, columns)


def report(records: Sequence[Record]) -> str:
    """The table, and lines that explain it."""
    seeds, starts = ({r[key] for r in records} - {None} for key in ("seed", "start"))
    joints: dict[tuple[str, int], list[float]] = {}
    for r in records:
        if r["method"] == LAYERWISE:
            joints.setdefault((r["network"], r["seed"]), []).append(r["log_joint"])
    apart = max(max(values) - min(values) for values in joints.values())
    truth = [r for r in records if r["method"] == MCMC]
    return (
        f"{table(records)}\n\n"
        f"Means over {len(seeds)} true networks drawn from the prior, with data of their own, and "
        f"{len(starts)} starts of BALI, whose log joint densities are at most {apart:.2g} nats "
        "apart. Mean off: root mean square difference of the predictive mean from that of MCMC; "
        "std: that uncertain weights cause; log-likelihood: nats a fresh datum, higher is "
        f"better; prior precision {PRIOR_PRECISION:g}, noise std {NOISE_STD:g}. "
        f"MCMC: at least {min(r['effective_draws'] for r in truth):.0f} effective draws of every "
        f"output and {100 * min(r['accepted'] for r in truth):.0f} % of moves accepted; first and "
        f"second half differ by at most {max(r['halves_differ'] for r in truth):.2f} posterior "
        "standard deviations.\n"
    )


def _values(records: Sequence[Record], key: str, network: str, method: str) -> Array:
    chosen = (r for r in records if (r["network"], r["method"]) == (network, method))
    return np.array([record[key] for record in chosen])


def _panels(problem: Problem, draws: Array) -> list[Panel]:
    """What the picture shows of each posterior of a network with one input."""
    X, rng = CURVE_INPUTS, np.random.default_rng(0)
    model = trained(problem, STARTS[0])
    outputs = gaussians(model, X)
    curves = {
        method: sample_functions(posterior, X, rng, CURVES)[:, :, 0]
        for method, posterior in posteriors(model).items()
    }
    omega = rng.choice(draws.reshape(-1, draws.shape[-1]), CURVES, replace=False)
    curves[MCMC] = functions(problem, omega, X, rng)
    outputs[MCMC] = exact(problem, draws, X)[0]
    return [
        Panel(method, X[:, 0], outputs[method].mean, outputs[method].std, curves[method])
        for method in (MCMC, JOINT, LAYERWISE)
    ]
