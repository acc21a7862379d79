"""Outcomes on disk as they finish, so that a run that was killed can go on.

A journal is a text file of JSON, one line each. The first line says what all outcomes have in
common: version, data set, and a digest of the data. Every other line is an outcome, whose record
has the digest of what its method depends on. A line is written by a single call and forced to the
disk; whatever happens to the process, only the last line can be incomplete, and such a line is
dropped. Outcomes of methods whose settings have changed since stay in the file and are not used;
those of all others are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import balinp
from balinp.experiments import UserError
from balinp.experiments.dataset import Dataset
from balinp.experiments.methods import Method
from balinp.experiments.runner import Job, Outcome


class Journal:
    """The journal of one data set.

    Parameters
    ----------
    path : Path
        Path of the file.
    dataset : Dataset
        What is run.
    methods : sequence of Method
        Methods that are run; outcomes of others stay in the file and are not looked at.

    Examples
    --------
    >>> import tempfile
    >>> from balinp.experiments.datasets import load
    >>> from balinp.experiments.methods import select
    >>> path = Path(tempfile.mkdtemp()) / "wine.journal"
    >>> (method,) = select("classification", ["MLP"])
    >>> journal = Journal(path, load("wine"), [method])
    >>> journal.start()
    >>> record = {"split": 0, "method": "MLP", "settings": method.digest, "nll": 0.1}
    >>> journal.append(Outcome(record, {}))
    >>> list(journal.resume())
    [(0, 'MLP')]
    """

    def __init__(self, path: Path, dataset: Dataset, methods: Sequence[Method]) -> None:
        self.path = path
        self.header = {
            "balinp": balinp.__version__,
            "dataset": dataset.name,
            "ood": None if dataset.outside is None else dataset.outside.name,
            "input scale": dataset.input_scale,
            "data": _digest(dataset),
        }
        self.digests = {method.name: method.digest for method in methods}

    def start(self) -> None:
        """Begin an empty journal, in place of any that was there."""
        self.path.write_bytes(_line(self.header))

    def append(self, outcome: Outcome) -> None:
        """Add an outcome; when this returns, it is on the disk."""
        line = _line(
            {
                "record": outcome.record,
                "curves": {name: array.tolist() for name, array in outcome.curves.items()},
            }
        )
        with self.path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def resume(self) -> dict[Job, Outcome]:
        """Outcomes of the methods as they are now; without a journal, begin one.

        An incomplete last line is cut off.

        Raises
        ------
        UserError
            If the journal is of other data or another version, or is damaged.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        end = content.rfind(b"\n") + 1
        if not end:
            self.start()
            return {}
        os.truncate(self.path, end)
        first, *lines = content[:end].splitlines()
        self._check_header(self._parse(first, 1))
        outcomes: dict[Job, Outcome] = {}
        for number, text in enumerate(lines, 2):
            outcome = self._outcome(self._parse(text, number), number)
            job, settings = outcome.job, outcome.record["settings"]
            if self.digests.get(job[1]) != settings:
                continue
            if job in outcomes:
                raise UserError(f"{self.path}: line {number} repeats the outcome {job}")
            outcomes[job] = outcome
        return outcomes

    def _check_header(self, found: dict[str, Any]) -> None:
        for key, expected in self.header.items():
            if key not in found:
                raise UserError(f"{self.path}: not a journal of balinp")
            if found[key] != expected:
                what = "other data" if key == "data" else f"{key} {found[key]}"
                now = "" if key == "data" else f", now it is {expected}"
                raise UserError(
                    f"{self.path}: its records are of {what}{now}; "
                    "name another --json file, or start anew without --resume"
                )

    def _parse(self, text: bytes, number: int) -> dict[str, Any]:
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise UserError(f"{self.path}: line {number} is damaged")
        return line

    def _outcome(self, line: dict[str, Any], number: int) -> Outcome:
        try:
            curves = {name: np.array(values) for name, values in line["curves"].items()}
            outcome = Outcome(line["record"], curves)
            _ = outcome.job, outcome.record["settings"]  # what every record has
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{self.path}: line {number} is not an outcome") from None
        return outcome


def _line(content: dict[str, Any]) -> bytes:
    return (json.dumps(content) + "\n").encode()


def _digest(dataset: Dataset) -> str:
    """SHA-256 of shapes and values of inputs, targets, and data from outside."""
    digest = hashlib.sha256()
    outside = [] if dataset.outside is None else [dataset.outside.X]
    for array in (dataset.X, dataset.Y, *outside):
        digest.update(repr(array.shape).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
