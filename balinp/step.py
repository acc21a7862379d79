"""One training step: from a batch to the layers' new posteriors.

This is the method, in the order of the data:

    batch -> forward pass, likelihood, backward pass, pseudo-targets    `passes`, `pseudo_targets`
          -> what they add to each layer's natural parameters           `natural_parameters`
          -> each layer's exact regression, proposed                    `layer`
          -> how far all layers go together, and whether it is a gain   `joint_step`
          -> accepted

Everything that varies from step to step is decided before it begins, in a `Way` that `balinp.way`
chooses. The same with dense matrices and without a choice is in `balinp.plain`.

`said` is what the batch says to the layers: its `Trace`, or one for each of its pieces where it is
too large for one, over which `balinp.sums` adds up. `told` makes it, here or where the rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import singledispatch
from itertools import chain

import balinp.data
from balinp._types import Array
from balinp.damping import Spectral
from balinp.data import EVERY_ROW, SMALL_PIECE, Batch, pieces
from balinp.joint_step import TRUST, Outcome, checked, joint_step
from balinp.mlp import MLP
from balinp.natural_parameters import averages
from balinp.passes import Mean, Present
from balinp.pseudo_targets import Trace
from balinp.sums import Said, summed


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
        Whether the previous changes are a second direction (JS-2); where they are not, the change
        of the predictions is capped (JS-4).
    solver : Spectral
        How layers solve their regressions: `Spectral`, which is the definition, or `Direct`, which
        gives the same change in less time (KR-6); damped, perhaps (JS-5).
    learns_damping : bool
        Whether this step's gain ratio tells how much the next is damped (JS-5).
    """

    forward: Mean
    rate: float
    two_directions: bool
    solver: Spectral
    learns_damping: bool


def take_step(
    now: Present, batch: Batch, way: Way, set_priors: Callable[[Array], None]
) -> tuple[Outcome, Said]:
    """Train the layers on a batch: each accepts its share of a common step.

    Parameters
    ----------
    now : Present
        The network; its layers are changed.
    batch : Batch
        The data; they stand for `now.n_data` of them.
    way : Way
        How the step goes.
    set_priors : callable
        Function that is told the batch's output precision (K, K) at the network's outputs, and
        gives the layers their prior precisions (EV-4).

    Returns
    -------
    tuple of Outcome and Said
        What the step was, and what the batch had said before it.
    """
    # Forward pass, likelihood, backward pass (BP-1 to BP-4); then, of every layer, the
    # pseudo-targets (PT-1) and what they add to its natural parameters (NP-1).
    said = told(batch, now, way.forward)
    terms = summed(said)
    set_priors(terms[-1].H)  # EV-4: the conjugate prior follows the noise
    # Each layer's regression takes the other layers as they are (LR-3, NP-2). Its mean stays where
    # it is until the layer is told how far to move.
    proposals = [
        layer.propose_from(sums, n_data=now.n_data, rate=way.rate, solver=way.solver)
        for layer, sums in zip(now.layers, terms, strict=True)
    ]
    # But all move at once: how far (JS-1, JS-2, JS-4), and is it a gain (JS-3)?
    previous = [layer.last_change for layer in now.layers]
    if way.two_directions:
        step = joint_step(said, proposals, now.n_data, previous=previous)
    else:
        bounds = now.likelihood.largest_curvature_rows(now.network.widths[-1])
        step = joint_step(said, proposals, now.n_data, trust=TRUST, trust_rows=bounds)
    scale = now.n_data / batch.amount
    outcome = checked(step, said, proposals, previous, scale)
    for layer in now.layers:
        layer.move(outcome.step.factor, outcome.step.momentum)
    return outcome, said


def settle(now: Present, batches: Iterable[Batch], forward: Mean) -> None:
    """Let every layer's posterior be that of exactly all the data at the present weights.

    In batches the factors are averages over weights that have moved on. Training goes on with
    these; what is reported after it is made of factors of one pass over the data.

    Derivation: EX-4

    Parameters
    ----------
    now : Present
        The network as it is when training ends; its layers are changed.
    batches : iterable of Batch
        All the data, once.
    forward : Mean
        Pass that makes the traces.
    """
    said = chain.from_iterable(Pieces(batch, now, forward, SMALL_PIECE) for batch in batches)
    terms = summed(said)
    for layer, sums in zip(now.layers, terms, strict=True):
        layer.state = replace(layer.state, settled=averages(None, sums, now.n_data, 1.0))


@singledispatch
def told(batch: Batch, now: Present, forward: Mean) -> Said:
    """What a batch says to the layers, said where its rows are: here, or as is registered.

    Here it is a single trace, unless that would be too large.

    Parameters
    ----------
    batch, now, forward
        As for `Pieces`.
    """
    if len(batch) * numbers_of_a_row(now.network) > balinp.data.PIECE:
        return Pieces(batch, now, forward)
    return forward.trace(now, *batch.take(EVERY_ROW))


class Pieces:
    """What a batch says to the layers, piece by piece; each iteration tells the same.

    Pieces are worked out anew in every iteration, with the same random draws, at the weights with
    which the step began.

    Parameters
    ----------
    batch : Batch
        The rows.
    now : Present
        The network as the step begins.
    forward : Mean
        Pass that makes the traces.
    largest : int, optional
        Numbers in the largest array of a piece, see `balinp.data.pieces`.
    """

    def __init__(
        self, batch: Batch, now: Present, forward: Mean, largest: int | None = None
    ) -> None:
        self.batch, self._now, self._forward = batch, now, forward
        self._parts = list(pieces(len(batch), numbers_of_a_row(now.network), largest))
        self._state = now.rng.bit_generator.state

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Trace]:
        self._now.rng.bit_generator.state = self._state
        for part in self._parts:
            yield self._forward.trace(self._now, *self.batch.take(part))


def numbers_of_a_row(network: MLP) -> int:
    """Numbers in the largest array that a row is made into: its inputs, or its rows of S^T."""
    n_in, *widths = network.widths
    return max(n_in, (1 + widths[-1]) * max(widths))
