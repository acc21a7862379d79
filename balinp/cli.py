"""The command line: ``balinp evaluate``, ``balinp demo``, ``balinp --version``.

A command's module is imported when the command runs, so that each needs only what it uses.
Exit status: 0 if all went well, 2 if what was asked for cannot be done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import balinp
from balinp.experiments import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; None takes the arguments of the process.

    Returns
    -------
    The exit status. Arguments that cannot be parsed raise SystemExit, status 2.
    """
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except (UserError, OSError) as error:
        print(f"balinp: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="balinp",
        description="Bayesian neural networks trained by layerwise exact inference.",
    )
    parser.add_argument("--version", action="version", version=f"balinp {balinp.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_evaluate(commands)
    _add_demo(commands)
    return parser


def _add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "evaluate",
        help="compare methods on a data set (extra 'experiments')",
        description=(
            "Compare methods on splits of a data set: a Markdown table of test scores, a figure "
            "and, with --json, one record a split and method."
        ),
    )
    command.add_argument(
        "name",
        metavar="NAME",
        help="diabetes, digits, breast_cancer, wine, or uci:DIR with the standard splits of a "
        "UCI regression set; DIR may be relative to the directory that BALINP_DATA names",
    )
    command.add_argument(
        "--splits", metavar="N", type=_count, default=10, help="use splits 0 to N-1 (default: 10)"
    )
    command.add_argument(
        "--methods", metavar="METHOD", nargs="+", help="names of methods (default: all that fit)"
    )
    command.add_argument(
        "--jobs", metavar="N", type=_count, default=1, help="processes (default: 1)"
    )
    command.add_argument("--json", metavar="FILE", type=Path, help="write the records to FILE")
    command.add_argument(
        "--figure",
        metavar="FILE",
        type=Path,
        help="write the figure to FILE (default: evaluate_NAME.png)",
    )
    command.set_defaults(run=_evaluate)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "demo",
        help="a curve with a gap in the data, in a few seconds",
        description=(
            "Fit a curve with a gap in its data: one layer against the dense posterior, "
            "convergence, and the uncertainty in the gap."
        ),
    )
    command.add_argument(
        "--figure",
        metavar="FILE",
        type=Path,
        default=Path("demo.png"),
        help="write the figure to FILE (default: demo.png)",
    )
    command.add_argument(
        "--seed", metavar="N", type=_seed, default=0, help="of data and weights (default: 0)"
    )
    command.set_defaults(run=_demo)


def _evaluate(parsed: argparse.Namespace) -> None:
    from balinp.experiments.evaluate import evaluate

    _check_writable(parsed.figure, parsed.json)
    evaluate(
        parsed.name,
        splits=parsed.splits,
        methods=parsed.methods,
        jobs=parsed.jobs,
        json_path=parsed.json,
        figure_path=parsed.figure,
    )


def _demo(parsed: argparse.Namespace) -> None:
    from balinp.demo import demo

    _check_writable(parsed.figure)
    demo(seed=parsed.seed, figure_path=parsed.figure)


def _check_writable(figure: Path | None, *others: Path | None) -> None:
    """Fail before the work rather than after it if there is no way to write its results."""
    from matplotlib.backend_bases import FigureCanvasBase

    for path in filter(None, [figure, *others]):
        if not path.parent.is_dir():
            raise UserError(f"{path}: no directory {path.parent} to write to")
    formats = FigureCanvasBase.get_supported_filetypes()
    if figure is not None and figure.suffix[1:].lower() not in formats:
        endings = ", ".join(f".{ending}" for ending in sorted(formats))
        raise UserError(f"{figure}: expected a name with one of the endings {endings}")


def _count(text: str) -> int:
    return _integer(text, minimum=1)


def _seed(text: str) -> int:
    return _integer(text, minimum=0)


def _integer(text: str, minimum: int) -> int:
    if not text.isdecimal() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected an integer of at least {minimum}, got {text!r}")
    return int(text)
