"""Programs in processes of their own, stopped by the processor's time that they take."""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def limited(command: list[str], seconds: int = 60) -> list[str]:
    """The command, which the system ends after so many seconds of the processor's.

    Time on the clock would be another measure: a busy machine lets it pass without any work.
    """
    return ["sh", "-c", f'ulimit -S -t {seconds} && exec "$@"', "sh", *command]


def python(*arguments: str, seconds: int = 60, **options: Any) -> subprocess.CompletedProcess[str]:
    """What a fresh Python prints, and its exit status."""
    command = limited([sys.executable, *arguments], seconds)
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)
