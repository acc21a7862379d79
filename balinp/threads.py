"""One thread for products of small matrices, where more of them cost time instead of saving it.

A training step is dozens of products and decompositions, most of them of microseconds. BLAS
divides each of them among its threads and waits for the last one. On a machine whose cores are
taken, that wait is for the scheduler: measured on two busy cores, a fit of 500 rows took 74 times
as long with two threads as with one, MNIST's 784-100-10 in batches of 256 six times.

The number of threads belongs to the whole process. It is changed through threadpoolctl, which
comes with scikit-learn; where that is not installed nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

WIDE = 1000
"""Width of a layer from which BLAS keeps its threads."""

_lock = Lock()
_users: list[Any] = []


@contextmanager
def few_threads(widths: Sequence[int]) -> Iterator[None]:
    """Compute with one BLAS thread if all layers are narrow, until the last who asked is done.

    Parameters
    ----------
    widths : of the layers, inputs included.

    Examples
    --------
    >>> with few_threads([8, 50, 1]):
    ...     pass
    """
    controller = _controller() if max(widths) < WIDE else None
    if controller is None:
        yield
        return
    with _lock:
        # Threads of the process may be here at once: the first sets the limit, the last lifts it.
        _users.append(_users[0] if _users else controller.limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            limit = _users.pop()
            if not _users:
                limit.restore_original_limits()


@cache
def _controller() -> Any:
    """What knows the BLAS libraries of this process, or None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError:
        return None
    return ThreadpoolController()
