"""The reference: formulas, notes, tags in docstrings; all pages are made in tests/packages.sh."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from pkgutil import ModuleInfo

import pdoc.render
import pytest

from balinp import matrix_normal, mlp
from balinp.metrics import student
from balinp.reference import __main__ as command
from balinp.reference import notes, pages
from balinp.reference.formulas import mathml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def everything():
    """All notes and statements, as the pages have them."""
    return notes.read(notes.folder())


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        (r"\mathcal N", "<mi>\N{MATHEMATICAL SCRIPT CAPITAL N}</mi>"),
        (r"\mathcal F", "<mi>\N{SCRIPT CAPITAL F}</mi>"),
        (r"\mathbb E", "<mi>\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL E}</mi>"),
        (r"\Sigma", '<mi mathvariant="normal">&#x003A3;</mi>'),
        (r"\log p", '<mo lspace="0.167em" rspace="0.167em">log</mo><mi>p</mi>'),
        (r"\log(p)", '<mo lspace="0.167em" rspace="0">log</mo><mo stretchy="false">'),
        (r"\max_i x", 'movablelimits="true">max</mo>'),
        (r"x \sim y", "<mo>&#x0223C;</mo>"),
        (r"A\thinspace B", '<mspace width="0.167em" />'),
    ],
)
def test_formulas_are_of_the_core_of_mathml(formula, part):
    assert part in mathml(formula)


def test_no_formula_of_a_note_is_left_as_tex(everything):
    """Commands that the converter did not know would stand there as they are."""
    for note in everything[0]:
        text = re.sub(r"<(code|pre)\b.*?</\1>", "", note.html, flags=re.DOTALL)
        assert not re.search(r"\\[a-zA-Z]+|\$", text), note.name


def test_every_tag_has_its_statement(everything):
    defined = set()
    for file in (ROOT / "derivations").glob("*.md"):
        defined |= set(re.findall(r"^> \*\*\[(\w\w-\d+)\]\*\*", file.read_text("utf-8"), re.M))
    statements = everything[1]
    assert set(statements) == defined
    assert len(defined) > 80
    assert statements["MN-1"].heading == "Density"
    assert statements["MN-1"].html.count("<math") == 8


class Links(HTMLParser):
    """Targets of links, and the places that they may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Take down a link or a place."""
        found = dict(attrs)
        self.places.add(found.get("id") or "")
        if tag == "a" and found.get("href"):
            self.targets.append(found["href"])


def test_links_of_notes_lead_to_headings(everything):
    found = {note.name: Links(note.html) for note in everything[0]}
    internal = [t for links in found.values() for t in links.targets if notes.NOTES in t]
    assert len(internal) > 100
    for target in internal:
        page, _, place = target.removeprefix(notes.NOTES).partition("#")
        assert place in found[page.removesuffix(".html")].places, target


def test_links_into_the_repository_become_words(everything):
    """Tests and tutorials are not part of the reference."""
    overview = everything[0][0]
    assert (overview.name, overview.title) == ("index", "Derivations")
    assert "<a>tests</a>" in overview.html


def test_uses_stand_below_the_statement(everything):
    note = next(note for note in everything[0] if note.name == "02_matrix_normal")
    text = notes.with_uses(note, {"MN-2": ["<a>here</a>"]})
    statement, rest = text.split('<p class="uses">Code: <a>here</a></p>')
    assert statement.rstrip().endswith("</blockquote>")
    assert statement.rindex("[MN-2]") > statement.rindex("[MN-1]")
    assert "[MN-3]" in rest


@pytest.fixture
def page(everything):
    """A function that draws the page of a module."""
    pages.configure(*everything)

    def drawn(module):
        pages._resolve_fields(module)
        doc = pdoc.doc.Module(module)
        return pages.drawn(doc, {doc.modulename: doc})

    yield drawn
    pdoc.render.configure()


def test_a_docstring_shows_the_equation_that_it_cites(page):
    """And leads to its note, from a page in a folder of its own."""
    text = page(matrix_normal)
    below = text[text.index('id="KroneckerGaussian.logpdf"') :]
    equation = re.search(r'<details class="equation" open>.*?</details>', below, re.DOTALL)
    assert 'href="../notes/02_matrix_normal.html#mn-1-density">MN-1</a> Density' in equation[0]
    assert "<math" in equation[0]
    assert "Derivation: " not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)


def test_arrays_are_called_arrays(page, recwarn):
    """Also in the constructors of named tuples, whose annotations are text."""
    for module in (mlp, student):
        text = re.sub(r"<pre>.*?</pre>", "", page(module), flags=re.DOTALL)
        assert "numpy.dtype" not in text
        assert "_Buffer" not in text
    assert not [w for w in recwarn if "annotation" in str(w.message)]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>see (MN-1)</p>", '<p>see (<a href="../notes/02_matrix_normal.html#mn-1-density" '),
        ("<p>derivations/12</p>", '<a href="../notes/12_tried_and_failed.html">derivations/12</a>'),
        ('<a href="x">MN-1</a>', '<a href="x">MN-1</a>'),
        ("<p>AB-1 derivations/99</p>", "<p>AB-1 derivations/99</p>"),
    ],
)
def test_tags_and_notes_in_a_text_are_links(everything, html, expected):
    found, statements = everything
    files = {note.name[:2]: note.name for note in found}
    assert expected in pages.with_statements(html, "balinp.layer", statements, files)


def test_names_that_the_package_brings_are_links_on_every_page(page):
    """A method is on the page of the class that defines it."""
    known = pages.places()
    text = "<p><code>BALI</code> <a><code>MLP</code></a> <code>BALIRegressor.load</code></p>"
    assert pages.with_names(text, "balinp.metrics", known) == (
        '<p><a href="../balinp/bali.html#BALI"><code>BALI</code></a> <a><code>MLP</code></a> <a '
        'href="../balinp/estimators/files.html#Stored.load"><code>BALIRegressor.load</code></a></p>'
    )
    for address in known.values():
        name, _, place = address.partition(".html#")
        assert pdoc.doc.Module(sys.modules[name.replace("/", ".")]).get(place), address
    assert "BALI.history" not in known


def test_fields_of_named_tuples_are_told_of_once(page):
    text = page(mlp)
    assert "Alias for field" not in text
    assert "Create new instance" not in text


def test_what_cannot_be_imported_is_left_out(monkeypatch):
    """With the name of the package that is missing."""
    names = ("balinp.cli", "balinp.reference.notes", "balinp._types", "balinp.reference.__main__")

    def found(name):
        if name == "balinp.cli":
            raise ModuleNotFoundError(name="absent")
        return sys.modules[name]

    monkeypatch.setattr(pages, "import_module", found)
    monkeypatch.setattr(
        pages, "walk_packages", lambda path, prefix: [ModuleInfo(None, n, False) for n in names]
    )
    modules, left_out = pages.documented()
    assert left_out == {"balinp.cli": "absent"}
    assert set(modules) == {"balinp", "balinp.reference.notes"}


def test_without_its_packages_the_command_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.delitem(sys.modules, "balinp.reference.pages", raising=False)
    monkeypatch.setitem(sys.modules, "pdoc.doc", None)
    assert command.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "reference: expected pdoc.doc, which is not installed: pip install 'balinp[docs]'\n"
    )


def test_a_place_that_cannot_be_written_to_is_named(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert command.main([str(tmp_path / "file" / "reference")]) == 2
    assert "directory: expected one to write to, got" in capsys.readouterr().err


def test_the_command_says_where_the_pages_are(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pages, "write", lambda directory: {"balinp.cli": "tqdm"})
    monkeypatch.setitem(sys.modules, "balinp.reference.pages", pages)
    assert command.main([str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "left out: balinp.cli, which needs tqdm",
        f"wrote {tmp_path / 'new' / 'index.html'}",
    ]
