"""The command line: ``evaluate``, ``convergence``, ``truths``, ``benchmark``, ``curves``, ``demo``.

`data_commands` and `commands` have a parser for each, and where the function is that it runs,
`options` what several take; `parser` puts them together, and `interrupt` is about Ctrl-C. A
command's module is imported when the command runs, so that each needs only what it uses.

Exit status: 0 if all went well, 2 if what was asked for cannot be done, 130 if it was stopped, 141
if nobody reads on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TextIO

from balinp.cli.interrupt import STOPPED, end_at_once, said

UNREAD = 141
"""Exit status where the reader of a pipe has gone: 128 and the number of the signal."""


def command() -> int:
    """Run the command of this process."""
    end_at_once()
    _open_streams()
    try:
        return main()
    except BrokenPipeError:  # as of `head`, which has seen enough
        sys.stdout = _nowhere()  # the old one would complain once more at the end
        return UNREAD


def _open_streams() -> None:
    """See to it that whatever is printed can be: signs that a terminal lacks become others."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever has started this
            setattr(sys, name, _nowhere())
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _nowhere() -> TextIO:
    return open(os.devnull, "w")


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
        sys.stderr.write(said(str(stop)))
        return STOPPED
