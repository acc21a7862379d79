"""The notes in derivations/: their checks run, their tags fit the code, their table is fresh."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from processes import python
from scripts import loaded

NOTES = Path(__file__).resolve().parents[2] / "derivations"
CHECKS = sorted((NOTES / "checks").glob("*.py"))
WITHOUT_CHECK = ("00", "12", "14", "19")

NAMES_OF_OTHERS = {"EXCLUDED", "expm1", "log1p", "ndtr", "ravel"}
"""Names in the notes that are not the package's: of a test, of NumPy and of SciPy."""


tool = loaded(NOTES / "make_table.py")


# The programs in derivations/checks


def test_every_numbered_file_has_its_check() -> None:
    notes = {path.stem for path in NOTES.glob("[0-9][0-9]_*.md")}
    assert notes, "no notes found"
    needed = {stem for stem in notes if not stem.startswith(WITHOUT_CHECK)}
    assert needed == {path.stem for path in CHECKS}


def test_index_names_every_file_once() -> None:
    index = (NOTES / "README.md").read_text("utf-8")
    linked = re.findall(r"\[(\d\d) [^]]*\]\((\d\d_\w+\.md)\)", index)
    assert sorted(file for _, file in linked) == sorted(p.name for p in NOTES.glob("[0-9]*.md"))
    assert all(file.startswith(number) for number, file in linked)


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_check_holds_and_covers_its_file(path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONOPTIMIZE"}
    run = python("-W", "error::RuntimeWarning", str(path), env=environment)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 1
    defined = tool.definitions((NOTES / f"{path.stem}.md").read_text("utf-8"), path.stem)
    assert tool.TAG.findall(lines[0]) == [use.tag for use in defined]


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_check_is_plain_numpy(path: Path) -> None:
    assert _imported(path.read_text("utf-8")) <= {"numpy", *sys.stdlib_module_names}


def test_imports_are_all_seen() -> None:
    source = (
        "import math, numpy.linalg\ndef f():\n    from balinp.layer import x\n    import a as b"
    )
    assert _imported(source) == {"math", "numpy", "balinp", "a"}
    with pytest.raises(AssertionError, match="by name"):
        _imported("__import__('balinp')")
    with pytest.raises(AssertionError, match="relative"):
        _imported("from . import layer")


def _imported(source: str) -> set[str]:
    """Top-level names of the packages that a program imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            found.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.Name):
            assert node.id not in ("__import__", "importlib", "exec", "eval"), "import by name"
    return found


# Tags: notes, docstrings, tests


def test_every_tag_is_defined_once_cited_and_tested() -> None:
    assert "\n".join(tool.problems(*tool.read_all())) == ""


def test_table_is_fresh() -> None:
    run = python(str(NOTES / "make_table.py"), "--check")
    assert run.returncode == 0, run.stdout + run.stderr


NOTE = """# 02 Matrices
## MN-1 Density
> **[MN-1]** A statement, see [LR-2](03.md) and
[LR-2](03.md) again; **[MN-9]** in a line defines nothing.
```
> **[MN-8]** code
```
### MN-2 Moments: mean
> **[MN-2]** Another.
"""

MODULE = '''"""A module.

Derivation: KR-1
"""
def f():
    """Do it.

    Derivation: MN-1, LR-2

    Notes on the Derivation: none.
    """
    # Derivation: EV-1
    text = "Derivation: EV-2"
class C:
    """A class.

    Derivation: MN-2
    """
    if True:
        @property
        def p(self):
            """Derivation: MN-2"""
            def inner():
                """Derivation: PT-1"""
'''

TESTS = """
import pytest
pytestmark = [pytest.mark.slow, pytest.mark.equation("KR-1")]
@pytest.mark.equation("MN-1", "MN-2")
def test_a(): ...
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.equation("LR-2"))])
def test_b(x): ...
@pytest.mark.equation("EV-1")
def helper(): ...
@pytest.mark.equation("PT-1")
class TestGroup:
    pytestmark = pytest.mark.equation("PT-2")
    @pytest.mark.equation("PT-3")
    def test_c(self): ...
def test_d():
    text = '@pytest.mark.equation("EV-2")'
"""


def test_definitions_are_found() -> None:
    assert tool.definitions(NOTE, "02.md") == [
        ("MN-1", "02.md", "MN-1 Density"),
        ("MN-2", "02.md", "MN-2 Moments: mean"),
    ]


@pytest.mark.parametrize(
    "line", ["**[MN-1]** x", "> [MN-1] x", ">**[MN-1]** x", "> **[MN-1]**x", " > **[MN-1]** x"]
)
def test_a_careless_definition_is_an_error(line: str) -> None:
    with pytest.raises(tool.FormatError, match=r"02\.md:2"):
        tool.definitions(f"text\n{line}", "02.md")


def test_citations_are_found_in_docstrings_only() -> None:
    assert [(use.tag, use.place) for use in tool.citations(MODULE, "m")] == [
        ("KR-1", "m"),
        ("MN-1", "m.f"),
        ("LR-2", "m.f"),
        ("MN-2", "m.C"),
        ("MN-2", "m.C.p"),
        ("PT-1", "m.C.p.inner"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Derivation: MN-1 LR-2",
        "Derivation: see MN-1",
        "Derivation: MN-01",
        "Derivations: MN-1",
        "Derivation:",
    ],
)
def test_a_careless_citation_is_an_error(line: str) -> None:
    with pytest.raises(tool.FormatError, match=r"m\.f"):
        tool.citations(f'def f():\n    """Do.\n\n    {line}\n    """', "m")


def test_marks_are_found_on_tests_only() -> None:
    assert [(use.tag, use.place) for use in tool.marks(TESTS, "t.py")] == [
        ("KR-1", "t.py"),
        ("MN-1", "t.py::test_a"),
        ("MN-2", "t.py::test_a"),
        ("LR-2", "t.py::test_b"),
        ("PT-1", "t.py::TestGroup"),
        ("PT-2", "t.py::TestGroup"),
        ("PT-3", "t.py::TestGroup::test_c"),
    ]


@pytest.mark.parametrize("arguments", ["", "MN", "'MN-1 MN-2'", "'MN-1', 3", "tag='MN-1'"])
def test_a_careless_mark_is_an_error(arguments: str) -> None:
    with pytest.raises(tool.FormatError, match=r"t\.py::test_a"):
        tool.marks(f"@pytest.mark.equation({arguments})\ndef test_a(): ...", "t.py")


def _uses(*tags: str) -> list[object]:
    return [tool.Use(tag, f"{tag} place") for tag in tags]


def test_fitting_tags_give_no_problems() -> None:
    tags = _uses("MN-1", "MN-2")
    assert tool.problems(tags, [*tags, *tags], tags) == []


@pytest.mark.parametrize(
    ("defined", "cited", "marked", "sentence"),
    [
        ("MN-1 MN-1", "MN-1", "MN-1", "MN-1 is defined 2 times: MN-1 place, MN-1 place"),
        ("MN-1", "MN-1 LR-2", "MN-1", "LR-2 is cited but undefined: LR-2 place"),
        ("MN-1", "MN-1", "MN-1 LR-2", "LR-2 is tested but undefined: LR-2 place"),
        ("MN-1 MN-2", "MN-1", "MN-1 MN-2", "MN-2 is defined but cited by no docstring"),
        ("MN-1 MN-2", "MN-1 MN-2", "MN-1", "MN-2 is defined but tested by no test"),
    ],
)
def test_each_problem_is_named(defined: str, cited: str, marked: str, sentence: str) -> None:
    found = tool.problems(_uses(*defined.split()), _uses(*cited.split()), _uses(*marked.split()))
    assert found == [sentence]


def test_table_links_tags_to_functions_and_tests() -> None:
    defined = tool.definitions(NOTE, "02.md")
    rows = tool.table(defined, tool.citations(MODULE, "m"), tool.marks(TESTS, "t.py")).splitlines()
    assert rows[2:] == [
        "| [MN-1](02.md#mn-1-density) | Density | `m.f` | `t.py::test_a` |",
        "| [MN-2](02.md#mn-2-moments-mean) | Moments: mean | `m.C`<br>`m.C.p` | `t.py::test_a` |",
    ]


def test_a_stale_table_is_told_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "table.md"
    page.write_text(f"before\n{tool.BEGIN}\nold\n{tool.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(tool, "TABLE", page)
    assert tool.main(["--check"]) == 1
    assert "old" in page.read_text("utf-8"), "--check must not write"
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0
    text = page.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert tool.main(["--chekc"]) == 2
    with pytest.raises(tool.FormatError, match="expected one"):
        tool.with_table("no markers", "")


# The notes as documents


def _prose(path: Path) -> str:
    """A note without code and without the marks of block quotes."""
    text = re.sub(r"^> ?", "", path.read_text("utf-8"), flags=re.MULTILINE)
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", sorted(NOTES.glob("*.md")), ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    text = _prose(path)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, fragment = target.partition("#")
        linked = NOTES / file if file else path
        assert linked.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), flags=re.MULTILINE)
            assert fragment in {tool.anchor(heading) for heading in headings}, target


def defined_names(source: str) -> set[str]:
    """What a Python file defines: functions, classes, arguments, what is assigned, and strings."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def unknown_names(note: str, modules: Mapping[str, set[str]], others: set[str]) -> list[str]:
    """Names in backticks that no module defines; in `module.name`, those that this one does not.

    Modules are those at the top of the package, a package's with all that is in it.

    Commands, paths, tests, marks and commits are no names.
    """
    everywhere = set(modules).union(others, *modules.values())
    no_names = re.compile(
        r"(balinp|python|pytest|Derivation:) .*|@.*|.*/.*|.*\.(md|py).*|[0-9a-f]{7}"
    )
    found = []
    for quoted in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", note, flags=re.DOTALL)):
        if quoted in everywhere or no_names.fullmatch(quoted):
            continue
        names = re.findall(r'"([^"]*)"|([A-Za-z_]\w*)', quoted)
        unknown = any(name not in everywhere for pair in names for name in pair if name)
        qualified = re.match(r"(\w+)\.(\w+)", quoted)
        if qualified and qualified[1] in modules:
            unknown |= qualified[2] not in modules[qualified[1]]
        if unknown:
            found.append(quoted)
    return found


@pytest.mark.parametrize(
    "path",
    sorted({*NOTES.glob("*.md")} - {NOTES / "12_tried_and_failed.md", NOTES / "table.md"}),
    ids=lambda path: path.stem,
)
def test_names_in_the_notes_exist(path: Path) -> None:
    """All but those of what was not kept (12); the table's are the code's own."""
    modules: dict[str, set[str]] = {}
    package = NOTES.parent / "balinp"
    for file in package.rglob("*.py"):
        module, *inner = file.relative_to(package).with_suffix("").parts
        names = defined_names(file.read_text("utf-8"))
        modules.setdefault(module, set()).update(inner, names)
    assert unknown_names(path.read_text("utf-8"), modules, NAMES_OF_OTHERS) == []


def test_a_name_that_does_not_exist_is_found() -> None:
    modules = {"layer": defined_names('class Layer:\n    def mean(self, rate=1.0):\n        "x"')}
    note = "`mean`, `layer.Layer`, `Layer.mean(rate)`, `x.py`, `9e3779b`, `python a.py`, `np.log`\n"
    assert unknown_names(note, modules, {"np", "log"}) == []
    stale = ["layer.rate_of", "means", 'Layer.mean(rate="fast")', "layer.log", "Layer.log(scale)"]
    note += " ".join(f"`{name}`" for name in stale) + "\n```\n`code`\n```\n"
    assert unknown_names(note, modules, {"np", "log"}) == stale


def test_tests_that_are_named_as_guarantees_exist() -> None:
    named = re.findall(
        r"`(\w+/test_\w+\.py)::(test_\w+)`", (NOTES / "14_guarantees.md").read_text("utf-8")
    )
    assert len(named) > 30
    for file, test in named:
        source = (NOTES.parent / "tests" / file).read_text("utf-8")
        assert re.search(rf"^def {test}\(", source, flags=re.MULTILINE), f"{file}::{test}"


@pytest.mark.parametrize("path", sorted(NOTES.glob("*.md")), ids=lambda path: path.stem)
def test_formulas_render_on_github(path: Path) -> None:
    """Dollars are paired on their line; no macro or escape that GitHub refuses or rewrites."""
    for line in _prose(path).splitlines():
        assert len(re.findall(r"\$\$", line)) in (0, 2), line
        assert line.replace("$$", "").count("$") % 2 == 0, line
        for formula in re.findall(r"\$\$(.*?)\$\$|\$(.*?)\$", line):
            assert not re.search(r"\\[^a-zA-Z ]|\\operatorname|[<>*]", "".join(formula)), formula
