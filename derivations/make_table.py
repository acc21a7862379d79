"""Write the table "tag, functions, tests" into table.md, or check that it is up to date.

    python derivations/make_table.py            # rewrite the table
    python derivations/make_table.py --check    # exit with 1 if it is stale

A tag such as MN-3 is written in three places. It is *defined* in derivations/*.md, by a line
`> **[MN-3]** ...`. It is *cited* in docstrings of balinp/, by a line `Derivation: MN-3, LR-1`. It
is *tested* by tests marked `@pytest.mark.equation("MN-3")`. The functions here read all three, and
`problems` says where they do not fit together.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "derivations" / "table.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

TAG = re.compile(r"[A-Z]{2}-[1-9][0-9]*")
CITATION = re.compile(rf"Derivation: {TAG.pattern}(, {TAG.pattern})*")
ALMOST_CITATION = re.compile(r"\s*Derivations?\s*:")
DEFINITION = re.compile(rf"> \*\*\[({TAG.pattern})\]\*\* ")
ALMOST_DEFINITION = re.compile(rf"\s*>?\s*\**\[({TAG.pattern})\](?!\()")


class Use(NamedTuple):
    """A tag, and where it is written; for a definition also the heading it stands under."""

    tag: str
    place: str
    heading: str = ""


class FormatError(ValueError):
    """A line that was meant for these tools and is not of the form they read."""


def definitions(text: str, file: str) -> list[Use]:
    """Tags that a Markdown file defines; fenced blocks of code do not count."""
    found, heading, fenced = [], "", False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            continue
        elif line.startswith("#"):
            heading = line.lstrip("# ").strip()
        elif match := DEFINITION.match(line):
            found.append(Use(match[1], file, heading))
        elif ALMOST_DEFINITION.match(line):
            raise FormatError(f"{file}:{number}: expected '> **[TAG]** ...', got {line!r}")
    return found


def citations(source: str, module: str) -> list[Use]:
    """Tags that the docstrings of a Python module cite, with the name of what cites them."""
    found = []
    for name, node in _documented(ast.parse(source), module):
        for line in (ast.get_docstring(node) or "").splitlines():
            if not ALMOST_CITATION.match(line):
                continue
            if not CITATION.fullmatch(line.strip()):
                raise FormatError(f"{name}: expected 'Derivation: TAG, TAG', got {line.strip()!r}")
            found += [Use(tag, name) for tag in TAG.findall(line)]
    return found


def marks(source: str, file: str) -> list[Use]:
    """Tags that the tests of a file are marked with, with the name of the test.

    Marks count on functions `test_*`, on classes `Test*`, on the parameters of either, and in
    `pytestmark`. Anywhere else they mark nothing, and are left out.
    """
    tree = ast.parse(source)
    found = _marked(tree.body, file)
    for name, node in _documented(tree, ""):
        short = name.rsplit(".", 1)[-1]
        place = f"{file}::{name.lstrip('.').replace('.', '::')}"
        if isinstance(node, ast.ClassDef) and short.startswith("Test"):
            found += _tags(node.decorator_list, place) + _marked(node.body, place)
        elif isinstance(node, Named) and short.startswith("test_"):
            found += _tags(node.decorator_list, place)
    return found


Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _documented(node: ast.Module | Named, name: str) -> Iterator[tuple[str, ast.Module | Named]]:
    """All that may carry a docstring, with dotted names."""
    yield name, node
    for inner in _inside(node):
        yield from _documented(inner, f"{name}.{inner.name}")


def _inside(node: ast.AST) -> Iterator[Named]:
    """Functions and classes inside of a node, without those inside of another one of them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Named):
            yield child
        else:
            yield from _inside(child)


def _marked(body: Sequence[ast.stmt], place: str) -> list[Use]:
    values = [
        statement.value
        for statement in body
        if isinstance(statement, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in statement.targets)
    ]
    return _tags(values, place)


def _tags(expressions: Sequence[ast.expr], place: str) -> list[Use]:
    found = []
    for expression in expressions:
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.equation":
                values = [a.value for a in node.args if isinstance(a, ast.Constant)]
                tags = [v for v in values if isinstance(v, str) and TAG.fullmatch(v)]
                if not tags or len(tags) != len(node.args) or node.keywords:
                    raise FormatError(f"{place}: expected tags, got {ast.unparse(node)}")
                found += [Use(tag, place) for tag in tags]
    return found


def problems(defined: Sequence[Use], cited: Sequence[Use], marked: Sequence[Use]) -> list[str]:
    """One sentence for each tag that is not defined once, cited and tested."""
    found = []
    places: dict[str, list[str]] = {}
    for tag, place, _ in defined:
        places.setdefault(tag, []).append(place)
    for tag, files in places.items():
        if len(files) > 1:
            found.append(f"{tag} is defined {len(files)} times: {', '.join(files)}")
    for uses, verb in ((cited, "cited"), (marked, "tested")):
        missing: dict[str, list[str]] = {}
        for tag, place, _ in uses:
            if tag not in places:
                missing.setdefault(tag, []).append(place)
        found += [f"{tag} is {verb} but undefined: {', '.join(p)}" for tag, p in missing.items()]
    used, tested = {use.tag for use in cited}, {use.tag for use in marked}
    found += [f"{tag} is defined but cited by no docstring" for tag in places if tag not in used]
    found += [f"{tag} is defined but tested by no test" for tag in places if tag not in tested]
    return found


def read_all(root: Path = ROOT) -> tuple[list[Use], list[Use], list[Use]]:
    """Definitions, citations and marks of the whole project."""
    defined, cited, marked = [], [], []
    for path in sorted((root / "derivations").glob("*.md")):
        defined += definitions(path.read_text(encoding="utf-8"), path.name)
    for path in sorted((root / "balinp").rglob("*.py")):
        parts = path.relative_to(root / "balinp").with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        cited += citations(path.read_text(encoding="utf-8"), module)
    for path in sorted((root / "tests").rglob("*.py")):
        marked += marks(
            path.read_text(encoding="utf-8"), path.relative_to(root / "tests").as_posix()
        )
    return defined, cited, marked


def table(defined: Sequence[Use], cited: Sequence[Use], marked: Sequence[Use]) -> str:
    """The Markdown table, one row a tag, in the order of the definitions."""

    def places(tag: str, uses: Sequence[Use]) -> str:
        return "<br>".join(f"`{p}`" for p in sorted({u.place for u in uses if u.tag == tag}))

    rows = ["| tag | statement | functions | tests |", "| --- | --- | --- | --- |"]
    for tag, file, heading in defined:
        title = heading.removeprefix(tag).strip()
        link = f"[{tag}]({file}#{anchor(heading)})"
        rows.append(f"| {link} | {title} | {places(tag, cited)} | {places(tag, marked)} |")
    return "\n".join(rows)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def with_table(text: str, rows: str) -> str:
    """The text with what stands between the two markers replaced."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise FormatError(f"table.md: expected one {BEGIN} and after it one {END}")
    return f"{text[: text.index(BEGIN)]}{BEGIN}\n{rows}\n{text[text.index(END) :]}"


def main(arguments: Sequence[str]) -> int:
    """Rewrite the table, or with --check compare it."""
    if arguments not in ([], ["--check"]):
        print("usage: make_table.py [--check]", file=sys.stderr)
        return 2
    old = TABLE.read_text(encoding="utf-8")
    new = with_table(old, table(*read_all()))
    if not arguments:
        TABLE.write_text(new, encoding="utf-8")
    elif new != old:
        print("derivations/table.md is stale: run python derivations/make_table.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
