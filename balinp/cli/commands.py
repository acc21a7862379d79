"""The commands that generate their data: the parser of each, and its run."""

from __future__ import annotations

from pathlib import Path

from balinp.cli import options
from balinp.cli.options import Commands

# -- truths ----------------------------------------------------------------------------------------


def add_truths(commands: Commands) -> None:
    """Three posteriors of tiny networks."""
    command = commands.add_parser(
        "truths",
        help="BALI's two covariances and Markov chains on tiny networks (extra 'experiments')",
        description=(
            "Networks 1-3-1 and 2-2-1 with generated data: mean, standard deviation and "
            "log-likelihood of BALI's predictions, with the covariance of all weights together and "
            "with the layers' own, beside those of a long Markov chain run, which is exact. Takes "
            "about two minutes."
        ),
    )
    command.add_argument(
        "--hmc",
        dest="run",
        action="store_const",
        const="balinp.experiments.larger_truths:larger_truths",
        help="networks of 151 to 286 weights instead, the exact posterior by Hamiltonian Monte "
        "Carlo (extra 'hmc'); takes two to three minutes",
    )
    options.add_results(command, "balinp.experiments.truths:truths", "truths.png")


# -- benchmark -------------------------------------------------------------------------------------


def add_benchmark(commands: Commands) -> None:
    """The time of a training step."""
    command = commands.add_parser(
        "benchmark",
        help="where the time of a training step goes (extra 'experiments')",
        description=(
            "Training steps of networks from 8-50-1 to 784-512-512-10: time by part, next to plain "
            "NumPy in place of the compiled kernels and to the arithmetic limit; in turns with "
            "another build's and, with the extra 'peers', with Adam's in PyTorch; memory; time to "
            "the same test log-likelihood as Adam; growth with batch, width, depth and outputs. "
            "Takes some minutes. (All data at once are left out for the widest network.)"
        ),
    )
    command.add_argument(
        "--only",
        metavar="NAME",
        nargs="+",
        help="networks such as 8-50-1 (default: all, and the growth)",
    )
    options.add_list(command, _shapes, "networks")
    command.add_argument(
        "--repeats",
        metavar="N",
        type=options.count,
        default=200,
        help="steps that are timed for a figure, fewer where they take long (default: 200)",
    )
    command.add_argument(
        "--against",
        metavar="DIR",
        dest="other",
        type=Path,
        help="another build of balinp, such as a clone of an older commit: its steps take turns "
        "with those of this one",
    )
    options.add_results(command, "balinp.experiments.benchmark:benchmark", "benchmark.png")


def _shapes() -> str:
    from balinp.experiments.benchmark import SHAPES

    return "\n".join(SHAPES)


# -- curves ----------------------------------------------------------------------------------------


def add_curves(commands: Commands) -> None:
    """Default settings on generated curves."""
    command = commands.add_parser(
        "curves",
        help="default settings on generated curves and on noise (extra 'experiments')",
        description=(
            "25 functions of one to three inputs and three sets of pure noise, networks of one, "
            "two and three hidden layers: R^2 of the truth, coverage and log-likelihood of "
            "default settings, beside scikit-learn's MLPRegressor. Takes some ten minutes a seed."
        ),
    )
    command.add_argument("--only", metavar="CURVE", nargs="+", help="names (default: all)")
    command.add_argument("--methods", metavar="METHOD", nargs="+", help="names (default: all)")
    options.add_list(command, _curve_names, "curves and methods")
    command.add_argument(
        "--seeds", metavar="N", type=options.count, default=1, help="data sets a curve (default: 1)"
    )
    options.add_results(command, "balinp.experiments.curves:curves", "curves.png")


def _curve_names() -> str:
    from balinp.experiments.curve_cases import CURVES
    from balinp.experiments.curves import METHODS

    names = ["curves:", *(f"  {curve.name}" for curve in CURVES), "methods:"]
    return "\n".join([*names, *(f"  {name}" for name in METHODS)])


# -- demo ------------------------------------------------------------------------------------------


def add_demo(commands: Commands) -> None:
    """A first look."""
    command = commands.add_parser(
        "demo",
        help="a curve with a gap in the data, in a few seconds once Numba has compiled",
        description=(
            "Fit a curve with a gap in its data: one layer against the dense posterior, "
            "convergence, and the uncertainty in the gap."
        ),
    )
    options.add_figure(command, "demo.png")
    command.add_argument(
        "--seed",
        metavar="N",
        type=options.seed,
        default=0,
        help="of data and weights (default: 0)",
    )
    command.set_defaults(run="balinp.demo:demo")
