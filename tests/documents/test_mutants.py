"""The list of mutants fits the code; and a run of it finds what it should."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from mutants import OUT_OF_TIME, REPOSITORY, Mutant, listed, parse, problems, tried

HALF = Mutant("kernels", "NP-1", "half the rate", "+ rate * (new", "+ rate / 2 * (new")


def test_every_mutant_applies_to_one_place() -> None:
    assert problems(listed()) == []


def test_every_equation_has_two_mutants() -> None:
    notes = (path.read_text("utf-8") for path in (REPOSITORY / "derivations").glob("*.md"))
    defined = {tag for note in notes for tag in re.findall(r"^> \*\*\[([A-Z]+-\d+)\]", note, re.M)}
    count = Counter(mutant.tag for mutant in listed())
    assert count.keys() == defined
    assert min(count.values()) >= 2


def test_a_list_is_read_back() -> None:
    text = "MN-1: a sign\n- a + b\n- c\n+ a - b\n+ c\n\nMN-2: a line left out\n- d\n+"
    assert parse("layer", text) == [
        Mutant("layer", "MN-1", "a sign", "a + b\nc", "a - b\nc"),
        Mutant("layer", "MN-2", "a line left out", "d", ""),
    ]


@pytest.mark.parametrize("text", ["MN-1 a sign\n- a\n+ b", "MN-1: a\n- b", "MN-1: a\n- b\nc\n+ d"])
def test_a_careless_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected 'TAG: mistake'"):
        parse("layer", text)


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
def test_a_mistake_is_caught_and_undone_and_a_harmless_change_survives() -> None:
    before = (REPOSITORY / HALF.path).read_text("utf-8")
    killer, own, _ = tried(HALF)
    assert killer == "layer/test_kernels.py::test_forget"
    assert own
    harmless = HALF._replace(new="+ (rate + 0) * (new")
    assert tried(harmless)[:2] == (None, False)
    assert (REPOSITORY / HALF.path).read_text("utf-8") == before


@pytest.mark.slow
def test_what_never_ends_is_stopped_by_the_processors_time() -> None:
    endless = HALF._replace(
        module="semidefinite", old="for b in range(count):", new="b = 0\n    while True:"
    )
    verdict = tried(endless, ["tests/layer/test_kernels.py"], seconds=3)
    assert verdict == (OUT_OF_TIME, False, 3)
