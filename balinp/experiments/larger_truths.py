"""The command ``balinp truths --hmc``: BALI beside Hamiltonian Monte Carlo, some hundred weights.

Model, data and regions are those of `truths`. Side by side are

- HMC, the exact posterior: No-U-Turn chains over all weights (`hamiltonian`);
- BALI with ``covariance="joint"``: one Gaussian for all weights;
- BALI with ``covariance="layerwise"``: a matrix normal a layer about the same mean, independent;
- the layers' exact posteriors, Gaussians that these are the nearest matrix normals to (MN-8).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from balinp._types import Array
from balinp.bali import BALI
from balinp.experiments import UserError, require_extras
from balinp.experiments.exact_posterior import Outputs, Problem, problem
from balinp.experiments.figures import Panel
from balinp.experiments.hamiltonian import Sampled, Sampling, mixing, outputs, sample
from balinp.experiments.scores import Record
from balinp.experiments.truths import (
    CURVE_INPUTS,
    CURVES,
    Looked,
    log_density,
    posteriors,
    region_scores,
    side_by_side,
    std,
    table,
    trained,
)
from balinp.functions import LayerwisePosterior, WeightPosterior, sample_functions

NETWORKS = {(1, 50, 1): 40, (2, 40, 1): 60, (1, 15, 15, 1): 40}
"""Number of data by widths; they have 151, 161 and 286 weights."""

SEEDS = range(2)
"""Of the true networks with their data, of the chains and of BALI's initial weights."""

HMC, EXACT = "HMC", "layers' exact posteriors"


def larger_truths(
    *,
    json_path: Path | None = None,
    figure_path: Path | None = None,
    sampling: Sampling | None = None,
) -> list[Record]:
    """Compare the four on some problems of each network; print a table, draw the first.

    Parameters
    ----------
    json_path : Path, optional
        Where to write the records of `compare`, or None.
    figure_path : Path, optional
        Where to draw the figure, or None.
    sampling : Sampling, optional
        How long chains run; None is the usual length.

    Raises
    ------
    UserError
        If a package is missing.
    """
    require_extras()
    try:
        import numpyro  # noqa: F401
    except ImportError:
        raise UserError(
            "numpyro is not installed; --hmc needs it: pip install 'balinp[hmc]'"
        ) from None
    problems = (
        (problem(widths, seed, n_data), seed)
        for (widths, n_data), seed in product(NETWORKS.items(), SEEDS)
    )

    def look(drawn: Problem, seed: int) -> Looked:
        sampled = sample(drawn, sampling or Sampling(), seed)
        return compare(drawn, sampled, seed), partial(_panels, drawn, sampled.draws)

    return side_by_side(problems, look, report, json_path, figure_path)


def all_posteriors(model: BALI) -> dict[str, WeightPosterior]:
    """The Gaussians over all weights that are compared, about the same mean."""
    exact = [layer.exact_posterior for layer in model.layers]
    return {**posteriors(model), EXACT: LayerwisePosterior(model.network, exact)}


def compare(problem: Problem, sampled: Sampled, start: int) -> list[Record]:
    """Records of HMC and of each of `all_posteriors` on one problem.

    Returns
    -------
    list of Record
        Records with the keys method and, for each region, mean_off, std and log_likelihood, as in
        `balinp.experiments.truths.compare`. HMC also has the largest r_hat and the fewest
        effective_draws of any output, divergent and leapfrogs.
    """
    model = trained(problem, start)
    functions = {
        region: outputs(problem.network, sampled.draws, X)
        for region, (X, _) in problem.tests.items()
    }
    r_hat, effective = mixing(list(functions.values()))
    truth: Record = {"method": HMC, "r_hat": r_hat, "effective_draws": effective}
    truth |= {"divergent": sampled.divergent, "leapfrogs": sampled.leapfrogs}
    gaussians = all_posteriors(model)
    records: dict[str, Record] = {method: {"method": method} for method in gaussians}
    for region, (X, Y) in problem.tests.items():
        f, y = functions[region].reshape(-1, len(X)), Y[:, 0]
        reference = Outputs(f.mean(axis=0), f.std(axis=0))
        densities = logsumexp(log_density(y, f, np.zeros(len(X))), axis=0) - np.log(len(f))
        truth |= region_scores(region, reference, reference, densities)
        mean = model.predict(X).mean[:, 0]
        for method, posterior in gaussians.items():
            output = Outputs(mean, std(posterior, X))
            densities = log_density(y, mean, output.std**2)
            records[method] |= region_scores(region, output, reference, densities)
    return [truth, *records.values()]


def report(records: Sequence[Record]) -> str:
    """The table, and lines that explain it."""
    truth = [r for r in records if r["method"] == HMC]
    return (
        f"{table(records)}\n\nMeans over {len({r['seed'] for r in records})} true "
        "networks drawn from the prior. Mean off: root mean square difference of the predictive "
        "mean from that of HMC; std: that uncertain weights cause; log-likelihood: nats a fresh "
        f"datum, higher is better. HMC: R-hat of every output at most "
        f"{max(r['r_hat'] for r in truth):.3f}, at least "
        f"{min(r['effective_draws'] for r in truth):.0f} effective draws, "
        f"{sum(r['divergent'] for r in truth)} divergent transitions.\n"
    )


def _panels(problem: Problem, draws: Array) -> list[Panel]:
    """What the picture shows of each posterior of a network with one input."""
    X, rng = CURVE_INPUTS, np.random.default_rng(0)
    f = outputs(problem.network, draws, X).reshape(-1, len(X))
    curves = f[rng.choice(len(f), CURVES, replace=False)]
    panels = [Panel(HMC, X[:, 0], f.mean(axis=0), f.std(axis=0), curves)]
    model = trained(problem, SEEDS[0])
    mean = model.predict(X).mean[:, 0]
    for method, posterior in all_posteriors(model).items():
        curves = sample_functions(posterior, X, rng, CURVES)[:, :, 0]
        panels.append(Panel(method, X[:, 0], mean, std(posterior, X), curves))
    return panels
