"""Try tools of the ecosystem on balinp's estimators, and write down how it went.

    python tests/tools              # all, and writes tests/tools.md
    python tests/tools mapie shap   # these alone, on the screen

Needs uv and a network. Each package has an environment of its own, with the versions that are named
beside its trials and otherwise the newest that go with them, and so none of them hinders another.
Exit status 1 if anything was not as it is written down in the trials.
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Iterable
from configparser import ConfigParser
from importlib import import_module
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

from trial import TRIALS, Trial

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOPICS = ("selection", "search", "explaining", "uncertainty", "tables", "causes", "files")
PYTHON = "3.12"
SECONDS = 900
"""After which an environment's trials are ended."""

LEFT_OUT = {
    "autogluon, pycaret, mljar-supervised": "install more than 300 MB",
    "torchcp, botorch, trieste, alibi-detect": "install PyTorch or TensorFlow",
    "ray, causalml, h2o": "install more than 300 MB",
    "auto-sklearn, nonconformist, scikit-multiflow": "no release for the Pythons of today",
    "sklearn2pmml, jpmml": "need Java, and know estimators by their names",
}
"""Not tried, and why."""


class Row(TypedDict):
    """A row of the table."""

    tool: str
    version: str
    asked: str
    result: str
    why: str
    expected: bool


def name_of(requirement: str) -> str:
    """Of the package, without version and extras."""
    return requirement.partition("==")[0].partition("[")[0]


def requirements() -> list[str]:
    """What balinp's estimators need, as setup.cfg says it; and frames, which most trials use."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    needed = config["options"]["install_requires"] + config["options.extras_require"]["sklearn"]
    return [*needed.split(), "pandas", "threadpoolctl"]


def tried(trial: Trial) -> Row:
    """Run a trial in this environment."""
    remark, result = "", "worked"
    try:
        remark = trial.run() or ""
    except BaseException as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        result, remark = "did not", trial.fails or f"{type(error).__name__}: {lines[0]}"[:300]
    expected = (result == "did not") == bool(trial.fails)
    name = name_of(trial.requirement)
    return Row(
        tool=name, version=version(name), asked=trial.asked, result=result, why=remark,
        expected=expected,
    )  # fmt: skip


def apart(trials: list[Trial], topic: str) -> list[Row]:
    """Run the trials of one package in an environment of its own."""
    first = trials[0]
    packages = dict.fromkeys(
        [*requirements(), first.requirement, *(a for t in trials for a in t.also)]
    )
    options = [part for package in packages for part in ("--with", package)]
    with TemporaryDirectory() as directory:
        results = Path(directory) / "results.json"
        command = [
            *("uv", "run", "--quiet", "--no-project", "--python", PYTHON, *options),
            *("python", "-W", "ignore", str(HERE), "--inside", topic, first.requirement),
            str(results),
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            said = done.stderr
        except subprocess.TimeoutExpired:
            said = f"not finished in {SECONDS} seconds"
        if results.exists():
            rows: list[Row] = json.loads(results.read_text())
            if not all(row["expected"] for row in rows):
                print(said[-3000:], file=sys.stderr)
            return rows
    print(said[-3000:], file=sys.stderr)
    number = first.requirement.partition("==")[2]
    why = first.fails or (said.strip().splitlines() or [""])[-1][:300]
    return [
        Row(tool=name_of(first.requirement), version=number, asked=t.asked, result="did not",
            why=why, expected=bool(first.fails))
        for t in trials
    ]  # fmt: skip


def loaded(topics: Iterable[str]) -> dict[str, list[Trial]]:
    """The trials of each topic."""
    found = {}
    for topic in topics:
        before = len(TRIALS)
        import_module(topic)
        found[topic] = TRIALS[before:]
    return found


def document(rows: list[tuple[str, list[Row]]]) -> str:
    """The page."""
    every = [row for _, some in rows for row in some]
    worked = sum(row["result"] == "worked" for row in every)
    packages = {row["tool"] for row in every}
    lines = [
        "# Tools that were tried",
        "",
        f"{len(every)} uses of {len(packages)} packages on balinp's estimators: {worked} worked, "
        f"{len(every) - worked} did not. Written by `python tests/tools`, which installs each "
        "package into an environment of its own and runs what is in [tools](tools); it is no part "
        "of the tests.",
        "",
    ]
    for topic, some in rows:
        title = (import_module(topic).__doc__ or "").strip().splitlines()[0].rstrip(".")
        lines += [f"## {title}", "", "| tool | version | asked of it | | remark |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {r['tool']} | {r['version']} | {r['asked']} | {r['result']} | {r['why']} |"
            for r in some
        ]
        lines += [""]
    lines += ["## Not tried", "", "| tools | why |", "| --- | --- |"]
    lines += [f"| {names} | {why} |" for names, why in LEFT_OUT.items()]
    return "\n".join(lines) + "\n"


def main(chosen: list[str]) -> int:
    """Try tools; of all of them a document is made."""
    rows: list[tuple[str, list[Row]]] = []
    for topic, trials in loaded(TOPICS).items():
        some: list[Row] = []
        for requirement, of_one in groupby(trials, key=lambda trial: trial.requirement):
            if chosen and name_of(requirement) not in chosen and topic not in chosen:
                continue
            for row in apart(list(of_one), topic):
                mark = "  " if row["expected"] else "! "
                print(
                    f"{mark}{row['tool']}: {row['asked']}: {row['result']} {row['why']}", flush=True
                )
                some.append(row)
        rows.append((topic, some))
    if not chosen:
        (HERE.parent / "tools.md").write_text(document(rows), "utf-8")
    return int(not all(row["expected"] for _, some in rows for row in some))


def inside(topic: str, requirement: str, results: Path) -> None:
    """Run the trials of a package, in its environment."""
    sys.path.insert(0, str(ROOT))
    (trials,) = loaded([topic]).values()
    rows = [tried(trial) for trial in trials if trial.requirement == requirement]
    results.write_text(json.dumps(rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        sys.exit(main(sys.argv[1:]))
