"""What commands leave behind: tables on the screen, records and figures in files."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from balinp.experiments import UserError

STDOUT = Path("-")
"""In place of a file: records go to standard output, and tables to standard error."""

ROW = re.compile(r"\|.*\|")
"""A line of a Markdown table."""


def check_writable(records: Path | None = None, figure: Path | None = None) -> None:
    """Fail before the work rather than after it if there is no way to write its results.

    Raises
    ------
    UserError
        If a file cannot be written, a figure has no ending that Matplotlib knows, or records would
        take the place of something else.
    """
    for path in filter(None, [figure, None if is_stream(records) else records]):
        if not path.parent.is_dir():
            raise UserError(f"{path}: no directory {path.parent} to write to")
        if path.is_dir():
            raise UserError(f"{path}: expected the name of a file to write, got a directory")
        for place in (path.parent, path):
            if place.exists() and not os.access(place, os.W_OK):
                raise UserError(f"{path}: cannot be written, {place} is not writable")
    if records is not None and records.is_file() and not _holds_records(records):
        raise UserError(
            f"{records}: expected a new file or one of records, got one of another kind"
        )
    if records is not None and figure is not None and same_place(records, figure):
        raise UserError(f"{records}: expected another file for the figure than for the records")
    if figure is not None:
        from matplotlib.backend_bases import FigureCanvasBase

        formats = FigureCanvasBase.get_supported_filetypes()
        if figure.suffix[1:].lower() not in formats:
            endings = ", ".join(f".{ending}" for ending in sorted(formats))
            raise UserError(f"{figure}: expected a name with one of the endings {endings}")


def is_stream(path: Path | None) -> bool:
    """Whether what goes there is not kept in a file: standard output, a pipe, a device."""
    if path is None or path == STDOUT:
        return path is not None
    return path.exists() and not (path.is_file() or path.is_dir())


def same_place(one: Path, other: Path) -> bool:
    """Whether two paths are of one file, which may not be there yet."""
    return os.path.realpath(one) == os.path.realpath(other)


def _holds_records(path: Path) -> bool:
    """Whether a file is empty, or begins as `write_records` has it."""
    with path.open("rb") as file:
        return file.read(16).lstrip()[:1] in (b"", b"[")


def figure_for(pattern: str | os.PathLike[str] | None, name: str) -> Path | None:
    """The path of a figure, in which ``{name}`` stands for the name of the data set.

    Examples
    --------
    >>> figure_for("evaluate_{name}.png", "uci:energy").name
    'evaluate_uci_energy.png'
    """
    if pattern is None:
        return None
    return Path(str(pattern).replace("{name}", re.sub("[:/]", "_", name)))


def show(text: str, json_path: Path | None = None) -> None:
    """Print a report as wide as the terminal, beside records that go to standard output."""
    stream: TextIO = sys.stderr if json_path == STDOUT else sys.stdout
    if stream.isatty():
        text = fitted(text, shutil.get_terminal_size().columns)
    print(text, end="", file=stream, flush=True)


def fitted(text: str, width: int) -> str:
    r"""A report with its Markdown tables cut by columns, and its prose broken, to a width.

    Every part of a table begins with its first column and has at least one other.

    Examples
    --------
    >>> print(fitted("| method | RMSE | seconds |\n| BALI   | 1.23 |    0.10 |\n", 20), end="")
    | method | RMSE |
    | BALI   | 1.23 |
    <BLANKLINE>
    | method | seconds |
    | BALI   |    0.10 |
    """
    found: list[str] = []
    table: list[str] = []
    for line in [*text.splitlines(), ""]:
        if ROW.fullmatch(line):
            table.append(line)
            continue
        found += _cut(table, width)
        table = []
        found += textwrap.wrap(line, width) or [""]
    return "\n".join(found)


def _cut(table: Sequence[str], width: int) -> list[str]:
    """Lines of one table as those of several, with an empty line between them."""
    if not table or len(table[0]) <= width:
        return list(table)
    first, *columns = zip(*(line[2:-2].split(" | ") for line in table), strict=True)
    parts, used = [[first]], len(first[0]) + 4
    for column in columns:
        if used + len(column[0]) + 3 > width and len(parts[-1]) > 1:
            parts.append([first])
            used = len(first[0]) + 4
        parts[-1].append(column)
        used += len(column[0]) + 3
    lines: list[str] = []
    for part in parts:
        lines += [""] * bool(lines) + [f"| {' | '.join(row)} |" for row in zip(*part, strict=True)]
    return lines


def write_records(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Write records as JSON, a flat list of dictionaries; to `STDOUT` if the path says so.

    A file is written beside its target and then takes its place, so that a reader finds
    either all records or what was there before. A link stays one; pipes are written to.
    """
    text = json.dumps(list(records), indent=1) + "\n"
    if path == STDOUT:
        print(text, end="", flush=True)
        return
    if is_stream(path):
        path.write_text(text)
        return
    place = Path(os.path.realpath(path))
    beside = place.with_name(place.name + ".part")
    try:
        beside.write_text(text)
        os.replace(beside, place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    announce(path)


def announce(path: Path) -> None:
    """Say on a terminal that a file was written."""
    remark(lambda: f"wrote {path}")


def remark(text: Callable[[], str]) -> None:
    """Say on a terminal, where someone may be watching, what a function returns unless empty."""
    if sys.stderr.isatty() and (said := text()):
        print(said, file=sys.stderr)
