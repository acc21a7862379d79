"""Records as Markdown tables: one row a method, means and standard errors over splits.

Splits with gaps are few and unlike each other, so for these a second table has the median and
the worst split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from balinp._types import Array
from balinp.experiments import REGRESSION
from balinp.experiments.methods import REFERENCE
from balinp.experiments.scores import COMPARED, EXTRAS, SCORES, TIMES, Column, Record

WORST: dict[str, Callable[[Array], float]] = {
    "rmse": np.max,
    "log_likelihood_gaussian": np.min,
    "epistemic_ratio": np.min,
}
"""What the table of gaps shows, and which value of it is the worst."""


def table(records: Sequence[Record], kind: str) -> str:
    """A Markdown table of records of one data set, and a line that explains it.

    Every cell is a mean over splits and, with two splits or more, its standard error. The last
    column is the difference to `REFERENCE`, taken split by split first; it is left out if that
    method was not run.
    """
    methods = method_names(records)
    paired = REFERENCE in methods
    titles, cells = ["method"], [methods]
    extras = [column for column in EXTRAS if column.key in records[0]]
    times = [column for column in TIMES if all(column.key in record for record in records)]
    for column in [*SCORES[kind], *extras, *times]:
        titles.append(column.title)
        cells.append(column_cells([by_split(records, method, column.key) for method in methods]))
    if paired:
        differences = [paired_differences(records, method, kind) for method in methods]
        others = column_cells(
            [d for m, d in zip(methods, differences, strict=True) if m != REFERENCE]
        )
        titles.append(f"{COMPARED[kind].title} minus {REFERENCE}")
        cells.append(["-" if method == REFERENCE else others.pop(0) for method in methods])
    n_splits = len({record["split"] for record in records})
    line = _explanation(kind, n_splits, [*extras, *times], paired)
    return markdown(titles, cells) + f"\n\n{line}\n"


def gap_table(records: Sequence[Record]) -> str:
    """A Markdown table of median and worst split, for records of splits with gaps."""
    methods = method_names(records)
    titles, cells = ["method"], [methods]
    for column in (*SCORES[REGRESSION], *EXTRAS):
        if column.key not in WORST:
            continue
        values = [by_split(records, method, column.key) for method in methods]
        worst = WORST[column.key]
        titles += [f"{column.title}, median", f"{column.title}, worst"]
        cells += [[f"{np.median(v):.3f}" for v in values], [f"{worst(v):.3f}" for v in values]]
    n_splits = len({record["split"] for record in records})
    line = f"Rows: over {n_splits} gap{'' if n_splits == 1 else 's'}, one for each input"
    return markdown(titles, cells) + f"\n\n{line}; worst: highest RMSE, lowest others.\n"


def gap_sizes(
    records: Sequence[Record], n: int, left_out: Sequence[int], names: Sequence[str] = ()
) -> str:
    """A Markdown table of how many of n rows each gap holds, and the inputs that have none.

    Inputs are shown by their names, where they have any, or by their numbers.

    Examples
    --------
    >>> print(gap_sizes([{"gap_input": 0, "gap_rows": 3}], 10, [1]), end="")
    | gap along input | rows tested in it | rows trained on |
    | --------------- | ----------------: | --------------: |
    | 0               |                 3 |               7 |
    <BLANKLINE>
    No gap along input 1: too few distinct values.
    """

    def shown(k: int) -> str:
        return names[k] if names else str(k)

    sizes = {record["gap_input"]: int(record["gap_rows"]) for record in records}
    rows = sizes.values()
    text = markdown(
        ["gap along input", "rows tested in it", "rows trained on"],
        [[shown(k) for k in sizes], [str(m) for m in rows], [str(n - m) for m in rows]],
    )
    if not left_out:
        return text + "\n"
    plural, others = "s" * (len(left_out) > 1), ", ".join(map(shown, left_out))
    return f"{text}\n\nNo gap along input{plural} {others}: too few distinct values.\n"


def method_names(records: Sequence[Record]) -> list[str]:
    """Names of the methods, in the order of their first records."""
    return list(dict.fromkeys(record["method"] for record in records))


def by_split(records: Sequence[Record], method: str, key: str) -> Array:
    """Values of a key for one method, in the order of splits."""
    chosen = sorted((r for r in records if r["method"] == method), key=lambda r: r["split"])
    return np.array([record[key] for record in chosen], dtype=np.float64)


def paired_differences(records: Sequence[Record], method: str, kind: str) -> Array:
    """Compared score of a method minus that of `REFERENCE`, on each split."""
    key = COMPARED[kind].key
    with np.errstate(invalid="ignore"):  # two infinite scores have no difference: NaN
        return by_split(records, method, key) - by_split(records, REFERENCE, key)


def mean_and_error(values: Array) -> tuple[float, float]:
    """Mean, and its standard error s / sqrt(n) with s^2 the unbiased variance; NaN for n = 1.

    Examples
    --------
    >>> mean_and_error(np.array([1.0, 3.0]))
    (2.0, 1.0)
    """
    n = len(values)
    if n == 1:
        return float(values[0]), float("nan")
    with np.errstate(invalid="ignore"):  # an infinite score leaves no standard error
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))


def column_cells(column: Sequence[Array]) -> list[str]:
    """One column's cells, all with as many decimals as show two digits of a typical error."""
    pairs = [mean_and_error(values) for values in column]
    errors = np.array([error for _, error in pairs if np.isfinite(error) and error > 0])
    decimals = int(np.clip(1 - np.floor(np.log10(np.median(errors))), 0, 3)) if len(errors) else 3
    return [_cell(mean, error, decimals) for mean, error in pairs]


def _cell(mean: float, error: float, decimals: int) -> str:
    shown = f"{mean:.{decimals}f}"
    return f"{shown} ± {error:.{decimals}f}" if np.isfinite(error) else shown


def markdown(titles: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, so that the table can also be read as it is."""
    widths = [
        max(len(title), *map(len, cells)) for title, cells in zip(titles, columns, strict=True)
    ]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    rows = [titles, rule, *zip(*columns, strict=True)]
    return "\n".join(
        "| "
        + " | ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        + " |"
        for row in rows
    )


def _explanation(kind: str, n_splits: int, others: Sequence[Column], paired: bool) -> str:
    spread = "one split" if n_splits == 1 else f"{n_splits} splits ± standard error"
    units = (
        "RMSE and CRPS in the target's unit (lower is better), log-likelihoods of one Gaussian "
        "and of the mixture over weights in nats a datum (higher is better)"
        if kind == REGRESSION
        else "NLL in nats a datum (lower is better, as for Brier and ECE)"
    )
    parts = [f"Rows: test scores, means over {spread}", units]
    keys = {column.key for column in others}
    if "auroc" in keys:
        parts.append("AUROC and FPR of predictive entropy, data from outside being the positives")
    if "epistemic_ratio" in keys:
        parts.append(
            "epistemic ratio: mean standard deviation that uncertain weights cause in the gap "
            "over that at the training inputs"
        )
    cpu = ", on the clock and of the processor" if "cpu_seconds" in keys else ""
    parts.append(f"seconds to fit and predict{cpu}")
    if paired:
        parts.append(f"last column: difference to {REFERENCE} split by split")
    return "; ".join(parts) + "."
