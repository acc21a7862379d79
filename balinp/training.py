"""The loop of training: passes over the data, their steps, and what comes after the last of them.

`BALI.fit` and `BALI.step` check what they are given and then come here. What a step does is in
`balinp.step`, and what it learns of prior and noise in `balinp.hyper_parameters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from balinp.coordinates import Coordinates, InputEigenbasis
from balinp.counted import counted
from balinp.damping import next_damping
from balinp.data import Batch, Data
from balinp.exact_step import take_exact_step
from balinp.history import Record
from balinp.layer import MatrixNormalLayer
from balinp.layer_state import LayerState
from balinp.likelihood import Gaussian
from balinp.linearised import forward_pass
from balinp.model import Model
from balinp.passes import Mean
from balinp.step import settle, take_step, told
from balinp.streams import Stream
from balinp.threads import few_threads
from balinp.undone import unless_it_fails
from balinp.validation import is_true
from balinp.way import chosen_way


def train(
    model: Model,
    data: Data | Stream,
    epochs: int,
    batch_size: int | None,
    tolerance: float | None,
    callback: Callable[[Any], Any] | None,
) -> None:
    """Pass over the data until training ends, and work out what is reported after it.

    Parameters
    ----------
    model : Model
        Model, laid out; it is changed.
    data : Data or Stream
        What it is trained on.
    epochs, batch_size, tolerance, callback
        Arguments of `BALI.fit`, checked.
    """
    N, previous = data.amount, np.inf
    if model.targets_are_observations:  # of other data than these
        model.layers[0].state = replace(model.layers[0].state, moments=None)
    steps_a_pass = data.steps(batch_size)
    features_of = data.whole if model.hidden and isinstance(data, Data) else None
    with (
        coordinates_of(model, data, epochs) as coordinates,
        model.hyper.expecting(epochs * steps_a_pass, features_of),
    ):
        beginning = [] if model.steps else [layer.state for layer in coordinates.layers]
        for to_come in reversed(range(epochs)):
            batches = coordinates.data.batches(batch_size, model.rng)
            with few_threads(model.network.widths):
                _count(model, coordinates, batch_size)
                records = [step(model, batch, N, coordinates) for batch in batches]
            if callback is not None:
                coordinates.write_back()
                if is_true(callback(model)):
                    break
            if beginning and to_come and model.hyper.fit.is_lost:
                _begin_again(model, coordinates.layers, beginning, to_come * steps_a_pass)
                previous = np.inf
                continue
            log_joint = float(np.mean([record.log_joint for record in records])) / N
            if tolerance is not None and abs(log_joint - previous) < tolerance:
                break
            previous = log_joint
        if model.steps and data.can_settle(batch_size) and not model.targets_are_observations:
            _settle(model, N, coordinates)
    if model.steps:  # what predictions need of all the data at the final weights (JP-1, JP-4)
        with few_threads(model.network.widths):
            model.uncertainty = model.uncertainty.after(model, data)


@contextmanager
def coordinates_of(model: Model, data: Data | Stream, epochs: int) -> Iterator[Coordinates]:
    """What training works with; afterwards the layers know what has been learnt."""
    if (
        isinstance(data, Stream)
        or data.is_elsewhere  # turned rows would be a second copy of every chunk
        or model.targets_are_observations
        or epochs == 0
    ):
        coordinates = model.as_it_is(data)
    else:
        coordinates = InputEigenbasis.of(model.network, model.layers, data)
    try:
        yield coordinates
    finally:
        coordinates.write_back()


def _count(model: Model, coordinates: Coordinates, batch_size: int | None) -> None:
    """Before a pass in batches, see what the averages of the one before it count too much of.

    Derivation: EV-12
    """
    data, hyper = coordinates.data, model.hyper
    if isinstance(data, Stream) or data.is_elsewhere or not data.can_settle(batch_size):
        return  # more than one pass for each
    if (
        model.steps
        and model.hidden
        and isinstance(model.likelihood, Gaussian)
        and model.prior == "isotropic"
    ):
        now = model._present(data.whole, data.amount, coordinates)
        hyper.counted = counted(now, told(data.whole, now, Mean()))


def _begin_again(
    model: Model,
    layers: Sequence[MatrixNormalLayer],
    beginning: Sequence[LayerState],
    steps: float,
) -> None:
    """Put layers back to their beginning, under weaker priors: where they are nothing is learnt.

    Derivation: GA-4
    """
    model.steps, model.data_seen = 0, 0.0
    precisions = model.hyper.begin_again(steps)
    for layer, state, precision in zip(layers, beginning, precisions, strict=True):
        layer.state = state.with_prior_precision(precision)


def _settle(model: Model, N: float, coordinates: Coordinates) -> None:
    """Let posteriors after batches be those of all the data at the final weights (EX-4)."""
    K, data = model.network.widths[-1], coordinates.data
    number = model.steps + 1
    forward = forward_pass(model.forward, model.likelihood, K, number, draws_labels=False)
    now = model._present(data.first.whole, N, coordinates)
    with few_threads(model.network.widths):
        settle(now, data.batches(None, model.rng), forward)


# -- one step --------------------------------------------------------------------------------------


def step(
    model: Model, batch: Batch, N: float, coordinates: Coordinates, rate: float | None = None
) -> Record:
    """One step on a batch, whole or not at all: what fails leaves the model as it was.

    Parameters
    ----------
    model : Model
        Model, laid out; it is changed.
    batch, N : Batch and float
        The data, and the number of data that they stand for unless they are all.
    coordinates : Coordinates
        What training works with.
    rate : float or None
        Weight of the batch in the moving averages, or None for that of the schedule.
    """
    N = batch.amount if batch.is_all else N
    draws = model.likelihood.known_precision(model.network.widths[-1]) is None
    generator = model.rng.bit_generator if draws else None  # whose state takes long to read
    with unless_it_fails(model, model.hyper, *coordinates.layers, generator=generator):
        model.uncertainty = model.uncertainty.forgotten()
        model.steps += 1
        model.data_seen += batch.amount
        now, hyper = model._present(batch, N, coordinates), model.hyper
        if model.targets_are_observations:
            outcome, model.likelihood, rate = take_exact_step(now, batch, rate, hyper)
        else:
            way = chosen_way(model, batch, N, rate)
            outcome, said = take_step(now, batch, way, partial(hyper.set_priors, now.layers))
            if way.learns_damping:
                model.damping = next_damping(model.damping, outcome.gain_ratio)
            model.likelihood, rate = hyper.learn(now, outcome, batch, said, way), way.rate
        record = Record.of(
            outcome, rate, now.layers, model.likelihood, hyper.unsettled, hyper.parameters
        )
        model.history.append(record)
        return record
