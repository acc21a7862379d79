"""What uncertainty is used for, one experiment a run.

    python -m balinp.experiments.uses outside           # a table, outside.json and outside.png
    python -m balinp.experiments.uses outside --store   # in a clone: also the record of README.md

Names: outside, corrupted, active, optimisation, drift.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from balinp.experiments import UserError, require_extras
from balinp.experiments.output import check_writable, show, write_records
from balinp.experiments.results import state, store

NAMES = ("outside", "corrupted", "active", "optimisation", "drift")
EARLIER: frozenset[str] = frozenset()
"""Whose records are of defaults that have changed since; the page says so."""

HERE = Path(__file__).parent
PICTURES = HERE.parents[2] / "tutorials"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; None takes the arguments of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.uses",
        description="What uncertainty is used for: a table, records and a figure.",
    )
    parser.add_argument("names", metavar="NAME", nargs="+", choices=NAMES, help=", ".join(NAMES))
    parser.add_argument("--seeds", metavar="N", type=int, help="splits or seeds (default: its own)")
    parser.add_argument("--store", action="store_true", help="keep records, table and picture here")
    parsed = parser.parse_args(arguments)
    try:
        require_extras()
        for name in parsed.names:
            one(name, parsed.seeds, parsed.store)
    except (UserError, OSError) as error:
        print(f"balinp: {error}", file=sys.stderr)
        return 2
    return 0


def one(name: str, seeds: int | None, kept: bool) -> None:
    """Run one experiment, print its table, write its records and its picture."""
    figure = PICTURES / f"uses_{name}.png" if kept else Path(f"{name}.png")
    records_path = Path(f"{name}.json")
    check_writable(records_path, figure)
    module = importlib.import_module(f"balinp.experiments.uses.{name}")
    records = module.run() if seeds is None else module.run(seeds)
    if kept:
        command = f"python -m balinp.experiments.uses {name}"
        results = store.Results.of_today(command, state.stamped(command, records))
        results.write(HERE / f"{name}.json")
        readme = HERE / "README.md"
        readme.write_text(with_table(readme.read_text(), name, module.report(results.records)))
    else:
        write_records(records, records_path)
    show(module.report(records))
    module.save_figure(records, figure)


def with_table(document: str, name: str, table: str) -> str:
    """The document with a table between its markers, in place of what was there.

    Examples
    --------
    >>> with_table("<!-- table: a -->old<!-- table: end -->", "a", "new").split()
    ['<!--', 'table:', 'a', '-->', 'new', '<!--', 'table:', 'end', '-->']
    """
    pattern = rf"(<!-- table: {name} -->).*?(<!-- table: end -->)"
    return re.sub(pattern, lambda m: f"{m[1]}\n{table}{m[2]}", document, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
