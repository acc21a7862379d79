"""Ctrl-C, so that it ends a run at once and leaves nothing half-trained behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Stopped(BaseException):
    """Ctrl-C where it must not be caught by what is running."""


@contextmanager
def stoppable() -> Iterator[None]:
    """End what is inside with KeyboardInterrupt on Ctrl-C, whatever is running.

    Scikit-learn's networks take a KeyboardInterrupt for the end of their training and carry on: the
    run would not stop, and the network that was cut short would count as trained. So `Stopped` is
    what is raised in there.
    """

    def stop(number: int, frame: Any) -> None:
        raise Stopped

    try:
        with _handling(stop):
            yield
    except Stopped:
        raise KeyboardInterrupt from None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait until what is inside is done; for use within `stoppable`."""
    came: list[int] = []
    with _handling(lambda number, frame: came.append(number)):
        yield
    if came:
        raise Stopped


@contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes that are started inside ignore Ctrl-C, which a terminal sends to them too.

    Whoever started them hears it, and ends them; they would print what they were about.
    """
    with _handling(signal.SIG_IGN):
        yield


@contextmanager
def _handling(handler: Callable[[int, Any], None] | signal.Handlers) -> Iterator[None]:
    """Handle Ctrl-C so inside; only in the main thread can that be said."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
