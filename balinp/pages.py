"""Freed memory that stays with the process, so that a step does not ask for it again and again.

A step makes and frees dozens of arrays of some hundred kilobytes. Where the C library hands each
back to the operating system at once, the next is zeroed page by page when it is first written to,
which takes as long as the arithmetic; figures are in derivations/12_tried_and_failed.md.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

import numpy as np

LARGEST = 31 * 2**20
"""Bytes of a block that glibc learns from: a little less than the largest, 32 MiB."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's parameters (mallopt)."""


@cache  # once is enough for a process
def keep_freed_pages() -> None:
    """Let the C library keep blocks of up to 31 MiB when they are freed.

    glibc takes the size of a block that is freed, and was mapped by itself, for the size from which
    it maps and unmaps: one large block, never written to, is allocated and freed here. With other
    libraries nothing changes.

    It does not learn where a threshold is set from outside, as dask sets one for its workers, so
    that they give memory back; there it is told what it would have learnt.
    """
    np.empty(LARGEST, dtype=np.uint8)
    if sys.platform == "linux" and "MALLOC_TRIM_THRESHOLD_" in os.environ:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # glibc
            mallopt(MMAP_THRESHOLD, LARGEST)
            mallopt(TRIM_THRESHOLD, 2 * LARGEST)
