"""Files of records with what they came from: command, date and versions.

A file is a JSON object; its records are those that the command writes with ``--json``, one a
line, with floats rounded to `DIGITS` significant digits.
"""

from __future__ import annotations

import datetime
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from balinp.experiments import UserError
from balinp.experiments.scores import Record

DIRECTORY = Path(__file__).parent
DIGITS = 6

PACKAGES = ("balinp", "numpy", "scipy", "numba", "scikit-learn", "torch", "laplace-torch", "emcee")
"""Whose versions are kept, of those that are installed."""


@dataclass(frozen=True)
class Results:
    """Records and where they are from.

    Attributes
    ----------
    command : str
        Command that gives the records.
    date : str
        Date of the run, as in 2024-11-18.
    versions : dict of str to str
        Versions of Python and of packages, by name.
    records : list of Record
        See `balinp.experiments.scores`.
    """

    command: str
    date: str
    versions: dict[str, str]
    records: list[Record]

    @classmethod
    def of_today(cls, command: str, records: Sequence[Record]) -> Results:
        """Records just made, rounded."""
        today = datetime.date.today().isoformat()
        return cls(command, today, versions(), rounded(list(records)))

    def write(self, path: Path) -> None:
        """Write the file, one record a line."""
        head = {"command": self.command, "date": self.date, "versions": self.versions}
        lines = ",\n".join(json.dumps(record) for record in self.records)
        path.write_text(f'{json.dumps(head)[:-1]},\n"records": [\n{lines}\n]}}\n')


def read(name: str, directory: Path | None = None) -> Results:
    """Read the results of a run by its name in `RUNS`.

    Raises
    ------
    UserError
        If there are none.
    """
    path = (directory or DIRECTORY) / f"{name}.json"
    if not path.exists():
        raise UserError(
            f"{path}: no such file; python -m balinp.experiments.results {name} makes it"
        )
    return Results(**json.loads(path.read_text()))


def versions() -> dict[str, str]:
    """Versions of Python and of `PACKAGES` that are installed, whether a run used them or not."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def rounded(value: Any) -> Any:
    """The same lists, dictionaries and values, with floats rounded; NaN, which JSON lacks, is None.

    Examples
    --------
    >>> rounded({"split": 0, "rmse": 1 / 3, "log_joint": [-12345678.9], "ratio": float("nan")})
    {'split': 0, 'rmse': 0.333333, 'log_joint': [-12345700.0], 'ratio': None}
    """
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")
    return value
