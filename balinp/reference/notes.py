"""The notes of derivations/ as HTML: whole pages, and the statement of each tag by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from balinp.reference.formulas import mathml

TAG = re.compile(r"[A-Z]{2}-[1-9][0-9]*")
DEFINITION = re.compile(rf"\*\*\[({TAG.pattern})\]\*\* ")
NOTES = "{notes}"
"""Stands in links for the way to the folder of the notes, which differs from page to page."""


class Note(NamedTuple):
    """A note as a page: its file without suffix, its title and headings, and what it says."""

    name: str
    title: str
    headings: list[tuple[str, str]]
    html: str


class Statement(NamedTuple):
    """What a tag stands for: the heading above it, where it is stated, and the statement."""

    tag: str
    heading: str
    address: str
    html: str


def folder() -> Path:
    """The folder of the notes: inside an installed package, beside the package in a clone."""
    package = Path(__file__).resolve().parent.parent
    places = (package / "derivations", package.parent / "derivations")
    for place in places:
        if (place / "README.md").is_file():
            return place
    raise FileNotFoundError(f"derivations: expected a folder of notes in one of {places}")


def anchor(heading: str) -> str:
    """The name by which links lead to a heading.

    Parameters
    ----------
    heading : str
        Its text, without formulas.

    Examples
    --------
    >>> anchor("MN-8 The nearest matrix normal")
    'mn-8-the-nearest-matrix-normal'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def read(place: Path) -> tuple[list[Note], dict[str, Statement]]:
    """All notes of a folder, the overview first, and the statements of their tags."""
    files = sorted(place.glob("*.md"), key=lambda file: (file.stem != "README", file.stem))
    names = {file.stem for file in files}
    notes, statements = [], {}
    for file in files:
        tokens = _parser().parse(file.read_text(encoding="utf-8"))
        _relink(tokens, names)
        headings = _name_headings(tokens)
        name = _page(file.stem)
        notes.append(Note(name, headings[0][1], headings[1:], _rendered(tokens)))
        for statement in _statements(tokens, name):
            statements[statement.tag] = statement
    return notes, statements


def with_uses(note: Note, uses: Mapping[str, Sequence[str]]) -> str:
    """The page of a note, with a line of links below each statement.

    Parameters
    ----------
    note : Note
        What is shown.
    uses : mapping of str to sequence of str
        For each tag, the links to what uses it.
    """

    def add(found: re.Match[str]) -> str:
        links = uses.get(found[1], ())
        return found[0] + (f'\n<p class="uses">Code: {", ".join(links)}</p>' if links else "")

    pattern = rf"<blockquote>\s*<p><strong>\[({TAG.pattern})\]</strong>.*?</blockquote>"
    return re.sub(pattern, add, note.html, flags=re.DOTALL)


@cache
def _parser() -> MarkdownIt:
    def formula(text: str, options: dict[str, Any]) -> str:
        return mathml(text, block=options["display_mode"])

    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    return parser.use(dollarmath_plugin, double_inline=True, renderer=formula)


def _rendered(tokens: Sequence[Token]) -> str:
    parser = _parser()
    return str(parser.renderer.render(tokens, parser.options, {}))


def _page(stem: str) -> str:
    return "index" if stem == "README" else stem


def _relink(tokens: Sequence[Token], names: set[str]) -> None:
    """Let links to notes lead to their pages; those to other files become plain text."""
    for token in tokens:
        _relink(token.children or [], names)
        if token.type != "link_open":
            continue
        target, _, place = str(token.attrs["href"]).partition("#")
        stem = target.removesuffix(".md")
        if stem in names:
            token.attrs["href"] = f"{NOTES}{_page(stem)}.html" + (f"#{place}" if place else "")
        elif target and "://" not in target:
            token.attrs = {}  # a link without a target is drawn as text


def _name_headings(tokens: Sequence[Token]) -> list[tuple[str, str]]:
    """Give each heading its anchor; return anchors and texts, the title first."""
    headings = []
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            token.attrs["id"] = anchor(inline.content)
            headings.append((anchor(inline.content), inline.content))
    return headings


def _statements(tokens: Sequence[Token], page: str) -> list[Statement]:
    """Block quotes that begin with a tag, each with the heading that it stands under."""
    found, heading, start = [], "", 0
    for i, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[i + 1].content
        elif token.type == "blockquote_open" and token.level == 0:
            start = i
        elif token.type == "blockquote_close" and token.level == 0:
            first = next(t for t in tokens[start:i] if t.type == "inline")
            if match := DEFINITION.match(first.content):
                address = f"{NOTES}{page}.html#{anchor(heading)}"
                title = heading.removeprefix(match[1]).strip()
                html = _rendered(tokens[start : i + 1])
                found.append(Statement(match[1], title, address, html))
    return found
