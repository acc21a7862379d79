"""Write the reference into a directory: ``python -m balinp.reference [DIRECTORY]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

NEEDED = ("pdoc", "jinja2", "markdown2", "markdown_it", "mdit_py_plugins", "latex2mathml")
"""What the extra `docs` brings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages and say where they are; 2 and one line if that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m balinp.reference",
        description="Write the reference of balinp, functions and derivations, as HTML.",
    )
    parser.add_argument("directory", nargs="?", default="reference", type=Path)
    directory = parser.parse_args(arguments).directory
    try:
        from balinp.reference.pages import write
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] not in NEEDED:
            raise
        print(
            f"reference: expected {error.name}, which is not installed: pip install 'balinp[docs]'",
            file=sys.stderr,
        )
        return 2
    try:
        directory.mkdir(parents=True, exist_ok=True)
        left_out = write(directory)
    except OSError as error:
        print(f"directory: expected one to write to, got {error}", file=sys.stderr)
        return 2
    for name, missing in left_out.items():
        print(f"left out: {name}, which needs {missing}")
    print(f"wrote {directory / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
