"""Tables of stored records, between markers in Markdown documents.

``<!-- table: NAME -->`` begins what is written here, ``<!-- table: end -->`` ends it. `TABLES`
says what each name stands for: the runs whose records it shows, and how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from balinp.experiments import CLASSIFICATION, REGRESSION, UserError
from balinp.experiments.results import CONVERGENCE, SMALL, UCI
from balinp.experiments.results.store import Results, read
from balinp.experiments.summary import (
    Row,
    best_summary,
    convergence_summary,
    difference_summary,
    gap_summary,
    score_summary,
)
from balinp.experiments.table import table
from balinp.experiments.truths import report

ROOT = Path(__file__).parents[3]
DOCUMENTS = (ROOT / "README.md", Path(__file__).with_name("README.md"))
"""Where the tables are."""

END = "<!-- table: end -->"
BEGIN = re.compile(r"<!-- table: (?!end -->)(.+?) -->\n")


class Table(NamedTuple):
    """The runs that a table shows, and what makes it of their results."""

    runs: Sequence[str]
    render: Callable[[Sequence[Results]], str]


def with_tables(text: str, reader: Callable[[str], Results] = read) -> str:
    """A document with every table rendered anew.

    Parameters
    ----------
    text : str
        Text of the document.
    reader : callable, optional
        Gives the results of a run by its name.

    Raises
    ------
    UserError
        If a marker names no table or has no end, or a run has no results.
    """
    before, *parts = BEGIN.split(text)
    if END in before:
        raise UserError(f"{END}: expected the beginning of a table before it")
    pieces = [before]
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        if name not in TABLES:
            raise UserError(f"no table {name!r}; there are {', '.join(TABLES)}")
        if part.count(END) != 1:
            raise UserError(f"table {name!r}: expected one {END} before the next table")
        runs, render = TABLES[name]
        rendered = render([reader(run) for run in runs]).rstrip("\n")
        pieces.append(f"<!-- table: {name} -->\n{rendered}\n{part[part.index(END) :]}")
    return "".join(pieces)


def tables_in(text: str) -> list[str]:
    """Names of the tables of a document, in their order."""
    return BEGIN.findall(text)


def _one(results: Sequence[Results]) -> str:
    """The command and the table that it prints."""
    (only,) = results
    first = only.records[0]
    kind = REGRESSION if "rmse" in first else CLASSIFICATION
    shown = report(only.records) if "network" in first else table(only.records, kind)
    return f"```sh\n{only.command}\n```\n\n{shown}"


def _many(
    summary: Callable[[Sequence[Row]], str], explanation: str, results: Sequence[Results]
) -> str:
    """A summary with a line that explains it and gives the command, NAME for the data set."""
    titles = [_title(only.command) for only in results]
    rows = [(title, only.records) for title, only in zip(titles, results, strict=True)]
    commands = {
        only.command.replace(f"/{title}", "/NAME")
        for title, only in zip(titles, results, strict=True)
    }
    return f"{summary(rows)}\n\n{explanation}; each data set by `{'`, `'.join(sorted(commands))}`."


def _title(command: str) -> str:
    """The NAME of uci:uci/NAME in a command."""
    return re.findall(r"uci/(\S+)", command)[0]


def _uci(prefix: str) -> list[str]:
    return [f"{prefix}_{name}" for name in UCI]


LOG_LIKELIHOOD = "Gaussian log-likelihood, nats a datum, mean over splits ± standard error"
BEST = (
    "Gaussian log-likelihood of test data, nats a datum, 20 splits ± standard error; the other "
    "method is the best by this figure"
)
DIFFERENCES = (
    "Gaussian log-likelihood minus that of BALI (isotropic), split by split: mean ± standard "
    "error, above 0 where the method is better"
)
SECONDS = "Seconds to fit and predict, on one core"
GAPS = (
    "Median / worst Gaussian log-likelihood over gaps / median ratio of epistemic standard "
    "deviations in the gap and in the data"
)
PASSES = "Seconds: until each has reached that log joint density for the first time"

TABLES = {
    **{name: Table([name], _one) for name in (*SMALL, "mnist", "truths")},
    "uci best": Table(
        _uci("uci"), partial(_many, partial(best_summary, key="log_likelihood_gaussian"), BEST)
    ),
    "uci log-likelihood": Table(
        _uci("uci"),
        partial(_many, partial(score_summary, key="log_likelihood_gaussian"), LOG_LIKELIHOOD),
    ),
    "uci RMSE": Table(
        _uci("uci"),
        partial(_many, partial(score_summary, key="rmse"), "RMSE in the target's unit, likewise"),
    ),
    "uci differences": Table(
        _uci("uci"), partial(_many, partial(difference_summary, kind=REGRESSION), DIFFERENCES)
    ),
    "uci seconds": Table(
        _uci("uci"), partial(_many, partial(score_summary, key="seconds"), SECONDS)
    ),
    "uci gaps": Table(_uci("published_gap"), partial(_many, gap_summary, GAPS)),
    "convergence": Table(
        [f"convergence_{name}" for name in CONVERGENCE], partial(_many, convergence_summary, PASSES)
    ),
}
