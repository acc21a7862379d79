"""The tutorials: each runs, its notebook is fresh, and it asserts what it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from scripts import loaded

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
LARGEST = 1_000_000  # bytes of one notebook: a clone stays small and GitHub shows it


build = loaded(TUTORIALS / "build.py")
each_tutorial = pytest.mark.parametrize("source", build.sources(), ids=lambda path: path.stem)


def written(source: Path) -> nbformat.NotebookNode:
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str, str, dict]]:
    return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]


def test_tutorials_are_found_and_every_notebook_has_a_source():
    assert build.sources()
    stems = {source.stem for source in build.sources()}
    assert stems == {notebook.stem for notebook in TUTORIALS.glob("*.ipynb")}
    numbers = sorted(stem[:2] for stem in stems)
    assert numbers == sorted(set(numbers))


@pytest.mark.slow
@each_tutorial
def test_tutorial_runs(source):
    assert build.problems(build.executed(source)) == []


@each_tutorial
def test_notebook_is_fresh(source):
    """Cells are those of the source, all of them executed, in order and without a problem."""
    notebook = written(source)
    assert cells(notebook) == cells(build.unexecuted(source)), "run python tutorials/build.py"
    assert notebook.metadata == build.METADATA
    assert build.problems(notebook) == []
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert source.with_suffix(".ipynb").stat().st_size < LARGEST


@each_tutorial
def test_headline_and_exercises_are_asserted(source):
    """Assertions before the exercises and after, the last of them in the last cell of code."""
    text, exercises = re.split(r"^# ## Exercises$", source.read_text("utf-8"), flags=re.MULTILINE)
    for part in (text, exercises):
        assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(part)))
    code = [c.source for c in build.unexecuted(source).cells if c.cell_type == "code"]
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code[-1])))


@each_tutorial
def test_links_lead_somewhere(source):
    """Files exist, and so do the headings that are linked to in them."""
    prose = [c.source for c in build.unexecuted(source).cells if c.cell_type == "markdown"]
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(prose)):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        path = TUTORIALS / name
        assert path.exists(), target
        headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE) if anchor else []
        anchors = {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}
        assert not anchor or anchor in anchors, target


def test_readme_names_every_tutorial():
    readme = (TUTORIALS / "README.md").read_text("utf-8")
    assert re.findall(r"\((\d\d_\w+\.ipynb)\)", readme) == [
        source.with_suffix(".ipynb").name for source in build.sources()
    ]


def cell(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(
        execution_count=1, outputs=[nbformat.v4.new_output("stream", name=name, text=text)]
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a warning", "stderr"),
        (str(TUTORIALS), "stdout"),
        ("<matplotlib.legend.Legend object at 0x7f0123456789>", "stdout"),
    ],
)
def test_problems_are_seen(text, name):
    harmless = cell("the mean is 0.25")
    assert build.problems(nbformat.v4.new_notebook(cells=[harmless])) == []
    assert len(build.problems(nbformat.v4.new_notebook(cells=[harmless, cell(text, name)]))) == 1


def test_cell_ids_are_the_same_each_time(tmp_path):
    source = tmp_path / "00_x.py"
    source.write_text("# %%\nx = 1\n\n# %%\nx = 1\n\n# %% [markdown]\n# Text.\n")
    first, second = build.unexecuted(source), build.unexecuted(source)
    assert cells(first) == cells(second)
    assert len({cell.id for cell in first.cells}) == 3
    assert nbformat.validate(first) is None


@pytest.mark.slow
def test_a_failing_or_slow_tutorial_is_refused(tmp_path, monkeypatch):
    source = tmp_path / "00_x.py"
    source.write_text("# %%\nassert 1 + 1 == 3\n")
    with pytest.raises(CellExecutionError, match="AssertionError"):
        build.executed(source)
    monkeypatch.setattr(build, "TIME_LIMIT", 3)
    source.write_text("# %%\nwhile True:\n    pass\n")
    with pytest.raises(DeadKernelError):
        build.executed(source)
    monkeypatch.setattr(build, "WAIT_LIMIT", 2.0)
    source.write_text("# %%\nimport time\n\ntime.sleep(30)\n")
    with pytest.raises(CellTimeoutError):
        build.executed(source)
