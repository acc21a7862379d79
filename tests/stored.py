"""Files of models and estimators, and changes of them that a reader must notice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from balinp._types import Array

Arrays = dict[str, Array]
Change = Callable[[Arrays], Any]


def arrays_in(path: Path) -> Arrays:
    """All arrays of a file, by name."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def rewrite(path: Path, change: Change) -> None:
    """Change the arrays of a file, and write them as an archive without a digest."""
    arrays = arrays_in(path)
    change(arrays)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def header(**changes: Any) -> Change:
    """Replace entries of the header, or add some."""

    def change(arrays: Arrays) -> None:
        content = json.loads(arrays["header"].tobytes()) | changes
        arrays["header"] = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)

    return change


def entry(part: str, name: str, *value: Any) -> Change:
    """Replace one of a part of the header, which is a dictionary itself, or leave it out."""

    def change(arrays: Arrays) -> None:
        entries = json.loads(arrays["header"].tobytes())[part]
        del entries[name]
        header(**{part: entries | dict(zip([name], value, strict=False))})(arrays)

    return change


def without(name: str) -> Change:
    """Leave an array out."""
    return lambda arrays: arrays.pop(name)


def replaced(name: str, value: Any) -> Change:
    """Replace an array, or add one."""
    return lambda arrays: arrays.update({name: np.asarray(value)})
