"""The command line: ``evaluate``, ``convergence``, ``truths``, ``benchmark``, ``curves``, ``demo``.

`data_commands` and `commands` have a parser for each, and where the function is that it runs,
`options` what several take, and `parser` puts them together. A command's module is imported when
the command runs, so that each needs only what it uses.

Exit status: 0 if all went well, 2 if what was asked for cannot be done, 130 if it was stopped.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

STOPPED = 130
"""Exit status after Ctrl-C: 128 and the number of the signal, as shells have it."""

NOTHING = "nothing is kept; the same command begins anew"


def command() -> int:
    """Run the command of this process.

    Ctrl-C ends it at once while modules are imported: an exception that is raised there gets lost
    in some of them, and breaks others.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
    return main()


def _end_at_once(number: int, frame: Any) -> None:
    os.write(2, _said(NOTHING).encode())
    os._exit(STOPPED)


def imported() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; None takes the arguments of the process.

    Returns
    -------
    int
        The exit status. Arguments that cannot be parsed raise SystemExit, status 2.
    """
    from balinp.cli.parser import run

    try:
        return run(arguments)
    except KeyboardInterrupt as stop:
        sys.stderr.write(_said(str(stop) or NOTHING))
        return STOPPED


def _said(kept: str) -> str:
    return f"balinp: stopped; {kept}\n"
