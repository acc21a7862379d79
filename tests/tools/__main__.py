"""Try tools of the ecosystem on balinp's estimators, and write down how it went.

    python tests/tools              # all, and writes tests/tools.md
    python tests/tools explaining   # a topic, of which it writes the part anew
    python tests/tools mapie shap   # these alone, on the screen

Needs uv and a network. As many packages as go together share an environment, with the versions that
are named beside their trials and otherwise the newest that go with them. Exit status 1 if anything
was not as it is written down in the trials.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict

from trial import TRIALS, Trial

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = HERE.parent / "tools.md"
TOPICS = ("selection", "search", "explaining", "uncertainty", "tables", "causes", "files")
PYTHON = "3.12"
SECONDS = 600
"""After which a trial is ended."""

LEFT_OUT = {
    "autogluon, pycaret, mljar-supervised, tpot, flaml": "install XGBoost, and more than 300 MB",
    "torchcp, botorch, trieste, alibi-detect, netcal": "install PyTorch or TensorFlow",
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
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        remark = trial.run() or ""
    except BaseException as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        result, remark = "did not", trial.fails or f"{type(error).__name__}: {lines[0]}"[:300]
    finally:
        signal.alarm(0)
    return row(trial, version(name_of(trial.requirement)), result, remark)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"not finished in {SECONDS} seconds")


def row(trial: Trial, number: str, result: str, why: str) -> Row:
    """A row of the table."""
    return Row(
        tool=name_of(trial.requirement), version=number, asked=trial.asked, result=result, why=why,
        expected=(result == "did not") == bool(trial.fails),
    )  # fmt: skip


def go_together(trials: list[Trial]) -> str:
    """What uv says against an environment of them all; nothing if there is one."""
    command = ["uv", "pip", "compile", "--quiet", "--python-version", PYTHON, "-"]
    asked = "\n".join(packages(trials))
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def packages(trials: list[Trial]) -> list[str]:
    """What has to be installed for them."""
    asked = [part for trial in trials for part in (trial.requirement, *trial.also)]
    return list(dict.fromkeys([*requirements(), *asked]))


def environments(trials: list[Trial]) -> Iterator[tuple[list[Trial], str]]:
    """Trials that can share an environment; and what is against that of a single package."""
    against = go_together(trials)
    names = list(dict.fromkeys(trial.requirement for trial in trials))
    if not against or len(names) == 1:
        yield trials, against
        return
    first = names[: len(names) // 2]
    yield from environments([trial for trial in trials if trial.requirement in first])
    yield from environments([trial for trial in trials if trial.requirement not in first])


def together(trials: list[Trial], topic: str) -> Iterator[Row]:
    """Run trials in one environment; in another process if one is the end of a process."""
    with TemporaryDirectory() as directory:
        while trials:
            results = Path(directory) / "results.jsonl"
            results.write_text("")
            options = [part for package in packages(trials) for part in ("--with", package)]
            command = [
                *("uv", "run", "--quiet", "--no-project", "--python", PYTHON, *options),
                *("python", "-W", "ignore", str(HERE), "--inside", topic, str(results)),
                *(str(trial.number) for trial in trials),
            ]
            done = subprocess.run(
                command, cwd=directory, capture_output=True, text=True, check=False
            )
            rows: list[Row] = [json.loads(line) for line in results.read_text().splitlines()]
            yield from rows
            if not all(row["expected"] for row in rows) or done.returncode:
                print(done.stderr[-20000:], file=sys.stderr)
            trials = trials[len(rows) :]
            if trials:
                last = (done.stderr.strip().splitlines() or [""])[-1][:300]
                yield row(trials.pop(0), "", "did not", f"the process ended: {last}")


def loaded(topics: Iterable[str]) -> dict[str, list[Trial]]:
    """The trials of each topic."""
    for topic in topics:
        import_module(topic)
    return {topic: [trial for trial in TRIALS if trial.run.__module__ == topic] for topic in topics}


def title(topic: str) -> str:
    """The first line of a topic's module."""
    return (import_module(topic).__doc__ or "").strip().splitlines()[0].rstrip(".")


def section(rows: list[Row]) -> list[str]:
    """Lines of a table."""
    cells = [(r["tool"], r["version"], r["asked"], r["result"], r["why"]) for r in rows]
    head = ("tool", "version", "asked of it", "", "remark"), ("---",) * 5
    return [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in (*head, *cells)]


def document(found: dict[str, list[Row]], before: str) -> str:
    """The page; topics that were not tried are as they were before."""
    known = {}
    for part in before.split("\n## ")[1:]:
        name, *lines = part.strip().splitlines()
        known[name] = [line for line in lines if line]
    known |= {title(topic): section(rows) for topic, rows in found.items()}
    sections = {name: known[name] for name in map(title, TOPICS) if name in known}
    uses = [line.split(" | ") for lines in sections.values() for line in lines[2:]]
    worked, packages = sum(use[3] == "worked" for use in uses), {use[0] for use in uses}
    lines = [
        "# Tools that were tried",
        "",
        f"{len(uses)} uses of {len(packages)} packages on balinp's estimators: {worked} worked, "
        f"{len(uses) - worked} did not. Written by `python tests/tools`, which installs them into "
        "environments of their own and runs what is in [tools](tools); it is no part of the tests.",
    ]
    sections["Not tried"] = ["| tools | why |", "| --- | --- |"]
    sections["Not tried"] += [f"| {names} | {why} |" for names, why in LEFT_OUT.items()]
    for name, table in sections.items():
        lines += ["", f"## {name}", "", *table]
    return "\n".join(lines) + "\n"


def main(chosen: list[str]) -> int:
    """Try tools; whole topics are written down."""
    found: dict[str, list[Row]] = {}
    for topic, trials in loaded(TOPICS).items():
        asked = [t for t in trials if not chosen or {name_of(t.requirement), topic} & {*chosen}]
        rows = list(shown(asked, topic)) if asked else []
        if asked == trials:
            found[topic] = rows
            before = PAGE.read_text("utf-8") if PAGE.exists() else ""
            PAGE.write_text(document({topic: rows}, before), "utf-8")
    return int(not all(row["expected"] for rows in found.values() for row in rows))


def shown(trials: list[Trial], topic: str) -> Iterator[Row]:
    """Rows of trials, each printed when it is there."""
    for group, against in environments(trials):
        if against:
            why = group[0].fails or against.splitlines()[-1].strip()[:300]
            rows = iter([row(trial, "", "did not", why) for trial in group])
        else:
            rows = together(group, topic)
        for one in rows:
            mark = "  " if one["expected"] else "! "
            words = f"{one['asked']}: {one['result']} {one['why']}"
            print(f"{mark}{one['tool']}: {words}", flush=True)
            yield one


def inside(topic: str, results: Path, numbers: list[int]) -> None:
    """Run trials of a topic, by their numbers, in their environment."""
    sys.path.insert(0, str(ROOT))
    os.environ["PYTHONPATH"] = str(ROOT)  # of the processes that tools start
    trials = loaded([topic])[topic]
    for number in numbers:
        found = tried(trials[number])
        with results.open("a") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], Path(sys.argv[3]), [int(number) for number in sys.argv[4:]])
    else:
        sys.exit(main(sys.argv[1:]))
