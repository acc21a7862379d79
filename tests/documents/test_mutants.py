"""The list of mutants fits the code; and a run of it finds what it should."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from mutants import MUTANTS, REPOSITORY, Mutant, copied, parse, problems, tried

HALF = Mutant("factors", "NP-1", "half the rate", "+ rate * (after", "+ rate / 2 * (after")


def test_every_mutant_applies_to_one_place() -> None:
    assert problems(parse(MUTANTS)) == []


def test_every_equation_has_two_mutants() -> None:
    notes = (path.read_text("utf-8") for path in (REPOSITORY / "derivations").glob("*.md"))
    defined = {tag for note in notes for tag in re.findall(r"^> \*\*\[([A-Z]+-\d+)\]", note, re.M)}
    count = Counter(mutant.tag for mutant in parse(MUTANTS))
    assert count.keys() == defined
    assert min(count.values()) >= 2


def test_mutants_that_do_not_apply_are_named() -> None:
    nowhere, twice, broken = (
        HALF._replace(mistake="nowhere", old="no such code"),
        HALF._replace(mistake="twice", old="rate"),
        HALF._replace(mistake="broken", new="+ (("),
    )
    found = problems([HALF, nowhere, twice, broken, HALF])
    assert len(found) == 4
    for mistake, problem in zip(["nowhere", "twice", "broken", "half"], found, strict=True):
        assert mistake in problem


@pytest.mark.slow
def test_a_mistake_is_caught_and_undone_and_a_harmless_change_survives(tmp_path: Path) -> None:
    copy = copied(REPOSITORY, tmp_path / "copy")
    before = (copy / HALF.path).read_text("utf-8")
    killer, own = tried(HALF, copy)
    assert killer == "layer/test_kernels.py::test_forget"
    assert own
    harmless = HALF._replace(new="+ (rate + 0) * (after")
    assert tried(harmless, copy) == (None, False)
    assert (copy / HALF.path).read_text("utf-8") == before
