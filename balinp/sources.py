"""Where the data of a fit come from: arrays, batches one by one, or arrays on a cluster."""

from __future__ import annotations

from typing import Any

import numpy as np

from balinp.data import Check, Data
from balinp.streams import Stream


def opened(
    X: Any,
    Y: Any,
    sample_weight: Any,
    n_data: float | None,
    batch_size: int | None,
    epochs: int,
    checked: Check,
    check: Check,
) -> Data | Stream:
    """The data of `BALI.fit`, checked: arrays, or batches that come from elsewhere.

    Parameters
    ----------
    X, Y, sample_weight, n_data, batch_size, epochs
        Arguments of `BALI.fit`.
    checked : Check
        Function that makes checked `Data` of X, Y and weights.
    check : Check
        The same, for the model as it is now; it can be sent to other machines.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not go together.
    """
    if any(hasattr(array, "__dask_graph__") for array in (X, Y, sample_weight)):
        from balinp.spread_data import spread  # which needs dask

        return spread(X, Y, sample_weight, n_data, batch_size, check)
    if Y is not None:
        if n_data is not None:
            raise ValueError(f"n_data: expected None with arrays X and Y, got {n_data!r}")
        return checked(X, Y, sample_weight)
    if isinstance(X, np.ndarray):
        raise TypeError("Y: expected targets, got None")
    for name, value in (("batch_size", batch_size), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(f"{name}: expected None with an iterable of batches")
    stream = Stream(X, n_data, checked)
    if stream.is_iterator and epochs > 1:
        raise ValueError(
            f"epochs: expected at most 1, since X is an iterator, which ends, got {epochs}"
        )
    return stream
