"""How a training step goes: all that varies from step to step, decided before it begins."""

from __future__ import annotations

from math import sqrt

from balinp.damping import SPECTRAL
from balinp.data import Batch
from balinp.direct_solves import Direct
from balinp.linearised import forward_pass
from balinp.model import Model
from balinp.priors import PRIORS
from balinp.step import Way

LEAST_RATE, LARGEST_RATE = 0.02, 0.5
"""Bounds of the rate's floor, B / N, the weight at which the memory is one epoch long."""

LONG = 50.0
"""Passes over the data in batches from which on that floor falls, as 1 / sqrt of their number: how
much single batches move the weights, which is a share of what the data leave open, then fades."""


def chosen_way(model: Model, batch: Batch, n_data: float, rate: float | None) -> Way:
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
    model : Model
        Model, whose number of steps is that of this one, from 1.
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
        solver=Direct(model.damping if damps else 0.0) if is_direct else SPECTRAL,
        learns_damping=damps,
    )


def _least_rate(model: Model, batch: Batch, n_data: float) -> float:
    """Weight at which the memory is an epoch long, and longer after many epochs in batches.

    Derivation: NP-4
    """
    epochs = 1.0 if batch.is_all else max(1.0, model.data_seen / n_data / LONG)
    return min(LARGEST_RATE, max(LEAST_RATE, batch.amount / n_data / sqrt(epochs)))
