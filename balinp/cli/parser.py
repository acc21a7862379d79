"""The parser of all commands, and what is said if one cannot be run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any

import balinp
from balinp.cli import commands, data_commands
from balinp.cli.interrupt import imported
from balinp.experiments import UserError, require_extras
from balinp.experiments.output import check_writable


def run(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit status; see `balinp.cli.main`.

    What a command runs is a function whose arguments have the names of the command's options.
    """
    given = vars(_parser().parse_args(arguments))
    path = given.pop("run")
    data = [given.pop("name")] if "name" in given else []
    try:
        function = _found(path)
        check_writable(given.get("json_path"), given["figure_path"])
        function(*data, **given)
    except BrokenPipeError:
        raise
    except (UserError, OSError) as error:
        print(f"balinp: {error}", file=sys.stderr)
        return 2
    return 0


def _found(path: str) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] = resolve_name(path)
    except ModuleNotFoundError:
        require_extras()
        raise
    imported()
    return function


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
