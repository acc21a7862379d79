"""Training of members: watched, shown, stopped by rows held out, or step by step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from balinp._types import Array
from balinp.bali import BALI
from balinp.defaults import even_size
from balinp.history import REMEMBERED, History, Record
from balinp.kernels import amount
from balinp.validation import is_true

Callback = Callable[[BALI], Any]
"""Called with a member after each pass over the data; True ends its training."""

STEPS_TO_BEGIN = 100
"""Steps of a stream by which noise and prior no longer are what they started from."""

LINES = 10
"""How often progress is told in lines, where there is no bar."""


class HeldOut(NamedTuple):
    """Rows that are not trained on, in standardised units, and how long to wait for better.

    Attributes
    ----------
    X, Y, w : array
        (n, n_in) inputs, (n, K) targets, (n,) weights.
    patience : int
        Passes without a better score, after which training ends.
    """

    X: Array
    Y: Array
    w: Array
    patience: int


class Trained(NamedTuple):
    """A member that was trained, and what is to be told of it.

    Attributes
    ----------
    member : BALI
        The model.
    records : list of Record
        Records of its steps in this training; a model that comes from another process has lost
        most.
    passes : int
        Over the data, that were made.
    scores : list of float
        Scores of the rows held out, after each pass.
    """

    member: BALI
    records: list[Record]
    passes: int
    scores: list[float]

    def put_together(self, before: list[Record]) -> BALI:
        """The member, with the records of what it did in earlier trainings and in this one."""
        self.member.history = History([*before, *self.records][-REMEMBERED:])
        return self.member


def copied(model: BALI) -> BALI:
    """A copy of a model, with all of its history."""
    copy = deepcopy(model)
    copy.history = History(model.history)
    return copy


def seeded(random_state: Any) -> np.random.RandomState:
    """The generator that `random_state` stands for, as everywhere in scikit-learn."""
    try:
        return check_random_state(random_state)
    except ValueError:
        raise ValueError(
            "random_state: expected an integer from 0 to 4294967295, a numpy.random.RandomState or "
            f"None, got {random_state!r}"
        ) from None


class EarlyStopping:
    """A callback that scores rows held out, keeps the best model, and ends when its time is up.

    The score is the mean log predictive density, in nats a datum, with the layers' own posteriors.
    """

    def __init__(self, held_out: HeldOut) -> None:
        self.held_out = held_out
        self.scores: list[float] = []
        self.best: BALI | None = None

    def __call__(self, model: BALI) -> bool:
        """Score the model after a pass; whether it is time to stop."""
        X, Y, w, patience = self.held_out
        score = float(np.average(model.predict(X).logpdf(Y), weights=w))
        if self.best is None or score > max(self.scores):
            self.best = copied(model)
        self.scores.append(score)
        return self._since_best >= patience

    @property
    def _since_best(self) -> int:
        """Passes since the best one."""
        return len(self.scores) - 1 - int(np.argmax(self.scores))

    def restored(self, model: BALI, X: Array, Y: Array, **options: Any) -> BALI:
        """The model of the best pass, with the posterior that training would have left it."""
        if self.best is None or self._since_best == 0:
            return model
        return self.best.fit(X, Y, **options | {"epochs": 0})


def trained(
    member: BALI,
    X: Array,
    Y: Array,
    *,
    options: dict[str, Any],
    held_out: HeldOut | None = None,
    callback: Callback | None = None,
    title: str | None = None,
) -> Trained:
    """Train a member on standardised data.

    Parameters
    ----------
    member : BALI
        Which goes on from where it is.
    X, Y : array
        (N, n_in) and (N, K) arrays.
    options : dict
        Arguments of `BALI.fit`.
    held_out : HeldOut, optional
        Rows to stop by, or None.
    callback : Callback, optional
        Called with the member after each pass; True ends the training.
    title : str, optional
        What a progress bar is called; None shows none.
    """
    stopping = None if held_out is None else EarlyStopping(held_out)
    steps, passes = member.steps, 0
    with progress(options["epochs"], title) as show:

        def after_pass(model: BALI) -> bool:
            nonlocal passes
            passes += 1
            show(model)
            enough = stopping is not None and stopping(model)
            return (callback is not None and is_true(callback(model))) or enough

        member.fit(X, Y, callback=after_pass, **options)
    if stopping is not None:
        member = stopping.restored(member, X, Y, **options)
    new = member.steps - steps
    records = list(member.history)[-new:] if new else []
    return Trained(member, records, passes, [] if stopping is None else stopping.scores)


@contextmanager
def progress(passes: int, title: str | None) -> Iterator[Callable[[BALI], None]]:
    """A function to call after each pass: it moves a bar of tqdm, or, without tqdm, prints lines.

    Parameters
    ----------
    passes : int
        How many there will be at most.
    title : str or None
        What is shown; None shows nothing.
    """
    if title is None:
        yield lambda model: None
        return
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:
        yield _lines(passes, title)
        return
    with tqdm(total=passes, desc=title, unit="pass") as bar:

        def move(model: BALI) -> None:
            bar.set_postfix(log_joint=f"{model.history[-1].log_joint:.6g}", refresh=False)
            bar.update()

        yield move


def _lines(passes: int, title: str) -> Callable[[BALI], None]:
    """Print about `LINES` lines in all, on the standard error as tqdm does."""
    done, every = 0, max(1, passes // LINES)

    def move(model: BALI) -> None:
        nonlocal done
        done += 1
        if done % every == 0 or done == passes:
            log_joint = f"{model.history[-1].log_joint:.6g}"
            print(f"{title}: pass {done} of {passes}, log joint {log_joint}", file=sys.stderr)

    return move


SETTINGS = {
    **{name: name for name in ("hidden", "activation", "forward", "prior", "bias")},
    "prior_precision": "hyper.given_precision",
    "learning noise_variance": "hyper.learns_noise",
    "covariance": "uncertainty.covariance",
    "noise": "uncertainty.noise",
}
"""Of a member, which cannot change on the way."""


def refuse_changes(members: list[BALI], new: BALI, n_members: int, what: str) -> None:
    """Raise unless members can go on being trained under the settings of a new one.

    Parameters
    ----------
    members : list of BALI
        Which were trained before.
    new : BALI
        With the settings of now.
    n_members : int
        How many there are to be.
    what : str
        What goes on.

    Raises
    ------
    ValueError
        If a setting is another one, or the number of members is.
    """
    found = {name: [attrgetter(at)(m) for m in (members[0], new)] for name, at in SETTINGS.items()}
    for name, (before, now) in {"n_members": [len(members), n_members], **found}.items():
        if before != now:
            raise ValueError(
                f"{name}: expected {before!r} as before, since {what} goes on, got {now!r}"
            )


def learnt_from(
    model: BALI, X: Array, Y: Array, w: Array | None, B: int, seen: float, first: int | None
) -> BALI:
    """The model after one step on each batch of new data; `seen` data came before them.

    With one Gaussian layer every datum ever seen has the same weight (NP-3). Others take at most
    `first` rows a step until they have made `STEPS_TO_BEGIN`: learnt noise starts small and rises
    by a small share a step (EV-8), so after few steps, however many their rows, a network knows
    little and is sure of it.
    """
    beginning = B
    if first is not None and not model.targets_are_observations:
        beginning = min(B, even_size(len(X), first))
    order = np.arange(len(X)) if beginning >= len(X) else model.rng.permutation(len(X))
    start = 0
    while start < len(X):
        size = beginning if model.steps < STEPS_TO_BEGIN else B
        batch = order[start : start + size]
        w_batch = None if w is None else w[batch]
        new = amount(X[batch], w_batch)
        seen += new
        rate = new / seen if model.targets_are_observations else None
        model.step(X[batch], Y[batch], n_data=seen, rate=rate, sample_weight=w_batch)
        start += size
    return model
