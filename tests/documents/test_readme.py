"""What the pages named README show is run: their Python blocks in order, and their commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from balinp import cli
from balinp.cli import parser
from balinp.experiments.methods import REFERENCE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / folder / "README.md"
    for folder in ("", "balinp/experiments", "balinp/experiments/results",
                   "balinp/experiments/uses", "derivations", "findings", "tests", "tutorials")
]  # fmt: skip
each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).parent.as_posix()
)


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a language."""
    text = page.read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    text = page.read_text("utf-8")
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def typed(page: Path) -> list[str]:
    """Lines of the blocks of commands of a page."""
    return [line for block in blocks(page, "sh") for line in block.splitlines()]


def make_files(page: Path) -> None:
    """Run what a page shows as ``python -c``: it makes the files that its other lines need."""
    for line in typed(page):
        if line.startswith("python -c "):
            exec(shlex.split(line)[2], {})


def commands() -> list[str]:
    """What the blocks of all pages say to type, once each."""
    lines = [line for page in PAGES for line in typed(page)]
    parts = [part.split(" #")[0].strip() for line in lines for part in line.split("&&")]
    return sorted(set(parts))


def balinp_commands() -> list[object]:
    """Those of balinp; the Markov chains of truths take minutes, and test_truths has short ones."""
    marks = {"balinp truths": pytest.mark.stress}
    return [
        pytest.param(command, marks=marks.get(command, ()))
        for command in commands()
        if command.startswith("balinp ")
    ]


def test_pages_are_all_there_are():
    """In the folders that belong to the project."""
    folders = ("balinp", "derivations", "findings", "tests", "tutorials")
    found = {path for folder in folders for path in (ROOT / folder).rglob("README.md")}
    assert {ROOT / "README.md", *found} == set(PAGES)


def test_commands_are_found():
    assert {"balinp demo", "balinp evaluate digits", "balinp truths"} <= set(commands())
    assert len(blocks(ROOT / "README.md", "python")) == 1


@each_page
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_files(page)
    namespace: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("command", balinp_commands())
def test_balinp_commands_run(command, tmp_path, monkeypatch, capsys, request):
    """Each command as it stands, on a single split where it evaluates.

    All methods are run on wine, where they are quick, and one on the other data sets.
    """
    if "mnist:" in command:
        request.getfixturevalue("data_directory")
    monkeypatch.chdir(tmp_path)
    for page in PAGES:
        if command in typed(page):
            make_files(page)
    arguments = shlex.split(command)[1:]
    if arguments[0] == "evaluate":
        arguments += ["--splits", "1"]
        if "wine" not in arguments:
            arguments += ["--methods", REFERENCE]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out
    assert list(tmp_path.glob("*.png"))


@each_page
def test_commands_in_the_text_are_of_the_command_line(page):
    """Commands in backticks can be parsed; a command alone, without its NAME, need only exist."""
    text = re.sub(r"\s+", " ", prose(page))
    for command in re.findall(r"`balinp ([^`]+)`", text):
        arguments = shlex.split(command)
        if len(arguments) == 1:
            assert f"    {arguments[0]} " in parser._parser().format_help(), command
        elif "--list" in arguments:
            with pytest.raises(SystemExit) as end:
                parser._parser().parse_args(arguments)
            assert end.value.code == 0
        else:
            parser._parser().parse_args(arguments)


@each_page
def test_programs_that_commands_name_exist(page):
    quoted = re.findall(r"`((?:python|pytest|tests/)[^`]*)`", re.sub(r"\s+", " ", prose(page)))
    for line in [*quoted, *"\n".join(blocks(page, "sh")).splitlines()]:
        for program in re.findall(r"[\w./]+\.(?:py|sh)\b", line):
            assert (ROOT / program).exists(), line


@each_page
def test_links_lead_somewhere(page):
    """Files and folders exist, and so do the headings that are linked to in them."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in anchors, target
