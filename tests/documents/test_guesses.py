"""The table of guesses: every row has a test or a finding, and misses are said where one reads."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "derivations/19_guesses.md"


class Guess(NamedTuple):
    """A row of the page."""

    question: str
    guess: str
    answer: str
    evidence: str
    said: str


def guesses() -> list[Guess]:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [Guess(*row) for row in rows if row[0] != "question" and set(row[0]) != {"-"}]


each = pytest.mark.parametrize("row", guesses(), ids=lambda row: row.question)


def docstring(name: str) -> str:
    """Docstring of a module, class, function or property of the package, in one line."""
    found, parts = importlib.import_module("balinp"), name.split(".")
    for k, part in enumerate(parts):
        try:
            found = importlib.import_module(".".join(["balinp", *parts[: k + 1]]))
        except ModuleNotFoundError:
            found = getattr(found, part)
    return " ".join((found.__doc__ or "").split())


def test_there_are_many() -> None:
    rows = guesses()
    assert len(rows) >= 30
    assert len({row.question for row in rows}) == len(rows)
    assert all(row.question.endswith("?") for row in rows)
    assert sum(bool(row.said) for row in rows) >= 20


@each
def test_evidence_exists(row: Guess) -> None:
    assert re.fullmatch(r"`[^`]+`(, `[^`]+`)*", row.evidence)
    for pointer in re.findall(r"`([^`]+)`", row.evidence):
        file, _, test = pointer.partition("::")
        if not test:
            assert (ROOT / file).is_file(), pointer
            assert file.startswith("findings/")
            continue
        source = (ROOT / "tests" / file).read_text("utf-8")
        assert re.search(rf"^def {test}\(", source, flags=re.MULTILINE), pointer


@each
def test_where_the_guess_misses_the_docstring_says_so(row: Guess) -> None:
    if not row.said:
        assert row.answer.startswith(row.guess.split(",")[0]) or "perhaps" in row.guess
        return
    found = re.fullmatch(r'`([\w.]+)`: "([^"]+)"', row.said)
    assert found is not None, row.said
    assert found[2].replace("`", "") in docstring(found[1]).replace("`", "")
