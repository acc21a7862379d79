"""From modules and notes to a directory of pages."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pdoc.doc
import pdoc.render
from markupsafe import Markup
from numpy.typing import ArrayLike
from pdoc.render_helpers import format_signature

import balinp
from balinp._types import Array
from balinp.reference.notes import NOTES, TAG, Note, Statement, folder, read, with_uses

CITATION = re.compile(rf"Derivation: ({TAG.pattern}(?:, {TAG.pattern})*)")
SHORT = {inspect.formatannotation(Array): "Array", inspect.formatannotation(ArrayLike): "ArrayLike"}
"""Types that are unions and generics of NumPy's, and what the code calls them."""

MENTION = re.compile(r"derivations/(\d\d(?:_\w+)?)(?:\.md)?")


def write(directory: Path) -> dict[str, str]:
    """Write all pages; return the modules that were left out, and the package that each lacks."""
    modules, left_out = documented()
    place = folder()
    notes, statements = read(place)
    configure(notes, statements)
    for name, module in modules.items():
        _write(directory / f"{name.replace('.', '/')}.html", drawn(module, modules))
    uses = {tag: links(tag, modules) for tag in statements}
    environment = pdoc.render.env
    page = environment.get_template("note.html.jinja2")
    for note in notes:
        html = with_uses(note, uses).replace(NOTES, "")
        _write(
            directory / "notes" / f"{note.name}.html",
            page.render(note=note, notes=notes, html=Markup(html)),
        )
    index = environment.get_template("index.html.jinja2")
    _write(directory / "index.html", index.render(all_modules=modules, notes=notes))
    _write(directory / "search.js", pdoc.render.search_index(modules))
    return left_out


def documented() -> tuple[dict[str, pdoc.doc.Module], dict[str, str]]:
    """Every module that can be imported, and what the others lack."""
    found, left_out = {}, {}
    names = ["balinp", *(m.name for m in walk_packages(balinp.__path__, "balinp."))]
    for name in names:
        if name.endswith("__main__") or "._" in name:
            continue
        try:
            obj = import_module(name)
        except ModuleNotFoundError as error:
            left_out[name] = str(error.name)
            continue
        _resolve_fields(obj)
        for lazy in getattr(obj, "__all__", ()):  # pdoc looks for names that are there already
            vars(obj).setdefault(lazy, getattr(obj, lazy))
        found[name] = pdoc.doc.Module(obj)
    return found, left_out


def drawn(module: pdoc.doc.Module, modules: Mapping[str, pdoc.doc.Module]) -> str:
    """The page of a module, on which arrays are called `Array`, as in the code."""
    return _shortened(pdoc.render.html_module(module, modules))


def _shortened(text: str) -> str:
    for long, short in SHORT.items():
        text = text.replace(long, short)
    return text


def _resolve_fields(module: object) -> None:
    """Name the types of fields where pdoc does not find them.

    Named tuples have constructors in a namespace of their own, where no name of ours is; those of
    data classes name types of inherited fields, which another module has imported.
    """
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
            value.__new__.__annotations__ = typing.get_type_hints(value)
        elif isinstance(value, type) and dataclasses.is_dataclass(value):
            hints = typing.get_type_hints(value)
            for name in value.__init__.__annotations__.keys() & hints.keys():
                value.__init__.__annotations__[name] = hints[name]


def configure(notes: list[Note], statements: Mapping[str, Statement]) -> None:
    """Tell pdoc how pages look, and what a tag in a docstring becomes."""
    pdoc.render.configure(
        docformat="numpy", template_directory=Path(__file__).resolve().parent / "templates"
    )
    files = {note.name: note.name for note in notes}
    files |= {note.name[:2]: note.name for note in notes if note.name[:2].isdigit()}

    known = places()

    def tagged(html: str, module: str) -> Markup:
        html = with_names(html, module, known)
        return Markup(with_statements(html, module, statements, files))

    pdoc.render.env.filters["tagged"] = tagged
    pdoc.render.env.filters["format_signature"] = signature
    pdoc.render.env.globals["version"] = balinp.__version__


class _Words(str):
    """An annotation that is shown as these words."""

    def __repr__(self) -> str:
        return str(self)


def signature(of: inspect.Signature, colon: bool) -> Markup:
    """A signature as pdoc writes it, but with `Array` as the code calls it."""

    def short(annotation: Any) -> Any:
        text = inspect.formatannotation(annotation)
        return annotation if _shortened(text) == text else _Words(_shortened(text))

    shortened = type(of)(
        [p.replace(annotation=short(p.annotation)) for p in of.parameters.values()],
        return_annotation=short(of.return_annotation),
    )
    return format_signature(shortened, colon)


def places() -> dict[str, str]:
    """Where what `balinp` brings by name stands, and its public methods, such as `BALI.fit`."""
    found: dict[str, str] = {}
    for name in balinp._HOMES:
        kinds = [k for k in getattr(balinp, name).__mro__ if k.__module__.startswith("balinp.")]
        for kind in reversed(kinds):  # a method is on the page of the class that defines it
            page = f"{kind.__module__.replace('.', '/')}.html#{kind.__qualname__}"
            own = [part for part in vars(kind) if not part.startswith("_")]
            found |= {name: page, **{f"{name}.{part}": f"{page}.{part}" for part in own}}
    return found


def with_names(html: str, module: str, known: Mapping[str, str]) -> str:
    """A docstring in which names that `balinp` brings are links, wherever they stand."""
    way = "../" * module.count(".")

    def link(found: re.Match[str]) -> str:
        page = known.get(found[1] or "")
        return f'<a href="{way}{page}">{found[0]}</a>' if page else found[0]

    return re.sub(r"<a\b.*?</a>|<code>([\w.]+)</code>", link, html, flags=re.DOTALL)


def with_statements(
    html: str, module: str, statements: Mapping[str, Statement], files: Mapping[str, str]
) -> str:
    """A docstring in which cited equations are shown, and tags and notes are links.

    Parameters
    ----------
    html : str
        The docstring, rendered.
    module : str
        Name of the module on whose page it stands.
    statements : mapping of str to Statement
        What each tag stands for.
    files : mapping of str to str
        Names of notes as docstrings have them, and of their pages.
    """
    way = "../" * module.count(".") + "notes/"

    def link(found: re.Match[str]) -> str:
        if statement := statements.get(found[0]):
            return f'<a href="{statement.address}" title="{statement.heading}">{found[0]}</a>'
        return found[0]

    def note(found: re.Match[str]) -> str:
        page = files.get(found[1])
        return f'<a href="{NOTES}{page}.html">{found[0]}</a>' if page else found[0]

    def in_text(text: str) -> str:
        return MENTION.sub(note, TAG.sub(link, text))

    parts = re.split(rf"<p>{CITATION.pattern}</p>", html)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = "".join(_equation(statements[tag]) for tag in TAG.findall(part))
        else:
            parts[i] = _outside_links(part, in_text)
    return "".join(parts).replace(NOTES, way)


def _equation(statement: Statement) -> str:
    return (
        f'<details class="equation" open><summary>Derivation <a href="{statement.address}">'
        f"{statement.tag}</a> {statement.heading}</summary>{statement.html}</details>"
    )


def _outside_links(html: str, change: Callable[[str], str]) -> str:
    """Change the text between tags of HTML, but for that of links."""
    parts = re.split(r"(<a\b.*?</a>|<[^>]*>)", html, flags=re.DOTALL)
    return "".join(part if part.startswith("<") else change(part) for part in parts)


def links(tag: str, modules: Mapping[str, pdoc.doc.Module]) -> list[str]:
    """Links, from the page of a note, to all that cites a tag."""
    found = []
    for module in modules.values():
        page = f"../{module.modulename.replace('.', '/')}.html"
        for doc in members(module):
            cited = CITATION.findall(doc.docstring)
            is_own = doc.taken_from == (module.modulename, doc.qualname)
            if is_own and any(tag in citation.split(", ") for citation in cited):
                name = doc.fullname.removeprefix("balinp.")
                found.append(f'<a href="{page}#{doc.qualname}"><code>{name}</code></a>')
    return found


def members(namespace: pdoc.doc.Namespace) -> Iterator[pdoc.doc.Doc]:
    """All public functions, classes and attributes that are documented on a module's page."""
    for doc in namespace.own_members:
        if isinstance(doc, pdoc.doc.Module) or doc.name.startswith("_"):
            continue
        yield doc
        if isinstance(doc, pdoc.doc.Class):
            yield from members(doc)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
