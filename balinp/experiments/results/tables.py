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
from balinp.experiments.groups import comparison, rank_summary
from balinp.experiments.results import CONVERGENCE, GROUPED, LARGE, RUNS, SMALL, UCI
from balinp.experiments.results.cost import cost_table
from balinp.experiments.results.state import earlier, run_of, state_table
from balinp.experiments.results.store import Results, read
from balinp.experiments.summary import (
    OF_GROUPS,
    Row,
    best_summary,
    convergence_summary,
    difference_summary,
    gap_summary,
    lead_summary,
    score_summary,
    seconds_summary,
)
from balinp.experiments.table import table
from balinp.experiments.truths import report

ROOT = Path(__file__).parents[3]
DOCUMENTS = (
    ROOT / "README.md",
    Path(__file__).with_name("README.md"),
    Path(__file__).parents[1] / "leakage.md",
)
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
    return f"```sh\n{only.command}\n```\n\n{shown.rstrip()}{earlier(results)}"


def _many(
    summary: Callable[[Sequence[Row]], str], explanation: str, results: Sequence[Results]
) -> str:
    """A summary with a line that explains it and gives the command, NAME for the data set."""
    rows = [(_title(only.command), only.records) for only in results]
    commands = {re.sub(r"uci/\S+", "uci/NAME", only.command) for only in results}
    shown = "`, `".join(sorted(commands))
    return f"{summary(rows)}\n\n{explanation}; each data set by `{shown}`.{earlier(results)}"


def _title(command: str) -> str:
    """The NAME of uci:uci/NAME in a command, and whether whole groups are held out."""
    name = re.findall(r"uci/(\S+)", command)[0]
    return f"{name}{OF_GROUPS}" if "--groups" in command else name


def _groups(results: Sequence[Results]) -> str:
    """One data set's own splits and its groups side by side, and the commands."""
    own, grouped = results
    commands = f"```sh\n{own.command}\n{grouped.command}\n```"
    return f"{commands}\n\n{comparison(own.records, grouped.records).rstrip()}{earlier(results)}"


def _ranks(results: Sequence[Results]) -> str:
    """Ranks of every method in both, one column a data set."""
    by_run = {run_of(only): only.records for only in results}
    rows = [(name, by_run[f"uci_{name}"], by_run[f"groups_{name}"]) for name in GROUPED]
    return f"{rank_summary(rows)}\n\n{RANKS}.{earlier(results)}"


def _runs(prefix: str, names: Sequence[str]) -> list[str]:
    return [f"{prefix}_{name}" for name in names]


OWN, LARGER = _runs("uci", UCI), _runs("uci", LARGE)
WITH_GROUPS = _runs("groups", GROUPED)

LOG_LIKELIHOOD = "Gaussian log-likelihood, nats a datum, mean over splits ± standard error"
BEST = (
    "Gaussian log-likelihood of test data, nats a datum, mean over splits ± standard error; the "
    "other method is the best by this figure"
)
DIFFERENCES = (
    "Gaussian log-likelihood minus that of BALI (isotropic), split by split: mean ± standard "
    "error, above 0 where the method is better"
)
LEAD = (
    "Differences of the Gaussian log-likelihood, split by split: mean ± standard error, above 0 "
    "where BALI is better; the other is the best by its mean"
)
RMSE = "RMSE in the target's unit, likewise"
SECONDS = (
    "Seconds of the processor to fit and predict, of the records that have them; a dash where none "
    "has, or where the method takes fewer data"
)
GAPS = (
    "Median / worst Gaussian log-likelihood over gaps / median ratio of epistemic standard "
    "deviations in the gap and in the data"
)
RANKS = (
    "Ranks by the mean Gaussian log-likelihood, in the set's own splits and with whole groups held "
    "out, one number where they are the same"
)
PASSES = "Seconds: the processor's, until each has reached that log joint density"


def _scores(kind: str, runs: Sequence[str]) -> dict[str, Table]:
    """Four tables of the same data sets."""
    score = partial(score_summary, key="log_likelihood_gaussian")
    differences = partial(difference_summary, kind=REGRESSION)
    return {
        f"{kind} log-likelihood": Table(runs, partial(_many, score, LOG_LIKELIHOOD)),
        f"{kind} differences": Table(runs, partial(_many, differences, DIFFERENCES)),
        f"{kind} RMSE": Table(runs, partial(_many, partial(score_summary, key="rmse"), RMSE)),
        f"{kind} seconds": Table(runs, partial(_many, seconds_summary, SECONDS)),
    }


TABLES = {
    **{name: Table([name], _one) for name in (*SMALL, "mnist", "truths")},
    "uci best": Table(
        OWN, partial(_many, partial(best_summary, key="log_likelihood_gaussian"), BEST)
    ),
    "lead": Table(
        [*OWN, *LARGER, *WITH_GROUPS],
        partial(_many, partial(lead_summary, kind=REGRESSION), LEAD),
    ),
    **_scores("uci", OWN),
    **_scores("large", LARGER),
    "uci gaps": Table(_runs("published_gap", UCI), partial(_many, gap_summary, GAPS)),
    "ranks": Table([*OWN, *WITH_GROUPS], _ranks),
    **{f"groups {name}": Table([f"uci_{name}", f"groups_{name}"], _groups) for name in GROUPED},
    "convergence": Table(
        _runs("convergence", CONVERGENCE), partial(_many, convergence_summary, PASSES)
    ),
    "state": Table(list(RUNS), state_table),
    "cost": Table(list(RUNS), cost_table),
}
