"""Kernels compiled by Numba when they are first called, and kept on disk where that is possible.

Importing balinp imports no Numba and compiles nothing. Numba keeps machine code in a directory
beside the source or in the user's own, and refuses to compile with a cache where it finds none
that can be written to: an installation that only another user may change, a container without a
home, a full disk. Such a place costs a compilation in every process, and no error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """The kernel as machine code, from its first call on.

    Parameters
    ----------
    kernel : Kernel
        A function of arrays and numbers that Numba can compile.

    Examples
    --------
    >>> @compiled
    ... def twice(x):
    ...     return 2 * x
    >>> twice(1.5)
    3.0
    """
    run: Callable[..., Any] | None = None

    @wraps(kernel)
    def call(*arguments: Any) -> Any:
        nonlocal run
        if run is not None:
            return run(*arguments)
        result, run = _first_call(kernel, arguments)
        return result

    return call  # type: ignore[return-value]


def _first_call(kernel: Callable[..., Any], arguments: Any) -> tuple[Any, Callable[..., Any]]:
    """What the kernel returns, and its machine code, cached if the cache can be written."""
    from numba import njit

    try:
        run = njit(cache=True)(kernel)  # RuntimeError: no directory for the cache
        return run(*arguments), run  # OSError: the directory cannot be written to after all
    except (RuntimeError, OSError):
        run = njit(kernel)
        return run(*arguments), run
