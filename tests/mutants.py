"""Mistakes made on purpose: does a test notice when the mathematics is wrong in one place?

Each mutant in `mutants/<module>.txt` changes one place of balinp/<module>.py, as a slip in a
derivation or in its coding would: a sign, a transpose, a forgotten N/B, a missing prior term. It
names the equation that it breaks. The tests marked with that equation are run against it first,
then all others of the files that are about the module. A mutant that survives them shows that a
test is missing.

    python tests/mutants.py                                # all of them, some minutes
    python tests/mutants.py --only JS-4                    # those of one equation
    python tests/mutants.py --module layer joint_step      # those of some modules
    python tests/mutants.py --check                        # only whether each applies to the code
    python tests/mutants.py --killed-by tests/x.py::test_y # how many this one test notices

The exit status is 1 if a mutant survives or does not apply to exactly one place. No file is
changed: a process of its own compiles the changed text in place of the file's.
"""

from __future__ import annotations

import argparse
import ast
import math
import multiprocessing
import os
import re
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
LISTS = REPOSITORY / "tests" / "mutants"
TIME_LIMIT = 60  # seconds of the processor's for one test, many times what any needs
OUT_OF_TIME = "time limit"

# One process imports these once, and each run takes a copy of it.
IMPORTED = "hypothesis.extra.numpy numba pytest scipy.optimize scipy.stats sklearn.base"
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(IMPORTED.split())
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ENVIRONMENT["NUMBA_DISABLE_JIT"] = "1"  # a compiled function may hold an older one that it calls
ENVIRONMENT["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
OPTIONS = ["-x", "--tb=no", "-m", "not stress", "-o", "addopts=", "-p", "no:cacheprovider"]
OPTIONS += ["-p", "no:unraisableexception"]  # which collects garbage again and again


class Mutant(NamedTuple):
    """One change of one place: in balinp/<module>.py, `old` becomes `new`."""

    module: str
    tag: str
    mistake: str
    old: str
    new: str

    @property
    def path(self) -> str:
        """The changed file, relative to the repository."""
        package = f"balinp/{self.module}/__init__.py"
        return package if (REPOSITORY / package).exists() else f"balinp/{self.module}.py"

    def applied(self) -> str:
        """The file's text with the mistake; ValueError if there is not one place for it."""
        text = (REPOSITORY / self.path).read_text("utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.old!r} occurs {text.count(self.old)} times in {self.path}")
        return text.replace(self.old, self.new)


class Verdict(NamedTuple):
    """The first failing test, or None; whether it is one of the equation's own; its cost."""

    killer: str | None
    own: bool
    seconds: float


def parse(module: str, text: str) -> list[Mutant]:
    """Read a list: a head line, lines `- old`, lines `+ new`, and an empty line."""
    found = []
    for block in text.strip().split("\n\n"):
        head, *lines = block.splitlines()
        match = re.fullmatch(r"([A-Z]+-\d+): (.+)", head)
        if match is None or {line[0] for line in lines} != {"-", "+"}:
            raise ValueError(f"expected 'TAG: mistake', '- old', '+ new', got {block!r}")
        old, new = ("\n".join(x[2:] for x in lines if x[0] == sign) for sign in "-+")
        found.append(Mutant(module, match[1], match[2], old, new))
    return found


def listed() -> list[Mutant]:
    """All mutants, file by file."""
    found = []
    for path in sorted(LISTS.rglob("*.txt")):
        module = path.relative_to(LISTS).with_suffix("").as_posix()
        found += parse(module, path.read_text("utf-8"))
    return found


def problems(mutants: list[Mutant]) -> list[str]:
    """What keeps mutants from being applied: no place, several places, or no Python."""
    found = []
    for mutant in mutants:
        try:
            ast.parse(mutant.applied())
        except (ValueError, SyntaxError) as error:
            found.append(f"{mutant.tag} {mutant.mistake}: {error}")
    names = Counter((mutant.tag, mutant.module, mutant.mistake) for mutant in mutants)
    return found + [f"{name} is listed {n} times" for name, n in names.items() if n > 1]


def files_about(mutant: Mutant) -> list[str]:
    """Test files named after the mutant's module, that import it, and that name its equation."""
    named = {f"test_{part}" for part in mutant.module.split("/")}
    imported = re.compile(rf"\bbalinp\.{mutant.module.replace('/', '.')}\b")
    distances = {}
    for folder in ("layer", "network", "around", "slow"):
        for path in sorted((REPOSITORY / "tests" / folder).glob("test_*.py")):
            text = path.read_text("utf-8")
            signs = (path.stem in named, imported.search(text), f'"{mutant.tag}"' in text)
            if any(signs):
                distances[f"tests/{folder}/{path.name}"] = [not sign for sign in signs]
    return sorted(distances, key=distances.__getitem__)


# Running them -----------------------------------------------------------------------------------


class Mistaken(SourceFileLoader):
    """Finds the module of one mutant, and loads it with the mistake."""

    def __init__(self, mutant: Mutant) -> None:
        name = f"balinp.{mutant.module.replace('/', '.')}"
        super().__init__(name, str(REPOSITORY / mutant.path))
        self.text = mutant.applied()

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """The module's place, for that module only."""
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        """The changed text, compiled."""
        return compile(self.text, self.path, "exec", dont_inherit=True)


def make(mutant: Mutant) -> None:
    """Make the mistake in this process, which has not imported the module yet."""
    sys.meta_path.insert(0, Mistaken(mutant))


class Watch:
    """Sees to the order of the tests and the time of each, and keeps the name of what fails."""

    def __init__(self, tag: str | None, seconds: int) -> None:
        self.tag, self.seconds, self.killer, self.own = tag, seconds, None, set[str]()
        self.pytest_runtest_setup()  # the collection has its time, too

    def pytest_runtest_setup(self) -> None:
        """Stop the process if the next test takes too much of the processor's time."""
        end = math.ceil(time.process_time()) + self.seconds
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (end, hard))

    def pytest_collection_modifyitems(self, items: list) -> None:
        """Put the equation's own tests first, and slow ones after others."""
        marked = (i for i in items if any(self.tag in m.args for m in i.iter_markers("equation")))
        self.own = {item.nodeid for item in marked}
        items.sort(key=lambda i: (i.nodeid not in self.own, bool(i.get_closest_marker("slow"))))

    def pytest_runtest_logreport(self, report) -> None:
        """Keep the first failure of a test, or of what is to be collected."""
        if report.failed and self.killer is None:
            self.killer = report.nodeid

    pytest_collectreport = pytest_runtest_logreport


def _run(mutant: Mutant | None, tests: Sequence[str], seconds: int, answer) -> None:
    """What a process of its own does: make the mistake, run the tests, answer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.environ |= ENVIRONMENT
    os.chdir(REPOSITORY)
    import pytest
    from numba.core import config

    config.reload_config()  # Numba may have read the environment before
    if mutant is not None:
        make(mutant)
    watch = Watch(mutant and mutant.tag, seconds)
    status = pytest.main([*OPTIONS, *tests], plugins=[watch])
    if (watch.killer is None) != (status == 0):
        raise RuntimeError(f"pytest ended with {status}, and {watch.killer} failed")
    name = watch.killer and watch.killer.split("[")[0].removeprefix("tests/")
    answer.send(Verdict(name, watch.killer in watch.own, time.process_time()))


def tried(
    mutant: Mutant | None, tests: Sequence[str] | None = None, seconds: int = TIME_LIMIT
) -> Verdict:
    """Run tests with a mistake, or without one, up to the first that fails.

    `tests` are what pytest is to run, by default the files that are about the mutant. A test is
    stopped after so many `seconds` of the processor's. RuntimeError if pytest itself fails.
    """
    receiver, sender = SERVER.Pipe(duplex=False)
    tests = files_about(mutant) if tests is None else tests
    process = SERVER.Process(target=_run, args=(mutant, tests, seconds, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        if process.exitcode != -signal.SIGXCPU:
            raise RuntimeError(f"no verdict on {mutant}: status {process.exitcode}") from None
        return Verdict(OUT_OF_TIME, False, seconds)


def report(mutants: list[Mutant], tests: list[str] | None, jobs: int) -> int:
    """Try all mutants in `jobs` processes at once, print the table; return how many are killed."""
    width = max(len(mutant.mistake) for mutant in mutants)
    killers, seconds = [], 0.0
    with ThreadPoolExecutor(jobs) as pool:
        verdicts = pool.map(lambda mutant: tried(mutant, tests), mutants)
        for mutant, (killer, own, cost) in zip(mutants, verdicts, strict=True):
            seconds += cost
            killers += [] if killer is None else [killer]
            start = f"{mutant.tag:<5} {mutant.module:<18} {mutant.mistake:<{width}} {cost:5.1f} s"
            print(start, "yes" if own else "no ", killer or "SURVIVED", flush=True)
    again = sorted(f"tests/{killer}" for killer in {*killers} - {OUT_OF_TIME})
    failing = tried(None, again).killer if again else None
    if failing is not None:
        raise SystemExit(f"{failing} fails without any mistake")
    print(f"{len(mutants)} mutants, {len(killers)} killed")
    print(f"{seconds:.0f} s of the processor's, {seconds / len(mutants):.2f} a mutant")
    return len(killers)


def main() -> int:
    """Parse the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="TAG", help="mutants of one equation, e.g. MN-3")
    parser.add_argument("--module", metavar="NAME", nargs="+", help="mutants of these modules")
    parser.add_argument("--killed-by", metavar="TEST", nargs="+", help="run these tests only")
    parser.add_argument("--jobs", type=int, default=2, help="number of processes at once")
    parser.add_argument("--check", action="store_true", help="only see whether mutants apply")
    options = parser.parse_args()
    mutants = [m for m in listed() if options.only in (None, m.tag)]
    mutants = [m for m in mutants if options.module is None or m.module in options.module]
    if not mutants:
        parser.error("--only, --module: there is no such mutant")
    found = problems(mutants)
    if options.check or found:
        print(*found, f"{len(mutants)} mutants, {len(found)} problems", sep="\n")
        return int(bool(found))
    os.environ |= ENVIRONMENT  # of the server, too
    killed = report(mutants, options.killed_by, options.jobs)
    return int(killed < len(mutants) and options.killed_by is None)


if __name__ == "__main__":
    sys.exit(main())
