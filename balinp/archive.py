"""Files of plain arrays: a header and named arrays in one .npz archive, read as they were written.

No pickle; nothing in a file is executed. The archive's comment is the SHA-256 digest of all that
comes before it. Writing goes to a temporary file beside the target, which then takes its place, so
that an interrupted save leaves the old file as it was.
"""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from balinp._types import Array

END_OF_ARCHIVE = 22
"""Bytes of an archive's last record, without its comment."""


@contextmanager
def readable(path: str | os.PathLike[str]) -> Iterator[dict[str, Array]]:
    """The arrays of a file; what goes wrong with them within the context names the file."""
    content = _as_path(path).read_bytes()  # what fails here is the disk, or the name
    # Damaged or foreign bytes make the readers of archives, of arrays and of JSON raise almost
    # any exception; what it was, is in the message and in the cause.
    try:
        check_intact(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:
        raise ValueError(
            f"path: expected a file written by save, got {path!s} ({error})"
        ) from error
    try:
        yield arrays
    except Exception as error:
        raise ValueError(f"path: {path!s} is not a readable model ({error})") from error


def check_intact(content: bytes) -> None:
    """Raise unless an archive is as it was written, to the last bit.

    An archive without a comment has no digest: an earlier version has written it, or another
    program. Then the checksums of its members must hold, and nothing may come after it.

    Raises
    ------
    ValueError, zipfile.BadZipFile, zlib.error and others
        If anything is damaged.
    """
    with ZipFile(io.BytesIO(content)) as archive:
        comment = archive.comment
        damaged = None if comment else archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged}: the checksum does not match")
    end = content[-END_OF_ARCHIVE:]
    if not comment and not (end.startswith(b"PK\5\6") and end.endswith(b"\0\0")):
        raise ValueError("expected nothing after the archive, and none of it missing")
    if comment and comment != digest(content[: -len(comment)]):
        raise ValueError("the digest does not match")


def digest(body: bytes) -> bytes:
    """SHA-256 of what comes before an archive's comment, 64 hexadecimal digits."""
    return sha256(body).hexdigest().encode()


def archived(arrays: dict[str, Any]) -> bytes:
    """An .npz file whose comment is the digest of the rest, as `check_intact` expects it."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with ZipFile(buffer, "a") as archive:
        archive.comment = digest(b"")  # of the right length
    body = buffer.getvalue()[: -len(digest(b""))]
    return body + digest(body)


def encoded(header: dict[str, Any], kind: str, version: int) -> Array:
    """A header as an array of bytes, with the format that `decoded` will ask for."""
    text = json.dumps({"format": kind, "version": version, **header})
    return np.frombuffer(text.encode(), dtype=np.uint8)


def decoded(array: Array, kind: str, version: int, names: Iterable[str]) -> dict[str, Any]:
    """The header; ValueError unless it is of this format and version and has these names."""
    header: dict[str, Any] = json.loads(array.tobytes().decode())
    found = header.pop("format"), header.pop("version")
    if repr(found) != repr((kind, version)):  # 1 is not True
        raise ValueError(f"expected format {kind} {version}, got {found[0]} {found[1]!r}")
    only(header, names, "header")
    return header


def only(found: Iterable[str], expected: Iterable[str], what: str) -> None:
    """Raise ValueError unless there is all that is expected, and nothing else."""
    missing, unknown = set(expected) - set(found), set(found) - set(expected)
    if missing or unknown:
        raise ValueError(f"{what}: missing {sorted(missing)}, unknown {sorted(unknown)}")


def write(arrays: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write to a new file in the same directory, then move it into place.

    Raises
    ------
    TypeError, OSError
        If the path is none, or nothing can be written there; the message has the path as given.
    """
    given = _as_path(path)
    if given.exists() and not given.is_file():
        what = "directory" if given.is_dir() else "pipe or device"
        raise OSError(f"path: expected the name of a file, got the {what} {given}")
    if not given.parent.is_dir():
        raise FileNotFoundError(
            f"path: expected a file in a directory that exists, got {given}; "
            f"there is no directory {given.parent}"
        )
    content = archived(arrays)
    target = Path(os.path.realpath(given))  # a link stays one
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # on the disk before the old file is given up
        os.replace(part, target)
    except OSError as error:  # which has the other name
        raise OSError(error.errno, error.strerror or str(error), str(given)) from error
    finally:
        with suppress(OSError):  # it is gone if all went well
            part.unlink()


def _as_path(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path)
    except TypeError:
        raise TypeError(f"path: expected the name of a file, got {path!r}") from None
