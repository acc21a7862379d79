"""What is published: requirements that agree, a description without dead links, notes inside."""

from __future__ import annotations

import re
import runpy
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def requirements() -> dict[str, list[str]]:
    """Lines of each extra, and under "" of what is always installed."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = dict(config["options.extras_require"])
    lines[""] = config["options"]["install_requires"]
    return {extra: text.split() for extra, text in lines.items()}


def test_a_package_has_one_lower_bound():
    """An extra that allowed what another part of the code does not would break that part."""
    bounds: dict[str, set[str]] = {}
    for lines in requirements().values():
        for line in lines:
            if not line.startswith("balinp["):
                name, bound = re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups()
                bounds.setdefault(name, set()).add(bound)
    assert {name: found for name, found in bounds.items() if len(found) > 1} == {}
    assert len(bounds) > 20


def test_the_description_leads_nowhere_into_the_repository():
    described = runpy.run_path(str(ROOT / "setup.py"))["described"]
    text = described((ROOT / "README.md").read_text("utf-8"))
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert targets
    assert all(target.startswith("https://") for target in targets)
    assert "[" not in described("a [b](c.md), ![d](e.png)\n\nand `f`")
    assert described("[b](https://c.org)") == "[b](https://c.org)"


def test_versions_agree():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    version = config["metadata"]["version"]
    assert f'__version__ = "{version}"' in (ROOT / "balinp" / "__init__.py").read_text("utf-8")
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
