"""The commands on a data set, ``evaluate`` and ``convergence``: the parser of each, and its run."""

from __future__ import annotations

import argparse

from balinp.cli import options
from balinp.cli.options import Commands

# -- evaluate --------------------------------------------------------------------------------------


def add_evaluate(commands: Commands) -> None:
    """Methods on splits of a data set."""
    command = commands.add_parser(
        "evaluate",
        help="compare methods on a data set or on your own table (extra 'experiments')",
        description=(
            "Compare methods on splits of a data set: a Markdown table of test scores, a figure "
            "and, with --json, one record a split and method. Names may be in any case."
        ),
    )
    options.add_data(command)
    _add_tests(command)
    _add_methods(command)
    command.add_argument("--jobs", metavar="N", type=options.count, help="processes (default: 1)")
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on from FILE.journal where a run was stopped or killed; without, begin anew",
    )
    options.add_results(
        command,
        "balinp.experiments.evaluate:evaluate",
        "evaluate_{name}.png",
        ", and each as it is finished to FILE.journal",
    )


def _add_tests(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--validation",
        action="store_true",
        help="test on a part of each split's training data, and with --gap in gaps of those of "
        "split 0: to choose something without a look at test data",
    )
    command.add_argument(
        "--input-scale",
        choices=["column", "common"],
        help="divide each input by its own spread, or all by one number, for inputs of one unit "
        "such as pixels and spectra (default: common for images and digits, else column)",
    )
    _add_gaps(command.add_mutually_exclusive_group())
    command.add_argument(
        "--ood",
        metavar="DIR",
        help="also score how well predictive entropy tells the images in DIR from the test data",
    )
    command.add_argument(
        "--splits",
        metavar="N",
        type=options.count,
        help="use splits 0 to N-1 (default: 10, or as many as there are; with --gap all)",
    )


def _add_gaps(gaps: argparse._MutuallyExclusiveGroup) -> None:
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


def _add_methods(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--methods",
        metavar="METHOD",
        nargs="+",
        help="names of methods (default: all that fit the data and are installed; the extra "
        "'peers' adds three)",
    )
    command.add_argument(
        "--method",
        metavar="MODULE:OBJECT",
        dest="estimators",
        action="append",
        default=[],
        help="besides these, an estimator of scikit-learn's kind, such as sklearn.svm:SVR, or one "
        "in a file here; may be given several times",
    )
    options.add_list(command, _methods, "data sets and methods")


def _methods() -> str:
    from balinp.experiments.evaluate import listing

    return listing()


# -- convergence -----------------------------------------------------------------------------------


def add_convergence(commands: Commands) -> None:
    """BALI and Adam on one objective."""
    command = commands.add_parser(
        "convergence",
        help="BALI and Adam on the same objective (extra 'experiments')",
        description=(
            "Maximise the same log joint density, of one split's training data with fixed prior "
            "and noise, by BALI and by Adam: the objective after each pass over the data, against "
            "passes and against seconds."
        ),
    )
    options.add_data(command)
    command.add_argument(
        "--split", metavar="K", type=options.seed, default=0, help="of the data set (default: 0)"
    )
    command.add_argument(
        "--passes",
        metavar="N",
        type=options.passes,
        default=300,
        help="over the data, at least 100 (default: 300)",
    )
    options.add_results(
        command, "balinp.experiments.convergence:convergence", "convergence_{name}.png"
    )
