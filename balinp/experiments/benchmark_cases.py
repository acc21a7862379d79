"""What the benchmark measures: networks, batches, and generated data of a fixed seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

import numpy as np

from balinp._types import Array
from balinp.bali import BALI
from balinp.experiments import CLASSIFICATION, REGRESSION


@dataclass(frozen=True)
class Case:
    """A network and a batch size.

    Attributes
    ----------
    widths : of the network; several outputs are classes, one is a regression.
    batch : rows of a step.
    n_data : rows of the data, generated from a fixed seed.
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

    def data(self) -> tuple[Array, Array]:
        """Standard normal inputs, and targets from a linear function of them and noise."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.n_data, self.widths[0]))
        f = X @ rng.standard_normal((self.widths[0], self.widths[-1])) / np.sqrt(self.widths[0])
        f += 0.3 * rng.standard_normal(f.shape)
        return X, f if self.kind == REGRESSION else np.eye(f.shape[1])[f.argmax(axis=1)]

    def steps(self) -> tuple[BALI, Iterator[Callable[[], object]]]:
        """A model of default settings, and its training steps, batch after batch without end."""
        X, Y = self.data()
        likelihood = "gaussian" if self.kind == REGRESSION else "categorical"
        model = BALI(self.widths[1:-1], likelihood)
        model.fit(X, Y, epochs=0)

        def steps() -> Iterator[Callable[[], object]]:
            for start in count(step=self.batch):
                rows = np.arange(start, start + self.batch) % self.n_data
                yield partial(model.step, X[rows], Y[rows], n_data=self.n_data)

        return model, steps()


CASES = (
    *(Case((8, 50, 1), batch, 1000) for batch in (32, 256, 1000)),
    *(Case((64, 100, 10), batch, 1000) for batch in (32, 256, 1000)),
    *(Case((784, 100, 10), batch, 2000) for batch in (32, 256, 2000)),
    *(Case((784, 512, 512, 10), batch, 2000) for batch in (32, 256)),
)
"""All data at once are left out for the widest network: many seconds a step."""

BASE = Case((64, 100, 10), 256, 10_000)
SWEEPS: Mapping[str, Mapping[int, Case]] = {
    "batch size": {size: replace(BASE, batch=size) for size in (64, 256, 1024, 4096)},
    "width": {size: replace(BASE, widths=(64, size, 10)) for size in (50, 100, 200, 400)},
    "hidden layers": {n: replace(BASE, widths=(64, *[100] * n, 10)) for n in (1, 2, 4, 8)},
    "outputs": {size: replace(BASE, widths=(64, 100, size)) for size in (5, 10, 20, 40)},
}
"""What is varied, one at a time, to see how the time of a step grows."""
