"""Options that several commands take, and the types of their values."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # at run time argparse's class takes no type of parser
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
else:
    Commands = argparse._SubParsersAction


class Listing(argparse.Action):
    """Print what names there are and end, as ``--version`` does; other arguments may lack.

    Parameters
    ----------
    names : callable
        Returns the text.
    """

    def __init__(self, names: Callable[[], str], **settings: Any) -> None:
        self.names = names
        super().__init__(**{**settings, "nargs": 0, "default": argparse.SUPPRESS})

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Print and end."""
        print(self.names())
        parser.exit()


def add_list(command: argparse.ArgumentParser, names: Callable[[], str], what: str) -> None:
    """Add ``--list``."""
    command.add_argument("--list", action=Listing, names=names, help=f"list {what}, and end")


def add_data(command: argparse.ArgumentParser) -> None:
    """Add the data set, and what belongs to one's own table."""
    command.add_argument(
        "name",
        metavar="NAME",
        help="diabetes, digits, breast_cancer, wine, iris; mnist1d; csv:FILE, your own table; "
        "uci:DIR with the standard splits of a UCI regression set; mnist:DIR with images as IDX "
        "files; DIR and FILE may be relative to the directory that BALINP_DATA names",
    )
    table = command.add_argument_group(
        "of csv:FILE", "how its columns are read: python -m pydoc balinp.experiments.frames"
    )
    table.add_argument("--target", metavar="COLUMN", help="the column to be predicted")
    table.add_argument("--classes", action="store_true", help="it holds classes, not numbers")
    table.add_argument(
        "--drop", metavar="COLUMN", nargs="+", default=[], help="columns to leave out"
    )


def add_json(command: argparse.ArgumentParser, more: str = "") -> None:
    """Add ``--json``."""
    command.add_argument(
        "--json",
        dest="json_path",
        metavar="FILE",
        type=Path,
        help=f"write the records to FILE{more}; - is standard output, and tables then go to "
        "standard error",
    )


def add_results(command: argparse.ArgumentParser, run: str, figure: str, more: str = "") -> None:
    """Add what becomes of records and figure, and say which function makes them."""
    add_json(command, more)
    add_figure(command, figure)
    command.set_defaults(run=run)


def add_figure(command: argparse.ArgumentParser, name: str) -> None:
    """Add ``--figure`` and ``--no-figure``."""
    figure = command.add_mutually_exclusive_group()
    figure.add_argument(
        "--figure",
        dest="figure_path",
        metavar="FILE",
        type=Path,
        default=Path(name),
        help=f"draw the figure in FILE (default: {name.replace('{name}', 'NAME')})",
    )
    figure.add_argument(
        "--no-figure", dest="figure_path", action="store_const", const=None, help="draw none"
    )


def count(text: str) -> int:
    """A whole number of at least 1."""
    return _integer(text, minimum=1)


def passes(text: str) -> int:
    """A whole number of at least 100."""
    return _integer(text, minimum=100)


def seed(text: str) -> int:
    """A whole number of at least 0."""
    return _integer(text, minimum=0)


def _integer(text: str, minimum: int) -> int:
    if not text.isdecimal() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected an integer of at least {minimum}, got {text!r}")
    return int(text)
