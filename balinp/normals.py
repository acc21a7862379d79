"""Standard normal numbers for averages, from a table that is read at random places.

A step of the linearised pass asks for a hundred thousand of them, which would take a third of its
time. For averages a window of a table of a million is as good: its numbers are independent of one
another, and only windows of different steps share some.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np

TABLE = 2**20
"""Numbers in the table: 4 MiB."""


def normals(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Standard normal numbers (float32), each entry of the first axis a window of the table.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    rng : numpy.random.Generator
        Generator that chooses the windows; where one is more than a quarter of the table, the seed
        of numbers that are drawn anew.

    Examples
    --------
    >>> normals((2, 3), np.random.default_rng(0)).shape
    (2, 3)
    """
    size, chosen = prod(shape[1:]), _chosen(shape, rng)
    if _is_large(size):
        return np.random.default_rng(chosen).standard_normal(shape, dtype=np.float32)
    return np.stack([_table()[start : start + size] for start in chosen]).reshape(shape)


def pass_over_normals(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Leave the generator as `normals` would, in no time.

    Parameters
    ----------
    shape, rng
        As for `normals`.
    """
    _chosen(shape, rng)


def _chosen(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Where windows start, or the seed of numbers that are drawn anew."""
    size = prod(shape[1:])
    return rng.integers(2**63) if _is_large(size) else rng.integers(TABLE - size, size=shape[0])


def _is_large(size: int) -> bool:
    return size > TABLE // 4


@cache
def _table() -> Any:
    table = np.random.default_rng(2411).standard_normal(TABLE, dtype=np.float32)
    table.flags.writeable = False
    return table
