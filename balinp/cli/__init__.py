"""The command line: ``evaluate``, ``convergence``, ``truths``, ``benchmark``, ``curves``, ``demo``.

`data_commands` and `commands` have a parser for each, and where the function is that it runs,
`options` what several take; `parser` puts them together, and `interrupt` is about Ctrl-C. A
command's module is imported when the command runs, so that each needs only what it uses.

Exit status: 0 if all went well, 2 if what was asked for cannot be done, 130 if it was stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from balinp.cli.interrupt import STOPPED, end_at_once, said


def command() -> int:
    """Run the command of this process."""
    end_at_once()
    return main()


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
