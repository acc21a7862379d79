"""The programs in findings/: indexed, pinned, without balinp. Not run here: they install."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

FINDINGS = Path(__file__).resolve().parents[2] / "findings"
PROGRAMS = sorted(FINDINGS.glob("*.sh"))
each_program = pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)


def test_index_names_every_program_once() -> None:
    linked = re.findall(r"^\| \[(\w+)\]\((\w+)\.sh\)", (FINDINGS / "README.md").read_text("utf-8"),
                        flags=re.MULTILINE)  # fmt: skip
    assert [name for name, _ in linked] == [path.stem for path in PROGRAMS]
    assert all(name == file for name, file in linked)


@each_program
def test_versions_are_pinned_and_told(path: Path) -> None:
    text = path.read_text("utf-8")
    assert os.access(path, os.X_OK)
    comment = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    (install,) = re.findall(r"pip install (.*)", text)
    packages = [word for word in install.split() if not word.startswith("--")]
    assert packages
    assert all("==" in package for package in packages), install
    index = (FINDINGS / "README.md").read_text("utf-8")
    (row,) = (line for line in index.splitlines() if f"({path.name})" in line)
    versions = re.findall(r"\d+\.\d+(?:\.\d+)?", row.split("|")[2])
    assert versions
    assert all(version in comment and version in text.replace(comment, "") for version in versions)


@each_program
def test_program_is_python_that_asserts_and_does_not_use_balinp(path: Path) -> None:
    (program,) = re.findall(r"<<'PYTHON'\n(.*?)\nPYTHON\n", path.read_text("utf-8"), re.DOTALL)
    tree = ast.parse(program)
    assert any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    assert "balinp" not in program
