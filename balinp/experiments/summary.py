"""Many data sets in one Markdown table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from balinp._types import Array
from balinp.experiments.convergence import COMPARED_AT
from balinp.experiments.methods import ENSEMBLE, REFERENCE, SINGLE_NETWORKS
from balinp.experiments.scores import COMPARED, Record
from balinp.experiments.table import (
    by_split,
    column_cells,
    markdown,
    mean_and_error,
    method_names,
    paired_differences,
)

OF_GROUPS = ", groups"
"""How the title of a data set ends where whole groups are held out."""

Row: TypeAlias = tuple[str, list[Record]]
"""Title of a data set, and its records."""


def score_summary(rows: Sequence[Row], key: str) -> str:
    """Means of one score over splits ± standard errors, methods in rows."""

    def cells(records: Sequence[Record], methods: Sequence[str]) -> list[str]:
        return column_cells([by_split(records, method, key) for method in methods])

    return _by_method(rows, cells)


def difference_summary(rows: Sequence[Row], kind: str) -> str:
    """Mean differences to `REFERENCE` in the compared score ± standard errors, by split."""

    def cells(records: Sequence[Record], methods: Sequence[str]) -> list[str]:
        others = [method for method in methods if method != REFERENCE]
        shown = iter(column_cells([paired_differences(records, m, kind) for m in others]))
        return ["0" if method == REFERENCE else next(shown) for method in methods]

    return _by_method(rows, cells)


def seconds_summary(rows: Sequence[Row]) -> str:
    """Mean seconds of the processor ± standard errors, over the records that have them."""

    def cells(records: Sequence[Record], methods: Sequence[str]) -> list[str]:
        timed = [record for record in records if "cpu_seconds" in record]
        known = [method for method in methods if method in method_names(timed)]
        shown = column_cells([by_split(timed, method, "cpu_seconds") for method in known])
        found = dict(zip(known, shown, strict=True))
        return [found.get(method, "-") for method in methods]

    return _by_method(rows, cells)


def best_summary(rows: Sequence[Row], key: str) -> str:
    """Means of one score ± standard errors of BALI, of its ensemble, and of the best other method.

    Data sets in rows, and the share of their test rows that are training rows. Others are all
    methods that are not BALI; the best has the highest mean.
    """
    best = [_best(records, key, _others(records)) for _, records in rows]
    columns = [
        column_cells([by_split(r, m, key) for m, (_, r) in zip(methods, rows, strict=True)])
        for methods in ([REFERENCE] * len(rows), [ENSEMBLE] * len(rows), best)
    ]
    seen = [100 * by_split(records, REFERENCE, "seen_rows").mean() for _, records in rows]
    titles = ["data set", REFERENCE, ENSEMBLE, "best other method", "its name"]
    shares = [f"{share:.1f} %" if share else "0" for share in seen]
    return markdown(
        [*titles, "test rows in training"], [[title for title, _ in rows], *columns, best, shares]
    )


def lead_summary(rows: Sequence[Row], kind: str) -> str:
    """How far BALI is ahead of the best other single network, and its ensemble of all others.

    Mean differences of the compared score by split ± standard errors, above 0 where BALI is better;
    the best is the one of the highest mean. Below the table it is counted how often BALI is ahead.
    """
    key = COMPARED[kind].key
    titles, columns, sentences = ["splits of"], [[title for title, _ in rows]], []
    for ours, single in ((REFERENCE, True), (ENSEMBLE, False)):
        best = [
            _best(r, key, [m for m in _others(r) if not single or m in SINGLE_NETWORKS])
            for _, r in rows
        ]
        pairs = zip(rows, best, strict=True)
        ahead = [by_split(r, ours, key) - by_split(r, other, key) for (_, r), other in pairs]
        titles += [f"{ours} is ahead by", "of" if single else "of, among all"]
        columns += [column_cells(ahead), best]
        sentences.append(f"{ours} is ahead {_counted(columns[0], ahead)}.")
    return f"{markdown(titles, columns)}\n\n{' '.join(sentences)}"


def _counted(titles: Sequence[str], ahead: Sequence[Array]) -> str:
    """On how many sets of how many a difference is above 0, apart for own splits and groups."""
    parts = []
    for grouped, of in ((False, "in their own splits"), (True, "with whole groups held out")):
        pairs = [
            mean_and_error(values)
            for title, values in zip(titles, ahead, strict=True)
            if title.endswith(OF_GROUPS) == grouped
        ]
        if pairs:
            above = sum(mean > 0 for mean, _ in pairs)
            clear = sum(mean > 2 * error for mean, error in pairs)
            behind = sum(-mean > 2 * error for mean, error in pairs)
            parts.append(
                f"on {above} of {len(pairs)} sets {of} ({clear} by more than two standard errors; "
                f"behind by as much on {behind})"
            )
    return " and ".join(parts)


def _others(records: Sequence[Record]) -> list[str]:
    return [name for name in method_names(records) if not name.startswith("BALI")]


def _best(records: Sequence[Record], key: str, methods: Sequence[str]) -> str:
    return max(methods, key=lambda name: by_split(records, name, key).mean())


def gap_summary(rows: Sequence[Row]) -> str:
    """Median and worst log-likelihood over gaps, and the median epistemic ratio.

    Methods whose weights are not uncertain have no ratio: a dash.
    """

    def cells(records: Sequence[Record], methods: Sequence[str]) -> list[str]:
        return [_gap_cell(records, method) for method in methods]

    return _by_method(rows, cells)


def _gap_cell(records: Sequence[Record], method: str) -> str:
    scores = by_split(records, method, "log_likelihood_gaussian")
    ratio = np.median(by_split(records, method, "epistemic_ratio"))
    shown = "-" if np.isnan(ratio) else f"{ratio:.1f}"
    return f"{np.median(scores):.2f} / {scores.min():.2f} / {shown}"


def _by_method(
    rows: Sequence[Row], cells: Callable[[Sequence[Record], Sequence[str]], list[str]]
) -> str:
    """Methods in rows, a column for each data set; a dash where a method was not run."""
    methods = list(dict.fromkeys(name for _, records in rows for name in method_names(records)))
    columns = []
    for _, records in rows:
        run = method_names(records)
        found = dict(zip(run, cells(records, run), strict=True))
        columns.append([found.get(method, "-") for method in methods])
    return markdown(["method", *(title for title, _ in rows)], [methods, *columns])


def convergence_summary(rows: Sequence[Row]) -> str:
    """Passes and seconds to the target, for BALI and for the learning rate that sets it.

    Records are those of `balinp.experiments.convergence.compare`.
    """
    titles = ["data set", f"Adam's best after {COMPARED_AT} passes, nats", "BALI's passes to it"]
    titles += ["ratio", "seconds, BALI", "seconds, Adam"]
    shown = []
    for title, (bali, *adams) in rows:
        best = max(adams, key=lambda record: record["log_joint"][COMPARED_AT])
        passes, seconds = bali["passes_to_target"], bali["seconds_to_target"]
        reached = passes is not None
        shown.append(
            [
                title,
                f"{bali['target']:.0f}",
                f"{passes}" if reached else "-",
                f"{COMPARED_AT / passes:.1f}" if reached else "-",
                f"{seconds:.3f}" if reached else "-",
                f"{best['seconds_to_target']:.3f}",
            ]
        )
    return markdown(titles, _columns(shown))


def _columns(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [list(column) for column in zip(*rows, strict=True)]
