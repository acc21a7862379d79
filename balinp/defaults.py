"""How networks are set up and trained unless told otherwise: one setting for each kind of task.

The estimators and the experiments share these. How they were chosen is in
derivations/12_tried_and_failed.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from balinp._types import Array
from balinp.bali import BALI

LEAST_PASSES = 10
"""Passes over the data, however many they are."""


def even_size(rows: int, largest: int) -> int:
    """Size of the fewest batches of at most `largest` rows, all of which but the last have it.

    Examples
    --------
    >>> even_size(401, 256), even_size(100, 256)
    (201, 100)
    """
    batches = -(-rows // largest)
    return -(-rows // batches)


@dataclass(frozen=True)
class Training:
    """How BALI is set up and trained on standardised data.

    How many rows a step takes, and how many passes there are over them, follows from their number
    alone:

    - up to `full_batch_up_to` rows a step takes all of them; beyond, batches of equal size, as few
      as can be of at most `batch_size` rows;
    - there are the epochs of `fit`, but at most `most_visits` / rows, so that a fit to more rows
      takes about as long; only that it never has fewer than `LEAST_PASSES`.

    Attributes
    ----------
    model : mapping
        Arguments of `BALI`, the likelihood first.
    fit : mapping
        Arguments of `BALI.fit`; ``"epochs"`` is the largest number of passes.
    batch_size : int
        Largest size of batches where there are more than `full_batch_up_to` rows.
    full_batch_up_to : float
        Rows up to which all of them are one step.
    most_visits : float
        Rows times passes, beyond which there are fewer passes.

    Examples
    --------
    >>> rule = Training({}, {"epochs": 200}, batch_size=256, full_batch_up_to=400, most_visits=1e5)
    >>> for rows in (400, 401, 2000, 60_000):
    ...     batch_size = rule.batch_size_for(rows)
    ...     batch_size, rule.epochs_for(rows, batch_size)
    (None, 200)
    (201, 200)
    (250, 50)
    (256, 10)
    """

    model: Mapping[str, Any]
    fit: Mapping[str, Any]
    batch_size: int = 256
    full_batch_up_to: float = np.inf
    most_visits: float = np.inf

    def batch_size_for(self, rows: int) -> int | None:
        """Size of the batches for so many rows; None is all of them."""
        if rows <= self.full_batch_up_to:
            return None
        return even_size(rows, self.batch_size)

    def epochs_for(self, rows: int, batch_size: int | None) -> int:
        """Passes over so many rows; all of `fit`'s if a step takes all rows against the rule."""
        most = int(self.fit["epochs"])
        if batch_size is None and rows > self.full_batch_up_to:
            return most
        return int(min(most, max(LEAST_PASSES, self.most_visits / rows)))

    def trained(self, X: Array, Y: Array, seed: int, **changes: Any) -> BALI:
        """A model with `changes` of its arguments, trained on X (N, n_in) and Y (N, K)."""
        model = BALI(**{**self.model, **changes}, seed=seed)
        batch_size = self.batch_size_for(len(X))
        options = {**self.fit, "epochs": self.epochs_for(len(X), batch_size)}
        return model.fit(X, Y, batch_size=batch_size, **options)


REGRESSION_TRAINING = Training(
    {"likelihood": "gaussian", "hidden": (50,), "covariance": "auto", "noise": "student"},
    {"epochs": 400},
    batch_size=1024,
    full_batch_up_to=25_000,
    most_visits=4e6,
)
CLASSIFICATION_TRAINING = Training(
    {"likelihood": "categorical", "hidden": (50,)},
    {"epochs": 200},
    batch_size=256,
    full_batch_up_to=400,
    most_visits=1e5,
)
