"""Files in the IDX format, in which MNIST and data sets of its shape are published.

An IDX file starts with two zero bytes, a byte for the type of its numbers and a byte for the
number d of dimensions; then d sizes, 4 bytes each, the most significant first; then the numbers,
the last index running fastest. Pixels and labels are unsigned bytes, and nothing else is read.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from balinp._types import Array
from balinp.experiments import UserError

Bytes = npt.NDArray[np.uint8]

UNSIGNED_BYTE = 0x08
"""Code of the type, as in the header."""

GZIP = b"\x1f\x8b"
"""How a compressed file starts, whatever it is called."""


def images(directory: Path, part: str) -> Array:
    """Pixels of ``PART-images-idx3-ubyte``, (N, rows * columns), divided by 255."""
    pixels = read_idx(find(directory, f"{part}-images-idx3-ubyte"), dimensions=3)
    return pixels.reshape(len(pixels), -1) / 255.0


def labels(directory: Path, part: str) -> npt.NDArray[np.intp]:
    """Labels of ``PART-labels-idx1-ubyte``, (N,)."""
    path = find(directory, f"{part}-labels-idx1-ubyte")
    return read_idx(path, dimensions=1).astype(np.intp)


def has_part(directory: Path, part: str) -> bool:
    """Whether the directory holds images of this part, ``train`` or ``t10k``."""
    name = f"{part}-images-idx3-ubyte"
    return any((directory / candidate).is_file() for candidate in (name, f"{name}.gz"))


def find(directory: Path, name: str) -> Path:
    """The file of this name, or of this name with .gz.

    Raises
    ------
    UserError
        If there is neither.
    """
    for candidate in (directory / name, directory / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise UserError(f"{directory}: no file {name} or {name}.gz")


def read_idx(path: Path, dimensions: int) -> Bytes:
    """An IDX file of unsigned bytes with so many dimensions, compressed by gzip or not.

    Raises
    ------
    UserError
        If the file is not one: its first bytes, type, dimensions, sizes or length.
    """
    content = _uncompressed(path)
    if len(content) < 4 or content[:2] != b"\0\0":
        raise UserError(f"{path}: not an IDX file (it must start with two zero bytes)")
    kind, found = content[2], content[3]
    if kind != UNSIGNED_BYTE:
        raise UserError(f"{path}: expected unsigned bytes, type 0x08, got type 0x{kind:02x}")
    if found != dimensions:
        raise UserError(f"{path}: expected {dimensions} dimensions, got {found}")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise UserError(f"{path}: ends within its header")
    sizes = struct.unpack(f">{dimensions}I", content[4:start])
    shape, length = " x ".join(map(str, sizes)), len(content) - start
    expected = 1
    for size in sizes:  # integers of any length: a wrong header may ask for more than 2^63
        expected *= size
    if length != expected or not expected:
        raise UserError(f"{path}: expected data of {shape}, at least one, got {length} bytes")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(sizes)


def _uncompressed(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip file ({error})") from None
