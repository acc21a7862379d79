"""The command line: ``evaluate``, ``convergence``, ``truths``, ``benchmark``, ``curves``, ``demo``.

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
    _add_convergence(commands)
    _add_truths(commands)
    _add_benchmark(commands)
    _add_curves(commands)
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
    _add_name(command)
    gaps = command.add_mutually_exclusive_group()
    gaps.add_argument(
        "--gap",
        dest="gap",
        action="store_const",
        const="distinct",
        help="test in gaps: about the middle third along each input that can be cut so that no "
        "tested value of it occurs in training",
    )
    gaps.add_argument(
        "--published-gap",
        dest="gap",
        action="store_const",
        const="published",
        help="the same for all inputs, tied values cut by the order of rows, as published",
    )
    gaps.add_argument(
        "--groups",
        metavar="COLUMNS",
        nargs="?",
        const="known",
        help="hold out whole groups: rows that agree in these inputs, counted from 0, such as "
        "0-4,6; without COLUMNS the known groups of the set",
    )
    command.add_argument(
        "--ood",
        metavar="DIR",
        help="also score how well predictive entropy tells the images in DIR from the test data",
    )
    command.add_argument(
        "--splits",
        metavar="N",
        type=_count,
        help="use splits 0 to N-1 (default: 10, or as many as there are; with --gap all)",
    )
    command.add_argument(
        "--methods",
        metavar="METHOD",
        nargs="+",
        help="names of methods (default: all that fit the data and are installed; the extra "
        "'peers' adds three)",
    )
    command.add_argument("--jobs", metavar="N", type=_count, help="processes (default: 1)")
    command.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        help="write the records to FILE, and each as it is finished to FILE.journal",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on from FILE.journal where a run was stopped or killed; without, begin anew",
    )
    command.add_argument(
        "--figure",
        metavar="FILE",
        type=Path,
        help="write the figure to FILE (default: evaluate_NAME.png)",
    )
    command.set_defaults(run=_evaluate)


def _add_convergence(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "convergence",
        help="BALI and Adam on the same objective (extra 'experiments')",
        description=(
            "Maximise the same log joint density, of one split's training data with fixed prior "
            "and noise, by BALI and by Adam: the objective after each pass over the data, against "
            "passes and against seconds."
        ),
    )
    _add_name(command)
    command.add_argument(
        "--split", metavar="K", type=_seed, default=0, help="of the data set (default: 0)"
    )
    command.add_argument(
        "--passes",
        metavar="N",
        type=_passes,
        default=300,
        help="over the data, at least 100 (default: 300)",
    )
    command.add_argument("--json", metavar="FILE", type=Path, help="write the records to FILE")
    command.add_argument(
        "--figure",
        metavar="FILE",
        type=Path,
        help="write the figure to FILE (default: convergence_NAME.png)",
    )
    command.set_defaults(run=_convergence)


def _add_name(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "name",
        metavar="NAME",
        help="diabetes, digits, breast_cancer, wine, iris; mnist1d; uci:DIR with the standard "
        "splits of a UCI regression set; mnist:DIR with images as IDX files; DIR may be relative "
        "to the directory that BALINP_DATA names",
    )


def _add_figure(command: argparse.ArgumentParser, name: str) -> None:
    command.add_argument(
        "--figure",
        metavar="FILE",
        type=Path,
        default=Path(name),
        help=f"write the figure to FILE (default: {name})",
    )


def _add_truths(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "truths",
        help="BALI, a joint Gaussian and Markov chains on tiny networks (extra 'experiments')",
        description=(
            "Networks 1-3-1 and 2-2-1 with generated data: mean, standard deviation and "
            "log-likelihood of BALI's predictions beside those of one Gaussian for all weights "
            "and of a long Markov chain run, which is exact. Takes about two minutes."
        ),
    )
    command.add_argument("--json", metavar="FILE", type=Path, help="write the records to FILE")
    _add_figure(command, "truths.png")
    command.set_defaults(run=_truths)


def _add_benchmark(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "benchmark",
        help="where the time of a training step goes (extra 'experiments')",
        description=(
            "Training steps of networks from 8-50-1 to 784-512-512-10: time by part, next to plain "
            "NumPy in place of the compiled kernels, to the arithmetic limit and, with the extra "
            "'peers', to Adam and Laplace in PyTorch; memory; time to the same test log-likelihood "
            "as Adam; growth with batch, width, depth and outputs. Takes some minutes. (All data "
            "at once are left out for the widest network.)"
        ),
    )
    command.add_argument(
        "--only",
        metavar="NAME",
        nargs="+",
        help="networks such as 8-50-1 (default: all, and the growth)",
    )
    command.add_argument(
        "--repeats",
        metavar="N",
        type=_count,
        default=200,
        help="steps that are timed for a figure, fewer where they take long (default: 200)",
    )
    command.add_argument("--json", metavar="FILE", type=Path, help="write the records to FILE")
    _add_figure(command, "benchmark.png")
    command.set_defaults(run=_benchmark)


def _add_curves(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "curves",
        help="default settings on generated curves and on noise (extra 'experiments')",
        description=(
            "22 functions of one to three inputs and three sets of pure noise, networks of one, "
            "two and three hidden layers: R^2 of the truth, coverage and log-likelihood of "
            "default settings, beside scikit-learn's MLPRegressor. Takes some ten minutes a seed."
        ),
    )
    command.add_argument("--only", metavar="CURVE", nargs="+", help="names (default: all)")
    command.add_argument("--methods", metavar="METHOD", nargs="+", help="names (default: all)")
    command.add_argument(
        "--seeds", metavar="N", type=_count, default=1, help="data sets a curve (default: 1)"
    )
    command.add_argument("--json", metavar="FILE", type=Path, help="write the records to FILE")
    _add_figure(command, "curves.png")
    command.set_defaults(run=_curves)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "demo",
        help="a curve with a gap in the data, in a few seconds",
        description=(
            "Fit a curve with a gap in its data: one layer against the dense posterior, "
            "convergence, and the uncertainty in the gap."
        ),
    )
    _add_figure(command, "demo.png")
    command.add_argument(
        "--seed", metavar="N", type=_seed, default=0, help="of data and weights (default: 0)"
    )
    command.set_defaults(run=_demo)


def _evaluate(parsed: argparse.Namespace) -> None:
    from balinp.experiments.evaluate import evaluate

    _check_writable(parsed.figure, parsed.json)
    evaluate(
        parsed.name,
        gap=parsed.gap,
        groups=parsed.groups,
        ood=parsed.ood,
        splits=parsed.splits,
        methods=parsed.methods,
        jobs=parsed.jobs,
        json_path=parsed.json,
        resume=parsed.resume,
        figure_path=parsed.figure,
    )


def _convergence(parsed: argparse.Namespace) -> None:
    from balinp.experiments.convergence import convergence

    _check_writable(parsed.figure, parsed.json)
    convergence(
        parsed.name,
        split=parsed.split,
        passes=parsed.passes,
        json_path=parsed.json,
        figure_path=parsed.figure,
    )


def _truths(parsed: argparse.Namespace) -> None:
    from balinp.experiments.truths import truths

    _check_writable(parsed.figure, parsed.json)
    truths(json_path=parsed.json, figure_path=parsed.figure)


def _benchmark(parsed: argparse.Namespace) -> None:
    from balinp.experiments.benchmark import benchmark

    _check_writable(parsed.figure, parsed.json)
    benchmark(
        only=parsed.only,
        repeats=parsed.repeats,
        json_path=parsed.json,
        figure_path=parsed.figure,
    )


def _curves(parsed: argparse.Namespace) -> None:
    from balinp.experiments.curves import curves

    _check_writable(parsed.figure, parsed.json)
    curves(
        only=parsed.only,
        methods=parsed.methods,
        seeds=parsed.seeds,
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


def _passes(text: str) -> int:
    return _integer(text, minimum=100)


def _seed(text: str) -> int:
    return _integer(text, minimum=0)


def _integer(text: str, minimum: int) -> int:
    if not text.isdecimal() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected an integer of at least {minimum}, got {text!r}")
    return int(text)
