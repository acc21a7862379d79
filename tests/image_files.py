"""Images written as IDX files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np


def idx(values: np.ndarray, kind: int = 8) -> bytes:
    """An array as a file in IDX format, with any kind in its head."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, kind, values.ndim, *values.shape)
    return header + values.astype(np.uint8).tobytes()


def write_images(
    directory: Path,
    rng: np.random.Generator,
    n: int,
    part: str = "t10k",
    size: int = 4,
    compressed: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels as IDX files; the label's pixel is bright, the last one dark."""
    directory.mkdir(exist_ok=True)
    labels = np.arange(n) % 10
    pixels = rng.integers(0, 60, size=(n, size, size))
    pixels.reshape(n, -1)[np.arange(n), labels] = 255
    pixels[:, -1, -1] = 0
    for name, values in {"images-idx3": pixels, "labels-idx1": labels}.items():
        content = idx(values)
        ending = ".gz" if compressed else ""
        path = directory / f"{part}-{name}-ubyte{ending}"
        path.write_bytes(gzip.compress(content, mtime=0) if compressed else content)
    return pixels, labels
