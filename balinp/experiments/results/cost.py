"""What it takes of the processor to make the stored records again, or others of the same data.

Records have ``cpu_seconds``, the processor's time to fit and predict. Older ones have seconds on
the clock alone, of a machine that others used: there the mean of the method's other records in the
run stands for it and, where it has none, the clock.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from balinp.experiments.results.store import DIRECTORY, Results, read
from balinp.experiments.scores import Record
from balinp.experiments.table import markdown


def processor_seconds(records: Sequence[Record]) -> list[float]:
    """Seconds of the processor of each record of a run; 0 for what has no time at all.

    Examples
    --------
    >>> timed = [{"method": "MLP", "cpu_seconds": s, "seconds": 9.0} for s in (1.0, 3.0)]
    >>> processor_seconds([*timed, {"method": "MLP", "seconds": 9.0}])
    [1.0, 3.0, 2.0]
    >>> processor_seconds([{"method": "MLP", "seconds": 9.0}, {"method": "MCMC"}])
    [9.0, 0.0]
    """
    known: dict[str, list[float]] = {}
    for record in records:
        if "cpu_seconds" in record:
            known.setdefault(record["method"], []).append(record["cpu_seconds"])
    means = {method: float(np.mean(values)) for method, values in known.items()}
    return [
        record.get("cpu_seconds", means.get(record["method"], _clock(record))) for record in records
    ]


def _clock(record: Record) -> float:
    """Seconds on the clock; of a list of them, one for each pass, the last."""
    return float(np.max(record.get("seconds", 0.0)))


def minutes(results: Sequence[Results]) -> float:
    """Minutes of the processor of runs together."""
    return sum(sum(processor_seconds(one.records)) for one in results) / 60


def expected(dataset: str, methods: Sequence[str]) -> str:
    """A line on how long fits will take, by the stored records of a data set; empty without any.

    Parameters
    ----------
    dataset : str
        Name of the data set, as records have it.
    methods : sequence of str
        Name of the method of each fit.

    Examples
    --------
    >>> expected("wine", ["MLP", "SVR", "MLP"]).partition(" about")[0]
    'wine: 3 fits,'
    >>> expected("a table of my own", ["MLP"])
    ''
    """
    known = _means(dataset)
    times = [known[method] for method in methods if method in known]
    if not times:
        return ""
    total, without = sum(times), len(methods) - len(times)
    amount = f"{total:.2g} s" if total < 99 else f"{total / 60:.0f} min"
    besides = f", {without} of them without" if without else ""
    return (
        f"{dataset}: {len(methods)} fit{'s'[: len(methods) - 1]}, "
        f"about {amount} of the processor by stored records{besides}"
    )


def _means(dataset: str) -> dict[str, float]:
    """Mean seconds of the processor of each method in the stored records of a data set."""
    spent: dict[str, list[float]] = {}
    for path in DIRECTORY.glob("*.json"):
        stored = read(path.stem, DIRECTORY)
        records = stored.records
        if stored.command.startswith("balinp evaluate") and records[0]["dataset"] == dataset:
            for record, seconds in zip(records, processor_seconds(records), strict=True):
                spent.setdefault(record["method"], []).append(seconds)
    return {method: float(np.mean(seconds)) for method, seconds in spent.items()}


def cost_table(results: Sequence[Results]) -> str:
    """A Markdown table of the minutes of the processor by method, and a line with their sum."""
    spent: dict[str, float] = {}
    counts: dict[str, int] = {}
    for one in results:
        for record, seconds in zip(one.records, processor_seconds(one.records), strict=True):
            if seconds:
                spent[record["method"]] = spent.get(record["method"], 0.0) + seconds / 60
                counts[record["method"]] = counts.get(record["method"], 0) + 1
    order = sorted(spent, key=lambda method: -spent[method])
    columns = [order, [f"{counts[m]}" for m in order], [f"{spent[m]:.1f}" for m in order]]
    text = markdown(["method", "records", "processor minutes"], columns)
    untimed = [one for one in results if not any(processor_seconds(one.records))]
    commands = ", ".join(f"`{one.command}`" for one in untimed)
    left_out = f", without {commands}, whose records have no times" if untimed else ""
    return f"{text}\n\nIn all {minutes(results):.0f} minutes of the processor{left_out}."
