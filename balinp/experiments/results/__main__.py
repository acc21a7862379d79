"""Make stored records again by their commands, and the tables of the documents from them.

    python -m balinp.experiments.results                         # the tables alone
    python -m balinp.experiments.results diabetes wine           # these records, and all tables
    python -m balinp.experiments.results --all --jobs 2 --resume # everything; goes on if killed
    python -m balinp.experiments.results --all --confirm 1       # what still holds

In a clone of the repository. What commands write lies in the directory `results-work`: with
``--resume``, outcomes that are in a journal there are not computed again, except those of methods
whose settings or defaults have changed since. After a change that no setting says, such as one of a
formula, start without. ``--confirm`` takes minutes where that takes hours: it runs the first splits
of what is of earlier settings, and keeps the records of those that come out again.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from balinp import cli
from balinp.experiments import UserError
from balinp.experiments.results import RUNS, state, store, tables
from balinp.experiments.results.confirm import confirm

FIGURES = {"diabetes": "tutorials/evaluate_diabetes.png", "truths": "tutorials/truths.png"}
"""Pictures that the documents show, by run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; None takes the arguments of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.experiments.results",
        description="Make stored records again, and the tables of the documents from them.",
        epilog=f"runs: {', '.join(RUNS)}",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="runs to make again")
    parser.add_argument("--all", action="store_true", help="make all runs again")
    parser.add_argument("--jobs", metavar="N", default="1", help="processes (default: 1)")
    parser.add_argument("--resume", action="store_true", help="go on where a run was killed")
    parser.add_argument("--confirm", metavar="N", type=int,
                        help="only run the first N splits of what is of earlier settings; keep the "
                        "records of methods that come out again")  # fmt: skip
    parser.add_argument("--work", metavar="DIR", type=Path, default=Path("results-work"),
                        help="where commands write (default: results-work)")  # fmt: skip
    parsed = parser.parse_args(arguments)
    names = list(RUNS) if parsed.all else parsed.names
    try:
        if unknown := set(names) - set(RUNS):
            raise UserError(f"no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
        for name in names:
            print(f"{name}: {RUNS[name]}", file=sys.stderr)
            if parsed.confirm is None:
                record(name, parsed.work, parsed.jobs, parsed.resume)
            else:
                check(name, parsed.confirm, parsed.work, parsed.jobs)
        for path in tables.DOCUMENTS:
            path.write_text(tables.with_tables(path.read_text()))
    except (UserError, OSError) as error:
        print(f"balinp: {error}", file=sys.stderr)
        return 2
    return 0


def record(name: str, work: Path, jobs: str = "1", resume: bool = False) -> None:
    """Run a command and keep its records.

    Raises
    ------
    UserError
        If the command fails; it has said why.
    """
    work.mkdir(parents=True, exist_ok=True)
    json_path = work / f"{name}.json"
    figure = tables.ROOT / FIGURES[name] if name in FIGURES else work / f"{name}.png"
    _, *arguments = shlex.split(RUNS[name])
    extra = ["--json", str(json_path), "--figure", str(figure)]
    if arguments[0] == "evaluate":
        extra += ["--jobs", jobs, *(["--resume"] if resume else [])]
    if cli.main([*arguments, *extra]):
        raise UserError(f"{name}: the command failed: {RUNS[name]}")
    records = state.stamped(RUNS[name], json.loads(json_path.read_text()))
    results = store.Results.of_today(RUNS[name], records)
    results.write(store.DIRECTORY / f"{name}.json")


def check(name: str, n_splits: int, work: Path, jobs: str = "1") -> None:
    """Confirm records of earlier settings by their first splits, and say what came out.

    A run of another command than ``balinp evaluate`` that is of earlier settings is made again.

    Raises
    ------
    UserError
        If the command fails.
    """
    results = store.read(name)
    if not results.command.startswith("balinp evaluate "):
        if state.outdated(results):
            record(name, work)
        return
    work.mkdir(parents=True, exist_ok=True)
    results, text = confirm(results, n_splits, work / f"{name}.confirm.json", jobs)
    results.write(store.DIRECTORY / f"{name}.json")
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
