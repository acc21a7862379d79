"""Whether stored records are of the settings and defaults as they are now.

Records of ``balinp evaluate`` have the digest of what their method depends on. Those of other
commands, where networks of several settings are trained side by side, get one of their command and
of BALI's defaults when they are stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from balinp.experiments import CLASSIFICATION, REGRESSION
from balinp.experiments.methods import METHODS
from balinp.experiments.methods.settings import defaults, digest
from balinp.experiments.results import RUNS
from balinp.experiments.results.cost import minutes
from balinp.experiments.results.store import Results
from balinp.experiments.scores import Record
from balinp.experiments.table import markdown, method_names


def stamped(command: str, records: Sequence[Record]) -> list[Record]:
    """Records with a digest each; those that have one keep it."""
    common = {"settings": digest(f"{command}; {defaults()}")}
    return [common | record for record in records]


def outdated(results: Results) -> list[str]:
    """Names of methods some of whose records are of other settings than theirs now."""
    expected = _digests(results)
    found = [r for r in results.records if r.get("settings") != expected.get(r["method"])]
    return method_names(found)


def _digests(results: Results) -> dict[str, str]:
    """The digest of each method of a run as it is now."""
    first = results.records[0]
    if results.command.startswith("balinp evaluate"):
        kind = REGRESSION if "rmse" in first else CLASSIFICATION
        return {method.name: method.digest for method in METHODS if method.kind == kind}
    (now,) = {record["settings"] for record in stamped(results.command, [{}])}
    return dict.fromkeys(method_names(results.records), now)


def run_of(results: Results) -> str:
    """Name of the run whose command this is."""
    return next(name for name, command in RUNS.items() if command == results.command)


def earlier(results: Sequence[Results]) -> str:
    """A line for below a table on what in it is of earlier settings; nothing if nothing is."""
    runs: dict[str, list[str]] = {}
    for one in results:
        if names := ", ".join(outdated(one)):
            runs.setdefault(names, []).append(run_of(one))
    old = [f"{names} in {', '.join(where)}" for names, where in runs.items()]
    return f"\n\n**Of earlier settings**: {'; '.join(old)}." if old else ""


def state_table(results: Sequence[Results]) -> str:
    """A Markdown table of runs: when, how many records, for how long, and what is not of now.

    Minutes are those of `balinp.experiments.results.cost`; of runs without times there is a dash.
    """
    rows = [
        [
            run_of(one),
            one.date,
            f"{len(one.records)}",
            f"{len({record.get('split') for record in one.records})}",
            f"{minutes([one]):.1f}" if minutes([one]) else "-",
            f"{sum('confirmed' in record for record in one.records) or '-'}",
            ", ".join(outdated(one)) or "-",
        ]
        for one in results
    ]
    titles = ["run", "made", "records", "splits", "processor minutes", "confirmed"]
    return markdown(
        [*titles, "of earlier settings"], [list(column) for column in zip(*rows, strict=True)]
    )
