"""What the benchmark measures: networks, batches, and generated data of a fixed seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import count
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import norm

from balinp import training
from balinp._types import Array
from balinp.bali import BALI
from balinp.coordinates import InputEigenbasis
from balinp.data import Batch, Data
from balinp.defaults import CLASSIFICATION_TRAINING, REGRESSION_TRAINING, Training
from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.history import Record

HELD_OUT = 1000
"""Rows of the same distribution that are not trained on."""

TEACHER_UNITS, FREQUENCY = 10, 1.5
"""Sines of which the true function is made, and the standard deviation of their arguments."""

ALL, MANY = 1000, 10_000
"""Rows that a step takes at once, and rows from which batches are taken."""

NOISE, CONTRAST = 0.3, 3.0
"""Standard deviation of a regression's noise, and of the logits of classes."""


@dataclass(frozen=True)
class Case:
    """A network and a batch size.

    Attributes
    ----------
    widths : tuple of int
        Widths of the network; several outputs are classes, one is a regression.
    batch : int
        Rows of a step.
    n_data : int
        Rows of the data, generated from a fixed seed.
    """

    widths: tuple[int, ...]
    batch: int
    n_data: int

    @property
    def shape(self) -> str:
        """The widths as text."""
        return "-".join(map(str, self.widths))

    @property
    def kind(self) -> str:
        """Regression or classification."""
        return REGRESSION if self.widths[-1] == 1 else CLASSIFICATION

    @property
    def batch_size(self) -> int | None:
        """Size of batches; None is all data at once."""
        return None if self.batch == self.n_data else self.batch

    @property
    def training(self) -> Training:
        """How BALI is trained on such a task."""
        return REGRESSION_TRAINING if self.kind == REGRESSION else CLASSIFICATION_TRAINING

    def data(self) -> tuple[Array, Array]:
        """Inputs (n_data, n_in), and targets of `generated`, one-hot for classes."""
        X, Y, _ = self._generated()
        return X[: self.n_data], Y[: self.n_data]

    def held_out(self) -> tuple[Array, Array, float]:
        """As many as `HELD_OUT` further data, and their mean log-likelihood under the truth."""
        X, Y, log_densities = (rows[self.n_data :] for rows in self._generated())
        return X, Y, float(log_densities.mean())

    def _generated(self) -> tuple[Array, Array, Array]:
        return generated(self.n_data + HELD_OUT, self.widths[0], self.widths[-1], self.kind)

    def arguments(self) -> dict[str, Any]:
        """Of `BALI`: default settings, for the widths of this case."""
        return {**self.training.model, "hidden": self.widths[1:-1]}

    def model(self) -> BALI:
        """A model of default settings at its start."""
        return BALI(**self.arguments()).fit(*self.data(), epochs=0)

    def steps(self) -> tuple[Underway, Iterator[Callable[[], object]]]:
        """A fit of default settings, and its steps, batch after batch without end."""
        fit = Underway(self)

        def steps() -> Iterator[Callable[[], object]]:
            for start in count(step=self.batch):
                yield partial(fit.step, np.arange(start, start + self.batch) % self.n_data)

        return fit, steps()


class Underway:
    """`BALI.fit` at default settings, of which steps are taken one by one.

    They are those of arrays: the first layer works in the eigenbasis of all its inputs (NP-9). The
    look at all data before a pass in batches (EV-12) is no part of them.

    Parameters
    ----------
    case : Case
        Network and data.

    Examples
    --------
    >>> fit, steps = Case((2, 3, 1), 4, 8).steps()
    >>> for _ in range(2):
    ...     record = next(steps)()
    >>> fit.model.steps, fit.model.weights[0].shape
    (2, (3, 3))
    """

    def __init__(self, case: Case) -> None:
        self._model = case.model()
        network, layers = self._model.network, self._model.layers
        self._coordinates = InputEigenbasis.of(network, layers, Data(*case.data(), None))
        self._data = cast(Data, self._coordinates.data)

    def step(self, rows: NDArray[np.intp]) -> Record:
        """The step on a batch of these rows; as many as there are are all data at once."""
        data = self._data
        batch = data.whole if len(rows) == len(data) else Batch(data, rows)
        return training.step(self._model, batch, float(len(data)), self._coordinates)

    @property
    def model(self) -> BALI:
        """The model, with what it has learnt so far."""
        self._coordinates.write_back()
        return self._model


@lru_cache(maxsize=1)
def generated(
    rows: int, n_in: int, K: int, kind: str, noise: float = NOISE
) -> tuple[Array, Array, Array]:
    """Data from a teacher that is neither of the networks that learn from them.

    Inputs are normal and correlated as real ones are: the variances of their principal components,
    which have random directions, fall as 1 / k, and are 1 on average. White inputs would flatter
    first-order methods, a few large components second-order ones. The teacher is a sum of
    `TEACHER_UNITS` sines of random projections, so that neither tanh nor relu is at home; an input
    component matters as much as it varies, so that something can be learnt from the rows there
    are. The K outputs have mean 0 and variance 1. Noise is added to targets of a regression;
    classes are drawn with probabilities softmax(`CONTRAST` f). So the largest possible
    log-likelihood is known.

    Parameters
    ----------
    rows, n_in, K : int
        Sizes.
    kind : str
        ``"regression"`` or ``"classification"``.
    noise : float, optional
        Standard deviation of a regression's noise.

    Returns
    -------
    tuple of array
        X (rows, n_in), Y (rows, K), and log p(y | x) (rows,) under the teacher, in nats. The same
        arrays are returned again, and cannot be written to.
    """
    rng = np.random.default_rng(0)
    scales = 1 / np.sqrt(np.arange(1, n_in + 1))
    scales /= np.sqrt(np.mean(scales**2))
    components = rng.standard_normal((rows, n_in)) * scales
    X = components @ np.linalg.qr(rng.standard_normal((n_in, n_in)))[0].T
    projections = components @ (scales[:, None] * rng.standard_normal((n_in, TEACHER_UNITS)))
    projections *= FREQUENCY / projections.std(axis=0)
    units = np.sin(projections + rng.uniform(0, 2 * np.pi, TEACHER_UNITS))
    f = units @ rng.standard_normal((TEACHER_UNITS, K))
    f = (f - f.mean(axis=0)) / f.std(axis=0)
    if kind == REGRESSION:
        Y = f + noise * rng.standard_normal(f.shape)
        log_densities = norm.logpdf(Y, f, noise).sum(axis=1)
    else:
        log_probabilities = log_softmax(CONTRAST * f, axis=1)
        labels = (log_probabilities + rng.gumbel(size=f.shape)).argmax(axis=1)
        Y, log_densities = np.eye(K)[labels], log_probabilities[np.arange(rows), labels]
    for array in (X, Y, log_densities):
        array.setflags(write=False)
    return X, Y, log_densities


NETWORKS = ((8, 50, 1), (64, 100, 10), (784, 100, 10), (784, 512, 512, 10))
CASES = tuple(
    Case(widths, batch, MANY if batch < ALL else ALL)
    for widths in NETWORKS
    for batch in (32, 256, ALL)
    if batch < ALL or widths != NETWORKS[-1]
)
"""Batches where data are many, or all of few data at once.

All data at once are left out for the widest network: many seconds a step.
"""

BASE = Case((64, 100, 10), 256, MANY)
SWEEPS: Mapping[str, Mapping[int, Case]] = {
    "batch size": {size: replace(BASE, batch=size) for size in (64, 256, 1024, 4096)},
    "width": {size: replace(BASE, widths=(64, size, 10)) for size in (50, 100, 200, 400)},
    "hidden layers": {n: replace(BASE, widths=(64, *[100] * n, 10)) for n in (1, 2, 4, 8)},
    "outputs": {size: replace(BASE, widths=(64, 100, size)) for size in (5, 10, 20, 40)},
}
"""What is varied, one at a time, to see how the time of a step grows."""
