"""The exact posterior of networks of some hundred weights, by Hamiltonian Monte Carlo.

NumPyro's No-U-Turn sampler (extra `hmc`) draws all weights from the same joint density that BALI's
posterior is an approximation of: weights N(0, 1 / lam), tanh units, noise of known variance.
Weights exchanged between units give the same outputs, so convergence is judged by outputs.

Source: Hoffman and Gelman (2014), The No-U-Turn sampler; Phan, Pradhan and Jankowiak (2019),
Composable effects for flexible and accelerated probabilistic programming in NumPyro.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from balinp._types import Array
from balinp.experiments.exact_posterior import NOISE_STD, PRIOR_PRECISION, Problem
from balinp.mlp import MLP


@dataclass(frozen=True)
class Sampling:
    """How long the sampler runs.

    Attributes
    ----------
    chains : int
        Chains, each from a draw of the prior.
    warm_up, draws : int
        Left out, and kept, of each chain.
    depth : int
        A draw takes at most so many doublings of its path, 2^depth - 1 gradients.
    """

    chains: int = 4
    warm_up: int = 300
    draws: int = 200
    depth: int = 8


class Sampled(NamedTuple):
    """Draws from a posterior over weights.

    Attributes
    ----------
    draws : array
        (chains, draws, weights) array, the layers' matrices read row by row, one after the other.
    divergent : int
        Transitions at which the integrator left the level of energy.
    leapfrogs : float
        Mean number of gradients a draw.
    """

    draws: Array
    divergent: int
    leapfrogs: float


def log_joint(network: MLP, X: Array, Y: Array) -> Callable[[Any], Any]:
    """Log p(Y, W) in nats as a function of all weights (P,), for JAX, in double precision.

    Written out here a second time, in another library: a test holds it against BALI's own.
    """
    import jax.numpy as jnp

    shapes = network.shapes
    ends = np.cumsum([0, *(D * K for D, K in shapes)])

    def of(weights: Any) -> Any:
        h = jnp.asarray(X)
        for layer, shape in enumerate(shapes):
            W = weights[ends[layer] : ends[layer + 1]].reshape(shape)
            h = (jnp.tanh(h) if layer else h) @ W[:-1] + W[-1]
        squares = PRIOR_PRECISION * (weights**2).sum() + ((Y - h) ** 2).sum() / NOISE_STD**2
        constants = len(weights) * np.log(PRIOR_PRECISION) - Y.size * np.log(NOISE_STD**2)
        return 0.5 * (constants - (len(weights) + Y.size) * np.log(2 * np.pi) - squares)

    return of


def sample(problem: Problem, sampling: Sampling, seed: int) -> Sampled:
    """Draw all weights of a problem's network from their posterior."""
    import jax
    from numpyro.infer import MCMC, NUTS

    count = sum(D * K for D, K in problem.network.shapes)
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((sampling.chains, count)) / np.sqrt(PRIOR_PRECISION)
    with jax.enable_x64(True):
        density = log_joint(problem.network, problem.X, problem.Y)
        sampler = MCMC(
            NUTS(potential_fn=lambda weights: -density(weights), max_tree_depth=sampling.depth),
            num_warmup=sampling.warm_up,
            num_samples=sampling.draws,
            num_chains=sampling.chains,
            chain_method="sequential",
            progress_bar=False,
        )
        fields = ("diverging", "num_steps")
        sampler.run(jax.random.key(seed), init_params=start, extra_fields=fields)
        draws = np.asarray(sampler.get_samples(group_by_chain=True))
        diverging, steps = (np.asarray(sampler.get_extra_fields()[name]) for name in fields)
    return Sampled(draws, int(diverging.sum()), float(steps.mean()))


def outputs(network: MLP, draws: Array, X: Array) -> Array:
    """The network's output (chains, draws, B) at X (B, n_in) for each draw of its weights."""
    found = [forward(network, weights, X) for weights in draws.reshape(-1, draws.shape[-1])]
    return np.reshape(found, (*draws.shape[:2], len(X)))


def forward(network: MLP, weights: Array, X: Array) -> Array:
    """The only output (B,) at X for all weights (P,)."""
    return network.forward(unstacked(network, weights), X).outputs[-1][:, 0]


def unstacked(network: MLP, weights: Array) -> list[Array]:
    """The layers' matrices (D, K) of all weights (P,)."""
    ends = np.cumsum([D * K for D, K in network.shapes])
    parts = np.split(weights, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, network.shapes, strict=True)]


def mixing(values: Sequence[Array]) -> tuple[float, float]:
    """Largest split R-hat and fewest effective draws of quantities, each (chains, draws, B).

    Halves of chains are compared, so that chains which drift together are noticed: BlackJAX's
    `potential_scale_reduction` compares whole chains, and is 1.000 for these.
    """
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    together = np.concatenate(values, axis=2)
    return (
        float(np.max(split_gelman_rubin(together))),
        float(np.min(effective_sample_size(together))),
    )
