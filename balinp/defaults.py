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


@dataclass(frozen=True)
class Training:
    """How BALI is set up and trained on standardised data.

    Attributes
    ----------
    model : mapping
        Arguments of `BALI`, the likelihood first.
    fit : mapping
        Arguments of `BALI.fit`.
    batch_size : int
        Size of batches where there are more than `full_batch_up_to` data.
    batch_epochs : int or None
        Passes over the data in batches; None is those in `fit`.
    """

    model: Mapping[str, Any]
    fit: Mapping[str, Any]
    batch_size: int = 256
    batch_epochs: int | None = None
    full_batch_up_to: float = np.inf

    def batch_size_for(self, rows: int) -> int | None:
        """Size of the batches for so many data; None is all of them."""
        return None if rows <= self.full_batch_up_to else self.batch_size

    def epochs_for(self, batch_size: int | None) -> int:
        """Passes over the data in batches of a size; None is all data at once."""
        if batch_size is None or self.batch_epochs is None:
            return int(self.fit["epochs"])
        return self.batch_epochs

    def trained(self, X: Array, Y: Array, seed: int, **changes: Any) -> BALI:
        """A model with `changes` of its arguments, trained on X (N, n_in) and Y (N, K)."""
        model = BALI(**{**self.model, **changes}, seed=seed)
        batch_size = self.batch_size_for(len(X))
        options = {**self.fit, "epochs": self.epochs_for(batch_size)}
        return model.fit(X, Y, batch_size=batch_size, **options)


REGRESSION_TRAINING = Training(
    {"likelihood": "gaussian", "hidden": (50,), "covariance": "auto", "noise": "student"},
    {"epochs": 400},
)
CLASSIFICATION_TRAINING = Training(
    {"likelihood": "categorical", "hidden": (50,)},
    {"epochs": 200},
    batch_epochs=10,
    full_batch_up_to=2000,
)
