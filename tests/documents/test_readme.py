"""What the README shows is run: its Python blocks in order, and its balinp commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from balinp import cli
from balinp.experiments.methods import REFERENCE

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def test_python_blocks_run_in_order():
    namespace: dict[str, object] = {}
    assert len(blocks("python")) >= 2
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if "balinp " in part]


def test_commands_are_found():
    assert {"balinp evaluate diabetes", "balinp demo", "balinp evaluate digits"} <= set(commands())


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_balinp_commands_run(command, tmp_path, monkeypatch, capsys):
    """Each command as it stands, on a single split where it evaluates.

    All methods are run on wine, where they are quick, and one on the other data sets.
    """
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)[1:]
    if arguments[0] == "evaluate":
        arguments += ["--splits", "1"]
        if "wine" not in arguments:
            arguments += ["--methods", REFERENCE]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out
    assert list(tmp_path.glob("*.png"))


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
