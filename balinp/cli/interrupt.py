"""What Ctrl-C does: a line and an exit status, also while modules are imported."""

from __future__ import annotations

import os
import signal
from typing import Any

STOPPED = 130
"""Exit status after Ctrl-C: 128 and the number of the signal, as shells have it."""

NOTHING = "nothing is kept; the same command begins anew"


def end_at_once() -> None:
    """Until `imported`, let Ctrl-C end the process at once.

    An exception that is raised while modules are imported gets lost in some of them, and breaks
    others.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def imported() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def said(kept: str = "") -> str:
    """The line, which says what is kept."""
    return f"balinp: stopped; {kept or NOTHING}\n"


def _end(number: int, frame: Any) -> None:
    os.write(2, said().encode())
    os._exit(STOPPED)
