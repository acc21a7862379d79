"""The exact posterior of a tiny network with one hidden layer, by Markov chains.

Only hidden weights are sampled. Given these, the output layer is a Bayesian linear regression:
its evidence is their likelihood, and it gives mean and variance of the network's output. That
leaves six numbers for three units with one input, among which chains move freely; over all
weights they hardly move at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from balinp._types import Array
from balinp.mlp import MLP

PRIOR_PRECISION, NOISE_STD = 1.0, 0.2
"""Of all weights, and of the data: the same for all problems, and known."""

N_DATA, N_TEST = 12, 100
REGIONS = ("data", "gap", "outside")
OUTSIDE = 3.0
"""Inputs outside are those of the data, times this."""


@dataclass(frozen=True)
class Chains:
    """How long the ensemble runs.

    Attributes
    ----------
    walkers : int
        Chains that move by the differences between each other.
    burn_in, steps : int
        Left out, and kept, of each chain.
    thin : int
        Every so many kept steps, the outputs at test inputs are looked at.
    """

    walkers: int = 100
    burn_in: int = 500
    steps: int = 4000
    thin: int = 20


class Problem(NamedTuple):
    """A network with data X (N, n_in) and Y (N, 1), and fresh ones for each of `REGIONS`."""

    network: MLP
    X: Array
    Y: Array
    tests: dict[str, tuple[Array, Array]]


class Outputs(NamedTuple):
    """What a posterior says of the network's output at B inputs, noise left out.

    Attributes
    ----------
    mean, std : array
        (B,) arrays.
    """

    mean: Array
    std: Array


def problem(widths: Sequence[int], seed: int, n_data: int = N_DATA) -> Problem:
    """Draw a true network from the prior, and data from it.

    In the data the first input lies between 1 and 2 on either side of zero, others between -1
    and 1; in the gap the first lies between -1 and 1, too.
    """
    network = MLP(widths, "tanh")
    rng = np.random.default_rng(seed)
    true_weights = [
        rng.standard_normal(shape) / np.sqrt(PRIOR_PRECISION) for shape in network.shapes
    ]

    def observed(X: Array) -> tuple[Array, Array]:
        f = network.forward(true_weights, X).outputs[-1]
        return X, f + NOISE_STD * rng.standard_normal(f.shape)

    def between(n: int) -> Array:
        return rng.uniform(-1, 1, (n, widths[0]))

    def clusters(n: int) -> Array:
        X = between(n)
        X[:, 0] = rng.uniform(1, 2, n) * np.where(np.arange(n) % 2, 1, -1)
        return X

    X, Y = observed(clusters(n_data))
    places = clusters(N_TEST), between(N_TEST), OUTSIDE * clusters(N_TEST)
    tests = {region: observed(X_new) for region, X_new in zip(REGIONS, places, strict=True)}
    return Problem(network, X, Y, tests)


def features(network: MLP, omega: Array, X: Array) -> Array:
    """Inputs (S, B, D) of the output layer, its 1 included, for S sets of hidden weights.

    Parameters
    ----------
    omega : array
        (S, D_1 K_1) array, each row the hidden weights (D_1, K_1) read row by row.
    """
    W = omega.reshape(-1, *network.shapes[0])
    h = np.tanh(X @ W[:, :-1] + W[:, -1:])
    return np.concatenate([h, np.ones((*h.shape[:2], 1))], axis=2)


def log_posterior(problem: Problem, omega: Array) -> Array:
    """Log p(Y, omega) (S,) with the output weights integrated out, in nats.

    Derivation: LR-4
    """
    lam, N = PRIOR_PRECISION, len(problem.Y)
    F = features(problem.network, omega, problem.X)
    L, r = _regression(F, problem.Y)
    z = np.linalg.solve(L, r)[:, :, 0]
    half_log_det = np.log(np.diagonal(L, axis1=1, axis2=2)).sum(axis=1)
    log_evidence = (
        0.5 * (z**2).sum(axis=1)
        - half_log_det
        + 0.5 * F.shape[2] * np.log(lam)
        - 0.5 * N * np.log(2 * np.pi * NOISE_STD**2)
        - 0.5 * (problem.Y**2).sum() / NOISE_STD**2
    )
    log_prior = 0.5 * (np.log(lam / (2 * np.pi)) - lam * omega**2).sum(axis=1)
    return np.asarray(log_evidence + log_prior)


def given_hidden_weights(problem: Problem, omega: Array, X_new: Array) -> tuple[Array, Array]:
    """Mean and variance, each (S, B), of the network's output at X_new given omega.

    Derivation: LR-5
    """
    L, r = _regression(features(problem.network, omega, problem.X), problem.Y)
    L_T, G = np.swapaxes(L, 1, 2), features(problem.network, omega, X_new)
    mean = G @ np.linalg.solve(L_T, np.linalg.solve(L, r))
    return mean[:, :, 0], (np.linalg.solve(L, np.swapaxes(G, 1, 2)) ** 2).sum(axis=1)


def _regression(F: Array, Y: Array) -> tuple[Array, Array]:
    """Cholesky factor of the posterior precision of the output weights, and F^T Y / sigma^2."""
    F_T = np.swapaxes(F, 1, 2)
    P = PRIOR_PRECISION * np.eye(F.shape[2]) + F_T @ F / NOISE_STD**2
    return np.asarray(np.linalg.cholesky(P), np.float64), F_T @ Y / NOISE_STD**2


def hidden_weights(problem: Problem, chains: Chains, seed: int) -> tuple[Array, float]:
    """Draws (steps / thin, walkers, D_1 K_1) from p(omega | Y), and the share of moves accepted.

    Walkers start from the prior and move by differential evolution.
    """
    import emcee

    D, K = problem.network.shapes[0]
    sampler = emcee.EnsembleSampler(
        chains.walkers,
        D * K,
        lambda omega: log_posterior(problem, omega),
        vectorize=True,
        moves=emcee.moves.DEMove(),
    )
    sampler.random_state = np.random.RandomState(seed).get_state()
    start = np.random.default_rng(seed).standard_normal((chains.walkers, D * K))
    sampler.run_mcmc(start / np.sqrt(PRIOR_PRECISION), chains.burn_in + chains.steps)
    draws = sampler.get_chain(discard=chains.burn_in, thin=chains.thin)
    return np.asarray(draws), float(sampler.acceptance_fraction.mean())


def exact(problem: Problem, draws: Array, X_new: Array) -> tuple[Outputs, Array, Array]:
    """The exact posterior at X_new from draws (T, walkers, D_1 K_1), and what it is made of.

    Returns
    -------
    tuple of Outputs and array and array
        Its outputs, and for each draw mean and variance (T walkers, B) given its hidden weights.
    """
    means, variances = given_hidden_weights(problem, draws.reshape(-1, draws.shape[-1]), X_new)
    std = np.sqrt(variances.mean(axis=0) + means.var(axis=0))
    return Outputs(means.mean(axis=0), std), means, variances


def functions(problem: Problem, omega: Array, X_new: Array, rng: np.random.Generator) -> Array:
    """The network's output (S, B) at X_new, with output weights drawn given omega."""
    L, r = _regression(features(problem.network, omega, problem.X), problem.Y)
    white = np.linalg.solve(L, r) + rng.standard_normal(r.shape)
    W = np.linalg.solve(np.swapaxes(L, 1, 2), white)
    return np.asarray((features(problem.network, omega, X_new) @ W)[:, :, 0])
