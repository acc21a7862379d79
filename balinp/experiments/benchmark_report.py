"""Tables and picture of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from balinp.experiments.race import SECONDS, TOLERANCE
from balinp.experiments.scores import Record
from balinp.experiments.step_parts import PARTS
from balinp.experiments.table import markdown
from balinp.plot.style import COLOURS, open_frame

FACES = (*COLOURS[:6], *COLOURS[:3], "#BBBBBB")
HATCHES = ("",) * 6 + ("////",) * 3 + ("",)
"""Of the parts; where a colour comes again it is hatched."""


def report(records: Sequence[Record]) -> str:
    """Markdown tables of all records, each with a line that explains it."""
    steps, posteriors, races, exponents = (
        [record for record in records if record["measured"] == measured]
        for measured in ("step", "posterior", "race", "exponent")
    )
    tables = [_steps(steps), _turns(steps), _parts(steps)]
    if posteriors:
        tables.append(_posteriors(posteriors))
    if races:
        tables.append(_races(races))
    if exponents:
        tables.append(_exponents(exponents))
    return "\n\n".join(tables) + "\n"


def case_title(record: Record) -> str:
    """Shape and batch."""
    batch = "all" if record["batch"] == record["n_data"] else record["batch"]
    return f"{record['shape']}, {batch}"


def _table(columns: dict[str, list[str]], line: str) -> str:
    return f"{markdown(list(columns), list(columns.values()))}\n\n{line}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.3g}"


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _over(seconds: float | None, other: float | None) -> str:
    return "-" if seconds is None or other is None else f"{seconds / other:.2g}"


def _steps(records: Sequence[Record]) -> str:
    columns = {"network, batch": [case_title(r) for r in records]}
    columns["step"] = [_ms(r["seconds"]) for r in records]
    for key in ("twin", "limit"):
        columns[key] = [_ms(r[f"{key}_seconds"]) for r in records]
    columns["spectra in the limit"] = [_ms(r["limit_eigen_seconds"]) for r in records]
    for key in ("twin", "limit"):
        columns[f"step / {key}"] = [_over(r["seconds"], r[f"{key}_seconds"]) for r in records]
    columns["peak MB"] = [f"{r['peak_mb']:.3g}" for r in records]
    columns["process MB"] = [_rounded(r["process_peak_mb"]) for r in records]
    return _table(
        columns,
        "Milliseconds of processor time a training step, one thread; twin: plain NumPy in place of "
        "the compiled kernels; limit: the step's matrix products at "
        f"{records[0]['dgemm_rate'] / 1e9:.3g} Gflop/s, the rate of a large product here, and its "
        "eigendecompositions; peak: memory that NumPy takes for a step; process: all memory of a "
        "process that trains.",
    )


def _turns(records: Sequence[Record]) -> str:
    columns = {"network, batch": [case_title(r) for r in records]}
    for title, key in (("fit", "fit"), ("other build", "other"), ("Adam", "adam")):
        columns[title] = [_ms(r[f"{key}_seconds"]) for r in records]
    columns["other build / fit"] = [_rounded(r["other_ratio"]) for r in records]
    columns["fit / Adam"] = [_rounded(r["adam_ratio"]) for r in records]
    columns["to the first step"] = [_ms(r["first_seconds"]) for r in records]
    columns["page faults"] = [_rounded(r["page_faults"]) for r in records]
    columns["other build's"] = [_rounded(r["other_page_faults"]) for r in records]
    return _table(
        columns,
        "Milliseconds of processor time and page faults a step of `BALI.fit`, in turns with those "
        "of another build and of PyTorch's Adam in float32: medians of the rounds, also of the "
        "ratios; to the first step: all of `fit` up to its end, in a new process.",
    )


def _parts(records: Sequence[Record]) -> str:
    columns = {"network, batch": [case_title(r) for r in records]}
    for part in PARTS:
        columns[part] = [_ms(r["parts"][part]) for r in records]
    return _table(columns, "Milliseconds of each part of a step; together they are the step.")


def _posteriors(records: Sequence[Record]) -> str:
    columns = {
        "network": [r["shape"] for r in records],
        "rows": [str(r["n_data"]) for r in records],
        "BALI": [_ms(r["seconds"]) for r in records],
        "laplace-torch": [_ms(r["laplace_seconds"]) for r in records],
        "BALI / laplace-torch": [_over(r["seconds"], r["laplace_seconds"]) for r in records],
    }
    return _table(
        columns,
        "Milliseconds from a trained network to its posterior: a mean pass and every layer's "
        "regression, and a fit of Kronecker factors in float32.",
    )


def _races(records: Sequence[Record]) -> str:
    not_reached = [f"never (best {r['bali_best']:.3f})" for r in records]
    passes = [r["bali"]["steps"][-1] * r["batch"] / r["n_data"] for r in records]
    columns = {
        "network, batch": [case_title(r) for r in records],
        "truth": [f"{r['truth']:.3f}" for r in records],
        "Adam's best": [f"{r['adam_best']:.3f}" for r in records],
        "rate": [f"{r['learning_rate']:g}" for r in records],
        "Adam s": [_rounded(r["adam_seconds"]) for r in records],
        "BALI s": [
            never if r["bali_seconds"] is None else _rounded(r["bali_seconds"])
            for r, never in zip(records, not_reached, strict=True)
        ],
        "BALI / Adam": [_over(r["bali_seconds"], r["adam_seconds"]) for r in records],
        "BALI's passes": [f"{number:.3g}" for number in passes],
        "BALI's last": [f"{r['bali_final']:.3f}" for r in records],
        "BALI s to it": [_rounded(r["bali_final_seconds"]) for r in records],
        "Adam s to it": [
            "never" if r["adam_final_seconds"] is None else _rounded(r["adam_final_seconds"])
            for r in records
        ],
        "BALI / Adam to it": [
            _over(r["bali_final_seconds"], r["adam_final_seconds"]) for r in records
        ],
    }
    return _table(
        columns,
        "Mean log-likelihood of held-out data, nats: under what made the data (truth), of Adam's "
        "network at its best moment with its best learning rate, and of BALI's predictive "
        "distribution after its passes, the default number or those of "
        f"{SECONDS:g} seconds. Processor seconds of training until each is within "
        f"{TOLERANCE:g} nats of these levels.",
    )


def _exponents(records: Sequence[Record]) -> str:
    columns = {
        "varied": [r["varied"] for r in records],
        "sizes": [", ".join(map(str, r["sizes"])) for r in records],
        "ms a step": [", ".join(_ms(seconds) for seconds in r["seconds"]) for r in records],
        "exponent": [f"{r['exponent']:.2f}" for r in records],
    }
    base = records[0]
    return _table(
        columns,
        f"One size varied at a time from {base['shape']}, batch {base['batch']}; exponent p of the "
        "power law c size^p that is nearest in logarithms.",
    )


def save_benchmark_figure(records: Sequence[Record], path: Path) -> None:
    """Draw the parts of every step as shares, with its limit and Adam's step on the same scale.

    Parameters
    ----------
    records : sequence of Record
        Records from `balinp.experiments.benchmark.benchmark`.
    path : Path
        Path of the file to write; its ending chooses the format.
    """
    steps = [record for record in records if record["measured"] == "step"]
    figure = Figure(figsize=(11, 2.2 + 0.42 * len(steps)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    rows = range(len(steps))
    left = [0.0] * len(steps)
    for part, face, hatch in zip(PARTS, FACES, HATCHES, strict=True):
        shares = [r["parts"][part] / r["seconds"] for r in steps]
        axes.barh(rows, shares, left=left, height=0.7, color=face, hatch=hatch, edgecolor="white",
                  linewidth=0.5, label=part)  # fmt: skip
        left = [a + b for a, b in zip(left, shares, strict=True)]
    limits = [r["limit_seconds"] / r["seconds"] for r in steps]
    adam = [None if r["adam_ratio"] is None else 1 / r["adam_ratio"] for r in steps]
    for marks, label, marker in ((limits, "arithmetic limit", "D"), (adam, "Adam's step", "o")):
        known = [(mark, row) for row, mark in enumerate(marks) if mark is not None]
        if known:
            axes.plot(*zip(*known, strict=True), marker, color="black", markersize=8,
                      markeredgecolor="white", markeredgewidth=1.2, label=label)  # fmt: skip
    axes.set_yticks(rows, [f"{case_title(r)}: {_ms(r['seconds'])} ms" for r in steps])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share of the time of a training step")
    axes.set_title("network, batch: where a step's time goes", fontsize=10)
    open_frame(axes)
    figure.legend(loc="outside right center", fontsize=9, frameon=False)
    figure.savefig(path, dpi=160)
