"""How a training step goes: all that varies from step to step, decided before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Protocol

from balinp.damping import SPECTRAL, Spectral
from balinp.data import Batch
from balinp.direct_solves import Direct
from balinp.likelihood import Likelihood
from balinp.mlp import MLP
from balinp.passes import Mean, forward_pass
from balinp.priors import PRIORS

LEAST_RATE, LARGEST_RATE = 0.02, 0.5
"""Bounds of the rate's floor, B / N, the weight at which the memory is one epoch long."""

LONG = 50.0
"""Passes over the data in batches from which on that floor falls, as 1 / sqrt of their number: how
much single batches move the weights, which is a share of what the data leave open, then fades."""


@dataclass(frozen=True)
class Way:
    """How a step goes.

    Attributes
    ----------
    forward : Mean
        Pass that takes the network's outputs (FP-2).
    rate : float
        Weight of the batch in the moving averages (NP-3, NP-4).
    two_directions : bool
        Whether the previous changes are a second direction (JS-2).
    bounded : bool
        Whether the change of the predictions is capped (JS-4).
    solver : Spectral
        How layers solve their regressions: `Spectral`, which is the definition, or `Direct`, which
        gives the same change in less time (KR-6); damped, perhaps (JS-5).
    learns_damping : bool
        Whether this step's gain ratio tells how much the next is damped (JS-5).
    """

    forward: Mean
    rate: float
    two_directions: bool
    bounded: bool
    solver: Spectral
    learns_damping: bool


class Situation(Protocol):
    """What the way of a step depends on, besides its batch; a `BALI` is one.

    Attributes
    ----------
    network, likelihood : MLP and Likelihood
        Of the model.
    forward, prior : str
        Names of the pass and of the prior.
    rate : float or None
        Smallest weight of a batch, or None for one that makes the memory an epoch long.
    damping : float
        Damping of the layers' regressions, where all data are seen at once.
    steps : int
        Number of the step, from 1.
    data_seen : float
        Number of data in all steps, with this one.
    """

    likelihood: Likelihood
    forward: str
    prior: str
    rate: float | None
    damping: float
    steps: int
    data_seen: float

    @property
    def network(self) -> MLP: ...


def chosen_way(model: Situation, batch: Batch, n_data: float, rate: float | None) -> Way:
    """The way of a step, which depends on the batch and on what was seen before.

    Two directions need an objective that is that of the step before: all data. (Where the
    curvature is small, the conjugate prior is, too: nothing but the cap keeps a step from
    following what the present draws of the linearised pass happen to say there.) Damping
    follows promises that are kept or broken under one objective: all data, nothing drawn. Where
    the curvature is averaged over batches the next step needs the layers' spectra, so that these
    are what is solved with.

    Derivation: JS-2, JS-4, JS-5, NP-4, KR-6

    Parameters
    ----------
    model : Situation
        What the way depends on.
    batch, n_data : Batch and float
        Data of the step, and the number N that they stand for.
    rate : float or None
        Weight of the batch, or None to choose it.
    """
    K = model.network.widths[-1]
    forward = forward_pass(model.forward, model.likelihood, K, model.steps)
    two_directions = batch.is_all and not (forward.has_bound and PRIORS[model.prior].follows_noise)
    damps = batch.is_all and not forward.has_bound
    is_known = model.likelihood.known_precision(K) is not None
    is_direct = model.steps == 1 or batch.is_all or is_known
    if rate is None:
        least = _least_rate(model, batch, n_data) if model.rate is None else model.rate
        rate = max(least, 1.0 / sqrt(model.steps))
    return Way(
        forward=forward,
        rate=rate,
        two_directions=two_directions,
        bounded=not two_directions,
        solver=Direct(model.damping if damps else 0.0) if is_direct else SPECTRAL,
        learns_damping=damps,
    )


def _least_rate(model: Situation, batch: Batch, n_data: float) -> float:
    """Weight at which the memory is an epoch long, and longer after many epochs in batches.

    Derivation: NP-4
    """
    epochs = 1.0 if batch.is_all else max(1.0, model.data_seen / n_data / LONG)
    return min(LARGEST_RATE, max(LEAST_RATE, batch.amount / n_data / sqrt(epochs)))
