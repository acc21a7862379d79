"""Figures that documents quote in sentences are those of the stored records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from quoted import LEAKAGE, RESULTS, Claim
from words import CLAIMS, says

PAGES = {
    RESULTS: [("## Regression", "## Time of a step")],
    LEAKAGE: [("## In words", "")],
}
"""Headings from and to which every figure with decimals belongs to a sentence of `CLAIMS`."""


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.sentence[:50])
def test_sentences_are_those_of_the_records(claim: Claim) -> None:
    """If this fails: python tests/words.py prints what the records say now."""
    assert claim.holds()
    assert says(claim), claim.sentence


def prose(text: str) -> str:
    """Without tables, blocks, commands, links and headings."""
    text = re.sub(r"<!-- table: (?!end).*?<!-- table: end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(\||#).*$", "", text, flags=re.MULTILINE)
    return " ".join(re.sub(r"`[^`]*`|\]\([^)]*\)", "", text).split())


FIGURE = re.compile(r"(?<![\w.])-?\d*\.\d+(?![\w.])")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_sections_have_no_figure_that_is_in_no_sentence_of_the_records(page: Path) -> None:
    text = page.read_text("utf-8")
    for start, end in PAGES[page]:
        section = text[text.index(start) : text.index(end) if end else len(text)]
        rest = prose(section)
        for claim in CLAIMS:
            if claim.page == page:
                rest = rest.replace(prose(claim.sentence), " ")
        found = [rest[max(one.start() - 40, 0) : one.end()] for one in FIGURE.finditer(rest)]
        assert not found
