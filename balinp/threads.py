"""One thread for products of small matrices, where more of them cost time instead of saving it.

A training step is dozens of products and decompositions, most of them of microseconds. BLAS
divides each of them among its threads and waits for the last one. On a machine whose cores are
taken, that wait is for the scheduler, and a fit takes many times as long; figures are in
derivations/12_tried_and_failed.md.

How many there are is changed through threadpoolctl. The number belongs to the whole process.
OpenBLAS takes it from the main thread alone, and two threads that change it in turns could not put
it back: so it is changed in the main thread only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import current_thread, main_thread
from typing import Any

WIDE = 1000
"""Width of a layer from which BLAS keeps its threads."""


@contextmanager
def few_threads(widths: Sequence[int]) -> Iterator[None]:
    """Compute with one BLAS thread if all layers are narrow; afterwards with as many as before.

    Parameters
    ----------
    widths : sequence of int
        Numbers of units of the layers, inputs included.

    Examples
    --------
    >>> import numpy as np
    >>> with few_threads([8, 50, 1]):
    ...     product = np.ones((8, 50)) @ np.ones((50, 1))
    """
    if max(widths) >= WIDE or current_thread() is not main_thread():
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:
    """What knows the BLAS libraries of this process."""
    from threadpoolctl import ThreadpoolController  # it looks at every library that is loaded

    return ThreadpoolController()
