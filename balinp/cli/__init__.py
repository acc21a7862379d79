"""The command line: ``evaluate``, ``convergence``, ``truths``, ``benchmark``, ``curves``, ``demo``.

`data_commands` and `commands` have a parser for each, and what imports the function that it runs,
`options` what several take. That is done when the command runs, so that each needs only what it
uses.

Exit status: 0 if all went well, 2 if what was asked for cannot be done, 130 if it was stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import balinp
from balinp.cli import commands, data_commands
from balinp.experiments import UserError
from balinp.experiments.output import check_writable

STOPPED = 130
"""Exit status after Ctrl-C: 128 and the number of the signal, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; None takes the arguments of the process.

    Returns
    -------
    int
        The exit status. Arguments that cannot be parsed raise SystemExit, status 2.
    """
    given = vars(_parser().parse_args(arguments))
    imported = given.pop("run")
    data = [given.pop("name")] if "name" in given else []
    try:
        check_writable(given.get("json_path"), given["figure_path"])
        imported()(*data, **given)
    except (UserError, OSError) as error:
        print(f"balinp: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        kept = str(stop) or "nothing is kept; the same command begins anew"
        print(f"balinp: stopped; {kept}", file=sys.stderr)
        return STOPPED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="balinp",
        description="Bayesian neural networks trained by layerwise exact inference.",
    )
    parser.add_argument("--version", action="version", version=f"balinp {balinp.__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        data_commands.add_evaluate,
        data_commands.add_convergence,
        commands.add_truths,
        commands.add_benchmark,
        commands.add_curves,
        commands.add_demo,
    ):
        add(group)
    return parser
